//! Additions of items, in the run loop. First a job loads every live model for the
//! catalogue with the new items. Then the items are added, and no response lacks a
//! model.

use anyhow::anyhow;
use tracing::{error, info};

use super::command::{AddItems, Change, Command, Prepared};
use super::coordinator::{Alone, Coordinator};
use super::deletions::Made;
use crate::store::{self, NewAudit, StoreError};

const REFUSED: &str = "the items were not taken in; try again";

impl Coordinator {
    /// Works out the outcome for each item, and starts the job that loads the models.
    pub(super) fn prepare_items(&mut self, adds: Vec<AddItems>) {
        let mut catalog = self.view.dataset.catalog.clone();
        let before = catalog.version;
        let outcomes: Vec<_> = adds.iter().map(|add| catalog.add_items(&add.items)).collect();
        if catalog.version == before {
            self.audit.extend(adds.iter().filter_map(|add| add.by.clone()));
            for (add, outcomes) in adds.into_iter().zip(outcomes) {
                let _ = add.reply.send(Ok(outcomes));
            }
            return;
        }
        // Several requests that arrive together make one version.
        catalog.version = before + 1;
        let dataset = self.view.dataset.with_items(catalog);
        self.jobs.prepare_items(adds, outcomes, dataset, self.device.clone());
    }

    /// Adds the items.
    pub(super) fn add_items(&mut self, prepared: Prepared) {
        let Prepared { adds, dataset, outcomes, models } = prepared;
        if dataset.catalog.version != self.view.dataset.catalog.version + 1 {
            // Other items were added first: these are prepared again behind them.
            self.put_off(adds.into_iter().map(|add| Command::Change(Change::AddItems(add))));
            return;
        }
        let models = match models {
            Ok(models) => models,
            Err(problem) => return self.refuse_items(adds, &problem),
        };
        // Users may have been added meanwhile.
        let mut catalog = self.view.dataset.catalog.clone();
        (catalog.items, catalog.version) = (dataset.catalog.items.clone(), dataset.catalog.version);
        let who: Vec<NewAudit> = adds.iter().filter_map(|add| add.by.clone()).collect();
        let done = match self.state.apply(&store::Change::Items(&catalog, &who), self.deployment.head) {
            Ok(done) => done,
            Err(StoreError::Moved) => {
                self.put_off(adds.into_iter().map(|add| Command::Change(Change::AddItems(add))));
                let (waiters, again, undecided) = (Vec::new(), Vec::new(), Vec::new());
                self.begin_rereading(Alone::Rereading { waiters, again, undecided, tries: 0 });
                return;
            }
            Err(problem) => {
                self.refuse_items(adds, &problem.into());
                let (waiters, again, undecided) = (Vec::new(), Vec::new(), Vec::new());
                self.begin_rereading(Alone::Rereading { waiters, again, undecided, tries: 0 });
                return;
            }
        };
        // From here on the items are added, so nothing below returns an error.
        info!(items = done.count, version = catalog.version, "items came");
        let after = self.view.dataset.with_items(catalog);
        self.deployment.advance(after, &done);
        self.loaded.extend(models.into_iter().map(|model| (model.live.shard, model)));
        self.show();
        self.schedule_changes(self.handle.options().settle);
        self.put_in_place();
        for (add, outcomes) in adds.into_iter().zip(outcomes) {
            let _ = add.reply.send(Ok(outcomes));
        }
        self.finish(Made::default(), Some(done));
    }

    fn refuse_items(&self, adds: Vec<AddItems>, problem: &anyhow::Error) {
        error!("items were not taken in: {problem:#}");
        self.handle.metrics().failed_changes.inc_by(adds.len() as u64);
        adds.into_iter().for_each(|add| drop(add.reply.send(Err(anyhow!(REFUSED)))));
    }
}

//! The Lab's computations, in the order of its steps. What a later step needs
//! is computed when it is missing and kept while the setup stays the same.

use std::collections::{BTreeSet, HashMap};

use eemu_core::config::AdaptConfig;
use eemu_core::data::{Holdout, Interaction};
use eemu_core::dataset::{Dataset, History};
use eemu_core::mistakes::{self, Mistake};
use eemu_core::shard::{ShardBy, assign};
use eemu_core::unlearn;

use super::foreign;
use super::protocol::{Answer, Built, Dot, Forgot, List, ListAsk, Placed, Twin, What};
use super::setup::{Cut, Setup, Source, city, dataset};
use super::system::System;
use super::table::Table;
use super::watch::{Halt, Watch};
use super::{attack, cost, lesson};
use crate::ranking::{Ensemble, Made};
use crate::say::told;

/// Products on a list.
const LIST: usize = 10;

/// What has been computed so far.
#[derive(Default)]
pub struct Lab {
    setup: Option<Setup>,
    own_table: Option<Table>,
    table: Option<Table>,
    dataset: Option<Dataset>,
    full: Option<System>,
    forgot: Option<(Dot, Vec<u32>, System)>,
    /// Systems trained on everything under a mistake.
    pub(super) spoiled: lesson::Cache,
}

impl Lab {
    /// Computes an answer.
    ///
    /// # Errors
    /// When it is stopped, when core refuses, or when there is nothing to
    /// compute from.
    pub async fn answer(&mut self, setup: &Setup, what: &What, watch: &mut impl Watch) -> Result<Answer, Halt> {
        if let What::Load { text, skip } = what {
            let table = foreign::open(text, *skip)?;
            let setup = Setup { source: Source::Own(table.hash[..16].to_owned()), ..setup.clone() };
            self.own_table = Some(table);
            self.setup = None;
            self.prepare(&setup)?;
            return Ok(Answer::Built(self.built()?));
        }
        self.prepare(setup)?;
        Ok(match what {
            What::Open { .. } => return Err(Halt::Sentence(told!("w-no-file-was-handed").into())),
            What::Load { .. } | What::Build => Answer::Built(self.built()?),
            What::Train => Answer::Trained(self.full(watch).await?.trained.clone()),
            What::List(ask) => {
                let system = self.full(watch).await?.clone();
                Answer::List(list(&system, ask, watch).await?)
            }
            What::After(dot, ask) => {
                let (_, system) = self.forgotten(*dot, watch).await?;
                Answer::List(list(&system, ask, watch).await?)
            }
            What::Forget(dot) => Answer::Forgot(self.forget(*dot, watch).await?),
            What::Twin(dot) => Answer::Twin(self.twin(*dot, watch).await?),
            What::Break(lesson, dot) => {
                self.known(*dot)?;
                Answer::Broken(lesson::broken(self, *lesson, *dot, watch).await?)
            }
            What::Find(lesson) => {
                let (dot, tried) = lesson::find(self, *lesson, watch).await?;
                Answer::Found(*lesson, dot, tried)
            }
            What::Cost => Answer::Cost(cost::measure(self.cost_table()?, setup, watch).await?),
            What::Cuts => Answer::Cuts(cost::cuts(self.cost_table()?, setup, watch).await?),
            What::Attack(dot) => {
                self.known(*dot)?;
                Answer::Attack(attack::measure(self.table()?, setup, *dot, watch).await?)
            }
        })
    }

    /// Drops what belongs to another setup.
    fn prepare(&mut self, setup: &Setup) -> Result<(), Halt> {
        if self.setup.as_ref() == Some(setup) {
            return Ok(());
        }
        let own = || match (&setup.source, &self.own_table) {
            (Source::Own(hash), Some(table)) if table.hash.starts_with(hash) => Ok(table.clone()),
            _ => Err(Halt::NoTable),
        };
        let table = setup.source.built_in()?.map_or_else(own, Ok)?;
        self.dataset = Some(dataset(&table, setup.seed, setup.shards, setup.cut, Holdout::None)?);
        self.table = Some(table);
        self.full = None;
        self.forgot = None;
        self.spoiled = lesson::Cache::default();
        self.setup = Some(setup.clone());
        Ok(())
    }

    pub(super) fn table(&self) -> Result<&Table, Halt> {
        self.table.as_ref().ok_or_else(nothing)
    }

    pub(super) fn dataset(&self) -> Result<&Dataset, Halt> {
        self.dataset.as_ref().ok_or_else(nothing)
    }

    /// The world that never had a dot.
    pub(super) fn world_without(&self, dot: Dot) -> Result<Dataset, Halt> {
        let table = self.table()?;
        let dataset = self.dataset()?;
        let mut without = table.clone();
        without.records.retain(|&(household, product, _)| (household, product) != (dot.household, dot.product));
        let train = &dataset.config.train;
        Ok(super::setup::dataset(&without, train.seed, train.shards, Cut::of(dataset), dataset.config.holdout)?)
    }

    fn known(&self, dot: Dot) -> Result<(), Halt> {
        let found = self.dataset()?.interactions.of(dot.household).iter().any(|record| record.item == dot.product);
        if found { Ok(()) } else { Err(Halt::Sentence(told!("w-there-is-no-such").into())) }
    }

    fn built(&self) -> Result<Built, Halt> {
        let (table, dataset) = (self.table()?, self.dataset()?);
        let mut dealt = HashMap::new();
        for shard in mistakes::shards(dataset, Mistake::OrderedSharding) {
            for cell in &shard.cells {
                dealt.extend(cell.items().map(|item| ((cell.user, item), shard.index)));
            }
        }
        let shards = dataset.config.train.shards;
        let spread = |household: u32| {
            let by_record = |record: &Interaction| {
                assign(&dataset.key, &dataset.catalog, record.user, record.item, ShardBy::Record, shards)
            };
            dataset.interactions.of(household).iter().map(by_record).collect::<BTreeSet<u32>>().len() as u32
        };
        let mut dots = Vec::new();
        for shard in dataset.shards() {
            for cell in &shard.cells {
                let place = |&product: &u32, query| Placed {
                    dot: Dot { household: cell.user, product },
                    shard: shard.index,
                    query,
                    dealt: dealt.get(&(cell.user, product)).copied().unwrap_or(shard.index),
                };
                dots.extend(cell.query.iter().map(|product| place(product, true)));
                dots.extend(cell.support.iter().map(|product| place(product, false)));
            }
        }
        dots.sort_by_key(|placed| placed.dot);
        Ok(Built {
            hash: table.hash[..16].to_owned(),
            households: table.households.clone(),
            products: table.products.clone(),
            dots,
            degrees: dataset.degrees.clone(),
            left_out: (table.duplicates, table.skipped),
            spread: (0..table.households.len() as u32).map(spread).collect(),
        })
    }

    /// Every shard, trained on everything.
    pub(super) async fn full(&mut self, watch: &mut impl Watch) -> Result<&System, Halt> {
        if self.full.is_none() {
            let dataset = self.dataset()?.clone();
            let phase = told!("w-training-models", config = dataset.config.train.shards);
            self.full = Some(System::train(dataset, None, &phase, watch).await?);
        }
        self.full.as_ref().ok_or_else(nothing)
    }

    /// Retrains what a deletion touches, unless it was done already.
    pub(super) async fn forgotten(&mut self, dot: Dot, watch: &mut impl Watch) -> Result<(Vec<u32>, System), Halt> {
        self.known(dot)?;
        let full = self.full(watch).await?.clone();
        if let Some((done, shards, system)) = &self.forgot
            && *done == dot
        {
            return Ok((shards.clone(), system.clone()));
        }
        let plan = unlearn::plan(&full.dataset, &[(dot.household, dot.product)]);
        let system = full.retrained(plan.after, &plan.shards, told!("w-retraining-one-model"), watch).await?;
        self.forgot = Some((dot, plan.shards.clone(), system.clone()));
        Ok((plan.shards, system))
    }

    async fn forget(&mut self, dot: Dot, watch: &mut impl Watch) -> Result<Forgot, Halt> {
        let (shards, system) = self.forgotten(dot, watch).await?;
        let all_millis = self.full(watch).await?.trained.millis;
        Ok(Forgot { dot, shards, after: system.trained, all_millis })
    }

    async fn twin(&mut self, dot: Dot, watch: &mut impl Watch) -> Result<Twin, Halt> {
        let (shards, own) = self.forgotten(dot, watch).await?;
        let without = self.world_without(dot)?;
        let twin = System::train(without, None, told!("w-training-the-twin-from"), watch).await?;
        Ok(compared(dot, shards, &own, &twin))
    }

    /// What the cost is measured on: the reader's own table, or the built-in
    /// world that is large enough.
    fn cost_table(&self) -> Result<Table, Halt> {
        match &self.setup {
            Some(Setup { source: Source::Own(_), .. }) => Ok(self.table()?.clone()),
            _ => Ok(city()?),
        }
    }
}

/// A household's list by a system's models.
async fn list(system: &System, ask: &ListAsk, watch: &mut impl Watch) -> Result<List, Halt> {
    let began = watch.now();
    if ask.household as usize >= system.dataset.catalog.users.len() {
        return Err(Halt::Sentence(told!("w-there-is-no-such-2").into()));
    }
    let mut models = Vec::new();
    for (shard, model) in system.models.iter().enumerate() {
        // A shard without records has nothing to say.
        if !ask.off.contains(&(shard as u32)) && system.dataset.has_voice(shard as u32) {
            models.push((shard, model, model.item_base().await?));
        }
    }
    if models.is_empty() {
        return Err(Halt::Sentence(told!("w-every-shard-is-switched").into()));
    }
    let dataset = &system.dataset;
    let adapt = AdaptConfig {
        size: ask.size,
        step: ask.step,
        steps: ask.steps,
        temperature: ask.temperature,
        ..dataset.config.adapt.clone()
    };
    let person = dataset.person(ask.household, History::All);
    let ensemble = Ensemble {
        models: &models,
        shards: dataset.config.train.shards as usize,
        key: &dataset.key,
        degrees: &dataset.degrees,
        down: &[],
    };
    let Made { rows, mut set } = ensemble.list(&person, &adapt, 0, LIST).await?;
    set.sort_by_key(|&(item, ..)| (dataset.degrees[item as usize], item));
    Ok(List { household: ask.household, set, rows, millis: watch.now() - began })
}

/// Two systems side by side.
pub(super) fn compared(dot: Dot, shards: Vec<u32>, own: &System, twin: &System) -> Twin {
    Twin {
        dot,
        shards,
        own: own.trained.hashes.clone(),
        differences: own.differences(twin),
        records_equal: own.same_records(twin),
        twin: twin.trained.clone(),
    }
}

fn nothing() -> Halt {
    Halt::Sentence(told!("w-nothing-is-built-yet").into())
}

//! The commands that the run loop receives: requests for changes, and results of jobs.

use std::sync::Arc;

use anyhow::Result;
use eemu_core::data::{ItemOutcome, ItemRow};
use eemu_core::dataset::Dataset;
use eemu_core::receipt::{Asked, AskedPart};
use eemu_core::unlearn::{everything_before, everything_of, everything_with};
use tokio::sync::oneshot;

use super::training_pool::Outcome;
use super::view::ShardModel;
use crate::deployment::Derived;
use crate::store::{Deferred, NewAudit, Request};

/// A change of the dataset.
#[derive(Debug)]
pub enum Change {
    /// Deletes records of one user.
    Forget(Forget),
    /// Adds records.
    Add(Add),
    /// Adds items to the catalogue.
    AddItems(AddItems),
}

/// Which records are to be deleted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// The user; `None` when items are taken down, whoever has records of them.
    pub user: Option<u32>,
    /// The items; `None` means all.
    pub items: Option<Vec<u32>>,
    /// Only records earlier than this; records without a time stay.
    pub before: Option<f64>,
    /// Whether the account is deleted too.
    pub account: bool,
}

impl Wanted {
    /// The records that this selects.
    pub fn records(&self, dataset: &Dataset) -> Vec<(u32, u32)> {
        let Some(user) = self.user else {
            return self.items.iter().flatten().flat_map(|&item| everything_with(dataset, item)).collect();
        };
        match (&self.items, self.before) {
            (Some(items), _) => items.iter().map(|&item| (user, item)).collect(),
            (None, Some(time)) => everything_before(dataset, user, time),
            (None, None) => everything_of(dataset, user),
        }
    }

    /// The same by name; the receipt commits to it.
    pub fn asked(&self, dataset: &Dataset) -> Asked {
        let (users, items) = (&dataset.catalog.users.ids, &dataset.catalog.items.ids);
        let user = self.user.and_then(|user| users.get(user as usize)).cloned();
        let part = |item| AskedPart { user: user.clone(), item, before: self.before, account: self.account };
        let named = |item: &u32| part(items.get(*item as usize).cloned());
        let parts = self.items.as_ref().map_or_else(|| vec![part(None)], |items| items.iter().map(named).collect());
        Asked { parts }
    }

    /// The selection that a request by name makes; `None` when the user does not exist any
    /// more. An item that does not exist has no records to delete.
    pub fn of(asked: &Asked, dataset: &Dataset) -> Option<Self> {
        let first = asked.parts.first()?;
        let user = match &first.user {
            None => None,
            Some(id) => {
                let users = &dataset.catalog.users;
                Some(users.find(id).filter(|user| !users.is_deleted(*user))?)
            }
        };
        let find = |part: &AskedPart| part.item.as_ref().and_then(|id| dataset.catalog.items.find(id));
        let items = first.item.as_ref().map(|_| asked.parts.iter().filter_map(find).collect());
        Some(Self { user, items, before: first.before, account: first.account })
    }
}

/// A deletion request.
#[derive(Debug)]
pub struct Forget {
    /// What is to be deleted.
    pub wanted: Wanted,
    /// The audit entry of who asked.
    pub by: Option<NewAudit>,
    /// Receives the request's name.
    pub reply: oneshot::Sender<Result<String>>,
}

/// The user of a record to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// A user of the catalogue, by index.
    Known(u32),
    /// A user who was not in the catalogue when the request was accepted, by identifier.
    New(String),
}

/// A record to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct Coming {
    /// Its user.
    pub user: Whose,
    /// Its item, by index.
    pub item: u32,
    /// Its time. A record without a time gets none. It sorts as if at time 0, and by hash
    /// among records of the same time.
    pub timestamp: Option<f64>,
}

/// The outcome for a record to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It is added.
    Added,
    /// It was there already.
    Known,
    /// The user's account was deleted meanwhile.
    Gone,
}

/// An addition of records, of one user or of many.
#[derive(Debug)]
pub struct Add {
    /// The records.
    pub records: Vec<Coming>,
    /// The audit entry of who asked.
    pub by: Option<NewAudit>,
    /// Receives the outcome for each record.
    pub reply: oneshot::Sender<Result<Vec<Came>>>,
}

/// An addition of items to the catalogue.
#[derive(Debug)]
pub struct AddItems {
    /// The items.
    pub items: Vec<ItemRow>,
    /// The audit entry of who asked.
    pub by: Option<NewAudit>,
    /// Receives the outcome for each item.
    pub reply: oneshot::Sender<Result<Vec<ItemOutcome>>>,
}

/// New items with their outcomes, and every live model loaded for the catalogue that
/// has them.
pub(super) struct Prepared {
    pub(super) adds: Vec<AddItems>,
    pub(super) dataset: Arc<Dataset>,
    pub(super) outcomes: Vec<Vec<ItemOutcome>>,
    pub(super) models: Result<Vec<Arc<ShardModel>>>,
}

/// The contents of the store, read again.
#[derive(Debug)]
pub(super) struct Reread {
    pub(super) derived: Derived,
    pub(super) requests: Vec<Request>,
    pub(super) deferred: Vec<Deferred>,
}

/// A command of the run loop, which does one after the other.
pub(super) enum Command {
    /// Makes a change of the dataset.
    Change(Change),
    /// Makes everything that waits for training due now.
    RetrainNow,
    /// Writes an audit entry for a request that changed no record.
    Audit(NewAudit),
    /// Brings the view up to this transaction at least, then replies.
    Refresh(u64, oneshot::Sender<Result<()>>),
    /// Another process has changed the state, up to this transaction.
    Moved(u64),
    /// A shard's training has reached an epoch: shard, epoch, number of epochs.
    Progress(u32, u32, u32),
    /// A shard's new model is being published.
    Publishing(u32),
    /// A training has ended.
    Trained(u32, Outcome),
    /// A job has loaded a shard's live model; `None` when the shard has none any more.
    Loaded(u32, Result<Option<Arc<ShardModel>>>),
    /// A job has loaded the models for the catalogue with new items.
    Prepared(Box<Prepared>),
    /// The work on disk after a change is done. With it come the requests' times, and when
    /// a compaction is due.
    Finished(Result<()>, Result<(Vec<Request>, Option<f64>)>),
    /// A job has read the store again.
    Reread(Box<Result<Reread>>),
    /// A compaction has ended. With it come the requests' times, and when the next is due;
    /// `None` when it was cut short.
    Compacted(Result<Option<(Vec<Request>, Option<f64>)>>),
    /// The periodic housekeeping is done.
    Tidied(Result<()>),
    /// Accepts no more changes; those accepted are still carried out.
    Stop,
}

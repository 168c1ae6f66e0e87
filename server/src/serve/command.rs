//! What the run loop is asked to do, and what its jobs tell it.

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

/// A change of the records.
#[derive(Debug)]
pub enum Change {
    /// Records of one user go.
    Forget(Forget),
    /// Records come.
    Add(Add),
    /// Items come to the catalogue.
    AddItems(AddItems),
}

/// Which records are to go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// Whose; nobody's in particular when items are taken down for everybody.
    pub user: Option<u32>,
    /// Which items; `None` means all.
    pub items: Option<Vec<u32>>,
    /// Only what is earlier than this; what has no time stays.
    pub before: Option<f64>,
    /// The account goes too.
    pub account: bool,
}

impl Wanted {
    /// The records that this asks for.
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

    /// The same by name, as the receipt commits to it.
    pub fn asked(&self, dataset: &Dataset) -> Asked {
        let (users, items) = (&dataset.catalog.users.ids, &dataset.catalog.items.ids);
        let user = self.user.and_then(|user| users.get(user as usize)).cloned();
        let part = |item| AskedPart { user: user.clone(), item, before: self.before, account: self.account };
        let named = |item: &u32| part(items.get(*item as usize).cloned());
        let parts = self.items.as_ref().map_or_else(|| vec![part(None)], |items| items.iter().map(named).collect());
        Asked { parts }
    }

    /// What was asked by name; `None` when the person is not there any more.
    /// An item that is not there has no records to remove.
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

/// A deletion.
#[derive(Debug)]
pub struct Forget {
    /// What is to go.
    pub wanted: Wanted,
    /// Who asked.
    pub by: Option<NewAudit>,
    /// Gets the request's name.
    pub reply: oneshot::Sender<Result<String>>,
}

/// Whose records come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Somebody's of the catalogue, by index.
    Known(u32),
    /// Somebody's who was in no table when this was asked, by identifier.
    New(String),
}

/// A record that is to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Coming {
    /// Whose.
    pub user: Whose,
    /// Which item.
    pub item: u32,
    /// When. A record without a time gets none, from nowhere: it orders as time
    /// 0 does, and among its like by hash.
    pub timestamp: Option<f64>,
}

/// What became of a record that was to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It is there now.
    Added,
    /// It was there.
    Known,
    /// The account was deleted meanwhile.
    Gone,
}

/// An addition, of one person's records or of many people's.
#[derive(Debug)]
pub struct Add {
    /// What is to come.
    pub records: Vec<Coming>,
    /// Who asked.
    pub by: Option<NewAudit>,
    /// Gets what became of each.
    pub reply: oneshot::Sender<Result<Vec<Came>>>,
}

/// Items that are to come.
#[derive(Debug)]
pub struct AddItems {
    /// What is to come.
    pub items: Vec<ItemRow>,
    /// Who asked.
    pub by: Option<NewAudit>,
    /// Gets what became of each.
    pub reply: oneshot::Sender<Result<Vec<ItemOutcome>>>,
}

/// Items worked out, and models that know them, loaded before they come.
pub(super) struct Prepared {
    pub(super) adds: Vec<AddItems>,
    pub(super) dataset: Arc<Dataset>,
    pub(super) outcomes: Vec<Vec<ItemOutcome>>,
    pub(super) models: Result<Vec<Arc<ShardModel>>>,
}

/// Everything that the store holds, read anew.
#[derive(Debug)]
pub(super) struct Reread {
    pub(super) derived: Derived,
    pub(super) requests: Vec<Request>,
    pub(super) deferred: Vec<Deferred>,
}

/// What the run loop does one after the other.
pub(super) enum Command {
    /// Somebody asks for a change of the records.
    Change(Change),
    /// Whatever waits for training is due now.
    RetrainNow,
    /// Somebody did something that changes no record.
    Audit(NewAudit),
    /// Everything up to this transaction is to be in the view.
    Refresh(u64, oneshot::Sender<Result<()>>),
    /// Another process has changed something: the state has come this far.
    Moved(u64),
    /// A shard is in this epoch, of so many.
    Progress(u32, u32, u32),
    /// A shard's new model is being put in place.
    Publishing(u32),
    /// A training has ended.
    Trained(u32, Outcome),
    /// A live model is loaded, or was none any more.
    Loaded(u32, Result<Option<Arc<ShardModel>>>),
    /// The models know the items that are to come.
    Prepared(Box<Prepared>),
    /// What follows a change on disk is done; with the requests' times, and
    /// when a compaction is due.
    Finished(Result<()>, Result<(Vec<Request>, Option<f64>)>),
    /// The store was read anew.
    Reread(Box<Result<Reread>>),
    /// A compaction has ended; with the requests' times and when another is
    /// due. None when it was cut short.
    Compacted(Result<Option<(Vec<Request>, Option<f64>)>>),
    /// What time brings about is done.
    Tidied(Result<()>),
    /// No change is taken any more; what was taken is carried out.
    Stop,
}

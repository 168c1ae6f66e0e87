//! The worker's desk: what is here, what is asked, one job after the other.
//!
//! Whatever changes what may be computed with is a job; lists are made beside
//! them, the newest question first. A list that a change overtook is made
//! again and never shown.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use eemu_core::api::{DemoHousehold, Unlearning};
use eemu_core::client::Precision;
use eemu_core::model::TensorMap;
use eemu_core::receipt::Checkpoint;
use futures_util::future::{AbortHandle, abortable};
use serde::{Deserialize, Serialize};
use wasm_bindgen_futures::spawn_local;

use super::device::Devices;
use super::ensemble::{Own, Public, Ready};
use super::keep::{FILES, Keep, PERSON};
use super::protocol::{Ask, List, Order, Pick, Remedy, Tell, Trouble};
use super::receipt::Before;
use super::telling::{expired, not_forgotten, nothing_yet};
use super::{table, worker};
use crate::pause;
use crate::service::Api;

/// What outlives a visit, beside files: kept in this browser only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) token: Option<String>,
    pub(super) user: Option<String>,
    pub(super) picks: Vec<Pick>,
    pub(super) half: bool,
    /// The log as it was seen last.
    pub(super) pin: Option<Checkpoint>,
    /// Deletions whose receipt is still to come.
    pub(super) open: Vec<Open>,
}

/// A deletion on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) before: Vec<Before>,
    pub(super) account: bool,
}

/// A shard's file, verified.
pub(super) struct File {
    pub(super) hash: String,
    pub(super) tensors: TensorMap,
}

/// One thing to do.
pub(super) enum Job {
    Order(Order),
    /// A deletion's shards are back.
    Finish(String),
}

pub(super) struct Desk {
    pub(super) api: Api,
    pub(super) keep: Keep,
    pub(super) keeps: Cell<bool>,
    pub(super) session: RefCell<Session>,
    pub(super) public: RefCell<Option<Rc<Public>>>,
    /// Catalogue and dense features as they came.
    pub(super) parts: RefCell<Rc<[Vec<u8>; 2]>>,
    pub(super) own: RefCell<Option<Rc<Own>>>,
    pub(super) files: RefCell<BTreeMap<u32, Rc<File>>>,
    pub(super) ready: RefCell<BTreeMap<u32, Rc<Ready>>>,
    pub(super) damaged: RefCell<Vec<u32>>,
    pub(super) households: RefCell<Vec<DemoHousehold>>,
    pub(super) online: Cell<bool>,
    /// Rises whenever a list made before no longer holds.
    pub(super) epoch: Cell<u64>,
    pub(super) complete: Cell<bool>,
    /// A deletion is being acknowledged: nothing is computed meanwhile.
    pub(super) held: Cell<bool>,
    pub(super) devices: Devices,
    jobs: RefCell<VecDeque<Job>>,
    busy: Cell<bool>,
    ask: RefCell<Option<Ask>>,
    /// The newest question that was answered.
    answered: RefCell<Option<Ask>>,
    ranking: Cell<bool>,
    cancel: RefCell<Option<AbortHandle>>,
    /// Hash of the catalogue whose names the page has.
    pub(super) items_told: RefCell<String>,
}

impl Desk {
    pub(super) fn new(origin: &str) -> Rc<Self> {
        Rc::new(Self {
            api: Api::new(origin),
            keep: Keep::new(),
            keeps: Cell::new(true),
            session: RefCell::default(),
            public: RefCell::default(),
            parts: RefCell::default(),
            own: RefCell::default(),
            files: RefCell::default(),
            ready: RefCell::default(),
            damaged: RefCell::default(),
            households: RefCell::default(),
            online: Cell::new(false),
            epoch: Cell::new(0),
            complete: Cell::new(false),
            held: Cell::new(false),
            devices: Devices::default(),
            jobs: RefCell::default(),
            busy: Cell::new(false),
            ask: RefCell::default(),
            answered: RefCell::default(),
            ranking: Cell::new(false),
            cancel: RefCell::default(),
            items_told: RefCell::default(),
        })
    }

    /// Takes an order of the page.
    pub(super) fn take(self: &Rc<Self>, order: Order) {
        match order {
            Order::Stop => {
                if let Some(handle) = self.cancel.borrow_mut().take() {
                    handle.abort();
                }
            }
            Order::List(ask) => self.ask(ask),
            Order::Device(wish, speeds) => self.wish(wish, speeds),
            Order::Look(token) => spawn_local(crate::operate::look::look(self.api.clone(), token)),
            Order::Hurry(token) => spawn_local(crate::operate::look::hurry(self.api.clone(), token)),
            order => self.push(Job::Order(order)),
        }
    }

    fn ask(self: &Rc<Self>, ask: Ask) {
        self.ask.replace(Some(ask));
        if !self.ranking.replace(true) {
            spawn_local(self.clone().rank());
        }
    }

    /// Makes the newest list again.
    pub(super) fn again(self: &Rc<Self>) {
        let newest = self.answered.borrow().clone();
        if let Some(newest) = newest.filter(|_| self.ask.borrow().is_none()) {
            self.ask(newest);
        }
    }

    pub(super) fn push(self: &Rc<Self>, job: Job) {
        self.jobs.borrow_mut().push_back(job);
        if !self.busy.replace(true) {
            spawn_local(self.clone().work());
        }
    }

    async fn work(self: Rc<Self>) {
        loop {
            let next = self.jobs.borrow_mut().pop_front();
            self.busy.set(next.is_some());
            let Some(job) = next else { return };
            // What is sent to the server is not called back half way.
            let fetches = !matches!(&job, Job::Order(Order::Forget(_) | Order::ForgetAll { .. }));
            self.complete.set(false);
            let (work, handle) = abortable(self.clone().does(job));
            self.cancel.replace(fetches.then_some(handle));
            let trouble = match work.await {
                Ok(done) => done.err(),
                Err(_) => Some(Trouble {
                    sentence: "Stopped. What had arrived whole is kept.".into(),
                    remedy: Remedy::Retry,
                    mild: true,
                }),
            };
            self.cancel.replace(None);
            self.complete.set(true);
            worker::tell(&Tell::Fetching(None));
            self.show();
            if let Some(trouble) = trouble {
                worker::tell(&Tell::Trouble(trouble));
            }
        }
    }

    async fn does(self: Rc<Self>, job: Job) -> Result<(), Trouble> {
        match job {
            Job::Order(Order::Open) => {
                self.restore().await;
                self.show();
                self.sync().await?;
                let open = self.session.borrow().open.clone();
                for open in open {
                    spawn_local(self.clone().follow(open.id));
                }
                Ok(())
            }
            Job::Order(Order::SignIn(token)) => self.sign_in(token).await,
            Job::Order(Order::SignOut) => {
                self.sign_out().await;
                self.sync().await
            }
            Job::Order(Order::Clear) => {
                self.sign_out().await;
                self.session.replace(Session::default());
                for place in [FILES, PERSON] {
                    self.keep.clear(place).await;
                }
                self.files.borrow_mut().clear();
                self.ready.borrow_mut().clear();
                self.changed();
                Ok(())
            }
            Job::Order(Order::Precision(precision)) => {
                self.session.borrow_mut().half = precision == Precision::F16;
                self.files.borrow_mut().clear();
                self.ready.borrow_mut().clear();
                self.remember().await;
                self.sync().await
            }
            Job::Order(Order::Picks(picks)) => self.picked(picks).await,
            Job::Order(Order::Table { text, skip }) => {
                let picks = self.table(&text, skip)?;
                self.picked(picks).await
            }
            Job::Order(Order::Forget(item)) => self.forget(Some(item), false).await,
            Job::Order(Order::ForgetAll { account }) => self.forget(None, account).await,
            Job::Order(Order::TrustLog) => {
                self.session.borrow_mut().pin = None;
                self.sync().await
            }
            Job::Order(_) => self.sync().await,
            Job::Finish(id) => self.finish(&id).await,
        }
    }

    async fn picked(self: &Rc<Self>, picks: Vec<Pick>) -> Result<(), Trouble> {
        self.session.borrow_mut().picks = picks;
        self.changed();
        self.remember().await;
        let whole = self.public.borrow().as_ref().is_some_and(|public| self.is_whole(public));
        if whole { Ok(()) } else { self.sync().await }
    }

    fn table(&self, text: &str, skip: bool) -> Result<Vec<Pick>, Trouble> {
        let public = self.public.borrow().clone();
        let Some(public) = public else { return Err(nothing_yet()) };
        let items = &public.catalog.items;
        let mut find = std::collections::HashMap::new();
        for (row, id) in items.ids.iter().enumerate() {
            find.entry(items.name(row as u32)).or_insert(id.as_str());
            find.insert(id.as_str(), id.as_str());
        }
        table::read(text.as_bytes(), skip, &find).map(|found| found.picks).map_err(|fault| Trouble {
            sentence: fault.to_string(),
            remedy: if fault.skippable { Remedy::SkipLines } else { Remedy::None },
            mild: true,
        })
    }

    /// Asks the server to forget, and uses nothing that saw it from the
    /// moment it says so.
    async fn forget(self: &Rc<Self>, item: Option<String>, account: bool) -> Result<(), Trouble> {
        let before = self.shards_now();
        self.held.set(true);
        let api = self.api.with(self.session.borrow().token.as_deref());
        let sent = match (&item, account) {
            (_, true) => api.forget_account().await,
            (Some(item), false) => api.forget(vec![item.clone()], false).await,
            (None, false) => api.forget(Vec::new(), true).await,
        };
        let standing = match sent {
            Ok(standing) => standing,
            Err(fault) => {
                self.held.set(false);
                return Err(not_forgotten(&fault));
            }
        };
        self.drop_shards(&standing).await;
        if let Some(own) = self.own.take() {
            let mut own = Own::clone(&own);
            own.history.retain(|deed| item.as_ref().is_some_and(|item| deed.item != *item));
            self.own.replace(Some(Rc::new(own)));
        }
        let open = Open { id: standing.id.clone(), before, account };
        self.session.borrow_mut().open.push(open);
        if account {
            let mut session = self.session.borrow_mut();
            (session.token, session.user) = (None, None);
            drop(session);
            self.leave();
        }
        self.changed();
        self.held.set(false);
        self.remember().await;
        self.tell_following(&standing, account);
        self.show();
        spawn_local(self.clone().follow(standing.id));
        self.sync().await
    }

    /// The shards that a deletion takes out of the mean, dropped at once.
    async fn drop_shards(&self, standing: &Unlearning) {
        for progress in &standing.progress {
            self.ready.borrow_mut().remove(&progress.shard);
            let file = self.files.borrow_mut().remove(&progress.shard);
            if let Some(file) = file {
                self.keep.remove(FILES, &file.hash).await;
            }
        }
    }

    /// Until no deletion is being acknowledged.
    pub(super) async fn released(&self) {
        while self.held.get() {
            pause::wait(20).await;
        }
    }

    async fn rank(self: Rc<Self>) {
        loop {
            // Newer questions come in first.
            pause::wait(0).await;
            let asked = self.ask.borrow_mut().take();
            let Some(ask) = asked else { break };
            self.released().await;
            let epoch = self.epoch.get();
            match self.list(&ask).await {
                Ok(list) if epoch == self.epoch.get() => {
                    self.answered.replace(Some(ask));
                    worker::tell(&Tell::List(Box::new(List { epoch, ..list })));
                    self.consider();
                }
                Ok(_) => {
                    let mut newest = self.ask.borrow_mut();
                    if newest.is_none() {
                        *newest = Some(ask);
                    }
                }
                Err(trouble) => worker::tell(&Tell::Trouble(trouble)),
            }
        }
        self.ranking.set(false);
    }

    async fn list(self: &Rc<Self>, ask: &Ask) -> Result<List, Trouble> {
        self.usable()?;
        {
            let ready = self.ready.borrow();
            if !ready.is_empty() && ready.keys().all(|shard| ask.off.contains(shard)) {
                return Err(Trouble {
                    sentence: "Every shard is switched off. Switch one on.".into(),
                    remedy: Remedy::None,
                    mild: true,
                });
            }
        }
        self.on_device(ask).await
    }

    /// What may be computed with: nothing past the manifest's end.
    pub(super) fn usable(&self) -> Result<Rc<Public>, Trouble> {
        let public = self.public.borrow().clone().ok_or_else(nothing_yet)?;
        if public.manifest.valid_until < worker::seconds() { Err(expired()) } else { Ok(public) }
    }

    /// What the person did: items by index, with their times.
    pub(super) fn records(&self, public: &Public) -> Vec<(u32, Option<f64>)> {
        let items = &public.catalog.items;
        match self.own.borrow().as_ref() {
            Some(own) => {
                own.history.iter().filter_map(|deed| Some((items.find(&deed.item)?, deed.timestamp))).collect()
            }
            None => {
                let session = self.session.borrow();
                session.picks.iter().filter_map(|pick| Some((items.find(&pick.item)?, pick.when))).collect()
            }
        }
    }

    /// Lists that were made before no longer hold.
    pub(super) fn changed(&self) {
        self.epoch.set(self.epoch.get() + 1);
        self.devices.keep(self);
    }

    pub(super) fn precision(&self) -> Precision {
        if self.session.borrow().half { Precision::F16 } else { Precision::F32 }
    }

    fn shards_now(&self) -> Vec<Before> {
        let Some(public) = self.public.borrow().clone() else { return Vec::new() };
        let precision = self.precision();
        let now = |entry: &eemu_core::api::ShardEntry| {
            let file = entry.files.iter().find(|file| file.precision == precision)?;
            Some((entry.shard, entry.version?, file.blake3.clone()))
        };
        public.manifest.shards.iter().filter_map(now).collect()
    }
}

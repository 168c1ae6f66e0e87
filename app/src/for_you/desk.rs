//! The worker's desk: what is here, what is asked, one job after the other.
//!
//! Whatever changes what may be computed with is a job; lists are made beside
//! them, the newest question first. A list that a change overtook is made
//! again and never shown.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use eemu_core::api::DemoHousehold;
use eemu_core::client::Precision;
use eemu_core::model::TensorMap;
use futures_util::future::{AbortHandle, abortable};
use wasm_bindgen_futures::spawn_local;

use super::device::Devices;
use super::ensemble::{Own, Public, Ready};
use super::keep::Keep;
use super::opened::Choice;
use super::protocol::{Ask, Cause, List, Order, Pick, Remedy, Tell, Trouble};
use super::receipts::KeptReceipt;
use super::session::{Open, Session};
use super::telling::{expired, nothing_yet};
use super::together::{COMPUTE, Together};
use super::worker;
use crate::operate::look;
use crate::pause;
use crate::say::{self, told};
use crate::service::Api;

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
    /// A visitor opened a file.
    File(web_sys::File),
}

pub(super) struct Desk {
    pub(super) api: Api,
    pub(super) keep: Keep,
    pub(super) keeps: Cell<bool>,
    /// Bytes of model files that the browser's storage holds.
    pub(super) stored_bytes: Cell<u64>,
    pub(super) together: Together,
    pub(super) session: RefCell<Session>,
    /// The session here is newer than what could be stored.
    pub(super) unsaved: Cell<bool>,
    pub(super) receipts: RefCell<Vec<KeptReceipt>>,
    /// Text of the file that the visitor opened.
    pub(super) opened: RefCell<Option<String>>,
    /// Deletions that this tab follows.
    pub(super) followed: RefCell<BTreeMap<String, Open>>,
    pub(super) public: RefCell<Option<Rc<Public>>>,
    /// Catalogue and dense features as they came.
    pub(super) parts: RefCell<Rc<[Vec<u8>; 2]>>,
    pub(super) own: RefCell<Option<Rc<Own>>>,
    /// After how many deletions it was read.
    pub(super) own_at: Cell<u64>,
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
    /// Whether somebody looks at the page.
    pub(super) visible: Cell<bool>,
    /// When the manifest was looked at last, by the worker's clock.
    pub(super) looked: Cell<f64>,
    jobs: RefCell<VecDeque<Job>>,
    busy: Cell<bool>,
    ask: RefCell<Option<Ask>>,
    /// The newest question that was answered.
    pub(super) answered: RefCell<Option<Ask>>,
    ranking: Cell<bool>,
    cancel: RefCell<Option<AbortHandle>>,
    /// Hash of the catalogue whose names the page has.
    pub(super) items_told: RefCell<String>,
}

impl Desk {
    /// The desk of the service at `base`, an address without a slash at its
    /// end; `place` is its path, which tells services of one host apart.
    pub(super) fn new(base: &str, place: &str) -> Rc<Self> {
        Rc::new_cyclic(|own: &std::rc::Weak<Self>| Self {
            api: Api::new(base),
            keep: Keep::new(place),
            keeps: Cell::new(true),
            stored_bytes: Cell::new(0),
            together: {
                let own = own.clone();
                Together::join(place, move |note| {
                    if let Some(desk) = own.upgrade() {
                        desk.hear(note);
                    }
                })
            },
            session: RefCell::default(),
            unsaved: Cell::new(false),
            receipts: RefCell::default(),
            opened: RefCell::default(),
            followed: RefCell::default(),
            public: RefCell::default(),
            parts: RefCell::default(),
            own: RefCell::default(),
            own_at: Cell::new(0),
            files: RefCell::default(),
            ready: RefCell::default(),
            damaged: RefCell::default(),
            households: RefCell::default(),
            online: Cell::new(false),
            epoch: Cell::new(0),
            complete: Cell::new(false),
            held: Cell::new(false),
            devices: Devices::default(),
            visible: Cell::new(true),
            looked: Cell::new(0.0),
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
            Order::Speak(code) => self.speak(&code),
            Order::List(ask) => self.ask(ask),
            Order::Device(wish, speeds) => self.wish(wish, speeds),
            Order::Visible(visible) => self.seen(visible),
            Order::Look(token, ask) => spawn_local(look::look(self.api.clone(), token, ask)),
            Order::Hurry(token, ask) => spawn_local(look::hurry(self.api.clone(), token, ask)),
            Order::Errand(token, errand) => spawn_local(look::errand(self.api.clone(), token, errand)),
            order => self.push(Job::Order(order)),
        }
    }

    /// What was said in another language is said again.
    fn speak(self: &Rc<Self>, code: &str) {
        say::speak(say::Language::of(code).unwrap_or_default());
        self.tell_device();
        if self.ready.borrow().is_empty() {
            return;
        }
        if let Some(newest) = self.answered.borrow().clone() {
            self.ask(newest);
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
            let fetches = !matches!(&job, Job::Order(Order::Add(_) | Order::Forget(_) | Order::Clear | Order::SignOut));
            self.complete.set(false);
            let (work, handle) = abortable(self.clone().does(job));
            self.cancel.replace(fetches.then_some(handle));
            let trouble = match work.await {
                Ok(done) => done.err(),
                Err(_) => Some(Trouble {
                    sentence: told!("w-stopped-what-had-arrived").into(),
                    remedy: Remedy::Retry,
                    mild: true,
                    cause: Cause::Other,
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
                spawn_local(self.clone().watch());
                let synced = self.sync().await;
                self.follow_all();
                synced
            }
            Job::Order(Order::SignIn(token)) => self.sign_in(token).await,
            Job::Order(Order::SignOut) => {
                self.sign_out().await;
                self.sync().await
            }
            Job::Order(Order::Clear) => {
                self.empty().await;
                Ok(())
            }
            Job::Order(Order::Precision(precision)) => {
                self.amend(|session| session.half = precision == Precision::F16).await;
                self.sync().await
            }
            Job::Order(Order::Picks(picks)) => self.picked(picks).await,
            Job::File(file) => {
                let text = self.decoded(&file).await?;
                self.opened.replace(Some(text));
                self.read_opened(&Choice::default()).await
            }
            Job::Order(Order::Reread(choice)) => self.read_opened(&choice).await,
            Job::Order(Order::CloseFile) => {
                self.opened.replace(None);
                Ok(())
            }
            Job::Order(Order::Why(item)) => self.why(item).await,
            Job::Order(Order::Add(item)) => self.add(item).await,
            Job::Order(Order::Forget(what)) => self.forget(what).await,
            Job::Order(Order::Export) => self.export().await,
            Job::Order(Order::CheckAgain(id)) => self.check_again(&id).await,
            Job::Order(Order::DropReceipt(id)) => {
                self.drop_receipt(&id).await;
                Ok(())
            }
            Job::Order(Order::TrustLog) => {
                // Another log is another server's, and so are its versions.
                self.amend(|session| {
                    session.pin = None;
                    session.spent.clear();
                })
                .await;
                self.sync().await
            }
            Job::Order(_) => self.sync().await,
            Job::Finish(id) => self.finish(&id).await,
        }
    }

    /// Takes a file of the visitor's.
    pub(super) fn take_file(self: &Rc<Self>, file: web_sys::File) {
        self.push(Job::File(file));
    }

    pub(super) async fn picked(self: &Rc<Self>, picks: Vec<Pick>) -> Result<(), Trouble> {
        self.amend(|session| session.picks = picks).await;
        let whole = self.public.borrow().as_ref().is_some_and(|public| self.is_whole(public));
        if whole { Ok(()) } else { self.sync().await }
    }

    /// Until no deletion is being acknowledged, and none is news to the history
    /// that is here.
    pub(super) async fn released(&self) {
        while self.held.get() || self.is_behind() {
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
            // No tab sends a deletion meanwhile.
            let _beside = self.together.beside(COMPUTE).await;
            self.look_again().await;
            if self.is_behind() {
                self.ask.borrow_mut().get_or_insert(ask);
                continue;
            }
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
                    sentence: told!("w-every-shard-is-switched").into(),
                    remedy: Remedy::None,
                    mild: true,
                    cause: Cause::Switched,
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
}

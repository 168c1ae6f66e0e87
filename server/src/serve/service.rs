//! The service: opens a state, starts and ends it. The run loop
//! ([`super::coordinator`]) does its work; handlers read it through the handle.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use eemu_core::tensor::Device;

use super::coordinator::Coordinator;
use super::demo::Demo;
use super::handle::{Handle, Parts, watch_others};
use super::hiding::Hiding;
use super::histories::Histories;
use super::ledger::Ledger;
use super::policy::Policy;
use super::quality::{Quality, measure_when_asked};
use super::requests::Requests;
use super::tokens::Tokens;
use super::view::View;
use crate::clock::random;
use crate::deployment::Deployment;
use crate::forgetting;
use crate::launch::LaunchOptions;
use crate::store::{Access, Location, State};

/// The options of the service, besides the deployment's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOptions {
    /// How long deletions are collected before their shards retrain.
    pub settle: Duration,
    /// How long additions wait before their shards retrain.
    pub additions: Duration,
    /// Shards that train at once.
    pub train_jobs: usize,
    /// Recommendations that are computed at once.
    pub serve_jobs: usize,
    /// How many users of the data everybody gets tokens for, in a demonstration.
    pub demo: usize,
    /// How often the service looks for expired backups and requests.
    pub housekeeping: Duration,
    /// The time within which stale copies of deleted rows are gone from disk; 0 for before
    /// a deletion is acknowledged.
    pub erase_within: Duration,
    /// When deletions are carried out.
    pub deletions: Policy,
    /// Where shards are trained.
    pub launch: LaunchOptions,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        let cores = crate::pool::default_jobs();
        Self {
            settle: Duration::from_secs(30),
            additions: Duration::from_secs(24 * 3600),
            train_jobs: cores.div_ceil(2),
            serve_jobs: cores,
            demo: 0,
            housekeeping: Duration::from_secs(60),
            erase_within: Duration::from_secs(3600),
            deletions: Policy::AtOnce,
            launch: LaunchOptions::default(),
        }
    }
}

/// A state that is being served.
pub struct Service {
    /// Reads the service, and asks it for changes.
    pub handle: Handle,
    /// The store.
    pub state: Arc<State>,
    /// The run loop, until it is started.
    coordinator: Mutex<Option<Coordinator>>,
    /// The receiver of requests for measurements, until the service is started.
    measuring: Mutex<Option<Receiver<()>>>,
}

impl Service {
    /// Opens a state for serving and continues whatever was in progress. Shards without a
    /// model are queued, and requests that wait for a receipt get it. It starts no thread
    /// yet; see [`Service::start`].
    ///
    /// # Errors
    /// When the state cannot be opened, or a model file is damaged.
    pub fn open(location: impl Into<Location>, device: Device, options: ServiceOptions) -> Result<Self> {
        let location = location.into();
        let deployment = Deployment::open_away(&location, Access::Write)?;
        let state = deployment.state.clone();
        state.set_erase_within(options.erase_within);
        let watch = if state.is_shared() { Some(state.watch()?) } else { None };
        let log = Ledger::open(&state)?;
        let requests = Requests::new(forgetting::requests(&state)?, state.deferred()?);
        let view = View::new(&deployment, random::<32>()?, &device, requests, log)?;
        let tokens = Tokens::of_state(&state)?;
        let demo = Demo::new(&state, &view, options.demo)?;
        let hiding = Hiding::open(&state)?;
        let (commands, inbox) = mpsc::channel();
        let histories = Histories::open(&location)?;
        let (quality, measuring) = Quality::new(deployment.dataset.config.holdout);
        let handle = Handle::new(Parts {
            view: view.clone(),
            commands,
            options,
            tokens,
            demo,
            watch,
            hiding,
            state: state.clone(),
            histories,
            quality,
        })?;
        let launcher = handle.options().launch.open(&state, &device)?;
        let coordinator = Coordinator::new(handle.clone(), device, &launcher, deployment, view, inbox);
        let (coordinator, measuring) = (Mutex::new(Some(coordinator)), Mutex::new(Some(measuring)));
        Ok(Self { handle, state, coordinator, measuring })
    }

    /// Starts the run loop and its trainers; they end after [`Handle::stop`].
    pub fn start(&self) -> Vec<JoinHandle<()>> {
        let mut coordinator = self.coordinator.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(coordinator) = coordinator.take() else { return Vec::new() };
        let run = std::thread::spawn(move || coordinator.run());
        let mut threads = vec![run, watch_others(self.handle.clone())];
        let measuring = self.measuring.lock().unwrap_or_else(PoisonError::into_inner).take();
        threads.extend(measuring.map(|asked| measure_when_asked(self.handle.clone(), asked)));
        self.handle.quality().ask();
        threads
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("handle", &self.handle).finish_non_exhaustive()
    }
}

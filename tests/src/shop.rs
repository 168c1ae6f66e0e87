//! A trained service with the built-in purchases, like the demonstration:
//! trained once for each test program, copied for each test.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use eemu_core::config::{AdaptConfig, Config};
use eemu_core::data::{Bucketing, Holdout, ImportOptions, are_timed};
use eemu_core::model::ModelConfig;
use eemu_core::random::Key;
use eemu_server::deployment::Deployment;
use eemu_server::pool::default_jobs;
use eemu_server::progress::Progress;
use eemu_server::serve::tokens::Scope;
use eemu_server::training::train_shards;

use crate::browser::{Browser, dist};
use crate::copy;
use crate::proxy::Proxy;
use crate::service::{Process, token};
use crate::worlds::cpu;

/// A script for the page: whether a whole list of ten is shown.
pub const LIST: &str =
    "return document.querySelectorAll('#rows li').length === 10 && !document.querySelector('.lead .tag')";

/// The kind of a shop's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goods {
    /// The paper's model, narrow: with a user table.
    LowRank,
    /// The default model: items alone.
    Items,
    /// The default model with user features, as buckets.
    ItemsAndPeople,
}

/// One trained state for each kind.
static TRAINED: [OnceLock<tempfile::TempDir>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];

/// The default model, narrow, with every record in training and one epoch.
fn config_of_items(goods: Goods, records: &[eemu_core::data::Interaction]) -> Config {
    let mut config = Config::fitting(Holdout::None, are_timed(records));
    (config.train.epochs, config.episodes.width) = (1, 32);
    config.episodes.people = goods == Goods::ItemsAndPeople;
    config
}

/// The paper's model, narrow, with every record in training and few epochs.
fn config() -> Config {
    let base = Config::default().low_rank(false);
    let mut config =
        Config { holdout: Holdout::None, model: ModelConfig::small(), adapt: AdaptConfig::default(), ..base };
    config.train.epochs = 4;
    config.train.outer_step = 3e-3;
    config.train.users_per_batch = 16;
    config
}

fn train(goods: Goods) -> Result<tempfile::TempDir> {
    let kept = tempfile::tempdir()?;
    let mut choices = ImportOptions::default();
    match goods {
        Goods::LowRank => (),
        Goods::Items => choices.user_features = Some(Vec::new()),
        Goods::ItemsAndPeople => {
            choices.user_features = Some(vec!["age".into(), "income".into()]);
            choices.user_buckets = Some(Bucketing { key: Key::from_seed(1), count: 16, ranges: Vec::new() });
        }
    }
    let imported = eemu_server::import::built_in_with(&choices)?;
    let config = match goods {
        Goods::LowRank => config(),
        Goods::Items | Goods::ItemsAndPeople => config_of_items(goods, &imported.records),
    };
    let deployment = Deployment::create(&kept.path().join("state"), &imported, &config, false)?;
    let shards: Vec<u32> = (0..config.train.shards).collect();
    train_shards(&deployment, &shards, &cpu(), default_jobs(), &Progress::new(true), false)?;
    Ok(kept)
}

/// A service with its own state, behind a proxy.
pub struct Shop {
    /// The real command, serving.
    pub process: Process,
    /// The proxy between it and the browser.
    pub proxy: Proxy,
    /// An administrator's token.
    pub admin: String,
    /// An operator's token, for the page Operate.
    pub operator: String,
    /// How long deletions wait before a shard retrains.
    settle: &'static str,
    kept: tempfile::TempDir,
}

impl Shop {
    /// Starts a service with the demonstration's three households.
    ///
    /// # Errors
    /// When anything does not start.
    ///
    /// # Panics
    /// When the state cannot be trained.
    pub fn open() -> Result<Self> {
        Self::with("1", Goods::LowRank)
    }

    /// [`Shop::open`] with other models.
    ///
    /// # Errors
    /// As [`Shop::open`].
    pub fn selling(goods: Goods) -> Result<Self> {
        Self::with("1", goods)
    }

    /// A service that retrains nothing until [`Shop::retrain`] is called, so
    /// that a page has time to show the waiting requests.
    ///
    /// # Errors
    /// As [`Shop::open`].
    pub fn patient() -> Result<Self> {
        Self::with("3600", Goods::LowRank)
    }

    /// Retrains all shards that wait.
    ///
    /// # Panics
    /// If the service refuses.
    pub fn retrain(&self) {
        let answer = aside(|| self.process.post("/api/v1/retrain", &self.operator, &serde_json::json!({})));
        assert!(answer.as_ref().is_ok_and(|(status, _)| *status == 202), "{answer:?}");
    }

    fn with(settle: &'static str, goods: Goods) -> Result<Self> {
        let trained = &TRAINED[goods as usize];
        let trained = trained.get_or_init(|| train(goods).unwrap_or_else(|why| panic!("not trained: {why:#}")));
        let kept = tempfile::tempdir()?;
        let state = kept.path().join("state");
        copy(&trained.path().join("state"), &state)?;
        let (admin, operator) = (token(&state, Scope::Admin)?, token(&state, Scope::Operator)?);
        let process = serve(&state, settle)?;
        let proxy = Proxy::before(&process.address)?;
        Ok(Self { process, proxy, admin, operator, settle, kept })
    }

    /// Stops the server, copies its state, applies `change` to the copy, and
    /// serves it at the same address.
    ///
    /// # Errors
    /// When anything does not start.
    pub fn move_to(&mut self, name: &str, change: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.restart(|kept| {
            let copied = kept.join(name);
            copy(&kept.join("state"), &copied)?;
            change(&copied)?;
            Ok(copied)
        })
    }

    fn restart(&mut self, state: impl FnOnce(&Path) -> Result<std::path::PathBuf>) -> Result<()> {
        self.process.stop();
        let state = state(self.kept.path())?;
        self.process = serve(&state, self.settle)?;
        self.proxy.turn(&self.process.address);
        Ok(())
    }
}

fn serve(state: &Path, settle: &str) -> Result<Process> {
    let dist = dist();
    let web = dist.to_str().context("an odd path")?;
    Process::start(state, &["--web", web, "--demo", "3", "--settle", settle], &[])
}

/// Calls the server directly. A blocking client needs a thread of its own
/// beside a test's runtime.
///
/// # Panics
/// When the work panics.
pub fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|_| panic!("asking the server failed")))
}

/// Opens the page For you and signs in as the first household.
///
/// If the page offers no household.
/// When the page does not offer one.
pub async fn sign_in(browser: &Browser) {
    browser.open("").await.unwrap_or_else(|why| panic!("the page does not open: {why:#}"));
    browser.click("#households button").await.unwrap_or_else(|why| panic!("no household: {why:#}"));
}

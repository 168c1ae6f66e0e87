//! A small service to test: in this process without a socket, or the real
//! command over loopback.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use eemu_core::data::{ImportReport, Imported};
use eemu_core::dataset::Dataset;
use eemu_core::receipt::{Receipt, ReceiptFile};
use eemu_server::deployment::Deployment;
use eemu_server::launch::LaunchOptions;
use eemu_server::progress::Progress;
use eemu_server::serve::http::{HttpOptions, router};
use eemu_server::serve::tokens::{Scope, Tokens};
use eemu_server::serve::{Handle, Policy, Service, ServiceOptions};
use eemu_server::store::{Access, Location, State};
use eemu_server::training::train_shards;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::program;
use crate::worlds::{Recipe, cpu};

/// How long a test waits for anything before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Creates a state with a recipe's data set, and trains it if `trained` is set.
///
/// # Errors
/// If the server refuses.
pub fn make_state(location: impl Into<Location>, recipe: &Recipe, trained: bool) -> Result<()> {
    let imported = Imported { catalog: recipe.catalog()?, records: recipe.records(), report: ImportReport::default() };
    let deployment = Deployment::create(location, &imported, &recipe.config(), false)?;
    if trained {
        let shards: Vec<u32> = (0..recipe.shards).collect();
        train_shards(&deployment, &shards, &cpu(), 1, &Progress::new(true), false)?;
    }
    Ok(())
}

/// A token for a state in a directory.
///
/// # Errors
/// When it cannot be stored.
pub fn token(dir: &Path, scope: Scope) -> Result<String> {
    Ok(Tokens::open(dir)?.create(scope, None)?.0)
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }
}

/// A service in this process, without a socket.
pub struct Place {
    /// Folder of the state.
    pub dir: PathBuf,
    /// A handle of the service.
    pub service: Handle,
    /// Its store.
    pub state: Arc<State>,
    /// An administrator's token.
    pub admin: String,
    /// An operator's token, for metrics and batches.
    pub operator: String,
    router: Router,
    runtime: tokio::runtime::Runtime,
    threads: Vec<JoinHandle<()>>,
    _kept: Option<tempfile::TempDir>,
}

/// Options of a service that retrains almost at once, one shard at a time.
pub fn quick() -> ServiceOptions {
    ServiceOptions {
        settle: Duration::from_millis(20),
        additions: Duration::from_secs(3600),
        train_jobs: 1,
        serve_jobs: 2,
        demo: 0,
        housekeeping: Duration::from_secs(60),
        erase_within: Duration::ZERO,
        deletions: Policy::AtOnce,
        launch: LaunchOptions::default(),
    }
}

/// [`quick`], but the service retrains nothing during a test.
pub fn patient() -> ServiceOptions {
    ServiceOptions { settle: Duration::from_secs(3600), ..quick() }
}

impl Place {
    /// Serves a trained state.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn new(recipe: &Recipe) -> Result<Self> {
        Self::with(recipe, quick(), &HttpOptions { rate: 0, ..HttpOptions::default() })
    }

    /// [`Place::new`] with options.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn with(recipe: &Recipe, options: ServiceOptions, http: &HttpOptions) -> Result<Self> {
        let kept = tempfile::tempdir()?;
        let dir = kept.path().join("state");
        make_state(&dir, recipe, true)?;
        let mut place = Self::open(&dir, options, http)?;
        place._kept = Some(kept);
        Ok(place)
    }

    /// Serves an existing state.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn open(location: impl Into<Location>, options: ServiceOptions, http: &HttpOptions) -> Result<Self> {
        let location = location.into();
        let dir = &location.dir;
        let service = Service::open(&location, cpu(), options)?;
        let made = |scope| Ok::<_, anyhow::Error>(service.handle.tokens().create(scope, None)?.0);
        let (admin, operator) = (made(Scope::Admin)?, made(Scope::Operator)?);
        let router = router(service.handle.clone(), http)?;
        let threads = service.start();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (service, state) = (service.handle.clone(), service.state.clone());
        Ok(Self { dir: dir.clone(), service, state, admin, operator, router, runtime, threads, _kept: None })
    }

    /// Stops the service, and serves its directory again with other options.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn again(mut self, options: ServiceOptions, http: &HttpOptions) -> Result<Self> {
        self.stop();
        let (dir, kept) = (self.dir.clone(), self._kept.take());
        drop(self);
        let mut place = Self::open(&dir, options, http)?;
        place._kept = kept;
        Ok(place)
    }

    /// The data set with all users' records in memory, as the store has them
    /// now. The service itself keeps none in memory.
    pub fn dataset(&self) -> Dataset {
        // Without records the test's own checks fail.
        let records = self.state.interactions().unwrap_or_default();
        self.service.view().dataset.with_people(records)
    }

    /// A token for one user by index.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn subject(&self, user: u32) -> Result<String> {
        Ok(self.service.tokens().create(Scope::Subject(user), None)?.0)
    }

    /// The router, for concurrent requests.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Runs a future to its end.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Sends a request in the background; the caller waits for its answer
    /// later.
    pub fn begin(&self, request: Request<Body>) -> tokio::task::JoinHandle<Reply> {
        self.runtime.spawn(ask(self.router(), request))
    }

    /// Sends a request as it is.
    pub fn send(&self, request: Request<Body>) -> Reply {
        self.runtime.block_on(ask(self.router(), request))
    }

    /// Sends a GET request.
    ///
    /// # Panics
    /// If the address is invalid.
    pub fn get(&self, path: &str, token: &str) -> Reply {
        self.send(request("GET", path, token, None))
    }

    /// Posts a JSON body.
    ///
    /// # Panics
    /// If the address is invalid.
    pub fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.send(request("POST", path, token, Some(body)))
    }

    /// The value of a metric without labels.
    ///
    /// # Panics
    /// If there is no such metric.
    pub fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8_lossy(&self.get("/metrics", &self.operator).bytes).into_owned();
        let value = text.lines().filter_map(|line| line.split_once(' ')).find(|(found, _)| *found == name);
        value.and_then(|(_, value)| value.parse().ok()).unwrap_or_else(|| panic!("{name} is missing:\n{text}"))
    }

    /// Waits until an unlearning request is done; returns its last status.
    ///
    /// # Errors
    /// When it takes too long.
    pub fn wait_done(&self, id: &str) -> Result<Value> {
        let start = Instant::now();
        loop {
            let reply = self.get(&format!("/api/v1/unlearning/{id}"), &self.admin);
            let status = reply.json();
            if status["phase"] == "done" {
                return Ok(status);
            }
            if start.elapsed() > PATIENCE || reply.status != StatusCode::OK {
                bail!("never done: {} {status}", reply.status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops the service and its threads.
    pub fn stop(&mut self) {
        self.service.stop();
        for thread in self.threads.drain(..) {
            // A panic in such a thread is detected elsewhere.
            let _ = thread.join();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Builds a request; an empty token sends none.
///
/// # Panics
/// If the address is invalid.
pub fn request(method: &str, path: &str, token: &str, body: Option<&Value>) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    builder.header("content-type", "application/json").body(body).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Sends a request to a router and reads the whole answer.
pub async fn ask(router: Router, request: Request<Body>) -> Reply {
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map(|b| b.to_vec()).unwrap_or_default();
    Reply { status: head.status, headers: head.headers, bytes }
}
/// The real command serving over loopback.
pub struct Process {
    /// Its address, `http://127.0.0.1:port`.
    pub address: String,
    /// The HTTP client for requests to it.
    pub client: reqwest::blocking::Client,
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Process {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// If it ends before that, with its log.
    pub fn start(state: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_program(&program()?, state, args, environment)
    }

    /// The same of another build of the command.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_program(program: &Path, state: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("serve").arg("--state").arg(state).args(["--listen", "127.0.0.1:0", "--rate", "0"]).args(args);
        for name in ["EEMU_STATE", "EEMU_FAIL_AT", "EEMU_CONFIG", "EEMU_DATABASE", "EEMU_MODELS"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut errors = child.stderr.take().context("no log")?;
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            // A killed process may end in the middle of a character.
            let _ = errors.read_to_string(&mut text);
            text
        });
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let Some(Ok(line)) = lines.next() else {
            // It has ended or is ending: wait for it and report its log.
            let _ = child.kill();
            let _ = child.wait();
            bail!("it did not start: {}", log.join().unwrap_or_default());
        };
        let address = line.rsplit(' ').next().unwrap_or_default().to_owned();
        // Keeps reading, so that the process never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        // The server's choice of a TLS library is compiled in here too.
        eemu_server::tls::choose();
        // The client drops idle connections before the service does (15 s), so
        // that no request uses a connection that is being closed.
        let client =
            reqwest::blocking::Client::builder().timeout(PATIENCE).pool_idle_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { address, client, child, log: Some(log) })
    }

    /// Posts a JSON body. Returns the status and the JSON answer.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn post(&self, path: &str, token: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.client.post(format!("{}{path}", self.address)).bearer_auth(token).json(body);
        let answer = request.send()?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_slice(&answer.bytes()?).unwrap_or(Value::Null)))
    }

    /// Sends a GET request. Returns the status and the body.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn get(&self, path: &str, token: &str) -> Result<(u16, Vec<u8>)> {
        let mut request = self.client.get(format!("{}{path}", self.address));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = request.send()?;
        Ok((answer.status().as_u16(), answer.bytes()?.to_vec()))
    }

    /// Sends a GET request for JSON.
    ///
    /// # Errors
    /// If the connection fails or the answer is not JSON.
    pub fn json(&self, path: &str, token: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.get(path, token)?.1)?)
    }

    /// Waits for a request's receipt, checks it and that it answers the request.
    ///
    /// # Errors
    /// If none comes in a minute, or the receipt does not hold.
    pub fn receipt(&self, request: &str, token: &str) -> Result<Receipt> {
        let (path, began) = (format!("/api/v1/unlearning/{request}"), Instant::now());
        while self.json(&path, token)?["phase"] != "done" {
            if began.elapsed() > Duration::from_secs(60) {
                bail!("waited in vain for the receipt of {request}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let file = self.get(&format!("{path}/receipt"), token)?.1;
        let receipt = serde_json::from_slice::<ReceiptFile>(&file)?.verify()?;
        if !receipt.answers(request) {
            bail!("the receipt does not answer {request}");
        }
        Ok(receipt)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once; its log is kept.
    pub fn stop(&mut self) {
        // Killing an ended process does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Kills it as `kill -9` does; returns its log.
    pub fn kill(mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log.take().and_then(|log| log.join().ok()).unwrap_or_default()
    }

    /// Waits until it ended by itself; returns its exit code and log.
    ///
    /// # Errors
    /// When it does not end.
    pub fn ended(mut self) -> Result<(Option<i32>, String)> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
                return Ok((status.code(), log));
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                bail!("it did not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until every shard has a model of the present records.
    ///
    /// # Errors
    /// When it takes too long.
    pub fn wait_clean(&self) -> Result<Value> {
        let start = Instant::now();
        loop {
            let manifest = self.json("/api/v1/manifest", "")?;
            let shards = manifest["shards"].as_array().context("no shards")?;
            // A shard whose records are all deleted has a model, but takes no
            // part in recommending.
            let is_there = |s: &Value| s["files"].as_array().is_some_and(|files| !files.is_empty());
            if shards.iter().all(|s| is_there(s) && s["stale"] == false) {
                return Ok(manifest);
            }
            if start.elapsed() > PATIENCE {
                bail!("never clean: {manifest}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The learned state of a location, in canonical form. No service may run on
/// it.
///
/// # Errors
/// When a shard has no model.
pub fn learned(location: impl Into<Location>) -> Result<eemu_core::learned_state::LearnedState> {
    let deployment = Deployment::open(location, Access::Read)?;
    let tensors =
        (0..deployment.dataset.config.train.shards).map(|s| deployment.tensors(s, &cpu())).collect::<Result<_>>()?;
    Ok(eemu_core::learned_state::LearnedState::new(&deployment.dataset, tensors))
}

/// The body of a request to delete some items of a user.
pub fn delete_items(user: &str, items: &[&str]) -> Value {
    json!({"user": user, "items": items})
}

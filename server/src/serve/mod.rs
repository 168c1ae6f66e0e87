//! `eemu serve`: a trained state as a service.
//!
//! | file | what it does |
//! |---|---|
//! | `settings` | flags, environment, settings file, defaults |
//! | `service` | opens a state and starts the service |
//! | `handle` | what HTTP handlers get: the view, and the sender of commands |
//! | `histories` | reads user histories on demand |
//! | `view` | the immutable value that requests are answered from |
//! | `command` | the commands of the run loop |
//! | `coordinator` | the run loop: one thread that owns all that changes |
//! | `deletions`, `additions`, `new_items` | the changes that the loop makes |
//! | `showing` | brings the view up to date |
//! | `policy` | when deletions are carried out |
//! | `jobs`, `training_pool` | slow work on other threads, which ends in a command |
//! | `schedule`, `requests`, `ledger` | plain values: when each shard retrains, the progress of deletions, the receipt log |
//! | `capacity` | how many deletions an hour the service sustains |
//! | `recommending` | computes lists |
//! | `hiding`, `demo` | hidden items; households that anybody may try |
//! | `tokens`, `sign_in` | eemu's own tokens, and an issuer's tokens |
//! | `http`, `listen` | the API and its connections |
//! | `metrics`, `recent`, `logging`, `traces` | counters, recent timings, log lines, spans for OpenTelemetry |
//! | `standing`, `quality` | the operator's page; the measured quality of the lists |

mod additions;
mod capacity;
mod command;
mod coordinator;
mod deletions;
mod demo;
mod handle;
mod hiding;
mod histories;
pub mod http;
mod jobs;
mod ledger;
mod listen;
pub(crate) mod log_key;
mod logging;
mod metrics;
mod new_items;
mod policy;
mod quality;
mod recent;
mod recommending;
mod requests;
mod schedule;
mod service;
pub mod settings;
mod showing;
pub mod sign_in;
mod standing;
pub mod tokens;
mod traces;
mod training_pool;
mod view;

use std::io::Write as _;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tracing::{info, warn};

pub use capacity::Capacity;
pub use command::{Add, AddItems, Came, Change, Coming, Forget, Wanted, Whose};
pub use handle::Handle;
pub use ledger::Ledger;
pub use logging::start as start_logging;
pub use policy::Policy;
pub use service::{Service, ServiceOptions};
use settings::Settings;
pub use view::View;

use crate::signals::asked_to_end;
use crate::store::Location;

/// Serves a state until the process is asked to end.
///
/// # Errors
/// When the state cannot be opened, a model file is damaged, or the address is not
/// available.
pub fn run(state: Location, settings: &Settings) -> Result<()> {
    let device = crate::device::open(settings.device)?;
    let service = Service::open(state, device, settings.service.clone())?;
    let router = http::router(service.handle.clone(), &settings.http)?;
    let threads = service.start();
    let service = service.handle;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(crate::pool::default_jobs().clamp(2, 8))
        .enable_all()
        .build()
        .context("the system gave no threads")?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(settings.listen).await;
        let listener = listener
            .with_context(|| format!("cannot listen on {}; choose another address with --listen", settings.listen))?;
        let address = listener.local_addr().context("the listener has no address")?;
        info!(%address, "serving");
        // For people, and for whoever started this with port 0.
        say(&format!("eemu serves http://{address}"));
        service.doubts().iter().for_each(|doubt| {
            warn!("{doubt}");
            say(&format!("warning: {doubt}"));
        });
        if service.demo().is_on() {
            say(&format!("demonstration: everybody gets tokens for {} households", service.demo().wanted()));
        }
        let stopping = service.clone();
        let stop = async move {
            let mut ticks = stopping.ticks();
            let failed = async { while !stopping.is_stopping() && ticks.changed().await.is_ok() {} };
            tokio::select! {
                _ = asked_to_end() => {}
                () = failed => {}
            }
            info!("stopping: answers under way end, training is kept as checkpoints");
            stopping.stop();
        };
        listen::serve(listener, router, settings.connections, stop).await
    });
    service.stop();
    // Dropped outside the runtime, since the store has a runtime of its own.
    drop(runtime);
    for thread in threads {
        // A trainer that panicked has logged it already.
        let _ = thread.join();
    }
    if service.has_failed() {
        bail!("the service could not go on (its log says why); start it again: it recovers from what is on disk");
    }
    info!("stopped");
    served
}

/// Prints one line on standard output. It ignores a closed output, since the log says
/// the same.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

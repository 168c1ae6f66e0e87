//! What time alone brings about: backups and requests whose time is over, an
//! erasure that could not be finished, changes by other processes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use tracing::{error, info};

use super::service::{Service, lock};
use crate::clock::now_exactly;
use crate::forgetting;
use crate::store::Compaction;

/// Between two looks at what other processes did.
const LOOK: Duration = Duration::from_millis(500);
/// How soon the thread sees that the service stops.
const PULSE: Duration = Duration::from_millis(50);

/// Starts the thread.
pub(super) fn start(service: &Arc<Service>) -> JoinHandle<()> {
    let service = service.clone();
    std::thread::spawn(move || {
        let (mut looked, mut tidied) = (Instant::now(), Instant::now());
        // Said once: the next look comes soon.
        let mut blind = false;
        let mut compaction = None;
        while !service.is_stopping() {
            std::thread::sleep(PULSE);
            let look = looked.elapsed() >= LOOK;
            if look {
                let seen = service.freshen();
                if let Err(problem) = &seen
                    && !blind
                {
                    error!("changes by other processes cannot be seen: {problem:#}");
                }
                blind = seen.is_err();
                if let Err(problem) = service.hiding.reread() {
                    error!("which items are hidden cannot be read: {problem:#}");
                }
                if let Err(problem) = service.catch_up() {
                    error!("what was changed is still not shown whole: {problem:#}");
                }
                looked = Instant::now();
            }
            if (look || compaction.is_some())
                && let Err(problem) = compact(&service, &mut compaction)
            {
                error!("stale copies are not cleared yet: {problem:#}");
                compaction = None;
            }
            if tidied.elapsed() >= service.options.housekeeping {
                if let Err(problem) = tidy(&service) {
                    error!("housekeeping failed: {problem:#}");
                }
                tidied = Instant::now();
            }
        }
    })
}

fn tidy(service: &Service) -> Result<()> {
    service.state.expire_backups()?;
    service.state.finish_erasure()?;
    forgetting::requests(&service.state)?;
    lock(&service.requests).prune(forgetting::requests_since());
    Ok(())
}

/// Steps of a compaction in one go; changes get their turn between any two.
const STEPS: usize = 4;

/// Goes on with a compaction; begins one when half of its time is over, so
/// that one serves all deletions of that time.
fn compact(service: &Service, compaction: &mut Option<Compaction>) -> Result<()> {
    let Some(under_way) = compaction else {
        let half = service.options.erase_within.as_secs_f64() / 2.0;
        if service.state.compacted()?.due.is_some_and(|due| due - half <= now_exactly()) {
            *compaction = service.state.begin_compaction()?;
        }
        return Ok(());
    };
    for _ in 0..STEPS {
        if service.is_stopping() {
            return Ok(());
        }
        let at = under_way.at();
        if service.state.go_on_compacting(under_way)? {
            info!(pages = under_way.rewritten(), "stale copies of what was deleted are cleared");
            *compaction = None;
            return service.take_compacted();
        }
        if under_way.at() == at {
            // A reader keeps the log: the next look comes soon.
            return Ok(());
        }
        std::thread::yield_now();
    }
    Ok(())
}

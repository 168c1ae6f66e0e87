//! What time alone brings about: backups and requests whose time is over, an
//! erasure that could not be finished, changes by other processes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use tracing::error;

use super::service::{Service, lock};
use crate::forgetting;

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
        while !service.is_stopping() {
            std::thread::sleep(PULSE);
            if looked.elapsed() >= LOOK {
                let seen = service.freshen();
                if let Err(problem) = &seen
                    && !blind
                {
                    error!("changes by other processes cannot be seen: {problem:#}");
                }
                blind = seen.is_err();
                looked = Instant::now();
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

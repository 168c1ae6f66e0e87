//! Shares work out to threads, one piece at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many pieces run at once by default: the number of cores.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs `work` on every piece, `jobs` at once, and returns the results in the order of
/// the pieces. The tensor operations of each thread use its share of the cores. Results
/// do not depend on `jobs`, to the byte.
pub fn run<T: Sync, R: Send>(pieces: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let jobs = jobs.clamp(1, pieces.len().max(1));
    let threads = (default_jobs() / jobs).max(1);
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<R>>> = pieces.iter().map(|_| Mutex::new(None)).collect();
    let take = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(place) else { break };
            let result = work(piece);
            if let Ok(mut slot) = results[place].lock() {
                *slot = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
                Ok(pool) => pool.install(take),
                Err(_) => take(),
            });
        }
    });
    results.into_iter().filter_map(|slot| slot.into_inner().ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_keep_their_order() {
        let pieces: Vec<u32> = (0..50).collect();
        assert_eq!(super::run(&pieces, 4, |p| p * 2), pieces.iter().map(|p| p * 2).collect::<Vec<_>>());
        assert_eq!(super::run(&[], 4, |p: &u32| *p), Vec::<u32>::new());
    }
}

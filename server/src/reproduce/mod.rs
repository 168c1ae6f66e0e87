//! `eemu reproduce`: the paper's tables and figures from one command.
//!
//! A run is a list of units: one trained ensemble, or one measurement of one.
//! Each ends as a JSON row named by the hash of everything it depends on, and
//! a row that is there is not made again: a run goes on where it was cut short,
//! and tables share what they have in common. Models are kept beside the rows
//! under `models/`, which may be deleted at any time.
//!
//! | file | idea |
//! |---|---|
//! | `printed` | what the paper prints, as data |
//! | `sets` | data sets by name |
//! | `recipe` | hyper-parameters of each data set, and how large a run is |
//! | `unit` | what can be trained and measured; which tables need what |
//! | `rows` | rows on disk, and what is computed from them |
//! | `work` | how a unit is done |
//! | `judge` | ranks of the held-out items by every method |
//! | `pure` | table 2, table 5, figure 3, eq 8, entropy: nothing is trained |
//! | `tables`, `figures` | Markdown, CSV and SVG from rows |
//! | `plot` | lines and bars |

mod figures;
mod judge;
mod plot;
mod printed;
mod pure;
mod recipe;
mod rows;
mod sets;
mod tables;
mod unit;
mod work;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_core::tensor::Device;

pub use recipe::{Profile, Scale};
pub use unit::What;

use crate::progress::Progress;
use rows::Store;
use sets::Set;
use work::Worker;

/// Draws HR@10 over the seconds that a deletion retrains, one point a number
/// of shards: (shards, seconds, HR@10).
///
/// # Errors
/// When the plot cannot be drawn or written.
pub fn frontier_plot(path: &std::path::Path, dataset: &str, points: &[(u32, f64, f64)]) -> Result<()> {
    std::fs::write(path, frontier_svg(dataset, points)?).with_context(|| format!("cannot write {}", path.display()))
}

/// The line goes from few shards to many, in whatever order they were asked for.
fn frontier_svg(dataset: &str, points: &[(u32, f64, f64)]) -> Result<String> {
    let mut points = points.to_vec();
    points.sort_by_key(|(shards, ..)| *shards);
    let numbers: Vec<String> = points.iter().map(|(shards, ..)| shards.to_string()).collect();
    let title = format!("{dataset}: quality and the cost of a deletion, {} shards", numbers.join(", "));
    let what = plot::Plot { title: &title, x: "seconds that a deletion retrains, one thread", y: "HR@10" };
    let line = points.iter().map(|&(_, seconds, hits)| (seconds, hits)).collect();
    plot::lines(&what, &[plot::Series::new("EEMU", line)], false)
}

/// What to reproduce and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which table or figure, or all.
    pub what: What,
    /// Where rows, tables and plots go.
    pub out: PathBuf,
    /// The whole thing, or a small version of it.
    pub scale: Scale,
    /// Whose model and adaptation.
    pub profile: Profile,
    /// Seeds 1 to this.
    pub seeds: u64,
    /// Data sets by folder name.
    pub datasets: Vec<String>,
    /// Where their folders are.
    pub data: Option<PathBuf>,
    /// Changes to every configuration, KEY=VALUE.
    pub set: Vec<String>,
    /// Users measured: this many drawn by a keyed hash, the same for every seed.
    pub users: Option<usize>,
    /// Train and measure nothing: tables from the rows that are there.
    pub from_rows: bool,
    /// Beside table 3 and its like: the published code's dynamics, which see test
    /// items and other shards, and so can never be deployed.
    pub reference: bool,
    /// Shards, or groups of users, at once.
    pub jobs: usize,
}

/// Does what is asked and writes everything under `request.out`.
///
/// # Errors
/// When a data set is missing, training diverges or a file cannot be written.
pub fn run(request: &Request, device: &Device, progress: &Progress) -> Result<Vec<PathBuf>> {
    if request.seeds == 0 {
        bail!("give one seed or more");
    }
    let store = Store::open(&request.out)?;
    let sets: Vec<Set> =
        request.datasets.iter().map(|name| sets::load(name, request.data.as_deref())).collect::<Result<_>>()?;
    let mut written = pure::write(request, &sets, &store)?;
    let units = unit::needed(request, &sets)?;
    let missing: Vec<_> = units.iter().filter(|unit| !store.has(unit)).collect();
    if !units.is_empty() {
        progress.say(&format!("{} units, {} of them done already", units.len(), units.len() - missing.len()));
    }
    let mut worker = Worker::new(request, &sets, &store, device, progress);
    let missing = if request.from_rows { Vec::new() } else { missing };
    let total: f64 = missing.iter().map(|unit| worker.weight(unit)).sum();
    let (mut done, start) = (0.0, Instant::now());
    for (number, unit) in missing.iter().enumerate() {
        let left = match done {
            d if d > 0.0 => format!(", about {} left", minutes(start.elapsed().as_secs_f64() / d * (total - d))),
            _ => String::new(),
        };
        progress.say(&format!("[{}/{}] {}{left}", number + 1, missing.len(), unit.title()));
        worker.run(unit).with_context(|| unit.title())?;
        done += worker.weight(unit);
    }
    written.extend(tables::write(request, &units, &store)?);
    written.extend(figures::write(request, &units, &store)?);
    Ok(written)
}

/// The data sets of a run that names none: what comes with eemu, or the paper's
/// where there is a folder for them.
pub fn default_sets(data: Option<&std::path::Path>) -> Vec<String> {
    match data {
        None => vec![sets::BUILT_IN.to_owned()],
        Some(_) => printed::SETS.map(str::to_owned).to_vec(),
    }
}

fn minutes(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_frontier_is_one_line_whatever_the_order() {
        let points = [(1, 9.0, 0.3), (2, 5.0, 0.2), (4, 3.0, 0.25), (8, 1.0, 0.1)];
        let straight = super::frontier_svg("set", &points).unwrap();
        let mixed = super::frontier_svg("set", &[points[2], points[0], points[3], points[1]]).unwrap();
        assert!(straight == mixed && straight.contains("1, 2, 4, 8 shards"), "{straight}");
    }
}

//! `eemu reproduce`: the paper's tables and figures from one command.
//!
//! A run is a list of units. A unit trains one ensemble, or measures one. Its result is
//! a JSON row, named by the hash of everything that it depends on. A row that exists is
//! not made again, so an interrupted run resumes, and tables share rows. Models are
//! kept beside the rows under `models/`, which may be deleted at any time.
//!
//! | file | what it does |
//! |---|---|
//! | `printed` | the paper's printed numbers, as data |
//! | `sets` | data sets by name |
//! | `recipe` | hyper-parameters of each data set, and the scale of a run |
//! | `unit` | what can be trained and measured; which tables need what |
//! | `rows` | rows on disk, and what is computed from them |
//! | `work` | carries out a unit |
//! | `judge` | ranks the held-out items by every method |
//! | `pure` | table 2, table 5, figure 3, eq 8, entropy: these need no training |
//! | `tables`, `figures` | writes Markdown, CSV and SVG from rows |
//! | `plot` | line charts and bar charts |

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

/// Draws HR@10 over the seconds of retraining for a deletion. A point is (shards,
/// seconds, HR@10).
///
/// # Errors
/// When the plot cannot be drawn or written.
pub fn frontier_plot(path: &std::path::Path, dataset: &str, points: &[(u32, f64, f64)]) -> Result<()> {
    std::fs::write(path, frontier_svg(dataset, points)?).with_context(|| format!("cannot write {}", path.display()))
}

/// The line goes from few shards to many, whatever the order of the points.
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
    /// Folder for rows, tables and plots.
    pub out: PathBuf,
    /// Full or small scale.
    pub scale: Scale,
    /// The paper's model and adaptation, or the deployed ones.
    pub profile: Profile,
    /// Seeds 1 to this.
    pub seeds: u64,
    /// Data sets by folder name.
    pub datasets: Vec<String>,
    /// The folder that has the data sets' folders.
    pub data: Option<PathBuf>,
    /// Changes to every configuration, KEY=VALUE.
    pub set: Vec<String>,
    /// Number of users measured, drawn by a keyed hash, the same for every seed.
    pub users: Option<usize>,
    /// Trains and measures nothing, and makes tables from existing rows.
    pub from_rows: bool,
    /// Adds the published code's dynamics to table 3 and similar tables. They see test
    /// items and other shards, so they can never be deployed.
    pub reference: bool,
    /// Shards, or groups of users, at once.
    pub jobs: usize,
}

/// Carries out a request, and writes everything under `request.out`.
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

/// The default data sets: the built-in one, or the paper's where a folder for them is
/// given.
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

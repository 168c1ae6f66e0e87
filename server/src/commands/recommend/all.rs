//! `eemu recommend --all`: the lists of all users as one file.
//!
//! The lists are made in portions of users. Each portion is a file in a folder beside
//! the result, so that a killed run resumes. At the end one temporary file is written
//! and renamed.
//!
//! The folder states what its portions were made from: records, models, settings and
//! rules. Portions made from anything else are discarded. A deletion during the work
//! starts it again, so no list that is written after the acknowledgement has seen the
//! deleted record.

mod portions;
mod written;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use eemu_core::adapt::UserContext;
use eemu_core::counted;
use eemu_core::dataset::History;
use eemu_core::recommend::{Ranked, Ranker, top_k};
use eemu_core::rules::Filter;
use serde_json::json;

use super::{adaptation, by_shard, name_skipped};
use crate::cli::{ListFormat, RecommendArgs};
use crate::commands::{print_json, print_line};
use crate::deployment::Deployment;
use crate::pool::{default_jobs, run as in_parallel};
use crate::progress::Progress;
use crate::store::Access;
use crate::{device, hidden};
use portions::Portions;

/// How often the work starts again because of deletions.
const TRIES: u32 = 3;

pub(super) fn run(args: &RecommendArgs) -> Result<ExitCode> {
    let out = args.out.clone().context("give --out FILE")?;
    let format = match args.format {
        Some(format) => format,
        None => written::by_ending(&out)?,
    };
    let progress = Progress::new(args.run.quiet);
    for _ in 0..TRIES {
        if let Some(done) = attempt(args, &out, format, &progress)? {
            return Ok(done);
        }
        progress.say("records were deleted meanwhile, so the lists are begun anew");
    }
    bail!("records are deleted faster than everybody's lists are made; make them of a copy (`eemu backup`), or later")
}

/// Makes the file once; `None` when a deletion came in between.
fn attempt(args: &RecommendArgs, out: &Path, format: ListFormat, progress: &Progress) -> Result<Option<ExitCode>> {
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    let adapt = adaptation(args, &deployment)?;
    let closed = hidden::closed(&dataset.catalog, &dataset.down, &hidden::names(&deployment.state)?);
    let rules = args.rules();
    let filter = rules.filter(&dataset.catalog, &closed)?;
    let device = device::open(args.run.device)?;
    let models = deployment.answering(&device)?;
    let models = by_shard(&models);
    let users = &dataset.catalog.users;
    let people: Vec<u32> = (0..users.len() as u32).filter(|user| !users.is_deleted(*user)).collect();
    if people.is_empty() {
        bail!("there is nobody to make a list for; add people (`eemu add`)");
    }
    // Everything that a list depends on.
    let versions: Vec<_> = deployment.shards.iter().map(|s| (s.index, s.live.as_ref().map(|l| l.version))).collect();
    let made_of = json!({
        "format": 1,
        "state": hex::encode(dataset.key.hash("lists of everybody", &[dataset.catalog.dataset.as_bytes()])),
        "records": [deployment.head.records, deployment.head.deletions, dataset.interactions.len() as u64],
        "people": people.len(),
        "models": versions,
        "adapt": adapt,
        "rules": rules,
        "closed": closed,
        "top": args.top,
    });
    let portions = Portions::open(out, &made_of, people.len(), progress)?;
    let degrees = &dataset.degrees;
    let ranker =
        pollster::block_on(Ranker::new(&models, &dataset.key.derived("adaptation of clients"), degrees, &adapt))?;
    let ranking = Ranking { deployment: &deployment, ranker: &ranker, filter: &filter, people: &people, top: args.top };
    if !ranking.fill(&portions, args.run.jobs.unwrap_or_else(default_jobs), progress)? {
        portions.remove()?;
        return Ok(None);
    }
    let rows = written::write(&portions, &deployment, &people, out, format, || ranking.is_overtaken())?;
    portions.remove()?;
    let Some(rows) = rows else { return Ok(None) };
    if args.run.json {
        print_json(&json!({"people": people.len(), "rows": rows, "out": out, "unknown": filter.unknown}))?;
    } else {
        name_skipped(&filter.unknown);
        print_line(&format!(
            "wrote {} of {} to {}",
            counted(rows, "row"),
            counted(people.len(), "person"),
            out.display()
        ))?;
    }
    Ok(Some(ExitCode::SUCCESS))
}

/// What the lists are made with.
struct Ranking<'a> {
    deployment: &'a Deployment,
    ranker: &'a Ranker<'a>,
    filter: &'a Filter,
    people: &'a [u32],
    top: u32,
}

impl Ranking<'_> {
    /// Whether records were deleted since the work started.
    fn is_overtaken(&self) -> Result<bool> {
        let (head, _) = self.deployment.state.moment()?;
        Ok(head.deletions != self.deployment.head.deletions)
    }

    /// Makes the missing portions. Returns whether the portions may be used.
    fn fill(&self, portions: &Portions, jobs: usize, progress: &Progress) -> Result<bool> {
        let missing = portions.missing()?;
        let before: usize = self.people.len() - missing.iter().map(|range| range.len()).sum::<usize>();
        if before > 0 {
            progress.say(&format!("going on: {before} of {} lists were made before", self.people.len()));
        }
        let bar = progress.bar("lists", self.people.len() as u64);
        let (done, overtaken) = (AtomicU64::new(before as u64), AtomicBool::new(false));
        let made = in_parallel(&missing, jobs, |range| -> Result<()> {
            if overtaken.load(Ordering::Relaxed) || self.is_overtaken()? {
                overtaken.store(true, Ordering::Relaxed);
                return Ok(());
            }
            let mut lists = Vec::with_capacity(range.len());
            for tile in self.people[range.clone()].chunks(self.ranker.people_together()) {
                lists.extend(self.lists(tile)?);
                let all = done.fetch_add(tile.len() as u64, Ordering::Relaxed) + tile.len() as u64;
                bar.set(all, 0.0, "people");
            }
            portions.put(range.start, &lists)
        });
        bar.clear();
        made.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(!overtaken.into_inner())
    }

    fn lists(&self, users: &[u32]) -> Result<Vec<Vec<Ranked>>> {
        let dataset = &self.deployment.dataset;
        let people: Vec<UserContext> = users.iter().map(|user| dataset.person(*user, History::All)).collect();
        let scored = pollster::block_on(self.ranker.scores(&people, 0, false))?;
        let list = |(scored, person): (&eemu_core::recommend::Scored, &UserContext)| {
            top_k(&scored.mean, &self.filter.masked(person.history.items()), self.top as usize)
        };
        Ok(scored.iter().zip(&people).map(list).collect())
    }
}

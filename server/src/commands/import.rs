//! `eemu import`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::config::Config;
use eemu_core::data::{
    BadLines, Bucketing, Catalog, Column, Holdout, ImportReport, Imported, Survey, Values, are_timed,
};
use eemu_core::model::from_safetensors;
use eemu_core::random::Key;
use eemu_core::{Error, counted};
use serde_json::{Value, json};

use super::{print_json, print_line};
use crate::cli::ImportArgs;
use crate::clock::{now_exactly, random};
use crate::deployment::{Deployment, Settings};
use crate::import::{self, ImportOptions};
use crate::progress::Progress;
use crate::replacing::Former;
use crate::store::{Access, Extra, State, end_cleanly};

/// Exit code for data that cannot be used.
const BAD_DATA: u8 = 1;

pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode> {
    match import(args) {
        Err(error) if error.chain().any(|cause| matches!(cause.downcast_ref(), Some(Error::Data(_)))) => {
            eprintln!("error: {error:#}");
            Ok(ExitCode::from(BAD_DATA))
        }
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

fn import(args: &ImportArgs) -> Result<()> {
    let former = if args.replace { Former::open(&args.location(), &args.readmit)? } else { None };
    let progress = Progress::new(args.quiet);
    let seed = seed(args, former.as_ref())?;
    let mut options = options(args, &progress, seed)?;
    options.choices.screen = former.as_ref().and_then(Former::screen);
    end_cleanly()?;
    let mut bad = BadLines::new(args.counting.skip_bad);
    let imported = read(args, &options, &mut bad);
    if let Some(file) = &args.counting.bad_lines {
        write_bad_lines(file, &bad)?;
    }
    let mut imported = imported?;
    if let Some(former) = &former {
        imported.catalog.version = former.next_catalog_version();
    }
    if args.check {
        return check(args, imported, &bad);
    }
    let asked = args.holdout.map(Holdout::from);
    let (mut settings, note) = match &former {
        Some(former) => former.settings_for(&imported.records, asked, args.seed),
        None => (fresh_settings(args, &imported, seed), None),
    };
    // A user who asks for user features wants them read by the model.
    let bucketed = |column: &Column| matches!(column.values, Values::Buckets { .. });
    settings.config.episodes.people = imported.catalog.users.columns.iter().any(bucketed);
    let mut outcome = Outcome { replaced: former.is_some(), note, ..Outcome::default() };
    let mut extra = Extra::default();
    if let Some(former) = former {
        let goes_on = former.kept(&imported.catalog)?;
        outcome.tokens_ended = goes_on.tokens_ended;
        extra = Extra { kept: Some(goes_on.kept), notes: goes_on.notes, ..extra };
    }
    let made = Deployment::take_in(args.location(), imported, &settings, args.replace, extra, &progress)?;
    report(args, &made.1, &made.0, &outcome)
}

/// What happened to the state that was there before.
#[derive(Debug, Default)]
struct Outcome {
    replaced: bool,
    tokens_ended: usize,
    note: Option<String>,
}

fn options(args: &ImportArgs, progress: &Progress, seed: u64) -> Result<ImportOptions> {
    let mut options = ImportOptions::default();
    options.choices.core = args.core;
    options.choices.catalog = args.catalog.as_deref().map(frozen_catalog).transpose()?;
    let chosen = |names: &Option<Vec<String>>| match names.as_deref() {
        Some([only]) if only == "none" => Some(Vec::new()),
        other => other.map(<[String]>::to_vec),
    };
    options.choices.item_features = chosen(&args.item_features);
    if options.choices.catalog.is_none() {
        // The default model reads no user features, so none are stored.
        options.choices.user_features = chosen(&args.user_features).or(Some(Vec::new()));
    }
    options.choices.user_buckets = (args.user_buckets > 0).then(|| Bucketing {
        key: Key::from_seed(seed),
        count: args.user_buckets,
        ranges: args.user_range.clone(),
    });
    for dense in &args.dense {
        let (name, file) = dense.split_once('=').with_context(|| format!("--dense {dense}: give NAME=FILE"))?;
        options.dense.push((name.to_owned(), PathBuf::from(file)));
    }
    args.choose(&mut options.choices);
    if args.check {
        // The survey counts duplicates itself, and reads the times of all of them.
        options.choices.duplicates = None;
    }
    options.encoding = args.tables.encoding;
    options.items.clone_from(&args.tables.items);
    options.progress = Some(progress.clone());
    Ok(options)
}

fn read(args: &ImportArgs, options: &ImportOptions, bad: &mut BadLines) -> Result<Imported> {
    match args.data.as_slice() {
        [only] if only == Path::new("built-in") => {
            if !options.dense.is_empty() {
                bail!("--dense does not go with the built-in data set, which has its title vectors");
            }
            import::built_in_with(&options.choices)
        }
        paths => import::open_all(paths, options, bad),
    }
}

/// The seed: the given one, the former state's, or a random one where nothing is held
/// out.
fn seed(args: &ImportArgs, former: Option<&Former>) -> Result<u64> {
    Ok(match (args.seed, former, holdout(args)) {
        (Some(seed), ..) => seed,
        (None, Some(former), _) => former.settings.config.train.seed,
        (None, None, Holdout::LeaveOneOut | Holdout::LeaveTen) => 1,
        (None, None, Holdout::None) => u64::from_le_bytes(random()?),
    })
}

fn holdout(args: &ImportArgs) -> Holdout {
    args.holdout.map_or(Holdout::LeaveOneOut, Holdout::from)
}

fn fresh_settings(args: &ImportArgs, imported: &Imported, seed: u64) -> Settings {
    let mut config = Config::fitting(holdout(args), are_timed(&imported.records));
    config.train.seed = seed;
    Settings { config, duplicates: 0, tuned_on: None }
}

/// Another state's catalogue, with its dense features.
fn frozen_catalog(path: &Path) -> Result<Catalog> {
    // Users are rows of the state's database, beside its catalogue.
    let dir = path.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    if let Some(dir) = dir.filter(|dir| dir.join("eemu.sqlite").is_file()) {
        return Ok(State::open(dir, Access::Read)?.catalog()?);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let dense = path.with_extension("safetensors");
    let mut features = HashMap::new();
    if dense.is_file() {
        let bytes = std::fs::read(&dense).with_context(|| format!("cannot read {}", dense.display()))?;
        features.extend(from_safetensors(&bytes)?.into_iter().map(|(name, (_, values))| (name, values)));
    }
    Catalog::from_json(&text, &features).with_context(|| path.display().to_string())
}

/// Writes a table of every line that could not be read.
fn write_bad_lines(path: &Path, bad: &BadLines) -> Result<()> {
    let shown = || format!("cannot write {}", path.display());
    let mut table = csv::Writer::from_path(path).with_context(shown)?;
    table.write_record(["file", "line", "column", "why", "what to do"]).with_context(shown)?;
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    for fault in bad.list() {
        let (line, column) = (number(fault.line), number(fault.column));
        let row = [fault.file.as_str(), &line, &column, &fault.problem, &fault.hint];
        table.write_record(row).with_context(shown)?;
    }
    let more = bad.count() - bad.list().len() as u64;
    if more > 0 {
        table.write_record(["", "", "", &format!("and {more} more lines, which are not listed"), ""])?;
    }
    table.flush().with_context(shown)
}

/// Says where the seed came from.
fn seed_of(args: &ImportArgs, replaced: bool) -> &'static str {
    match (args.seed, args.holdout) {
        (Some(_), _) => "given",
        _ if replaced => "as it was",
        (None, Some(crate::cli::HoldoutChoice::None)) => "random",
        (None, _) => "default",
    }
}

/// Prints the result of `--check`.
fn check(args: &ImportArgs, imported: Imported, bad: &BadLines) -> Result<()> {
    let Imported { catalog, records, report } = imported;
    let report = &report;
    let survey = Survey::new(records, report, now_exactly());
    if args.json {
        let mut value = serde_json::to_value(&survey)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("dataset".into(), json!(catalog.dataset));
            fields.insert("item_features".into(), json!(report.item_features));
            fields.insert("forgotten_left_out".into(), forgotten(report));
            fields.insert("notes".into(), json!(report.notes));
        }
        return print_json(&value);
    }
    print_line(&format!(
        "{}: {}, {}, {}",
        catalog.dataset,
        counted(survey.records, "record"),
        counted(survey.people, "person"),
        counted(survey.items, "item")
    ))?;
    print_line(&format!(
        "left out: {}, {}, {} by --keep or --min-value",
        counted(survey.duplicates, "duplicate"),
        counted(survey.bad_lines, "bad line"),
        survey.dropped
    ))?;
    for fault in bad.list().iter().take(5) {
        print_line(&format!("  {}", Error::Data(fault.clone())))?;
    }
    if report.forgotten_records > 0 {
        print_line(&forgotten_line(report))?;
    }
    print_line(&format!("items of a person (half have {} or more):", survey.median_history))?;
    let histories = survey.histories.iter().map(|(from, to, people)| {
        let label = if from == to { from.to_string() } else { format!("{from} to {to}") };
        (label, *people)
    });
    print_bars(histories)?;
    if let (Some(first), Some(last)) = (&survey.first, &survey.last) {
        print_line(&format!("times: from {first} to {last} (UTC)"))?;
        let skipped = survey.years.len().saturating_sub(40);
        if skipped > 0 {
            print_line(&format!("  ({skipped} earlier years)"))?;
        }
        print_bars(survey.years.iter().skip(skipped).map(|(year, count)| (year.to_string(), *count)))?;
    }
    for warning in &survey.warnings {
        print_line(&format!("warning: {warning}"))?;
    }
    for note in report.notes.iter().filter(|note| !survey.warnings.contains(note)) {
        print_line(&format!("note: {note}"))?;
    }
    print_line("nothing was written; leave --check out to import")
}

/// Prints counts as bars of up to 40 characters.
fn print_bars(counts: impl Iterator<Item = (String, usize)>) -> Result<()> {
    let counts: Vec<(String, usize)> = counts.collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let width = counts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, count) in counts {
        let bar = "█".repeat((count * 40).div_ceil(most));
        print_line(&format!("  {label:>width$}  {bar} {count}"))?;
    }
    Ok(())
}

fn forgotten(report: &ImportReport) -> Value {
    json!({ "records": report.forgotten_records, "users": report.forgotten_users })
}

fn forgotten_line(report: &ImportReport) -> String {
    format!(
        "left out: {} forgotten before, {} among them (--readmit NAME lifts it)",
        counted(report.forgotten_records, "record"),
        counted(report.forgotten_users, "whole account")
    )
}

fn report(args: &ImportArgs, report: &ImportReport, deployment: &Deployment, outcome: &Outcome) -> Result<()> {
    let dataset = &deployment.dataset;
    let seed = seed_of(args, outcome.replaced);
    let notes: Vec<&String> = outcome.note.iter().chain(&report.notes).collect();
    if args.json {
        return print_json(&json!({
            "dataset": dataset.catalog.dataset,
            "users": dataset.catalog.users.len(),
            "items": dataset.catalog.items.len(),
            "interactions": dataset.interactions.len(),
            "duplicates": deployment.settings.duplicates,
            "bad_lines": report.bad_lines,
            "dropped": report.dropped,
            "first": report.times.as_ref().map(|span| span.shown().0),
            "last": report.times.as_ref().map(|span| span.shown().1),
            "warnings": report.times.as_ref().map_or_else(Vec::new, |span| span.warnings(now_exactly())),
            "user_features": report.user_features,
            "item_features": report.item_features,
            "replaced": outcome.replaced,
            "forgotten_left_out": forgotten(report),
            "readmitted": args.readmit,
            "tokens_ended": outcome.tokens_ended,
            "seed": seed,
            "notes": notes,
        }));
    }
    let kept = match args.counting.duplicates {
        crate::cli::DuplicatesChoice::First => "earliest",
        crate::cli::DuplicatesChoice::Last => "latest",
    };
    let collapsed = match deployment.settings.duplicates {
        0 => "0 duplicates collapsed".to_owned(),
        count => format!("{} collapsed: the {kept} stays", counted(count, "duplicate")),
    };
    print_line(&format!(
        "{}: {}, {}, {} ({collapsed})",
        dataset.catalog.dataset,
        counted(dataset.catalog.users.len(), "user"),
        counted(dataset.catalog.items.len(), "item"),
        counted(dataset.interactions.len(), "record"),
    ))?;
    if let Some(span) = &report.times {
        let (first, last) = span.shown();
        print_line(&format!("times: from {first} to {last} (UTC)"))?;
        for warning in span.warnings(now_exactly()) {
            print_line(&format!("warning: {warning}"))?;
        }
    }
    let list =
        |names: &[String]| std::iter::once("id").chain(names.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
    print_line(&format!("user features: {}", list(&report.user_features)))?;
    print_line(&format!("item features: {}", list(&report.item_features)))?;
    if report.bad_lines + report.dropped > 0 {
        print_line(&format!(
            "left out: {}, {} by --keep or --min-value",
            counted(report.bad_lines, "bad line"),
            counted(report.dropped, "record")
        ))?;
    }
    if report.users_left_out + report.items_left_out > 0 {
        print_line(&format!(
            "core filter left out {}, {}, {}",
            counted(report.users_left_out, "user"),
            counted(report.items_left_out, "item"),
            counted(report.records_left_out, "record")
        ))?;
    }
    if report.forgotten_records > 0 {
        print_line(&forgotten_line(report))?;
    }
    if outcome.replaced {
        let ended = match outcome.tokens_ended {
            0 => String::new(),
            count => format!("; {} of people who are not in these data ended", counted(count, "token")),
        };
        print_line(&format!(
            "replaced: the receipt log, its key, tokens, backups, tombstones and settings are as they were{ended}"
        ))?;
    }
    print_line(match seed {
        "random" => {
            "seed: random, and kept in the state only: it is a secret of this deployment (--seed gives another)"
        }
        "given" => "seed: as given; a deployment's must be a secret",
        "as it was" => "seed: as it was",
        _ => "seed: 1, so that measurements can be repeated; not for a deployment",
    })?;
    for note in notes {
        print_line(&format!("note: {note}"))?;
    }
    print_line(&format!("next: eemu train --state {}", args.location().dir.display()))
}

//! Turns what a reader found into a frozen catalogue and records.

use super::buckets::Bucketing;
use super::core_filter::k_core;
use super::reader::{fault, quote};
use super::records::{Gather, Screen, Side};
use super::survey::Span;
use super::table::{Table, dense_rows};
use super::tables::{Condition, DateOrder, Layout};
use super::{BadLines, Catalog, Column, Duplicates, Entities, Interaction, Values};
use crate::{Error, Result};

/// The options of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Columns that become user features; all if `None`.
    pub user_features: Option<Vec<String>>,
    /// Turns user features into buckets, so that no statistic of users is
    /// frozen. If `None`, vocabularies and statistics are frozen, as the
    /// paper's models need them.
    pub user_buckets: Option<Bucketing>,
    /// Columns and dense features that become item features. If `None`: all,
    /// except that a dense feature replaces the words of the column of item
    /// names.
    pub item_features: Option<Vec<String>>,
    /// Admit only the k-core. With a frozen catalogue, records outside the
    /// catalogue are then left out instead of refused.
    pub core: Option<u32>,
    /// Import against this catalogue: identifiers must be in it, features come
    /// from it, and user and item files are not read.
    pub catalog: Option<Catalog>,
    /// Given facts about text tables, such as which column holds the users.
    pub layout: Layout,
    /// The user of all records, in tables without a user column.
    pub person: Option<String>,
    /// How dates such as 04/10/22 are read. If `None` and no line decides it,
    /// the import asks.
    pub dates: Option<DateOrder>,
    /// Records are imported only if all of these conditions hold.
    pub keep: Vec<Condition>,
    /// Which of several records of one user and item is kept; if `None` all are
    /// returned, and [`super::Interactions::new`] decides.
    pub duplicates: Option<Duplicates>,
    /// How many bad lines may be skipped.
    pub skip_bad: u64,
    /// Records and users that are left out because they were deleted before.
    pub screen: Option<Screen>,
}

/// Numbers for every item that do not come from a text file, such as title
/// embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseFeature {
    /// The feature's name.
    pub name: String,
    /// File name for messages.
    pub file: String,
    /// Numbers for each item.
    pub width: usize,
    /// [items, width] row-major, in the order of the item file.
    pub rows: Vec<f32>,
}

/// The result of an import.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The catalogue, to be frozen.
    pub catalog: Catalog,
    /// In file order, duplicates included. [`super::Interactions::new`] sorts
    /// them, collapses duplicates and counts these.
    pub records: Vec<Interaction>,
    /// Counts and notes for the person who imports.
    pub report: ImportReport,
}

/// What happened during an import.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportReport {
    /// Lines of the interactions file, a header included.
    pub lines: u64,
    /// Records outside the k-core, or outside the frozen catalogue.
    pub records_left_out: usize,
    /// Users outside the k-core.
    pub users_left_out: usize,
    /// Items outside the k-core.
    pub items_left_out: usize,
    /// Admitted users without a record.
    pub users_without_records: usize,
    /// Admitted items without a record.
    pub items_without_records: usize,
    /// Features of users, in the catalogue's order.
    pub user_features: Vec<String>,
    /// Features of items, in the catalogue's order.
    pub item_features: Vec<String>,
    /// Features with blank values before filtering: the name, such as
    /// `user.age`, and how many values are blank.
    pub blanks: Vec<(String, usize)>,
    /// Sentences for the person who imports.
    pub notes: Vec<String>,
    /// The times of all records, duplicates included, if they have any.
    pub times: Option<Span>,
    /// Records that a condition left out.
    pub dropped: u64,
    /// Lines that could not be read and were left out.
    pub bad_lines: u64,
    /// Records that were dropped because the user had another record of the
    /// same item.
    pub duplicates: usize,
    /// Items of records that no item file lists.
    pub unlisted_items: usize,
    /// Users of records that no user file lists.
    pub unlisted_users: usize,
    /// Records left out because they or their users were deleted before.
    pub forgotten_records: u64,
    /// Users left out because they were deleted before.
    pub forgotten_users: usize,
}

/// Decides which users and items are admitted and which columns are features,
/// and freezes both.
pub(super) fn assemble(
    dataset: String,
    gather: Gather<'_>,
    dense: Vec<DenseFeature>,
    options: &ImportOptions,
    bad: &BadLines,
    mut report: ImportReport,
) -> Result<Imported> {
    bad.settle()?;
    let Gather { users, items, mut records, left_out, dropped, forgotten, forgotten_users, .. } = gather;
    report.records_left_out = left_out;
    report.dropped = dropped;
    report.bad_lines = bad.count();
    report.forgotten_records = forgotten;
    report.forgotten_users = forgotten_users.len();
    let catalog = if let Some(catalog) = &options.catalog {
        if !dense.is_empty() || options.user_features.is_some() || options.item_features.is_some() {
            let problem = "a frozen catalogue has its features already; leave out the choice of features and --dense";
            return Err(Error::Config(problem.into()));
        }
        if report.records_left_out > 0 {
            let note = format!("left out: {} records outside the frozen catalogue", report.records_left_out);
            report.notes.push(note);
        }
        catalog.clone()
    } else {
        let (users, unlisted) = into_table(users, &mut records, |r| &mut r.user)?;
        report.unlisted_users = unlisted;
        let (items, unlisted) = into_table(items, &mut records, |r| &mut r.item)?;
        report.unlisted_items = unlisted;
        note_unlisted(&mut report);
        let dense = dense.into_iter().map(|feature| fit_dense(feature, &items)).collect::<Result<Vec<_>>>()?;
        let (keep_users, keep_items) = match options.core {
            None => ((0..users.ids.len() as u32).collect(), (0..items.ids.len() as u32).collect()),
            Some(k) => filter(&mut records, users.ids.len(), items.ids.len(), k, &mut report)?,
        };
        Catalog {
            dataset,
            version: 1,
            users: freeze(
                "user",
                users,
                &keep_users,
                vec![],
                options.user_features.as_deref(),
                options.user_buckets.as_ref(),
                &mut report,
            )?,
            items: freeze("item", items, &keep_items, dense, options.item_features.as_deref(), None, &mut report)?,
        }
    };
    report.times = Span::of(&records);
    if let Some(which) = options.duplicates {
        report.duplicates = which.collapse(&mut records);
    }
    let names = |entities: &Entities| entities.columns.iter().map(|c| c.name.clone()).collect();
    report.user_features = names(&catalog.users);
    report.item_features = names(&catalog.items);
    report.users_without_records = unused(catalog.users.len(), records.iter().map(|r| r.user));
    report.items_without_records = unused(catalog.items.len(), records.iter().map(|r| r.item));
    Ok(Imported { catalog, records, report })
}

/// The rows of users or of items, including those that only records name, and
/// the number of the latter.
fn into_table(
    side: Side<'_>,
    records: &mut [Interaction],
    row: impl Fn(&mut Interaction) -> &mut u32,
) -> Result<(Table, usize)> {
    let (table, moved, unlisted) = match side {
        Side::Frozen(_) => return Ok((Table::default(), 0)),
        Side::Listed { mut table } => {
            let unlisted = table.ids.len() - table.listed();
            if unlisted == 0 {
                return Ok((table, 0));
            }
            let moved = table.complete().map_err(|(problem, hint)| Error::Config(format!("{problem}. {hint}")))?;
            (table, moved, unlisted)
        }
        Side::Seen(mut table) => {
            let moved = table.sort();
            (table, moved, 0)
        }
    };
    for record in records {
        let row = row(record);
        *row = moved[*row as usize];
    }
    Ok((table, unlisted))
}

fn note_unlisted(report: &mut ImportReport) {
    for (count, kind) in [(report.unlisted_users, "user"), (report.unlisted_items, "item")] {
        if count > 0 {
            let noun = if count == 1 {
                format!("{kind} that records name is")
            } else {
                format!("{kind}s that records name are")
            };
            report.notes.push(format!("{count} {noun} not in the {kind} file: the identifier is all there is of it"));
        }
    }
}

/// The feature with zeros for items that no item file lists.
fn fit_dense(mut feature: DenseFeature, items: &Table) -> Result<DenseFeature> {
    let listed = if items.listed() == 0 { items.ids.len() } else { items.listed() };
    check_dense(&feature, listed)?;
    feature.rows.resize(items.ids.len() * feature.width, 0.0);
    Ok(feature)
}

fn check_dense(feature: &DenseFeature, items: usize) -> Result<()> {
    let DenseFeature { name, file, width, rows } = feature;
    if *width == 0 || width.checked_mul(items) != Some(rows.len()) {
        let problem =
            format!("feature '{name}' has {} rows of {width} numbers for {items} items", rows.len() / (*width).max(1));
        return Err(fault(file, 0, 0, problem, "Give one row for each line of the item file, in its order"));
    }
    if let Some(at) = rows.iter().position(|v| !v.is_finite()) {
        let problem =
            format!("feature '{name}' is not a finite number in row {}, number {}", at / width + 1, at % width + 1);
        return Err(fault(file, 0, 0, problem, "Compute the feature again"));
    }
    Ok(())
}

/// Keeps the records of the k-core and renumbers them; returns the rows that
/// remain.
fn filter(
    records: &mut Vec<Interaction>,
    users: usize,
    items: usize,
    k: u32,
    report: &mut ImportReport,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let core = k_core(records, users, items, k);
    let keep = |stays: &[bool]| -> Vec<u32> { (0..).zip(stays).filter(|(_, s)| **s).map(|(row, _)| row).collect() };
    let (keep_users, keep_items) = (keep(&core.users), keep(&core.items));
    let moved = |keep: &[u32], rows: usize| {
        let mut moved = vec![0; rows];
        keep.iter().enumerate().for_each(|(new, &old)| moved[old as usize] = new as u32);
        moved
    };
    let (new_user, new_item) = (moved(&keep_users, users), moved(&keep_items, items));
    let before = records.len();
    records.retain(|r| core.users[r.user as usize] && core.items[r.item as usize]);
    if records.is_empty() {
        return Err(Error::Config(format!("no users and items have {k} records with each other; lower --core")));
    }
    for record in records.iter_mut() {
        record.user = new_user[record.user as usize];
        record.item = new_item[record.item as usize];
    }
    report.records_left_out = before - records.len();
    report.users_left_out = users - keep_users.len();
    report.items_left_out = items - keep_items.len();
    report.notes.push(format!(
        "the {k}-core was taken once, now, and is frozen: {} users, {} items and {} records are left out",
        report.users_left_out, report.items_left_out, report.records_left_out
    ));
    Ok((keep_users, keep_items))
}

fn freeze(
    kind: &str,
    table: Table,
    keep: &[u32],
    dense: Vec<DenseFeature>,
    selection: Option<&[String]>,
    buckets: Option<&Bucketing>,
    report: &mut ImportReport,
) -> Result<Entities> {
    let has_dense = |name: &str| dense.iter().any(|d| d.name == name);
    if let Some(selection) = selection {
        let known = |name: &str| has_dense(name) || table.columns.iter().any(|c| c.name == name);
        if let Some(wrong) = selection.iter().find(|name| !known(name)) {
            let mut names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            names.extend(dense.iter().map(|d| d.name.as_str()).filter(|n| !table.columns.iter().any(|c| c.name == *n)));
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Error::Config(format!("no {kind} feature {}; choose one of these: {names}", quote(wrong))));
        }
    }
    let selected = |name: &str| selection.is_none_or(|s| s.iter().any(|chosen| chosen == name));
    let mut columns = Vec::new();
    for (place, column) in table.columns.into_iter().enumerate() {
        let stands_for_text = selection.is_none() && !dense.is_empty() && Some(place) == table.text;
        // A dense feature replaces a column of the same name.
        if !selected(&column.name) || stands_for_text || has_dense(&column.name) {
            continue;
        }
        if column.blanks > 0 {
            report.blanks.push((format!("{kind}.{}", column.name), column.blanks));
        }
        columns.push(match buckets {
            None => column.finish(keep),
            Some(by) => column.in_buckets(keep, by)?,
        });
    }
    for DenseFeature { name, width, rows, .. } in dense {
        if selected(&name) {
            columns.push(Column { name, values: Values::Dense { width, rows: dense_rows(&rows, width, keep) } });
        }
    }
    let pick = |mut all: Vec<String>| -> Vec<String> {
        keep.iter().map(|&row| std::mem::take(&mut all[row as usize])).collect()
    };
    let names = if table.names.is_empty() { Vec::new() } else { pick(table.names) };
    Entities::new(pick(table.ids), names, columns)
}

fn unused(rows: usize, used: impl Iterator<Item = u32>) -> usize {
    let mut seen = vec![false; rows];
    used.for_each(|row| seen[row as usize] = true);
    seen.iter().filter(|s| !**s).count()
}

#[cfg(test)]
mod tests {
    use super::super::reader::Source;
    use super::super::{AtomicFiles, read_atomic};
    use super::*;

    const INTER: &str = "user_id:token\titem_id:token\n1\t10\n1\t9\n2\t10\n2\t9\n3\t9\n3\t8\n1\t9\n";
    const ITEM: &str = "item_id:token\ttitle:token_seq\tkind:token\n9\tRed Tea\ta\n8\tBlue\tb\n10\tTea\tc\n";

    fn read(inter: &str, dense: &[(&str, usize, &[f32])], options: &ImportOptions) -> Result<Imported> {
        let dense = dense.iter().map(|(name, width, rows)| DenseFeature {
            name: (*name).into(),
            file: "d.safetensors".into(),
            width: *width,
            rows: rows.to_vec(),
        });
        let files = AtomicFiles {
            dataset: "x".into(),
            inter: Source::new("x.inter", inter.as_bytes()),
            users: None,
            items: Some(Source::new("x.item", ITEM.as_bytes())),
            dense: dense.collect(),
        };
        read_atomic(files, options)
    }

    fn select(names: &[&str]) -> ImportOptions {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        ImportOptions { item_features: Some(names), ..ImportOptions::default() }
    }

    #[test]
    fn a_dense_feature_stands_in_for_the_text() {
        let dense: &[(&str, usize, &[f32])] = &[("vector", 1, &[1.0, 2.0, 3.0])];
        let features = |dense, options: &ImportOptions| read(INTER, dense, options).unwrap().report.item_features;
        let all = ImportOptions::default();
        assert_eq!(features(&[], &all), ["title", "kind"]);
        assert_eq!(features(dense, &all), ["kind", "vector"]);
        assert_eq!(features(dense, &select(&["title", "vector"])), ["title", "vector"]);
        assert_eq!(features(dense, &select(&[])), Vec::<String>::new());
        let same_name: &[(&str, usize, &[f32])] = &[("title", 1, &[1.0, 2.0, 3.0])];
        assert_eq!(features(same_name, &select(&["title"])), ["title"]);
        let read = read(INTER, dense, &all).unwrap();
        assert_eq!(read.catalog.items.name(0), "Red Tea");
    }

    #[test]
    fn bad_choices_and_lengths_are_refused() {
        let message = |dense, options: &ImportOptions| read(INTER, dense, options).unwrap_err().to_string();
        assert!(
            message(&[], &select(&["colour"])).contains("no item feature 'colour'; choose one of these: title, kind")
        );
        let all = ImportOptions::default();
        let found = message(&[("v", 2, &[1.0; 4])], &all);
        assert!(found.starts_with("d.safetensors: feature 'v' has 2 rows of 2 numbers for 3 items"), "{found}");
        let found = message(&[("v", 1, &[1.0, f32::NAN, 1.0])], &all);
        assert!(found.contains("not a finite number in row 2, number 1"), "{found}");
        let users = ImportOptions { user_features: Some(vec!["age".into()]), ..all };
        assert!(message(&[], &users).contains("no user feature 'age'; choose one of these: none"));
    }

    #[test]
    fn the_core_is_taken_and_renumbered() {
        let options = ImportOptions { core: Some(2), ..ImportOptions::default() };
        let read = read(INTER, &[("v", 1, &[1.0, 2.0, 3.0])], &options).unwrap();
        assert!(read.catalog.users.ids.iter().eq(["1", "2"]));
        assert!(read.catalog.items.ids.iter().eq(["9", "10"]));
        assert!(read.catalog.items.names.iter().eq(["Red Tea", "Tea"]));
        let Values::Token { vocabulary, .. } = &read.catalog.items.columns[0].values else { panic!() };
        assert_eq!(vocabulary, &["a", "c"]);
        assert_eq!(read.catalog.items.columns[1].values, Values::Dense { width: 1, rows: vec![1.0, 3.0] });
        let found: Vec<_> = read.records.iter().map(|r| (r.user, r.item)).collect();
        assert_eq!(found, [(0, 1), (0, 0), (1, 1), (1, 0), (0, 0)]);
        let report = &read.report;
        assert_eq!((report.users_left_out, report.items_left_out, report.records_left_out), (1, 1, 2));
        let all = ImportOptions { core: Some(9), ..ImportOptions::default() };
        assert!(super::tests::read(INTER, &[], &all).unwrap_err().to_string().contains("lower --core"));
    }

    #[test]
    fn a_frozen_catalogue_decides() {
        let options = ImportOptions { core: Some(2), ..ImportOptions::default() };
        let catalog = read(INTER, &[], &options).unwrap().catalog;
        let mut against = ImportOptions { catalog: Some(catalog.clone()), ..ImportOptions::default() };
        let fewer = "user_id:token\titem_id:token\n1\t10\n";
        let again = read(fewer, &[], &against).unwrap();
        assert_eq!(again.catalog, catalog);
        assert_eq!((again.report.users_without_records, again.report.items_without_records), (1, 1));
        let found = read(INTER, &[], &against).unwrap_err().to_string();
        assert!(found.starts_with("x.inter, line 6, column 1: user '3' is not in the catalogue"), "{found}");
        against.core = Some(2);
        let lenient = read(INTER, &[], &against).unwrap();
        assert_eq!((lenient.records.len(), lenient.report.records_left_out), (5, 2));
        against.item_features = Some(vec![]);
        assert!(read(INTER, &[], &against).is_err());
    }
}

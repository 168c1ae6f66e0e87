//! RecBole's atomic files: tab-separated, one header line of `column:type`.
//!
//! Types are `token` (a category), `token_seq` (categories separated by
//! spaces), `float` (standardised over the catalogue) and `float_seq` (numbers
//! separated by spaces, the same number of them in every row). A blank token is
//! unknown; a blank number is 0 after standardising.

use std::collections::HashMap;

use super::BadLines;
use super::import::{DenseFeature, ImportOptions, ImportReport, Imported, assemble};
use super::reader::{Encoding, Line, Lines, Separator, Source, quote};
use super::records::{Gather, Layout, Side, check_id, no_records, read_records, too_many};
use super::table::{Kind, RawColumn, Table};
use super::tables::{Condition, Table as TableOf, Wishes, condition_column};
use crate::{Error, Result};

/// The files of one data set.
#[derive(Debug)]
pub struct AtomicFiles<'a> {
    /// Name of the data set.
    pub dataset: String,
    /// `.inter`: the interactions. It needs a user and an item column of type
    /// `token`. `timestamp:float` is read; other columns are not, unless a
    /// condition names one.
    pub inter: Source<'a>,
    /// `.user`: lists the users and their order. Without it the users are those
    /// of the records, sorted.
    pub users: Option<Source<'a>>,
    /// `.item`: the same for items. Its first `token_seq` column holds the item
    /// names.
    pub items: Option<Source<'a>>,
    /// Item features from elsewhere, in the order of the items.
    pub dense: Vec<DenseFeature>,
}

/// Reads atomic files.
///
/// # Errors
/// [`Error::Data`] with file, line and column for anything that the format
/// does not allow; [`Error::Config`] for options that do not fit the data.
pub fn read_atomic(files: AtomicFiles<'_>, options: &ImportOptions) -> Result<Imported> {
    read_atomic_into(files, options, &mut BadLines::new(options.skip_bad))
}

/// [`read_atomic`] that collects the unreadable lines in `bad`.
///
/// # Errors
/// As [`read_atomic`], if there are more bad lines than may be skipped.
pub fn read_atomic_into(files: AtomicFiles<'_>, options: &ImportOptions, bad: &mut BadLines) -> Result<Imported> {
    let AtomicFiles { dataset, inter, users, items, dense } = files;
    let mut report = ImportReport::default();
    let (users, items) = match &options.catalog {
        Some(catalog) => (Side::Frozen(&catalog.users), Side::Frozen(&catalog.items)),
        None => (side(users, "user", options, &mut report, bad)?, side(items, "item", options, &mut report, bad)?),
    };

    let mut lines = Lines::new(inter, Separator::Tab, Encoding::Utf8);
    let header = header(&mut lines)?;
    let layout = Layout {
        fields: header.len(),
        user: identifier(&lines, &header, "user")?,
        item: identifier(&lines, &header, "item")?,
        time: time(&lines, &header)?,
        kept: kept(&lines, &header, options)?,
    };
    if layout.time.is_none() {
        report.notes.push("the data has no timestamps: a keyed hash orders each user's records".into());
    }
    let mut read = vec![Some(layout.user), Some(layout.item), layout.time];
    read.extend(layout.kept.iter().copied().map(Some));
    let unread: Vec<&str> = header
        .iter()
        .enumerate()
        .filter(|(place, _)| !read.contains(&Some(*place)))
        .map(|(_, c)| c.name.as_str())
        .collect();
    if !unread.is_empty() {
        let more = if unread.len() > 10 { " and more" } else { "" };
        let names = unread[..unread.len().min(10)].join(", ");
        report.notes.push(format!("not read from {}: {names}{more}", lines.file()));
    }
    let mut gather = Gather::new(users, items, options.core.is_some(), options.screen.clone());
    read_records(&mut lines, &layout, &options.keep, &mut gather, bad)?;
    if gather.records.is_empty() {
        bad.settle()?;
        return Err(no_records(&lines, &gather));
    }
    report.lines = lines.number();
    assemble(dataset, gather, dense, options, bad, report)
}

/// The columns that the conditions of `options.keep` read.
fn kept(lines: &Lines<'_>, header: &[Heading], options: &ImportOptions) -> Result<Vec<usize>> {
    let names: Vec<String> = header.iter().map(|heading| heading.name.clone()).collect();
    let table = TableOf { headings: &names, sample: &[] };
    let find = |condition: &Condition| {
        condition_column(table, &Wishes::default(), &condition.column)
            .map_err(|question| at_header(lines, 0, question.problem, question.hint))
    };
    options.keep.iter().map(find).collect()
}

/// One column of a header.
struct Heading {
    name: String,
    kind: Kind,
}

fn header(lines: &mut Lines<'_>) -> Result<Vec<Heading>> {
    let empty = lines.fault("the file is empty", "The first line names the columns, such as user_id:token");
    let Some(line) = lines.next()? else { return Err(empty) };
    let mut headings: Vec<Heading> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (place, field) in line.fields().enumerate() {
        let heading = heading(&line, place, field)?;
        if let Some(first) = seen.insert(heading.name.clone(), place + 1) {
            let problem = format!("column {} appears twice (first as column {first})", quote(&heading.name));
            return Err(line.fault(place + 1, problem, "Give each column its own name"));
        }
        headings.push(heading);
    }
    Ok(headings)
}

fn heading(line: &Line<'_>, place: usize, field: &str) -> Result<Heading> {
    let hint =
        "Name each column and its type in the first line: token, token_seq, float or float_seq, such as age:token";
    let Some((name, kind)) = field.rsplit_once(':').filter(|(name, _)| !name.is_empty()) else {
        return Err(line.fault(place + 1, format!("heading {} is not column:type", quote(field)), hint));
    };
    let kind = match kind {
        "token" => Kind::Token,
        "token_seq" => Kind::TokenSeq(' '),
        "float" => Kind::Float,
        "float_seq" => Kind::FloatSeq,
        _ => {
            return Err(line.fault(place + 1, format!("unknown type {} of column {}", quote(kind), quote(name)), hint));
        }
    };
    Ok(Heading { name: name.to_owned(), kind })
}

/// The column of identifiers: `user_id`, or else the first token column whose
/// name starts with "user"; the same for items.
fn identifier(lines: &Lines<'_>, header: &[Heading], kind: &str) -> Result<usize> {
    let conventional = format!("{kind}_id");
    let fits = |h: &Heading| h.kind == Kind::Token && h.name.starts_with(kind);
    if let Some(place) = header.iter().position(|h| h.name == conventional) {
        if header[place].kind == Kind::Token {
            return Ok(place);
        }
        let problem = format!("column '{conventional}' is not of type token");
        return Err(at_header(lines, place + 1, problem, format!("Head it {conventional}:token")));
    }
    header.iter().position(fits).ok_or_else(|| {
        let problem = format!("the column '{conventional}:token' is missing");
        let hint =
            format!("Head the column of {kind} identifiers {conventional}:token, separated by tabs from the others");
        at_header(lines, 0, problem, hint)
    })
}

fn time(lines: &Lines<'_>, header: &[Heading]) -> Result<Option<usize>> {
    let Some(place) = header.iter().position(|h| h.name == "timestamp") else { return Ok(None) };
    if header[place].kind != Kind::Float {
        return Err(at_header(lines, place + 1, "column 'timestamp' is not of type float", "Head it timestamp:float"));
    }
    Ok(Some(place))
}

fn at_header(lines: &Lines<'_>, column: usize, problem: impl Into<String>, hint: impl Into<String>) -> Error {
    super::reader::fault(lines.file(), 1, column as u64, problem, hint)
}

fn side<'a>(
    source: Option<Source<'_>>,
    kind: &str,
    options: &ImportOptions,
    report: &mut ImportReport,
    bad: &mut BadLines,
) -> Result<Side<'a>> {
    let Some(source) = source else {
        report.notes.push(format!("no .{kind} file: {kind}s are those of the records, with identifiers only"));
        return Ok(Side::Seen(Table::default()));
    };
    Ok(Side::Listed { table: table(source, kind, options, bad)? })
}

/// Reads the rows of a `.user` or `.item` file. Columns outside a given
/// selection are not read.
pub(super) fn table(source: Source<'_>, kind: &str, options: &ImportOptions, bad: &mut BadLines) -> Result<Table> {
    let chosen = if kind == "item" { &options.item_features } else { &options.user_features };
    let mut lines = Lines::new(source, Separator::Tab, Encoding::Utf8);
    let header = header(&mut lines)?;
    let id = identifier(&lines, &header, kind)?;
    let text = header.iter().position(|h| kind == "item" && h.kind == Kind::TokenSeq(' '));
    let column = |place: usize, heading: &Heading| {
        let kind = if Some(place) == text { Kind::Words } else { heading.kind };
        let asked = chosen.as_ref().is_none_or(|names| names.contains(&heading.name));
        RawColumn::new(heading.name.as_str(), kind).read_if(asked)
    };
    let columns = header.iter().enumerate().filter(|(place, _)| *place != id).map(|(place, h)| column(place, h));
    let mut table = Table::new(columns.collect(), text.map(|place| place - usize::from(place > id)));
    while let Some(line) = lines.next()? {
        let count = line.fields().count();
        if count != header.len() {
            bad.forgive(Err::<(), _>(line.wrong_count(header.len(), count)))?;
            continue;
        }
        let name = line.fields().nth(id).unwrap_or_default();
        if kind == "user" && options.screen.as_ref().is_some_and(|screen| screen.user_is_out(name)) {
            continue;
        }
        if bad.forgive(add_row(&mut table, &line, id, name, kind))?.is_none() {
            continue;
        }
        let mut columns = table.columns.iter_mut();
        for (place, field) in line.fields().enumerate().filter(|(place, _)| *place != id) {
            if let Some(column) = columns.next()
                && let Err((problem, hint)) = column.push(field)
            {
                // The rest of the line is good: the row is kept without this
                // value.
                bad.forgive(Err::<(), _>(line.fault(place + 1, problem, hint)))?;
                column.push("").map_err(|(problem, hint)| line.fault(place + 1, problem, hint))?;
            }
            if Some(place) == text {
                table.names.push(if field.trim().is_empty() { name } else { field }.to_owned());
            }
        }
    }
    if table.ids.is_empty() {
        bad.settle()?;
        return Err(lines.fault(format!("there are no {kind}s"), "Check that this is the whole file, or leave it out"));
    }
    table.end_of_file();
    Ok(table)
}

/// Appends an identifier, which must not be in the table yet.
pub(super) fn add_row(table: &mut Table, line: &Line<'_>, place: usize, id: &str, kind: &str) -> Result<()> {
    check_id(kind, id).map_err(|(problem, hint)| line.fault(place + 1, problem, hint))?;
    if let Some(row) = table.find(id) {
        let first = table.line(row).map_or_else(String::new, |line| format!(" (first on line {line})"));
        return Err(line.fault(
            place + 1,
            format!("{kind} {} appears twice{first}", quote(id)),
            "Keep one of the lines",
        ));
    }
    match table.push(id) {
        Some(_) => {
            table.note_line(line.number);
            Ok(())
        }
        None => {
            let (problem, hint) = too_many(kind);
            Err(line.fault(place + 1, problem, hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{UNKNOWN, Values};

    const INTER: &str = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n\
                         u2\t10\t5\t3\nu1\t9\t1\t2.5\nu1\t10\t1\t-0\n";
    const USER: &str = "user_id:token\tage:token\tincome:float\nu1\t18\t1\nu3\t\t\nu2\t65+\t3\n";
    const ITEM: &str = "item_id:token\ttitle:token_seq\tgenre:token_seq\tv:float_seq\n\
                        10\tThe Big Sleep\tNoir\t1 2\n9\t\tNoir War\t3 4\n8\tbig\t\t\n";

    fn files<'a>(inter: &'a [u8], user: Option<&'a [u8]>, item: Option<&'a [u8]>) -> AtomicFiles<'a> {
        AtomicFiles {
            dataset: "x".into(),
            inter: Source::new("x.inter", inter),
            users: user.map(|bytes| Source::new("x.user", bytes)),
            items: item.map(|bytes| Source::new("x.item", bytes)),
            dense: vec![],
        }
    }

    fn read(inter: &str, user: &str, item: &str) -> Result<Imported> {
        let files = files(inter.as_bytes(), Some(user.as_bytes()), Some(item.as_bytes()));
        read_atomic(files, &ImportOptions::default())
    }

    fn message(inter: &str, user: &str, item: &str) -> String {
        read(inter, user, item).unwrap_err().to_string()
    }

    #[test]
    fn order_and_features_are_those_of_the_files() {
        let read = read(INTER, USER, ITEM).unwrap();
        let (users, items) = (&read.catalog.users, &read.catalog.items);
        assert!(users.ids.iter().eq(["u1", "u3", "u2"]));
        assert!(items.ids.iter().eq(["10", "9", "8"]));
        assert_eq!((items.name(0), items.name(1)), ("The Big Sleep", "9"));
        let vocabulary = vec!["18".into(), "65+".into()];
        assert_eq!(users.columns[0].values, Values::Token { vocabulary, rows: vec![0, UNKNOWN, 1] });
        assert_eq!(users.columns[1].values, Values::Dense { width: 1, rows: vec![-1.0, 0.0, 1.0] });
        let vocabulary = ["big", "sleep", "the"].map(String::from).into();
        assert_eq!(
            items.columns[0].values,
            Values::TokenSeq { vocabulary, rows: vec![vec![0, 1, 2], vec![], vec![0]] }
        );
        assert_eq!(items.columns[2].values, Values::Dense { width: 2, rows: vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0] });
        let found: Vec<_> = read.records.iter().map(|r| (r.user, r.item, r.timestamp)).collect();
        assert_eq!(found, [(2, 0, Some(3.0)), (0, 1, Some(2.5)), (0, 0, Some(0.0))]);
        assert!(read.records[2].timestamp.unwrap().is_sign_positive());
        let report = &read.report;
        assert_eq!((report.lines, report.users_without_records, report.items_without_records), (4, 1, 1));
        let blanks = ["user.age", "user.income", "item.title", "item.genre", "item.v"];
        assert_eq!(report.blanks, blanks.map(|name| (name.to_owned(), 1)));
        assert_eq!(report.notes, ["not read from x.inter: rating"]);
    }

    #[test]
    fn without_files_the_records_decide_but_not_their_order() {
        let read = |text: &str| read_atomic(files(text.as_bytes(), None, None), &ImportOptions::default()).unwrap();
        let one = read("user_id:token\titem_id:token\nb\t10\na\t9\nb\t9\n");
        let two = read("item_id:token\tuser_id:token\n9\tb\n10\tb\n9\ta\n");
        assert_eq!(one.catalog, two.catalog);
        assert_eq!((one.catalog.users.ids[0].as_str(), one.catalog.items.ids[0].as_str()), ("a", "9"));
        assert_eq!((one.records[0].user, one.records[0].item, one.records[0].timestamp), (1, 1, None));
        assert!(one.report.notes.iter().any(|n| n.contains("no timestamps")));
        assert_eq!(one.report.notes.iter().filter(|n| n.contains("identifiers only")).count(), 2);
    }

    #[test]
    fn identifier_columns_may_have_other_names() {
        let inter = "user:token\titem_number:token\nu1\t9\n";
        assert_eq!(read(inter, USER, ITEM).unwrap().records.len(), 1);
        // The conventional name wins over an earlier column of that prefix.
        let inter = "user_mood:token\tuser_id:token\titem_id:token\nu3\tu1\t9\n";
        assert_eq!(read(inter, USER, ITEM).unwrap().records[0].user, 0);
    }

    #[test]
    fn bad_headers() {
        let at = |header: &str, start: &str| {
            let found = message(&format!("{header}\nu1\t9\n"), USER, ITEM);
            assert!(found.starts_with(start), "{found}");
        };
        at("user_id:token\titem:float", "x.inter, line 1: the column 'item_id:token' is missing");
        at("user_id:float\titem_id:token", "x.inter, line 1, column 1: column 'user_id' is not of type token");
        at("user_id:token\titem_id", "x.inter, line 1, column 2: heading 'item_id' is not column:type");
        at("user_id:token\titem_id:text", "x.inter, line 1, column 2: unknown type 'text'");
        at("user_id:token\titem_id:token\tuser_id:token", "x.inter, line 1, column 3: column 'user_id' appears twice");
        at("user_id:token\titem_id:token\ttimestamp:token", "x.inter, line 1, column 3: column 'timestamp' is not of");
        at("", "x.inter, line 1: the line is blank");
        assert!(message("", USER, ITEM).starts_with("x.inter: the file is empty"));
        assert!(message(INTER, "", ITEM).starts_with("x.user: the file is empty"));
        assert!(message("user_id:token\titem_id:token\n", USER, ITEM).starts_with("x.inter: there are no records"));
        assert!(message(INTER, USER, "item_id:token\n").starts_with("x.item: there are no items"));
    }

    #[test]
    fn bad_rows() {
        let at = |row: &str, start: &str| {
            let found = message(&format!("{INTER}{row}\n"), USER, ITEM);
            assert!(found.starts_with(start), "{found}");
        };
        at("u1\t9\t1", "x.inter, line 5, column 3: 3 fields where 4 belong");
        at("u1\t9\t1\t1\t1", "x.inter, line 5, column 5: 5 fields where 4 belong");
        at(" \t7\t1\t1", "x.inter, line 5, column 1: the user identifier is blank");
        at("\t7\t1\t1", "x.inter, line 5, column 1: the user identifier is blank");
        at("u1\t9\t1\t", "x.inter, line 5, column 4: the timestamp is blank");
        for time in ["NaN", "inf", "-inf", "1e999", "noon"] {
            at(&format!("u1\t9\t1\t{time}"), &format!("x.inter, line 5, column 4: timestamp '{time}' is not a finite"));
        }
        let found = message(INTER, &format!("{USER}u1\t1\t1\n"), ITEM);
        assert!(found.starts_with("x.user, line 5, column 1: user 'u1' appears twice (first on line 2)"), "{found}");
        let found = message(INTER, &format!("{USER}u4\t1\tmuch\n"), ITEM);
        assert!(found.starts_with("x.user, line 5, column 3: 'much' is not a number"), "{found}");
        let found = message(INTER, USER, &format!("{ITEM}11\tx\ty\t1\n"));
        assert!(found.starts_with("x.item, line 5, column 4: 1 numbers where the rows before have 2"), "{found}");
    }

    #[test]
    fn who_and_what_has_no_line_has_an_identifier_alone() {
        let read = read(&format!("{INTER}u9\t7\t1\t1\nu4\t6\t1\t1\n"), USER, ITEM).unwrap();
        assert!(
            read.catalog.users.ids.iter().eq(["u1", "u3", "u2", "u4", "u9"].iter()),
            "{:?}",
            read.catalog.users.ids
        );
        assert!(read.catalog.items.ids.iter().eq(["10", "9", "8", "6", "7"].iter()), "{:?}", read.catalog.items.ids);
        assert_eq!((read.catalog.items.name(4), read.report.unlisted_items), ("7", 2));
        assert_eq!(
            read.catalog.users.columns[1].values,
            Values::Dense { width: 1, rows: vec![-1.0, 0.0, 1.0, 0.0, 0.0] }
        );
        assert_eq!((read.records[3].user, read.records[3].item), (4, 4));
        assert_eq!(read.report.blanks[0], ("user.age".to_owned(), 1));
    }

    #[test]
    fn columns_that_nobody_chose_are_not_read() {
        let item = ITEM.replace("\t3 4\n", "\tx y\n");
        assert!(message(INTER, USER, &item).starts_with("x.item, line 3, column 4: 'x' is not a number"));
        let options = ImportOptions { item_features: Some(vec!["genre".into()]), ..ImportOptions::default() };
        let files = files(INTER.as_bytes(), Some(USER.as_bytes()), Some(item.as_bytes()));
        let read = read_atomic(files, &options).unwrap();
        assert_eq!(
            (read.report.item_features.as_slice(), read.catalog.items.name(0)),
            (["genre".to_owned()].as_slice(), "The Big Sleep")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(inter: Vec<u8>, user: Option<Vec<u8>>, item: Option<Vec<u8>>) {
            let files = files(&inter, user.as_deref(), item.as_deref());
            prop_assert!(read_atomic(files, &ImportOptions::default()).is_err());
        }

        #[test]
        fn near_misses_never_panic(
            inter in "[u12\t\n:\r -9.eN]{0,60}",
            user in prop::option::of("[u12\t\n: ]{0,30}"),
            item in "[12\t\n .e9-]{0,40}",
            core in prop::option::of(0u32..3),
        ) {
            let inter = format!("user_id:token\titem_id:token\ttimestamp:float\n{inter}");
            let user = user.map(|rows| format!("user_id:token\n{rows}"));
            let item = format!("item_id:token\ta:token_seq\tb:float_seq\tc:float\n{item}");
            let files = files(inter.as_bytes(), user.as_ref().map(|u| u.as_bytes()), Some(item.as_bytes()));
            let _ = read_atomic(files, &ImportOptions { core, ..ImportOptions::default() });
        }
    }
}

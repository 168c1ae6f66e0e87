//! MovieLens-1M as GroupLens ships it: `ratings.dat`, `users.dat` and
//! `movies.dat`, `::`-separated, Latin-1, without headers.
//!
//! Features are the paper's: gender, age and occupation of users; year and
//! genres of movies. The archive has no title embeddings. If none are given,
//! the lower-case words of the title become a trained feature.

use super::BadLines;
use super::atomic::add_row;
use super::import::{DenseFeature, ImportOptions, ImportReport, Imported, assemble};
use super::reader::{Encoding, Line, Lines, Separator, Source, quote};
use super::records::{Gather, Layout, Side, no_records, read_records};
use super::table::{Kind, RawColumn, Table};
use crate::{Error, Result};

/// The three files.
#[derive(Debug)]
pub struct MovieLensFiles<'a> {
    /// Name of the data set.
    pub dataset: String,
    /// `user::movie::rating::timestamp`.
    pub ratings: Source<'a>,
    /// `user::gender::age::occupation::zip`.
    pub users: Source<'a>,
    /// `movie::title (year)::genre|genre`.
    pub movies: Source<'a>,
    /// Item features from elsewhere, in the order of `movies.dat`.
    pub dense: Vec<DenseFeature>,
}

/// Reads the MovieLens files; every rating is one record.
///
/// # Errors
/// [`crate::Error::Data`] with file, line and column for anything that the format
/// does not allow; [`crate::Error::Config`] for options that do not fit the data.
pub fn read_movielens(files: MovieLensFiles<'_>, options: &ImportOptions) -> Result<Imported> {
    read_movielens_into(files, options, &mut BadLines::new(options.skip_bad))
}

/// [`read_movielens`] that collects the unreadable lines in `bad`.
///
/// # Errors
/// As [`read_movielens`], if there are more bad lines than may be skipped.
pub fn read_movielens_into(files: MovieLensFiles<'_>, options: &ImportOptions, bad: &mut BadLines) -> Result<Imported> {
    let MovieLensFiles { dataset, ratings, users, movies, dense } = files;
    let mut report = ImportReport::default();
    let (users, items) = match &options.catalog {
        Some(catalog) => (Side::Frozen(&catalog.users), Side::Frozen(&catalog.items)),
        None => {
            let chosen = options.item_features.as_deref();
            if dense.is_empty() && chosen.is_none_or(|names| names.iter().any(|n| n == "title")) {
                let note = "the MovieLens archive has no title vectors; a bag-of-words title is trained instead";
                report.notes.push(note.into());
            }
            (listed(users, read_users, bad)?, listed(movies, read_movies, bad)?)
        }
    };
    let mut lines = open(ratings);
    let kept = options.keep.iter().map(|condition| match condition.column.as_str() {
        "value" | "rating" => Ok(2),
        other => Err(Error::Config(format!("ratings have no column {}; use value", quote(other)))),
    });
    let layout = Layout { fields: 4, user: 0, item: 1, time: Some(3), kept: kept.collect::<Result<_>>()? };
    let mut gather = Gather::new(users, items, options.core.is_some(), options.screen.clone());
    read_records(&mut lines, &layout, &options.keep, &mut gather, bad)?;
    if gather.records.is_empty() {
        bad.settle()?;
        return Err(no_records(&lines, &gather));
    }
    report.lines = lines.number();
    assemble(dataset, gather, dense, options, bad, report)
}

fn open(source: Source<'_>) -> Lines<'_> {
    Lines::new(source, Separator::TwoColons, Encoding::Latin1)
}

fn listed<'a>(
    source: Source<'_>,
    read: impl Fn(&mut Lines<'_>, &mut BadLines) -> Result<Table>,
    bad: &mut BadLines,
) -> Result<Side<'a>> {
    let mut lines = open(source);
    let mut table = read(&mut lines, bad)?;
    if table.ids.is_empty() {
        bad.settle()?;
        return Err(lines.fault("the file is empty", "Check that the archive is whole"));
    }
    table.end_of_file();
    Ok(Side::Listed { table })
}

fn read_users(lines: &mut Lines<'_>, bad: &mut BadLines) -> Result<Table> {
    let columns = ["gender", "age", "occupation"].map(|name| RawColumn::new(name, Kind::Token));
    let mut table = Table::new(columns.into(), None);
    while let Some(line) = lines.next()? {
        let Some([id, gender, age, occupation, _zip]) = bad.forgive(fields(&line))? else { continue };
        if bad.forgive(add_row(&mut table, &line, 0, id, "user"))?.is_none() {
            continue;
        }
        push(&mut table, &line, [(1, gender), (2, age), (3, occupation)])?;
    }
    Ok(table)
}

fn read_movies(lines: &mut Lines<'_>, bad: &mut BadLines) -> Result<Table> {
    let columns = [("year", Kind::Token), ("genre", Kind::TokenSeq('|')), ("title", Kind::Words)]
        .map(|(name, kind)| RawColumn::new(name, kind));
    let mut table = Table::new(columns.into(), Some(2));
    while let Some(line) = lines.next()? {
        let Some([id, text, genres]) = bad.forgive(fields(&line))? else { continue };
        if bad.forgive(add_row(&mut table, &line, 0, id, "item"))?.is_none() {
            continue;
        }
        let (title, year) = title_and_year(text);
        push(&mut table, &line, [(1, year), (2, genres), (1, title)])?;
        table.names.push(if title.is_empty() { id } else { title }.to_owned());
    }
    Ok(table)
}

fn fields<'a, const N: usize>(line: &Line<'a>) -> Result<[&'a str; N]> {
    let mut found = [""; N];
    let mut count = 0;
    for (place, field) in line.fields().enumerate() {
        if let Some(slot) = found.get_mut(place) {
            *slot = field;
        }
        count = place + 1;
    }
    if count == N { Ok(found) } else { Err(line.wrong_count(N, count)) }
}

fn push<const N: usize>(table: &mut Table, line: &Line<'_>, values: [(usize, &str); N]) -> Result<()> {
    for (column, (place, value)) in table.columns.iter_mut().zip(values) {
        column.push(value).map_err(|(problem, hint)| line.fault(place + 1, problem, hint))?;
    }
    Ok(())
}

/// Splits "Heat (1995)" into the title "Heat" and the year 1995. The year is
/// blank unless the last parentheses hold four digits.
pub(super) fn title_and_year(text: &str) -> (&str, &str) {
    let inside = text.trim_end().strip_suffix(')').and_then(|t| t.rsplit_once('('));
    match inside {
        Some((title, year)) if year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) => (title.trim(), year),
        _ => (text.trim(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{UNKNOWN, Values};

    fn files<'a>(ratings: &'a [u8], users: &'a [u8], movies: &'a [u8]) -> MovieLensFiles<'a> {
        MovieLensFiles {
            dataset: "ml".into(),
            ratings: Source::new("ratings.dat", ratings),
            users: Source::new("users.dat", users),
            movies: Source::new("movies.dat", movies),
            dense: vec![],
        }
    }

    const USERS: &[u8] = b"1::F::1::10::48067\n2::M::56::16::70072\n";
    const MOVIES: &[u8] = b"7::Mis\xe9rables, Les (1995)::Drama|Musical\n3::Odd one::Drama\n";
    const RATINGS: &[u8] = b"1::7::5::978300760\n2::3::1::978300760\n2::7::4::978300761\n";

    #[test]
    fn years_are_in_the_last_parentheses() {
        assert_eq!(title_and_year("Seven (Se7en) (1995)"), ("Seven (Se7en)", "1995"));
        assert_eq!(title_and_year("Postino, Il (The Postman)"), ("Postino, Il (The Postman)", ""));
        assert_eq!(title_and_year("(1995)"), ("", "1995"));
        assert_eq!(title_and_year(""), ("", ""));
    }

    #[test]
    fn reads_the_three_files() {
        let read = read_movielens(files(RATINGS, USERS, MOVIES), &ImportOptions::default()).unwrap();
        let items = &read.catalog.items;
        assert_eq!(
            (items.ids.iter().map(String::as_str).collect::<Vec<_>>(), items.name(0)),
            (vec!["7", "3"], "Misérables, Les")
        );
        assert_eq!(read.report.user_features, ["gender", "age", "occupation"]);
        assert_eq!(read.report.item_features, ["year", "genre", "title"]);
        assert_eq!(items.columns[0].values, Values::Token { vocabulary: vec!["1995".into()], rows: vec![0, UNKNOWN] });
        let words = ["les", "misérables,", "odd", "one"].map(String::from).into();
        assert_eq!(items.columns[2].values, Values::TokenSeq { vocabulary: words, rows: vec![vec![0, 1], vec![2, 3]] });
        assert_eq!(read.records[1].timestamp, Some(978_300_760.0));
        assert_eq!((read.records.len(), read.report.lines), (3, 3));
        assert_eq!(read.report.blanks, [("item.year".to_owned(), 1)]);
        assert!(read.report.notes[0].contains("no title vectors"));
    }

    #[test]
    fn dense_titles_replace_the_words() {
        let mut with = files(RATINGS, USERS, MOVIES);
        with.dense = vec![DenseFeature { name: "title".into(), file: "t".into(), width: 1, rows: vec![0.5, 1.0] }];
        let read = read_movielens(with, &ImportOptions::default()).unwrap();
        assert_eq!(read.catalog.items.columns[2].values, Values::Dense { width: 1, rows: vec![0.5, 1.0] });
        assert!(read.report.notes.is_empty());
    }

    #[test]
    fn faults_have_their_place() {
        let message = |r, u, m| read_movielens(files(r, u, m), &ImportOptions::default()).unwrap_err().to_string();
        assert!(message(b"1::7::5\n", USERS, MOVIES).starts_with("ratings.dat, line 1, column 3: 3 fields where 4"));
        let unlisted = read_movielens(files(b"1::9::5::1\n", USERS, MOVIES), &ImportOptions::default()).unwrap();
        assert_eq!((unlisted.catalog.items.name(2), unlisted.report.unlisted_items), ("9", 1));
        assert!(
            message(b"1::7::5::NaN\n", USERS, MOVIES).starts_with("ratings.dat, line 1, column 4: timestamp 'NaN'")
        );
        assert!(message(b"", USERS, MOVIES).starts_with("ratings.dat: there are no records"));
        assert!(message(RATINGS, b"", MOVIES).starts_with("users.dat: the file is empty"));
        assert!(
            message(RATINGS, USERS, b"1::a::b\n1::a::b\n")
                .starts_with("movies.dat, line 2, column 1: item '1' appears twice (first on line 1)")
        );
    }
}

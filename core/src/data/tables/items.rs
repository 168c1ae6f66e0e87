//! A table of items: identifiers, names and the chosen features.

use super::super::import::ImportOptions;
use super::super::movielens::title_and_year;
use super::super::reader::{fault, quote};
use super::super::records::check_id;
use super::super::table::{Kind, RawColumn, Table};
use super::super::{BadLines, records};
use super::columns::{Question, is_among, list, plain};
use super::rows::{Field, Rows, Wrong, note_wrong};
use crate::{Error, Result};

/// How an item file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemStyle {
    /// By its headings.
    Plain,
    /// As MovieLens: a title ends with its year, and bars separate genres.
    MovieLens,
}

/// Usual headings, the best list first.
const IDS: [&str; 3] = [
    "itemid productid sku movieid articleid asin parentasin isbn trackid songid bookid gameid contentid videoid \
     stockcode offerid recipeid venueid businessid productcode itemcode ean gtin",
    "id item product movie article track book game what",
    "title name",
];
const NAMES: [&str; 2] = ["title name itemname productname itemtitle movietitle shownname label", "description"];
/// Usual headings of category columns; a value may hold several categories
/// between bars.
const CATEGORIES: &str = "category categories genre genres tag tags kind type brand department artist author \
                          publisher producttype maincategory";

/// A column that is read as a feature.
struct Chosen {
    place: usize,
    name: String,
    kind: Kind,
}

/// Whether a heading is a usual one for names.
pub(in crate::data) fn is_name(heading: &str) -> bool {
    is_among(NAMES[0], &plain(heading))
}

/// The identifier column of an item table, and its name column if there is one.
///
/// # Errors
/// A question, if no column or more than one may be the identifier.
pub(super) fn identified(rows: &dyn Rows) -> Result<(usize, Option<usize>)> {
    let headings = rows.headings().to_vec();
    let id = match ranked(&headings, &IDS, None).as_deref() {
        Some([only]) => *only,
        found => {
            let problem = match found {
                Some(several) => {
                    let names: Vec<String> = several.iter().map(|&place| headings[place].clone()).collect();
                    format!("{} columns may identify the items: {}", names.len(), list(&names))
                }
                None => format!("no column identifies the items among {}", list(&headings)),
            };
            let hint = "Name the column item_id, as the records do".to_owned();
            return Err(rows.ask(Question { role: None, problem, hint }));
        }
    };
    Ok((id, ranked(&headings, &NAMES, Some(id)).map(|found| found[0])))
}

fn ranked(headings: &[String], lists: &[&str], but: Option<usize>) -> Option<Vec<usize>> {
    lists.iter().find_map(|names| {
        let fits = |place: &usize| Some(*place) != but && is_among(names, &plain(&headings[*place]));
        let found: Vec<usize> = (0..headings.len()).filter(fits).collect();
        (!found.is_empty()).then_some(found)
    })
}

/// Reads the rows of an item table. The second value holds the names of the
/// chosen features, if features were chosen.
pub(super) fn read(
    rows: &mut dyn Rows,
    style: ItemStyle,
    options: &ImportOptions,
    bad: &mut BadLines,
) -> Result<(Table, Option<Vec<String>>)> {
    let headings = rows.headings().to_vec();
    let (id, text) = identified(rows)?;
    let chosen = choose(&headings, id, text, style, options)?;
    let year_chosen = options.item_features.as_ref().is_none_or(|names| names.iter().any(|name| name == "year"));
    let names = options.item_features.as_ref().map(|_| {
        let year = (style == ItemStyle::MovieLens && year_chosen).then(|| "year".to_owned());
        year.into_iter().chain(chosen.iter().map(|column| column.name.clone())).collect()
    });

    let year = (style == ItemStyle::MovieLens && text.is_some()).then(|| RawColumn::new("year", Kind::Token));
    let with_year = year.is_some();
    let columns = year.into_iter().chain(chosen.iter().map(|column| RawColumn::new(column.name.as_str(), column.kind)));
    let titled = chosen.iter().position(|column| Some(column.place) == text && column.kind == Kind::Words);
    let mut table = Table::new(columns.collect(), titled.map(|place| place + usize::from(with_year)));
    let selected: Vec<usize> =
        std::iter::once(id).chain(text).chain(chosen.iter().map(|column| column.place)).collect();
    let first = 1 + usize::from(text.is_some());
    // Faulty values of good lines.
    let mut blamed: Vec<(u64, Wrong)> = Vec::new();
    let mut visit = |line: u64, fields: &[Field<'_>]| {
        let id = fields[0].text();
        add_row(&mut table, id, line)?;
        let (title, year) = match (text, style) {
            (None, _) => ("", ""),
            (Some(_), ItemStyle::Plain) => (fields[1].text(), ""),
            (Some(_), ItemStyle::MovieLens) => title_and_year(fields[1].text()),
        };
        if text.is_some() {
            table.names.push(if title.trim().is_empty() { id } else { title }.to_owned());
        }
        let mut columns = table.columns.iter_mut();
        if with_year && let Some(column) = columns.next() {
            column.push(year).map_err(|why| wrong(None, why))?;
        }
        for (at, column) in (first..).zip(columns) {
            let value = match (style, Some(selected[at]) == text) {
                (ItemStyle::MovieLens, true) => title,
                (ItemStyle::MovieLens, false) if fields[at].text() == "(no genres listed)" => "",
                _ => fields[at].text(),
            };
            if let Err(why) = column.push(value) {
                blamed.push((line, wrong(Some(at), why)));
                column.push("").map_err(|why| wrong(Some(at), why))?;
            }
        }
        Ok(())
    };
    rows.each(&selected, bad, &mut visit)?;
    for (line, wrong) in blamed {
        note_wrong(bad, rows.file(), line, &selected, wrong);
    }
    if table.ids.is_empty() {
        return Err(fault(
            rows.file(),
            0,
            0,
            "there are no items",
            "Check that this is the whole file, or leave it out",
        ));
    }
    table.end_of_file();
    Ok((table, names))
}

fn wrong(field: Option<usize>, (problem, hint): (String, String)) -> Wrong {
    Wrong { field, problem, hint }
}

fn add_row(table: &mut Table, id: &str, line: u64) -> std::result::Result<(), Wrong> {
    check_id("item", id).map_err(|why| wrong(Some(0), why))?;
    if let Some(row) = table.find(id) {
        let first = table.line(row).map_or_else(String::new, |line| format!(" (first on line {line})"));
        let problem = format!("item {} appears twice{first}", quote(id));
        return Err(wrong(Some(0), (problem, "Keep one of the lines".into())));
    }
    table.push(id).ok_or_else(|| wrong(Some(0), records::too_many("item")))?;
    table.note_line(line);
    Ok(())
}

/// The columns that become features. Chosen columns may carry a type, as in
/// `price:float`. Without a choice they are the words of the name and the
/// category columns.
fn choose(
    headings: &[String],
    id: usize,
    text: Option<usize>,
    style: ItemStyle,
    options: &ImportOptions,
) -> Result<Vec<Chosen>> {
    let kind_of = |place: usize| if Some(place) == text { Kind::Words } else { Kind::TokenSeq('|') };
    let Some(names) = &options.item_features else {
        let usual =
            |place: &usize| Some(*place) == text || *place != id && is_among(CATEGORIES, &plain(&headings[*place]));
        let chosen = |place| Chosen { place, name: headings[place].clone(), kind: kind_of(place) };
        return Ok((0..headings.len()).filter(usual).map(chosen).collect());
    };
    names
        .iter()
        .filter(|name| style == ItemStyle::Plain || *name != "year")
        .map(|wanted| {
            let exact = |name: &str| headings.iter().position(|heading| heading == name).filter(|place| *place != id);
            if let Some(place) = exact(wanted) {
                return Ok(Chosen { place, name: wanted.clone(), kind: kind_of(place) });
            }
            let typed = wanted.rsplit_once(':').and_then(|(name, kind)| {
                let kind = match kind {
                    "token" => Kind::Token,
                    "token_seq" => Kind::TokenSeq('|'),
                    "float" => Kind::Float,
                    "float_seq" => Kind::FloatSeq,
                    _ => return None,
                };
                Some(Chosen { place: exact(name)?, name: name.to_owned(), kind })
            });
            typed.ok_or_else(|| {
                let others: Vec<String> =
                    (0..headings.len()).filter(|place| *place != id).map(|place| headings[place].clone()).collect();
                Error::Config(format!("no item feature {}; choose one of these: {}", quote(wanted), list(&others)))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::Values;
    use super::super::super::reader::Source;
    use super::super::{Delimited, Layout, Tables};
    use super::*;

    fn imported(
        items: &str,
        style: ItemStyle,
        features: Option<&[&str]>,
        skip: u64,
    ) -> Result<super::super::super::Imported> {
        let options = ImportOptions {
            item_features: features.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            skip_bad: skip,
            ..ImportOptions::default()
        };
        let mut bad = BadLines::new(skip);
        let open = |name: &str, text: &str| {
            Delimited::open(Source::new(name, std::io::Cursor::new(text.to_owned())), &Layout::default())
        };
        let mut tables = Tables::new(&options);
        tables.items(&mut open("items.csv", items)?, style, &mut bad)?;
        tables.records(&mut open("f.csv", "user,item\na,i1\na,i9\nb,i10\n")?, &mut bad)?;
        tables.finish("f".into(), vec![], &bad)
    }

    const ITEMS: &str = "sku,name,price,category\ni1,Red Tea,1.5,drinks|hot\ni2,,-,food\n";

    #[test]
    fn names_and_categories_come_along_and_nothing_else_is_read() {
        let read = imported(ITEMS, ItemStyle::Plain, None, 0).unwrap();
        let items = &read.catalog.items;
        assert!(items.ids.iter().eq(["i1", "i2", "i10", "i9"].iter()), "{:?}", items.ids);
        assert_eq!((items.name(0), items.name(1), items.name(2)), ("Red Tea", "i2", "i10"));
        assert_eq!(read.report.item_features, ["name", "category"]);
        assert_eq!(read.report.unlisted_items, 2);
        let vocabulary = ["drinks", "food", "hot"].map(String::from).into();
        let rows = vec![vec![0, 2], vec![1], vec![], vec![]];
        assert_eq!(items.columns[1].values, Values::TokenSeq { vocabulary, rows });
    }

    #[test]
    fn a_chosen_column_is_read_and_a_bad_value_named() {
        let error = imported(ITEMS, ItemStyle::Plain, Some(&["price:float"]), 0).unwrap_err().to_string();
        assert!(error.starts_with("items.csv, line 3, column 3: '-' is not a number"), "{error}");
        let read = imported(ITEMS, ItemStyle::Plain, Some(&["price:float"]), 1).unwrap();
        assert_eq!((read.report.item_features.as_slice(), read.report.bad_lines), (["price".to_owned()].as_slice(), 1));
        assert_eq!(imported(ITEMS, ItemStyle::Plain, Some(&[]), 0).unwrap().catalog.items.name(0), "Red Tea");
        let error = imported(ITEMS, ItemStyle::Plain, Some(&["colour"]), 0).unwrap_err().to_string();
        assert!(
            error.contains("no item feature 'colour'; choose one of these: 'name', 'price', 'category'"),
            "{error}"
        );
    }

    #[test]
    fn movielens_titles_end_in_their_year() {
        let movies = "movieId,title,genres\ni1,\"Heat, The (1995)\",Drama|War\ni2,Odd,(no genres listed)\n";
        let read = imported(movies, ItemStyle::MovieLens, None, 0).unwrap();
        assert_eq!(read.report.item_features, ["year", "title", "genres"]);
        assert_eq!((read.catalog.items.name(0), read.catalog.items.name(1)), ("Heat, The", "Odd"));
        let Values::Token { vocabulary, .. } = &read.catalog.items.columns[0].values else { panic!() };
        assert_eq!(vocabulary, &["1995"]);
    }
}

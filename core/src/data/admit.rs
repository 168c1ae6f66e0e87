//! New users: reads a `.user` file against a frozen catalogue.

use super::Entities;
use super::reader::{Encoding, Lines, Separator, Source, quote};
use super::records::check_id;
use crate::Result;

/// A user to admit: features as text, in the catalogue's column order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// External identifier.
    pub id: String,
    /// One value for each user feature; `None` if the file lacks the column.
    pub features: Vec<Option<String>>,
}

/// Reads a `.user` file, whose first column is the identifier. Columns that are
/// not a feature of the catalogue are skipped; values outside a vocabulary will
/// count as unknown.
///
/// # Errors
/// The file, line and column of the fault: an empty file, a wrong number of
/// fields, or an identifier that is already admitted or appears twice.
pub fn read_people(source: Source<'_>, users: &Entities) -> Result<Vec<NewPerson>> {
    let mut lines = Lines::new(source, Separator::Tab, Encoding::Utf8);
    let empty = lines.fault("the file is empty", "The first line names the columns, such as user_id:token");
    let Some(heading) = lines.next()? else { return Err(empty) };
    let names: Vec<String> =
        heading.fields().map(|f| f.split_once(':').map_or(f, |(name, _)| name).to_owned()).collect();
    let places: Vec<Option<usize>> =
        users.columns.iter().map(|column| names.iter().position(|n| *n == column.name)).collect();
    let mut people: Vec<NewPerson> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    while let Some(line) = lines.next()? {
        let fields: Vec<&str> = line.fields().collect();
        if fields.len() != names.len() {
            return Err(line.wrong_count(names.len(), fields.len()));
        }
        let id = fields[0].to_owned();
        check_id("user", &id).map_err(|(problem, hint)| line.fault(1, problem, hint))?;
        if users.find(&id).is_some() || !seen.insert(id.clone()) {
            let problem = format!("{} is admitted already", quote(&id));
            return Err(line.fault(1, problem, "Leave this line out; nobody was admitted"));
        }
        let features = places.iter().map(|place| place.map(|p| fields[p].to_owned())).collect();
        people.push(NewPerson { id, features });
    }
    Ok(people)
}

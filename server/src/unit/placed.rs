//! Puts a shard's users at their rows of the deployment's table of users. Of the other
//! rows only their existence is known. A model with a row per user initialises each row
//! by its index, so the indices must be those of the deployment.

use std::sync::Arc;

use anyhow::Result;
use eemu_core::data::{Column, Entities, UNKNOWN, Values};

/// Puts users at the indices `places` (ascending, one each) of a table of `total` rows.
///
/// # Errors
/// When the catalogue refuses the result.
pub(super) fn spread(people: &Entities, places: &[u32], total: usize) -> Result<Entities> {
    let mut spread = people.clone();
    spread.columns = Arc::new(people.columns.iter().map(|column| of_column(column, places, total)).collect());
    // More leading zero bytes than any identifier has.
    let leading = |id: &String| id.len() - id.trim_start_matches('\0').len();
    let mark = "\0".repeat(people.ids.iter().map(leading).max().unwrap_or(0) + 1);
    let mut ids: Vec<String> = (0..total).map(|row| format!("{mark}{row}")).collect();
    for (&place, id) in places.iter().zip(&people.ids) {
        ids[place as usize].clone_from(id);
    }
    spread.set_ids(ids, [])?;
    Ok(spread)
}

fn of_column(column: &Column, places: &[u32], total: usize) -> Column {
    fn at<T: Clone>(blank: T, own: &[T], places: &[u32], total: usize) -> Vec<T> {
        let mut rows = vec![blank; total];
        places.iter().zip(own).for_each(|(&place, value)| rows[place as usize].clone_from(value));
        rows
    }
    let values = match &column.values {
        Values::Token { vocabulary, rows } => {
            Values::Token { vocabulary: vocabulary.clone(), rows: at(UNKNOWN, rows, places, total) }
        }
        Values::TokenSeq { vocabulary, rows } => {
            Values::TokenSeq { vocabulary: vocabulary.clone(), rows: at(Vec::new(), rows, places, total) }
        }
        Values::Buckets { count, cut, rows } => {
            Values::Buckets { count: *count, cut: *cut, rows: at(Vec::new(), rows, places, total) }
        }
        Values::Dense { width, rows } => {
            let mut all = vec![0.0; total * width];
            for (&place, own) in places.iter().zip(rows.chunks_exact((*width).max(1))) {
                all[place as usize * width..][..*width].copy_from_slice(own);
            }
            Values::Dense { width: *width, rows: all }
        }
    };
    Column { name: column.name.clone(), values }
}

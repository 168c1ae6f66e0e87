//! Cold start: parameters for an item that was added after a model was trained.
//!
//! Until its shard is retrained with it, a new item gets the weighted mean of
//! the parameters of the most similar known items. Similarity counts shared
//! categories; a category that few items share counts more. Parameters of
//! features need no replacement. An item that shares no category with a known
//! item gets zeros, and the lowest bias of all items: it comes at the end of
//! lists. None of this is stored.

use crate::data::{Entities, UNKNOWN, Values};
use crate::model::TensorMap;
use crate::model::USER_ROWS;

/// The greatest number of similar items for a new item.
const MOST_ALIKE: usize = 20;

/// The tensor of item biases, for which zero is not a neutral value.
const BIAS: &str = "item.bias";

/// Similar items with shares that sum to 1; empty if no item is similar.
type Alike = Vec<(usize, f32)>;

/// Extends a model's tensors to a catalogue with more items. `full` holds the
/// tensors of a model of that catalogue, whose shapes are wanted. Returns the
/// number of items that the model was not trained on.
pub fn stand_in(tensors: &mut TensorMap, full: &TensorMap, items: &Entities) -> usize {
    // A table may have one more row, for unknown items.
    let of_items = |size: usize| size == items.len() || size == items.len() + 1;
    let came = tensors
        .iter()
        .filter(|(name, _)| *name != USER_ROWS)
        .filter_map(|(name, (shape, _))| Some((shape, &full.get(name)?.0)))
        .filter(|(shape, wanted)| shape.len() == wanted.len())
        .flat_map(|(shape, wanted)| shape.iter().zip(wanted))
        .filter(|(_, wanted)| of_items(**wanted))
        .map(|(own, wanted)| wanted.saturating_sub(*own))
        .max()
        .unwrap_or(0);
    let Some(known) = items.len().checked_sub(came).filter(|known| came > 0 && *known > 0) else { return 0 };
    let alike = alike(items, known);
    for (name, (shape, values)) in tensors.iter_mut().filter(|(name, _)| *name != USER_ROWS) {
        let Some((wanted, _)) = full.get(name).filter(|(wanted, _)| wanted.len() == shape.len()) else { continue };
        for axis in 0..shape.len() {
            if of_items(wanted[axis]) && shape[axis] + came == wanted[axis] {
                *values = longer(values, shape, axis, known, &alike, name == BIAS);
                shape[axis] = wanted[axis];
            }
        }
    }
    came
}

/// Extends a tensor along an axis by one row for each new item.
fn longer(values: &[f32], shape: &[usize], axis: usize, known: usize, alike: &[Alike], is_bias: bool) -> Vec<f32> {
    let inner: usize = shape[axis + 1..].iter().product();
    // A table may begin with a row for unknown items.
    let first = shape[axis] - known;
    let block = shape[axis] * inner;
    let mut all = Vec::with_capacity(values.len() / shape[axis].max(1) * (shape[axis] + alike.len()));
    for block in values.chunks_exact(block.max(1)) {
        all.extend_from_slice(block);
        let least = block.iter().copied().fold(f32::INFINITY, f32::min);
        for alike in alike {
            let mut row = vec![if is_bias && alike.is_empty() { least } else { 0.0 }; inner];
            for (item, share) in alike {
                let other = &block[(first + item) * inner..][..inner];
                row.iter_mut().zip(other).for_each(|(sum, value)| *sum += share * value);
            }
            all.extend(row);
        }
    }
    all
}

/// The similar items of each item after the first `known` ones.
fn alike(items: &Entities, known: usize) -> Vec<Alike> {
    let mut scores = vec![std::collections::BTreeMap::<usize, f64>::new(); items.len() - known];
    for column in items.columns.iter() {
        let (tokens, size): (Vec<&[u32]>, usize) = match &column.values {
            Values::Token { vocabulary, rows } => (rows.iter().map(std::slice::from_ref).collect(), vocabulary.len()),
            Values::TokenSeq { vocabulary, rows } => (rows.iter().map(Vec::as_slice).collect(), vocabulary.len()),
            Values::Buckets { .. } | Values::Dense { .. } => continue,
        };
        let mut holders: Vec<Vec<usize>> = vec![Vec::new(); size];
        for (item, own) in tokens[..known].iter().enumerate() {
            own.iter().filter(|token| **token != UNKNOWN).for_each(|&token| holders[token as usize].push(item));
        }
        for (scores, own) in scores.iter_mut().zip(&tokens[known..]) {
            for token in own.iter().filter(|token| **token != UNKNOWN) {
                let holders = &holders[*token as usize];
                holders.iter().for_each(|&item| *scores.entry(item).or_default() += 1.0 / holders.len() as f64);
            }
        }
    }
    let best = |scores: std::collections::BTreeMap<usize, f64>| {
        let mut best: Vec<(usize, f64)> = scores.into_iter().collect();
        best.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
        best.truncate(MOST_ALIKE);
        let sum: f64 = best.iter().map(|(_, score)| score).sum();
        best.into_iter().map(|(item, score)| (item, (score / sum) as f32)).collect()
    };
    scores.into_iter().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Column;

    #[test]
    fn items_that_came_later_stand_where_their_like_stand() {
        let ids = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
        // d shares a category with a and b, e with no item.
        let rows = vec![vec![0], vec![0], vec![1], vec![0], vec![]];
        let values = Values::TokenSeq { vocabulary: vec!["x".into(), "y".into()], rows };
        let items = Entities::new(ids, vec![], vec![Column { name: "genre".into(), values }]).unwrap();
        let tensor = |shape: &[usize], values: &[f32]| (shape.to_vec(), values.to_vec());
        let mut tensors: TensorMap = [
            // The first row is for unknown items, then items follow.
            ("item.id.table".to_owned(), tensor(&[4, 2], &[9.0, 9.0, 1.0, 2.0, 3.0, 6.0, 7.0, 7.0])),
            (BIAS.to_owned(), tensor(&[3], &[1.0, 3.0, -2.0])),
            ("ease.weights".to_owned(), tensor(&[3, 3], &[0.0, 1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0])),
            ("start".to_owned(), tensor(&[2], &[1.0, 1.0])),
            (USER_ROWS.to_owned(), tensor(&[1, 2], &[5.0, 5.0])),
        ]
        .into();
        let zeros = |shape: &[usize]| (shape.to_vec(), vec![0.0; shape.iter().product()]);
        let full: TensorMap = [
            ("item.id.table".to_owned(), zeros(&[6, 2])),
            (BIAS.to_owned(), zeros(&[5])),
            ("ease.weights".to_owned(), zeros(&[5, 5])),
            ("start".to_owned(), zeros(&[2])),
            (USER_ROWS.to_owned(), zeros(&[4, 2])),
        ]
        .into();
        let before = tensors.clone();
        assert_eq!(stand_in(&mut tensors, &full, &items), 2);
        assert_eq!(tensors["item.id.table"].1, [9.0, 9.0, 1.0, 2.0, 3.0, 6.0, 7.0, 7.0, 2.0, 4.0, 0.0, 0.0]);
        assert_eq!(tensors[BIAS].1, [1.0, 3.0, -2.0, 2.0, -2.0]);
        assert_eq!(tensors["ease.weights"].0, [5, 5]);
        assert_eq!(tensors["ease.weights"].1[..5], [0.0, 1.0, 2.0, 0.5, 0.0]);
        assert_eq!(tensors["ease.weights"].1[15..], [1.5, 0.5, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((&tensors["start"], &tensors[USER_ROWS]), (&before["start"], &before[USER_ROWS]));
        let again = tensors.clone();
        assert_eq!(stand_in(&mut tensors, &full, &items), 0);
        assert_eq!(tensors, again);
    }
}

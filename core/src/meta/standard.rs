//! Ordinary training on mini-batches of records, without tasks: what the
//! baselines do (algorithms.md H).

use std::collections::BTreeMap;

use crate::Result;
use crate::meta::{Batch, out_of_batch};
use crate::model::{Pair, Parameters, Task, TwoTower};

/// Draws of an in-batch negative before the batch is searched for one.
const TRIES: usize = 16;

/// The gradient of the mean loss over the pairs of the given records
/// (cell, item). `batch.cells` is not used.
pub(crate) async fn standard_step(model: &TwoTower, batch: Batch<'_>, records: &[(usize, u32)]) -> Result<(Parameters, f32)> {
    let mut pairs: BTreeMap<usize, Vec<Pair>> = BTreeMap::new();
    for &(cell, positive) in records {
        let excluded = batch.exclusions.of(cell);
        let mut stream = batch.record_stream("standard negatives", cell, positive);
        let own = pairs.entry(cell).or_default();
        if let Some(negative) = out_of_batch(&mut stream, batch.catalog.items.len(), excluded) {
            own.push(Pair { positive, negative });
        }
        let fits = |&(owner, item): &(usize, u32)| owner != cell && excluded.binary_search(&item).is_err();
        let drawn = (0..TRIES).map(|_| records[stream.below(records.len())]).find(fits);
        if let Some((_, negative)) = drawn.or_else(|| records.iter().copied().find(fits)) {
            own.push(Pair { positive, negative });
        }
    }
    let tasks: Vec<Task> = pairs
        .into_iter()
        .map(|(cell, pairs)| Task { user: batch.row(&batch.shard.cells[cell]), pairs })
        .collect();
    model.joint_gradient(&tasks).await
}

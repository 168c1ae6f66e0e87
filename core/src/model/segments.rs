//! Sums rows into the rows of a table on devices with thousands of lanes, in an
//! order that the host decides.
//!
//! The rows for one row of the table are gathered side by side, a few at a
//! time, and each few are one sum. Then these sums are summed in the same way,
//! until each row of the table has one sum. No two lanes add to the same row,
//! so no operation is atomic and the order is fixed. A row with many summands
//! costs one more level, instead of a lane that walks through all of them.

use crate::tensor::{Device, Indices, Tensor, indices};

/// The number of rows in one sum.
const FEW: usize = 8;

/// Which rows are summed into which: computed by the host, without reading a
/// value.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    /// For each level: rows of the level before, [`FEW`] for each sum.
    levels: Vec<Vec<u32>>,
    /// For each row of the table: a row of the last level.
    places: Vec<u32>,
}

impl Segments {
    /// Row i of the values is added to row `to[i]` of a table of `size` rows,
    /// or to none if that is `None`. Row `zero` of the values must contain
    /// zeros: it is the padding of sums, and the sum of rows without summands.
    pub(crate) fn new(to: impl IntoIterator<Item = Option<u32>>, size: usize, zero: u32) -> Self {
        let mut own: Vec<(u32, u32)> = (0..).zip(to).filter_map(|(from, to)| Some((to?, from))).collect();
        // The sort is stable: summands of one row stay in order.
        own.sort_by_key(|(to, _)| *to);
        let (mut levels, mut zero) = (Vec::new(), zero);
        while own.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            let (mut level, mut sums): (Vec<u32>, Vec<(u32, u32)>) = (Vec::new(), Vec::new());
            for same in own.chunk_by(|a, b| a.0 == b.0) {
                for few in same.chunks(FEW) {
                    sums.push((few[0].0, (level.len() / FEW) as u32));
                    level.extend(few.iter().map(|(_, from)| *from));
                    level.resize(level.len().next_multiple_of(FEW), zero);
                }
            }
            // One more sum, of zeros, is the padding of the next level.
            level.resize(level.len() + FEW, zero);
            zero = (level.len() / FEW - 1) as u32;
            levels.push(level);
            own = sums;
        }
        let mut places = vec![zero; size];
        for (to, from) in own {
            places[to as usize] = from;
        }
        Self { levels, places }
    }

    /// The table, [size, width], of values [rows, width].
    pub(crate) fn sums(&self, values: Tensor<2>) -> Tensor<2> {
        let (width, device) = (values.dims()[1], values.device());
        let mut rows = values;
        for level in &self.levels {
            let sums = level.len() / FEW;
            let gathered = rows.select(0, of(level, &device)).reshape([sums, FEW, width]);
            rows = gathered.sum_dim(1).reshape([sums, width]);
        }
        rows.select(0, of(&self.places, &device))
    }
}

fn of(rows: &[u32], device: &Device) -> Indices {
    indices(rows.iter().copied(), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;
    use crate::tensor::from_vec;

    #[test]
    fn every_row_is_added_once() {
        let device = Device::Flex(Default::default());
        for (rows, size) in [(1, 1), (5, 9), (200, 3), (700, 1), (64, 64)] {
            let mut stream = Key::from_seed(2).stream("segments", &[]);
            let to: Vec<Option<u32>> =
                (0..rows).map(|_| (stream.below(7) > 0).then(|| stream.below(size) as u32)).collect();
            let mut values: Vec<f32> = (0..rows * 2).map(|_| stream.below(100) as f32).collect();
            // Whole numbers: their sums are exact in any order.
            let mut expected = vec![0.0f32; size * 2];
            for (from, to) in to.iter().enumerate() {
                if let Some(to) = to {
                    expected[*to as usize * 2] += values[from * 2];
                    expected[*to as usize * 2 + 1] += values[from * 2 + 1];
                }
            }
            values.extend([0.0, 0.0]);
            let segments = Segments::new(to, size, rows as u32);
            let sums = segments.sums(from_vec(values, [rows + 1, 2], &device)).into_data().into_vec::<f32>().unwrap();
            assert_eq!(sums, expected, "{rows} rows into {size}");
        }
    }
}

//! The layout of the rows of a batch: tasks are grouped in blocks with equal
//! numbers of rows. A part that all rows share is then one product over all
//! rows; a part that each task owns is one batched product for each block.

use crate::tensor::Tensor;

/// Tasks whose numbers of rows differ by no more than this factor share a
/// block. Padding then costs little, and a long history costs its own rows
/// only.
const BLOCK_RATIO: f64 = 2.0;

/// Consecutive tasks with equal numbers of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) first_task: usize,
    pub(crate) tasks: usize,
    pub(crate) first_row: usize,
    /// Rows of each task.
    pub(crate) rows: usize,
}

/// The layout of the rows of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    blocks: Vec<Block>,
}

impl Layout {
    /// Builds consecutive blocks of (tasks, rows of each task).
    pub(crate) fn new(blocks: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let (mut first_task, mut first_row) = (0, 0);
        let blocks = blocks
            .into_iter()
            .map(|(tasks, rows)| {
                let block = Block { first_task, tasks, first_row, rows };
                first_task += tasks;
                first_row += tasks * rows;
                block
            })
            .collect();
        Self { blocks }
    }

    /// A layout of rows that belong to no task, in pieces that threads can
    /// divide among themselves.
    pub(crate) fn shared(rows: usize) -> Self {
        const PIECE: usize = 64;
        Self::new([(rows / PIECE, PIECE), (1, rows % PIECE)].into_iter().filter(|(tasks, rows)| tasks * rows > 0))
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(crate) fn tasks(&self) -> usize {
        self.blocks.last().map_or(0, |b| b.first_task + b.tasks)
    }

    pub(crate) fn rows(&self) -> usize {
        self.blocks.last().map_or(0, |b| b.first_row + b.tasks * b.rows)
    }

    /// The first row of every task, and the end.
    pub(crate) fn segments(&self) -> Vec<usize> {
        let mut segments: Vec<usize> =
            self.blocks.iter().flat_map(|b| (0..b.tasks).map(|t| b.first_row + t * b.rows)).collect();
        segments.push(self.rows());
        segments
    }

    /// The task of every row.
    pub(crate) fn task_of_rows(&self) -> Vec<u32> {
        self.blocks
            .iter()
            .flat_map(|b| (0..b.tasks).flat_map(|t| std::iter::repeat_n((b.first_task + t) as u32, b.rows)))
            .collect()
    }

    /// Sums rows by task: [rows, columns] to [tasks, columns].
    pub(crate) fn sum_by_task(&self, rows: &Tensor<2>) -> Tensor<2> {
        let columns = rows.dims()[1];
        let parts = self
            .blocks
            .iter()
            .map(|b| match b.rows {
                0 => Tensor::zeros([b.tasks, columns], &rows.device()),
                _ => b.of(rows).sum_dim(1).reshape([b.tasks, columns]),
            })
            .collect();
        Tensor::cat(parts, 0)
    }
}

impl Block {
    /// This block's rows: [tasks, rows, columns].
    pub(crate) fn of(&self, rows: &Tensor<2>) -> Tensor<3> {
        let columns = rows.dims()[1];
        rows.clone().narrow(0, self.first_row, self.tasks * self.rows).reshape([self.tasks, self.rows, columns])
    }
}

/// Sorts tasks by size and groups them into blocks. Returns the order, and the
/// number of tasks in each block.
pub(crate) fn by_size(sizes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&task| (sizes[task], task));
    let mut blocks: Vec<usize> = Vec::new();
    let mut limit = 0;
    for &task in &order {
        match blocks.last_mut() {
            Some(count) if sizes[task] <= limit => *count += 1,
            _ => {
                limit = (sizes[task] as f64 * BLOCK_RATIO) as usize;
                blocks.push(1);
            }
        }
    }
    (order, blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_tasks_of_similar_size() {
        let (order, blocks) = by_size(&[9, 0, 30, 10, 0, 18, 40]);
        assert_eq!(order, [1, 4, 0, 3, 5, 2, 6]);
        assert_eq!(blocks, [2, 3, 2]);
        let layout = Layout::new([(2, 0), (3, 13), (2, 40)]);
        assert_eq!((layout.tasks(), layout.rows()), (7, 119));
        assert_eq!(layout.segments(), [0, 0, 0, 13, 26, 39, 79, 119]);
        assert_eq!(layout.task_of_rows()[38..41], [4, 5, 5]);
        assert_eq!(Layout::shared(130).segments(), [0, 64, 128, 130]);
        assert_eq!(Layout::shared(64).tasks(), 1);
    }
}

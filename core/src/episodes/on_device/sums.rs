//! Sums and largest values of rows, folded: on a GPU a lane takes one row, so
//! that few long rows would leave the others idle.

use crate::tensor::Tensor;

/// Lanes that share a row.
pub(super) const FOLD: usize = 64;

/// Rows that stand for one in a first pass: as many as divide the columns.
fn lanes(columns: usize) -> usize {
    let mut lanes = FOLD;
    while !columns.is_multiple_of(lanes) {
        lanes /= 2;
    }
    lanes
}

fn folded(rows: Tensor<2>, of: impl Fn(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let [count, columns] = rows.dims();
    let lanes = lanes(columns);
    if lanes == 1 || columns <= 2 * FOLD {
        return of(rows);
    }
    of(of(rows.reshape([count * lanes, columns / lanes])).reshape([count, lanes]))
}

/// The sum of every row, [rows, 1].
pub(super) fn of_rows(rows: Tensor<2>) -> Tensor<2> {
    folded(rows, |rows| rows.sum_dim(1))
}

/// The largest value of every row, [rows, 1].
pub(super) fn highest(rows: Tensor<2>) -> Tensor<2> {
    folded(rows, |rows| rows.max_dim(1))
}

/// The sum of all rows, [1, columns].
pub(super) fn of_columns(rows: Tensor<2>) -> Tensor<2> {
    let [count, columns] = rows.dims();
    let lanes = lanes(count);
    if lanes == 1 || count <= 2 * FOLD {
        return rows.sum_dim(0);
    }
    let parts = rows.reshape([lanes, count / lanes, columns]).sum_dim(1);
    parts.reshape([lanes, columns]).sum_dim(0)
}

/// The sum of all, [1, 1].
pub(super) fn of_all(rows: Tensor<2>) -> Tensor<2> {
    let count = rows.dims()[0];
    of_rows(of_rows(rows).reshape([1, count]))
}

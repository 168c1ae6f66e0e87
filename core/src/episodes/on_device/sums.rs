//! Sums and maxima of rows in two passes. A GPU lane takes one row, so a few
//! long rows would leave most lanes idle.

use crate::tensor::Tensor;

/// The most lanes that share a row.
pub(super) const FOLD: usize = 64;

/// The number of parts of a row in the first pass; it divides the number of
/// columns.
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

/// The sum of all values, [1, 1].
pub(super) fn of_all(rows: Tensor<2>) -> Tensor<2> {
    let count = rows.dims()[0];
    of_rows(of_rows(rows).reshape([1, count]))
}

//! Eigenvectors of A A' for the sparse matrix A of a shard's kernel: all of
//! them if A has few rows, the largest if it has many.

use faer::{Mat, Side};

use crate::random::Key;
use crate::{Error, Result};

/// The columns of A: for each item, the rows that hold it, with their values.
pub(super) type Holders = Vec<Vec<(usize, f64)>>;

/// Additional vectors that the iteration carries so that the wanted ones
/// converge.
const SPARE: usize = 16;
/// The number of subspace iterations.
const ROUNDS: usize = 6;

/// Eigenvalues of A A' with their eigenvectors, largest first.
pub(super) struct Spectrum {
    pub(super) values: Vec<f64>,
    /// Eigenvectors as columns, [rows, eigenvalues].
    pub(super) vectors: Mat<f64>,
}

fn failed(why: impl std::fmt::Debug) -> Error {
    Error::Model(format!("the kernel could not be decomposed: {why:?}"))
}

fn eigen(matrix: &Mat<f64>) -> Result<Spectrum> {
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    // The library gives them in ascending order.
    let values = eigen.S().column_vector().iter().rev().copied().collect();
    Ok(Spectrum { values, vectors: eigen.U().reverse_cols().to_owned() })
}

/// All eigenvalues and eigenvectors. The column of item i is divided by the
/// square root of `ridges[i]`.
///
/// # Errors
/// If the decomposition does not converge.
pub(super) fn whole(holders: &Holders, ridges: &[f64], rows: usize) -> Result<Spectrum> {
    let mut gram = vec![0.0f64; rows * rows];
    for (own, ridge) in holders.iter().zip(ridges) {
        for (place, &(one, by)) in own.iter().enumerate() {
            own[..=place].iter().for_each(|&(other, share)| gram[one * rows + other] += by * share / ridge);
        }
    }
    eigen(&Mat::from_fn(rows, rows, |i, j| gram[i.max(j) * rows + i.min(j)]))
}

/// The `count` largest eigenvalues and their eigenvectors, by subspace
/// iteration. It starts from random vectors with one fixed seed. Time grows
/// with the non-zero entries of A, memory with its rows.
///
/// # Errors
/// When the decomposition does not converge.
pub(super) fn largest(holders: &Holders, ridges: &[f64], rows: usize, count: usize) -> Result<Spectrum> {
    let columns = (count + SPARE).min(rows);
    let mut stream = Key::from_seed(0).stream("eigenvectors", &[]);
    // A times a random matrix.
    let mut block = vec![0.0f64; rows * columns];
    for (own, ridge) in holders.iter().zip(ridges) {
        let drawn: Vec<f64> = (0..columns).map(|_| stream.normal()).collect();
        own.iter().for_each(|&(row, share)| add(&mut block[row * columns..], &drawn, share / ridge.sqrt()));
    }
    let mut basis = orthonormal(&block, rows, columns);
    for _ in 0..ROUNDS {
        basis = orthonormal(&applied(holders, ridges, &basis), rows, columns);
    }
    // Rayleigh-Ritz: the best eigenvectors within the subspace.
    let image = applied(holders, ridges, &basis);
    let image = Mat::from_fn(rows, columns, |row, column| image[row * columns + column]);
    let small = basis.transpose() * &image;
    let within = eigen(&Mat::from_fn(columns, columns, |i, j| small[(i.max(j), i.min(j))]))?;
    let kept = count.min(columns);
    let vectors = &basis * within.vectors.subcols(0, kept);
    Ok(Spectrum { values: within.values[..kept].to_vec(), vectors })
}

/// A A' times a matrix, row-major.
fn applied(holders: &Holders, ridges: &[f64], basis: &Mat<f64>) -> Vec<f64> {
    let (rows, columns) = (basis.nrows(), basis.ncols());
    let mut before = vec![0.0f64; rows * columns];
    for row in 0..rows {
        (0..columns).for_each(|column| before[row * columns + column] = basis[(row, column)]);
    }
    let mut after = vec![0.0f64; rows * columns];
    let mut sum = vec![0.0f64; columns];
    for (own, ridge) in holders.iter().zip(ridges) {
        sum.fill(0.0);
        own.iter().for_each(|&(row, share)| add(&mut sum, &before[row * columns..], share / ridge));
        own.iter().for_each(|&(row, share)| add(&mut after[row * columns..], &sum, share));
    }
    after
}

/// sum += factor * row, up to the length of the shorter one.
fn add(sum: &mut [f64], row: &[f64], factor: f64) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
}

fn orthonormal(block: &[f64], rows: usize, columns: usize) -> Mat<f64> {
    Mat::from_fn(rows, columns, |row, column| block[row * columns + column]).qr().compute_thin_Q()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_those_of_the_whole() {
        // Rows of one group like the items of that group, so that a few
        // eigenvalues stand out.
        let (rows, items, count) = (60, 90, 5);
        let mut stream = Key::from_seed(3).stream("likes", &[]);
        let holders: Holders = (0..items)
            .map(|item| {
                let chance =
                    |row: usize| if row % count == item % count { 0.6 / (1 + row % count) as f64 } else { 0.02 };
                (0..rows).filter(|&row| stream.unit() < chance(row)).map(|row| (row, 1.0)).collect()
            })
            .collect();
        let ridges: Vec<f64> = (0..items).map(|item| 2.0 + item as f64 / 50.0).collect();
        let whole = whole(&holders, &ridges, rows).unwrap();
        let few = largest(&holders, &ridges, rows, count).unwrap();
        assert_eq!((few.values.len(), few.vectors.ncols()), (count, count));
        for column in 0..count {
            let (found, expected) = (few.values[column], whole.values[column]);
            assert!((found - expected).abs() < 1e-4 * expected, "{column}: {found} {expected}");
            let along: f64 = (0..rows).map(|row| few.vectors[(row, column)] * whole.vectors[(row, column)]).sum();
            assert!(along.abs() > 1.0 - 1e-3, "{column}: {along}");
        }
    }
}

//! Matrix products on the CPU, on plain slices and one thread, computed by
//! `faer` with the instructions of the processor. The order of sums depends on
//! the shapes alone, so bytes do not depend on the caller or on other work.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// out = a b', with `a` [m, k], `b` [n, k], `out` [m, n], row-major.
pub(crate) fn by_rows(out: &mut [f32], a: &[f32], b: &[f32], k: usize) {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    let (a, b) = (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, n, k));
    matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
}

/// out = a b, with `a` [m, k], `b` [k, n], `out` [m, n], row-major.
pub(crate) fn plain(out: &mut [f32], a: &[f32], b: &[f32], k: usize) {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    let (a, b) = (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, k, n));
    matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Replace, a, b, 1.0, Par::Seq);
}

/// out = a b for the first `kept` columns of b, with `a` [m, k], `b` [k, n],
/// `out` [m, kept], row-major.
pub(crate) fn plain_of_first(out: &mut [f32], a: &[f32], b: &[f32], k: usize, kept: usize) {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    let (a, b) = (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, k, n));
    let out = MatMut::from_row_major_slice_mut(out, m, kept);
    matmul(out, Accum::Replace, a, b.subcols(0, kept), 1.0, Par::Seq);
}

/// out += a' b for the first `kept` columns, with `a` [m, k], `b` [m, n], `out`
/// [k, n], row-major.
pub(crate) fn add_transposed_to_first(out: &mut [f32], a: &[f32], b: &[f32], m: usize, kept: usize) {
    let (k, n) = (a.len() / m.max(1), b.len() / m.max(1));
    let (a, b) = (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, m, n));
    let out = MatMut::from_row_major_slice_mut(out, k, n).subcols_mut(0, kept);
    matmul(out, Accum::Add, a.transpose(), b.subcols(0, kept), 1.0, Par::Seq);
}

/// out += a' b, with `a` [m, k], `b` [m, n], `out` [k, n], row-major.
pub(crate) fn add_transposed(out: &mut [f32], a: &[f32], b: &[f32], m: usize) {
    let (k, n) = (a.len() / m.max(1), b.len() / m.max(1));
    let (a, b) = (MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, m, n));
    matmul(MatMut::from_row_major_slice_mut(out, k, n), Accum::Add, a.transpose(), b, 1.0, Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    #[test]
    fn products_by_the_definition() {
        let mut stream = Key::from_seed(4).stream("products", &[]);
        let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| stream.normal() as f32).collect() };
        let (m, n, k) = (5, 7, 3);
        let (a, b) = (random(m * k), random(n * k));
        let transposed = |v: &[f32], rows: usize, columns: usize| -> Vec<f32> {
            (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| v[r * columns + c]).collect()
        };
        let expected: Vec<f32> =
            (0..m * n).map(|at| (0..k).map(|i| a[at / n * k + i] * b[at % n * k + i]).sum::<f32>()).collect();
        let close = |found: &[f32]| found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-5);
        let mut out = vec![9.0; m * n];
        by_rows(&mut out, &a, &b, k);
        assert!(close(&out), "{out:?} {expected:?}");
        plain(&mut out, &a, &transposed(&b, n, k), k);
        assert!(close(&out), "{out:?} {expected:?}");
        out.fill(0.0);
        add_transposed(&mut out, &transposed(&a, m, k), &transposed(&b, n, k), k);
        assert!(close(&out), "{out:?} {expected:?}");
        let kept = 4;
        let mut some = vec![9.0; m * kept];
        plain_of_first(&mut some, &a, &transposed(&b, n, k), k, kept);
        for (row, expected) in some.chunks_exact(kept).zip(expected.chunks_exact(n)) {
            assert!(row.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-5), "{row:?} {expected:?}");
        }
        out.fill(0.0);
        add_transposed_to_first(&mut out, &transposed(&a, m, k), &transposed(&b, n, k), k, kept);
        for (row, expected) in out.chunks_exact(n).zip(expected.chunks_exact(n)) {
            assert!(row[..kept].iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-5), "{row:?} {expected:?}");
            assert!(row[kept..].iter().all(|f| *f == 0.0), "{row:?}");
        }
    }
}

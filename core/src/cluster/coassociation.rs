//! Co-association without its matrix.
//!
//! With Z the N x (S K) one-hot memberships, the matrix of Eq 9 is Z Z^T / S
//! and ||c_i - c_j||^2 = (z_i - z_j)^T G (z_i - z_j) / S^2 with G = Z^T Z. For
//! any R with R^T R = G, f_i = R z_i / S has the same distances, and centres of
//! the c are images of centres of the f: k-means on either is the same.

use super::Labels;

/// f_i for every user, row-major [users, rank], and the rank. `labels` holds
/// one clustering of all users for each shard.
pub fn coassociation(labels: &[Labels]) -> (Vec<f64>, usize) {
    let users = labels.first().map_or(0, |l| l.of.len());
    let shards = labels.len();
    let mut offsets = Vec::with_capacity(shards);
    let mut size = 0;
    for clustering in labels {
        offsets.push(size);
        size += clustering.clusters;
    }
    let place = |shard: usize, user: usize| offsets[shard] + labels[shard].of[user] as usize;
    let mut gram = vec![0.0; size * size];
    for user in 0..users {
        for a in 0..shards {
            let row = place(a, user) * size;
            for b in 0..shards {
                gram[row + place(b, user)] += 1.0;
            }
        }
    }
    let (factor, rank) = cholesky(gram, size);
    let mut rows = vec![0.0; users * rank];
    for user in 0..users {
        let own = &mut rows[user * rank..(user + 1) * rank];
        for shard in 0..shards {
            let from = place(shard, user) * rank;
            own.iter_mut().zip(&factor[from..from + rank]).for_each(|(f, value)| *f += value / shards as f64);
        }
    }
    (rows, rank)
}

/// Pivoted Cholesky of a positive semi-definite matrix: rows L [size, rank]
/// with L L^T equal to it up to rounding. (L^T is the R of the module's text.)
fn cholesky(mut left: Vec<f64>, size: usize) -> (Vec<f64>, usize) {
    let largest = (0..size).map(|i| left[i * size + i]).fold(0.0, f64::max);
    let tolerance = largest * size as f64 * f64::EPSILON;
    let mut columns: Vec<Vec<f64>> = Vec::new();
    while columns.len() < size {
        let diagonal = |i: usize| left[i * size + i];
        // Ties go to the lower index.
        let pivot = (0..size).rev().max_by(|&a, &b| diagonal(a).total_cmp(&diagonal(b))).unwrap_or(0);
        if diagonal(pivot) <= tolerance {
            break;
        }
        let root = diagonal(pivot).sqrt();
        let column: Vec<f64> = (0..size).map(|i| left[i * size + pivot] / root).collect();
        for i in 0..size {
            for j in 0..size {
                left[i * size + j] -= column[i] * column[j];
            }
        }
        columns.push(column);
    }
    let rank = columns.len();
    let rows = (0..size).flat_map(|i| columns.iter().map(move |column| column[i])).collect();
    (rows, rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::lloyd;
    use crate::random::Key;

    fn random(users: usize, shards: usize, clusters: usize) -> Vec<Labels> {
        let mut stream = Key::from_seed(5).stream("test", &[]);
        let group: Vec<usize> = (0..users).map(|_| stream.below(clusters)).collect();
        (0..shards)
            .map(|_| {
                let of = group.iter().map(
                    |&own| {
                        if stream.unit() < 0.6 { own as u32 } else { stream.below(clusters) as u32 }
                    },
                );
                Labels { of: of.collect(), clusters, inertia: 0.0 }
            })
            .collect()
    }

    /// Rows of the explicit N x N matrix.
    fn explicit(labels: &[Labels]) -> Vec<f64> {
        let users = labels[0].of.len();
        let together = |i: usize, j: usize| labels.iter().filter(|l| l.of[i] == l.of[j]).count() as f64;
        (0..users)
            .flat_map(|i| (0..users).map(move |j| (i, j)))
            .map(|(i, j)| together(i, j) / labels.len() as f64)
            .collect()
    }

    #[test]
    fn distances_and_lloyd_are_those_of_the_explicit_matrix() {
        let labels = random(120, 4, 5);
        let (rows, rank) = coassociation(&labels);
        let matrix = explicit(&labels);
        assert!(rank <= 4 * (5 - 1) + 1, "{rank}");
        let squared = |rows: &[f64], width: usize, i: usize, j: usize| -> f64 {
            (0..width).map(|k| (rows[i * width + k] - rows[j * width + k]).powi(2)).sum()
        };
        for i in 0..120 {
            for j in 0..i {
                let (a, b) = (squared(&rows, rank, i, j), squared(&matrix, 120, i, j));
                assert!((a - b).abs() < 1e-9, "{i} {j}: {a} {b}");
            }
        }
        let start = [3usize, 40, 77, 90, 119];
        let centres = |rows: &[f64], width: usize| -> Vec<f64> {
            start.iter().flat_map(|&i| rows[i * width..(i + 1) * width].to_vec()).collect()
        };
        let ours = lloyd(&rows, rank, centres(&rows, rank), 100);
        let theirs = lloyd(&matrix, 120, centres(&matrix, 120), 100);
        assert_eq!(ours.of, theirs.of);
        assert!((ours.inertia - theirs.inertia).abs() < 1e-8, "{} {}", ours.inertia, theirs.inertia);
    }
}

//! k-means: k-means++ starts and Lloyd's iterations.

use crate::random::{Key, Stream};
use crate::{Error, Result};

/// Settings of k-means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KMeans {
    /// Number of clusters K; at most as many as rows are used.
    pub clusters: usize,
    /// Number of random starts; the result with the least inertia is kept.
    pub starts: usize,
    /// The greatest number of iterations.
    pub iterations: usize,
}

/// The cluster of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// One label for each row, below the number of clusters.
    pub of: Vec<u32>,
    /// Number of clusters; some may be empty.
    pub clusters: usize,
    /// Sum of squared distances to the centres.
    pub inertia: f64,
}

impl Labels {
    /// Members of each cluster, ascending.
    pub fn members(&self) -> Vec<Vec<u32>> {
        let mut members = vec![Vec::new(); self.clusters];
        for (row, &label) in (0u32..).zip(&self.of) {
            members[label as usize].push(row);
        }
        members
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The best of several k-means++ starts. `rows` is row-major [n, width];
/// `purpose` names the random streams.
///
/// # Errors
/// If there is no row or no cluster, or a value is not finite.
pub fn kmeans(rows: &[f64], width: usize, config: KMeans, key: &Key, purpose: &[u8]) -> Result<Labels> {
    let count = rows.len() / width.max(1);
    if count == 0 || config.clusters == 0 {
        return Err(Error::Config("clusters: at least one row and one cluster are needed".into()));
    }
    if rows.iter().any(|value| !value.is_finite()) {
        return Err(Error::NotANumber("a value to be clustered".into()));
    }
    let clusters = config.clusters.min(count);
    // Each row is a cluster of its own: nothing to search for.
    if clusters == count {
        return Ok(Labels { of: (0..count as u32).collect(), clusters, inertia: 0.0 });
    }
    let mut best: Option<Labels> = None;
    for start in 0..config.starts.max(1) as u64 {
        let mut stream = key.stream("k-means", &[purpose, &start.to_le_bytes()]);
        let centres = seeds(rows, width, clusters, &mut stream);
        let found = lloyd(rows, width, centres, config.iterations);
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    best.ok_or_else(|| Error::Config("clusters: no start".into()))
}

/// k-means++: each further centre is a row, drawn with a probability
/// proportional to its squared distance to the nearest centre so far.
fn seeds(rows: &[f64], width: usize, clusters: usize, stream: &mut Stream) -> Vec<f64> {
    let count = rows.len() / width;
    let row = |place: usize| &rows[place * width..(place + 1) * width];
    let mut centres = row(stream.below(count)).to_vec();
    let mut nearest: Vec<f64> = (0..count).map(|place| distance(row(place), &centres)).collect();
    for _ in 1..clusters {
        let mut left = stream.unit() * nearest.iter().sum::<f64>();
        let drawn = nearest.iter().position(|d| {
            left -= d;
            left < 0.0
        });
        // If all rows are centres already, or rounding left a rest, the last
        // row is taken.
        let chosen = row(drawn.unwrap_or(count - 1)).to_vec();
        for (place, nearest) in nearest.iter_mut().enumerate() {
            *nearest = nearest.min(distance(row(place), &chosen));
        }
        centres.extend(chosen);
    }
    centres
}

/// Lloyd's iterations from given centres until no label changes. Ties go to the
/// lower label; an empty cluster keeps its centre.
pub fn lloyd(rows: &[f64], width: usize, mut centres: Vec<f64>, iterations: usize) -> Labels {
    let clusters = centres.len() / width;
    let count = rows.len() / width;
    let mut labels = vec![u32::MAX; count];
    let mut inertia = 0.0;
    for _ in 0..iterations.max(1) {
        inertia = 0.0;
        let mut moved = false;
        for (label, row) in labels.iter_mut().zip(rows.chunks(width)) {
            let mut best = (f64::INFINITY, 0u32);
            for (place, centre) in (0u32..).zip(centres.chunks(width)) {
                let d = distance(row, centre);
                if d < best.0 {
                    best = (d, place);
                }
            }
            inertia += best.0;
            moved |= *label != best.1;
            *label = best.1;
        }
        if !moved {
            break;
        }
        let mut sums = vec![0.0; centres.len()];
        let mut sizes = vec![0usize; clusters];
        for (&label, row) in labels.iter().zip(rows.chunks(width)) {
            let label = label as usize;
            sizes[label] += 1;
            sums[label * width..(label + 1) * width].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        for (cluster, &size) in sizes.iter().enumerate() {
            if size > 0 {
                let own = cluster * width..(cluster + 1) * width;
                centres[own.clone()].iter_mut().zip(&sums[own]).for_each(|(c, sum)| *c = sum / size as f64);
            }
        }
    }
    Labels { of: labels, clusters, inertia }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_groups_are_told_apart() {
        let rows: Vec<f64> = (0..40).flat_map(|n| [f64::from(n % 4) * 100.0 + f64::from(n / 4) * 0.1, 1.0]).collect();
        let config = KMeans { clusters: 4, starts: 4, iterations: 50 };
        let labels = kmeans(&rows, 2, config, &Key::from_seed(1), b"test").unwrap();
        for (row, label) in labels.of.iter().enumerate() {
            assert_eq!(*label, labels.of[row % 4]);
        }
        let distinct: std::collections::BTreeSet<u32> = labels.of.iter().copied().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(labels, kmeans(&rows, 2, config, &Key::from_seed(1), b"test").unwrap());
        assert_eq!(labels.members().iter().map(Vec::len).sum::<usize>(), 40);
    }

    #[test]
    fn as_many_clusters_as_rows_puts_each_alone() {
        let config = KMeans { clusters: 9, starts: 1, iterations: 5 };
        let labels = kmeans(&[1.0, 1.0, 1.0], 1, config, &Key::from_seed(1), b"test").unwrap();
        assert_eq!((labels.of, labels.clusters), (vec![0, 1, 2], 3));
        assert!(kmeans(&[], 1, config, &Key::from_seed(1), b"test").is_err());
        assert!(kmeans(&[f64::NAN, 1.0], 1, config, &Key::from_seed(1), b"test").is_err());
    }
}

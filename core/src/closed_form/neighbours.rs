//! ItemKNN and transitions: item similarities computed from counts by one fixed
//! function, for comparison.

use super::counts;
use crate::adapt::UserHistory;
use crate::config::AdaptConfig;
use crate::episodes::support;

/// The number of nearest neighbours that ItemKNN keeps for an item.
const NEIGHBOURS: usize = 100;
/// The greatest distance in positions at which a transition counts.
const REACH: usize = 5;

/// Item-to-item similarities: from an item of the history to the item that is
/// scored.
#[derive(Debug, Clone)]
pub struct Neighbours {
    items: usize,
    similarities: Vec<f32>,
}

impl Neighbours {
    /// ItemKNN: the cosine of two items' user sets, kept for each item's
    /// hundred nearest neighbours.
    #[must_use]
    pub fn of_people(histories: &[&[u32]], items: usize) -> Self {
        let counts = counts::together(histories, items);
        let mut own = Self::cosine(&counts, &degrees(histories, items), items);
        for row in own.similarities.chunks_exact_mut(items.max(1)) {
            let mut order: Vec<u32> = (0..items as u32).filter(|&item| row[item as usize] > 0.0).collect();
            order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]).then(a.cmp(&b)));
            order.iter().skip(NEIGHBOURS).for_each(|&item| row[item as usize] = 0.0);
        }
        own
    }

    /// Transitions: how often the second item comes within five positions after
    /// the first, divided by the square root of the product of the two items'
    /// degrees.
    #[must_use]
    pub fn in_order(histories: &[&[u32]], items: usize) -> Self {
        Self::cosine(&counts::after(histories, items, REACH), &degrees(histories, items), items)
    }

    fn cosine(counts: &[u32], degrees: &[u32], items: usize) -> Self {
        let mut similarities = vec![0.0f32; items * items];
        for (from, row) in similarities.chunks_exact_mut(items.max(1)).enumerate() {
            for (to, similarity) in row.iter_mut().enumerate() {
                let count = counts[from * items + to];
                if from != to && count > 0 {
                    *similarity = count as f32 / (degrees[from] as f32 * degrees[to] as f32).sqrt();
                }
            }
        }
        Self { items, similarities }
    }

    /// The score of every item for one user; `fading` is the decay, and 0 turns
    /// it off.
    #[must_use]
    pub fn scores(&self, past: &UserHistory, fading: f32) -> Vec<f32> {
        let mut scores = vec![0.0f32; self.items];
        let everything = AdaptConfig { size: usize::MAX, ..AdaptConfig::default() };
        for (item, weight) in support(past, &everything, fading > 0.0, fading) {
            let row = &self.similarities[item as usize * self.items..][..self.items];
            scores.iter_mut().zip(row).for_each(|(score, own)| *score += weight * own);
        }
        scores
    }
}

fn degrees(histories: &[&[u32]], items: usize) -> Vec<u32> {
    let mut degrees = vec![0; items];
    histories.iter().flat_map(|history| history.iter()).for_each(|&item| degrees[item as usize] += 1);
    degrees
}

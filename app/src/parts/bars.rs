//! A row of a list as a picture: each shard's opinion as a bar, the mean as a
//! dashed line, and where the row stood before adaptation.

use std::cmp::Ordering;

use leptos::prelude::*;

use super::shapes;
use crate::ranking::ListRow;
use crate::say::{decimal, say};

/// Lowest and highest score of a list: one scale for all its rows.
pub(crate) fn scale(rows: &[ListRow]) -> (f32, f32) {
    let scores = rows.iter().flat_map(|row| row.per_shard.iter().flatten().copied());
    scores.fold((0.0, 0.1), |(low, high), score| (low.min(score), high.max(score)))
}

/// "4 → 2" with the class that colours it; both numbers always stand there.
pub(crate) fn moved(row: &ListRow) -> (&'static str, String) {
    let (before, rank) = (row.before, row.rank);
    match before.cmp(&rank) {
        Ordering::Greater => ("ok", format!("{before} → {rank}")),
        Ordering::Less => ("caution", format!("{before} → {rank}")),
        Ordering::Equal => ("muted", format!("{rank} = {rank}")),
    }
}

/// Every shard's score in words.
pub(crate) fn says(row: &ListRow) -> String {
    let count = row.per_shard.len() as u32;
    let one = |(shard, score): (usize, &Option<f32>)| {
        let label = shapes::label(shard as u32, count);
        score.map_or_else(|| say!("bar-left-out", label), |score| format!("{label} {}", decimal(f64::from(score), 2)))
    };
    row.per_shard.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

/// The bars, A to H.
pub(crate) fn bars(row: &ListRow, (low, high): (f32, f32)) -> impl IntoView + use<> {
    let wide = 96.0 / row.per_shard.len().max(1) as f64;
    let y = |score: f32| f64::from(1.0 - (score - low) / (high - low)) * 28.0 + 1.0;
    let zero = y(0.0);
    let bars = row.per_shard.iter().enumerate().map(|(shard, score)| {
        let x = shard as f64 * wide + wide * 0.12;
        match score {
            Some(score) => {
                let top = y(*score).min(zero);
                let tall = (y(*score) - zero).abs().max(0.8);
                view! { <rect class=shapes::class(shard as u32) x=x y=top width=wide * 0.76 height=tall></rect> }
                    .into_any()
            }
            None => view! { <rect class="slot" x=x y="8" width=wide * 0.76 height="14"></rect> }.into_any(),
        }
    });
    let mean = y(row.score);
    view! {
        <svg class="bars" viewBox="0 0 96 30" preserveAspectRatio="none" role="img" aria-label=says(row)>
            {bars.collect_view()}
            <path class="mean" d=format!("M0 {mean:.1}H96")></path>
        </svg>
    }
}

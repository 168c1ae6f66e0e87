//! Bars of what a deletion costs, a line of what the lists are worth.

use std::fmt::Write as _;

use leptos::prelude::*;

use crate::lab::protocol::Cost;

/// The field: 620 by 250, 0% at y 214, 100% at y 19.
fn y(share: f64) -> f64 {
    214.0 - share.clamp(0.0, 1.1) * 195.0
}

fn x(place: usize, count: usize) -> f64 {
    92.0 + place as f64 * 490.0 / (count.max(2) - 1) as f64
}

/// One deletion's share of training everything, and NDCG@10 against one model.
fn shares(costs: &[Cost]) -> Vec<(u32, f64, f64)> {
    let one = costs.first().map_or(1.0, |cost| cost.ndcg.0.max(1e-9));
    costs.iter().map(|cost| (cost.shards, cost.one / cost.all.max(1e-9), cost.ndcg.0 / one)).collect()
}

/// Costs for each number of shards; a bar is a button that chooses it.
#[component]
pub(super) fn Chart(costs: Vec<Cost>, chosen: RwSignal<u32>) -> impl IntoView {
    let shares = shares(&costs);
    let count = shares.len();
    let mut line = String::new();
    for (place, (_, _, quality)) in shares.iter().enumerate() {
        let _ = write!(line, "{}{:.1} {:.1}", if place == 0 { "M" } else { "L" }, x(place, count), y(*quality));
    }
    let says = shares
        .iter()
        .map(|(shards, cost, quality)| {
            format!("{shards} shards: {:.0}% of the work, {:.0}% of the quality", cost * 100.0, quality * 100.0)
        })
        .collect::<Vec<_>>()
        .join("; ");
    let grid = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        view! {
            <path class="rule" d=format!("M64 {}H600", y(share))></path>
            <text x="56" y=y(share) + 4.0 text-anchor="end">{format!("{:.0}%", share * 100.0)}</text>
        }
    });
    let bars = shares
        .iter()
        .enumerate()
        .map(|(place, &(shards, cost, _))| {
            let middle = x(place, count);
            view! {
                <rect
                    class="bar-s"
                    class:on=move || chosen.get() == shards
                    x=middle - 16.0
                    y=y(cost)
                    width="32"
                    height=214.0 - y(cost)
                ></rect>
                <text x=middle y="236" text-anchor="middle" class:on=move || chosen.get() == shards>{shards}</text>
            }
        })
        .collect_view();
    let points = shares
        .iter()
        .enumerate()
        .map(|(place, (_, _, quality))| {
            view! {
                <circle cx=x(place, count) cy=y(*quality) r="5"></circle>
            }
        })
        .collect_view();
    let choices = shares
        .iter()
        .map(|&(shards, ..)| {
            view! {
                <button
                    type="button"
                    class="btn s"
                    aria-pressed=move || (chosen.get() == shards).to_string()
                    on:click=move |_| chosen.set(shards)
                >{shards}</button>
            }
        })
        .collect_view();
    view! {
        <svg class="cost" viewBox="0 0 620 250" role="img" aria-label=says>
            {grid}
            {bars}
            <path class="halo" d=line.clone()></path>
            <path class="quality" d=line></path>
            <g class="points">{points}</g>
        </svg>
        <div class="key small">
            <span><i></i>"work for one deletion"</span>
            <span><i class="q"></i>"list quality (NDCG@10, one model = 100%)"</span>
        </div>
        <div class="choices" role="group" aria-label="Number of shards">{choices}</div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_one_model_and_of_everything() {
        let cost = |shards, one, all, ndcg| Cost { shards, one, all, ndcg: (ndcg, 0.0), hit_rate: 0.0 };
        let shares = shares(&[cost(1, 10.0, 10.0, 0.4), cost(8, 2.0, 16.0, 0.3)]);
        assert_eq!(shares[0], (1, 1.0, 1.0));
        assert_eq!(shares[1].1, 0.125);
        assert!((shares[1].2 - 0.75).abs() < 1e-12);
    }
}

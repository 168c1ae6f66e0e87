//! Bars of what a deletion and all of training take, and what the lists are
//! worth with their error bars: each in its own units.

use leptos::prelude::*;

use crate::lab::protocol::Cost;
use crate::parts::words;
use crate::say::say;

/// The field: 620 by 250; 0 at y 214, the highest at y 24.
fn y(share: f64) -> f64 {
    214.0 - share.clamp(0.0, 1.0) * 190.0
}

fn x(place: usize, count: usize) -> f64 {
    106.0 + place as f64 * 470.0 / (count.max(2) - 1) as f64
}

/// The highest time, and the upper end of the highest error bar: what fills a
/// field.
fn highest(costs: &[Cost]) -> (f64, f64) {
    let time = costs.iter().map(|cost| cost.all.max(cost.one)).fold(1e-9, f64::max);
    let quality = costs.iter().map(|cost| cost.ndcg.0 + cost.ndcg.1).fold(1e-9, f64::max);
    (time, quality)
}

/// Lines at quarters, each with what it stands for.
fn grid(label: impl Fn(f64) -> String) -> impl IntoView {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        view! {
            <path class="rule" d=format!("M76 {}H610", y(share))></path>
            <text x="70" y=y(share) + 4.0 text-anchor="end">{label(share)}</text>
        }
    })
}

/// Costs for each number of shards; a button chooses one.
#[component]
pub(super) fn Chart(costs: Vec<Cost>, chosen: RwSignal<u32>) -> impl IntoView {
    let (longest, best) = highest(&costs);
    let count = costs.len();
    let times = costs
        .iter()
        .map(|cost| {
            say!(
                "l-shards-for-one-deletion",
                shards = cost.shards,
                millis = words::millis(cost.one),
                millis2 = words::millis(cost.all)
            )
        })
        .collect::<Vec<_>>()
        .join("; ");
    let worth = costs
        .iter()
        .map(|cost| {
            say!("l-shards-ndcg-10-plus", shards = cost.shards, ndcg = (cost.ndcg.0, 3), ndcg2 = (cost.ndcg.1, 3))
        })
        .collect::<Vec<_>>()
        .join("; ");
    let bars = costs
        .iter()
        .enumerate()
        .map(|(place, cost)| {
            let (middle, shards) = (x(place, count), cost.shards);
            let (one, all) = (y(cost.one / longest), y(cost.all / longest));
            view! {
                <rect class="bar-s whole" x=middle - 18.0 y=all width="36" height=214.0 - all></rect>
                <rect class="bar-s" class:on=move || chosen.get() == shards x=middle - 12.0 y=one width="24" height=214.0 - one></rect>
                <text x=middle y="236" text-anchor="middle" class:on=move || chosen.get() == shards>{shards}</text>
            }
        })
        .collect_view();
    let points = costs
        .iter()
        .enumerate()
        .map(|(place, cost)| {
            let (middle, shards) = (x(place, count), cost.shards);
            let (low, high) = (y((cost.ndcg.0 - cost.ndcg.1) / best), y((cost.ndcg.0 + cost.ndcg.1) / best));
            view! {
                <path class="error" d=format!("M{0:.1} {low:.1}V{high:.1}M{1:.1} {low:.1}h12M{1:.1} {high:.1}h12", middle, middle - 6.0)></path>
                <circle cx=middle cy=y(cost.ndcg.0 / best) r="5"></circle>
                <text x=middle y="236" text-anchor="middle" class:on=move || chosen.get() == shards>{shards}</text>
            }
        })
        .collect_view();
    let choices = costs
        .iter()
        .map(|cost| {
            let shards = cost.shards;
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
        <svg class="cost" viewBox="0 0 620 250" role="img" aria-label=times>
            {grid(move |share| words::millis(share * longest))}
            {bars}
        </svg>
        <div class="key small">
            <span><i></i>{say!("l-one-deletion")}</span>
            <span><i class="whole"></i>{say!("l-training-everything")}</span>
        </div>
        <svg class="cost" viewBox="0 0 620 250" role="img" aria-label=worth>
            {grid(move |share| crate::say::decimal(share * best, 2))}
            <g class="points">{points}</g>
        </svg>
        <div class="key small"><span><i class="q"></i>{say!("l-list-quality-ndcg-10")}</span></div>
        <div class="choices" role="group" aria-label=say!("l-number-of-shards")>{choices}</div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_fills_the_field() {
        let cost = |shards, one, all, ndcg| Cost { shards, one, all, ndcg: (ndcg, 0.1), hit_rate: 0.0 };
        let (time, quality) = highest(&[cost(1, 10.0, 10.0, 0.4), cost(8, 2.0, 16.0, 0.3)]);
        assert_eq!((time, quality), (16.0, 0.5));
        assert_eq!((y(0.0), y(1.0), y(7.0)), (214.0, 24.0, 24.0));
    }
}

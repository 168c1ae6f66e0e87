//! Step 8: what forgetting costs for 1 to 32 shards, and what quality costs.

use leptos::prelude::*;

use super::chart::Chart;
use super::cuts::CutsPanel;
use super::predict::revealed;
use super::state::State;
use crate::lab::guess::Topic;
use crate::lab::protocol::Cost;
use crate::parts::words;
use crate::say::{decimal, say};

#[component]
pub(super) fn Costs() -> impl IntoView {
    let state = expect_context::<State>();
    let chosen = RwSignal::new(state.address.with_untracked(|address| address.setup.shards));
    view! {
        <h2>{say!("l-what-forgetting-costs")}</h2>
        <p class="muted">{say!("l-what-one-deletion-and")}</p>
        {move || match state.cost.get() {
            _ if !revealed(state, Topic::Cost) => {
                view! { <p class="empty muted">{say!("l-predict-first-then-see")}</p> }.into_any()
            }
            None => view! { <p class="empty muted">{say!("l-nothing-is-measured-for")}</p> }.into_any(),
            Some(shown) => {
                let costs = shown.value.clone();
                // The sentence alone follows the choice: the buttons keep their focus.
                view! {
                    <Chart costs=costs.clone() chosen/>
                    {move || sentence(&costs, chosen.get())}
                    {table(&shown.value)}
                }
                .into_any()
            }
        }}
        <CutsPanel/>
    }
}

fn sentence(costs: &[Cost], shards: u32) -> Option<AnyView> {
    let one = costs.first()?;
    let own = costs.iter().find(|cost| cost.shards == shards)?;
    let names = say!("l-n-shards", n = shards);
    Some(view! { <p class="sentence"><b>{names}": "</b>{said(one, own)}</p> }.into_any())
}

/// What the measurements say, and no more.
fn said(one: &Cost, own: &Cost) -> String {
    if own.shards == one.shards {
        return say!("l-one-deletion-trains-ever", millis = words::millis(own.all));
    }
    let against = |own: f64, one: f64| match own / one.max(1e-9) {
        part if part < 0.95 => say!("l-less", part = ((1.0 - part) * 100.0, 0)),
        part if part > 1.05 => say!("l-times-as-much", part = (part, 1)),
        _ => say!("l-about-the-same").into(),
    };
    let apart = (own.ndcg.0 - one.ndcg.0).abs() > own.ndcg.1 + one.ndcg.1;
    let lists = match (apart, own.ndcg.0 < one.ndcg.0) {
        (false, _) => say!("l-the-difference-is-within"),
        (true, true) => say!("l-the-lists-are-weaker"),
        (true, false) => say!("l-the-lists-are-better"),
    };
    say!(
        "l-cost-says",
        one = words::millis(own.one),
        whole = words::millis(one.one),
        less = against(own.one, one.one),
        all = words::millis(own.all),
        more = against(own.all, one.all),
        own = pair(own.ndcg),
        other = pair(one.ndcg),
        lists
    )
}

/// "0.412 ±0.031".
pub(super) fn pair((mean, margin): (f64, f64)) -> String {
    format!("{} ±{}", decimal(mean, 3), decimal(margin, 3))
}

fn table(costs: &[Cost]) -> impl IntoView + use<> {
    let row = |cost: &Cost| {
        view! {
            <tr>
                <th scope="row">{cost.shards}</th>
                <td>{words::millis(cost.one)}</td>
                <td>{words::millis(cost.all)}</td>
                <td>{pair(cost.ndcg)}</td>
                <td>{decimal(cost.hit_rate, 3)}</td>
            </tr>
        }
    };
    view! {
        <details class="numbers">
            <summary>{say!("l-show-numbers")}</summary>
            <div class="scroll" tabindex="0" role="region" aria-label=say!("l-costs")>
                <table>
                    <thead><tr>
                        <th scope="col">{say!("l-shards")}</th><th scope="col">{say!("l-one-deletion")}</th><th scope="col">{say!("l-everything")}</th>
                        <th scope="col">"NDCG@10"</th><th scope="col">"HR@10"</th>
                    </tr></thead>
                    <tbody>{costs.iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_follows_the_data() {
        let cost = |shards, one, all, ndcg, margin| Cost { shards, one, all, ndcg: (ndcg, margin), hit_rate: 0.0 };
        let one = cost(1, 300.0, 300.0, 0.40, 0.05);
        assert!(said(&one, &one).contains("trains everything again, which takes 300 ms"));
        let near = said(&one, &cost(8, 200.0, 1620.0, 0.38, 0.05));
        assert!(near.contains("200 ms (one model: 300 ms; 33% less)"), "{near}");
        assert!(near.contains("1.62 s (5.4 times as much)") && near.contains("within chance"), "{near}");
        assert!(said(&one, &cost(8, 200.0, 1620.0, 0.20, 0.05)).contains("the lists are weaker"));
        assert!(said(&one, &cost(8, 290.0, 310.0, 0.60, 0.05)).contains("the lists are better"));
    }
}

//! Step 8: what forgetting costs for 1 to 32 shards, and what quality costs.

use leptos::prelude::*;

use super::chart::Chart;
use super::state::State;
use crate::lab::protocol::Cost;

#[component]
pub(super) fn Costs() -> impl IntoView {
    let state = expect_context::<State>();
    let chosen = RwSignal::new(state.address.with_untracked(|address| address.setup.shards));
    view! {
        <h2>"What forgetting costs"</h2>
        <p class="muted">"One deletion, as a share of training everything again; and how good the lists stay."</p>
        {move || match state.cost.get() {
            None => view! { <p class="empty muted">"Nothing is measured for this table yet."</p> }.into_any(),
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
    }
}

fn sentence(costs: &[Cost], shards: u32) -> Option<AnyView> {
    let one = costs.first()?;
    let own = costs.iter().find(|cost| cost.shards == shards)?;
    let share = own.one / own.all.max(1e-9) * 100.0;
    let kept = own.ndcg.0 / one.ndcg.0.max(1e-9) * 100.0;
    let unsure = if own.ndcg.0 + own.ndcg.1 >= one.ndcg.0 - one.ndcg.1 {
        " With so few households that difference is within chance."
    } else {
        ""
    };
    let names = if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") };
    Some(
        view! {
            <p class="sentence"><b>{names}": "</b>
                {format!("one deletion costs {share:.0}% of a full training. The lists keep {kept:.0}% of one model’s NDCG@10.{unsure}")}
            </p>
        }
        .into_any(),
    )
}

fn table(costs: &[Cost]) -> impl IntoView + use<> {
    let row = |cost: &Cost| {
        view! {
            <tr>
                <th scope="row">{cost.shards}</th>
                <td>{format!("{:.2} s", cost.one / 1000.0)}</td>
                <td>{format!("{:.2} s", cost.all / 1000.0)}</td>
                <td>{format!("{:.3} ±{:.3}", cost.ndcg.0, cost.ndcg.1)}</td>
                <td>{format!("{:.3}", cost.hit_rate)}</td>
            </tr>
        }
    };
    view! {
        <details class="numbers">
            <summary>"Show numbers"</summary>
            <div class="scroll" tabindex="0" role="region" aria-label="Costs">
                <table>
                    <thead><tr>
                        <th scope="col">"shards"</th><th scope="col">"one deletion"</th><th scope="col">"everything"</th>
                        <th scope="col">"NDCG@10"</th><th scope="col">"HR@10"</th>
                    </tr></thead>
                    <tbody>{costs.iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </details>
    }
}

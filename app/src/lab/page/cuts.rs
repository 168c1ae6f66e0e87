//! Step 8, second half: cut by people, or by records. What an account costs,
//! and how the lists fare.

use leptos::prelude::*;

use super::client::Client;
use super::predict::revealed;
use super::state::State;
use crate::lab::guess::Topic;
use crate::lab::protocol::{CutCost, What};
use crate::lab::setup::Cut;
use crate::parts::words::millis;

#[component]
pub(super) fn CutsPanel() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let under_way = move || state.running.with(|r| r.as_ref().is_some_and(|r| r.what == What::Cuts));
    let example = move || state.cuts.with(|shown| shown.as_ref().is_some_and(|shown| shown.example));
    move || {
        revealed(state, Topic::Cost).then(|| view! {
            <section class="attack" aria-labelledby="cuts-head">
                <h2 id="cuts-head">"Cut by people, or by records?"</h2>
                <p class="muted">
                    "A record’s own hash may pick its shard, or that of its person. Then a whole account lies in one shard."
                </p>
                <p><button type="button" class="btn s" id="compare-cuts" disabled=move || !state.ready.get() || under_way() on:click=move |_| client.ask(What::Cuts)>
                    "Measure both here"</button>
                    {move || example().then(|| view! { <span class="small muted">" Example, computed elsewhere."</span> })}
                </p>
                {move || state.cuts.get().map(|shown| table(&shown.value))}
            </section>
        })
    }
}

fn table(cuts: &[CutCost]) -> impl IntoView + use<> {
    let row = |cut: &CutCost| {
        let name = match cut.cut {
            Cut::Records => "records",
            Cut::People => "people",
        };
        view! {
            <tr><th scope="row">{name}</th>
                <td>{format!("{:.1} of {}", cut.account_shards, cut.shards)}</td>
                <td>{millis(cut.account)}</td>
                <td>{millis(cut.one)}</td>
                <td>{format!("{:.3} ±{:.3}", cut.ndcg.0, cut.ndcg.1)}</td></tr>
        }
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Both cuts">
            <table id="both-cuts">
                <thead><tr><th scope="col">"cut by"</th><th scope="col">"shards of an account"</th>
                    <th scope="col">"its deletion"</th><th scope="col">"one record’s"</th><th scope="col">"NDCG@10"</th></tr></thead>
                <tbody>{cuts.iter().map(row).collect_view()}</tbody>
            </table>
        </div>
        <p class="sentence" id="cuts-say">{said(cuts)}</p>
    }
}

/// What the figures say, and no more.
fn said(cuts: &[CutCost]) -> Option<String> {
    let of = |cut: Cut| cuts.iter().find(|known| known.cut == cut);
    let (records, people) = (of(Cut::Records)?, of(Cut::People)?);
    let (low, high) = ((records.ndcg.0 - people.ndcg.0).abs(), records.ndcg.1 + people.ndcg.1);
    let lists = match (low > high, people.ndcg.0 > records.ndcg.0) {
        (false, _) => "the difference between the lists is within chance",
        (true, true) => "the lists are better cut by people",
        (true, false) => "the lists are better cut by records, with this model",
    };
    Some(format!(
        "Forgetting an account trains {:.1} of {} models again, cut by records, and {:.1} cut by people: {} against {}. \
         NDCG@10 is {:.3} ±{:.3} by records and {:.3} ±{:.3} by people: {lists}.",
        records.account_shards,
        records.shards,
        people.account_shards,
        millis(records.account),
        millis(people.account),
        records.ndcg.0,
        records.ndcg.1,
        people.ndcg.0,
        people.ndcg.1,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_follows_the_data() {
        let of = |cut, account_shards, ndcg| CutCost {
            cut,
            shards: 8,
            account_shards,
            account: 100.0 * account_shards,
            one: 100.0,
            ndcg: (ndcg, 0.02),
            hit_rate: 0.0,
        };
        let said =
            |records, people| said(&[of(Cut::Records, 6.5, records), of(Cut::People, 1.0, people)]).unwrap_or_default();
        assert!(
            said(0.1, 0.2)
                .contains("6.5 of 8 models again, cut by records, and 1.0 cut by people: 650 ms against 100 ms")
        );
        assert!(said(0.1, 0.2).contains("better cut by people") && said(0.2, 0.1).contains("better cut by records"));
        assert!(said(0.1, 0.12).contains("within chance"));
    }
}

//! Step 8, second half: cut by people, or by records. What an account costs,
//! and how the lists fare.

use leptos::prelude::*;

use super::client::Client;
use super::costs::pair;
use super::predict::revealed;
use super::state::State;
use crate::lab::guess::Topic;
use crate::lab::protocol::{CutCost, What};
use crate::lab::setup::Cut;
use crate::parts::words::millis;
use crate::say::say;

#[component]
pub(super) fn CutsPanel() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let under_way = move || state.running.with(|r| r.as_ref().is_some_and(|r| r.what == What::Cuts));
    let example = move || state.cuts.with(|shown| shown.as_ref().is_some_and(|shown| shown.example));
    move || {
        revealed(state, Topic::Cost).then(|| view! {
            <section class="attack" aria-labelledby="cuts-head">
                <h2 id="cuts-head">{say!("l-cut-by-people-or")}</h2>
                <p class="muted">
                    {say!("l-a-records-own-hash")}
                </p>
                <p><button type="button" class="btn s" id="compare-cuts" disabled=move || !state.ready.get() || under_way() on:click=move |_| client.ask(What::Cuts)>
                    {say!("l-measure-both-here")}</button>
                    {move || example().then(|| view! { <span class="small muted">{say!("l-example-computed-elsewhe")}</span> })}
                </p>
                {move || state.cuts.get().map(|shown| table(&shown.value))}
            </section>
        })
    }
}

fn table(cuts: &[CutCost]) -> impl IntoView + use<> {
    let row = |cut: &CutCost| {
        let name = match cut.cut {
            Cut::Records => say!("l-records"),
            Cut::People => say!("l-people"),
        };
        view! {
            <tr><th scope="row">{name}</th>
                <td>{say!("l-of-2", account_shards = (cut.account_shards, 1), shards = cut.shards)}</td>
                <td>{millis(cut.account)}</td>
                <td>{millis(cut.one)}</td>
                <td>{pair(cut.ndcg)}</td></tr>
        }
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=say!("l-both-cuts")>
            <table id="both-cuts">
                <thead><tr><th scope="col">{say!("l-cut-by")}</th><th scope="col">{say!("l-shards-of-an-account")}</th>
                    <th scope="col">{say!("l-its-deletion")}</th><th scope="col">{say!("l-one-records")}</th><th scope="col">"NDCG@10"</th></tr></thead>
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
        (false, _) => say!("l-the-difference-between-t"),
        (true, true) => say!("l-the-lists-are-better-2"),
        (true, false) => say!("l-the-lists-are-better-3"),
    };
    Some(say!(
        "l-cuts-say",
        records = (records.account_shards, 1),
        shards = records.shards,
        people = (people.account_shards, 1),
        one = millis(records.account),
        other = millis(people.account),
        first = pair(records.ndcg),
        second = pair(people.ndcg),
        lists
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

//! The receipt: a signed statement, checked here step by step. The proof is
//! `eemu verify`, which trains from scratch on what is left.

use leptos::prelude::*;

use super::client::Client;
use super::example;
use super::state::State;
use super::trial::Proof;
use crate::for_you::protocol::{Checked, Kept, Order, Outcome};
use crate::lab::page::focus;
use crate::parts::save::save;
use crate::parts::shapes::label;
use crate::parts::words;

/// The receipt of the last deletion, or what there will be.
#[component]
pub(super) fn Paper() -> impl IntoView {
    let state = expect_context::<State>();
    let tries = Memo::new(move |_| state.is_example() && state.trial.with(Option::is_some));
    let receipt = Memo::new(move |_| if state.is_example() { example::receipt() } else { state.receipt.get() });
    let waiting = Memo::new(move |_| !state.followings.with(Vec::is_empty));
    let shards = Memo::new(move |_| state.shards());
    move || {
        match receipt.get() {
        _ if tries.get() => view! { <Proof/> }.into_any(),
        Some(receipt) => view! { <Sheet receipt shards=shards.get()/> }.into_any(),
        None if waiting.get() => view! {
            <section class="paper" aria-labelledby="receipt">
                <div class="head"><h2 id="receipt">"Receipt"</h2><span class="small muted">"waiting"</span></div>
                <p class="small muted">"It comes when the last shard is back, and is checked here."</p>
            </section>
        }
        .into_any(),
        None => view! {
            <section class="paper none" aria-labelledby="receipt">
                <h2 id="receipt">"Receipts"</h2>
                <p class="small muted">"Forget something, and its receipt is checked here: signature, place in the log, whether it answers what you asked, your download, the other shards."</p>
            </section>
        }
        .into_any(),
    }
    }
}

#[component]
fn Sheet(receipt: Checked, shards: u32) -> impl IntoView {
    let failed = receipt.failed().is_some();
    let example = receipt.file.is_empty() && !failed;
    let open = receipt.steps.iter().any(|(_, outcome)| matches!(outcome, Outcome::Open(_)));
    let (class, verdict) = match (failed, open) {
        _ if example => ("muted", "Example"),
        (true, _) => ("bad", "Does not hold"),
        (false, true) => ("caution", "Checked in part"),
        (false, false) => ("ok", "Checked here"),
    };
    let title = if receipt.file.is_empty() { "Receipt".to_owned() } else { format!("Receipt {}", receipt.index + 1) };
    let (asked, written) = receipt.times;
    let when = (asked > 0).then(|| words::clock(asked));
    let took = (asked > 0 && written >= asked).then(|| words::about(written - asked));
    let (name, named) = (receipt.id.clone(), receipt.id.clone());
    let again: Vec<String> = receipt
        .shards
        .iter()
        .map(|(shard, was, now)| {
            let was = was.map_or_else(String::new, |was| format!("v{was} → "));
            format!("{} {was}v{now}", label(*shard, shards))
        })
        .collect();
    let step = |(name, outcome): &(String, Outcome)| {
        let (class, path, why) = match outcome {
            Outcome::Holds => ("ok", "m5.4 10.4 3.1 3.1 6.2-6.6", None),
            Outcome::Fails(why) => ("bad", "M6.4 6.4l7.2 7.2m0-7.2l-7.2 7.2", Some(why.clone())),
            Outcome::Open(why) => ("caution", "M10 5.4v5.4m0 3v.2", Some(why.clone())),
        };
        let says = match outcome {
            Outcome::Holds => "holds: ",
            Outcome::Fails(_) => "fails: ",
            Outcome::Open(_) => "open: ",
        };
        view! {
            <li class=class>
                <svg class="tick" viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="10"></circle><path d=path></path></svg>
                <span><span class="sr">{says}</span>{name.clone()}{why.map(|why| view! { <span class="small muted">{why}</span> })}</span>
            </li>
        }
    };
    let (file, key) = (receipt.file.clone(), receipt.key.clone());
    let file_name = format!("eemu-receipt-{}.json", receipt.index + 1);
    view! {
        <section class="paper" aria-labelledby="receipt">
            <div class="head"><h2 id="receipt" tabindex="-1">{title}</h2><b class=format!("small {class}")>{verdict}</b></div>
            <dl class="mono small">
                {when.map(|when| view! { <dt>"asked"</dt><dd>{when}</dd> })}
                {took.map(|took| view! { <dt>"took"</dt><dd>{took}</dd> })}
                <dt>"removed"</dt><dd>{words::count(receipt.removed, "record", "records")}</dd>
                <dt>"retrained"</dt><dd>{again.join(", ")}</dd>
                {(receipt.size > 0 && !key.is_empty()).then(|| view! { <dt>"key"</dt><dd>{format!("{}…", key.chars().take(12).collect::<String>())}</dd> })}
            </dl>
            <ul class="steps" id="checks">{receipt.steps.iter().map(step).collect_view()}</ul>
            <p class="small muted">
                "A signed statement; it does not say what was removed. The proof is " <code>"eemu verify"</code>
                ", which trains from scratch on what is left. Nobody can prove that no copy exists elsewhere."
            </p>
            {(!file.is_empty()).then(|| view! {
                <button type="button" class="btn s" id="save" on:click=move |_| save(&file_name, &file)>"Save the receipt"</button>
                <details class="opens">
                    <summary class="small">"Who else can check it"</summary>
                    <p class="small muted">
                        "Anybody can run "<code>"eemu receipt verify"</code>" on the saved file. That it is the answer to "
                        "your very request, only its name shows, with what you asked for ("<code>"eemu receipt open"</code>"). Keep the name to yourself:"
                    </p>
                    <p class="mono small" id="request">{name}</p>
                </details>
            })}
            {(!named.is_empty() && receipt.again).then(|| view! { <p class="tiny muted">"Checked again just now, against what the service publishes today."</p> })}
        </section>
    }
}

/// The receipts that this browser keeps.
#[component]
pub(super) fn Own() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let kept = Memo::new(move |_| state.service.with(|s| s.as_ref().map(|s| s.receipts.clone()).unwrap_or_default()));
    let shards = Memo::new(move |_| state.shards());
    let row = move |kept: Kept| {
        let letters: Vec<String> = kept.shards.iter().map(|shard| label(*shard, shards.get())).collect();
        let what = if kept.account { "the account".into() } else { words::count(kept.removed, "record", "records") };
        let when = if kept.asked > 0 { words::clock(kept.asked) } else { format!("entry {}", kept.index + 1) };
        let (again, gone) = (kept.id.clone(), kept.id);
        let number = kept.index + 1;
        view! {
            <li>
                <span>
                    <b>{format!("Receipt {number}")}</b>
                    <span class="small muted">{format!(" {when}: {what}, {} retrained", letters.join(", "))}</span>
                    {kept.fails.then(|| view! { <span class="small bad">" does not hold"</span> })}
                </span>
                <span class="row">
                    <button type="button" class="btn s again" on:click=move |_| client.send(&Order::CheckAgain(again.clone()))>
                        "Check again"<span class="sr">{format!(" receipt {number}")}</span>
                    </button>
                    <button type="button" class="btn s quiet" on:click=move |_| {
                        client.send(&Order::DropReceipt(gone.clone()));
                        focus("receipts");
                    }>"Throw away"<span class="sr">{format!(" receipt {number}")}</span></button>
                </span>
            </li>
        }
    };
    move || {
        (!kept.with(Vec::is_empty)).then(|| view! {
            <section class="receipts" aria-labelledby="receipts">
                <h2 id="receipts" tabindex="-1">"Your receipts"</h2>
                <ul>{kept.get().into_iter().map(row).collect_view()}</ul>
                <p class="tiny muted">"They stay in this browser, also after signing out, and say neither who nor what. Check one again to save it."</p>
            </section>
        })
    }
}

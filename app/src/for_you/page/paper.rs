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
use crate::say::say;

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
                <div class="head"><h2 id="receipt">{say!("y-receipt")}</h2><span class="small muted">{say!("y-waiting-2")}</span></div>
                <p class="small muted">{say!("y-it-comes-when-the")}</p>
            </section>
        }
        .into_any(),
        None => view! {
            <section class="paper none" aria-labelledby="receipt">
                <h2 id="receipt">{say!("y-receipts")}</h2>
                <p class="small muted">{say!("y-forget-something-and-its")}</p>
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
        _ if example => ("muted", say!("y-example")),
        (true, _) => ("bad", say!("y-does-not-hold")),
        (false, true) => ("caution", say!("y-checked-in-part")),
        (false, false) => ("ok", say!("y-checked-here")),
    };
    let title = if receipt.file.is_empty() {
        say!("y-receipt").to_owned()
    } else {
        say!("y-receipt-n", number = (receipt.index + 1).to_string())
    };
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
            Outcome::Holds => say!("y-step-holds"),
            Outcome::Fails(_) => say!("y-step-fails"),
            Outcome::Open(_) => say!("y-step-open"),
        };
        view! {
            <li class=class>
                <svg class="tick" viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="10"></circle><path d=path></path></svg>
                <span><span class="sr">{says}" "</span>{name.clone()}{why.map(|why| view! { <span class="small muted">{why}</span> })}</span>
            </li>
        }
    };
    let (file, key) = (receipt.file.clone(), receipt.key.clone());
    let file_name = format!("eemu-receipt-{}.json", receipt.index + 1);
    view! {
        <section class="paper" aria-labelledby="receipt">
            <div class="head"><h2 id="receipt" tabindex="-1">{title}</h2><b class=format!("small {class}")>{verdict}</b></div>
            <dl class="mono small">
                {when.map(|when| view! { <dt>{say!("y-asked")}</dt><dd>{when}</dd> })}
                {took.map(|took| view! { <dt>{say!("y-took-2")}</dt><dd>{took}</dd> })}
                <dt>{say!("y-removed")}</dt><dd>{say!("n-records", n = receipt.removed)}</dd>
                <dt>{say!("y-retrained")}</dt><dd>{again.join(", ")}</dd>
                {(receipt.size > 0 && !key.is_empty()).then(|| view! { <dt>{say!("y-key")}</dt><dd>{format!("{}…", key.chars().take(12).collect::<String>())}</dd> })}
            </dl>
            <ul class="steps" id="checks">{receipt.steps.iter().map(step).collect_view()}</ul>
            <p class="small muted">
                {say!("y-a-signed-statement-it")} <code>"eemu verify"</code>
                {say!("y-which-trains-from-scratc")}
            </p>
            {(!file.is_empty()).then(|| view! {
                <button type="button" class="btn s" id="save" on:click=move |_| save(&file_name, &file)>{say!("y-save-the-receipt")}</button>
                <details class="opens">
                    <summary class="small">{say!("y-who-else-can-check")}</summary>
                    <p class="small muted">
                        {say!("y-anybody-can-run")}<code>"eemu receipt verify"</code>{say!("y-on-the-saved-file")}<code>"eemu receipt open"</code>{say!("y-keep-the-name-to")}
                    </p>
                    <p class="mono small" id="request">{name}</p>
                </details>
            })}
            {(!named.is_empty() && receipt.again).then(|| view! { <p class="tiny muted">{say!("y-checked-again-just-now")}</p> })}
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
        let what = if kept.account { say!("y-the-account").into() } else { say!("n-records", n = kept.removed) };
        let when = if kept.asked > 0 {
            words::clock(kept.asked)
        } else {
            say!("y-entry", number = (kept.index + 1).to_string())
        };
        let (again, gone) = (kept.id.clone(), kept.id);
        let number = kept.index + 1;
        view! {
            <li>
                <span>
                    <b>{say!("y-receipt-n", number = number.to_string())}</b>
                    <span class="small muted">" "{say!("y-kept-receipt", when, what, shards = letters.join(", "))}</span>
                    {kept.fails.then(|| view! { <span class="small bad">{say!("y-does-not-hold-2")}</span> })}
                </span>
                <span class="row">
                    <button type="button" class="btn s again" on:click=move |_| client.send(&Order::CheckAgain(again.clone()))>
                        {say!("y-check-again")}<span class="sr">" "{say!("y-receipt-sr", number = number.to_string())}</span>
                    </button>
                    <button type="button" class="btn s quiet" on:click=move |_| {
                        client.send(&Order::DropReceipt(gone.clone()));
                        focus("receipts");
                    }>{say!("y-throw-away")}<span class="sr">" "{say!("y-receipt-sr", number = number.to_string())}</span></button>
                </span>
            </li>
        }
    };
    move || {
        (!kept.with(Vec::is_empty)).then(|| {
            view! {
                <section class="receipts" aria-labelledby="receipts">
                    <h2 id="receipts" tabindex="-1">{say!("y-your-receipts")}</h2>
                    <ul>{kept.get().into_iter().map(row).collect_view()}</ul>
                    <p class="tiny muted">{say!("y-they-stay-in-this")}</p>
                </section>
            }
        })
    }
}

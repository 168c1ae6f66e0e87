//! The receipt: a signed statement, checked here step by step. The proof is
//! `eemu verify`, which trains from scratch on what is left.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::example;
use super::state::State;
use crate::for_you::protocol::{Checked, Outcome};
use crate::parts::shapes::label;
use crate::parts::words;

/// The receipt of the last deletion, or what there will be.
#[component]
pub(super) fn Paper() -> impl IntoView {
    let state = expect_context::<State>();
    let receipt = Memo::new(move |_| if state.is_example() { example::receipt() } else { state.receipt.get() });
    let waiting = Memo::new(move |_| state.following.with(Option::is_some));
    let shards = Memo::new(move |_| state.shards());
    move || {
        match receipt.get() {
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
                <p class="small muted">"Forget something, and its receipt is checked here: signature, place in the log, your download, the other shards."</p>
            </section>
        }
        .into_any(),
    }
    }
}

#[component]
fn Sheet(receipt: Checked, shards: u32) -> impl IntoView {
    let failed = receipt.failed().is_some();
    let open = receipt.steps.iter().any(|(_, outcome)| matches!(outcome, Outcome::Open(_)));
    let (class, verdict) = match (failed, open) {
        (true, _) => ("bad", "Does not hold"),
        (false, true) => ("caution", "Checked in part"),
        (false, false) => ("ok", "Checked here"),
    };
    let title = if receipt.file.is_empty() { "Receipt".to_owned() } else { format!("Receipt {}", receipt.index + 1) };
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
    let name = format!("eemu-receipt-{}.json", receipt.index + 1);
    view! {
        <section class="paper" aria-labelledby="receipt">
            <div class="head"><h2 id="receipt" tabindex="-1">{title}</h2><b class=format!("small {class}")>{verdict}</b></div>
            <dl class="mono small">
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
                <button type="button" class="btn s" id="save" on:click=move |_| save(&name, &file)>"Save the receipt"</button>
            })}
        </section>
    }
}

/// Hands a file to the reader.
fn save(name: &str, text: &str) {
    let parts = js_sys::Array::of1(&text.into());
    let Ok(blob) = web_sys::Blob::new_with_str_sequence(&parts) else { return };
    let Ok(url) = web_sys::Url::create_object_url_with_blob(&blob) else { return };
    let link = document().create_element("a").ok().and_then(|a| a.dyn_into::<web_sys::HtmlAnchorElement>().ok());
    if let Some(link) = link {
        link.set_href(&url);
        link.set_download(name);
        link.click();
    }
    // The download holds the blob; the name may go.
    let _ = web_sys::Url::revoke_object_url(&url);
}

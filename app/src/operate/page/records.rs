//! The log: looked up by number or name, filtered, page by page, and saved.

use leptos::prelude::*;

use super::requests;
use crate::for_you::page::{Client, State};
use crate::operate::protocol::{Errand, Found, Kind, Line, LogAsk, LogView, Operation};
use crate::operate::records::PAGE;
use crate::parts::shapes::{Mark, label};
use crate::parts::words;
use crate::say::{key, say};

/// Marks of shards in a row.
const MARKS: usize = 8;
const KINDS: [(&str, &str, Option<Kind>); 4] = [
    ("all", key!("o-kind-all"), None),
    ("receipts", key!("o-kind-receipts"), Some(Kind::Deletion)),
    ("published", key!("o-kind-published"), Some(Kind::Published)),
    ("keys", key!("o-kind-keys"), Some(Kind::Key)),
];

#[component]
pub(super) fn Records(shown: Signal<Operation>, live: Memo<bool>) -> impl IntoView {
    let office = expect_context::<State>().office;
    let client = expect_context::<Client>();
    let count = Memo::new(move |_| shown.with(|seen| seen.service.shards.len() as u32));
    let log = Memo::new(move |_| shown.with(|seen| seen.log.clone()));
    let of_kind = move |event| {
        let name = event_target_value(&event);
        let kind = KINDS.iter().find(|(known, ..)| *known == name).and_then(|(.., kind)| *kind);
        office.ask.update(|ask| *ask = LogAsk { kind, page: 0, ..ask.clone() });
    };
    let of_shard = move |event| {
        let shard = event_target_value(&event).parse().ok();
        office.ask.update(|ask| *ask = LogAsk { shard, page: 0, ..ask.clone() });
    };
    view! {
        <section aria-labelledby="log">
            <div class="head">
                <h2 id="log">{say!("o-the-log-of-receipts")}</h2>
                {move || live.get().then(|| view! {
                    <button type="button" class="btn s" id="export-log"
                        on:click=move |_| office.send(client, Errand::Export(office.ask.get_untracked()))>{say!("o-save-these-as-json")}</button>
                })}
            </div>
            {move || live.get().then(|| view! {
                <div class="filters">
                    <label class="field"><span>{say!("o-receipts-number-or-reque")}</span>
                        <input type="search" id="look-up" autocomplete="off" spellcheck="false"
                            prop:value=move || office.ask.with(|ask| ask.find.clone())
                            on:change=move |event| office.ask.update(|ask| ask.find = event_target_value(&event))/>
                    </label>
                    <label class="field"><span>{say!("o-kind")}</span>
                        <select id="log-kind" on:change=of_kind>
                            {KINDS.map(|(name, words, _)| view! { <option value=name>{crate::say::named(words)}</option> }).into_iter().collect_view()}
                        </select>
                    </label>
                    <label class="field"><span>{say!("o-shard")}</span>
                        <select id="log-shard" on:change=of_shard>
                            <option value="">{say!("o-any")}</option>
                            {move || (0..count.get()).map(|shard| view! { <option value=shard.to_string()>{label(shard, count.get())}</option> }).collect_view()}
                        </select>
                    </label>
                </div>
            })}
            <div id="found">{move || log.with(|log| found(log, &shown, count.get()))}</div>
            {move || log.with(|log| table(log, count.get()))}
            {move || live.get().then(|| view! { <Pages log/> })}
            {move || log.with(|log| whole(log, live.get()))}
        </section>
    }
}

/// To and fro.
#[component]
fn Pages(log: Memo<LogView>) -> impl IntoView {
    let office = expect_context::<State>().office;
    let page = Memo::new(move |_| office.ask.with(|ask| ask.page));
    let fits = Memo::new(move |_| log.with(|log| log.fits));
    let last = Memo::new(move |_| (page.get() + 1) * PAGE >= fits.get());
    let go = move |to: usize| office.ask.update(|ask| ask.page = to);
    view! {
        <div class="row pages">
            <button type="button" class="btn s" id="newer" disabled=move || page.get() == 0
                on:click=move |_| go(page.get_untracked().saturating_sub(1))>{say!("o-newer")}</button>
            <button type="button" class="btn s" id="older" disabled=move || last.get()
                on:click=move |_| go(page.get_untracked() + 1)>{say!("o-older")}</button>
            <span class="small muted num">{move || {
                let (first, fits) = (page.get() * PAGE, fits.get());
                match fits {
                    0 => say!("o-no-entry-fits").into(),
                    _ => say!("o-from-to", first = first + 1, last = (first + PAGE).min(fits), all = fits),
                }
            }}</span>
        </div>
    }
}

fn found(log: &LogView, shown: &Signal<Operation>, count: u32) -> impl IntoView + use<> {
    match log.found.clone() {
        None => ().into_any(),
        Some(Found::Entry(line)) => view! {
            <p class="small"><b>{say!("o-entry", number = line.number.to_string())}</b>": "{sentence(&line, count)}</p>
        }
        .into_any(),
        Some(Found::Open(request)) => {
            let mut service = shown.with(|seen| seen.service.clone());
            (service.open, service.accepted, service.requests) = (1, 0, vec![request]);
            view! { <p class="small"><b>{say!("o-no-receipt-yet")}</b></p>{requests::rows(&service)} }.into_any()
        }
        Some(Found::Nothing) => view! {
            <p class="small caution">{say!("o-neither-the-log-nor")}</p>
        }
        .into_any(),
    }
}

fn what(line: &Line) -> String {
    match line.kind {
        Kind::Deletion => say!("o-receipt-removed", n = line.removed),
        Kind::Published => say!("o-published").into(),
        Kind::Key => say!("o-a-key-signs-from").into(),
        Kind::Other => say!("o-an-entry-of-a").into(),
    }
}

fn sentence(line: &Line, count: u32) -> String {
    let shards: Vec<String> =
        line.shards.iter().map(|(shard, version)| format!("{} v{version}", label(*shard, count))).collect();
    let shards = if shards.is_empty() { String::new() } else { format!(", {}", shards.join(", ")) };
    let times = line.times.map_or_else(String::new, |(asked, written)| {
        let (at, later) = (words::clock(asked), words::span(written.saturating_sub(asked)));
        format!(", {}", say!("o-asked-at", at, later))
    });
    format!("{}{shards}{times}.", what(line))
}

fn table(log: &LogView, count: u32) -> impl IntoView + use<> {
    let row = |line: &Line| {
        let (when, took) = line.times.map_or_else(
            || ("–".into(), "–".into()),
            |(asked, written)| (words::clock(written), words::span(written.saturating_sub(asked))),
        );
        let marks = line.shards.iter().take(MARKS).map(|&(shard, version)| {
            view! { <span class="sv"><Mark shard shards=count small=true/>{format!("v{version}")}</span> }
        });
        let more = line.shards.len().saturating_sub(MARKS);
        view! {
            <tr class:receipt=line.kind == Kind::Deletion>
                <th scope="row" class="num">{line.number}</th>
                <td>{what(line)}</td>
                <td><span class="marks">{marks.collect_view()}{(more > 0).then(|| format!(" {}", say!("and-more", more)))}</span></td>
                <td class="num">{when}</td>
                <td class="num wide">{took}</td>
                <td class="mono wide">{line.hash.clone()}</td>
            </tr>
        }
    };
    view! {
        <div class="scroll"><table class="log">
            <thead><tr>
                <th scope="col">{say!("o-no")}</th><th scope="col">{say!("o-entry-2")}</th><th scope="col">{say!("o-shards")}</th><th scope="col">{say!("o-written")}</th>
                <th scope="col" class="wide">{say!("o-after")}</th><th scope="col" class="wide">{say!("o-hash")}</th>
            </tr></thead>
            <tbody id="entries">{log.lines.iter().map(row).collect_view()}</tbody>
        </table></div>
    }
}

fn whole(log: &LogView, live: bool) -> impl IntoView + use<> {
    let words = match &log.whole {
        _ if !live => say!("o-each-receipt-is-an").into(),
        Ok(()) => say!(
            "o-log-whole",
            n = log.size,
            receipts = log.receipts,
            key = log.key.chars().take(12).collect::<String>()
        ),
        Err(why) => say!("o-the-log-does-not", why),
    };
    view! { <p class="small muted" id="whole" class:bad=log.whole.is_err()>{words}</p> }
}

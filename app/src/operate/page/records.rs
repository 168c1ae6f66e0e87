//! The log: looked up by number or name, filtered, page by page, and saved.

use leptos::prelude::*;

use super::requests;
use crate::for_you::page::{Client, State};
use crate::operate::protocol::{Errand, Found, Kind, Line, LogAsk, LogView, Operation};
use crate::operate::records::PAGE;
use crate::parts::shapes::{Mark, label};
use crate::parts::words;

/// Marks of shards in a row.
const MARKS: usize = 8;
const KINDS: [(&str, &str, Option<Kind>); 4] = [
    ("all", "All entries", None),
    ("receipts", "Receipts", Some(Kind::Deletion)),
    ("published", "Models published", Some(Kind::Published)),
    ("keys", "Keys", Some(Kind::Key)),
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
                <h2 id="log">"The log of receipts"</h2>
                {move || live.get().then(|| view! {
                    <button type="button" class="btn s" id="export-log"
                        on:click=move |_| office.send(client, Errand::Export(office.ask.get_untracked()))>"Save these as JSON Lines"</button>
                })}
            </div>
            {move || live.get().then(|| view! {
                <div class="filters">
                    <label class="field"><span>"Receipt’s number or request’s name"</span>
                        <input type="search" id="look-up" autocomplete="off" spellcheck="false"
                            prop:value=move || office.ask.with(|ask| ask.find.clone())
                            on:change=move |event| office.ask.update(|ask| ask.find = event_target_value(&event))/>
                    </label>
                    <label class="field"><span>"Kind"</span>
                        <select id="log-kind" on:change=of_kind>
                            {KINDS.map(|(name, words, _)| view! { <option value=name>{words}</option> }).into_iter().collect_view()}
                        </select>
                    </label>
                    <label class="field"><span>"Shard"</span>
                        <select id="log-shard" on:change=of_shard>
                            <option value="">"Any"</option>
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
                on:click=move |_| go(page.get_untracked().saturating_sub(1))>"Newer"</button>
            <button type="button" class="btn s" id="older" disabled=move || last.get()
                on:click=move |_| go(page.get_untracked() + 1)>"Older"</button>
            <span class="small muted num">{move || {
                let (first, fits) = (page.get() * PAGE, fits.get());
                match fits {
                    0 => "No entry fits.".into(),
                    _ => format!("{} to {} of {}", first + 1, (first + PAGE).min(fits), words::thousands(fits as u64)),
                }
            }}</span>
        </div>
    }
}

fn found(log: &LogView, shown: &Signal<Operation>, count: u32) -> impl IntoView + use<> {
    match log.found.clone() {
        None => ().into_any(),
        Some(Found::Entry(line)) => view! {
            <p class="small"><b>{format!("Entry {}", line.number)}</b>{format!(": {}", sentence(&line, count))}</p>
        }
        .into_any(),
        Some(Found::Open(request)) => {
            let mut service = shown.with(|seen| seen.service.clone());
            (service.open, service.accepted, service.requests) = (1, 0, vec![request]);
            view! { <p class="small"><b>"No receipt yet."</b></p>{requests::rows(&service)} }.into_any()
        }
        Some(Found::Nothing) => view! {
            <p class="small caution">"Neither the log nor the deletions on their way know this. Check the number or the name."</p>
        }
        .into_any(),
    }
}

fn what(line: &Line) -> String {
    match line.kind {
        Kind::Deletion => format!("Receipt: {} removed", words::count(line.removed, "record", "records")),
        Kind::Published => "Published".into(),
        Kind::Key => "A key signs from here on".into(),
        Kind::Other => "An entry of a later version".into(),
    }
}

fn sentence(line: &Line, count: u32) -> String {
    let shards: Vec<String> =
        line.shards.iter().map(|(shard, version)| format!("{} v{version}", label(*shard, count))).collect();
    let shards = if shards.is_empty() { String::new() } else { format!(", {}", shards.join(", ")) };
    let times = line.times.map_or_else(String::new, |(asked, written)| {
        format!(", asked at {}, written {} later", words::clock(asked), words::span(written.saturating_sub(asked)))
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
                <td><span class="marks">{marks.collect_view()}{(more > 0).then(|| format!(" and {more}"))}</span></td>
                <td class="num">{when}</td>
                <td class="num wide">{took}</td>
                <td class="mono wide">{line.hash.clone()}</td>
            </tr>
        }
    };
    view! {
        <div class="scroll"><table class="log">
            <thead><tr>
                <th scope="col">"No."</th><th scope="col">"Entry"</th><th scope="col">"Shards"</th><th scope="col">"Written"</th>
                <th scope="col" class="wide">"After"</th><th scope="col" class="wide">"Hash"</th>
            </tr></thead>
            <tbody id="entries">{log.lines.iter().map(row).collect_view()}</tbody>
        </table></div>
    }
}

fn whole(log: &LogView, live: bool) -> impl IntoView + use<> {
    let words = match &log.whole {
        _ if !live => {
            "Each receipt is an entry, and so is each model that goes live. The page fetches all of them and \
                       checks that they give the root that the server signed."
                .into()
        }
        Ok(()) => format!(
            "The log is whole: {} were fetched, {} of them receipts, and give the root that the server signed. Key {}…",
            words::count(log.size, "entry", "entries"),
            words::thousands(log.receipts),
            log.key.chars().take(12).collect::<String>()
        ),
        Err(why) => format!("The log does not hold: {why}. Compare it with what others saw, and with a backup."),
    };
    view! { <p class="small muted" id="whole" class:bad=log.whole.is_err()>{words}</p> }
}

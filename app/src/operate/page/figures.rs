//! Speed, quality, counts and backups.

use eemu_core::api::{BackupStanding, Operating, Quality, Timing};
use leptos::prelude::*;

use crate::for_you::page::State;
use crate::operate::protocol::Operation;
use crate::parts::words;
use crate::say::say;

fn time(seconds: f64) -> String {
    words::millis(seconds * 1000.0)
}

pub(super) fn speed(service: &Operating) -> impl IntoView + use<> {
    let row = |name: &'static str, timing: Timing| {
        let (half, most) = match timing.count {
            0 => ("–".into(), "–".into()),
            _ => (time(timing.p50), time(timing.p99)),
        };
        view! { <tr><th scope="row">{name}</th><td>{half}</td><td>{most}</td><td class="num">{words::thousands(timing.count)}</td></tr> }
    };
    let (asked, sustained) = (service.deletions_last_hour, service.deletions_sustained);
    let many = asked as f64 > sustained;
    let share = if sustained > 0.0 { (asked as f64 / sustained * 100.0).min(100.0) } else { 0.0 };
    let says = say!("o-of-sustained", asked, sustained = sustained as u64);
    view! {
        <table>
            <thead><tr><th scope="col">{say!("o-last-thousand")}</th><th scope="col">"p50"</th><th scope="col">"p99"</th><th scope="col">{say!("o-count")}</th></tr></thead>
            <tbody>{row(say!("o-lists"), service.lists)}{row(say!("o-deletions-acknowledged"), service.acknowledgements)}</tbody>
        </table>
        <p class="rate"><b>{say!("o-deletions-in-the-last")}</b><span class="num" class:bad=many>{says.clone()}</span></p>
        <div class="bar" role="meter" aria-label=say!("o-deletions-in-the-last") aria-valuemin="0" aria-valuemax="100" aria-valuenow=format!("{share:.0}") aria-valuetext=says>
            <i style:width=format!("{share:.1}%")></i>
        </div>
        {many.then(|| view! { <p class="small bad">{say!("o-more-than-is-sustained")}</p> })}
    }
}

pub(super) fn quality(service: &Operating) -> impl IntoView + use<> {
    match &service.quality {
        Quality::NothingHeldOut => view! {
            <p class="small muted" id="quality-said">{say!("o-not-measured-every")}<code>"--holdout leave-one-out"</code>{say!("o-to-measure")}</p>
        }
        .into_any(),
        Quality::NotYet => view! { <p class="small muted" id="quality-said">{say!("o-records-are-held-out")}</p> }.into_any(),
        Quality::Measured { people, hit_rate, margin, best, fell, at } => view! {
            <p class="rate" id="quality-said"><b>"HR@10"</b><span class="num" class:bad=*fell>{format!("{} ± {}", crate::say::decimal(*hit_rate, 3), crate::say::decimal(*margin, 3))}</span></p>
            <p class="small muted">{say!(
                "o-quality-of",
                n = *people,
                ago = words::span(service.now.saturating_sub(*at)),
                best = (*best, 3),
            )}</p>
            {fell.then(|| view! { <p class="small bad" role="alert">{say!("o-lists-are-worse-than")}</p> })}
        }
        .into_any(),
    }
}

/// Since when is counted.
pub(super) fn since(service: &Operating) -> String {
    say!("o-in-the-since-it", span = words::span(service.now.saturating_sub(service.since)))
}

pub(super) fn counts(service: &Operating) -> impl IntoView + use<> {
    let counts = service.counts;
    let one = |(number, name): (u64, &'static str)| {
        view! { <div><dd class="num">{words::thousands(number)}</dd><dt class="small muted">{name}</dt></div> }
    };
    let all = [
        (counts.answers, say!("o-answers")),
        (counts.server_faults, say!("o-server-faults")),
        (counts.records_deleted, say!("o-records-deleted")),
        (counts.records_added, say!("o-records-added")),
        (counts.shards_trained, say!("o-shards-trained")),
        (counts.trainings_restarted, say!("o-trainings-restarted")),
        (counts.trainings_failed, say!("o-trainings-failed")),
        (counts.answers_overtaken, say!("o-answers-overtaken")),
    ];
    let waits = service.changes > 0;
    view! {
        <dl class="counts">{all.map(one).into_iter().collect_view()}</dl>
        {waits.then(|| view! { <p class="small muted">{say!("o-changes-wait", n = service.changes)}</p> })}
    }
}

/// Backups that are out, with their age and their end.
#[component]
pub(super) fn Backups(shown: Signal<Operation>) -> impl IntoView {
    let office = expect_context::<State>().office;
    let now = Memo::new(move |_| shown.with(|seen| seen.service.now));
    let row = move |backup: BackupStanding| {
        let age = words::span(now.get().saturating_sub(backup.created));
        let end = if backup.late {
            say!("o-destroy-it-now").into()
        } else {
            say!("o-destroy-within", span = words::span(backup.destroy_by.saturating_sub(now.get())))
        };
        view! {
            <tr><th scope="row" class="mono">{backup.id.chars().take(8).collect::<String>()}</th><td>{say!("o-old", age)}</td><td class:bad=backup.late>{end}</td></tr>
        }
    };
    move || {
        let backups = office.backups.get()?;
        let none = backups.is_empty();
        Some(view! {
            <section aria-labelledby="backups">
                <h2 id="backups">{say!("o-backups-that-are-out")}</h2>
                {(!none).then(|| view! { <table><tbody>{backups.into_iter().map(row).collect_view()}</tbody></table> })}
                <p class="small muted">
                    {if none { say!("o-none-known") } else { say!("o-backups-hold") }}" "
                    <code>"eemu backup --state run/ --to DIR"</code>{say!("o-makes-one-beside-the")}
                </p>
            </section>
        })
    }
}

//! Speed, quality, counts and backups.

use eemu_core::api::{BackupStanding, Operating, Quality, Timing};
use leptos::prelude::*;

use crate::for_you::page::State;
use crate::operate::protocol::Operation;
use crate::parts::words;

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
    let says = format!("{} of {} sustained", words::thousands(asked), words::thousands(sustained as u64));
    view! {
        <table>
            <thead><tr><th scope="col">"Last thousand"</th><th scope="col">"p50"</th><th scope="col">"p99"</th><th scope="col">"Count"</th></tr></thead>
            <tbody>{row("Lists", service.lists)}{row("Deletions acknowledged", service.acknowledgements)}</tbody>
        </table>
        <p class="rate"><b>"Deletions in the last hour"</b><span class="num" class:bad=many>{says.clone()}</span></p>
        <div class="bar" role="meter" aria-label="Deletions in the last hour" aria-valuemin="0" aria-valuemax="100" aria-valuenow=format!("{share:.0}") aria-valuetext=says>
            <i style:width=format!("{share:.1}%")></i>
        </div>
        {many.then(|| view! { <p class="small bad">"More than is sustained: receipts come later and later. Give more trainers, or collect for longer."</p> })}
    }
}

pub(super) fn quality(service: &Operating) -> impl IntoView + use<> {
    match &service.quality {
        Quality::NothingHeldOut => view! {
            <p class="small muted" id="quality-said">"Not measured: every record trains, so none is left to judge by. Import with "<code>"--holdout leave-one-out"</code>" to measure."</p>
        }
        .into_any(),
        Quality::NotYet => view! { <p class="small muted" id="quality-said">"Records are held out; it is measured after the next training."</p> }.into_any(),
        Quality::Measured { people, hit_rate, margin, best, fell, at } => view! {
            <p class="rate" id="quality-said"><b>"HR@10"</b><span class="num" class:bad=*fell>{format!("{hit_rate:.3} ± {margin:.3}")}</span></p>
            <p class="small muted">{format!(
                "Of {}, the same each time, measured {} ago. The best since the service began: {best:.3}.",
                words::count(*people, "person with held-out records", "people with held-out records"),
                words::span(service.now.saturating_sub(*at)),
            )}</p>
            {fell.then(|| view! { <p class="small bad" role="alert">"Lists are worse than they were, by more than chance. Look which shards are out, and what was deleted or added since."</p> })}
        }
        .into_any(),
    }
}

/// Since when is counted.
pub(super) fn since(service: &Operating) -> String {
    format!("In the {} since it began", words::span(service.now.saturating_sub(service.since)))
}

pub(super) fn counts(service: &Operating) -> impl IntoView + use<> {
    let counts = service.counts;
    let one = |(number, name): (u64, &'static str)| {
        view! { <div><dd class="num">{words::thousands(number)}</dd><dt class="small muted">{name}</dt></div> }
    };
    let all = [
        (counts.answers, "answers"),
        (counts.server_faults, "server faults"),
        (counts.records_deleted, "records deleted"),
        (counts.records_added, "records added"),
        (counts.shards_trained, "shards trained"),
        (counts.trainings_restarted, "trainings restarted"),
        (counts.trainings_failed, "trainings failed"),
        (counts.answers_overtaken, "answers overtaken"),
    ];
    let waits = service.changes > 0;
    view! {
        <dl class="counts">{all.map(one).into_iter().collect_view()}</dl>
        {waits.then(|| view! { <p class="small muted">{format!("{} before the writer.", words::count(service.changes, "change waits", "changes wait"))}</p> })}
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
            "destroy it now".into()
        } else {
            format!("destroy within {}", words::span(backup.destroy_by.saturating_sub(now.get())))
        };
        view! {
            <tr><th scope="row" class="mono">{backup.id.chars().take(8).collect::<String>()}</th><td>{format!("{age} old")}</td><td class:bad=backup.late>{end}</td></tr>
        }
    };
    move || {
        let backups = office.backups.get()?;
        let none = backups.is_empty();
        Some(view! {
            <section aria-labelledby="backups">
                <h2 id="backups">"Backups that are out"</h2>
                {(!none).then(|| view! { <table><tbody>{backups.into_iter().map(row).collect_view()}</tbody></table> })}
                <p class="small muted">
                    {if none { "None is known. " } else { "What is deleted is in them until they are destroyed. " }}
                    <code>"eemu backup --state run/ --to DIR"</code>" makes one beside the running service."
                </p>
            </section>
        })
    }
}

//! Deletions without a receipt: how old each is, until when, and where it
//! stands.

use eemu_core::api::{Operating, Phase, RequestStanding};
use leptos::prelude::*;

use crate::parts::shapes::Mark;
use crate::parts::words;
use crate::say::say;

/// Rows that are shown; more are said as a number.
const SHOWN: usize = 20;
/// Marks of shards in a row.
const MARKS: usize = 8;

pub(super) fn table(service: &Operating) -> impl IntoView + use<> {
    let all = service.open + service.accepted;
    if all == 0 {
        return view! { <p class="muted">{say!("o-none", policy = policy(service))}</p> }.into_any();
    }
    let rest = all.saturating_sub(service.requests.len().min(SHOWN) as u64);
    view! {
        {rows(service)}
        {(rest > 0).then(|| view! { <p class="small muted">{say!("o-and-more", rest)}</p> })}
        <p class="small muted">{policy(service)}</p>
    }
    .into_any()
}

/// Requests as rows.
pub(super) fn rows(service: &Operating) -> impl IntoView + use<> {
    let count = service.shards.len() as u32;
    let now = service.now;
    let row = |request: &RequestStanding| {
        let age = words::span(now.saturating_sub(request.asked));
        let left = if request.late {
            say!("o-late-by", span = words::span(now.saturating_sub(request.due)))
        } else {
            say!("o-in", span = words::span(request.due.saturating_sub(now)))
        };
        let hash: String = request.name_blake3.chars().take(8).collect();
        let marks = request.waiting.iter().take(MARKS).map(|&shard| view! { <Mark shard shards=count small=true/> });
        let more = request.waiting.len().saturating_sub(MARKS);
        view! {
            <tr class:late=request.late>
                <th scope="row" class="mono">{format!("{hash}…")}</th>
                <td class="num">{age}</td>
                <td class="num due">{left}</td>
                <td>{state(request)}</td>
                <td class="wide"><span class="marks">{marks.collect_view()}{(more > 0).then(|| format!(" {}", say!("and-more", more)))}</span></td>
            </tr>
        }
    };
    view! {
        <div class="scroll"><table class="requests">
            <thead><tr>
                <th scope="col">{say!("o-request")}</th><th scope="col">{say!("o-age")}</th><th scope="col">{say!("o-due")}</th><th scope="col">{say!("o-state")}</th>
                <th scope="col" class="wide">{say!("o-waits-for")}</th>
            </tr></thead>
            <tbody>{service.requests.iter().take(SHOWN).map(row).collect_view()}</tbody>
        </table></div>
    }
}

fn state(request: &RequestStanding) -> String {
    let held = match request.phase {
        Phase::Accepted => say!("o-state-accepted"),
        Phase::Settling => say!("o-state-collects"),
        Phase::Queued => say!("o-state-queued"),
        Phase::Retraining => say!("o-state-retrains"),
        Phase::Publishing => say!("o-state-publishes"),
        Phase::Done => say!("o-state-done"),
    };
    held.into()
}

/// By when deletions are carried out, in words.
fn policy(service: &Operating) -> String {
    match service.policy.split_once('=') {
        Some(("by", time)) => say!("o-policy-by", time),
        Some(("within", span)) => say!("o-policy-within", span = span_of(span)),
        _ => say!("o-policy-once").into(),
    }
}

fn span_of(text: &str) -> String {
    text.trim_end_matches('s').parse().map_or_else(|_| text.to_owned(), words::span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::example;

    #[test]
    fn the_policy_is_said() {
        let mut service = example::operation().service;
        assert!(policy(&service).contains("before they are acknowledged"));
        service.policy = "within=7200s".into();
        assert!(policy(&service).contains("within 2 h;"), "{}", policy(&service));
        service.policy = "by=02:00".into();
        assert!(policy(&service).contains("by 02:00 UTC"));
    }
}

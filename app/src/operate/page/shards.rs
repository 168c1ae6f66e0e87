//! The pane and the table of shards. Both say the same of a shard at any moment.

use eemu_core::api::{Operating, Phase, ShardStanding};
use leptos::prelude::*;

use crate::parts::pane::Piece;
use crate::parts::shapes::Mark;
use crate::parts::words;

/// Whether a shard is being trained, or its model put in place.
pub(super) fn trains(shard: &ShardStanding) -> bool {
    matches!(shard.phase, Some(Phase::Retraining | Phase::Publishing))
}

/// Whether "Retrain now" would change something for it.
pub(super) fn can_hurry(shard: &ShardStanding) -> bool {
    shard.phase == Some(Phase::Settling)
}

/// What is true of a shard, in few words and in a sentence.
fn says(shard: &ShardStanding, now: u64) -> (&'static str, String) {
    let until = || {
        let left = shard.collects_until.map(|until| words::span(until.saturating_sub(now)));
        left.map_or_else(String::new, |left| format!(" for {left} more"))
    };
    let epoch = match shard.epochs {
        0 => String::new(),
        epochs => format!(", epoch {} of {epochs}", shard.epoch.min(epochs)),
    };
    let (short, long) = match (shard.in_mean, shard.phase) {
        (true, None) if shard.stale => ("serving", "Serving; records changed".into()),
        (true, None) => ("serving", "Serving".into()),
        (true, Some(Phase::Settling)) => ("serving, collects", format!("Serving; collects changes{}", until())),
        (true, Some(Phase::Retraining)) => ("serving, retrains", format!("Serving; retrains{epoch}")),
        (true, Some(Phase::Publishing)) => ("serving, publishes", "Serving; its new model is put in place".into()),
        (true, Some(_)) => ("serving, waits", "Serving; waits for a trainer".into()),
        (false, None) => ("out of the mean", "Out of the mean".into()),
        (false, Some(Phase::Settling)) => ("out, collects", format!("Out of the mean; collects changes{}", until())),
        (false, Some(Phase::Retraining)) => ("retrains", format!("Out of the mean; retrains{epoch}")),
        (false, Some(Phase::Publishing)) => ("publishes", "Out of the mean; its model is put in place".into()),
        (false, Some(_)) => ("out, waits", "Out of the mean; waits for a trainer".into()),
    };
    (short, long)
}

fn share(shard: &ShardStanding) -> Option<u32> {
    (shard.phase == Some(Phase::Retraining) && shard.epochs > 0).then(|| shard.epoch * 100 / shard.epochs)
}

pub(super) fn pieces(service: &Operating) -> Vec<Piece> {
    let piece = |shard: &ShardStanding| Piece {
        caption: shard.version.map_or("–".into(), |version| format!("v{version}")),
        note: says(shard, service.now).0.into(),
        level: share(shard).filter(|_| !shard.in_mean),
        lifted: !shard.in_mean,
        masked: !shard.in_mean && share(shard).is_none(),
    };
    service.shards.iter().map(piece).collect()
}

pub(super) fn table(service: &Operating) -> impl IntoView + use<> {
    let count = service.shards.len() as u32;
    let row = |shard: &ShardStanding| {
        let (_, says) = says(shard, service.now);
        let share = share(shard);
        let label = says.clone();
        let took = shard.seconds.map_or("–".into(), |seconds| words::millis(seconds * 1000.0));
        view! {
            <tr class:hot=trains(shard)>
                <th scope="row"><Mark shard=shard.shard shards=count small=true/></th>
                <td>{words::thousands(shard.records)}</td>
                <td>{words::thousands(shard.people)}</td>
                <td>{shard.version.map_or("–".into(), |version| format!("v{version}"))}</td>
                <td class="wide">{words::count(shard.trainings, "time", "times")}</td>
                <td class="wide">{took}</td>
                <td class="wide">{shard.bytes.map_or("–".into(), words::size)}</td>
                <td class="says">{says}
                    // Always there, so that no row grows when a training begins.
                    <span class="bar" class:idle=share.is_none() role=share.map(|_| "progressbar") aria-label=share.map(|_| label)
                        aria-valuemin=share.map(|_| "0") aria-valuemax=share.map(|_| "100") aria-valuenow=share>
                        <i style:width=format!("{}%", share.unwrap_or(0))></i>
                    </span>
                </td>
            </tr>
        }
    };
    view! {
        <div class="scroll"><table class="shards">
            <thead><tr>
                <th scope="col">"Shard"</th><th scope="col">"Records"</th><th scope="col">"People"</th><th scope="col">"Version"</th>
                <th scope="col" class="wide">"Trained"</th><th scope="col" class="wide">"Took"</th><th scope="col" class="wide">"File"</th>
                <th scope="col">"State"</th>
            </tr></thead>
            <tbody id="shard-rows">{service.shards.iter().map(row).collect_view()}</tbody>
        </table></div>
        <p class="tiny muted">"Versions are numbered over all shards in one row: from v6 to v13 is one training. ‘Trained’ counts."</p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::example;

    /// What the pane says and what the table says begin alike, in every state.
    #[test]
    fn pane_and_table_agree() {
        let service = example::operation().service;
        let mut shard = service.shards[0].clone();
        let phases = [Phase::Accepted, Phase::Queued, Phase::Settling, Phase::Retraining, Phase::Publishing];
        for in_mean in [true, false] {
            for phase in phases.into_iter().map(Some).chain([None]) {
                (shard.in_mean, shard.phase, shard.collects_until) = (in_mean, phase, Some(service.now + 7200));
                let (short, long) = says(&shard, service.now);
                assert_eq!(short.starts_with("serving"), in_mean, "{short}");
                assert_eq!(long.starts_with("Serving"), in_mean, "{long}");
                for word in ["collects", "retrains", "waits"] {
                    assert_eq!(short.contains(word), long.contains(word), "{short}: {long}");
                }
                // Whoever collects says until when.
                assert_eq!(phase == Some(Phase::Settling), long.contains("for 2 h more"), "{long}");
            }
        }
    }
}

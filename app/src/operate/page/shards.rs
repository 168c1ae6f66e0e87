//! The pane and the table of shards. Both say the same of a shard at any moment.

use eemu_core::api::{Operating, Phase, ShardStanding};
use leptos::prelude::*;

use crate::parts::pane::Piece;
use crate::parts::shapes::Mark;
use crate::parts::words;
use crate::say::say;

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
        left.map_or_else(String::new, |left| format!(" {}", say!("o-for-more", left)))
    };
    let epoch = match shard.epochs {
        0 => String::new(),
        epochs => format!(", {}", say!("o-epoch", epoch = shard.epoch.min(epochs), epochs)),
    };
    let (short, long) = match (shard.in_mean, shard.phase) {
        (true, None) if shard.stale => (say!("o-serving"), say!("o-serving-changed").into()),
        (true, None) => (say!("o-serving"), say!("o-serving-long").into()),
        (true, Some(Phase::Settling)) => {
            (say!("o-serving-collects"), format!("{}{}", say!("o-serving-collects-long"), until()))
        }
        (true, Some(Phase::Retraining)) => {
            (say!("o-serving-retrains"), format!("{}{epoch}", say!("o-serving-retrains-long")))
        }
        (true, Some(Phase::Publishing)) => (say!("o-serving-publishes"), say!("o-serving-publishes-long").into()),
        (true, Some(_)) => (say!("o-serving-waits"), say!("o-serving-waits-long").into()),
        (false, None) => (say!("o-out"), say!("o-out-long").into()),
        (false, Some(Phase::Settling)) => {
            (say!("o-out-collects"), format!("{}{}", say!("o-out-collects-long"), until()))
        }
        (false, Some(Phase::Retraining)) => (say!("o-out-retrains"), format!("{}{epoch}", say!("o-out-retrains-long"))),
        (false, Some(Phase::Publishing)) => (say!("o-out-publishes"), say!("o-out-publishes-long").into()),
        (false, Some(_)) => (say!("o-out-waits"), say!("o-out-waits-long").into()),
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
                <td class="wide">{say!("o-times", n = shard.trainings)}</td>
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
                <th scope="col">{say!("o-shard")}</th><th scope="col">{say!("o-records")}</th><th scope="col">{say!("o-people")}</th><th scope="col">{say!("o-version")}</th>
                <th scope="col" class="wide">{say!("o-trained")}</th><th scope="col" class="wide">{say!("o-took")}</th><th scope="col" class="wide">{say!("o-file")}</th>
                <th scope="col">{say!("o-state")}</th>
            </tr></thead>
            <tbody id="shard-rows">{service.shards.iter().map(row).collect_view()}</tbody>
        </table></div>
        <p class="tiny muted">{say!("o-versions-are-numbered-ov")}</p>
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

//! The operator's page: the status of the service at one moment. It is computed from
//! the view and the counters alone, so it asks no database. Its cost grows with shards
//! and open requests, and not with the number of records.

use std::collections::HashMap;
use std::time::Instant;

use eemu_core::api::{Counts, Operating, Phase, RequestStanding, ShardStanding};
use eemu_core::client::Precision;

use super::handle::Handle;
use super::requests::Requests;
use super::schedule::Schedule;
use super::view::{ShardView, View};
use crate::clock::now_exactly;
use crate::store::Request;

/// The most requests that are listed.
const LISTED: usize = 200;
/// The most shards of a request that are listed.
const WAITING: usize = 64;
/// Seconds within which a request must be answered: the law grants one month (GDPR,
/// Art. 12).
const ANSWER_WITHIN: u64 = 30 * 24 * 3600;

/// The status of the service now.
pub(super) fn standing(service: &Handle) -> Operating {
    let (view, time, at) = (service.view(), now_exactly(), Instant::now());
    let waiting = view.schedule.waiting(at);
    // Only shards that wait because of a deletion count; nobody waits for additions.
    let owed: Vec<u32> = waiting.iter().map(|(shard, _)| *shard).filter(|shard| is_owed(&view, *shard)).collect();
    let metrics = service.metrics();
    Operating {
        dataset: view.dataset.catalog.dataset.clone(),
        now: time as u64,
        since: metrics.since,
        policy: service.options().deletions.to_string(),
        requests: requests(&view.requests, &view.versions(), &view.schedule, time, at),
        open: view.requests.waiting() as u64,
        accepted: view.requests.accepted() as u64,
        late: view.requests.late(time) as u64,
        estimated_seconds: if owed.is_empty() { 0 } else { service.estimate(&owed) },
        changes: service.waiting() as u64,
        shards: view.shards.iter().map(|shard| shard_standing(&view, shard, &waiting, time, at)).collect(),
        deletions_last_hour: metrics.asked.count(time as u64),
        deletions_sustained: service.capacity().sustained(),
        lists: metrics.lists.timing(),
        acknowledgements: metrics.acknowledgements.timing(),
        counts: Counts {
            answers: metrics.counted_answers.get(),
            server_faults: metrics.server_faults.get(),
            records_deleted: metrics.deleted.get(),
            records_added: metrics.added.get(),
            shards_trained: metrics.trained.get(),
            trainings_restarted: metrics.restarts.get(),
            trainings_failed: metrics.failed_trainings.get(),
            answers_overtaken: metrics.overtaken.get(),
        },
        quality: (*service.quality().last()).clone(),
    }
}

/// Whether a shard waits because of a deletion.
fn is_owed(view: &View, shard: u32) -> bool {
    view.shards.iter().any(|view| view.shard.index == shard && view.shard.live.is_none())
}

/// Requests without a receipt, whether deferred or carried out, the earliest first.
fn requests(
    all: &Requests,
    live: &HashMap<u32, u64>,
    schedule: &Schedule,
    time: f64,
    at: Instant,
) -> Vec<RequestStanding> {
    let accepted = all.all_deferred().take(LISTED).map(|request| RequestStanding {
        name_blake3: hex::encode(request.id_hash),
        asked: request.asked as u64,
        due: request.due as u64,
        late: request.due < time,
        phase: Phase::Accepted,
        shards: 0,
        waiting: Vec::new(),
    });
    let open = all.oldest_open().take(LISTED).map(|request| {
        let due = request.created as u64 + ANSWER_WITHIN;
        let waiting: Vec<u32> = missing(request, live).take(WAITING).collect();
        RequestStanding {
            name_blake3: hex::encode(request.id_hash),
            asked: request.created as u64,
            due,
            late: (due as f64) < time,
            phase: furthest(&waiting, schedule, at),
            shards: request.shards.len() as u32,
            waiting,
        }
    });
    let mut listed: Vec<RequestStanding> = accepted.chain(open).collect();
    listed.sort_by_key(|request| request.asked);
    listed.truncate(LISTED);
    listed
}

/// The shards that a request still waits for.
pub(super) fn missing<'a>(request: &'a Request, live: &'a HashMap<u32, u64>) -> impl Iterator<Item = u32> + 'a {
    let lacks = |(shard, version): &&(u32, u64)| live.get(shard).is_none_or(|now| now <= version);
    request.shards.iter().filter(lacks).map(|(shard, _)| *shard)
}

/// The phase of a request: that of its furthest shard.
pub(super) fn furthest(waiting: &[u32], schedule: &Schedule, at: Instant) -> Phase {
    if waiting.is_empty() {
        return Phase::Publishing;
    }
    let phases: Vec<Phase> = waiting.iter().map(|&shard| schedule.standing(shard, at).phase).collect();
    let order = [Phase::Publishing, Phase::Retraining, Phase::Settling];
    order.into_iter().find(|phase| phases.contains(phase)).unwrap_or(Phase::Queued)
}

fn shard_standing(view: &View, of: &ShardView, waiting: &[(u32, f64)], time: f64, at: Instant) -> ShardStanding {
    let shard = of.shard.index;
    let until = waiting.iter().find(|(waits, _)| *waits == shard).map(|(_, seconds)| *seconds);
    let progress = until.map(|_| view.schedule.standing(shard, at));
    let phase = progress.as_ref().map(|progress| progress.phase);
    let live = of.shard.live.as_ref();
    let count = |of: &[u32]| of.get(shard as usize).copied().map_or(0, u64::from);
    let file = of.model.as_ref().and_then(|m| m.files.iter().find(|(file, _)| file.precision == Precision::F32));
    ShardStanding {
        shard,
        in_mean: of.model.is_some(),
        stale: of.shard.stale,
        phase,
        collects_until: until.filter(|_| phase == Some(Phase::Settling)).map(|seconds| (time + seconds).ceil() as u64),
        epoch: progress.as_ref().map_or(0, |progress| progress.epoch),
        epochs: progress.as_ref().map_or(0, |progress| progress.epochs),
        records: count(&view.dataset.sizes),
        people: count(&view.dataset.people),
        version: live.map(|live| live.version),
        trainings: view.log.trainings(shard),
        seconds: live.map(|live| live.seconds),
        model_blake3: live.map(|live| live.model_blake3.clone()),
        bytes: file.map(|(file, _)| file.bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deleting::id_hash;
    use crate::store::Deferred;

    /// The earliest request is listed first, and late requests are marked, whether they are
    /// deferred or carried out.
    #[test]
    fn the_oldest_stand_first_and_the_late_are_marked() {
        let month = ANSWER_WITHIN as f64;
        let open = |name: &str, created: f64| Request {
            id_hash: id_hash(name),
            removed: 1,
            shards: vec![(0, 3), (1, 3)],
            created,
            ..Request::default()
        };
        let accepted = |name: &str, asked, due| Deferred { id_hash: id_hash(name), asked, due };
        let time = 2.0 * month;
        let all = Requests::new(
            vec![open("new", time - 5.0), open("old", time - month - 5.0)],
            vec![accepted("waits", time - 50.0, time + 50.0), accepted("late", time - 60.0, time - 1.0)],
        );
        let (now, mut schedule) = (Instant::now(), Schedule::new(2));
        schedule.want(1, 4, Duration::from_secs(30), now);
        let live = HashMap::from([(0, 4)]);
        let seen = requests(&all, &live, &schedule, time, now);
        let names: Vec<(bool, Phase)> = seen.iter().map(|request| (request.late, request.phase)).collect();
        let (waits, settles) = (Phase::Accepted, Phase::Settling);
        assert_eq!(names, [(true, settles), (true, waits), (false, waits), (false, settles)]);
        assert_eq!((seen[0].waiting.as_slice(), seen[0].shards), ([1].as_slice(), 2));
        assert_eq!(seen[0].name_blake3, hex::encode(id_hash("old")));
    }
}

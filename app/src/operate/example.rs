//! The page's example: a service of eight shards with a deletion on its way, as
//! a service would tell it. Its figures are made up, and the page says so.

use eemu_core::api::{Counts, Operating, Phase, Quality, RequestStanding, ShardStanding, Timing};

use super::protocol::{Kind, Line, LogView, Operation};

/// A moment, in seconds since 1970; ages are all that is read of it.
const NOW: u64 = 1_800_000_000;
const MONTH: u64 = 30 * 24 * 3600;
/// Records, people, version, trainings and seconds of each shard.
const SHARDS: [(u64, u64, u64, u64, f64); 8] = [
    (12_480, 412, 2, 1, 18.2),
    (11_932, 398, 3, 1, 17.6),
    (12_107, 405, 14, 2, 17.9),
    (12_655, 420, 5, 1, 18.4),
    (11_840, 391, 6, 1, 17.3),
    (12_311, 409, 12, 3, 18.0),
    (12_098, 401, 8, 1, 17.8),
    (12_207, 404, 9, 1, 18.1),
];
/// The shard that retrains.
const OUT: u32 = 2;

/// The example.
pub(super) fn operation() -> Operation {
    let request = |ago: u64, phase: Phase, waiting: Vec<u32>| RequestStanding {
        name_blake3: format!("{:016x}", ago.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        asked: NOW - ago,
        due: NOW - ago + MONTH,
        late: false,
        phase,
        shards: waiting.len() as u32,
        waiting,
    };
    Operation {
        service: Operating {
            dataset: "an example".into(),
            now: NOW,
            since: NOW - 6 * 24 * 3600,
            policy: "at-once".into(),
            requests: vec![request(41, Phase::Retraining, vec![OUT]), request(12, Phase::Retraining, vec![OUT])],
            open: 2,
            accepted: 0,
            late: 0,
            estimated_seconds: 9,
            changes: 0,
            shards: (0..).zip(SHARDS).map(shard).collect(),
            deletions_last_hour: 14,
            deletions_sustained: 373.0,
            lists: Timing { count: 1000, p50: 0.006, p99: 0.021 },
            acknowledgements: Timing { count: 312, p50: 0.018, p99: 0.064 },
            counts: Counts {
                answers: 48_210,
                server_faults: 0,
                records_deleted: 318,
                records_added: 2_904,
                shards_trained: 61,
                trainings_restarted: 4,
                trainings_failed: 0,
                answers_overtaken: 2,
            },
            quality: Quality::Measured {
                people: 200,
                hit_rate: 0.231,
                margin: 0.058,
                best: 0.239,
                fell: false,
                at: NOW - 1200,
            },
        },
        admin: false,
        log: log(),
    }
}

fn shard((shard, (records, people, version, trainings, seconds)): (u32, (u64, u64, u64, u64, f64))) -> ShardStanding {
    let out = shard == OUT;
    // One collects additions for a day and goes on answering.
    let collects = shard == 6;
    ShardStanding {
        shard,
        in_mean: !out,
        stale: out || collects,
        phase: if out { Some(Phase::Retraining) } else { collects.then_some(Phase::Settling) },
        collects_until: collects.then_some(NOW + 5 * 3600),
        epoch: if out { 15 } else { 0 },
        epochs: if out { 24 } else { 0 },
        records,
        people,
        version: (!out).then_some(version),
        trainings,
        seconds: (!out).then_some(seconds),
        model_blake3: None,
        bytes: (!out).then_some(334_000),
    }
}

fn log() -> LogView {
    let line = |number: u64, kind, removed, shards: &[(u32, u64)], times| Line {
        number,
        kind,
        removed,
        shards: shards.to_vec(),
        times,
        hash: format!("{:08x}", number.wrapping_mul(2_654_435_761) & 0xffff_ffff),
    };
    let lines = vec![
        line(15, Kind::Deletion, 3, &[(5, 12)], Some((NOW - 940, NOW - 900))),
        line(14, Kind::Published, 0, &[(5, 12)], None),
        line(13, Kind::Deletion, 1, &[(2, 11)], Some((NOW - 7_300, NOW - 7_251))),
        line(12, Kind::Published, 0, &[(2, 11)], None),
        line(1, Kind::Key, 0, &[], None),
    ];
    LogView { fits: 15, lines, size: 15, receipts: 3, whole: Ok(()), key: "9f2c61d80b3e".into(), found: None }
}

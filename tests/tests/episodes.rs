//! Compares the hand-written gradients of the default model with reverse-mode
//! differentiation of its definition on random shapes. Checks too that
//! inference adapts to a user as training did.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use eemu_core::adapt::UserHistory;
use eemu_core::closed_form::KernelConfig;
use eemu_core::config::AdaptConfig;
use eemu_core::data::{Catalog, Column, Cut, Entities, UNKNOWN, Values};
use eemu_core::episodes::{Asking, Chance, EpisodeModel, EpisodesConfig, Piece, Tower};
use eemu_core::model::{EntityRef, TensorMap};
use eemu_core::random::{Key, Stream};
use eemu_core::tensor::Device;
use eemu_tests::slow::episodes::{Places, SlowEpisodes};
use eemu_tests::slow::read;
use pollster::block_on;

/// Number of random cases; each is compared with first- and second-order
/// gradients.
const CASES: u64 = 144;
/// Allowed difference, relative to the tensor's norm.
const TOLERANCE: f64 = 2e-3;

struct Case {
    seed: u64,
    catalog: Catalog,
    config: EpisodesConfig,
    parameters: TensorMap,
    histories: Vec<Vec<u32>>,
    /// Index of the history, first query position, end of the query positions.
    pieces: Vec<(usize, usize, usize)>,
    sample: Option<(Vec<u32>, Vec<f32>)>,
}

fn between(stream: &mut Stream, low: usize, high: usize) -> usize {
    low + stream.below(high - low + 1)
}

fn device() -> Device {
    Device::Flex(Default::default())
}

/// One categorical column with or without blanks, one set of words, one column
/// of numbers.
fn columns(stream: &mut Stream, count: usize) -> Vec<Column> {
    let vocabulary = |size: usize| (0..size).map(|t| format!("{t:03}")).collect::<Vec<_>>();
    let blanks = if stream.below(2) == 0 { 0.0 } else { 0.3 };
    let (tokens, words, width) = (between(stream, 1, 5), between(stream, 1, 6), between(stream, 1, 4));
    let token = |stream: &mut Stream| if stream.unit() < blanks { UNKNOWN } else { stream.below(tokens) as u32 };
    let bag = |stream: &mut Stream| (0..words as u32).filter(|_| stream.unit() < 0.4).collect();
    vec![
        Values::Token { vocabulary: vocabulary(tokens), rows: (0..count).map(|_| token(stream)).collect() },
        Values::TokenSeq { vocabulary: vocabulary(words), rows: (0..count).map(|_| bag(stream)).collect() },
        Values::Dense { width, rows: (0..count * width).map(|_| stream.normal() as f32 * 0.5).collect() },
    ]
    .into_iter()
    .zip(["category", "words", "numbers"])
    .map(|(values, name)| Column { name: name.into(), values })
    .collect()
}

fn case(seed: u64) -> Case {
    let stream = &mut Key::from_seed(seed).stream("episodes case", &[]);
    // In some cases more items than one tile has lanes.
    let items = if stream.below(6) == 0 { between(stream, 80, 200) } else { between(stream, 4, 30) };
    let columns = columns(stream, items);
    let side = |count: usize, columns: Vec<Column>| {
        Entities::new((0..count).map(|row| row.to_string()).collect(), Vec::new(), columns).unwrap()
    };
    // Six users, with one bucket, several, or none.
    let buckets = |count: u32| Values::Buckets {
        count,
        cut: Cut::Whole,
        rows: (0..6)
            .map(|person| (0..count).filter(|bucket| (person + seed as u32).is_multiple_of(bucket + 2)).collect())
            .collect(),
    };
    let known = [("group", buckets(3)), ("place", buckets(2))];
    let known = known.map(|(name, values)| Column { name: name.into(), values });
    let (users, items_side) = (side(6, known.to_vec()), side(items, columns));
    let catalog = Catalog { dataset: "random".into(), version: 1, users, items: items_side };
    let config = EpisodesConfig {
        width: between(stream, 1, 9),
        features: stream.below(2) == 0,
        people: seed.is_multiple_of(5),
        // The seed counts through all combinations of these settings.
        timed: seed.is_multiple_of(2),
        tower: [Tower::None, Tower::Table, Tower::Map][(seed / 2 % 3) as usize],
        // Zero steps are drawn only beside a history tower.
        steps: ((seed / 6 % 4) as usize).max(usize::from((seed / 2).is_multiple_of(3))),
        smoothing: if stream.below(3) == 0 { 0.2 } else { 0.0 },
        dropout: if stream.below(3) == 0 { 0.3 } else { 0.0 },
        kernel_start: 0.0,
        ..EpisodesConfig::default()
    };
    let mut parameters = block_on(model(&catalog, &config).values()).unwrap();
    for (name, (_, values)) in &mut parameters {
        let (centre, spread) = match name.as_str() {
            "log_step" => (-0.4, 0.4),
            "log_fading" => (0.8, 0.6),
            "tower.log_fadings" => (0.8, 1.5),
            "tower.scale" => (1.0, 0.5),
            _ => (0.0, 0.6),
        };
        values.iter_mut().for_each(|value| *value = (centre + spread * stream.normal()) as f32);
    }
    let from = usize::from(config.timed);
    let (mut histories, mut pieces) = (Vec::new(), Vec::new());
    for number in 0..between(stream, 1, 6) {
        let mut all: Vec<u32> = (0..items as u32).collect();
        let count = between(stream, 2, items.min(14));
        stream.choose(&mut all, count);
        all.truncate(count);
        histories.push(all);
        // Several ranges of positions of one history; some are left out.
        let mut place = from;
        while place < count {
            let to = (place + between(stream, 1, 6)).min(count);
            if pieces.is_empty() || stream.below(4) > 0 {
                pieces.push((number, place, to));
            }
            place = to;
        }
    }
    stream.shuffle(&mut pieces);
    let sample = (stream.below(3) == 0).then(|| {
        let asked = |item: u32| pieces.iter().any(|&(of, from, to)| histories[of][from..to].contains(&item));
        let share = 0.2 + 0.6 * stream.unit() as f32;
        let mut chosen: Vec<(u32, f32)> = Vec::new();
        for item in 0..items as u32 {
            if asked(item) {
                chosen.push((item, 1.0));
            } else if stream.unit() < f64::from(share) {
                chosen.push((item, share));
            }
        }
        chosen.into_iter().unzip()
    });
    Case { seed, catalog, config, parameters, histories, pieces, sample }
}

fn model(catalog: &Catalog, config: &EpisodesConfig) -> EpisodeModel {
    EpisodeModel::new(catalog, config, &KernelConfig::default(), &Key::from_seed(0), 0, &device()).unwrap()
}

fn dropout(case: &Case, piece: usize) -> Stream {
    Key::from_seed(case.seed).stream("dropout of a case", &[&piece.to_le_bytes()])
}

/// The factors that the dropout of one range draws, one for each record and
/// column. Records that no query reads are omitted.
fn kept(case: &Case, piece: usize) -> [Vec<f32>; 2] {
    let (of, _, to) = case.pieces[piece];
    let (all, width) = (case.histories[of].len(), case.config.width);
    if case.config.dropout == 0.0 {
        return [Vec::new(), Vec::new()];
    }
    let records = if case.config.timed { to - 1 } else { all };
    let mut stream = dropout(case, piece);
    [(); 2].map(|()| {
        let mut factors = vec![1.0; records * width];
        stream.keep(&mut factors, case.config.dropout);
        factors.resize(all * width, 1.0);
        factors
    })
}

fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn size(values: &[f32]) -> f64 {
    norm(values.iter().map(|v| f64::from(*v)))
}

/// Distance from the expected values, relative to their norm, or to `least`
/// where that is larger.
fn apart(found: &[f32], expected: &[f32], least: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference = norm(found.iter().zip(expected).map(|(f, e)| f64::from(f - e)));
    difference / size(expected).max(least)
}

/// A batch computed by the model under test, and by its definition.
struct Both {
    loss: [f32; 2],
    adapted: [Vec<f32>; 2],
    found: TensorMap,
    expected: BTreeMap<String, Vec<f32>>,
    /// A gradient smaller than this is only rounding. A parameter that changes
    /// the scores of all items alike has such a gradient.
    least: f64,
}

/// A deliberate mistake in the model under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slip {
    /// The inner gradient is treated as a constant.
    FirstOrder,
    /// Dropout draws new factors.
    OtherDropout,
    /// The target is not smoothed.
    NoSmoothing,
    /// The loss does not correct for the probability with which an item was
    /// sampled.
    NoChances,
    /// The last inner step is omitted.
    FewerSteps,
    /// The loss ranks all items although targets were chosen for a sample.
    NoSample,
    /// A position reads records that came after it.
    NoOrder,
}

/// Runs both, the one under test with a mistake. `None` where the mistake does
/// not apply to the case.
fn both(case: &Case, second_order: bool, slip: Option<Slip>, on_device: bool) -> Option<Both> {
    let right = EpisodesConfig { second_order, ..case.config.clone() };
    let mut config = right.clone();
    let sample = case.sample.as_ref().map(|(chosen, chances)| (chosen.as_slice(), chances.as_slice()));
    let mut drawn = sample;
    let ones = sample.map(|(_, chances)| vec![1.0f32; chances.len()]).unwrap_or_default();
    let mut other = 0;
    match slip {
        None => {}
        Some(Slip::FirstOrder) if second_order && right.steps > 0 => config.second_order = false,
        Some(Slip::OtherDropout) if right.dropout > 0.0 => other = 1000,
        Some(Slip::NoSmoothing) if right.smoothing > 0.0 => config.smoothing = 0.0,
        Some(Slip::NoChances) if sample.is_some() => drawn = sample.map(|(chosen, _)| (chosen, ones.as_slice())),
        Some(Slip::FewerSteps) if right.steps > 1 => config.steps -= 1,
        Some(Slip::NoSample) if sample.is_some() => drawn = None,
        Some(Slip::NoOrder) if right.timed => config.timed = false,
        Some(_) => return None,
    }
    let mut model = model(&case.catalog, &config);
    let known = block_on(model.values()).unwrap();
    let own = case.parameters.iter().filter(|(name, _)| known.contains_key(*name));
    model.set(&own.map(|(name, value)| (name.clone(), value.clone())).collect()).unwrap();
    let piece = |&(of, from, to): &(usize, usize, usize)| Piece {
        person: EntityRef::Known(of as u32),
        records: &case.histories[of],
        from,
        to,
    };
    let pieces: Vec<Piece<'_>> = case.pieces.iter().map(piece).collect();
    let streams = (0..pieces.len()).map(|piece| dropout(case, other + piece)).collect();
    let chance = Chance { dropout: config.dropout, streams, sample: drawn };
    let outcome = match on_device {
        false => block_on(model.outer(&pieces, chance)),
        true => block_on(model.outer_on_device(&pieces, chance)),
    }
    .unwrap();

    let slow = SlowEpisodes::new(&case.catalog, &right, &device()).unwrap();
    let places: Vec<Places<'_>> = (0..pieces.len())
        .map(|number| {
            let (of, from, to) = case.pieces[number];
            Places {
                person: EntityRef::Known(of as u32),
                records: &case.histories[of],
                asked: from..to,
                kept: kept(case, number),
            }
        })
        .collect();
    let plain = slow.outer(&case.parameters, &places, sample).unwrap();
    let expected: BTreeMap<String, Vec<f32>> =
        plain.gradient.into_iter().map(|(name, own)| (name, read(own).unwrap())).collect();
    let found = block_on(outcome.gradient.values()).unwrap();
    let least = 3e-3 * norm(expected.values().map(|own| size(own)));
    let loss = [outcome.loss as f32, plain.loss];
    Some(Both { loss, adapted: [outcome.adapted, plain.adapted], found, expected, least })
}

#[test]
fn gradients_are_those_of_the_definition() {
    let mut worst = (0.0f64, String::new());
    let mut see = |what: String, found: &[f32], expected: &[f32], least: f64| {
        let error = apart(found, expected, least);
        assert!(error < TOLERANCE, "{what}: {error:.1e}\n{found:?}\n{expected:?}");
        if error > worst.0 {
            worst = (error, what);
        }
    };
    let (mut sampled, mut dropped, mut smoothed) = (0, 0, 0);
    let mut telling: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..CASES {
        let case = case(seed);
        sampled += usize::from(case.sample.is_some());
        dropped += usize::from(case.config.dropout > 0.0);
        smoothed += usize::from(case.config.smoothing > 0.0);
        for (second_order, on_device) in [(true, false), (false, false), (true, true), (false, true)] {
            let both = both(&case, second_order, None, on_device).unwrap();
            let what = |name: &str| {
                format!("{name}, case {seed}, on a device {on_device}, second order {second_order}, {:?}", case.config)
            };
            see(what("the loss"), &both.loss[..1], &both.loss[1..], 1e-3);
            see(what("adapted vectors"), &both.adapted[0], &both.adapted[1], 1e-3);
            for (name, (_, values)) in &both.found {
                let nothing = vec![0.0; values.len()];
                let own = both.expected.get(name).unwrap_or(&nothing);
                see(what(name), values, own, both.least);
                *telling.entry(name.clone()).or_default() += usize::from(size(own) > both.least);
            }
            assert!(both.expected.keys().all(|name| both.found.contains_key(name)));
        }
    }
    assert!(sampled > 5 && dropped > 5 && smoothed > 5, "{sampled} {dropped} {smoothed}");
    assert!(telling.len() >= 15 && telling.values().all(|cases| *cases > 5), "{telling:?}");
    println!("worst: {:.1e}, {}", worst.0, worst.1);
}

/// The comparison is tested with deliberate mistakes: each must be detected in
/// most cases to which it applies (some samples contain all items).
#[test]
fn slips_in_a_gradient_are_seen() {
    let slips = [
        Slip::FirstOrder,
        Slip::OtherDropout,
        Slip::NoSmoothing,
        Slip::NoChances,
        Slip::FewerSteps,
        Slip::NoSample,
        Slip::NoOrder,
    ];
    for slip in slips {
        let (mut seen, mut of) = (0, 0);
        for seed in 0..CASES {
            let Some(both) = both(&case(seed), true, Some(slip), (seed / 3).is_multiple_of(2)) else { continue };
            of += 1;
            seen += usize::from(both.expected.iter().any(|(name, expected)| {
                both.found.get(name).is_none_or(|(_, found)| apart(found, expected, both.least) > TOLERANCE)
            }));
        }
        println!("{slip:?}: seen in {seen} of {of} cases");
        assert!(of > 20 && 4 * seen >= 3 * of, "{slip:?}: seen in {seen} of {of} cases");
    }
}

/// Inference adapts to a user's records as training did at the position after
/// them.
#[test]
fn a_person_is_adapted_as_training_did() {
    let mut compared = 0;
    for seed in 0..CASES {
        let case = case(seed);
        let mut model = model(&case.catalog, &case.config);
        model.set(&case.parameters).unwrap();
        let base = block_on(model.item_base()).unwrap();
        let adapt = AdaptConfig { steps: case.config.steps.max(1), ..AdaptConfig::whole_history() };
        for (row, records) in (0..).map(EntityRef::Known).zip(&case.histories) {
            let from = usize::from(case.config.timed);
            let piece = [Piece { person: row, records, from, to: records.len() }];
            let chance = Chance { dropout: 0.0, streams: Vec::new(), sample: None };
            let trained = block_on(model.outer(&piece, chance)).unwrap().adapted;
            for (place, trained) in (from..).zip(trained.chunks_exact(case.config.width)) {
                let support = records.iter().enumerate().filter(|(record, _)| match case.config.timed {
                    true => *record < place,
                    false => *record != place,
                });
                let time = |record: usize| case.config.timed.then_some(record as f64);
                let past = UserHistory::new(support.map(|(record, &item)| (item, time(record))));
                let found = block_on(model.adapt(&base, &[Asking { row, past: &past }], &adapt)).unwrap();
                let error = apart(&found, trained, 1e-3);
                assert!(error < 1e-4, "case {seed}, place {place}: {error:.1e} {found:?} {trained:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

//! Low-rank adaptation against a reference that copies the whole model and uses
//! reverse-mode differentiation. On random models, features, batches and step
//! counts, all results must agree.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use eemu_core::data::{Catalog, Column, Entities, UNKNOWN, Values};
use eemu_core::model::{
    AdaptedParams, EntityRef, ModelConfig, ModelKind, Pair, Parameters, Recommender, Task, TensorMap,
};
use eemu_core::random::{Key, Stream};
use eemu_core::tensor::Device;
use eemu_tests::slow::{self, Gradient, Slow};
use pollster::block_on;

/// Number of cases to compare; further ones are drawn and skipped.
const CASES: usize = 60;
/// Allowed difference, relative to the tensor's norm.
const TOLERANCE: f32 = 1e-4;
/// A pair this close to the hinge may fall on either side of it in f32.
const HINGE: f32 = 1e-4;

struct Case {
    catalog: Catalog,
    config: ModelConfig,
    parameters: TensorMap,
    support: Vec<Task>,
    query: Vec<Task>,
    alpha: f32,
    steps: usize,
}

fn between(stream: &mut Stream, low: usize, high: usize) -> usize {
    low + stream.below(high - low + 1)
}

fn column(stream: &mut Stream, place: usize, count: usize) -> Column {
    let vocabulary = |size: usize| (0..size).map(|t| format!("{t:03}")).collect::<Vec<_>>();
    let values = match stream.below(3) {
        0 => {
            let size = between(stream, 1, 6);
            let blanks = if stream.below(2) == 0 { 0.0 } else { 0.3 };
            let rows =
                (0..count).map(|_| if stream.unit() < blanks { UNKNOWN } else { stream.below(size) as u32 }).collect();
            Values::Token { vocabulary: vocabulary(size), rows }
        }
        1 => {
            let size = between(stream, 1, 9);
            let rows = (0..count).map(|_| (0..size as u32).filter(|_| stream.unit() < 0.3).collect()).collect();
            Values::TokenSeq { vocabulary: vocabulary(size), rows }
        }
        _ => {
            let width = between(stream, 1, 7);
            let rows = (0..count * width).map(|_| stream.normal() as f32 * 0.5).collect();
            Values::Dense { width, rows }
        }
    };
    Column { name: format!("c{place}"), values }
}

fn entities(stream: &mut Stream, count: usize, identifiers: bool) -> Entities {
    let columns = between(stream, usize::from(!identifiers), 5 - usize::from(identifiers));
    let columns = (0..columns).map(|place| column(stream, place, count)).collect();
    Entities::new((0..count).map(|row| row.to_string()).collect(), Vec::new(), columns).unwrap()
}

fn pairs(stream: &mut Stream, positives: usize, items: usize) -> Vec<Pair> {
    // Few distinct positives, so that items and whole pairs repeat.
    let mut pairs: Vec<Pair> = Vec::new();
    for _ in 0..positives {
        let positive = stream.below(items.div_ceil(2)) as u32;
        for _ in 0..between(stream, 1, 3) {
            // Another item, because the gradient of a pair of equal items is
            // only rounding.
            let negative = ((positive as usize + 1 + stream.below(items - 1)) % items) as u32;
            pairs.push(Pair { positive, negative });
        }
        if stream.below(5) == 0 {
            pairs.push(pairs[stream.below(pairs.len())]);
        }
    }
    pairs
}

fn case(seed: u64, kind: ModelKind) -> Case {
    let stream = &mut Key::from_seed(seed).stream("low-rank case", &[]);
    let mut deep = Key::from_seed(seed).stream("deep part of a low-rank case", &[]);
    let identifiers = stream.below(4) > 0;
    // In some cases more items than a ranking tile holds.
    let items = if stream.below(6) == 0 { between(stream, 500, 1100) } else { between(stream, 2, 40) };
    let users = between(stream, 1, 14);
    let catalog = Catalog {
        dataset: "random".into(),
        version: 1,
        users: entities(stream, users, identifiers),
        items: entities(stream, items, identifiers),
    };
    let hidden = |stream: &mut Stream| (0..stream.below(4)).map(|_| between(stream, 3, 23)).collect::<Vec<_>>();
    let config = ModelConfig {
        identifiers,
        width: between(stream, 1, 13),
        user_hidden: hidden(stream),
        item_hidden: hidden(stream),
        output: between(stream, 1, 19),
        // A tiny margin leaves many pairs, and whole tasks, without a gradient.
        margin: if stream.below(5) == 0 { 1e-3 } else { 0.3 + stream.unit() as f32 },
        unknown_rows: stream.below(3) > 0,
        table_scale: 1.0,
        kind,
        deep_hidden: (0..between(&mut deep, 1, 3)).map(|_| between(&mut deep, 3, 23)).collect(),
    };
    let model =
        Recommender::new(&catalog, &config, &Key::from_seed(seed), 0, &Device::Flex(Default::default())).unwrap();
    let mut parameters = block_on(model.parameters().values()).unwrap();
    for (name, (shape, values)) in &mut parameters {
        // Initial values are special (zeros, ones); other values test more.
        let (centre, spread) = match name.rsplit('.').next().unwrap() {
            "norm_scale" => (1.0, 0.3),
            "norm_shift" | "bias" => (0.0, 0.3),
            "table" => (0.0, 0.8),
            _ => (0.0, 1.0 / (shape[0] as f64).sqrt()),
        };
        values.iter_mut().for_each(|value| *value = (centre + spread * stream.normal()) as f32);
    }
    let tasks = between(stream, 1, 13);
    let all_empty = stream.below(12) == 0;
    let (mut support, mut query) = (Vec::new(), Vec::new());
    for _ in 0..tasks {
        let known = stream.below(users) as u32;
        let user = [EntityRef::Known(known), EntityRef::Known(known), EntityRef::Unnamed(known), EntityRef::Nobody]
            [stream.below(4)];
        let user = if model.check_row(user).is_ok() { user } else { EntityRef::Known(known) };
        let long = if stream.below(4) == 0 { 25 } else { 6 };
        let count = if all_empty || stream.below(4) == 0 { 0 } else { between(stream, 1, long) };
        support.push(Task { user, pairs: pairs(stream, count, items) });
        let count = stream.below(4);
        query.push(Task { user, pairs: pairs(stream, count, items) });
    }
    let alpha = 0.02 + 0.1 * stream.unit() as f32;
    Case { catalog, config, parameters, support, query, alpha, steps: between(stream, 1, 3) }
}

/// The largest difference of a case, and its quantity.
struct Worst {
    error: f32,
    quantity: String,
}

impl Worst {
    /// Norms below `least` are rounding errors of larger sums.
    fn see(&mut self, quantity: &str, got: &[f32], expected: &[f32], least: f32) {
        assert_eq!(got.len(), expected.len(), "{quantity}");
        let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let difference = norm(&mut got.iter().zip(expected).map(|(g, e)| g - e)) as f32;
        let scale = (norm(&mut expected.iter().copied()) as f32).max(least);
        let error = if difference == 0.0 { 0.0 } else { difference / scale };
        assert!(!error.is_nan(), "{quantity}");
        if error > self.error {
            *self = Self { error, quantity: quantity.into() };
        }
    }

    /// A tensor smaller than a hundredth of the whole counts as that large.
    /// Some gradients are zero but for rounding: the item tower's last bias
    /// cancels in every pair.
    fn see_all(&mut self, what: &str, got: &Parameters, expected: &BTreeMap<String, Vec<f32>>) {
        let got = block_on(got.values()).unwrap();
        assert!(got.keys().eq(expected.keys()), "{what}: other names");
        let whole = expected.values().flatten().map(|v| v * v).sum::<f32>().sqrt();
        for (name, expected) in expected {
            self.see(&format!("{what} {name}"), &got[name].1, expected, 1e-2 * whole);
        }
    }
}

/// Scores without the part that all items of a user share. DeepFM by its
/// definition has this part, but no pair, gradient or ranking depends on it.
fn centred(kind: ModelKind, mut scores: Vec<f32>) -> Vec<f32> {
    if kind == ModelKind::DeepFm {
        let mean = scores.iter().map(|s| f64::from(*s)).sum::<f64>() / scores.len() as f64;
        scores.iter_mut().for_each(|score| *score = (f64::from(*score) - mean) as f32);
    }
    scores
}

/// Adds `factor` times a gradient.
fn add(sum: &mut BTreeMap<String, Vec<f32>>, gradient: &Gradient, factor: f32) {
    for (name, gradient) in gradient {
        let values = slow::read(gradient.clone()).unwrap();
        sum.get_mut(name).unwrap().iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
    }
}

/// Compares a case, and counts its tasks with a diverged step. Returns `None`
/// where a value is too close to a discontinuity.
fn compare(case: &Case) -> Option<(Worst, usize)> {
    let device = Device::Flex(Default::default());
    let Case { catalog, config, parameters, support, query, alpha, steps } = case;
    let mut model = Recommender::new(catalog, config, &Key::from_seed(0), 0, &device).unwrap();
    model.parameters_mut().set(parameters).unwrap();
    let slow = Slow::new(catalog, config, &device);
    let zeros: BTreeMap<String, Vec<f32>> =
        parameters.iter().map(|(name, (_, values))| (name.clone(), vec![0.0; values.len()])).collect();

    let mut taken_back = 0;
    let share = 1.0 / support.len() as f32;
    let total: usize = support.iter().map(|t| t.pairs.len()).sum();
    let (mut moved, mut outer, mut joint) = (zeros.clone(), zeros.clone(), zeros);
    let (mut support_losses, mut query_losses, mut joint_loss) = (Vec::new(), Vec::new(), 0.0);
    let (mut plain_scores, mut scores, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
    for (support, query) in support.iter().zip(query) {
        let theta = slow.copy(parameters);
        plain_scores.push(centred(config.kind, slow.scores(&theta, support.user).unwrap()));
        let adapted = slow.adapt(parameters, support, *alpha, *steps).unwrap();
        let judged = slow.judge(&adapted.theta, query).unwrap();
        let first = slow.judge(&slow.copy(parameters), support).unwrap();
        if adapted.nearest.min(judged.nearest) < HINGE {
            return None;
        }
        taken_back += usize::from(adapted.taken_back);
        adapted.steps.iter().for_each(|step| add(&mut moved, &step.gradient, -alpha * share));
        add(&mut outer, &judged.gradient, share);
        let part = support.pairs.len() as f32 / total.max(1) as f32;
        add(&mut joint, &first.gradient, part);
        joint_loss += part * first.loss;
        support_losses.push(first.loss);
        query_losses.push(judged.loss);
        vectors.push(slow.user_vector(&adapted.theta, support.user).unwrap());
        scores.push(centred(config.kind, slow.scores(&adapted.theta, support.user).unwrap()));
    }

    let mut worst = Worst { error: 0.0, quantity: "nothing".into() };
    let users: Vec<EntityRef> = support.iter().map(|t| t.user).collect();
    let base = model.item_base();
    let plain = block_on(model.scores(&base, &users, &AdaptedParams::none(users.len()))).unwrap();
    let adapted = block_on(model.inner_steps(support, *alpha, *steps)).unwrap();
    let adapted_vectors = block_on(model.user_vectors(&users, &adapted)).unwrap();
    let adapted_scores = block_on(model.scores(&base, &users, &adapted)).unwrap();
    for (task, plain) in plain.iter().enumerate() {
        let centred = |scores: &[f32]| centred(config.kind, scores.to_vec());
        worst.see(&format!("plain scores {task}"), &centred(plain), &plain_scores[task], 0.0);
        worst.see(&format!("user vector {task}"), &adapted_vectors[task], &vectors[task], 0.0);
        worst.see(&format!("scores {task}"), &centred(&adapted_scores[task]), &scores[task], 0.0);
        let some: Vec<u32> = (0..plain.len() as u32).filter(|item| item % 3 != 1).collect();
        let of_some: Vec<f32> = some.iter().map(|&item| plain[item as usize]).collect();
        let own = block_on(model.scores_of(users[task], &some)).unwrap();
        worst.see(&format!("scores of some items {task}"), &own, &of_some, 0.0);
    }
    worst.see("support losses", &adapted.losses, &support_losses, 0.0);
    worst.see_all("mean move", &model.mean_move(&adapted), &moved);
    let (gradient, losses) = block_on(model.outer_gradient(query, &adapted, share)).unwrap();
    worst.see("query losses", &losses, &query_losses, 0.0);
    worst.see_all("outer gradient", &gradient, &outer);
    let weight = 0.7;
    let (gradient, _) = block_on(model.meta_gradient((query, share), (support, weight), &adapted, *alpha)).unwrap();
    for (name, joint) in &joint {
        outer.get_mut(name).unwrap().iter_mut().zip(joint).for_each(|(sum, joint)| *sum += weight * joint);
    }
    worst.see_all("outer gradient with the support loss", &gradient, &outer);
    let (gradient, loss) = block_on(model.joint_gradient(support)).unwrap();
    worst.see("joint loss", &[loss], &[joint_loss], 0.0);
    worst.see_all("joint gradient", &gradient, &joint);
    Some((worst, taken_back))
}

/// Compares [`CASES`] cases, and returns how many tasks had a diverged step.
fn compare_all(cases: impl Iterator<Item = Case>, tolerance: f32) -> usize {
    let (mut compared, mut skipped, mut worst, mut taken_back) = (0, 0, 0.0f32, 0);
    for (number, case) in cases.enumerate() {
        match compare(&case) {
            None => skipped += 1,
            Some((found, back)) => {
                assert!(
                    found.error <= tolerance,
                    "case {number}: {} differs by {:.1e} of its norm",
                    found.quantity,
                    found.error
                );
                worst = worst.max(found.error);
                taken_back += back;
                compared += 1;
            }
        }
        assert!(skipped <= CASES, "too many cases come near to the hinge");
        if compared == CASES {
            break;
        }
    }
    println!(
        "{compared} cases compared, {skipped} skipped, {taken_back} tasks with a step taken back, worst relative error {worst:.1e}"
    );
    taken_back
}

#[test]
fn low_rank_steps_equal_copies_of_the_model() {
    compare_all((0..).map(|seed| case(seed, ModelKind::TwoTower)), TOLERANCE);
}

#[test]
fn low_rank_steps_equal_copies_of_deep_fm() {
    compare_all((0..).map(|seed| case(seed, ModelKind::DeepFm)), TOLERANCE);
}

/// With a large step size some steps diverge and are taken back, the first of a
/// task or a later one, beside tasks that continue. Rounding errors grow as
/// well.
#[test]
fn steps_that_run_away_are_taken_back() {
    const LONG: f32 = 1e-3;
    let long = |seed, kind| {
        let case = case(seed, kind);
        Case { alpha: 12.0 * case.alpha, steps: 2 + case.steps % 2, ..case }
    };
    let deep = |case: &Case| case.config.kind == ModelKind::DeepFm;
    let folded = |case: &Case| !deep(case) && case.config.item_hidden.is_empty();
    let towers = |case: &Case| !deep(case) && !case.config.item_hidden.is_empty();
    let two_towers = || (0..).map(|seed| long(seed, ModelKind::TwoTower));
    for taken_back in [
        compare_all(two_towers().filter(folded), LONG),
        compare_all(two_towers().filter(towers), LONG),
        compare_all((0..).map(|seed| long(seed, ModelKind::DeepFm)), LONG),
    ] {
        assert!(taken_back >= 10, "only {taken_back} steps ran away");
    }
}

/// The random cases contain every kind that they should.
#[test]
fn the_cases_are_of_every_kind() {
    let cases: Vec<Case> = (0..CASES as u64).map(|seed| case(seed, ModelKind::TwoTower)).collect();
    let any = |what: &str, of: &dyn Fn(&Case) -> bool| assert!(cases.iter().any(of), "no case with {what}");
    for layers in 0..=3 {
        any("as many hidden user layers", &|c| c.config.user_hidden.len() == layers);
        any("as many hidden item layers", &|c| c.config.item_hidden.len() == layers);
    }
    for layers in 1..=3 {
        any("as many hidden layers of the deep part", &|c| c.config.deep_hidden.len() == layers);
    }
    for steps in 1..=3 {
        any("as many steps", &|c| c.steps == steps);
    }
    let tasks = |c: &Case, of: fn(&Task) -> bool| c.support.iter().any(of);
    any("only empty supports", &|c| c.support.iter().all(|t| t.pairs.is_empty()));
    any("an empty support among others", &|c| tasks(c, |t| t.pairs.is_empty()) && tasks(c, |t| t.pairs.len() > 10));
    any("an unnamed user", &|c| tasks(c, |t| matches!(t.user, EntityRef::Unnamed(_))));
    any("nobody", &|c| tasks(c, |t| t.user == EntityRef::Nobody));
    any("a pair twice", &|c| tasks(c, |t| (1..t.pairs.len()).any(|place| t.pairs[..place].contains(&t.pairs[place]))));
    any("five features", &|c| c.catalog.items.columns.len() + usize::from(c.config.identifiers) == 5);
    any("one feature", &|c| c.catalog.items.columns.len() + usize::from(c.config.identifiers) == 1);
    any("no unknown rows", &|c| !c.config.unknown_rows);
    any("more than a tile of items", &|c| c.catalog.items.len() > 512);
    let column = |c: &Case, of: fn(&Values) -> bool| {
        c.catalog.users.columns.iter().chain(c.catalog.items.columns.iter()).any(|column| of(&column.values))
    };
    any("unknown values", &|c| column(c, |v| matches!(v, Values::Token { rows, .. } if rows.contains(&UNKNOWN))));
    any("bags", &|c| column(c, |v| matches!(v, Values::TokenSeq { .. })));
    any("numbers", &|c| column(c, |v| matches!(v, Values::Dense { .. })));
}

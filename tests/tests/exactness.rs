//! Exactness: after a deletion, a system equals one that never had the records,
//! byte for byte, on small random datasets. Every rule is also broken on
//! purpose, and a test fails unless some record and seed reveal the mistake.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use eemu_core::adapt::UserContext;
use eemu_core::client::{client_catalog, client_model, client_person, client_tensors, own_row};
use eemu_core::closed_form::KernelConfig;
use eemu_core::config::{AdaptConfig, Config, Meta};
use eemu_core::data::{Catalog, Entities, Holdout, ImportReport, Imported, Interaction, Role, Values};
use eemu_core::dataset::{Dataset, History};
use eemu_core::episodes::{EpisodesConfig, Tower};
use eemu_core::learned_state::LearnedState;
use eemu_core::mistakes::{self, Mistake};
use eemu_core::model::{
    AdaptedParams, EntityRef, ModelConfig, ModelKind, Pair, Recommender, Task, TensorMap, from_safetensors,
    model_blake3,
};
use eemu_core::random::Key;
use eemu_core::receipt::commitment;
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::shard::{ShardBy, UserSlice};
use eemu_core::shard_model::ShardModel;
use eemu_core::train::{Trainer, input_hash, train};
use eemu_core::unlearn;
use eemu_core::user_rows::{USER_ROWS, join_user_rows, split_user_rows};
use eemu_server::deployment::Deployment;
use eemu_server::forgetting::{Request, forget};
use eemu_server::progress::Progress;
use eemu_server::training::train_shards;
use eemu_tests::worlds::{Recipe, System, Times, cpu, differences, on_threads, recipes, train_all, train_one};
use pollster::block_on;
use proptest::prelude::*;
use proptest::sample::Index;

/// The low-rank models of the paper.
const LOW_RANK: [ModelKind; 2] = [ModelKind::TwoTower, ModelKind::DeepFm];
/// Models without parameters of users.
const OF_ITEMS: [ModelKind; 3] = [ModelKind::Episodes, ModelKind::Kernel, ModelKind::Ease];

fn long() -> bool {
    std::env::var_os("EEMU_LONG").is_some()
}

fn cases(few: u32) -> ProptestConfig {
    // No regression file is kept: a failing dataset is printed whole.
    ProptestConfig {
        cases: if long() { 10 * few } else { few },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The record at an index of the list.
fn pick(records: &[Interaction], place: &Index) -> (u32, u32) {
    let record = place.get(records);
    (record.user, record.item)
}

fn hash(tensors: &TensorMap) -> String {
    model_blake3(tensors)
}

/// P1 for one request: the differences between the system after deletion and
/// its twin.
fn p1(recipe: &Recipe, request: &[(u32, u32)], mistake: Option<Mistake>) -> Vec<String> {
    let mut system = System::train(recipe.dataset().unwrap(), mistake).unwrap();
    system.forget(request).unwrap();
    // A warm start happens only at a deletion; the twin has no earlier model.
    let at_first = mistake.filter(|m| *m != Mistake::WarmStart);
    let twin = System::train(recipe.twin_without(request).unwrap(), at_first).unwrap();
    differences(&system.state(), &twin.state()).unwrap()
}

/// P1 for an account: the differences between the system after deletion and one
/// whose catalogue contains only the remaining users.
fn account(recipe: &Recipe, user: u32, mistake: Option<Mistake>) -> Vec<String> {
    let mut system = System::train(recipe.dataset().unwrap(), mistake).unwrap();
    let request = unlearn::everything_of(&system.dataset, user);
    system.forget(&request).unwrap();
    let twin = System::train(recipe.twin_without_person(user).unwrap(), mistake).unwrap();
    differences(&system.state(), &twin.state()).unwrap()
}

/// Recipes of models without parameters of users.
fn recipes_of_items() -> impl Strategy<Value = Recipe> {
    (recipes(), prop::sample::select(&OF_ITEMS[..]), 0..4u32).prop_map(|(recipe, other, keep)| {
        let model = if recipe.model.is_of_items() && keep > 0 { recipe.model } else { other };
        Recipe { model, ..recipe }
    })
}

/// P2 for one request: shards outside the plan that would change.
fn p2(recipe: &Recipe, request: &[(u32, u32)], mistake: Option<Mistake>) -> Vec<u32> {
    let dataset = recipe.dataset().unwrap();
    let plan = unlearn::plan(&dataset, request);
    let before = train_all(&dataset, mistake).unwrap();
    let after = train_all(&plan.after, mistake).unwrap();
    let others = (0..recipe.shards).filter(|shard| !plan.shards.contains(shard));
    others.filter(|&s| hash(&before[s as usize]) != hash(&after[s as usize])).collect()
}

/// One record of every kind that a split and the slices of a shard distinguish.
fn telling(dataset: &Dataset) -> Vec<(&'static str, (u32, u32))> {
    let mut found: Vec<(&'static str, (u32, u32))> = Vec::new();
    let users = 0..dataset.interactions.users();
    for (name, role) in [("test", Role::Test), ("validation", Role::Validation)] {
        found.extend(users.clone().find_map(|u| Some((name, (u, *dataset.items(u, role).first()?)))));
    }
    let shards = dataset.shards();
    let cells = || shards.iter().flat_map(|shard| &shard.cells);
    // An ordered history has no separate queries.
    let query = |c: &&UserSlice| !c.support.is_empty() && !c.query.is_empty();
    found.extend(cells().find(query).map(|c| ("query", (c.user, c.query[0]))));
    found.extend(cells().find_map(|c| Some(("support", (c.user, *c.support.first()?)))));
    found.extend(cells().find(|c| c.support.len() > 2).map(|c| ("in the middle", (c.user, c.support[1]))));
    let only = |c: &UserSlice| (c.items().count() == 1).then(|| c.items().next());
    found.extend(cells().find_map(|c| Some(("only one of a shard", (c.user, only(c)??)))));
    found.extend(
        users
            .clone()
            .find(|&u| dataset.interactions.of(u).len() == 1)
            .map(|u| ("only one of all", (u, dataset.interactions.of(u)[0].item))),
    );
    // A user with three records has two held out; a user with two has none.
    found.extend(
        users
            .clone()
            .find(|&u| dataset.interactions.of(u).len() == 3)
            .map(|u| ("first of three", (u, dataset.interactions.of(u)[0].item))),
    );
    found
}

proptest! {
    #![proptest_config(cases(80))]

    /// P1 and P2 on any dataset, for a few records at once, with any number of
    /// threads. At least one shard of the plan changes.
    #[test]
    fn forgotten_is_never_had(
        recipe in recipes(),
        places in prop::collection::vec(any::<Index>(), 1..4),
        threads in 1usize..=4,
    ) {
        let records = recipe.records();
        let request: Vec<(u32, u32)> = places.iter().map(|place| pick(&records, place)).collect();
        let (found, changed) = on_threads(threads, || Ok((p1(&recipe, &request, None), p2(&recipe, &request, None)))).unwrap();
        prop_assert!(found.is_empty(), "{found:?}");
        prop_assert!(changed.is_empty(), "shards {changed:?} are not in the plan and changed");
    }

    /// P1 for an account: the twin's catalogue lacks the user, and has the
    /// other users in another order.
    #[test]
    fn a_forgotten_person_never_was(recipe in recipes_of_items(), user in any::<Index>()) {
        let found = account(&recipe, user.index(recipe.users as usize) as u32, None);
        prop_assert!(found.is_empty(), "{found:?}");
    }

    /// P3: the order and grouping of deletions do not change the result. A
    /// repeated deletion changes nothing. Records that were added and deleted
    /// leave no trace.
    #[test]
    fn order_and_grouping_do_not_matter(
        recipe in recipes(),
        places in prop::collection::vec(any::<Index>(), 3),
        order in Just(vec![0usize, 1, 2]).prop_shuffle(),
        cut in 1usize..3,
    ) {
        let records = recipe.records();
        let request: Vec<(u32, u32)> = places.iter().map(|place| pick(&records, place)).collect();
        let start = System::train(recipe.dataset().unwrap(), None).unwrap();
        let mut at_once = start.clone();
        at_once.forget(&request).unwrap();
        let mut in_parts = start.clone();
        let ordered: Vec<(u32, u32)> = order.iter().map(|&place| request[place]).collect();
        in_parts.forget(&ordered[..cut]).unwrap();
        in_parts.forget(&ordered[cut..]).unwrap();
        prop_assert_eq!(differences(&at_once.state(), &in_parts.state()).unwrap(), Vec::<String>::new());

        let before = at_once.state();
        prop_assert_eq!(at_once.forget(&request).unwrap(), (Vec::new(), 0));
        prop_assert_eq!(differences(&before, &at_once.state()).unwrap(), Vec::<String>::new());

        // A system that adds the records again, and deletes them again.
        let whole = start.dataset.interactions.all();
        let mut again = System::train(recipe.world_of(whole).unwrap(), None).unwrap();
        prop_assert_eq!(differences(&start.state(), &again.state()).unwrap(), Vec::<String>::new());
        again.forget(&request).unwrap();
        prop_assert_eq!(differences(&before, &again.state()).unwrap(), Vec::<String>::new());
    }

    /// A run that stops after every epoch and continues in a new trainer each
    /// time gives the result of an uninterrupted run.
    #[test]
    fn resumed_is_straight(recipe in recipes(), shard in any::<Index>()) {
        let dataset = recipe.dataset().unwrap();
        let shards = dataset.shards();
        let shard = shard.get(&shards);
        let straight = train_one(&dataset, shard).unwrap();
        let (mut checkpoint, mut losses): (Option<Vec<u8>>, Vec<f32>) = (None, Vec::new());
        for epoch in 0..dataset.config.epochs() {
            let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, shard, &cpu()).unwrap();
            if let Some(bytes) = &checkpoint {
                trainer.resume(bytes).unwrap();
            }
            prop_assert_eq!(trainer.epochs_done(), epoch);
            prop_assert_eq!(trainer.losses(), &losses[..]);
            losses.push(block_on(trainer.epoch(|_| ())).unwrap());
            checkpoint = Some(block_on(trainer.checkpoint()).unwrap());
        }
        let mut last = Trainer::new(&dataset.catalog, &dataset.config, shard, &cpu()).unwrap();
        last.resume(&checkpoint.unwrap()).unwrap();
        prop_assert!(last.is_done());
        prop_assert_eq!(hash(&block_on(last.finish().0.values()).unwrap()), hash(&straight));
    }

    /// The bytes of a shard depend neither on the number of threads nor on
    /// other shards that train meanwhile.
    #[test]
    fn threads_leave_no_trace(recipe in recipes(), shard in any::<Index>()) {
        let dataset = recipe.dataset().unwrap();
        let shards = dataset.shards();
        let shard = shard.get(&shards);
        let alone = hash(&on_threads(1, || train_one(&dataset, shard)).unwrap());
        for threads in 2..=4 {
            prop_assert_eq!(&hash(&on_threads(threads, || train_one(&dataset, shard)).unwrap()), &alone);
        }
        let beside = std::thread::scope(|scope| {
            let other = scope.spawn(|| train_all(&dataset, None));
            let own = train_one(&dataset, shard);
            other.join().unwrap().unwrap();
            own
        });
        prop_assert_eq!(&hash(&beside.unwrap()), &alone);
    }
}

/// The same with the widths of the paper and a large batch. Small tensors stay
/// on one thread in any pool; these are split among threads.
#[test]
fn threads_leave_no_trace_in_large_tensors() {
    let recipe = Recipe { users: 80, items: 1200, shards: 1, epochs: 1, ..Recipe::default() };
    let kinds = [(Meta::Maml, ModelConfig::default()), (Meta::None, ModelConfig::default())];
    let deep = [Meta::Maml, Meta::None].map(|meta| (meta, ModelConfig::default().deep_fm()));
    for (meta, model) in kinds.into_iter().chain(deep) {
        let mut config = Recipe { meta, ..recipe.clone() }.config();
        config.model = model;
        let dataset = Dataset::new(recipe.catalog().unwrap(), recipe.records(), config).unwrap().0;
        let shard = &dataset.shards()[0];
        let results = [1, 2, 3, 4].map(|threads| hash(&on_threads(threads, || train_one(&dataset, shard)).unwrap()));
        assert!(results.iter().all(|r| *r == results[0]), "{meta:?}: {results:?}");
    }
}

/// The same for models without user parameters: batches of many tiles, a kernel
/// of many users, weights between many items.
#[test]
fn threads_leave_no_trace_in_large_tensors_of_items() {
    let recipe = Recipe { users: 400, items: 300, shards: 1, by: ShardBy::Person, ..Recipe::default() };
    let many =
        EpisodesConfig { pieces_per_batch: 200, features: true, tower: Tower::Table, ..EpisodesConfig::default() };
    for (what, kind, episodes) in [
        ("table", ModelKind::Episodes, many.clone()),
        ("two steps and a map", ModelKind::Episodes, EpisodesConfig { steps: 2, tower: Tower::Map, ..many.clone() }),
        ("a sample", ModelKind::Episodes, EpisodesConfig { whole_catalogue: 100, negatives: 150, ..many.clone() }),
        ("kernel", ModelKind::Kernel, many.clone()),
        ("ease", ModelKind::Ease, many),
    ] {
        let mut config = Recipe { model: kind, ..recipe.clone() }.config();
        (config.episodes, config.kernel, config.train.epochs) = (episodes, KernelConfig::default(), 1);
        let dataset = Dataset::new(recipe.catalog().unwrap(), recipe.records(), config).unwrap().0;
        let shard = &dataset.shards()[0];
        let results = [1, 2, 3, 4].map(|threads| hash(&on_threads(threads, || train_one(&dataset, shard)).unwrap()));
        assert!(results.iter().all(|r| *r == results[0]), "{what}: {results:?}");
    }
}

/// P1 and P2 for every kind of record, with either hold-out.
#[test]
fn every_kind_of_record_is_forgotten() {
    let mut seen = BTreeSet::new();
    let (record, person) = (ShardBy::Record, ShardBy::Person);
    for (holdout, times, meta, model, by) in [
        (Holdout::None, Times::Tied, Meta::Maml, ModelKind::TwoTower, record),
        (Holdout::LeaveOneOut, Times::Absent, Meta::Maml, ModelKind::TwoTower, record),
        (Holdout::LeaveOneOut, Times::Spread, Meta::None, ModelKind::TwoTower, person),
        (Holdout::None, Times::Tied, Meta::Maml, ModelKind::DeepFm, record),
        (Holdout::LeaveOneOut, Times::Spread, Meta::Reptile, ModelKind::DeepFm, person),
        (Holdout::None, Times::Spread, Meta::Maml, ModelKind::Episodes, person),
        (Holdout::LeaveOneOut, Times::Tied, Meta::Maml, ModelKind::Episodes, person),
        (Holdout::None, Times::Absent, Meta::Maml, ModelKind::Episodes, record),
        (Holdout::None, Times::Absent, Meta::Maml, ModelKind::Kernel, person),
        (Holdout::LeaveOneOut, Times::Spread, Meta::Maml, ModelKind::Kernel, record),
        (Holdout::None, Times::Tied, Meta::Maml, ModelKind::Ease, person),
    ] {
        for seed in 0..4 {
            let shards = 2 + seed as u32;
            let recipe = Recipe { seed, holdout, times, meta, model, by, shards, ..Recipe::default() };
            let dataset = recipe.dataset().unwrap();
            for (kind, record) in telling(&dataset) {
                if !seen.insert((kind, holdout as u8, times as u8, model as u8, by as u8)) {
                    continue;
                }
                let found = p1(&recipe, &[record], None);
                assert!(found.is_empty(), "{kind} record {record:?} of {recipe:?}: {found:?}");
                assert!(p2(&recipe, &[record], None).is_empty(), "{kind} record {record:?} of {recipe:?}");
                let plan = unlearn::plan(&dataset, &[record]);
                match (holdout, kind) {
                    (Holdout::None, _) => assert_eq!(plan.shards, [dataset.shard_of(record.0, record.1)], "{kind}"),
                    // Only the shard of the second-last record loses a record
                    // to the hold-out.
                    (_, "test" | "validation") => assert!(plan.shards.len() <= 1, "{kind}"),
                    _ => {}
                }
            }
        }
    }
    let kinds: BTreeSet<&str> = seen.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds.len(), 8, "some kind of record was in no world: {kinds:?}");
    let of_histories = seen.iter().filter(|(.., model, _)| *model == ModelKind::Episodes as u8);
    let kinds: BTreeSet<&str> = of_histories.map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds.len(), 7, "some kind of record was in no history: {kinds:?}");
}

/// Searches seeds and records for one where `shows` holds.
fn witness(what: &str, base: &Recipe, shows: impl Fn(&Recipe, (u32, u32)) -> bool) {
    for seed in 0..if long() { 200 } else { 40 } {
        let recipe = Recipe { seed, ..base.clone() };
        for record in recipe.records().iter().take(3) {
            if shows(&recipe, (record.user, record.item)) {
                return;
            }
        }
    }
    panic!("{what}: no record of any world shows it; the test has no power");
}

#[test]
fn global_negatives_are_caught() {
    let base = Recipe { shards: 2, epochs: 3, ..Recipe::default() };
    let mistake = Some(Mistake::GlobalNegatives);
    witness("P2 under global negatives", &base, |recipe, record| !p2(recipe, &[record], mistake).is_empty());
    witness("P1 under global negatives", &base, |recipe, record| !p1(recipe, &[record], mistake).is_empty());
}

#[test]
fn shards_dealt_in_order_are_caught() {
    let mistake = Some(Mistake::OrderedSharding);
    witness("P2 under ordered sharding", &Recipe::default(), |r, record| !p2(r, &[record], mistake).is_empty());
    witness("P1 under ordered sharding", &Recipe::default(), |r, record| !p1(r, &[record], mistake).is_empty());
}

#[test]
fn a_shared_choice_of_epochs_is_caught() {
    let base = Recipe { holdout: Holdout::LeaveOneOut, epochs: 3, times: Times::Spread, ..Recipe::default() };
    let mistake = Some(Mistake::SharedEpochChoice);
    witness("P2 under a shared epoch", &base, |recipe, record| !p2(recipe, &[record], mistake).is_empty());
    witness("P1 under a shared epoch", &base, |recipe, record| !p1(recipe, &[record], mistake).is_empty());
}

#[test]
fn a_warm_start_is_caught() {
    let mistake = Some(Mistake::WarmStart);
    witness("P1 under a warm start", &Recipe::default(), |r, record| !p1(r, &[record], mistake).is_empty());
    witness("P3 under a warm start", &Recipe { shards: 2, ..Recipe::default() }, |recipe, record| {
        let start = System::train(recipe.dataset().unwrap(), None).unwrap();
        let warm = |requests: &[[(u32, u32); 1]]| {
            let mut system = System::train(start.dataset.clone(), mistake).unwrap();
            requests.iter().for_each(|request| drop(system.forget(request).unwrap()));
            system.state()
        };
        let shard = |r: &Interaction| start.dataset.shard_of(r.user, r.item);
        let own = start.dataset.shard_of(record.0, record.1);
        let other = recipe.records().into_iter().find(|r| (r.user, r.item) != record && shard(r) == own);
        let Some(other) = other.map(|r| (r.user, r.item)) else { return false };
        warm(&[[record], [other]]) != warm(&[[other], [record]])
    });
}

/// Ordered histories that are whole in their shard: the default deployment.
fn histories() -> Recipe {
    Recipe { model: ModelKind::Episodes, by: ShardBy::Person, times: Times::Spread, ..Recipe::default() }
}

#[test]
fn a_popularity_of_everybody_is_caught() {
    let mistake = Some(Mistake::SharedPopularity);
    witness("P2 under shared counts", &histories(), |r, record| !p2(r, &[record], mistake).is_empty());
    witness("P1 under shared counts", &histories(), |r, record| !p1(r, &[record], mistake).is_empty());
}

#[test]
fn a_fading_of_everybody_is_caught() {
    let mistake = Some(Mistake::SharedFading);
    witness("P2 under a shared fading", &histories(), |r, record| !p2(r, &[record], mistake).is_empty());
    witness("P1 under a shared fading", &histories(), |r, record| !p1(r, &[record], mistake).is_empty());
}

/// User indices do no harm while the table of users stays the same; a twin
/// without the deleted user reveals them.
#[test]
fn people_named_by_their_place_are_caught() {
    let mistake = Some(Mistake::NumberedPeople);
    witness("a forgotten person under numbers", &histories(), |recipe, record| {
        assert_eq!(account(recipe, record.0, None), Vec::<String>::new(), "{recipe:?}");
        assert_eq!(p1(recipe, &[record], mistake), Vec::<String>::new(), "{recipe:?}");
        !account(recipe, record.0, mistake).is_empty()
    });
}

/// Deleting a record in the middle of a history retrains its own shard only.
/// The user's list changes at once: the remaining shards of the mean give the
/// scores that they would have given without the record.
#[test]
fn the_middle_of_a_history_goes_at_once() {
    let mut moved = 0;
    for (seed, model) in (0..8).flat_map(|seed| OF_ITEMS.map(|model| (seed, model))) {
        let recipe = Recipe { seed, model, ..histories() };
        let before = System::train(recipe.dataset().unwrap(), None).unwrap();
        let dataset = &before.dataset;
        let Some(user) = (0..recipe.users).find(|&user| dataset.interactions.of(user).len() > 3) else { continue };
        let own = dataset.interactions.of(user);
        let record = (user, own[own.len() / 2].item);
        let shard = dataset.shard_of(user, record.1) as usize;
        let plan = unlearn::plan(dataset, &[record]);
        assert_eq!(plan.shards, [shard as u32]);
        let unmasked = plan.after;
        assert_eq!(dataset.shards()[shard].cells.len(), unmasked.shards()[shard].cells.len(), "the person stays");
        let list = |dataset: &Dataset, models: &[ShardModel]| {
            let models: Vec<(usize, &ShardModel)> = models.iter().enumerate().filter(|(s, _)| *s != shard).collect();
            let ranker = block_on(Ranker::new(&models, &dataset.key, &dataset.degrees, &dataset.config.adapt)).unwrap();
            let person = [dataset.person(user, History::All)];
            block_on(ranker.scores(&person, 0, false)).unwrap().remove(0).mean
        };
        // Nothing was trained yet: the models are the earlier ones.
        let at_once = list(&unmasked, &models(&before));
        moved += usize::from(at_once != list(dataset, &models(&before)));
        let twin = System::train(recipe.twin_without(&[record]).unwrap(), None).unwrap();
        assert_eq!(at_once, list(&twin.dataset, &models(&twin)), "{model:?} {seed}");
        let mut after = before.clone();
        assert_eq!(after.forget(&[record]).unwrap(), (vec![shard as u32], 1));
        let changed: Vec<usize> =
            (0..after.tensors.len()).filter(|&s| hash(&after.tensors[s]) != hash(&before.tensors[s])).collect();
        assert_eq!(changed, [shard], "{model:?} {seed}");
    }
    assert!(moved > 12, "the record counted in {moved} lists only");
}

#[test]
fn forgotten_moments_are_caught() {
    witness("resumption without moments", &Recipe::default(), |recipe, record| {
        let dataset = recipe.dataset().unwrap();
        let shards = dataset.shards();
        let shard = &shards[dataset.shard_of(record.0, record.1) as usize];
        let spoiled = block_on(mistakes::resume_without_moments(&dataset, shard, &cpu())).unwrap();
        hash(&spoiled) != hash(&train_one(&dataset, shard).unwrap())
    });
}

/// A record of another shard, of any role, changes no input of this shard: its
/// parameters are equal after each epoch.
#[test]
fn other_shards_change_no_batch() {
    let low_rank = (ModelKind::TwoTower, ShardBy::Record);
    let (whole, cut) = ((ModelKind::Episodes, ShardBy::Person), (ModelKind::Episodes, ShardBy::Record));
    for (seed, holdout, (model, by)) in [
        (3, Holdout::None, low_rank),
        (4, Holdout::LeaveOneOut, low_rank),
        (5, Holdout::None, whole),
        (6, Holdout::LeaveOneOut, whole),
        (7, Holdout::LeaveOneOut, cut),
    ] {
        let recipe = Recipe { seed, holdout, model, by, epochs: 3, ..Recipe::default() };
        let dataset = recipe.dataset().unwrap();
        for (kind, record) in telling(&dataset) {
            let plan = unlearn::plan(&dataset, &[record]);
            let after = plan.after;
            let (with, without) = (dataset.shards(), after.shards());
            for (a, b) in with.iter().zip(&without).filter(|(a, _)| !plan.shards.contains(&a.index)) {
                assert_eq!(a, b);
                let mut one = Trainer::new(&dataset.catalog, &dataset.config, a, &cpu()).unwrap();
                let mut two = Trainer::new(&after.catalog, &after.config, b, &cpu()).unwrap();
                while !one.is_done() {
                    let losses = (block_on(one.epoch(|_| ())).unwrap(), block_on(two.epoch(|_| ())).unwrap());
                    assert_eq!(losses.0.to_bits(), losses.1.to_bits(), "{kind}");
                    let values = |t: &Trainer<'_>| hash(&block_on(t.model().values()).unwrap());
                    assert_eq!(values(&one), values(&two), "{kind} record, shard {}", a.index);
                }
            }
        }
    }
}

/// A damaged checkpoint is refused, and the trainer is unchanged.
#[test]
fn damaged_checkpoints_change_nothing() {
    let low_rank = LOW_RANK.map(|kind| (1, kind));
    // The seeds cover every tower, with timestamps and shared negatives or
    // without.
    let episodes = (0..6).map(|seed| (seed, ModelKind::Episodes));
    let closed = [ModelKind::Kernel, ModelKind::Ease].map(|kind| (1, kind));
    for (seed, model) in low_rank.into_iter().chain(episodes).chain(closed) {
        damaged_checkpoints(&Recipe { seed, model, epochs: 3, ..Recipe::default() });
    }
}

fn damaged_checkpoints(recipe: &Recipe) {
    let dataset = recipe.dataset().unwrap();
    let shards = dataset.shards();
    let straight = hash(&train_one(&dataset, &shards[0]).unwrap());
    let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, &shards[0], &cpu()).unwrap();
    // A closed-form model has one epoch, so its early checkpoint is its initial
    // state.
    let closed = dataset.config.epochs() == 1;
    if !closed {
        block_on(trainer.epoch(|_| ())).unwrap();
    }
    let early = block_on(trainer.checkpoint()).unwrap();
    block_on(trainer.epoch(|_| ())).unwrap();
    let good = block_on(trainer.checkpoint()).unwrap();

    let head = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let with = |change: &dyn Fn(&mut TensorMap)| {
        let mut tensors = from_safetensors(&good[head..]).unwrap();
        change(&mut tensors);
        [&good[..head], &eemu_core::model::to_safetensors(&tensors).unwrap()].concat()
    };
    let mut damaged: Vec<Vec<u8>> = (0..good.len()).step_by(97).map(|end| good[..end].to_vec()).collect();
    damaged.push([&u64::MAX.to_le_bytes(), &good[8..]].concat());
    damaged.push([&good[..8], b"?", &good[9..]].concat());
    // Complete files of something else: the last tensor is missing or has
    // another shape, a tensor is extra, or moments are missing.
    let last = |t: &TensorMap, prefix: &str| t.keys().rfind(|k| k.starts_with(prefix)).unwrap().clone();
    for prefix in if closed { &["model/"][..] } else { &["model/", "first/", "second/"] } {
        damaged.push(with(&|t| drop(t.remove(&last(t, prefix)))));
        damaged.push(with(&|t| drop(t.insert(last(t, prefix), (vec![1, 1, 1], vec![0.0])))));
        damaged.push(with(&|t| drop(t.insert(format!("{prefix}of.nobody"), (vec![1], vec![0.0])))));
        // Every other value is damaged too: none of them may be loaded.
        damaged.push(with(&|t| {
            t.values_mut().for_each(|(_, values)| values.fill(7.0));
            t.remove(&last(t, prefix));
        }));
    }
    let mut fresh = Trainer::new(&dataset.catalog, &dataset.config, &shards[0], &cpu()).unwrap();
    fresh.resume(&early).unwrap();
    for (number, bytes) in damaged.iter().enumerate() {
        assert!(fresh.resume(bytes).is_err(), "damage {number} of {:?} was taken for good", recipe.model);
        assert!(block_on(fresh.checkpoint()).unwrap() == early, "damage {number} left a trace");
    }
    fresh.resume(&good).unwrap();
    while !fresh.is_done() {
        block_on(fresh.epoch(|_| ())).unwrap();
    }
    assert_eq!(hash(&block_on(fresh.finish().0.values()).unwrap()), straight);
}

/// Deleting a user retrains every shard that trains on their records, and no
/// other.
#[test]
fn a_user_goes_from_every_shard() {
    for (seed, holdout) in [(1, Holdout::None), (2, Holdout::LeaveOneOut)] {
        let recipe = Recipe { seed, holdout, users: 6, shards: 4, ..Recipe::default() };
        let dataset = recipe.dataset().unwrap();
        let user = (0..6).max_by_key(|&u| dataset.interactions.of(u).len()).unwrap();
        let all = unlearn::everything_of(&dataset, user);
        let plan = unlearn::plan(&dataset, &all);
        let of_user: Vec<u32> =
            dataset.shards().iter().filter(|s| s.cells.iter().any(|c| c.user == user)).map(|s| s.index).collect();
        assert_eq!(plan.shards, of_user);
        assert_eq!(plan.removed.len(), all.len());
        assert!(p1(&recipe, &all, None).is_empty() && p2(&recipe, &all, None).is_empty());
        // Their rows have the initial values, which depend on no records.
        let mut system = System::train(dataset, None).unwrap();
        system.forget(&all).unwrap();
        for (shard, tensors) in (0..).zip(&system.tensors) {
            let start = Recommender::new(
                &system.dataset.catalog,
                &system.dataset.config.model,
                &system.dataset.key,
                shard,
                &cpu(),
            )
            .unwrap();
            let start = block_on(start.parameters().values()).unwrap();
            assert_eq!(row(tensors, user), row(&start, user), "shard {shard}");
        }
    }
}

/// With sharding by user, an account lies in one shard. A model without user
/// parameters keeps no user row with either sharding.
#[test]
fn a_user_goes_from_a_model_of_items() {
    let cases =
        [(ShardBy::Person, Holdout::None), (ShardBy::Person, Holdout::LeaveOneOut), (ShardBy::Record, Holdout::None)];
    for (model, (by, holdout)) in OF_ITEMS.into_iter().flat_map(|model| cases.map(|case| (model, case))) {
        let recipe = Recipe { seed: 3, holdout, by, model, users: 6, shards: 4, ..Recipe::default() };
        let dataset = recipe.dataset().unwrap();
        let user = (0..6).max_by_key(|&u| dataset.interactions.of(u).len()).unwrap();
        let all = unlearn::everything_of(&dataset, user);
        let plan = unlearn::plan(&dataset, &all);
        let of_user: Vec<u32> =
            dataset.shards().iter().filter(|s| s.cells.iter().any(|c| c.user == user)).map(|s| s.index).collect();
        assert_eq!(plan.shards, of_user);
        if by == ShardBy::Person {
            assert_eq!(plan.shards.len(), 1, "{model:?}: an account is in one shard");
        } else {
            assert!(plan.shards.len() > 1, "this world says nothing");
        }
        assert_eq!(plan.removed.len(), all.len());
        assert!(p1(&recipe, &all, None).is_empty() && p2(&recipe, &all, None).is_empty());
        let people = dataset.catalog.users.len();
        for tensors in System::train(dataset, None).unwrap().tensors {
            let mut of_people = tensors.iter().filter(|(name, (shape, _))| name.contains("user") || shape[0] == people);
            assert!(of_people.next().is_none(), "{model:?}: {:?}", tensors.keys());
        }
    }
}

/// A user's own row of the user table; the first row is for unknown users.
fn row(tensors: &TensorMap, user: u32) -> &[f32] {
    let (shape, values) = &tensors["user.id.table"];
    &values[(user as usize + 1) * shape[1]..][..shape[1]]
}

/// A user admitted later changes no tensor of others, and gets an initial row.
#[test]
fn the_admitted_change_nothing() {
    let (record, person) = (ShardBy::Record, ShardBy::Person);
    for (meta, model, by) in [
        (Meta::Maml, ModelKind::TwoTower, record),
        (Meta::None, ModelKind::TwoTower, person),
        (Meta::Maml, ModelKind::DeepFm, record),
        (Meta::Maml, ModelKind::Episodes, person),
        (Meta::Maml, ModelKind::Kernel, person),
        (Meta::Maml, ModelKind::Ease, person),
    ] {
        let recipe = Recipe { meta, model, by, ..Recipe::default() };
        let dataset = recipe.dataset().unwrap();
        let mut larger = recipe.catalog().unwrap();
        let features = [Some("v1".to_owned()), Some("v0 v4".to_owned()), None];
        let new = larger.users.append("newcomer", &features, &dataset.key).unwrap();
        let grown = Dataset::new(larger, recipe.records(), recipe.config()).unwrap().0;
        for (own, other) in dataset.shards().iter().zip(&grown.shards()) {
            assert_eq!(
                input_hash(&dataset.catalog, &dataset.config, own),
                input_hash(&grown.catalog, &grown.config, other)
            );
            let (before, after) = (train_one(&dataset, own).unwrap(), train_one(&grown, other).unwrap());
            let start = ShardModel::new(&grown.catalog, &grown.config, &grown.key, own.index, &cpu()).unwrap();
            if !model.is_of_items() {
                let initial = block_on(start.values()).unwrap();
                assert_eq!(row(&after, new), row(&initial, new));
            }
            // The store does the same with a model from before the admission.
            let (shared, rows) = split_user_rows(before);
            assert_eq!(rows.is_empty(), model.is_of_items());
            let joined = block_on(join_user_rows(shared, rows, &start, &grown.catalog.items)).unwrap();
            assert_eq!(hash(&joined), hash(&after));
        }
    }
}

/// A browser has the public files and one user's row. Its scores for that user
/// equal the server's, adapted or not.
#[test]
fn a_clients_model_is_the_servers() {
    for kind in LOW_RANK {
        let dataset = Recipe { shards: 1, model: kind, ..Recipe::default() }.dataset().unwrap();
        let (config, user) = (&dataset.config.model, 3);
        let tensors = train_one(&dataset, &dataset.shards()[0]).unwrap();
        let shared = client_tensors(&tensors, config);
        assert_eq!(shared[USER_ROWS].0, [1, config.width], "the unknown row and nobody's own");
        let row = own_row(&tensors, config, user).unwrap();
        let catalog = client_catalog(&dataset.catalog, &dataset.config, &[user]);
        let client = client_model(&catalog, &dataset.config, 0, shared, &[row], &cpu()).unwrap();
        let mut server = Recommender::new(&dataset.catalog, config, &dataset.key, 0, &cpu()).unwrap();
        server.parameters_mut().set(&tensors).unwrap();
        let scores = |model: &Recommender, task: Task, steps| {
            let adapted = block_on(model.inner_steps(std::slice::from_ref(&task), 0.2, steps)).unwrap();
            block_on(model.scores(&model.item_base(), &[task.user], &adapted)).unwrap()
        };
        let own = task(&dataset, user);
        let here = Task { user: EntityRef::Known(0), ..own.clone() };
        for steps in [0, 1, 2] {
            let client = client.low_rank().unwrap();
            assert_eq!(scores(client, here.clone(), steps), scores(&server, own.clone(), steps), "{kind:?} {steps}");
        }
    }
}

/// The public files alone give the server's model if it has no user parameters.
/// Users with equal histories get equal scores, known or not, and nothing about
/// users is published.
#[test]
fn a_clients_model_of_items_is_the_servers() {
    for (kind, seed) in OF_ITEMS.into_iter().flat_map(|kind| (0..6).map(move |seed| (kind, seed))) {
        let recipe = Recipe { seed, shards: 2, by: ShardBy::Person, model: kind, ..Recipe::default() };
        let system = System::train(recipe.dataset().unwrap(), None).unwrap();
        let (dataset, server) = (&system.dataset, models(&system));
        let catalog = client_catalog(&dataset.catalog, &dataset.config, &[]);
        assert!(catalog.users.is_empty() && catalog.users.columns.is_empty(), "nothing is said of people");
        let client: Vec<ShardModel> = (0..)
            .zip(&system.tensors)
            .map(|(shard, tensors)| {
                let shared = client_tensors(tensors, &dataset.config.model);
                assert_eq!(&shared, tensors, "nothing is held back");
                assert!(own_row(tensors, &dataset.config.model, 3).unwrap().is_empty());
                client_model(&catalog, &dataset.config, shard, shared, &[], &cpu()).unwrap()
            })
            .collect();
        let known = dataset.person(3, History::All);
        let stranger = client_person(&dataset.config, None, &[false; 2], known.history.clone());
        for (size, steps) in [(0, 1), (2, 1), (1000, 1), (1000, 2)] {
            let adapt = AdaptConfig { size, steps, ..dataset.config.adapt.clone() };
            let scores = |models: &[ShardModel], person: &UserContext| {
                let models: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
                let ranker = block_on(Ranker::new(&models, &dataset.key, &dataset.degrees, &adapt)).unwrap();
                block_on(ranker.scores(std::slice::from_ref(person), 0, false)).unwrap().remove(0).mean
            };
            assert_eq!(scores(&client, &stranger), scores(&server, &known), "{kind:?} {size} {steps}");
        }
    }
}

/// Neither deletions nor new users change the shape of a model. In paper mode
/// too, where a table has an unknown row only if some value is blank.
#[test]
fn blanked_and_admitted_people_keep_shapes() {
    let recipe = Recipe::default();
    let config = Config { holdout: Holdout::None, ..recipe.config().paper() };
    let mut catalog = recipe.catalog().unwrap();
    let mut columns = catalog.users.columns.to_vec();
    for column in &mut columns {
        if let Values::Token { rows, .. } = &mut column.values {
            rows.iter_mut().for_each(|value| *value %= 3);
        }
    }
    catalog.users = Entities::new(catalog.users.ids.into_iter().collect(), Vec::new(), columns).unwrap();
    let shapes = |catalog: &Catalog| {
        let dataset = Dataset::new(catalog.clone(), recipe.records(), config.clone()).unwrap().0;
        let model = Recommender::new(&dataset.catalog, &dataset.config.model, &dataset.key, 0, &cpu()).unwrap();
        let tables = model.parameters().shapes().filter(|(name, _)| *name != "user.id.table");
        tables.map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect::<Vec<_>>()
    };
    let before = shapes(&catalog);
    let mut blanked = catalog.clone();
    blanked.users.blank(2, "deleted-0".into());
    assert_eq!(shapes(&blanked), before, "a deleted account");
    let mut grown = catalog.clone();
    grown.users.append("newcomer", &[None, None, None], &recipe.dataset().unwrap().key).unwrap();
    assert_eq!(shapes(&grown), before, "a person with a blank");
    // Such a model has no row for the blank: it returns an error instead of
    // another row.
    let dataset = Dataset::new(grown, recipe.records(), config).unwrap().0;
    let model = Recommender::new(&dataset.catalog, &dataset.config.model, &dataset.key, 0, &cpu()).unwrap();
    assert!(model.check_row(EntityRef::Known(0)).is_ok());
    assert!(model.check_row(EntityRef::Known(recipe.users)).is_err());
}

/// The order of users in a batch changes nothing beyond rounding.
#[test]
fn order_inside_a_batch_is_rounding() {
    LOW_RANK.into_iter().for_each(order_inside_a_batch);
}

fn order_inside_a_batch(model: ModelKind) {
    let recipe = Recipe { users: 9, shards: 1, model, ..Recipe::default() };
    let dataset = recipe.dataset().unwrap();
    let model = Recommender::new(&dataset.catalog, &dataset.config.model, &dataset.key, 0, &cpu()).unwrap();
    let tasks: Vec<Task> = (0..9).map(|user| task(&dataset, user)).collect();
    let gradient = |tasks: &[Task]| {
        let adapted = block_on(model.inner_steps(tasks, 0.1, 1)).unwrap();
        let (outer, losses) = block_on(model.outer_gradient(tasks, &adapted, 1.0 / 9.0)).unwrap();
        (block_on(outer.values()).unwrap(), losses)
    };
    let (one, losses) = gradient(&tasks);
    let order = [4, 0, 8, 2, 6, 1, 7, 3, 5];
    let (two, permuted) = gradient(&order.map(|place| tasks[place].clone()));
    for (place, &from) in order.iter().enumerate() {
        assert!((permuted[place] - losses[from]).abs() <= 1e-5 * (1.0 + losses[from].abs()));
    }
    for (name, (_, values)) in &one {
        let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let apart = values.iter().zip(&two[name].1).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(apart <= 1e-5 * largest.max(1e-3), "{name}: {apart} of {largest}");
    }
}

/// A few pairs of a user: the user's items against items that the user does not
/// have.
fn task(dataset: &Dataset, user: u32) -> Task {
    let own = dataset.items(user, Role::Train);
    let others: Vec<u32> = (0..dataset.degrees.len() as u32).filter(|item| !own.contains(item)).collect();
    let pairs = own.iter().zip(others.iter().cycle()).map(|(&positive, &negative)| Pair { positive, negative });
    Task { user: EntityRef::Known(user), pairs: pairs.collect() }
}

/// A trained system's models, in shard order.
fn models(system: &System) -> Vec<ShardModel> {
    let dataset = &system.dataset;
    let model = |(shard, tensors)| {
        let mut model = ShardModel::new(&dataset.catalog, &dataset.config, &dataset.key, shard, &cpu()).unwrap();
        model.set(tensors).unwrap();
        model
    };
    (0..).zip(&system.tensors).map(model).collect()
}

/// The trained models of a dataset.
fn trained(dataset: &Dataset) -> Vec<ShardModel> {
    let trained = |shard| block_on(train(&dataset.catalog, &dataset.config, &shard, &cpu())).unwrap().0;
    dataset.shards().into_iter().map(trained).collect()
}

fn ranked_scores(dataset: &Dataset, models: &[ShardModel], size: usize) -> Vec<Vec<f32>> {
    let adapt = AdaptConfig { size, step: 0.1, ..dataset.config.adapt.clone() };
    let models: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let ranker = block_on(Ranker::new(&models, &dataset.key, &dataset.degrees, &adapt)).unwrap();
    let people: Vec<_> = (0..dataset.interactions.users()).map(|u| dataset.person(u, History::All)).collect();
    block_on(ranker.scores(&people, 0, false)).unwrap().into_iter().map(|s| s.mean).collect()
}

/// A mean over one shard equals the unsharded model. An empty adaptation set
/// changes nothing. Requests leave theta unchanged.
#[test]
fn trivial_ensembles_are_trivial() {
    LOW_RANK.into_iter().for_each(trivial_ensembles);
}

fn trivial_ensembles(model: ModelKind) {
    let one = Recipe { shards: 1, users: 6, model, ..Recipe::default() }.dataset().unwrap();
    let single = trained(&one);
    assert_eq!(one.shards()[0].len(), one.interactions.len(), "one shard holds every record");
    let rows: Vec<EntityRef> = (0..6).map(|u| one.person(u, History::All).rows[0]).collect();
    let plain = single[0].low_rank().unwrap();
    let plain = block_on(plain.scores(&plain.item_base(), &rows, &AdaptedParams::none(6))).unwrap();
    assert_eq!(ranked_scores(&one, &single, 0), plain);

    let dataset = Recipe { shards: 3, users: 6, model, ..Recipe::default() }.dataset().unwrap();
    let models = trained(&dataset);
    let hashes = || models.iter().map(|m| hash(&block_on(m.values()).unwrap())).collect::<Vec<_>>();
    let before = hashes();
    let mut mean = vec![vec![0.0f32; dataset.degrees.len()]; 6];
    for (shard, model) in models.iter().enumerate() {
        let rows: Vec<EntityRef> = (0..6).map(|u| dataset.person(u, History::All).rows[shard]).collect();
        let model = model.low_rank().unwrap();
        let scores = block_on(model.scores(&model.item_base(), &rows, &AdaptedParams::none(6))).unwrap();
        for (mean, score) in mean.iter_mut().flatten().zip(scores.iter().flatten()) {
            *mean += score;
        }
    }
    mean.iter_mut().flatten().for_each(|m| *m *= 1.0 / 3.0);
    assert_eq!(ranked_scores(&dataset, &models, 0), mean);
    assert_ne!(ranked_scores(&dataset, &models, 7), mean, "adaptation must do something");
    assert_eq!(ranked_scores(&dataset, &models, 7), ranked_scores(&dataset, &models, 7));
    assert_eq!(hashes(), before, "a request changed theta");
}

/// Pairs whose margin is satisfied do not change the model, alone or beside a
/// task that does.
#[test]
fn zero_loss_adapts_nothing() {
    LOW_RANK.into_iter().for_each(zero_loss);
}

fn zero_loss(kind: ModelKind) {
    let mut dataset = Recipe { shards: 1, users: 6, epochs: 3, model: kind, ..Recipe::default() }.dataset().unwrap();
    dataset.config.model.margin = 1e-3;
    let trained = trained(&dataset);
    let model = trained[0].low_rank().unwrap();
    let (base, row) = (model.item_base(), EntityRef::Known(0));
    let scores = |tasks: &[Task], steps| {
        let adapted = block_on(model.inner_steps(tasks, 0.5, steps)).unwrap();
        let rows: Vec<EntityRef> = tasks.iter().map(|t| t.user).collect();
        (block_on(model.scores(&base, &rows, &adapted)).unwrap(), adapted.losses)
    };
    let plain = block_on(model.scores(&base, &[row], &AdaptedParams::none(1))).unwrap().remove(0);
    let order = top_k(&plain, &[], plain.len());
    let (best, worst) = (order[0].item, order[order.len() - 1].item);
    let right = Task { user: row, pairs: vec![Pair { positive: best, negative: worst }; 3] };
    let wrong = Task { user: EntityRef::Known(1), pairs: vec![Pair { positive: worst, negative: best }; 2] };
    let nothing = Task { user: row, pairs: Vec::new() };
    let near = |scores: &[f32]| scores.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-6);
    let (alone, losses) = scores(std::slice::from_ref(&right), 1);
    assert_eq!((&alone[0], losses[0]), (&plain, 0.0));
    // A second step computes the same numbers in another way.
    assert!(near(&scores(std::slice::from_ref(&right), 2).0[0]));
    let (beside, losses) = scores(&[wrong.clone(), right, nothing], 2);
    assert_eq!(losses[1..], [0.0, 0.0]);
    assert!(losses[0] > 0.0);
    assert!(beside[1..].iter().all(|still| near(still)), "{beside:?} {plain:?}");
    let moved = block_on(model.scores(&base, &[wrong.user], &AdaptedParams::none(1))).unwrap();
    assert_ne!(beside[0], moved[0]);
}

/// Two groups whose interactions stay within the group. The right answer is
/// known, so it must be learned with and without meta-learning, adapted or not.
#[test]
fn a_checkerboard_is_learned() {
    let side = |kind: &str, count: u32| {
        Entities::new((0..count).map(|n| format!("{kind}{n}")).collect(), Vec::new(), Vec::new()).unwrap()
    };
    let catalog = Catalog { dataset: "board".into(), version: 1, users: side("u", 240), items: side("i", 20) };
    // Every user has eight of the ten items of their group; two are to be
    // found.
    let mut stream = Key::from_seed(1).stream("board", &[]);
    let mut records = Vec::new();
    for user in 0..240 {
        let mut items: Vec<u32> = (0..10).map(|n| user % 2 + 2 * n).collect();
        stream.choose(&mut items, 8);
        records.extend(items[..8].iter().map(|&item| Interaction { user, item, timestamp: None }));
    }
    for meta in [Meta::Maml, Meta::None] {
        let mut config = Recipe { meta, shards: 2, epochs: 15, ..Recipe::default() }.config();
        let model = &mut config.model;
        (model.width, model.output, model.table_scale) = (8, 8, 0.1);
        (model.user_hidden, model.item_hidden) = (vec![16], vec![16]);
        // Theta itself must learn user embeddings too, through the plain
        // support loss.
        config.train.support_weight = 1.0;
        (config.train.unknown_share, config.train.unnamed_share) = (0.0, 0.0);
        let dataset = Dataset::new(catalog.clone(), records.clone(), config).unwrap().0;
        let models = trained(&dataset);
        for size in [0, 7] {
            let mut wrong = Vec::new();
            for (user, scores) in (0u32..).zip(ranked_scores(&dataset, &models, size)) {
                let top = top_k(&scores, dataset.person(user, History::All).history.items(), 2);
                wrong.extend(top.iter().filter(|r| r.item % 2 != user % 2).map(|r| (user, r.item)));
            }
            // No errors occur here. Two of several hundred are allowed for the
            // rounding of other processors; chance would give ten of twelve.
            assert!(wrong.len() <= 2, "{meta:?}, {size} adapted: {wrong:?}");
        }
    }
}

/// Rule 11: an attacker who knows all other records and the seed can train with
/// and without a candidate record. A receipt contains nothing that the attacker
/// can compute from either. The secrets of the live version open the receipt's
/// commitments, and are deleted with that version.
#[test]
fn receipts_say_nothing_about_membership() {
    let recipe = Recipe { users: 6, shards: 2, ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let (device, quiet) = (cpu(), Progress::new(true));
    let imported =
        Imported { catalog: recipe.catalog().unwrap(), records: recipe.records(), report: ImportReport::default() };
    let mut deployment = Deployment::create(&dir.path().join("run"), &imported, &recipe.config(), false).unwrap();
    train_shards(&deployment, &[0, 1], &device, 1, &quiet, false).unwrap();
    let dataset = deployment.dataset.clone();
    let of_shard = |s| {
        recipe
            .records()
            .iter()
            .map(|r| (r.user, r.item))
            .filter(|r| dataset.shard_of(r.0, r.1) == s)
            .collect::<Vec<_>>()
    };
    let (candidate, next) = (of_shard(1)[0], of_shard(1)[1]);

    let done = forget(&mut deployment, &Request::of(&[candidate]), &device, 1, &quiet).unwrap();
    let receipt = done.receipt.unwrap();
    let text = deployment.state.receipts().unwrap()[0].json.clone();
    assert_eq!(text, serde_json::to_string(&receipt).unwrap());
    let live = deployment.state.live(1).unwrap().unwrap();
    let statement = &receipt.shards[0];
    assert_eq!((statement.shard, statement.version), (1, live.version));
    assert_eq!(statement.model_commitment, commitment(&live.nonce.0, live.model_blake3.as_bytes()));
    assert_eq!(statement.data_commitment, commitment(&live.salt.0, &live.input_hash));

    // The values that the attacker can compute.
    let without = recipe.twin_without(&[candidate]).unwrap();
    assert_eq!(hash(&train_one(&without, &without.shards()[1]).unwrap()), live.model_blake3, "the guess is a good one");
    let mut computable = vec![receipt.config_blake3.clone()];
    for dataset in [&dataset, &without] {
        let shard = &dataset.shards()[1];
        let input = input_hash(&dataset.catalog, &dataset.config, shard);
        let model = hash(&train_one(dataset, shard).unwrap());
        computable.extend([model, hex(&input), hex(&shard.hash(&dataset.catalog))]);
    }
    computable.push(hex(&live.input_hash));
    let ids = [&dataset.catalog.users.ids[candidate.0 as usize], &dataset.catalog.items.ids[candidate.1 as usize]];
    let record = dataset.key.hash("record", &ids.map(|id| id.as_bytes()));
    computable.extend([hex(&record), hex(&record[..16])]);
    computable.extend(ids.map(|id| id.to_owned()));
    let known_keys = [
        [0; 32],
        *blake3::hash(b"").as_bytes(),
        *blake3::hash(&recipe.seed.to_le_bytes()).as_bytes(),
        *blake3::hash(receipt.config_blake3.as_bytes()).as_bytes(),
        dataset.key.hash("nonce", &[]),
        dataset.key.hash("salt", &[]),
        live.input_hash,
        record,
    ];
    let hits = |text: &str| -> Vec<String> {
        let mut found = Vec::new();
        // The hash of the configuration is public, and is part of the receipt.
        for value in &computable[1..] {
            let raw: Vec<u8> = (0..value.len() / 2)
                .filter_map(|n| u8::from_str_radix(value.get(2 * n..2 * n + 2)?, 16).ok())
                .collect();
            for value in [value.as_bytes(), &raw].into_iter().filter(|v| v.len() > 3) {
                let mut forms =
                    vec![String::from_utf8_lossy(value).into_owned(), hex(value), hex(blake3::hash(value).as_bytes())];
                forms.extend(known_keys.iter().map(|key| commitment(key, value)));
                found.extend(forms.into_iter().filter(|form| text.contains(form.as_str())));
            }
        }
        found
    };
    assert_eq!(hits(&text), Vec::<String>::new());
    // The search does detect such values.
    for wrong in [
        live.model_blake3.clone(),
        commitment(&[0; 32], &live.input_hash),
        commitment(&known_keys[4], live.model_blake3.as_bytes()),
        ids[1].clone(),
    ] {
        let leaky = text.replace(&statement.model_commitment, &wrong);
        assert!(!hits(&leaky).is_empty(), "{wrong} was overlooked");
    }

    // After another deletion in that shard, the commitments of the first
    // receipt cannot be opened.
    forget(&mut deployment, &Request::of(&[next]), &device, 1, &quiet).unwrap();
    let now = deployment.state.live(1).unwrap().unwrap();
    assert!(now.nonce.0 != live.nonce.0 && now.salt.0 != live.salt.0);
    drop(deployment);
    let mut files = 0;
    for folder in [dir.path().join("run"), dir.path().join("run/models")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() {
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|w| w == wanted);
            for secret in [&live.nonce.0, &live.salt.0] {
                assert!(!holds(secret) && !holds(hex(secret).as_bytes()), "{} keeps a secret", path.display());
            }
            if path.ends_with("eemu.sqlite") {
                assert!(holds(&now.nonce.0), "the search must find the live secret");
            }
        }
    }
    assert!(files >= 6);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Two states are compared value by value, and the tensor and index are named.
#[test]
fn differences_name_the_place() {
    let system = System::train(Recipe::default().dataset().unwrap(), None).unwrap();
    let state = system.state();
    let with = |change: &dyn Fn(&mut Vec<TensorMap>)| {
        let mut tensors = system.tensors.clone();
        change(&mut tensors);
        differences(&state, &LearnedState::new(&system.dataset, tensors)).unwrap()
    };
    assert_eq!(with(&|_| ()), Vec::<String>::new());
    assert_eq!(
        with(&|t| t[1].get_mut("item.id.table").unwrap().1[5] += 1e-7),
        ["shard 1: item.id.table (1 of 68 values)"]
    );
    // Equal numbers can have different bytes.
    let zero = |t: &mut Vec<TensorMap>, value: f32| t[0].get_mut("user.id.table").unwrap().1[2] = value;
    let signed = |value: f32| {
        let mut tensors = system.tensors.clone();
        zero(&mut tensors, value);
        LearnedState::new(&system.dataset, tensors)
    };
    assert_eq!(differences(&signed(0.0), &signed(-0.0)).unwrap().len(), 1);
    assert_eq!(with(&|t| drop(t[2].remove("user.id.table"))), ["shard 2: user.id.table (shape)"]);
    assert_eq!(with(&|t| drop(t[2].insert("x".into(), (vec![1], vec![0.0])))), ["shard 2: x (extra)"]);
    assert_eq!(with(&|t| drop(t.pop())), ["3 shards, and 2"]);
    let record = Recipe::default().records()[0];
    let fewer = Recipe::default().twin_without(&[(record.user, record.item)]).unwrap();
    let fewer = LearnedState::new(&fewer, system.tensors.clone());
    assert_eq!(differences(&state, &fewer).unwrap(), ["records", "degrees"]);
}

/// Production code does not name the deliberate mistakes.
#[test]
fn production_names_no_mistake() {
    fn walk(folder: &Path, found: &mut Vec<String>, seen: &mut usize) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // This command and the Lab exist to show the mistakes.
            if name.starts_with("reproduce") || path.ends_with("app/src/lab") {
                continue;
            }
            if path.is_dir() {
                walk(&path, found, seen);
            } else if name.ends_with(".rs") {
                *seen += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                found.extend(
                    text.lines().filter(|l| l.contains("mistakes")).map(|l| format!("{}: {l}", path.display())),
                );
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut found, mut seen) = (Vec::new(), 0);
    for room in ["server", "app", "web"] {
        walk(&root.join(room).join("src"), &mut found, &mut seen);
    }
    assert!(seen > 20, "only {seen} files were looked at");
    assert!(found.is_empty(), "{found:#?}");
}

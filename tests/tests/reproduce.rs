//! `eemu reproduce`: the degenerate cases of its parts, and the command itself
//! on the built-in data, interrupted and continued.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use eemu_core::adapt::UserContext;
use eemu_core::aggregate::{Aggregator, AttentionConfig, Effort, FitConfig, Mean, Method, Seen, Vectors};
use eemu_core::cluster::{KMeans, cluster_users, scores_by_cluster};
use eemu_core::config::{AdaptConfig, Meta, TrainConfig};
use eemu_core::data::Holdout;
use eemu_core::dataset::{Dataset, History};
use eemu_core::flops::Costs;
use eemu_core::model::{ModelConfig, ModelKind};
use eemu_core::recommend::Ranker;
use eemu_core::shard_model::ShardModel;
use eemu_server::deployment::Deployment;
use eemu_server::store::Access;
use eemu_tests::command::{done, text};
use eemu_tests::program;
use eemu_tests::worlds::{Recipe, System, cpu};
use pollster::block_on;
use serde_json::Value;

fn models(system: &System) -> Vec<ShardModel> {
    let dataset = &system.dataset;
    (0u32..)
        .zip(&system.tensors)
        .map(|(shard, tensors)| {
            let mut model = ShardModel::new(&dataset.catalog, &dataset.config, &dataset.key, shard, &cpu()).unwrap();
            model.set(tensors).unwrap();
            model
        })
        .collect()
}

const MODELS: [ModelKind; 2] = [ModelKind::TwoTower, ModelKind::DeepFm];

fn system(shards: u32, model: ModelKind) -> (System, Vec<ShardModel>) {
    let recipe = Recipe { users: 12, shards, holdout: Holdout::LeaveOneOut, model, ..Recipe::default() };
    let system = System::train(recipe.dataset().unwrap(), None).unwrap();
    let models = models(&system);
    (system, models)
}

fn everybody(dataset: &Dataset) -> Vec<UserContext> {
    (0..dataset.interactions.users()).map(|user| dataset.person(user, History::Training)).collect()
}

/// Adapted scores of all users by the exact batch mode.
fn exact(dataset: &Dataset, models: &[ShardModel], adapt: &AdaptConfig) -> Vec<Vec<f32>> {
    let numbered: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let ranker = block_on(Ranker::new(&numbered, &dataset.key, &dataset.degrees, adapt)).unwrap();
    block_on(ranker.scores(&everybody(dataset), 0, false)).unwrap().into_iter().map(|s| s.mean).collect()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
}

/// All pairs and no weight decay, so that every record counts.
fn effort() -> Effort {
    let attention = AttentionConfig { epochs: 1, batch: 8, ..AttentionConfig::default() };
    let simplex = FitConfig { share: 1.0, penalty: 0.0, epochs: 5, ..FitConfig::default() };
    Effort { attention, simplex, ..Effort::default() }
}

/// With one shard every method that blends scores ranks as that shard does,
/// which equals RETRAIN.
#[test]
fn one_shard_is_retrain() {
    MODELS.into_iter().for_each(one_shard_is_retrain_with);
}

fn one_shard_is_retrain_with(model: ModelKind) {
    let (system, models) = system(1, model);
    let dataset = &system.dataset;
    let vectors = block_on(Vectors::of(dataset, &models)).unwrap();
    let masked = [];
    for method in Method::ALL.into_iter().filter(|m| *m != Method::RecEraser) {
        let blend = block_on(method.fitted(dataset, &vectors, &effort(), &cpu())).unwrap();
        for user in 0..dataset.interactions.users() {
            let scores = block_on(vectors.scores(user)).unwrap();
            let seen = Seen { user, masked: &masked, counts: &[3], scores: &scores };
            let blended = blend.combine_for(&seen).unwrap();
            let order = |scores: &[f32]| {
                let mut items: Vec<usize> = (0..scores.len()).collect();
                items.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
                items
            };
            // A negative logistic weight would reverse the order.
            if method == Method::UltraRe {
                let up = scores[0].iter().zip(&blended).all(|(a, b)| a.signum() == b.signum());
                let down = scores[0].iter().zip(&blended).all(|(a, b)| a.signum() == -b.signum());
                assert!(up || down, "{user}");
                continue;
            }
            assert_eq!(order(&blended), order(&scores[0]), "{} {user}", method.name());
        }
    }
}

/// Both ways to compute unadapted scores agree, and adaptation of size 0
/// changes nothing.
#[test]
fn no_adaptation_set_is_no_adaptation() {
    MODELS.into_iter().for_each(no_adaptation_set_is_no_adaptation_with);
}

fn no_adaptation_set_is_no_adaptation_with(model: ModelKind) {
    let (system, models) = system(3, model);
    let dataset = &system.dataset;
    let vectors = block_on(Vectors::of(dataset, &models)).unwrap();
    let none = AdaptConfig { size: 0, ..dataset.config.adapt.clone() };
    let adapted = exact(dataset, &models, &dataset.config.adapt);
    let mut moved = 0;
    for ((user, plain), adapted) in (0..).zip(exact(dataset, &models, &none)).zip(adapted) {
        assert!(close(&plain, &Mean.combine(&block_on(vectors.scores(user)).unwrap()).unwrap()), "{user}");
        moved += usize::from(!close(&plain, &adapted));
    }
    assert!(moved > 0, "adaptation moved nobody, so that size 0 changes nothing says nothing");
}

/// With one cluster per user, clustered adaptation equals Algorithm 2 for each
/// user; with one cluster for all users it does not.
#[test]
fn as_many_clusters_as_users_is_one_by_one() {
    MODELS.into_iter().for_each(as_many_clusters_as_users_is_one_by_one_with);
}

fn as_many_clusters_as_users_is_one_by_one_with(model: ModelKind) {
    let (system, models) = system(3, model);
    let dataset = &system.dataset;
    let vectors = block_on(Vectors::of(dataset, &models)).unwrap();
    let users = dataset.interactions.users() as usize;
    let clusters = cluster_users(dataset, &vectors, KMeans { clusters: users, starts: 1, iterations: 9 }).unwrap();
    let people = everybody(dataset);
    let adapt = &dataset.config.adapt;
    let one_by_one = exact(dataset, &models, adapt);
    for members in clusters.users.members() {
        let [user] = members[..] else { panic!("{members:?}") };
        let own = std::slice::from_ref(&people[user as usize]);
        let scores = block_on(scores_by_cluster(dataset, &models, adapt, own, own)).unwrap();
        assert!(close(&scores[0], &one_by_one[user as usize]), "{user}");
    }
    let together = block_on(scores_by_cluster(dataset, &models, adapt, &people, &people)).unwrap();
    assert!(together.iter().zip(&one_by_one).any(|(a, b)| !close(a, b)));
    // The adapted models are unchanged.
    assert_eq!(vectors.shards, block_on(Vectors::of(dataset, &models)).unwrap().shards);
}

/// After a deletion the clusters, and every newly fitted aggregator, equal
/// those of a system that never had the record. An old fitted aggregator
/// differs for some record.
#[test]
fn clusters_and_aggregators_are_exact_when_made_anew_and_not_when_kept() {
    MODELS.into_iter().for_each(made_anew_is_exact_and_kept_is_not);
}

fn made_anew_is_exact_and_kept_is_not(model: ModelKind) {
    let recipe = Recipe { users: 12, model, ..Recipe::default() };
    let config = KMeans { clusters: 3, starts: 2, iterations: 20 };
    let fit = |dataset: &Dataset, models: &[ShardModel], method: Method| {
        let vectors = block_on(Vectors::of(dataset, models)).unwrap();
        let blend = block_on(method.fitted(dataset, &vectors, &effort(), &cpu())).unwrap();
        let scores = block_on(vectors.scores(0)).unwrap();
        let counts = vec![1; scores.len()];
        blend.combine_for(&Seen { user: 0, masked: &[], counts: &counts, scores: &scores }).unwrap()
    };
    let mut kept_was_wrong: BTreeMap<Method, bool> = BTreeMap::new();
    for record in recipe.records().iter().step_by(9).take(4) {
        let gone = [(record.user, record.item)];
        let mut system = System::train(recipe.dataset().unwrap(), None).unwrap();
        let before = models(&system);
        let vectors = block_on(Vectors::of(&system.dataset, &before)).unwrap();
        let old: Vec<_> = Method::ALL
            .into_iter()
            .map(|m| (m, block_on(m.fitted(&system.dataset, &vectors, &effort(), &cpu())).unwrap()))
            .collect();
        system.forget(&gone).unwrap();
        let after = models(&system);
        let twin = System::train(recipe.twin_without(&gone).unwrap(), None).unwrap();
        let twin_models = models(&twin);
        let of = |dataset, models: &[ShardModel]| {
            cluster_users(dataset, &block_on(Vectors::of(dataset, models)).unwrap(), config).unwrap()
        };
        assert_eq!(of(&system.dataset, &after), of(&twin.dataset, &twin_models));
        for (method, old) in old {
            let anew = fit(&system.dataset, &after, method);
            assert_eq!(anew, fit(&twin.dataset, &twin_models, method), "{}", method.name());
            let scores = block_on(block_on(Vectors::of(&system.dataset, &after)).unwrap().scores(0)).unwrap();
            let counts = vec![1; scores.len()];
            let kept = old.combine_for(&Seen { user: 0, masked: &[], counts: &counts, scores: &scores }).unwrap();
            *kept_was_wrong.entry(method).or_default() |= kept != anew;
        }
    }
    for (method, wrong) in kept_was_wrong {
        assert_eq!(wrong, method.exact().is_none(), "{}: kept as it was", method.name());
    }
}

/// DeepFM's parts on the features of MovieLens-1M, counted by hand: each side's
/// half of the first layer, and the upper layers, which unadapted requests run
/// too.
#[test]
fn deep_fm_costs_by_hand() {
    let costs = Costs::new(&ModelConfig::paper().deep_fm(), 4, 4, 402);
    let above = 512 * 256 + 256 * 128 + 128 * 64 + 64 + 5 * (512 + 256 + 128 + 64);
    assert_eq!((costs.user, costs.item), (4 * 96 * 512, 4 * 96 * 512 + above));
    assert_eq!(costs.honest_request(1000, 8), 8 * (costs.user + 1000 * (97 + above)));
    // Two towers keep their vectors: a request costs dot products only.
    let towers = Costs::new(&ModelConfig::paper(), 4, 4, 402);
    assert_eq!(towers.honest_request(1000, 8), 8 * (towers.user + 1000 * 128));
}

/// Fitted aggregators belong to `reproduce` and to lessons; the service names
/// none.
#[test]
fn what_serves_names_no_fitted_aggregator() {
    fn walk(folder: &Path, found: &mut Vec<String>, seen: &mut usize) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("reproduce") {
                continue;
            }
            if path.is_dir() {
                walk(&path, found, seen);
            } else if path.extension().is_some_and(|e| e == "rs") {
                *seen += 1;
                let text = fs::read_to_string(&path).unwrap();
                found.extend(text.lines().filter(|l| l.contains("aggregate::")).map(|l| format!("{path:?}: {l}")));
            }
        }
    }
    let (mut found, mut seen) = (Vec::new(), 0);
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src"), &mut found, &mut seen);
    assert!(seen > 20, "only {seen} files were looked at");
    assert!(found.is_empty(), "{found:#?}");
}

/// Atomic files of 40 users with 12 of 60 items each.
fn data(folder: &Path) {
    let mut lines = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
    for user in 0..40 {
        for step in 0..12 {
            lines.push_str(&format!("u{user}\ti{}\t{step}\n", (user * 7 + step * (1 + user % 3)) % 60));
        }
    }
    fs::create_dir_all(folder.join("tiny")).unwrap();
    fs::write(folder.join("tiny/tiny.inter"), lines).unwrap();
}

fn reproduce(what: &str, out: &Path, more: &[&str]) -> String {
    let tiny = [
        "model.width=4",
        "model.user_hidden=[6]",
        "model.item_hidden=[6]",
        "model.output=4",
        "train.epochs=1",
        "train.users_per_batch=64",
    ];
    let mut command = Command::new(program().unwrap());
    command.args(["reproduce", what, "--quick", "--users", "24", "--out"]).arg(out);
    command.args(tiny.iter().flat_map(|set| ["--set", set])).args(more);
    command.args(["--datasets", "tiny", "--data"]).arg(out);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn rows(out: &Path) -> BTreeMap<String, Value> {
    fs::read_dir(out.join("rows"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
        })
        .collect()
}

/// Runs all measurements on narrow models of a tiny dataset. Then a row is
/// lost, another is truncated, and the run continues to the same figures.
#[test]
fn everything_runs_resumes_and_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    data(out);
    reproduce("all", out, &["--seeds", "1", "--reference"]);
    reproduce("second-order", out, &[]);
    // Its models are separate from those of first order.
    let trained = |learning: &str| {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names = fs::read_dir(out.join("rows")).unwrap().map(name);
        let found = names.find(|name| name.contains(learning) && name.contains("-train-")).unwrap();
        found.rsplit_once('-').unwrap().1.to_owned()
    };
    assert_ne!(trained("-maml-8-"), trained("-second-order-8-"));
    for name in [
        "table2", "table3", "table4", "table5", "table6", "table7", "table8", "table9", "table10", "fig3", "fig4",
        "fig5",
    ]
    .into_iter()
    .chain(["fig6", "fig7", "fig7d", "eq8", "entropy", "second-order"])
    {
        let text = fs::read_to_string(out.join(format!("{name}.md"))).unwrap();
        assert!(text.starts_with("# ") && text.contains("| --- |"), "{name}: {text}");
        let csv = fs::read_to_string(out.join(format!("{name}.csv"))).unwrap();
        assert!(csv.lines().count() >= 2, "{name}: {csv}");
    }
    for plot in ["fig3-ml-1m", "fig4", "fig5-shards-hr10", "fig6", "fig7-quality", "fig7-speed"] {
        assert!(fs::read_to_string(out.join(format!("{plot}.svg"))).unwrap().starts_with("<svg"), "{plot}");
    }
    let before = rows(out);
    let named = |part: &str| before.iter().find(|(name, _)| name.contains(part)).unwrap();
    let ranks = |row: &Value, result: &str| row["ranks"][result].clone();
    // RETRAIN equals the mean over its one shard.
    let (_, retrain) = named("-ordinary-1-frozen");
    assert_eq!(ranks(retrain, "Mean"), ranks(retrain, "shard 0"));
    let (_, standard) = named("-ordinary-8-frozen");
    let (_, deep) = named("-ordinary-deepfm-8-frozen");
    assert_eq!(
        (&deep["config"]["model"]["kind"], &standard["config"]["model"]["kind"]),
        (&"deepfm".into(), &Value::Null)
    );
    for method in Method::ALL {
        for row in [standard, deep] {
            assert_eq!(row["ranks"][method.name()]["users"], 24, "{}", method.name());
        }
    }
    assert_ne!(deep["ranks"], standard["ranks"]);

    // The table has the dynamics of the published code in a row of its own,
    // apart from EEMU.
    let table = fs::read_to_string(out.join("table3.md")).unwrap();
    assert!(table.contains("| published code |") && table.contains("| EEMU |"), "{table}");
    named("-published-8-sign-step");

    // One row is lost, and one was truncated by a kill.
    let (lost, served) = named("-maml-8-adapted-7-");
    fs::remove_file(out.join("rows").join(lost)).unwrap();
    let (cut, _) = named("-ordinary-1-frozen");
    fs::write(out.join("rows").join(cut), "{\"unit\": \"comp").unwrap();
    let said = reproduce("table3", out, &[]);
    assert!(said.contains("[1/2]") && said.contains("[2/2]") && !said.contains("[3/"), "{said}");
    let after = rows(out);
    assert_eq!(after[lost]["ranks"], served["ranks"]);
    assert_eq!(after[cut]["ranks"], retrain["ranks"]);
    assert!(!reproduce("table3", out, &[]).contains("[1/"));
    // The same without the models.
    fs::remove_file(out.join("rows").join(lost)).unwrap();
    fs::remove_dir_all(out.join("models")).unwrap();
    reproduce("table7", out, &[]);
    assert_eq!(rows(out)[lost]["ranks"], served["ranks"]);
}

/// `--profile deployed` measures the paper's models with the settings of `train
/// --model two-tower`, and adapts those that were not trained for adaptation
/// alike.
#[test]
fn the_deployed_profile_is_what_a_state_chooses() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    data(out);
    reproduce("table3", out, &["--profile", "deployed"]);
    let rows = rows(out);
    let row = |part: &str| rows.iter().find(|(name, _)| name.contains(part)).unwrap().1;
    let state = out.join("state");
    let (tiny, state) = (out.join("tiny"), text(&state));
    done(&["import", "--holdout", "leave-one-out", "--seed", "1", "--data", text(&tiny), "--state", state], &[]);
    let dataset = Deployment::open(Path::new(state), Access::Read).unwrap().dataset;
    let chosen = dataset.config.clone().low_rank(dataset.popularity.is_timed());
    // Settings changed by `--quick`, the tiny model and the method itself are
    // ignored.
    let train = |mut train: TrainConfig| {
        (train.epochs, train.users_per_batch, train.outer_step) = (1, 1, 1.0);
        (train.meta, train.shards) = (Meta::Maml, 1);
        train
    };
    for ensemble in ["-maml-8-deployed-", "-ordinary-8-deployed-", "-ordinary-1-deployed-"] {
        let config = &row(ensemble)["config"];
        let adapt: AdaptConfig = serde_json::from_value(config["adapt"].clone()).unwrap();
        assert_eq!(adapt, chosen.adapt, "{ensemble}");
        let own: TrainConfig = serde_json::from_value(config["train"].clone()).unwrap();
        assert_eq!(train(own), train(chosen.train.clone()), "{ensemble}");
    }
    assert_ne!(row("-ordinary-8-deployed-")["ranks"]["Mean"], row("-ordinary-8-frozen-")["ranks"]["Mean"]);
    let table = fs::read_to_string(out.join("table3.md")).unwrap();
    assert!(table.contains("| RETRAIN, adapted alike |") && table.contains("--profile deployed"), "{table}");
}

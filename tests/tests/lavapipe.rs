//! The default model and the older ones on native WebGPU, held against the
//! processor. Mesa's software Vulkan will do: `cargo xtask test --step lavapipe`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eemu_core::config::Config;
use eemu_core::data::{Catalog, Entities, Holdout};
use eemu_core::model::TensorMap;
use eemu_core::random::Key;
use eemu_core::shard::{ShardData, UserSlice};
use eemu_core::tensor::{Device, reads};
use eemu_core::train::Trainer;
use eemu_server::deployment::Deployment;
use eemu_server::device::{DeviceChoice, cpu, open};
use eemu_server::store::Access;
use eemu_tests::command::{done, run, text};
use eemu_tests::{copy, golden};
use pollster::block_on;
use serde_json::Value;

/// How far a trained tensor may be from the processor's, of its norm: of the
/// default model, and of the paper's, whose hinge has a kink.
const TRAINED: f64 = 1e-5;
const WITH_A_HINGE: f64 = 1e-2;
/// How far a measure of quality may be.
const MEASURED: f64 = 0.01;
/// How far a score of a list may be, of one model on both devices.
const SCORED: f64 = 1e-4;
/// Launches that a batch of the default model may have; docs/scale.md says how
/// many it has.
const LAUNCHES: f64 = 400.0;

fn device() -> Device {
    open(DeviceChoice::Wgpu).unwrap()
}

#[test]
fn golden_cases_on_the_device() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let cases = golden::run_folder(&folder, &device()).unwrap();
    for (file, worst) in &cases {
        println!("{file}: {:.1e} ({})", worst.error, worst.quantity);
        assert!(worst.error < golden::TOLERANCE, "{file}: {worst:?}");
    }
    assert_eq!(cases.len(), 4);
}

/// 240 people whose records follow their taste: eight groups of twenty items.
fn histories(people: usize) -> Vec<Vec<u32>> {
    (0..people)
        .map(|person| {
            let mut stream = Key::from_seed(4).stream("a history", &[&person.to_le_bytes()]);
            let mut own: Vec<u32> = (0..20).map(|n| (person % 8 * 20) as u32 + n).collect();
            let mut others: Vec<u32> = (0..160).filter(|item| !own.contains(item)).collect();
            stream.choose(&mut own, 14);
            stream.choose(&mut others, 8);
            let mut all = [&own[..14], &others[..8]].concat();
            stream.shuffle(&mut all);
            all
        })
        .collect()
}

fn data(dir: &Path) -> PathBuf {
    let mut lines = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
    for (person, items) in histories(240).iter().enumerate() {
        for (time, item) in items.iter().enumerate() {
            lines += &format!("p{person:03}\ti{item:03}\t{time}\n");
        }
    }
    let file = dir.join("tastes.inter");
    fs::write(&file, lines).unwrap();
    file
}

fn tensors(state: &Path) -> Vec<TensorMap> {
    let deployment = Deployment::open(state, Access::Read).unwrap();
    deployment.models(&cpu()).unwrap().iter().map(|model| block_on(model.values()).unwrap()).collect()
}

fn apart(found: &[f32], expected: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    assert_eq!(found.len(), expected.len());
    let difference = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    difference / norm(&mut expected.iter().copied()).max(1e-3)
}

/// Trains a state by the command on the processor and on the device, and holds
/// models, quality and lists together. Tensors differ by no more than `allowed`,
/// and HR@10 is more than `least`.
fn trained_alike(name: &str, flags: &[&str], allowed: f64, least: f64) {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("cpu"), dir.path().join("wgpu"));
    done(&["import", "--data", text(&data(dir.path())), "--state", text(&here), "--seed", "7"], &[]);
    copy(&here, &there).unwrap();
    for (state, device) in [(&here, "cpu"), (&there, "wgpu")] {
        done(&[&["train", "--state", text(state), "--device", device, "--quiet"], flags].concat(), &[]);
    }
    let (expected, found) = (tensors(&here), tensors(&there));
    let mut worst = BTreeMap::new();
    for (found, expected) in found.iter().zip(&expected) {
        for (tensor, (_, values)) in expected {
            let own = apart(&found[tensor].1, values);
            let most: &mut f64 = worst.entry(tensor.clone()).or_default();
            *most = most.max(own);
        }
    }
    println!("{name}: {worst:?}");
    assert!(!worst.is_empty() && worst.values().all(|error| *error < allowed), "{name}: {worst:?}");

    // The device's own models, measured by each; and the processor's.
    let measured = |state: &Path, device: &str| {
        done(&["evaluate", "--state", text(state), "--device", device, "--json", "--quiet"], &[])
    };
    let all = [measured(&here, "cpu"), measured(&there, "cpu"), measured(&there, "wgpu")];
    let hr = all.each_ref().map(|measured| measured["hr@10"].as_f64().unwrap());
    println!("{name}: HR@10 {hr:?}");
    assert!(hr[0] > least, "{:?}", all[0]);
    assert!(hr.iter().all(|own| (own - hr[0]).abs() <= MEASURED), "{hr:?}");
    for person in ["p000", "p017", "p239"] {
        let list = |state: &Path, device: &str| -> Vec<(String, f64)> {
            let listed =
                done(&["recommend", "--state", text(state), "--device", device, "--user", person, "--json"], &[]);
            let items = listed["items"].as_array().unwrap_or_else(|| panic!("{listed}")).clone();
            let one = |item: &Value| (item["item_id"].as_str().unwrap().to_owned(), item["score"].as_f64().unwrap());
            items.iter().map(one).collect()
        };
        let (expected, found) = (list(&there, "cpu"), list(&there, "wgpu"));
        assert_eq!(expected.len(), found.len());
        assert!(expected.len() >= 10);
        for ((item, score), (_, other)) in expected.iter().zip(&found) {
            assert!((score - other).abs() < SCORED, "{person}, {item}: {score} {other}");
        }
        let same = expected.iter().filter(|(item, _)| found.iter().any(|(other, _)| other == item)).count();
        assert!(same + 1 >= expected.len(), "{person}: {expected:?} {found:?}");
    }
}

#[test]
fn the_default_model_trains_alike() {
    trained_alike("default", &["--shards", "2", "--epochs", "4", "--set", "episodes.width=16"], TRAINED, 0.3);
}

#[test]
fn a_sampled_catalogue_trains_alike() {
    let sampled = ["episodes.width=16", "episodes.whole_catalogue=50", "episodes.negatives=40"];
    let flags: Vec<&str> = sampled.iter().flat_map(|set| ["--set", set]).collect();
    trained_alike("sampled", &[&["--shards", "2", "--epochs", "3"], &flags[..]].concat(), TRAINED, 0.3);
}

#[test]
fn the_papers_model_trains_alike() {
    trained_alike("paper", &["--shards", "2", "--epochs", "2", "--profile", "paper"], WITH_A_HINGE, 0.05);
}

#[test]
fn the_device_gives_the_same_bytes_twice() {
    let (catalog, config, shard) = shard(4);
    let train = || {
        let device = device();
        let mut trainer = Trainer::new(&catalog, &config, &shard, &device).unwrap();
        (0..2).for_each(|_| assert!(block_on(trainer.epoch(|_| ())).unwrap().is_finite()));
        block_on(trainer.model().values()).unwrap()
    };
    assert_eq!(train(), train());
}

/// A shard of people with 22 records each; `batches` of them.
fn shard(batches: usize) -> (Catalog, Config, ShardData) {
    let mut config = Config::fitting(Holdout::None, true);
    config.train.epochs = 2;
    let people = batches * config.episodes.pieces_per_batch;
    let side = |kind: &str, count: usize| {
        Entities::new((0..count).map(|n| format!("{kind}{n:03}")).collect(), Vec::new(), Vec::new()).unwrap()
    };
    let catalog = Catalog { dataset: "tastes".into(), version: 1, users: side("p", people), items: side("i", 160) };
    let cells =
        (0..).zip(histories(people)).map(|(user, support)| UserSlice { user, support, query: Vec::new() }).collect();
    (catalog, config, ShardData { index: 0, cells })
}

/// The number of epochs that [`epochs_that_are_counted`] trains.
const COUNTED: &str = "EEMU_COUNTED_EPOCHS";

/// Works only in the process that the test below starts, which logs every
/// launch.
#[test]
fn epochs_that_are_counted() {
    let Ok(epochs) = std::env::var(COUNTED) else { return };
    let epochs: usize = epochs.parse().unwrap();
    let (catalog, config, shard) = shard(6);
    let mut trainer = Trainer::new(&catalog, &config, &shard, &device()).unwrap();
    for _ in 0..epochs {
        let before = reads();
        let (mut batches, mut last) = (0, 0.0);
        block_on(trainer.epoch(|done| {
            batches += 1;
            last = done;
        }))
        .unwrap();
        assert_eq!((batches, last), (6, 1.0));
        println!("reads {}", reads() - before);
    }
}

/// An epoch reads once, its loss. CubeCL's log has a line for each program that
/// it launches; what a driver makes of one, and copies to the device, are not
/// in it.
#[test]
fn an_epoch_reads_once_and_launches_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let counted = |epochs: usize| {
        let log = dir.path().join(format!("{epochs}.log"));
        let settings = format!("[profiling]\nlogger = {{ level = \"minimal\", file = {log:?} }}\n");
        fs::write(dir.path().join("cubecl.toml"), settings).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "epochs_that_are_counted", "--nocapture"]).current_dir(dir.path());
        let output = child.env(COUNTED, epochs.to_string()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let reads: Vec<u64> =
            said.lines().filter_map(|line| line.strip_prefix("reads ")).map(|n| n.parse().unwrap()).collect();
        assert_eq!(reads.len(), epochs);
        assert!(reads.iter().all(|reads| *reads == 1), "{reads:?}");
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for line in fs::read_to_string(&log).unwrap().lines() {
            *names.entry(line.to_owned()).or_default() += 1;
        }
        names
    };
    let (one, two) = (counted(1), counted(2));
    let total = |names: &BTreeMap<String, usize>| names.values().sum::<usize>();
    let launches = (total(&two) - total(&one)) as f64 / 6.0;
    for (name, count) in &two {
        println!("{:>6.1} {name}", (count - one.get(name).unwrap_or(&0)) as f64 / 6.0);
    }
    println!("{launches:.1} launches a batch, 1 read an epoch");
    assert!(launches > 20.0 && launches < LAUNCHES, "{launches}");
}

/// A device that is not there is a sentence, not a panic.
#[test]
fn a_missing_device_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    done(&["import", "--data", text(&data(dir.path())), "--state", text(&state)], &[]);
    let nothing = [("VK_ICD_FILENAMES", "/nowhere.json"), ("VK_DRIVER_FILES", "/nowhere.json")];
    let (code, _, said) = run(&["train", "--state", text(&state), "--device", "wgpu", "--quiet"], &nothing);
    assert_eq!(code, Some(2));
    assert!(said.contains("no WebGPU adapter answered"), "{said}");
}

//! The files under `deploy/` name only settings, commands and metrics that
//! exist.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eemu_core::data::Holdout;
use eemu_server::serve::settings::{Given, read, settle};
use eemu_tests::service::Place;
use eemu_tests::worlds::Recipe;
use serde_json::{Value, json};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The words of a text that begin with `mark`.
fn words(text: &str, mark: &str, letter: impl Fn(char) -> bool) -> BTreeSet<String> {
    let starts = text.match_indices(mark).filter(|(at, _)| !text[..*at].ends_with(|c: char| letter(c) || c == '/'));
    starts.map(|(at, _)| text[at..].chars().take_while(|c| letter(*c)).collect()).collect()
}

/// Every metric in the dashboard and the alerts is exported by the service, and
/// every exported metric is shown.
#[test]
fn dashboard_and_alerts_read_what_there_is() {
    // Quality is exported once it is measured, which takes held-out records.
    let recipe = Recipe { users: 40, holdout: Holdout::LeaveOneOut, ..Recipe::default() };
    let place = Place::new(&recipe).unwrap();
    place.get("/api/v1/manifest", "");
    let metrics = || String::from_utf8(place.get("/metrics", &place.operator).bytes).unwrap();
    let began = Instant::now();
    while !metrics().contains("eemu_quality_best") {
        assert!(began.elapsed() < Duration::from_secs(60), "quality was not measured");
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = metrics();
    let exported: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect();
    let mut shown = BTreeSet::new();
    for file in ["grafana/eemu.json", "prometheus/alerts.yaml", "prometheus/alerts.test.yaml"] {
        let text = fs::read_to_string(deploy().join(file)).unwrap();
        for name in words(&text, "eemu_", |c| c.is_ascii_lowercase() || c == '_') {
            assert!(exported.contains(&name), "{file} reads {name}, which the service does not export");
            shown.insert(name);
        }
    }
    let family =
        |name: &str| name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count").to_owned();
    let shown: BTreeSet<String> = shown.iter().map(|name| family(name)).collect();
    for name in exported {
        assert!(shown.contains(&family(&name)), "{name} is neither in the dashboard nor in an alert");
    }
    let board: Value = serde_json::from_str(&fs::read_to_string(deploy().join("grafana/eemu.json")).unwrap()).unwrap();
    let panels = board["panels"].as_array().unwrap();
    assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string() && panel["title"].is_string()));
}

/// Every environment variable is one that a command reads, every settings file
/// is valid, and every flag belongs to the command that gets it.
#[test]
fn files_name_settings_that_there_are() {
    fn variables(command: &clap::Command, found: &mut BTreeSet<String>) {
        found.extend(command.get_arguments().filter_map(|a| a.get_env()).map(|v| v.to_str().unwrap().to_owned()));
        command.get_subcommands().for_each(|sub| variables(sub, found));
    }
    // No flag reads these: a secret, and what a pod is told of itself.
    let unflagged = ["EEMU_LOG_KEY", "EEMU_POD_NAME", "EEMU_POD_UID", "EEMU_POD_NAMESPACE"];
    let mut known: BTreeSet<String> = unflagged.map(str::to_owned).into();
    variables(&eemu_server::cli::command(), &mut known);
    let mut all = Vec::new();
    files(&deploy(), &mut all);
    let mut named = 0;
    for file in &all {
        let text = fs::read_to_string(file).unwrap();
        for name in words(&text, "EEMU_", |c| c.is_ascii_uppercase() || c == '_') {
            assert!(known.contains(&name), "{} names {name}, which no command reads", file.display());
            named += 1;
        }
        assert!(text.ends_with('\n') && !text.contains('\t'), "{}", file.display());
    }
    assert!(named >= 6, "{named}");
    let toml = |file: &str| settle(&Given::default(), &read(&deploy().join(file)).unwrap()).unwrap();
    assert!(toml("systemd/eemu.toml").listen.ip().is_loopback());
    for unit in ["eemu.service", "eemu@.service"] {
        let text = fs::read_to_string(deploy().join("systemd").join(unit)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
        eemu_server::cli::command().try_get_matches_from(line.split(' ')).unwrap();
        for hard in [
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "CapabilityBoundingSet=\n",
            "UMask=0077",
            "SystemCallFilter=",
        ] {
            assert!(text.contains(hard), "{unit}: {hard}");
        }
    }
}

/// The image does not run as root, and its steps are pinned to this toolchain.
#[test]
fn the_image_is_of_this_toolchain() {
    let file = fs::read_to_string(deploy().join("Dockerfile")).unwrap();
    let manifest = fs::read_to_string(deploy().join("../Cargo.toml")).unwrap();
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap().trim_end_matches('"');
    assert!(file.contains(&format!("FROM rust:{version}-")), "the image builds with another Rust than {version}");
    let users: Vec<&str> = file.lines().filter(|line| line.starts_with("USER ")).collect();
    assert_eq!(users, ["USER 10001:10001"]);
    assert!(file.lines().filter(|line| line.starts_with("FROM ")).all(|line| line.contains(" AS ")));
    // The health check requests a route that exists.
    let place = Place::new(&Recipe::default()).unwrap();
    assert!(file.contains("GET /readyz ") && place.get("/readyz", "").status == 200);
    assert_eq!(place.get("/readyz", "").json()["status"], json!("ok"));
}

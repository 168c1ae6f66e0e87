//! `test` and `check`: their steps, in order.

use crate::report::{End, Report};
use crate::{
    Outcome, book, clients, deploy, firefox, fuzz, golden, lavapipe, moto, place, run, slurm, trunk, wasm, web, words,
};

/// The feature with the tests that need a browser; everything else builds without it.
pub(crate) const BROWSER_TESTS: &str = "eemu-tests/browser";

/// Compiles the tests that need a PostgreSQL server.
pub(crate) const POSTGRES_TESTS: &str = "eemu-tests/postgres";

/// `test`: everything; with `--all` also the long steps; single steps with `--step
/// NAME`.
pub(crate) fn run(args: &[String]) -> Outcome {
    let (mut all, mut chosen, mut rest) = (false, Vec::new(), args.iter());
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--all" => all = true,
            "--step" => chosen.push(rest.next().ok_or("`--step` wants the name of a step after it")?.clone()),
            other => return Err(format!("`{other}` is not understood here; known: --all, --step NAME")),
        }
    }
    test(all, chosen)
}

/// Runs all steps; the long ones with `all` or when chosen by name.
fn test(all: bool, chosen: Vec<String>) -> Outcome {
    let all = all || !chosen.is_empty();
    let mut report = Report::of(chosen);
    report.step("fmt", fmt);
    report.step("clippy", clippy);
    let built = report.step("build", || cargo(&["build", "--workspace"]));
    if built {
        report.step("tests", || tests(&[], all));
        report.step("postgres", || postgres(all));
        report.step("golden", || run::pass(&mut golden::command(&place::root().join(golden::DIR))?));
        report.step("docs", docs);
        if report.step("web", build_web) {
            report.step("browser", || browser(all));
            if all {
                report.step("firefox", firefox::step);
                report.step("trunk", trunk::step);
            }
        } else {
            for name in if all { &["browser", "firefox", "trunk"][..] } else { &["browser"] } {
                report.skip(name, "the app was not built");
            }
        }
        if all {
            report.step("fuzz", fuzz::step);
            report.step("moto", moto::step);
            report.step("slurm", slurm::step);
            report.step("clients", clients::python);
            report.step("snippets", clients::snippets);
            report.step("deploy", deploy::step);
            report.step("book", book::step);
            report.step("words", words::spelling);
            report.step("licences", words::licences);
            report.step("cuda", || cargo(&["check", "--workspace", "--features", "eemu-server/cuda"]));
            report.step("lavapipe", lavapipe::step);
            report.step("wgpu", || {
                cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--features",
                    lavapipe::TESTS,
                    "--",
                    "-D",
                    "warnings",
                ])
            });
        }
    } else {
        for name in ["tests", "postgres", "golden", "docs", "web", "browser"] {
            report.skip(name, "the build failed");
        }
    }
    report.all_known()?;
    Ok(report.finish(in_ci()))
}

/// Runs the quick steps; stops at the first failure.
pub(crate) fn check() -> Outcome {
    let mut report = Report::default();
    let _ = report.step("fmt", fmt)
        && report.step("clippy", clippy)
        && report.step("check", || cargo(&["check", "--workspace", "--all-targets"]));
    Ok(report.finish(in_ci()))
}

fn fmt() -> End {
    if let Err(why) = component("fmt", "rustfmt") {
        return End::NotRun(why);
    }
    cargo(&["fmt", "--all", "--check"]).map_err(|why| format!("{why}; `cargo fmt --all` mends it")).into()
}

fn clippy() -> End {
    if let Err(why) = component("clippy", "clippy") {
        return End::NotRun(why);
    }
    let features = format!("{BROWSER_TESTS},{POSTGRES_TESTS},{},{},{}", moto::TESTS, deploy::TESTS, slurm::TESTS);
    cargo(&["clippy", "--workspace", "--all-targets", "--features", &features, "--", "-D", "warnings"]).into()
}

/// Runs the tests that these arguments choose: all of them without arguments.
fn tests(more: &[&str], all: bool) -> Result<(), String> {
    let mut command = run::cargo(&[&["test", "--workspace", "--no-fail-fast"], more].concat())?;
    if all {
        // Long tests read this variable, and return at once without it.
        command.env("EEMU_LONG", "1");
    }
    run::pass(&mut command)
}

/// Whether tests can have a PostgreSQL server, from the system's packages.
pub(crate) fn has_postgres() -> bool {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let there = debian.map(|entry| entry.path().join("bin/initdb")).any(|program| program.is_file());
    std::env::var_os("EEMU_TEST_POSTGRES").is_some() || there || run::answers(run::program("initdb").arg("--version"))
}

/// The promises on PostgreSQL.
fn postgres(all: bool) -> End {
    if !has_postgres() {
        return End::NotRun(
            "`initdb` is not installed; Debian's package is postgresql (or set EEMU_TEST_POSTGRES)".into(),
        );
    }
    let mut chosen = vec!["--features", POSTGRES_TESTS];
    for name in ["server_postgres", "server_postgres_places", "server_postgres_parts"] {
        chosen.extend(["--test", name]);
    }
    tests(&chosen, all).into()
}

fn docs() -> Result<(), String> {
    run::pass(run::cargo(&["doc", "--workspace", "--no-deps"])?.env("RUSTDOCFLAGS", "-D warnings"))
}

fn build_web() -> End {
    if let Err(why) = wasm::ensure() {
        return End::NotRun(why);
    }
    web::build().into()
}

/// Runs the app in a real browser. Browser and driver come from the system, not from
/// cargo.
fn browser(all: bool) -> End {
    for (program, package) in [("chromedriver", "chromium-driver"), ("chromium", "chromium")] {
        if !run::answers(run::program(program).arg("--version")) {
            return End::NotRun(format!("`{program}` is not installed; Debian's package is {package}"));
        }
    }
    let mut chosen = vec!["--features", BROWSER_TESTS];
    for name in [
        "web_golden",
        "web_gpu",
        "web_lab",
        "web_lesson",
        "web_access",
        "web_for_you",
        "web_default_model",
        "web_first",
        "web_promise",
        "web_refused",
        "web_service_access",
        "web_operate",
        "web_faults",
        "web_journeys",
        "web_languages",
    ] {
        chosen.extend(["--test", name]);
    }
    tests(&chosen, all).into()
}

fn cargo(args: &[&str]) -> Result<(), String> {
    run::pass(&mut run::cargo(args)?)
}

/// Installs a cargo subcommand that is a component of the toolchain.
fn component(subcommand: &str, name: &str) -> Result<(), String> {
    let there = || run::cargo(&[subcommand, "--version"]).is_ok_and(|mut command| run::answers(&mut command));
    if there() {
        return Ok(());
    }
    let added = run::output(run::program("rustup").args(["component", "add", name]));
    match added {
        _ if there() => Ok(()),
        Ok(_) => Err(format!("rustup added {name}, but `cargo {subcommand}` still does not answer")),
        Err(why) => Err(format!("`cargo {subcommand}` is missing and could not be added: {why}")),
    }
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

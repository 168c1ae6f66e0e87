//! Prints the effective settings, and which of them are given.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Given, REFERENCE, Settings};

/// The effective settings, one line each, in the form of a settings file, with the
/// source of each value.
pub fn shown(settings: &Settings, given: &Given, file: &Given) -> Vec<String> {
    let oidc = settings.http.oidc.as_ref();
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let path = |path: &PathBuf| text(&path.display().to_string());
    let word = |word: Option<clap::builder::PossibleValue>| text(word.as_ref().map_or("", |word| word.get_name()));
    let span = |seconds: u64| text(&format!("{seconds}s"));
    let value = |name: &str| -> Option<String> {
        let service = &settings.service;
        Some(match name {
            // It may hold a password.
            "database" => return settings.database.as_ref().map(|_| text("(not shown)")),
            "models" => return settings.models.as_deref().map(text),
            "listen" => text(&settings.listen.to_string()),
            "settle" => service.settle.as_secs_f64().to_string(),
            "additions" => service.additions.as_secs_f64().to_string(),
            "erase-within" => span(service.erase_within.as_secs()),
            "deletions" => text(&service.deletions.to_string()),
            "train-jobs" => service.train_jobs.to_string(),
            "launch" => text(&service.launch.launch.to_string()),
            "launch-dir" => return service.launch.launch_dir.as_ref().map(path),
            "launch-tries" => service.launch.launch_tries.to_string(),
            "serve-jobs" => service.serve_jobs.to_string(),
            "device" => word(settings.device.to_possible_value()),
            "rate" => settings.http.rate.to_string(),
            "timeout" => settings.http.timeout.to_string(),
            "connections" => settings.connections.to_string(),
            "web" => return settings.http.web.as_ref().map(path),
            "demo" => service.demo.to_string(),
            "oidc-issuer" => return oidc.map(|oidc| text(&oidc.issuer)),
            "oidc-audience" => return oidc.map(|oidc| text(&oidc.audience)),
            "oidc-person" => return oidc.map(|oidc| text(&oidc.person)),
            "oidc-scopes" => return oidc.map(|oidc| text(&oidc.scopes)),
            "log-format" => word(settings.log_format.to_possible_value()),
            "log-level" => word(settings.log_level.to_possible_value()),
            _ => return None,
        })
    };
    let (flags, keys) = (named(given), named(file));
    let line = |(name, default, _): &(&str, &str, &str)| {
        let from = match (flags.contains(&(*name).to_owned()), keys.contains(&(*name).to_owned())) {
            (true, _) => "flag or environment",
            (false, true) => "file",
            (false, false) => "default",
        };
        match value(name) {
            Some(value) => format!("{name} = {value}  # {from}"),
            None => format!("# {name}: {default}"),
        }
    };
    REFERENCE.iter().map(line).collect()
}

/// The settings that are given.
fn named(given: &Given) -> Vec<String> {
    let Given {
        database,
        models,
        listen,
        settle,
        additions,
        erase_within,
        deletions,
        train_jobs,
        launch,
        launch_dir,
        launch_tries,
        serve_jobs,
        device,
        rate,
        timeout,
        connections,
        web,
        demo,
        oidc_issuer,
        oidc_audience,
        oidc_person,
        oidc_scopes,
        log_format,
        log_level,
    } = given;
    let there = [
        database.is_some(),
        models.is_some(),
        listen.is_some(),
        settle.is_some(),
        additions.is_some(),
        erase_within.is_some(),
        deletions.is_some(),
        train_jobs.is_some(),
        launch.is_some(),
        launch_dir.is_some(),
        launch_tries.is_some(),
        serve_jobs.is_some(),
        device.is_some(),
        rate.is_some(),
        timeout.is_some(),
        connections.is_some(),
        web.is_some(),
        demo.is_some(),
        oidc_issuer.is_some(),
        oidc_audience.is_some(),
        oidc_person.is_some(),
        oidc_scopes.is_some(),
        log_format.is_some(),
        log_level.is_some(),
    ];
    let names = REFERENCE.iter().map(|(name, ..)| (*name).to_owned());
    names.zip(there).filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

//! Settings of `eemu serve`: flags, then environment, then file, then defaults.
//!
//! [`REFERENCE`] names each setting once. Tests compare the flags, the settings file
//! and the operators' manual with it.

mod shown;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::http::HttpOptions;
use super::policy::Policy;
use super::service::ServiceOptions;
use super::sign_in::Oidc;
use crate::clock::Span;
use crate::device::DeviceChoice;
use crate::launch::{Launch, LaunchOptions};
use crate::store::DatabaseUrl;

pub use shown::shown;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Faults only.
    Error,
    /// Faults and what may become one.
    Warn,
    /// A line an answer and a line a change.
    Info,
}

/// Settings that may be given; what is left out comes from the file, or is the
/// default.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Given {
    /// PostgreSQL in place of a database in the state directory:
    /// postgres://USER@HOST/NAME. Several servers may share one.
    #[arg(long, value_name = "URL", env = "EEMU_DATABASE", hide_env_values = true)]
    pub database: Option<DatabaseUrl>,
    /// Where model files are: a folder or s3://BUCKET/PREFIX, in place of what
    /// the state remembers.
    #[arg(long, value_name = "PLACE", env = "EEMU_MODELS")]
    pub models: Option<String>,
    /// Address to listen on; reach it from elsewhere through a proxy that
    /// speaks TLS.
    #[arg(long, value_name = "ADDRESS", env = "EEMU_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Seconds that deletions are collected before their shards retrain.
    #[arg(long, value_name = "SECONDS", env = "EEMU_SETTLE")]
    pub settle: Option<f64>,
    /// Seconds that additions wait before their shards retrain.
    #[arg(long, value_name = "SECONDS", env = "EEMU_ADDITIONS")]
    pub additions: Option<f64>,
    /// Within what time stale copies of what is deleted are gone from disk,
    /// such as 30m or 1h; 0 for before a deletion is acknowledged.
    #[arg(long, value_name = "TIME", env = "EEMU_ERASE_WITHIN")]
    pub erase_within: Option<Span>,
    /// When deletions are carried out: at-once, or together and later:
    /// by=02:00 (every day, UTC) or within=24h.
    #[arg(long, value_name = "WHEN", env = "EEMU_DELETIONS")]
    pub deletions: Option<Policy>,
    /// Shards that train at once, beside serving.
    #[arg(long, value_name = "N", env = "EEMU_TRAIN_JOBS")]
    pub train_jobs: Option<usize>,
    /// Where shards are trained: threads of this process, or a command that is
    /// run for each: command='srun eemu shard train {input} --out {output}'.
    /// Or Jobs of a Kubernetes cluster: kubernetes=FILE, with its settings in
    /// that file.
    #[arg(long, value_name = "HOW", env = "EEMU_LAUNCH")]
    pub launch: Option<Launch>,
    /// Folder of what such a command needs, and sees too where it runs.
    #[arg(long, value_name = "DIR", env = "EEMU_LAUNCH_DIR")]
    pub launch_dir: Option<PathBuf>,
    /// How often such a command, or a pod, is run for a shard at most: again
    /// after exit code 75, and after a signal.
    #[arg(long, value_name = "N", env = "EEMU_LAUNCH_TRIES", value_parser = crate::cli::numbers::count)]
    pub launch_tries: Option<usize>,
    /// Recommendations that are computed at once.
    #[arg(long, value_name = "N", env = "EEMU_SERVE_JOBS")]
    pub serve_jobs: Option<usize>,
    /// Device that trains and serves.
    #[arg(long, value_enum, env = "EEMU_DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Requests a second from one caller; 0 for any number.
    #[arg(long, value_name = "N", env = "EEMU_RATE")]
    pub rate: Option<u32>,
    /// Seconds that a request may take until its answer begins.
    #[arg(long, value_name = "SECONDS", env = "EEMU_TIMEOUT")]
    pub timeout: Option<u64>,
    /// Connections that are open at once.
    #[arg(long, value_name = "N", env = "EEMU_CONNECTIONS")]
    pub connections: Option<usize>,
    /// Folder of the browser app.
    #[arg(long, value_name = "DIR", env = "EEMU_WEB")]
    pub web: Option<PathBuf>,
    /// Give everybody tokens for this many people of the data. For
    /// demonstrations only.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3", env = "EEMU_DEMO")]
    pub demo: Option<usize>,
    /// Take bearer tokens of this OpenID Connect issuer too: an https address.
    #[arg(long, value_name = "URL", env = "EEMU_OIDC_ISSUER")]
    pub oidc_issuer: Option<String>,
    /// The audience that such a token must name.
    #[arg(long, value_name = "NAME", env = "EEMU_OIDC_AUDIENCE")]
    pub oidc_audience: Option<String>,
    /// The claim that is the person's identifier.
    #[arg(long, value_name = "CLAIM", env = "EEMU_OIDC_PERSON")]
    pub oidc_person: Option<String>,
    /// The claim that lists scopes: eemu:subject, eemu:operator, eemu:admin.
    #[arg(long, value_name = "CLAIM", env = "EEMU_OIDC_SCOPES")]
    pub oidc_scopes: Option<String>,
    /// How log lines are written.
    #[arg(long, value_enum, env = "EEMU_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// How much is logged.
    #[arg(long, value_enum, env = "EEMU_LOG_LEVEL")]
    pub log_level: Option<LogLevel>,
}

/// Name, default and meaning of each setting.
pub const REFERENCE: &[(&str, &str, &str)] = &[
    ("database", "in the state directory", "PostgreSQL for everything but models: `postgres://USER@HOST/NAME`"),
    ("models", "as at the import", "where model files are: a folder, or `s3://BUCKET/PREFIX` with the usual `AWS_*`"),
    ("listen", "127.0.0.1:8080", "address to listen on"),
    ("settle", "30", "seconds that deletions are collected before their shards retrain"),
    ("additions", "86400", "seconds that additions wait before their shards retrain"),
    (
        "erase-within",
        "1h",
        "time (`90s`, `30m`, `1h`) within which stale copies of what is deleted are gone from disk; 0 for before a \
         deletion is acknowledged",
    ),
    (
        "deletions",
        "at-once",
        "when deletions are carried out: `at-once`, or together and later: `by=02:00` (every day, UTC) or \
         `within=24h`",
    ),
    ("train-jobs", "half the cores", "shards that train at once, beside serving"),
    (
        "launch",
        "threads",
        "where shards are trained: `threads` of this process, `command=` and a command that names `{input}` and \
         `{output}`, or `kubernetes=` and a file of settings for a cluster's Jobs",
    ),
    ("launch-dir", "in the state directory", "folder of what such a command needs, and sees too where it runs"),
    (
        "launch-tries",
        "3",
        "runs of such a command or pod for a shard at most: again after exit code 75 and after a signal",
    ),
    ("serve-jobs", "the cores", "recommendations that are computed at once"),
    ("device", "cpu", "device that trains and serves: cpu, cuda, wgpu, auto"),
    ("rate", "50", "requests a second from one known token, or from one address; 0 for any number"),
    ("timeout", "60", "seconds that a request may take until its answer begins"),
    ("connections", "1024", "connections that are open at once"),
    ("web", "none", "folder of the browser app"),
    ("demo", "0", "tokens for this many people of the data are given to everybody"),
    ("oidc-issuer", "none", "OpenID Connect issuer whose bearer tokens are taken beside eemu's own: an https address"),
    ("oidc-audience", "none", "audience that such a token must name; needed with an issuer"),
    ("oidc-person", "sub", "claim that is the person's identifier, as in the imported data"),
    ("oidc-scopes", "scope", "claim that lists scopes: `eemu:subject`, `eemu:operator`, `eemu:admin`"),
    ("log-format", "text", "how log lines are written: text, json"),
    ("log-level", "info", "how much is logged: error, warn, info"),
];

/// The reference as a table, as the operators' manual contains it.
pub fn reference() -> String {
    let mut table = "| flag, and key of the file | environment | default | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, default, meaning) in REFERENCE {
        let variable = format!("EEMU_{}", name.to_uppercase().replace('-', "_"));
        table += &format!("| `{name}` | `{variable}` | {default} | {meaning} |\n");
    }
    table
}

/// Settings in which every value is decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Database in place of the one in the state directory.
    pub database: Option<DatabaseUrl>,
    /// Location of the models, instead of the location that the state stores.
    pub models: Option<String>,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Device that trains and serves.
    pub device: DeviceChoice,
    /// Connections that are open at once.
    pub connections: usize,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// The options of the service.
    pub service: ServiceOptions,
    /// The options of the HTTP server.
    pub http: HttpOptions,
}

/// Reads a settings file.
///
/// # Errors
/// When it cannot be read, or contains an unknown key or value.
pub fn read(path: &Path) -> Result<Given> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no settings file", path.display()))
}

/// Merges flags and environment, file and defaults, and checks them.
///
/// # Errors
/// When a value cannot be used.
pub fn settle(given: &Given, file: &Given) -> Result<Settings> {
    macro_rules! pick {
        ($key:ident, $default:expr) => {
            given.$key.clone().or_else(|| file.$key.clone()).unwrap_or($default)
        };
    }
    let service = ServiceOptions::default();
    let http = HttpOptions::default();
    let seconds = |name: &str, value: f64| {
        if (0.0..=3.2e7).contains(&value) {
            Ok(Duration::from_secs_f64(value))
        } else {
            bail!("{name} is {value}; give seconds between 0 and a year")
        }
    };
    let settings = Settings {
        database: given.database.clone().or_else(|| file.database.clone()),
        models: given.models.clone().or_else(|| file.models.clone()),
        listen: pick!(listen, SocketAddr::from(([127, 0, 0, 1], 8080))),
        device: pick!(device, DeviceChoice::Cpu),
        connections: pick!(connections, 1024),
        log_format: pick!(log_format, LogFormat::Text),
        log_level: pick!(log_level, LogLevel::Info),
        service: ServiceOptions {
            settle: seconds("settle", pick!(settle, service.settle.as_secs_f64()))?,
            additions: seconds("additions", pick!(additions, service.additions.as_secs_f64()))?,
            train_jobs: pick!(train_jobs, service.train_jobs),
            serve_jobs: pick!(serve_jobs, service.serve_jobs),
            demo: pick!(demo, service.demo),
            housekeeping: service.housekeeping,
            erase_within: pick!(erase_within, Span(service.erase_within)).0,
            deletions: pick!(deletions, service.deletions),
            launch: LaunchOptions {
                launch: pick!(launch, service.launch.launch),
                launch_dir: given.launch_dir.clone().or_else(|| file.launch_dir.clone()),
                launch_tries: pick!(launch_tries, service.launch.launch_tries),
            },
        },
        http: HttpOptions {
            rate: pick!(rate, http.rate),
            timeout: pick!(timeout, http.timeout),
            web: given.web.clone().or_else(|| file.web.clone()),
            oidc: oidc(given, file)?,
        },
    };
    let counts = [
        ("train-jobs", settings.service.train_jobs),
        ("launch-tries", settings.service.launch.launch_tries),
        ("serve-jobs", settings.service.serve_jobs),
        ("connections", settings.connections),
        ("timeout", settings.http.timeout as usize),
    ];
    if let Some((name, _)) = counts.iter().find(|(_, value)| *value == 0) {
        bail!("{name} must be 1 or more");
    }
    Ok(settings)
}

/// The OpenID Connect issuer whose tokens are accepted beside eemu's own.
fn oidc(given: &Given, file: &Given) -> Result<Option<Oidc>> {
    let pick = |flag: &Option<String>, key: &Option<String>| flag.clone().or_else(|| key.clone());
    let issuer = pick(&given.oidc_issuer, &file.oidc_issuer);
    let audience = pick(&given.oidc_audience, &file.oidc_audience);
    let person = pick(&given.oidc_person, &file.oidc_person);
    let scopes = pick(&given.oidc_scopes, &file.oidc_scopes);
    let Some(issuer) = issuer else {
        if audience.or(person).or(scopes).is_some() {
            bail!("a setting of OpenID Connect is given without the issuer; give oidc-issuer too");
        }
        return Ok(None);
    };
    let Some(audience) = audience.filter(|audience| !audience.is_empty()) else {
        bail!("oidc-issuer is given without an audience; give oidc-audience, the name that the issuer has for eemu");
    };
    let (person, scopes) = (person.unwrap_or_else(|| "sub".into()), scopes.unwrap_or_else(|| "scope".into()));
    Oidc::new(issuer, audience, person, scopes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};

    /// Flags, file keys and reference name the same settings.
    #[test]
    fn the_reference_is_whole() {
        let command = Given::augment_args(Command::new("serve"));
        let flags: Vec<&str> = command.get_arguments().filter_map(|a| a.get_long()).collect();
        let names: Vec<&str> = REFERENCE.iter().map(|(name, ..)| *name).collect();
        assert_eq!(flags, names);
        for argument in command.get_arguments() {
            let variable = argument.get_env().and_then(|v| v.to_str()).unwrap();
            assert!(reference().contains(&format!("`{variable}`")), "{variable}");
        }
        // A wrong type gives another error than an unknown key, so the error shows that a file
        // may contain the key.
        for name in names {
            let error = toml::from_str::<Given>(&format!("{name} = [[]]")).unwrap_err().to_string();
            assert!(!error.contains("unknown field"), "{name}: {error}");
        }
        assert!(toml::from_str::<Given>("lisen = 1").unwrap_err().to_string().contains("unknown field"));
    }

    #[test]
    fn defaults_are_as_the_reference_says() {
        let settings = settle(&Given::default(), &Given::default()).unwrap();
        let default = |name: &str| REFERENCE.iter().find(|(n, ..)| *n == name).unwrap().1.to_owned();
        assert_eq!(settings.listen.to_string(), default("listen"));
        assert_eq!(settings.service.settle.as_secs().to_string(), default("settle"));
        assert_eq!(settings.service.additions.as_secs().to_string(), default("additions"));
        assert_eq!(settings.http.rate.to_string(), default("rate"));
        assert_eq!(settings.http.timeout.to_string(), default("timeout"));
        assert_eq!(settings.connections.to_string(), default("connections"));
        assert!(settings.listen.ip().is_loopback());
    }

    /// What is shown can be read back as a settings file with the same meaning.
    #[test]
    fn what_is_shown_can_be_used() {
        let file: Given = toml::from_str(
            "settle = 1.5\nerase-within = \"5m\"\nweb = \"di\\\"st\"\nlog-format = \"json\"\noidc-issuer = \
             \"https://id.example\"\noidc-audience = \"shop\"",
        )
        .unwrap();
        let given = Given { rate: Some(7), ..Given::default() };
        let settings = settle(&given, &file).unwrap();
        let lines = shown(&settings, &given, &file);
        let again: Given = toml::from_str(&lines.join("\n")).unwrap();
        assert_eq!(settle(&again, &Given::default()).unwrap(), settings);
        for line in [
            "rate = 7  # flag or environment",
            "settle = 1.5  # file",
            "timeout = 60  # default",
            "# models: as at the import",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
        }
        // No line contains the password.
        let secret = Given { database: Some(DatabaseUrl("postgres://u:hush@h/n".into())), ..Given::default() };
        let lines = shown(&settle(&secret, &file).unwrap(), &secret, &file);
        assert!(!lines.join("\n").contains("hush"), "{lines:?}");
    }

    #[test]
    fn an_issuer_needs_an_audience() {
        let settled = |toml: &str| settle(&Given::default(), &toml::from_str(toml).unwrap());
        let why = |toml: &str| format!("{:#}", settled(toml).unwrap_err());
        assert!(why("oidc-issuer = \"https://id.example\"").contains("give oidc-audience"));
        assert!(why("oidc-audience = \"shop\"").contains("give oidc-issuer"));
        let plain = "oidc-issuer = \"http://id.example\"\noidc-audience = \"shop\"";
        assert!(why(plain).contains("https"));
        assert!(settled("oidc-issuer = \"http://127.0.0.1:9\"\noidc-audience = \"shop\"").is_ok());
    }

    #[test]
    fn flags_win_over_the_file() {
        let matches = Given::augment_args(Command::new("serve")).get_matches_from(["serve", "--rate", "7"]);
        let given = Given::from_arg_matches(&matches).unwrap();
        let file: Given = toml::from_str("rate = 9\nsettle = 1.5\nlog-format = \"json\"").unwrap();
        let settings = settle(&given, &file).unwrap();
        assert_eq!((settings.http.rate, settings.service.settle), (7, Duration::from_millis(1500)));
        assert_eq!(settings.log_format, LogFormat::Json);
        assert!(settle(&Given { settle: Some(-1.0), ..Given::default() }, &file).is_err());
        assert!(settle(&Given { timeout: Some(0), ..Given::default() }, &file).is_err());
    }
}

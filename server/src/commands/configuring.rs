//! Turns command-line arguments into a configuration.

use anyhow::{Context, Result, bail};
use eemu_core::config::{Config, TrainConfig};
use eemu_core::model::ModelKind;
use serde_json::Value;

use crate::cli::{ConfigArgs, ModelChoice, Profile};
use crate::deployment::Deployment;

/// The named configuration. `timed` says whether any record has a time. Seed, shards
/// and hold-out stay as they are.
pub(crate) fn profile(profile: Profile, current: &Config, timed: bool) -> Config {
    let mut config = Config::fitting(current.holdout, timed);
    config.train.seed = current.train.seed;
    config.train.shards = current.train.shards;
    match profile {
        Profile::Default => config,
        Profile::Small => {
            config.episodes.width = 32;
            config.train.epochs = 4;
            config
        }
        Profile::Paper => config.paper(),
    }
}

/// The configuration with another kind of model. When the kind changes between the
/// paper's models and the others, every setting that belongs to the kind changes with
/// it.
fn of_kind(config: Config, choice: ModelChoice, timed: bool) -> Config {
    let kind = match choice {
        ModelChoice::Episodes => ModelKind::Episodes,
        ModelChoice::Kernel => ModelKind::Kernel,
        ModelChoice::Ease => return config.ease(),
        ModelChoice::TwoTower => ModelKind::TwoTower,
        ModelChoice::DeepFm => ModelKind::DeepFm,
    };
    let mut config = match (config.model.kind.is_of_items(), kind.is_of_items()) {
        (true, false) => config.low_rank(timed),
        (false, true) => {
            let fitting = Config::fitting(config.holdout, timed);
            let (seed, shards) = (config.train.seed, config.train.shards);
            Config { train: TrainConfig { seed, shards, ..fitting.train }, ..fitting }
        }
        _ => config,
    };
    match kind {
        ModelKind::DeepFm => config.model = config.model.deep_fm(),
        _ => config.model.kind = kind,
    }
    config
}

/// A state's configuration, changed by the profile, the file and the single values, in
/// this order.
///
/// # Errors
/// When a file cannot be read, or a key or value does not exist.
pub(crate) fn configured(deployment: &Deployment, args: &ConfigArgs) -> Result<Config> {
    configured_as(deployment, None, args)
}

/// As [`configured`], with another kind of model, which is applied before the file and
/// the single values.
///
/// # Errors
/// As [`configured`].
pub(crate) fn configured_as(deployment: &Deployment, model: Option<ModelChoice>, args: &ConfigArgs) -> Result<Config> {
    let current = &deployment.settings.config;
    let timed = deployment.dataset.popularity.is_timed();
    let mut config = args.profile.map_or_else(|| current.clone(), |name| profile(name, current, timed));
    if let Some(choice) = model {
        config = of_kind(config, choice, timed);
    }
    if let Some(path) = &args.config {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let mut changes: Value = serde_json::from_str(&text).with_context(|| format!("{shown} is not JSON"))?;
        // Not a setting: see `tuned_on`.
        changes.as_object_mut().map(|changes| changes.remove(TUNED_ON));
        // Whole files that were written before the episode model existed do not name the kind
        // that they mean.
        if changes.get("train").is_some() && changes.get("model").is_some() && changes.get("episodes").is_none() {
            bail!(
                "{shown}: a configuration of before the present default model. Tune again, or say what it means: add \
                 \"episodes\": {{}}, \"shard\": {{\"by\": \"record\"}} and \"kind\": \"two-tower\" under \"model\""
            );
        }
        let mut value = serde_json::to_value(&config)?;
        merge(&mut value, &changes);
        config = serde_json::from_value(value).with_context(|| format!("{shown}: not a configuration"))?;
    }
    set_all(&config, &args.set)
}

/// Key in a file of `eemu tune` that has the commitment to the data it was tuned on.
pub(crate) const TUNED_ON: &str = "tuned_on";

/// The commitment to the data that the configuration was tuned on, after these changes:
/// the file's, or the current one unless a profile replaces everything.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn tuned_on(current: Option<&String>, args: &ConfigArgs) -> Result<Option<String>> {
    if let Some(path) = &args.config {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let file: Value = serde_json::from_str(&text).with_context(|| format!("{shown} is not JSON"))?;
        if let Some(named) = file.get(TUNED_ON) {
            let named = named.as_str().with_context(|| format!("{shown}: {TUNED_ON} is no text"))?;
            return Ok(Some(named.to_owned()));
        }
    }
    Ok(current.filter(|_| args.profile.is_none()).cloned())
}

/// Applies KEY=VALUE changes.
///
/// # Errors
/// When a key does not exist or a value does not fit.
pub fn set_all(config: &Config, changes: &[String]) -> Result<Config> {
    set_together(config, changes).with_context(|| format!("--set {}", changes.join(" --set ")))
}

fn set_together(config: &Config, changes: &[String]) -> Result<Config> {
    let mut value = whole(config)?;
    for change in changes {
        let (key, text) = change
            .split_once('=')
            .with_context(|| format!("'{change}' is not KEY=VALUE; write it as train.epochs=8"))?;
        let pointer = format!("/{}", key.trim().replace('.', "/"));
        let Some(slot) = value.pointer_mut(&pointer) else {
            bail!("there is no setting '{key}'; choose one of these:\n{}", keys(&shown(config)?, "").join("\n"));
        };
        *slot = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    }
    let config: Config = serde_path_to_error::deserialize(&value).map_err(|error| {
        let (key, why) = (error.path().to_string(), crate::reading::wrong_kind(&error.into_inner()));
        anyhow::anyhow!("{key} has a value of the wrong kind: {why}; `eemu info` shows values that can be used")
    })?;
    config.check()?;
    Ok(config)
}

/// The configuration as JSON, with defaults for the settings that files leave out.
pub(crate) fn whole(config: &Config) -> Result<Value> {
    // Through text, which has an f32 as people write it. A JSON value would be an f64, and
    // 0.7 would become 0.699999988.
    let mut value: Value = serde_json::from_str(&serde_json::to_string(config)?)?;
    value["model"]["kind"] = serde_json::to_value(config.model.kind)?;
    value["model"]["deep_hidden"] = serde_json::to_value(&config.model.deep_hidden)?;
    Ok(value)
}

/// As [`whole`], for people to read: without the seed, which is a secret.
pub(crate) fn shown(config: &Config) -> Result<Value> {
    let mut value = whole(config)?;
    if let Some(train) = value["train"].as_object_mut() {
        train.remove("seed");
    }
    Ok(value)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Every setting with its value, as `--set` takes it.
pub(crate) fn keys(value: &Value, prefix: &str) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                keys(value, &if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") })
            })
            .collect(),
        other => vec![format!("  {prefix}={other}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_they_are_written() {
        let config = set_all(&Config::default(), &["train.inner_step=0.7".into()]).unwrap();
        let lines = keys(&whole(&config).unwrap(), "");
        assert!(lines.contains(&"  train.inner_step=0.7".to_owned()), "{lines:?}");
    }

    #[test]
    fn settings_are_named_and_checked() {
        let config = set_all(
            &Config::default(),
            &["train.inner_step=0.25".into(), "train.meta=reptile".into(), "train.inner_steps=3".into()],
        )
        .unwrap();
        assert_eq!(config.train.inner_step, 0.25);
        let deep = set_all(&config, &["model.kind=deepfm".into(), "model.deep_hidden=[8]".into()]).unwrap();
        assert_eq!((deep.model.kind, &deep.model.deep_hidden[..]), (ModelKind::DeepFm, &[8][..]));
        let wrong = |change: &str| format!("{:#}", set_all(&Config::default(), &[change.into()]).unwrap_err());
        assert!(wrong("train.iner_step=1").contains("train.inner_step=0.5"));
        assert!(wrong("train.epochs=many").contains("wrong kind"));
        assert!(wrong("train.epochs=0").contains("epochs must be 1"));
        assert!(wrong("train.epochs").contains("KEY=VALUE"));
    }
}

//! A hyper-parameter search on validation items only, which resumes where it was
//! interrupted.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use eemu_core::Error;
use eemu_core::config::Config;
use eemu_core::data::Role;
use eemu_core::dataset::Dataset;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use serde_json::Value;

use crate::measuring::{NAME_WIDTH, Quality, ensemble_ranks, sampled, voices};
use crate::progress::Progress;
use crate::training::from_scratch;

/// The setup of a search.
#[derive(Debug)]
pub struct Search<'a> {
    /// The dataset.
    pub dataset: &'a Dataset,
    /// The device that computes.
    pub device: Device,
    /// How many shards are trained at once.
    pub jobs: usize,
    /// How many of the shards are trained and measured; all when `None`.
    pub shards: Option<u32>,
    /// How many users are measured; all when `None`.
    pub users: Option<usize>,
    /// The journal: one finished trial per line.
    pub journal: PathBuf,
}

/// The result of one setting: its quality, or the message of a model that diverged.
pub type Outcome = std::result::Result<Quality, String>;

/// All combinations of KEY=V,V,V lists.
///
/// # Errors
/// When a list is not KEY=V,V, or there are more than 10,000 combinations.
pub fn grid(lists: &[String]) -> Result<Vec<Vec<String>>> {
    let mut trials = vec![Vec::new()];
    for list in lists {
        let (key, values) = list
            .split_once('=')
            .with_context(|| format!("'{list}' is not KEY=V,V,V; write it as train.epochs=16,32"))?;
        let values: Vec<&str> = values.split(',').filter(|v| !v.is_empty()).collect();
        if values.is_empty() || trials.len() * values.len() > 10_000 {
            bail!("'{list}': give between one value and 10,000 combinations in all");
        }
        trials = trials
            .iter()
            .flat_map(|trial: &Vec<String>| values.iter().map(|v| [trial.clone(), vec![format!("{key}={v}")]].concat()))
            .collect();
    }
    Ok(trials)
}

impl Search<'_> {
    /// Runs the trials that the journal does not hold. Trials that differ only in
    /// adaptation share their models. A trial that diverges does not end the others.
    ///
    /// # Errors
    /// When the journal cannot be written or the device fails.
    pub fn run(&self, trials: &[(String, Config)], progress: &Progress) -> Result<Vec<(String, Outcome)>> {
        let mut known = self.journalled()?;
        let mut results = Vec::new();
        let mut trained: Option<(Config, Vec<ShardModel>)> = None;
        for (number, (name, config)) in trials.iter().enumerate() {
            let key = self.key(config)?;
            if let Some(outcome) = known.remove(&key) {
                results.push((name.clone(), outcome));
                continue;
            }
            progress.say(&format!("trial {} of {}: {name}", number + 1, trials.len()));
            let dataset =
                Dataset::new(self.dataset.catalog.clone(), self.dataset.interactions.all(), config.clone())?.0;
            let same = |other: &Config| Config { adapt: config.adapt.clone(), ..other.clone() } == *config;
            let models = match trained.take() {
                Some((other, models)) if same(&other) => Ok(models),
                _ => {
                    let shards: Vec<_> =
                        dataset.shards().into_iter().take(self.shards.map_or(usize::MAX, |s| s as usize)).collect();
                    from_scratch(&dataset, &shards, &self.device, self.jobs, progress, "shard")
                }
            };
            let judged = models.and_then(|models| {
                let quality = self.judge(&dataset, &voices(&models, &dataset.shards()), progress);
                trained = Some((config.clone(), models));
                quality
            });
            let outcome = match judged {
                Ok(quality) => Ok(quality),
                Err(error) => Err(diverged(&error).ok_or(error)?),
            };
            self.write(&key, name, &outcome)?;
            progress.say(&row(name, &outcome));
            results.push((name.clone(), outcome));
        }
        Ok(results)
    }

    fn judge(&self, dataset: &Dataset, models: &[(usize, &ShardModel)], progress: &Progress) -> Result<Quality> {
        let dataset = match self.users {
            None => dataset.clone(),
            Some(count) => sampled(dataset, count),
        };
        let adapt = dataset.config.adapt.clone();
        let ranks = ensemble_ranks(&dataset, models, &adapt, Role::Validation, self.jobs, progress, "judge")?;
        Ok(Quality::of(&ranks))
    }

    fn key(&self, config: &Config) -> Result<String> {
        let text = format!("{} {:?} {:?}", serde_json::to_string(config)?, self.shards, self.users);
        Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
    }

    fn journalled(&self) -> Result<HashMap<String, Outcome>> {
        let Ok(text) = std::fs::read_to_string(&self.journal) else { return Ok(HashMap::new()) };
        // A kill may have cut the last line short; its trial is then run again.
        let rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(rows
            .filter_map(|row| {
                let outcome = match row["diverged"].as_str() {
                    Some(why) => Err(why.to_owned()),
                    None => Ok(serde_json::from_value(row["validation"].clone()).ok()?),
                };
                Some((row["key"].as_str()?.to_owned(), outcome))
            })
            .collect())
    }

    fn write(&self, key: &str, name: &str, outcome: &Outcome) -> Result<()> {
        let mut row = json(name, outcome);
        row["key"] = key.into();
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.journal)
            .with_context(|| format!("cannot write the journal {}", self.journal.display()))?;
        writeln!(file, "{row}")?;
        file.sync_all()?;
        Ok(())
    }
}

/// The message of an error that the setting caused; `None` for an error of the machine.
fn diverged(error: &anyhow::Error) -> Option<String> {
    let of = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<Error>().filter(|error| matches!(error, Error::NotANumber(_))).map(ToString::to_string)
    };
    error.chain().find_map(of)
}

/// One line for people, under [`Quality::heading`].
pub fn row(name: &str, outcome: &Outcome) -> String {
    match outcome {
        Ok(quality) => quality.row(name),
        Err(why) => format!("{name:<NAME_WIDTH$} {why}"),
    }
}

/// One trial as JSON, for programs.
pub fn json(name: &str, outcome: &Outcome) -> Value {
    match outcome {
        Ok(quality) => serde_json::json!({"changes": name, "validation": quality}),
        Err(why) => serde_json::json!({"changes": name, "validation": null, "diverged": why}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_all_combinations() {
        let trials = grid(&["a=1,2".into(), "b=x".into()]).unwrap();
        assert_eq!(trials, [vec!["a=1", "b=x"], vec!["a=2", "b=x"]]);
        assert!(grid(&["a".into()]).is_err() && grid(&["a=".into()]).is_err());
    }
}

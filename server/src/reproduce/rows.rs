//! Rows on disk: one JSON file per unit, written whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use eemu_core::config::Config;
use eemu_core::evaluate::gains;
use eemu_core::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};

use super::unit::Unit;

/// Ranks from this one on are not stored, because no metric of the paper reads them.
const KEPT: usize = 20;

/// The ranks of all held-out items under one method.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ranks {
    /// Users measured.
    pub(super) users: usize,
    /// The index of a user among those measured, and the rank from 0, below 20.
    top: Vec<(u32, u32)>,
}

impl Ranks {
    pub(super) fn of(ranks: &[usize]) -> Self {
        let top = (0u32..).zip(ranks).filter(|(_, rank)| **rank < KEPT).map(|(place, &rank)| (place, rank as u32));
        Self { users: ranks.len(), top: top.collect() }
    }

    /// Each user's hit and discounted gain at `k`; `k` is at most 20.
    pub(super) fn gains(&self, k: usize) -> Vec<(f64, f64)> {
        let mut all = vec![(0.0, 0.0); self.users];
        for &(place, rank) in &self.top {
            if let Some(slot) = all.get_mut(place as usize) {
                *slot = gains(rank as usize, k);
            }
        }
        all
    }

    /// HR@k, or NDCG@k.
    pub(super) fn metric(&self, metric: Metric) -> f64 {
        let all = metric.of(self);
        all.iter().sum::<f64>() / all.len().max(1) as f64
    }
}

/// A metric that is averaged over users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Hits(usize),
    Gain(usize),
}

impl Metric {
    /// One number per user.
    pub(super) fn of(self, ranks: &Ranks) -> Vec<f64> {
        match self {
            Self::Hits(k) => ranks.gains(k).into_iter().map(|(hit, _)| hit).collect(),
            Self::Gain(k) => ranks.gains(k).into_iter().map(|(_, gain)| gain).collect(),
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Hits(k) => format!("HR@{k}"),
            Self::Gain(k) => format!("NDCG@{k}"),
        }
    }
}

/// The result of a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The unit's title, for people.
    pub(super) unit: String,
    /// Hash of everything the result depends on.
    pub(super) hash: String,
    pub(super) set: String,
    pub(super) seed: u64,
    pub(super) config: Config,
    pub(super) fingerprint: Fingerprint,
    /// Wall-clock seconds of the work, including delays by other work of the machine.
    pub(super) seconds: f64,
    /// Other figures: users, seconds of parts, HR@10 on validation items.
    pub(super) figures: BTreeMap<String, f64>,
    /// Ranks by method: "Mean", "GraphEraser", "shard 3".
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ranks: BTreeMap<String, Ranks>,
}

/// The folder of a run.
#[derive(Debug, Clone)]
pub(super) struct Store {
    out: PathBuf,
}

impl Store {
    pub(super) fn open(out: &Path) -> Result<Self> {
        for folder in ["rows", "models"] {
            let path = out.join(folder);
            std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        // Models are large and can be made again.
        write(&out.join(".gitignore"), b"models/\n")?;
        Ok(Self { out: out.to_owned() })
    }

    fn path(&self, unit: &Unit) -> PathBuf {
        self.out.join("rows").join(unit.file())
    }

    /// Whether the unit's row exists and is whole.
    pub(super) fn has(&self, unit: &Unit) -> bool {
        self.get(unit).is_some()
    }

    /// The unit's row.
    pub(super) fn get(&self, unit: &Unit) -> Option<Row> {
        let row: Row = serde_json::from_slice(&std::fs::read(self.path(unit)).ok()?).ok()?;
        (row.hash == unit.hash()).then_some(row)
    }

    pub(super) fn put(&self, unit: &Unit, row: &Row) -> Result<()> {
        write(&self.path(unit), serde_json::to_string(row)?.as_bytes())
    }

    /// Path of one shard's model of the ensemble that a unit reads.
    pub(super) fn model(&self, unit: &Unit, shard: u32) -> PathBuf {
        self.out.join("models").join(format!("{}-{shard}.safetensors", unit.training().hash()))
    }

    /// Writes a finished table or plot.
    pub(super) fn publish(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.out.join(name);
        write(&path, text.as_bytes())?;
        Ok(path)
    }
}

/// Writes a temporary file and renames it, so that a kill leaves the old file or the
/// new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("part");
    std::fs::write(&beside, bytes).with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_below_twenty_are_enough_for_every_metric() {
        let all = [0, 19, 20, 3000, 9, 10];
        let kept = Ranks::of(&all);
        assert_eq!((kept.users, kept.top.len()), (6, 4));
        for k in [10, 20] {
            let (hits, gain) = (eemu_core::evaluate::hit_rate(&all, k), eemu_core::evaluate::ndcg(&all, k));
            assert!((kept.metric(Metric::Hits(k)) - hits.mean).abs() < 1e-12);
            assert!((kept.metric(Metric::Gain(k)) - gain.mean).abs() < 1e-12);
        }
    }
}

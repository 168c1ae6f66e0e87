//! The measured data: given, or synthetic in the shape of ML-1M.

use anyhow::Result;
use eemu_core::config::{AdaptConfig, Config};
use eemu_core::data::{Catalog, Entities, Holdout, ImportReport, Imported, Interaction, are_timed};
use eemu_core::dataset::Dataset;
use eemu_core::model::ModelConfig;
use eemu_core::random::{Key, Stream};
use eemu_core::shard::{ShardData, UserSlice};
use eemu_server::import;

use super::Args;

/// Users, items and records per user of ML-1M, and of the small variant.
const SHAPES: [(u32, u32, usize); 2] = [(6040, 3706, 165), (160, 300, 20)];

pub(super) fn side(kind: &str, count: u32) -> Result<Entities> {
    Ok(Entities::new((0..count).map(|n| format!("{kind}{n}")).collect(), Vec::new(), Vec::new())?)
}

/// Distinct items, popular ones more often: the density falls as 1 / rank.
pub(super) fn items(stream: &mut Stream, items: u32, count: usize) -> Vec<u32> {
    let mut own = Vec::with_capacity(count);
    let mut seen = std::collections::HashSet::with_capacity(count);
    while own.len() < count.min(items as usize / 2) {
        let item = (f64::from(items).powf(stream.unit()) as u32).min(items) - 1;
        if seen.insert(item) {
            own.push(item);
        }
    }
    own
}

fn imported(args: &Args) -> Result<Imported> {
    if let Some(path) = &args.data {
        return import::open(path, &import::ImportOptions::default());
    }
    let (people, count, records) = SHAPES[usize::from(args.small)];
    let catalog = Catalog {
        dataset: "made up in the shape of ML-1M".into(),
        version: 1,
        users: side("p", people)?,
        items: side("i", count)?,
    };
    let key = Key::from_seed(1);
    let of = |user: u32| {
        let mut stream = key.stream("bench people", &[&user.to_le_bytes()]);
        // Users differ widely in their number of records.
        let own = (records as f64 * 0.5 * (1.0 - stream.unit()).powf(-0.5)) as usize;
        let own = items(&mut stream, count, own.clamp(records / 4, count as usize / 2));
        (0..).zip(own).map(move |(time, item)| Interaction { user, item, timestamp: Some(f64::from(time)) })
    };
    let records = (0..people).flat_map(of).collect();
    Ok(Imported { catalog, records, report: ImportReport::default() })
}

/// A dataset for the default model.
pub(super) fn episodes(args: &Args) -> Result<Dataset> {
    let imported = imported(args)?;
    let mut config = Config::fitting(Holdout::LeaveOneOut, are_timed(&imported.records));
    if args.small {
        config.train.shards = 2;
        config.train.epochs = 2;
    }
    Ok(Dataset::new(imported.catalog, imported.records, config)?.0)
}

/// A dataset for the paper's model.
pub(super) fn paper(args: &Args) -> Result<Dataset> {
    let imported = imported(args)?;
    let timed = are_timed(&imported.records);
    let mut config = Config { holdout: Holdout::LeaveOneOut, ..Config::default() }.low_rank(timed);
    config.model = ModelConfig { unknown_rows: true, table_scale: 0.1, ..ModelConfig::paper() };
    config.adapt = AdaptConfig::paper();
    config.train.in_batch_negatives = 1;
    config.train.support_weight = 0.0;
    if args.small {
        config.train.shards = 2;
    }
    Ok(Dataset::new(imported.catalog, imported.records, config)?.0)
}

/// One of eight shards of a dataset with this many records, a hundred for each
/// user, over this many items. Only a share of its users is made.
pub(super) fn part(records: u64, count: u32, share: f64) -> Result<(Catalog, Config, ShardData)> {
    let people = (records as f64 / 100.0 / 8.0 * share).max(16.0) as u32;
    let catalog =
        Catalog { dataset: "made up".into(), version: 1, users: side("p", people)?, items: side("i", count)? };
    let key = Key::from_seed(1);
    let cell = |user: u32| {
        let mut stream = key.stream("bench synthetic", &[&user.to_le_bytes()]);
        UserSlice { user, support: items(&mut stream, count, 100), query: Vec::new() }
    };
    let mut config = Config::fitting(Holdout::None, true);
    // The catalogue is too large for a kernel.
    config.episodes.kernel_start = 0.0;
    Ok((catalog, config, ShardData { index: 0, cells: (0..people).map(cell).collect() }))
}

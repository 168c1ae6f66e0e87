//! What a number of shards costs and what it takes from the lists; and the
//! same for both ways of cutting. All of it is measured.

use std::collections::BTreeSet;

use eemu_core::data::{Holdout, Role};
use eemu_core::evaluate::{hit_rate, ndcg, ranks};
use eemu_core::recommend::Ranker;

use super::protocol::{Cost, CutCost};
use super::setup::{Cut, Setup, dataset};
use super::system::System;
use super::table::Table;
use super::watch::{Halt, Part, Watch};
use crate::say::told;

/// The numbers of shards that are tried.
pub const SHARDS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// Trains the world once for each number of shards, each household's last two
/// purchases held out, and ranks both.
///
/// # Errors
/// When it is stopped or core refuses.
pub async fn measure(table: Table, setup: &Setup, watch: &mut impl Watch) -> Result<Vec<Cost>, Halt> {
    let mut costs = Vec::new();
    for shards in SHARDS {
        let dataset = dataset(&table, setup.seed, shards, setup.cut, Holdout::LeaveOneOut)?;
        let phase = told!("w-measuring-of-32-shards", shards);
        let system = System::train(dataset, None, &phase, watch).await?;
        let (ndcg, hit_rate) = quality(&system, watch).await?;
        let all: f64 = system.millis.iter().sum();
        costs.push(Cost { shards, one: all / f64::from(shards), all, ndcg, hit_rate });
    }
    Ok(costs)
}

/// Trains the world cut by records and cut by people, as [`measure`] does.
///
/// # Errors
/// When it is stopped or core refuses.
pub async fn cuts(table: Table, setup: &Setup, watch: &mut impl Watch) -> Result<Vec<CutCost>, Halt> {
    let mut costs = Vec::new();
    for (place, cut) in Cut::ALL.into_iter().enumerate() {
        let dataset = dataset(&table, setup.seed, setup.shards, cut, Holdout::LeaveOneOut)?;
        let from = place as f64 / 2.0;
        let phase = told!("w-measuring-the-cut-of", place = place + 1);
        let mut part = Part { whole: &mut *watch, phase: phase.clone(), from, share: 0.5 };
        let system = System::train(dataset, None, &phase, &mut part).await?;
        let (ndcg, hit_rate) = quality(&system, watch).await?;
        let dataset = &system.dataset;
        let (mut accounts, mut shards, mut account, mut records, mut one) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for user in 0..dataset.interactions.users() {
            let items = dataset.items(user, Role::Train);
            let places: Vec<u32> = items.into_iter().map(|item| dataset.shard_of(user, item)).collect();
            let own: BTreeSet<u32> = places.iter().copied().collect();
            let millis = |shard: &u32| system.millis.get(*shard as usize).copied().unwrap_or(0.0);
            if !own.is_empty() {
                accounts += 1.0;
                shards += own.len() as f64;
                account += own.iter().map(millis).sum::<f64>();
                records += places.len() as f64;
                one += places.iter().map(millis).sum::<f64>();
            }
        }
        costs.push(CutCost {
            cut,
            shards: setup.shards,
            account_shards: shards / f64::max(accounts, 1.0),
            account: account / f64::max(accounts, 1.0),
            one: one / f64::max(records, 1.0),
            ndcg,
            hit_rate,
        });
    }
    Ok(costs)
}

/// NDCG@10 of everybody's held-out purchases with half its 95% interval, and
/// HR@10. Shards without records have no voice.
async fn quality(system: &System, watch: &mut impl Watch) -> Result<((f64, f64), f64), Halt> {
    let dataset = &system.dataset;
    let voices = system.models.iter().enumerate().filter(|(shard, _)| dataset.has_voice(*shard as u32));
    let models: Vec<_> = voices.collect();
    let ranker = Ranker::new(&models, &dataset.key, &dataset.degrees, &dataset.config.adapt).await?;
    let mut ranked = Vec::new();
    for role in [Role::Validation, Role::Test] {
        ranked.extend(ranks(dataset, &ranker, role, 0..u32::MAX, |_, _| ()).await?.into_iter().map(|(_, rank)| rank));
        watch.breathe().await?;
    }
    let quality = ndcg(&ranked, 10);
    Ok(((quality.mean, quality.margin), hit_rate(&ranked, 10).mean))
}

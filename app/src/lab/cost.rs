//! What a number of shards costs and what it takes from the lists, measured.

use eemu_core::dataset::{Holdout, Role};
use eemu_core::evaluate::{hit_rate, ndcg, ranks};
use eemu_core::recommend::Ranker;

use super::protocol::Cost;
use super::setup::world;
use super::system::System;
use super::table::Table;
use super::watch::{Halt, Watch};

/// The numbers of shards that are tried.
pub const SHARDS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// Trains the world once for each number of shards, each household's last two
/// purchases held out, and ranks both.
///
/// # Errors
/// When it is stopped or core refuses.
pub async fn measure(table: Table, seed: u64, watch: &mut impl Watch) -> Result<Vec<Cost>, Halt> {
    let mut costs = Vec::new();
    for shards in SHARDS {
        let world = world(&table, seed, shards, Holdout::LeaveOneOut)?;
        let phase = format!("Measuring {shards} of 32 shards");
        let system = System::train(world, None, &phase, watch).await?;
        let models: Vec<_> = system.models.iter().enumerate().collect();
        let world = &system.world;
        let ranker = Ranker::new(&models, &world.key, &world.degrees, &world.config.adapt).await?;
        let mut ranked = Vec::new();
        for role in [Role::Validation, Role::Test] {
            ranked.extend(ranks(world, &ranker, role, 0..u32::MAX, |_, _| ()).await?.into_iter().map(|(_, rank)| rank));
            watch.breathe().await?;
        }
        let quality = ndcg(&ranked, 10);
        let all: f64 = system.millis.iter().sum();
        costs.push(Cost {
            shards,
            one: all / f64::from(shards),
            all,
            ndcg: (quality.mean, quality.margin),
            hit_rate: hit_rate(&ranked, 10).mean,
        });
    }
    Ok(costs)
}

//! The mistakes of real systems, made on purpose in both worlds: the one that
//! had a dot and retrained its shard, and the one that never had it.

use std::collections::HashMap;

use eemu_core::aggregate::{FitConfig, SampledPairs, Simplex, Vectors};
use eemu_core::data::{Holdout, Role};
use eemu_core::dataset::Dataset;
use eemu_core::mistakes::{self, Mistake};

use super::engine::{Lab, compared};
use super::protocol::{Broken, Dot, Lesson, Twin};
use super::setup::{Cut, dataset};
use super::system::System;
use super::watch::{Halt, Watch};
use crate::say::told;

/// Dots that are tried when the page looks for one that shows a mistake.
const TRIES: usize = 24;

/// Systems trained on everything under a mistake, by mistake.
pub(super) type Cache = HashMap<Lesson, System>;

fn mistake(lesson: Lesson) -> Mistake {
    match lesson {
        Lesson::Negatives => Mistake::GlobalNegatives,
        Lesson::Aggregator => Mistake::KeptAggregator,
        Lesson::Order => Mistake::OrderedSharding,
        Lesson::Epoch => Mistake::SharedEpochChoice,
    }
}

/// The world of a lesson. Only the shared epoch needs purchases that are held
/// out: they are everybody's data that it is chosen on.
fn worlds(lab: &Lab, lesson: Lesson, dot: Dot) -> Result<(Dataset, Dataset), Halt> {
    let full = lab.dataset()?;
    let without = lab.world_without(dot)?;
    if lesson != Lesson::Epoch {
        return Ok((full.clone(), without));
    }
    let train = &full.config.train;
    let mut table = lab.table()?.clone();
    let cut = Cut::of(full);
    let held = dataset(&table, train.seed, train.shards, cut, Holdout::LeaveOneOut)?;
    table.records.retain(|&(household, product, _)| (household, product) != (dot.household, dot.product));
    Ok((held, dataset(&table, train.seed, train.shards, cut, Holdout::LeaveOneOut)?))
}

/// The shard that the system with the mistake believes the dot to be in.
fn shard_of(dataset: &Dataset, mistake: Mistake, dot: Dot) -> Option<u32> {
    let holds = |shard: &eemu_core::shard::ShardData| {
        shard.cells.iter().any(|c| c.user == dot.household && c.items().any(|item| item == dot.product))
    };
    mistakes::shards(dataset, mistake).iter().find(|shard| holds(shard)).map(|shard| shard.index)
}

/// Of the records that are left, how many change their shard when a dot goes,
/// and how many there are.
fn moved(full: &Dataset, without: &Dataset, mistake: Mistake) -> (usize, usize) {
    let places = |dataset: &Dataset| {
        let mut places = HashMap::new();
        for shard in mistakes::shards(dataset, mistake) {
            for cell in &shard.cells {
                places.extend(cell.items().map(|item| ((cell.user, item), shard.index)));
            }
        }
        places
    };
    let (before, after) = (places(full), places(without));
    let other = after.iter().filter(|(record, shard)| before.get(*record) != Some(*shard)).count();
    (other, after.len())
}

/// Makes the mistake in both worlds and says where they differ.
pub(super) async fn broken(lab: &mut Lab, lesson: Lesson, dot: Dot, watch: &mut impl Watch) -> Result<Broken, Halt> {
    if lesson == Lesson::Aggregator {
        return kept_aggregator(lab, dot, watch).await;
    }
    let mistake = mistake(lesson);
    let (full, without) = worlds(lab, lesson, dot)?;
    if full.items(dot.household, Role::Train).iter().all(|&item| item != dot.product) {
        return Err(Halt::Sentence(told!("w-this-dot-is-one").into()));
    }
    let shards: Vec<u32> = shard_of(&full, mistake, dot).into_iter().collect();
    let moved = moved(&full, &without, mistake);
    let full = match lab.spoiled.get(&lesson) {
        Some(system) => system.clone(),
        None => {
            let system = System::train(full, Some(mistake), told!("w-training-your-world-with"), watch).await?;
            lab.spoiled.insert(lesson, system.clone());
            system
        }
    };
    let twin = System::train(without, Some(mistake), told!("w-training-the-twin-with"), watch).await?;
    // Retraining the dot's shard on what is left, under the same mistake, is
    // what the twin did for that shard; the others stay as they were.
    let own = full.with_shards_of(&twin, &shards);
    let epochs = full.chosen.zip(twin.chosen);
    Ok(Broken { lesson, twin: compared(dot, shards, &own, &twin), weights: None, moved, epochs })
}

/// The shards do everything right; the blend was fitted once and is kept.
async fn kept_aggregator(lab: &mut Lab, dot: Dot, watch: &mut impl Watch) -> Result<Broken, Halt> {
    let (shards, own) = lab.forgotten(dot, watch).await?;
    let full = lab.full(watch).await?.clone();
    let without = lab.world_without(dot)?;
    let twin = System::train(without.clone(), None, told!("w-training-the-twin"), watch).await?;
    let (kept, fresh) = (fit(&full).await?, fit(&twin).await?);
    let mut compared: Twin = compared(dot, shards, &own, &twin);
    compared.own.push(kept.hash());
    compared.twin.hashes.push(fresh.hash());
    let weights = Some((kept.weights().to_vec(), fresh.weights().to_vec()));
    let moved = (0, without.interactions.len());
    Ok(Broken { lesson: Lesson::Aggregator, twin: compared, weights, moved, epochs: None })
}

/// The blend's weights of a system, from nothing.
pub(super) async fn fit(system: &System) -> Result<Simplex, Halt> {
    let config = FitConfig { share: 1.0, rate: 0.01, ..FitConfig::default() };
    let dataset = &system.dataset;
    let vectors = Vectors::of(dataset, &system.models).await?;
    let margins = SampledPairs::of(dataset, config.share).margins(&vectors).await?;
    Ok(Simplex::fit(&margins, f64::from(dataset.config.model.margin), &dataset.key, &config)?)
}

/// Looks for a dot on which a mistake leaves a trace, in a keyed order.
pub(super) async fn find(lab: &mut Lab, lesson: Lesson, watch: &mut impl Watch) -> Result<(Option<Dot>, u32), Halt> {
    let dataset = lab.dataset()?.clone();
    let mut dots: Vec<Dot> =
        dataset.interactions.all().iter().map(|r| Dot { household: r.user, product: r.item }).collect();
    dataset.key.stream("lab: a dot that shows it", &[]).shuffle(&mut dots);
    let mut tried = 0;
    for dot in dots {
        if tried as usize == TRIES {
            break;
        }
        tried += 1;
        match broken(lab, lesson, dot, watch).await {
            Ok(broken) if broken.differing() > 0 => return Ok((Some(dot), tried)),
            // Held out for the shared score: not a dot to try.
            Ok(_) | Err(Halt::Sentence(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok((None, tried))
}

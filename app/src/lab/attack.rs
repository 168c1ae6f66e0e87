//! A membership attack that a class can follow: somebody sees how high the
//! models put a product for a household, and guesses from that place alone
//! whether the purchase was ever there. Worlds of many seeds are trained with
//! the dot, without it, and after forgetting it, all by the real engine.

use eemu_core::config::AdaptConfig;
use eemu_core::data::Holdout;
use eemu_core::dataset::History;
use eemu_core::evaluate::rank_of;
use eemu_core::recommend::Ranker;
use eemu_core::unlearn;

use super::protocol::{Attack, Dot, Places, Round};
use super::setup::{Setup, dataset};
use super::system::System;
use super::table::Table;
use super::watch::{Halt, Part, Watch};
use crate::say::told;

/// Seeds that are tried.
pub const ROUNDS: u32 = 24;

/// Trains three worlds a seed and asks each for the dot's place.
///
/// # Errors
/// When it is stopped or core refuses.
pub async fn measure(table: &Table, setup: &Setup, dot: Dot, watch: &mut impl Watch) -> Result<Attack, Halt> {
    let pair = (dot.household, dot.product);
    let mut without = table.clone();
    without.records.retain(|&(household, product, _)| (household, product) != pair);
    let mut products = 0;
    let mut rounds = Vec::new();
    for number in 0..ROUNDS {
        // Within what a link can hold.
        let seed = (setup.seed + u64::from(number)) % u64::from(u32::MAX);
        let cut = |table: &Table| dataset(table, seed, setup.shards, setup.cut, Holdout::None);
        let (had, never) = (cut(table)?, cut(&without)?);
        let known: Vec<u32> = never.person(dot.household, History::All).history.items().to_vec();
        products = never.catalog.items.len() as u32 - known.len() as u32;
        let before = System::train(had, None, "", &mut part(watch, number, 0.0)).await?;
        let plan = unlearn::plan(&before.dataset, &[pair]);
        let after = before.retrained(plan.after, &plan.shards, "", &mut part(watch, number, 0.5)).await?;
        let never = System::train(never, None, "", &mut part(watch, number, 0.5)).await?;
        rounds.push(Round {
            seed,
            before: places(&before, dot, &known).await?,
            after: places(&after, dot, &known).await?,
            never: places(&never, dot, &known).await?,
            equal: after.trained.hashes == never.trained.hashes,
        });
    }
    Ok(Attack { dot, products, rounds })
}

/// One training among all of them: the second half of a seed begins at 0.5.
fn part<W: Watch>(whole: &mut W, number: u32, half: f64) -> Part<'_, W> {
    Part {
        whole,
        phase: told!("w-attacking-seed-of", number = (number + 1).to_string(), rounds = ROUNDS),
        from: (f64::from(number) + half) / f64::from(ROUNDS),
        share: 0.5 / f64::from(ROUNDS),
    }
}

/// Where a system puts the dot's product for its household, among all that the
/// household does not have otherwise: before any tuning to the household.
async fn places(system: &System, dot: Dot, known: &[u32]) -> Result<Places, Halt> {
    let dataset = &system.dataset;
    let own = dataset.shard_of(dot.household, dot.product);
    let plain = AdaptConfig { size: 0, ..dataset.config.adapt.clone() };
    let voices = system.models.iter().enumerate();
    let models: Vec<_> =
        voices.filter(|(shard, _)| dataset.has_voice(*shard as u32) || *shard == own as usize).collect();
    let ranker = Ranker::new(&models, &dataset.key, &dataset.degrees, &plain).await?;
    let scored = ranker.scores(&[dataset.person(dot.household, History::All)], 0, true).await?;
    let mut known = known.to_vec();
    known.sort_unstable();
    let place = |scores: &[f32]| Ok::<u32, Halt>(rank_of(dot.product, scores, &known)? as u32 + 1);
    let scored = scored.first().ok_or_else(|| Halt::Sentence(told!("w-nobody-answered-try-anot").into()))?;
    let single = models.iter().zip(&scored.per_shard).find(|((shard, _), _)| *shard == own as usize);
    Ok(Places { list: place(&scored.mean)?, own: place(single.map_or(&scored.mean, |(_, scores)| scores))? })
}

/// How an attack went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strike {
    /// Right guesses.
    pub hits: usize,
    /// Guesses: two a seed, one of a world that had the dot, one of a world
    /// that never had it.
    pub guesses: usize,
}

impl Strike {
    /// The share of right guesses.
    pub fn share(&self) -> f64 {
        self.hits as f64 / self.guesses.max(1) as f64
    }

    /// How far a coin strays from one half in so many guesses: half of its 95%
    /// interval.
    pub fn chance(&self) -> f64 {
        1.96 * 0.5 / (self.guesses.max(1) as f64).sqrt()
    }

    /// Whether it is right more often than a coin may be.
    pub fn beats_a_coin(&self) -> bool {
        self.share() > 0.5 + self.chance()
    }
}

/// The attack: "it was there" where the place is at most a threshold. The
/// threshold that parts the worlds of one half of the seeds best is tried on
/// the other half, and the other way round, so it never saw what it guesses.
pub fn strike(rounds: &[Round], there: impl Fn(&Round) -> u32, never: impl Fn(&Round) -> u32) -> Strike {
    let halves: [Vec<&Round>; 2] = [0, 1].map(|half| rounds.iter().skip(half).step_by(2).collect());
    let right = |rounds: &[&Round], threshold: u32| {
        rounds.iter().map(|r| usize::from(there(r) <= threshold) + usize::from(never(r) > threshold)).sum::<usize>()
    };
    let best = |rounds: &[&Round]| {
        let highest = rounds.iter().map(|round| there(round).max(never(round))).max().unwrap_or(1);
        (1..=highest).max_by_key(|&threshold| (right(rounds, threshold), u32::MAX - threshold)).unwrap_or(1)
    };
    let hits = right(&halves[1], best(&halves[0])) + right(&halves[0], best(&halves[1]));
    Strike { hits, guesses: rounds.len() * 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(before: impl Fn(u32) -> u32, never: impl Fn(u32) -> u32) -> Vec<Round> {
        let at = |place| Places { list: place, own: place };
        let round = |n| Round {
            seed: u64::from(n),
            before: at(before(n)),
            after: at(never(n)),
            never: at(never(n)),
            equal: true,
        };
        (0..24).map(round).collect()
    }

    #[test]
    fn what_is_apart_is_told_and_what_is_equal_is_a_coin() {
        let apart = rounds(|n| 1 + n % 3, |n| 8 + n % 5);
        let strike_of = |rounds: &[Round]| strike(rounds, |r| r.before.own, |r| r.never.own);
        assert_eq!(strike_of(&apart), Strike { hits: 48, guesses: 48 });
        assert!(strike_of(&apart).beats_a_coin());
        // Equal worlds get equal guesses: one of two is right, whatever the threshold.
        let after = strike(&apart, |r| r.after.own, |r| r.never.own);
        assert_eq!((after.hits, after.beats_a_coin()), (24, false));
        // What fits one half by luck fails on the other: worse than a coin.
        let lucky = rounds(|n| if n % 2 == 0 { 1 } else { 9 }, |n| if n % 2 == 0 { 9 } else { 1 });
        assert_eq!(strike_of(&lucky), Strike { hits: 12, guesses: 48 });
    }
}

//! The default model: query positions per second in training, adapted rankings
//! per second, and the share of the processor's peak for matrix products that
//! both reach.

use std::time::Instant;

use anyhow::{Result, ensure};
use eemu_core::adapt::UserContext;
use eemu_core::config::Config;
use eemu_core::data::{Holdout, are_timed};
use eemu_core::dataset::{Dataset, History};
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::shard::ShardData;
use eemu_core::shard_model::ShardModel;
use eemu_core::train::Trainer;
use eemu_server::stopwatch::Watch;
use eemu_server::{device, import};
use pollster::block_on;
use rayon::prelude::*;

use super::{Args, figure, json_megabytes, json_seconds, megabytes, memory};

/// The newest records to which a ranking is adapted, as many as for the
/// programs it is compared with.
const SUPPORT: usize = 20;

pub(super) fn bench(args: &Args) -> Result<()> {
    let imported = match &args.data {
        Some(path) => import::open(path, &import::ImportOptions::default())?,
        None => import::built_in()?,
    };
    let config = Config::fitting(Holdout::LeaveOneOut, are_timed(&imported.records));
    let kind = config.model.kind;
    ensure!(
        kind == eemu_core::model::ModelKind::Episodes,
        "records without times get a closed form ({kind:?}), which trains in one pass; give data with times"
    );
    let dataset = Dataset::new(imported.catalog, imported.records, config)?.0;
    let shards = dataset.shards();
    let peak = products(args.seconds.min(3.0));
    figure("products", &[("gflop_per_second", format!("{peak:.1}"))]);
    let model = train(&dataset, &shards, args, peak)?;
    rank(&dataset, &model, args, peak)?;
    let most = memory("VmHWM");
    figure("memory", &[("peak_memory_mb", json_megabytes(most))]);
    eprintln!("peak memory {}", megabytes(most));
    Ok(())
}

/// Query positions of a shard: every record except each user's first.
fn places(shard: &ShardData) -> usize {
    shard.cells.iter().map(|cell| cell.support.len().saturating_sub(1)).sum()
}

/// Multiplications and additions of large square matrix products, in 10^9 per
/// second: the processor's peak.
fn products(seconds: f64) -> f64 {
    const SIDE: usize = 768;
    let threads = rayon::current_num_threads();
    let run = |_: usize| -> f64 {
        let a = faer::Mat::<f32>::from_fn(SIDE, SIDE, |i, j| (i + 2 * j) as f32 * 1e-3);
        let mut out = faer::Mat::<f32>::zeros(SIDE, SIDE);
        let (mut count, start) = (0u32, Instant::now());
        while start.elapsed().as_secs_f64() < seconds {
            let all = faer::Accum::Replace;
            faer::linalg::matmul::matmul(out.as_mut(), all, a.as_ref(), a.as_ref(), 1.0, faer::Par::Seq);
            count += 1;
        }
        f64::from(count) * 2.0 * (SIDE as f64).powi(3) / start.elapsed().as_secs_f64() / 1e9
    };
    (0..threads).into_par_iter().map(run).sum()
}

/// Trains as many shards at once as there are threads, at least one epoch each,
/// until the time is up. The initialisation of the shards is timed separately.
fn train(dataset: &Dataset, shards: &[ShardData], args: &Args, peak: f64) -> Result<ShardModel> {
    let device = device::open(args.device)?;
    let threads = rayon::current_num_threads().min(shards.len());
    let watch = Watch::start();
    let mut trainers = shards[..threads]
        .par_iter()
        .map(|shard| Ok(Trainer::new(&dataset.catalog, &dataset.config, shard, &device)?))
        .collect::<Result<Vec<_>>>()?;
    let start = watch.seconds();
    let watch = Watch::start();
    let done = trainers
        .par_iter_mut()
        .zip(shards)
        .map(|(trainer, shard)| -> Result<usize> {
            let mut done = 0;
            while done == 0 || watch.seconds() < args.seconds {
                block_on(trainer.epoch(|_| ()))?;
                done += places(shard);
            }
            Ok(done)
        })
        .sum::<Result<usize>>()?;
    let (took, processor) = (watch.seconds(), watch.processor());
    let (items, width) = (dataset.catalog.items.len(), dataset.config.episodes.width);
    // Three products of query positions, items and columns (the bias is one
    // column): the scores, and the gradients of positions and of items.
    let flop = 6.0 * items as f64 * (width + 1) as f64;
    let rate = done as f64 / took;
    let share = rate * flop / 1e9 / peak;
    let epoch = places(&shards[0]) as f64 / (rate / threads as f64);
    figure(
        "episodes-train",
        &[
            ("places_per_second", format!("{rate:.1}")),
            ("places", done.to_string()),
            ("seconds", format!("{took:.3}")),
            ("processor_seconds", json_seconds(processor)),
            ("share_of_products", format!("{share:.3}")),
            ("shard_epoch_seconds", format!("{epoch:.3}")),
            ("start_seconds", format!("{start:.3}")),
        ],
    );
    eprintln!(
        "train {rate:>10.0} places/s ({items} items, {width} columns); {:.0}% of {peak:.0} GFLOP/s; a shard-epoch \
         {epoch:.1} s on one thread; start at the kernel {start:.1} s",
        100.0 * share
    );
    let trained = trainers.swap_remove(0);
    Ok(trained.finish().0)
}

/// Adapts one shard to tiles of users, scores all items and takes the ten best,
/// on every thread.
fn rank(dataset: &Dataset, model: &ShardModel, args: &Args, peak: f64) -> Result<()> {
    let mut adapt = dataset.config.adapt.clone();
    adapt.size = SUPPORT;
    let ranker = block_on(Ranker::new(&[(0, model)], &dataset.key, &dataset.degrees, &adapt))?;
    let people: Vec<UserContext> = (0..dataset.interactions.users())
        .map(|user| dataset.person(user, History::Training))
        .filter(|person| !person.history.items().is_empty())
        .collect();
    let together = args.tile.unwrap_or_else(|| ranker.people_together());
    let tiles: Vec<&[UserContext]> = people.chunks(together).collect();
    let list = |tile: &[UserContext]| -> Result<usize> {
        let scored = block_on(ranker.scores(tile, 0, false))?;
        let listed = scored.iter().zip(tile).map(|(s, p)| top_k(&s.mean, p.history.items(), 10).len());
        Ok(listed.filter(|&length| length > 0).count())
    };
    list(tiles[0])?;
    let threads = rayon::current_num_threads();
    let watch = Watch::start();
    let ranked = (0..threads)
        .into_par_iter()
        .map(|thread| -> Result<usize> {
            let mut ranked = 0;
            for tile in tiles.iter().cycle().skip(thread * tiles.len() / threads) {
                ranked += list(tile)?;
                if watch.seconds() > args.seconds {
                    break;
                }
            }
            Ok(ranked)
        })
        .sum::<Result<usize>>()?;
    let (took, processor) = (watch.seconds(), watch.processor());
    let rate = ranked as f64 / took;
    let (items, width) = (dataset.catalog.items.len(), dataset.config.episodes.width);
    let share = rate * 2.0 * items as f64 * (width + 1) as f64 / 1e9 / peak;
    figure(
        "episodes-rank",
        &[
            ("rankings_per_second", format!("{rate:.1}")),
            ("rankings", ranked.to_string()),
            ("seconds", format!("{took:.3}")),
            ("processor_seconds", json_seconds(processor)),
            ("share_of_products", format!("{share:.3}")),
        ],
    );
    eprintln!(
        "rank  {rate:>10.0} adapted rankings of {items} items/s, one shard; {:.0}% of its products",
        100.0 * share
    );
    // One user alone: the cost of a single request.
    let single = AloneTime::of(&ranker, &people, args.seconds.min(5.0))?;
    figure("episodes-alone", &[("milliseconds", format!("{:.4}", single.milliseconds))]);
    eprintln!("one person alone, one shard: {:.3} ms", single.milliseconds);
    Ok(())
}

/// The median time of one user's scores from one shard, on one thread.
struct AloneTime {
    milliseconds: f64,
}

impl AloneTime {
    fn of(ranker: &Ranker<'_>, people: &[UserContext], seconds: f64) -> Result<Self> {
        let (mut times, start) = (Vec::new(), Instant::now());
        for person in people.iter().cycle() {
            let own = Instant::now();
            let scored = block_on(ranker.scores(std::slice::from_ref(person), 0, false))?;
            let listed = top_k(&scored[0].mean, person.history.items(), 10);
            ensure!(!listed.is_empty() || person.history.items().len() >= scored[0].mean.len(), "an empty list");
            times.push(own.elapsed().as_secs_f64() * 1e3);
            if start.elapsed().as_secs_f64() > seconds {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(Self { milliseconds: times[times.len() / 2] })
    }
}

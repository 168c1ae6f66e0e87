//! scratch
#![allow(clippy::unwrap_used)]
use eemu_core::config::*;
use eemu_core::dataset::*;
use eemu_core::evaluate::*;
use eemu_core::tensor::Device;
use eemu_core::train::Trainer;
use eemu_core::world::World;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let set = &args[1];
    let get = |n: &str, d: f64| args.iter().position(|a| a == n).map(|p| args[p + 1].parse().unwrap()).unwrap_or(d);
    let mut io = eemu_server::import::ImportOptions::default();
    if set == "ml-1m" { io.choices.user_features = Some(vec!["age".into(), "gender".into(), "occupation".into()]); }
    let imported = eemu_server::import::open(std::path::Path::new(&format!("../shared/data/{set}")), &io).unwrap();
    let mut c = Config { holdout: Holdout::LeaveOneOut, ..Config::default() };
    c.train.epochs = get("--epochs", 3.0) as u32;
    c.train.inner_step = get("--inner", 0.1) as f32;
    c.train.outer_step = get("--outer", 1e-3) as f32;
    c.train.users_per_batch = get("--users", 32.0) as usize;
    c.train.shards = get("--shards", 8.0) as u32;
    c.train.decay = get("--decay", 1.0) > 0.0;
    c.model.table_scale = get("--scale", 0.1);
    c.train.seed = get("--seed", 1.0) as u64;
    if get("--meta", 1.0) == 0.0 { c.train.meta = Meta::None; }
    c.train.records_per_batch = get("--records", 1024.0) as usize;
    if args.iter().any(|a| a == "--noun") { c.train.unknown_share = 0.0; c.train.unnamed_share = 0.0; }
    if args.iter().any(|a| a == "--small") { c.model = eemu_core::model::ModelConfig::small(); }
    let (world, dup) = World::new(imported.catalog, imported.records, c.clone()).unwrap();
    println!("users {} items {} records {} dup {dup}", world.catalog.users.len(), world.catalog.items.len(), world.interactions.len());
    let device = Device::Flex(Default::default());
    let shards = world.shards();
    let todo = get("--train", c.train.shards as f64) as usize;
    let mut models = Vec::new();
    for s in shards.iter().take(todo) {
        let mut t = Trainer::new(&world.catalog, &world.config, s, &device).unwrap();
        let start = Instant::now();
        while !t.is_done() {
            let e = Instant::now();
            let l = pollster::block_on(t.epoch(|_| ())).unwrap();
            if t.epochs_done() % 5 == 1 { println!("shard {} epoch {} loss {l:.4} {:.2}s ({} params)", s.index, t.epochs_done(), e.elapsed().as_secs_f64(), t.model().parameters().count()); }
        }
        println!("shard {} {:.1}s", s.index, start.elapsed().as_secs_f64());
        models.push(t.finish().0);
    }
    let refs: Vec<_> = models.iter().collect();
    let mut w = world.clone();
    let cut = get("--eval", 1500.0) as u32;
    // evaluate on validation of the first users
    w.interactions = w.interactions.filtered(|r| r.user < cut);
    let w = World { split: Split::new(&w.interactions, w.config.holdout), ..w };
    let show = |name: &str, r: Vec<(u32, usize)>| { let r: Vec<usize> = r.into_iter().map(|x| x.1).collect(); println!("{name}: HR@10 {:.4} ± {:.4} NDCG@10 {:.4} ({})", hit_rate(&r, 10).mean, hit_rate(&r, 10).margin, ndcg(&r, 10).mean, r.len()); };
    show("popularity", popularity_ranks(&w, Role::Validation).unwrap());
    for (name, a) in [("none".to_owned(), AdaptConfig { size: 0, ..AdaptConfig::default() })].into_iter().chain(args.iter().filter_map(|a| a.strip_prefix("a=")).map(|a| { let v: Vec<f64> = a.split(',').map(|x| x.parse().unwrap()).collect(); (a.to_owned(), AdaptConfig { step: v[0] as f32, temperature: *v.get(1).unwrap_or(&0.01), size: *v.get(2).unwrap_or(&7.0) as usize, steps: *v.get(3).unwrap_or(&1.0) as usize, replacement: *v.get(4).unwrap_or(&1.0) > 0.0, ..AdaptConfig::default() }) })) {
        let t = Instant::now();
        let r = pollster::block_on(ranks(&w, &refs, &a, Role::Validation, |_, _| ())).unwrap();
        show(&format!("{name} [{:.1}s]", t.elapsed().as_secs_f64()), r);
    }
}

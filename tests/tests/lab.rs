//! The claims of the Lab, tested natively: every dot (record) is deleted byte
//! for byte, each mistake is visible where the page says so, and the example on
//! the page equals what the Lab computes.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Instant;

use eemu_app::lab::address::{Address, HIDEABLE};
use eemu_app::lab::attack::{ROUNDS, strike};
use eemu_app::lab::engine::Lab;
use eemu_app::lab::page::{Example, example};
use eemu_app::lab::protocol::{Answer, Broken, Built, Dot, Lesson, ListAsk, Progress, Trained, Twin, What};
use eemu_app::lab::setup::{Cut, EPOCHS, Setup, Source};
use eemu_app::lab::watch::{Halt, Unwatched, Watch};
use pollster::block_on;

fn ask(lab: &mut Lab, setup: &Setup, what: &What) -> Result<Answer, Halt> {
    block_on(lab.answer(setup, what, &mut Unwatched))
}

macro_rules! answer {
    ($kind:ident, $lab:expr, $setup:expr, $what:expr) => {
        match ask($lab, $setup, &$what).unwrap() {
            Answer::$kind(answer) => answer,
            other => panic!("{other:?}"),
        }
    };
}

fn broken(lab: &mut Lab, setup: &Setup, lesson: Lesson, dot: Dot) -> Result<Broken, Halt> {
    ask(lab, setup, &What::Break(lesson, dot)).map(|answer| match answer {
        Answer::Broken(broken) => broken,
        other => panic!("{other:?}"),
    })
}

/// Every seventh dot of the shop, and some of other setups: exactly one shard
/// retrains, the others keep their bytes, and all equal the twin.
#[test]
fn every_dot_tried_is_forgotten_byte_for_byte() {
    let setups = [
        (Setup::default(), 7),
        (Setup { seed: 8, shards: 3, ..Setup::default() }, 40),
        (Setup { shards: 1, ..Setup::default() }, 60),
        (Setup { source: Source::Town, seed: 1, shards: 16, ..Setup::default() }, 700),
    ];
    for (setup, stride) in setups {
        let mut lab = Lab::default();
        let built: Built = answer!(Built, &mut lab, &setup, What::Build);
        let full: Trained = answer!(Trained, &mut lab, &setup, What::Train);
        for placed in built.dots.iter().step_by(stride) {
            let forgot = answer!(Forgot, &mut lab, &setup, What::Forget(placed.dot));
            assert_eq!(forgot.shards, [placed.shard], "{placed:?}");
            for (shard, (before, after)) in full.hashes.iter().zip(&forgot.after.hashes).enumerate() {
                assert_eq!(before == after, shard as u32 != placed.shard, "shard {shard} after {placed:?}");
            }
            let twin: Twin = answer!(Twin, &mut lab, &setup, What::Twin(placed.dot));
            assert_eq!(twin.own, twin.twin.hashes, "{placed:?}");
            assert!(twin.records_equal && twin.differences.iter().all(Vec::is_empty), "{placed:?}");
        }
    }
}

/// The dot of the guided steps reveals every mistake, and the Lab names the
/// shard.
#[test]
fn the_guided_dot_shows_every_mistake() {
    let address = Address::default();
    let mut lab = Lab::default();
    for lesson in Lesson::ALL {
        let broken = broken(&mut lab, &address.setup, lesson, address.dot).unwrap();
        assert!(broken.differing() > 0, "{lesson:?}");
        let tensors: usize = broken.twin.differences.iter().map(Vec::len).sum();
        if lesson == Lesson::Aggregator {
            // All eight shards agree: only the ninth, the weights, contains the
            // deleted record.
            assert_eq!((tensors, broken.differing(), broken.twin.own.len()), (0, 1, 9));
            let (kept, fresh) = broken.weights.unwrap();
            assert_ne!(kept, fresh);
            assert!((kept.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        } else {
            assert!(tensors > 0, "{lesson:?}");
            // The retrained shard agrees: the leak is in the others.
            for shard in &broken.twin.shards {
                assert!(broken.twin.differences[*shard as usize].is_empty(), "{lesson:?} shard {shard}");
            }
        }
    }
}

/// Some dots hide a mistake by chance; the search finds one that reveals it.
#[test]
fn where_luck_hides_a_mistake_another_dot_shows_it() {
    let setup = Setup::default();
    let mut lab = Lab::default();
    // The latest purchase of the last household: no record follows it.
    let last = Dot { household: 11, product: 8 };
    assert_eq!(broken(&mut lab, &setup, Lesson::Order, last).unwrap().differing(), 0);
    for lesson in Lesson::ALL {
        let (found, tried) = match ask(&mut lab, &setup, &What::Find(lesson)).unwrap() {
            Answer::Found(_, found, tried) => (found, tried),
            other => panic!("{other:?}"),
        };
        let found = found.unwrap_or_else(|| panic!("{lesson:?}: none of {tried}"));
        assert!(broken(&mut lab, &setup, lesson, found).unwrap().differing() > 0, "{lesson:?}");
    }
}

/// With sharding by user, a household lies in one shard, even if some shards
/// have none. A dot is deleted byte for byte all the same.
#[test]
fn cut_by_people_it_is_as_exact() {
    for shards in [8, 32] {
        let setup = Setup { shards, cut: Cut::People, ..Setup::default() };
        let mut lab = Lab::default();
        let built = answer!(Built, &mut lab, &setup, What::Build);
        for household in 0..built.households.len() as u32 {
            let lies: BTreeSet<u32> =
                built.dots.iter().filter(|p| p.dot.household == household).map(|p| p.shard).collect();
            assert_eq!(lies.len(), 1, "household {household}");
            assert!((1..=shards).contains(&built.spread[household as usize]));
        }
        let trained = answer!(Trained, &mut lab, &setup, What::Train);
        // The page reads the losses as JSON, which cannot represent NaN or
        // infinity.
        assert!(trained.losses.iter().flatten().all(|loss| loss.is_finite()), "{shards} shards");
        let dot = built.dots[built.dots.len() / 3].dot;
        let twin = answer!(Twin, &mut lab, &setup, What::Twin(dot));
        assert_eq!((twin.differing(), twin.shards.len(), twin.records_equal), (0, 1, true));
        let list = answer!(List, &mut lab, &setup, What::List(Address::default().list));
        assert_eq!(list.rows.len(), 10);
        // With whole histories in one shard, no other shard could be read.
        assert_eq!(broken(&mut lab, &setup, Lesson::Negatives, dot).unwrap().differing(), 0);
    }
    // With sharding by record, the spread is that of the dots.
    let built = answer!(Built, &mut Lab::default(), &Setup::default(), What::Build);
    for (household, spread) in (0..).zip(&built.spread) {
        let lies: BTreeSet<u32> = built.dots.iter().filter(|p| p.dot.household == household).map(|p| p.shard).collect();
        assert_eq!(lies.len() as u32, *spread);
    }
}

/// The attack finds a signal before the deletion, and none after it.
#[test]
fn after_forgetting_an_attack_is_a_coin() {
    let address = Address::default();
    let mut lab = Lab::default();
    let attack = answer!(Attack, &mut lab, &address.setup, What::Attack(address.dot));
    assert_eq!(attack.rounds.len() as u32, ROUNDS);
    for round in &attack.rounds {
        assert!(round.equal && round.after == round.never, "{round:?}");
        assert!((1..=attack.products).contains(&round.before.own), "{round:?}");
    }
    let after = strike(&attack.rounds, |round| round.after.own, |round| round.never.own);
    assert_eq!((after.hits, after.guesses), (ROUNDS as usize, 2 * ROUNDS as usize));
    let before = strike(&attack.rounds, |round| round.before.own, |round| round.never.own);
    assert!(before.beats_a_coin(), "{before:?}: nothing to see before forgetting either");
    let refused = ask(&mut lab, &address.setup, &What::Attack(Dot { household: 0, product: 999 })).unwrap_err();
    assert!(refused.to_string().contains("no such dot"));
}

/// Every link of the teacher's page is parsed, and no part of it is lost.
#[test]
fn the_teachers_links_open_what_they_say() {
    let text = include_str!("../../docs/teach.md");
    let links: Vec<&str> = text.split("8080/#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        let (address, faults) = Address::parse(link);
        assert_eq!(faults, Vec::<String>::new(), "{link}");
        assert_eq!(address.fragment(), link);
    }
    assert!(text.contains(&format!("each of {ROUNDS} seeds")) && text.contains(&format!("so {} guesses", 2 * ROUNDS)));
    for name in HIDEABLE {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}

/// Lists, and requests that cannot be answered.
#[test]
fn lists_and_sentences() {
    let setup = Setup::default();
    let mut lab = Lab::default();
    let usual = Address::default().list;
    let list = answer!(List, &mut lab, &setup, What::List(usual.clone()));
    assert_eq!(list.rows.len(), 10);
    assert_eq!(list.set.iter().map(|(.., drawn)| *drawn as usize).sum::<usize>(), usual.size);
    assert!((list.set.iter().map(|(_, p, _)| p).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(list.rows.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert!(list.rows.iter().any(|row| row.before != row.rank), "adaptation changes nothing");
    for row in &list.rows {
        let mean = row.per_shard.iter().flatten().sum::<f32>() / 8.0;
        assert!((mean - row.score).abs() < 1e-5);
        assert!(list.set.iter().all(|(product, ..)| *product != row.product), "it has that already");
    }
    let off = answer!(List, &mut lab, &setup, What::List(ListAsk { off: vec![2], ..usual.clone() }));
    assert!(off.rows.iter().all(|row| row.per_shard[2].is_none() && row.per_shard[3].is_some()));
    let none = answer!(List, &mut lab, &setup, What::List(ListAsk { size: 0, ..usual.clone() }));
    assert!(none.rows.iter().all(|row| row.before == row.rank), "nothing adapts to nothing");

    let refused = |lab: &mut Lab, what: What| ask(lab, &setup, &what).unwrap_err().to_string();
    let all = ListAsk { off: (0..8).collect(), ..usual.clone() };
    assert!(refused(&mut lab, What::List(all)).contains("Switch one on"));
    assert!(refused(&mut lab, What::List(ListAsk { household: 999, ..usual })).contains("no such household"));
    assert!(refused(&mut lab, What::Forget(Dot { household: 0, product: 999 })).contains("no such dot"));
    let stranger = Setup { source: Source::Own("0123456789abcdef".into()), ..setup };
    assert!(ask(&mut lab, &stranger, &What::Build).unwrap_err().to_string().contains("Open the same file"));
}

/// Stops after a number of epochs.
struct Impatient(u32);

impl Watch for Impatient {
    fn tell(&mut self, _: Progress) {
        self.0 -= 1;
    }

    fn now(&self) -> f64 {
        0.0
    }

    async fn breathe(&mut self) -> Result<(), Halt> {
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), Halt> {
        if self.0 == 0 { Err(Halt::Stopped) } else { Ok(()) }
    }
}

/// A stopped computation leaves no partial result.
#[test]
fn stopping_leaves_no_trace() {
    let setup = Setup::default();
    let (mut lab, mut fresh) = (Lab::default(), Lab::default());
    let dot = Address::default().dot;
    for what in [What::Train, What::Twin(dot), What::Break(Lesson::Negatives, dot)] {
        let stopped = block_on(lab.answer(&setup, &what, &mut Impatient(5)));
        assert!(matches!(stopped, Err(Halt::Stopped)), "{what:?}");
        assert_eq!(ask(&mut lab, &setup, &what).unwrap(), ask(&mut fresh, &setup, &what).unwrap());
    }
}

/// Measures time for the example: the processor time where Linux reports it, so
/// that other load on the machine does not count.
struct Clock(Instant);

/// Milliseconds for which this thread has run.
fn processor() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(told.split(' ').next()?.parse::<f64>().ok()? / 1e6)
}

impl Watch for Clock {
    fn tell(&mut self, _: Progress) {}

    fn now(&self) -> f64 {
        processor().unwrap_or_else(|| self.0.elapsed().as_secs_f64() * 1000.0)
    }

    async fn breathe(&mut self) -> Result<(), Halt> {
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), Halt> {
        Ok(())
    }
}

/// The example that the page shows first. Hashes and times depend on the
/// machine that wrote it; everything else must equal what the Lab computes now.
/// With EEMU_WRITE_EXAMPLE set, this test writes it anew.
#[test]
fn the_example_is_what_the_lab_computes() {
    let address = Address::default();
    let mut lab = Lab::default();
    let mut computed = |what: What| block_on(lab.answer(&address.setup, &what, &mut Clock(Instant::now()))).unwrap();
    macro_rules! part {
        ($kind:ident, $what:expr) => {
            match computed($what) {
                Answer::$kind(answer) => answer,
                other => panic!("{other:?}"),
            }
        };
    }
    let now = Example {
        built: part!(Built, What::Build),
        trained: part!(Trained, What::Train),
        list: part!(List, What::List(address.list.clone())),
        forgot: part!(Forgot, What::Forget(address.dot)),
        twin: part!(Twin, What::Twin(address.dot)),
        broken: Lesson::ALL.map(|lesson| part!(Broken, What::Break(lesson, address.dot))).into(),
        cost: part!(Cost, What::Cost),
        attack: part!(Attack, What::Attack(address.dot)),
        cuts: part!(Cuts, What::Cuts),
    };
    if std::env::var_os("EEMU_WRITE_EXAMPLE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/data/example.json");
        std::fs::write(path, serde_json::to_string(&now).unwrap() + "\n").unwrap();
        return;
    }
    let stored = example().expect("app/data/example.json is no example");
    let stale = "the example is stale: run this test with EEMU_WRITE_EXAMPLE=1";
    assert_eq!(stored.built, now.built, "{stale}");
    let close = |own: &[Vec<f32>], other: &[Vec<f32>]| {
        own.len() == other.len()
            && own.iter().flatten().zip(other.iter().flatten()).all(|(a, b)| (a - b).abs() < 0.02)
            && own.iter().all(|losses| losses.len() == EPOCHS as usize)
    };
    assert!(close(&stored.trained.losses, &now.trained.losses), "{stale}");
    assert!(close(&stored.twin.twin.losses, &now.twin.twin.losses), "{stale}");
    assert_eq!((stored.forgot.dot, &stored.forgot.shards), (now.forgot.dot, &now.forgot.shards), "{stale}");
    assert_eq!(stored.twin.differing(), 0, "{stale}");
    let differing = |example: &Example| example.broken.iter().map(|b| (b.lesson, b.differing())).collect::<Vec<_>>();
    assert_eq!(differing(stored), differing(&now), "{stale}");
    assert_eq!(stored.cost.len(), now.cost.len(), "{stale}");
    assert_eq!(stored.attack.rounds.len(), now.attack.rounds.len(), "{stale}");
    let shards = |example: &Example| example.cuts.iter().map(|c| (c.cut, c.account_shards)).collect::<Vec<_>>();
    assert_eq!(shards(stored), shards(&now), "{stale}");
}

//! Table 2, table 5, figure 3, eq 8 and the entropies, which need no training.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use eemu_core::config::Config;
use eemu_core::data::Holdout;
use eemu_core::dataset::Dataset;
use eemu_core::flops::{PAPER_ATTENTION, PAPER_SETS, PaperSet};
use eemu_core::random::Key;
use eemu_core::shard::ShardData;

use super::plot::{Plot, Series, lines};
use super::rows::Store;
use super::sets::Set;
use super::tables::Sheet;
use super::unit::What;
use super::{Request, printed};

const SHARDS: u32 = 8;

/// Writes the requested tables and figures.
pub(super) fn write(request: &Request, sets: &[Set], store: &Store) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut publish = |name: &str, title: &str, before: &str, sheet: &Sheet, after: &str| -> Result<()> {
        let text = format!("# {title}\n\n{before}\n\n{}\n{after}", sheet.markdown());
        written.push(store.publish(&format!("{name}.md"), &text)?);
        written.push(store.publish(&format!("{name}.csv"), &sheet.csv())?);
        Ok(())
    };
    if request.what.wants(What::Table2) {
        let before = "Averages are over training interactions (all but two a user). The paper's sparsity subtracts a \
                      fraction from 100 as if it were a percentage; the true one is here. Our copies of all sets but \
                      ML-1M differ a little from the paper's.";
        publish("table2", "Table 2: the data sets", before, &table_2(sets)?, "")?;
    }
    if request.what.wants(What::Table5) {
        let before = "GFLOPs of one request on one shard. The formulas give the paper's Static, RecEraser and EEMU to \
                      every printed digit; its GraphEraser and UltraRE print 0.0001 more than Static, which a weighted \
                      sum of 8 scores an item does not cost. The honest columns count all 8 shards: unadapted with \
                      kept item vectors, adapted with 7 positives forward and backward and the item features' maps, \
                      and the same in this program's exact batch mode.";
        publish("table5", "Table 5: the cost of a request", before, &table_5(), "")?;
    }
    if request.what.wants(What::Fig3) {
        let (sheet, plots) = figure_3()?;
        let before = "GFLOPs of retraining after one deletion: one shard's epoch, and for fitted aggregators an epoch \
                      of theirs over all records (forward and backward once each, three entities a record).";
        let mut after = String::new();
        for (file, _) in &plots {
            let _ = writeln!(after, "\n![{file}]({file})");
        }
        publish("fig3", "Figure 3: the cost of an epoch by the number of shards", before, &sheet, &after)?;
        for (file, svg) in plots {
            written.push(store.publish(&file, &svg)?);
        }
        return rest(request, sets, store, written);
    }
    rest(request, sets, store, written)
}

fn rest(request: &Request, sets: &[Set], store: &Store, mut written: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut publish = |name: &str, title: &str, before: &str, sheet: &Sheet| -> Result<()> {
        written.push(store.publish(&format!("{name}.md"), &format!("# {title}\n\n{before}\n\n{}", sheet.markdown()))?);
        written.push(store.publish(&format!("{name}.csv"), &sheet.csv())?);
        Ok(())
    };
    if request.what.wants(What::Eq8) {
        let before = "Retraining cost of one deletion as a share of retraining everything (T), 8 shards: the formula, \
                      and the mean over 100,000 simulated requests, uniform over records unless said otherwise. \
                      E >= T/S holds for equal shards or requests that know nothing of them; requests that prefer \
                      small shards undercut it.";
        publish("eq8", "Eq 8: the expected overhead of a deletion", before, &equation_8(sets)?)?;
    }
    if request.what.wants(What::Entropy) {
        let before = "The paper's section 5.5 says that the entropy of the user degrees is higher on ML-1M and Epinions \
                      than on BookCrossing and Gowalla, without numbers or definition. Two readings, in bits: of the \
                      users' shares of the records, and of the histogram of degrees.";
        publish("entropy", "Entropy of the user degrees", before, &entropies(sets)?)?;
    }
    Ok(written)
}

fn held_out(set: &Set, shards: u32) -> Result<Dataset> {
    let mut config = Config { holdout: Holdout::LeaveOneOut, ..Config::default() };
    config.train.shards = shards;
    set.dataset(&config)
}

fn paper_set(name: &str) -> Option<&'static PaperSet> {
    PAPER_SETS.iter().find(|set| set.folder == name)
}

fn table_2(sets: &[Set]) -> Result<Sheet> {
    let mut sheet = Sheet::new(&[
        "data set",
        "whose",
        "users",
        "items",
        "interactions",
        "training",
        "records a user",
        "records an item",
        "sparsity",
    ]);
    let mut add = |name: &str, whose: &str, [users, items, all, training]: [u64; 4]| {
        let mean = |count: u64| format!("{:.3}", training as f64 / count as f64);
        let sparsity = 1.0 - all as f64 / (users as f64 * items as f64);
        let counts = [users, items, all, training].map(|n| n.to_string());
        let cells = [name.to_owned(), whose.to_owned()].into_iter().chain(counts);
        sheet.rows.push(cells.chain([mean(users), mean(items), format!("{:.3}%", sparsity * 100.0)]).collect());
    };
    for set in sets {
        if let Some(paper) = paper_set(&set.name) {
            add(&set.name, "paper", [paper.users, paper.items, paper.interactions, paper.training()]);
        }
        let dataset = held_out(set, 1)?;
        let training: u64 = dataset.degrees.iter().map(|&d| u64::from(d)).sum();
        let (users, items) = (set.catalog.users.len() as u64, set.catalog.items.len() as u64);
        add(&set.name, "ours", [users, items, dataset.interactions.len() as u64, training]);
    }
    Ok(sheet)
}

fn giga(cost: u64) -> String {
    format!("{:.4}", cost as f64 / 1e9)
}

fn table_5() -> Sheet {
    let mut sheet = Sheet::new(&[
        "data set",
        "Static paper",
        "Static ours",
        "GraphEraser paper",
        "GraphEraser ours",
        "RecEraser paper",
        "RecEraser ours",
        "UltraRE paper",
        "UltraRE ours",
        "EEMU paper",
        "EEMU ours",
        "honest: unadapted, 8 shards",
        "honest: adapted, 8 shards",
        "honest: adapted, exact batch mode",
    ]);
    let hidden = eemu_core::model::ModelConfig::paper().item_hidden;
    for (set, figures) in PAPER_SETS.iter().zip(printed::TABLE_5) {
        let costs = set.costs();
        let blended = costs.request(set.items) + u64::from(SHARDS) * set.items;
        let ours = [
            costs.request(set.items),
            blended,
            costs.attention_request(set.items),
            blended,
            costs.adapted_request(set.items),
        ];
        let mut row = vec![set.name.to_owned()];
        for (paper, ours) in figures.iter().zip(ours) {
            row.extend([format!("{paper:.4}"), giga(ours)]);
        }
        let shards = u64::from(SHARDS);
        row.push(giga(costs.honest_request(set.items, shards)));
        row.push(giga(costs.honest_adapted(set.items, shards, 7)));
        row.push(giga(costs.low_rank_request(set.items, shards, 7, &hidden)));
        sheet.rows.push(row);
    }
    sheet
}

fn figure_3() -> Result<(Sheet, Vec<(String, String)>)> {
    let counts = [1u64, 2, 4, 8, 16, 32];
    let mut sheet = Sheet::new(&["data set", "method", "S=1", "S=2", "S=4", "S=8", "S=16", "S=32", "RETRAIN paper"]);
    let mut plots = Vec::new();
    for (set, caption) in PAPER_SETS.iter().zip(printed::FIGURE_3) {
        let (costs, records) = (set.costs(), set.training());
        // Three entities per record, forward and backward.
        let attention = 6 * PAPER_ATTENTION * records;
        let weights = |shards: u64, share: u64| 4 * shards * records / share;
        let method = |name: &str, more: &dyn Fn(u64) -> u64| {
            let at = |s: u64| (costs.epoch(records) / s + more(s)) as f64 / 1e9;
            Series::new(name, counts.iter().map(|&s| (s as f64, at(s))).collect())
        };
        let series = [
            method("Static", &|_| 0),
            method("GraphEraser", &|s| weights(s, 10)),
            method("RecEraser", &|_| attention),
            method("UltraRE", &|s| weights(s, 1)),
            method("EEMU", &|_| 0),
        ];
        for one in &series {
            let cells = one.points.iter().map(|(_, v)| format!("{v:.3}"));
            let head = [set.name.to_owned(), one.name.clone()];
            sheet.rows.push(head.into_iter().chain(cells).chain([format!("{caption:.2}")]).collect());
        }
        let title = format!("Figure 3: a shard's epoch on {}", set.name);
        let plot = Plot { title: &title, x: "shards S", y: "GFLOPs" };
        plots.push((format!("fig3-{}.svg", set.folder), lines(&plot, &series, true)?));
    }
    Ok((sheet, plots))
}

/// Sizes of shards when split as in the published code: the remainder of each user's
/// list always goes to the first shards.
fn array_split(dataset: &Dataset) -> Vec<f64> {
    let mut sizes = vec![0.0; SHARDS as usize];
    for user in 0..dataset.interactions.users() {
        let count = dataset.items(user, eemu_core::data::Role::Train).len();
        for (shard, size) in sizes.iter_mut().enumerate() {
            *size += (count / SHARDS as usize + usize::from(shard < count % SHARDS as usize)) as f64;
        }
    }
    sizes
}

/// The mean share of all records that one request retrains, its simulation, and the
/// share if the request is for the smallest shard.
fn overhead(sizes: &[f64]) -> [f64; 3] {
    let total: f64 = sizes.iter().sum();
    let formula = sizes.iter().map(|size| (size / total).powi(2)).sum();
    let mut stream = Key::from_seed(8).stream("requests", &[]);
    let mut sum = 0.0;
    const REQUESTS: usize = 100_000;
    for _ in 0..REQUESTS {
        let mut left = stream.unit() * total;
        let hit = sizes.iter().find(|size| {
            left -= **size;
            left < 0.0
        });
        sum += hit.unwrap_or(&sizes[0]) / total;
    }
    [formula, sum / REQUESTS as f64, sizes.iter().copied().fold(f64::INFINITY, f64::min) / total]
}

fn equation_8(sets: &[Set]) -> Result<Sheet> {
    let mut sheet =
        Sheet::new(&["data set", "shards", "T/S", "formula", "simulated", "if only the smallest shard is asked"]);
    let bound = 1.0 / f64::from(SHARDS);
    let mut add = |name: &str, shards: &str, [formula, simulated, least]: [f64; 3]| {
        let cells = [bound, formula, simulated, least].map(|v| format!("{v:.6}"));
        sheet.rows.push([name.to_owned(), shards.to_owned()].into_iter().chain(cells).collect());
    };
    add("any", "equal", overhead(&[1.0; SHARDS as usize]));
    for set in sets {
        let dataset = held_out(set, SHARDS)?;
        let hashed: Vec<f64> = dataset.shards().iter().map(|shard| ShardData::len(shard) as f64).collect();
        add(&set.name, "keyed hash (ours)", overhead(&hashed));
        add(&set.name, "array_split (published code)", overhead(&array_split(&dataset)));
    }
    // Balance kept by moving the user's last record into the gap: two shards retrain,
    // unless both are the same.
    let swap = (2.0 - bound) * bound;
    add("any", "equal, balance kept by swapping", [swap, swap, swap]);
    for requests in [2, 4, 8, 16] {
        let share = 1.0 - (1.0 - bound).powi(requests);
        let mut stream = Key::from_seed(9).stream("batches", &[&requests.to_le_bytes()]);
        let simulated: usize = (0..20_000)
            .map(|_| {
                let hit: std::collections::BTreeSet<usize> =
                    (0..requests).map(|_| stream.below(SHARDS as usize)).collect();
                hit.len()
            })
            .sum();
        let simulated = simulated as f64 / 20_000.0 * bound;
        add("any", &format!("equal, {requests} requests at once"), [share, simulated, bound]);
    }
    Ok(sheet)
}

fn entropy(weights: impl Iterator<Item = f64> + Clone) -> f64 {
    let total: f64 = weights.clone().sum();
    weights.filter(|w| *w > 0.0).map(|w| -(w / total) * (w / total).log2()).sum()
}

fn entropies(sets: &[Set]) -> Result<Sheet> {
    let mut sheet = Sheet::new(&["data set", "users", "of shares", "of shares, of its maximum", "of the histogram"]);
    for set in sets {
        let dataset = held_out(set, 1)?;
        let degrees: Vec<usize> = (0..dataset.interactions.users())
            .map(|user| dataset.items(user, eemu_core::data::Role::Train).len())
            .collect();
        let mut histogram = std::collections::BTreeMap::new();
        for &degree in &degrees {
            *histogram.entry(degree).or_insert(0.0) += 1.0;
        }
        let shares = entropy(degrees.iter().map(|&d| d as f64));
        sheet.rows.push(vec![
            set.name.clone(),
            degrees.len().to_string(),
            format!("{shares:.4}"),
            format!("{:.4}", shares / (degrees.len() as f64).log2()),
            format!("{:.4}", entropy(histogram.values().copied())),
        ]);
    }
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overheads_by_hand() {
        let [formula, simulated, least] = overhead(&[1.0; 8]);
        assert!((formula - 0.125).abs() < 1e-12 && (simulated - 0.125).abs() < 1e-12 && (least - 0.125).abs() < 1e-12);
        // With unequal shards the formula is above T/S, and one shard below it.
        let [formula, simulated, least] = overhead(&[3.0, 1.0]);
        assert!((formula - 0.625).abs() < 1e-12 && (simulated - 0.625).abs() < 0.01 && least == 0.25);
    }

    #[test]
    fn entropies_by_hand() {
        assert!((entropy([1.0; 8].into_iter()) - 3.0).abs() < 1e-12);
        assert!((entropy([2.0, 1.0, 1.0, 0.0].into_iter()) - 1.5).abs() < 1e-12);
    }
}

//! Tables of measured figures, with the paper's beside ours.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use eemu_core::config::Sampling;
use eemu_core::evaluate::Estimate;

use super::printed::{self, Printed};
use super::rows::{Metric, Row, Store};
use super::unit::{Ensemble, How, Method, REMOVED, Unit, What, deep_methods, eemu_with, find, methods, orders};
use super::{Profile, Request, Scale};

/// A table, as Markdown for people and as CSV for programs.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Sheet {
    pub(super) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&c| c.to_owned()).collect(), rows: Vec::new() }
    }

    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule: Vec<String> = self.columns.iter().map(|_| "---".to_owned()).collect();
        let rows = self.rows.iter().map(|row| line(row));
        [line(&self.columns), line(&rule)].into_iter().chain(rows).collect()
    }

    pub(super) fn csv(&self) -> String {
        let field = |text: &String| {
            if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.clone() }
        };
        let line = |cells: &[String]| format!("{}\n", cells.iter().map(field).collect::<Vec<_>>().join(","));
        std::iter::once(line(&self.columns)).chain(self.rows.iter().map(|row| line(row))).collect()
    }
}

/// Figures of one method on one data set over the seeds.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    /// One value per seed.
    pub(super) values: Vec<f64>,
    /// For each user, the mean over seeds; empty where seeds measured different numbers of
    /// users.
    per_user: Vec<f64>,
}

impl Cell {
    pub(super) fn mean(&self) -> Option<f64> {
        (!self.values.is_empty()).then(|| self.values.iter().sum::<f64>() / self.values.len() as f64)
    }

    /// Standard deviation over the seeds; `None` for one seed.
    fn spread(&self) -> Option<f64> {
        let mean = self.mean()?;
        let count = self.values.len() as f64;
        (count > 1.0).then(|| (self.values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt())
    }

    /// Half the 95% interval over users.
    fn margin(&self) -> Option<f64> {
        (!self.per_user.is_empty()).then(|| Estimate::of(&self.per_user).margin)
    }

    /// The difference from another figure, paired by user, with its 95% interval.
    fn minus(&self, other: &Self) -> Option<Estimate> {
        let same = self.per_user.len() == other.per_user.len() && self.values.len() == other.values.len();
        (same && !self.per_user.is_empty())
            .then(|| Estimate::of(&self.per_user.iter().zip(&other.per_user).map(|(a, b)| a - b).collect::<Vec<_>>()))
    }
}

/// Finds rows by what they measure.
pub(super) struct Reader<'a> {
    pub(super) request: &'a Request,
    pub(super) units: &'a [Unit],
    pub(super) store: &'a Store,
}

impl Reader<'_> {
    /// One row per seed.
    pub(super) fn rows(&self, set: &str, ensemble: Ensemble, how: &How) -> Vec<Row> {
        (1..=self.request.seeds)
            .filter_map(|seed| self.store.get(find(self.units, set, seed, ensemble, how)?))
            .collect()
    }

    /// One result of one measurement.
    pub(super) fn cell(&self, set: &str, ensemble: Ensemble, how: &How, result: &str, metric: Metric) -> Cell {
        let mut cell = Cell::default();
        let mut sums: Vec<f64> = Vec::new();
        for row in self.rows(set, ensemble, how) {
            let Some(ranks) = row.ranks.get(result) else { continue };
            let own = metric.of(ranks);
            if cell.values.is_empty() {
                sums = vec![0.0; own.len()];
            }
            if sums.len() == own.len() {
                sums.iter_mut().zip(&own).for_each(|(sum, value)| *sum += value);
            } else {
                sums.clear();
            }
            cell.values.push(ranks.metric(metric));
        }
        let seeds = cell.values.len().max(1) as f64;
        cell.per_user = sums.into_iter().map(|sum| sum / seeds).collect();
        cell
    }

    /// The measurement of EEMU as it serves.
    pub(super) fn served(&self) -> How {
        self.request.profile.served()
    }

    pub(super) fn sets(&self) -> &[String] {
        &self.request.datasets
    }

    /// The introduction of every table.
    pub(super) fn preamble(&self, title: &str) -> String {
        let mut text = format!("# {title}\n\n");
        let seeds = self.request.seeds;
        let users = self.request.users.map_or("all users".to_owned(), |n| format!("{n} users drawn by a keyed hash"));
        let _ = writeln!(
            text,
            "Seeds: 1 to {seeds}. Measured on {users}, full ranking, training items masked; ± is half the 95% \
             interval over users, and where there are several seeds the standard deviation over them follows. \
             Paired differences take each user's mean over the seeds. The paper's figures are single runs whose \
             epochs were chosen on test items; its gaps are about one standard error.\n"
        );
        if !self.request.set.is_empty() {
            let _ = writeln!(text, "Settings that differ from the recipe: `{}`.\n", self.request.set.join("`, `"));
        }
        if self.request.profile == Profile::Deployed {
            text.push_str(
                "**A deployment's defaults (`--profile deployed`)**: towers of one layer, and an adaptation set in \
                 which older records fade where the data have times. The paper's figures are of deeper towers and \
                 seven items drawn without regard to time.\n\n",
            );
        }
        if self.request.scale == Scale::Quick {
            text.push_str(
                "**A small version (`--quick`): narrow towers, few epochs. Not comparable with the paper.**\n\n",
            );
        }
        text
    }
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.4}"))
}

fn measured(cell: &Cell) -> String {
    let Some(mean) = cell.mean() else { return "-".into() };
    let mut text = format!("{mean:.4}");
    if let Some(margin) = cell.margin() {
        let _ = write!(text, " ±{margin:.4}");
    }
    if let Some(spread) = cell.spread() {
        let _ = write!(text, " (sd {spread:.4}, {} seeds)", cell.values.len());
    }
    text
}

fn signed(estimate: Option<Estimate>) -> String {
    estimate.map_or("-".into(), |e| {
        let verdict = if e.mean.abs() <= e.margin { " (noise)" } else { "" };
        format!("{:+.4} ±{:.4}{verdict}", e.mean, e.margin)
    })
}

/// The loss against RETRAIN as the paper prints it.
fn degradation(value: Option<f64>, retrain: Option<f64>) -> String {
    match (value, retrain) {
        (Some(value), Some(retrain)) if retrain > 0.0 => format!("{:.0}%", (1.0 - value / retrain).max(0.0) * 100.0),
        _ => "-".into(),
    }
}

fn write_sheets(reader: &Reader<'_>, name: &str, title: &str, sheets: &[(String, Sheet)]) -> Result<Vec<PathBuf>> {
    let mut text = reader.preamble(title);
    let mut csv = String::new();
    for (set, sheet) in sheets {
        let _ = writeln!(text, "## {set}\n\n{}", sheet.markdown());
        for (place, line) in sheet.csv().lines().enumerate() {
            match place {
                0 if csv.is_empty() => csv = format!("data set,{line}\n"),
                0 => {}
                _ => csv.push_str(&format!("{set},{line}\n")),
            }
        }
    }
    Ok(vec![reader.store.publish(&format!("{name}.md"), &text)?, reader.store.publish(&format!("{name}.csv"), &csv)?])
}

/// A printed table, its k, and its methods.
struct MethodTable {
    name: &'static str,
    title: &'static str,
    printed: Printed,
    k: usize,
    rows: Vec<Method>,
}

/// Writes the requested tables.
pub(super) fn write(request: &Request, units: &[Unit], store: &Store) -> Result<Vec<PathBuf>> {
    let reader = Reader { request, units, store };
    let mut written = Vec::new();
    let (profile, reference) = (request.profile, request.reference);
    let tables = [
        (
            What::Table3,
            "table3",
            "Table 3: all methods at 10",
            printed::TABLE_3,
            10,
            methods(profile, 0, false, reference),
        ),
        (
            What::Table4,
            "table4",
            "Table 4: all methods at 20",
            printed::TABLE_4,
            20,
            methods(profile, 0, false, reference),
        ),
        (What::Table8, "table8", "Table 8: all methods with DeepFM", printed::TABLE_8, 10, deep_methods(profile)),
        (
            What::Table10,
            "table10",
            "Table 10: Reptile beside MAML",
            printed::TABLE_10,
            10,
            methods(profile, 0, true, reference),
        ),
    ];
    for (what, name, title, printed, k, rows) in tables {
        if request.what.wants(what) {
            written.extend(method_table(&reader, &MethodTable { name, title, printed, k, rows })?);
        }
    }
    if request.what.wants(What::Table6) {
        written.extend(table_6(&reader)?);
    }
    if request.what.wants(What::Table7) {
        written.extend(table_7(&reader)?);
    }
    if request.what.wants(What::SecondOrder) {
        written.extend(second_order(&reader)?);
    }
    if request.what.wants(What::Table9) {
        written.extend(table_9(&reader)?);
    }
    Ok(written)
}

fn method_table(reader: &Reader<'_>, table: &MethodTable) -> Result<Vec<PathBuf>> {
    let metrics = [Metric::Hits(table.k), Metric::Gain(table.k)];
    let rows = &table.rows;
    let mut sheets = Vec::new();
    for set in reader.sets() {
        let [hits, gain] = metrics.map(Metric::name);
        let mut sheet = Sheet::new(&[
            "method",
            &format!("{hits} paper"),
            &format!("{hits} ours"),
            "loss to RETRAIN paper",
            "loss to RETRAIN ours",
            "ours - paper",
            &format!("EEMU - it, {hits}"),
            &format!("{gain} paper"),
            &format!("{gain} ours"),
            &format!("EEMU - it, {gain}"),
        ]);
        let cells = |metric| -> Vec<Cell> {
            rows.iter().map(|(_, ensemble, how, result)| reader.cell(set, *ensemble, how, result, metric)).collect()
        };
        let [hit_cells, gain_cells] = metrics.map(cells);
        let printed = |method: &str, metric| table.printed.get(method, set, metric);
        for (place, (name, ..)) in rows.iter().enumerate() {
            let (hit, gain) = (&hit_cells[place], &gain_cells[place]);
            let paper = printed(name, 0);
            let difference = paper.zip(hit.mean()).map(|(paper, ours)| ours - paper);
            let last = rows.len() - 1;
            let against =
                |cells: &[Cell]| if place == last { "-".into() } else { signed(cells[last].minus(&cells[place])) };
            sheet.rows.push(vec![
                (*name).to_owned(),
                number(paper),
                measured(hit),
                degradation(paper, printed("RETRAIN", 0)),
                degradation(hit.mean(), hit_cells[0].mean()),
                difference.map_or("-".into(), |d| format!("{d:+.4}")),
                against(&hit_cells),
                number(printed(name, 1)),
                measured(gain),
                against(&gain_cells),
            ]);
        }
        sheets.push((set.clone(), sheet));
    }
    write_sheets(reader, table.name, table.title, &sheets)
}

fn table_6(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let mut sheets = Vec::new();
    let metric = Metric::Hits(10);
    for set in reader.sets() {
        let mut sheet =
            Sheet::new(&["shard", "without, paper", "without, ours", "with, paper", "with, ours", "with - without"]);
        let names = (0..8).map(|s| (format!("Shard {}", s + 1), format!("shard {s}")));
        for (name, result) in names.chain([("Mean of all".to_owned(), "Mean".to_owned())]) {
            let plain = reader.cell(set, eemu_with(8), &How::Frozen, &result, metric);
            let adapted = reader.cell(set, eemu_with(8), &reader.served(), &result, metric);
            sheet.rows.push(vec![
                name.clone(),
                number(printed::TABLE_6.get(&name, set, 0)),
                measured(&plain),
                number(printed::TABLE_6.get(&name, set, 1)),
                measured(&adapted),
                signed(adapted.minus(&plain)),
            ]);
        }
        sheets.push((set.clone(), sheet));
    }
    write_sheets(reader, "table6", "Table 6: HR@10 of each EEMU shard alone, and of their mean", &sheets)
}

fn table_7(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let mut sheets = Vec::new();
    for set in reader.sets() {
        let mut sheet = Sheet::new(&[
            "metric",
            "random, paper",
            "random, ours",
            "biased, paper",
            "biased, ours",
            "biased - random",
        ]);
        for metric in [Metric::Hits(10), Metric::Gain(10)] {
            let paper = printed::SETS.iter().position(|s| s == set).filter(|_| metric == Metric::Hits(10));
            let random = reader.request.profile.served_by(Sampling::Random);
            let random = reader.cell(set, eemu_with(8), &random, "Mean", metric);
            let biased = reader.cell(set, eemu_with(8), &reader.served(), "Mean", metric);
            sheet.rows.push(vec![
                metric.name(),
                number(paper.map(|place| printed::TABLE_7[place][0])),
                measured(&random),
                number(paper.map(|place| printed::TABLE_7[place][1])),
                measured(&biased),
                signed(biased.minus(&random)),
            ]);
        }
        sheets.push((set.clone(), sheet));
    }
    write_sheets(reader, "table7", "Table 7: random and biased adaptation sets", &sheets)
}

fn second_order(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let mut sheets = Vec::new();
    for set in reader.sets() {
        let mut sheet =
            Sheet::new(&["MAML", "HR@10 unadapted", "HR@10 adapted", "NDCG@10 adapted", "training seconds"]);
        for (name, ensemble) in orders() {
            let cell = |how: &How, metric| measured(&reader.cell(set, ensemble, how, "Mean", metric));
            let seconds: f64 = reader.rows(set, ensemble, &How::Train).iter().map(|row| row.seconds).sum();
            sheet.rows.push(vec![
                name.into(),
                cell(&How::Frozen, Metric::Hits(10)),
                cell(&reader.served(), Metric::Hits(10)),
                cell(&reader.served(), Metric::Gain(10)),
                format!("{seconds:.0}"),
            ]);
        }
        sheets.push((set.clone(), sheet));
    }
    write_sheets(reader, "second-order", "What first-order MAML leaves out", &sheets)
}

fn table_9(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let mut sheets = Vec::new();
    let (metric, profile) = (Metric::Hits(10), reader.request.profile);
    for set in reader.sets() {
        let mut sheet = Sheet::new(&["method", "q=5% paper", "q=5% ours", "q=10% paper", "q=10% ours"]);
        for place in 0..methods(profile, 5, false, false).len() {
            let mut cells = Vec::new();
            let mut name = "";
            for (column, percent) in REMOVED.into_iter().enumerate() {
                let (own, ensemble, how, result) = &methods(profile, percent, false, false)[place];
                name = own;
                cells.push(number(printed::TABLE_9.get(own, set, column)));
                cells.push(measured(&reader.cell(set, *ensemble, how, result, metric)));
            }
            cells.insert(0, name.to_owned());
            sheet.rows.push(cells);
        }
        sheets.push((set.clone(), sheet));
    }
    let title = "Table 9: HR@10 after q% of the users were removed. Its true cost: a user's records lie in nearly \
                 every shard, so every shard retrains, as RETRAIN does";
    write_sheets(reader, "table9", title, &sheets)
}

//! Draws the figures: SVG files, and CSV files with their numbers.

use std::path::PathBuf;

use anyhow::Result;
use eemu_core::config::Sampling;
use eemu_core::flops::PAPER_SETS;
use eemu_core::model::ModelConfig;

use super::Request;
use super::plot::{Plot, Series, bars, lines};
use super::rows::{Metric, Store};
use super::tables::{Reader, Sheet, number};
use super::unit::{How, Unit, What, eemu_with, served_ensembles};

/// Writes the requested figures.
pub(super) fn write(request: &Request, units: &[Unit], store: &Store) -> Result<Vec<PathBuf>> {
    let reader = Reader { request, units, store };
    let mut written = Vec::new();
    if request.what.wants(What::Fig4) {
        written.extend(figure_4(&reader)?);
    }
    if request.what.wants(What::Fig5) {
        written.extend(figure_5(&reader)?);
    }
    if request.what.wants(What::Fig6) {
        written.extend(figure_6(&reader)?);
    }
    if request.what.wants(What::Fig7) {
        written.extend(figure_7(&reader)?);
    }
    Ok(written)
}

fn publish(
    reader: &Reader<'_>,
    name: &str,
    title: &str,
    sheet: &Sheet,
    plots: &[(String, String)],
) -> Result<Vec<PathBuf>> {
    let mut text = reader.preamble(title);
    text.push_str(&sheet.markdown());
    let mut written = Vec::new();
    for (file, svg) in plots {
        text.push_str(&format!("\n![{file}]({file})\n"));
        written.push(reader.store.publish(file, svg)?);
    }
    written.push(reader.store.publish(&format!("{name}.md"), &text)?);
    written.push(reader.store.publish(&format!("{name}.csv"), &sheet.csv())?);
    Ok(written)
}

fn figure_4(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let metric = Metric::Hits(10);
    let mut sheet = Sheet::new(&["data set", "training", "HR@10 without adaptation", "HR@10 with"]);
    let mut series: Vec<Series> = Vec::new();
    for (name, ensemble) in served_ensembles() {
        let mut both = [Vec::new(), Vec::new()];
        for (group, set) in reader.sets().iter().enumerate() {
            let values =
                [How::Frozen, reader.served()].map(|how| reader.cell(set, ensemble, &how, "Mean", metric).mean());
            for (points, value) in both.iter_mut().zip(values) {
                points.extend(value.map(|v| (group as f64, v)));
            }
            sheet.rows.push(vec![set.clone(), name.into(), number(values[0]), number(values[1])]);
        }
        let [without, with] = both;
        series.push(Series::new(format!("{name}, without"), without));
        series.push(Series::new(format!("{name}, adapted"), with));
    }
    let plot = Plot { title: "Figure 4: what adaptation does", x: "", y: "HR@10" };
    let svg = bars(&plot, reader.sets(), &series)?;
    publish(
        reader,
        "fig4",
        "Figure 4: EEMU and ordinary training, without and with adaptation",
        &sheet,
        &[("fig4.svg".into(), svg)],
    )
}

fn figure_5(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let mut sheet = Sheet::new(&["data set", "varied", "value", "HR@10", "NDCG@10"]);
    let mut plots = Vec::new();
    let scale = reader.request.scale;
    let sizes: Vec<(f64, _)> = scale
        .adaptation_sizes()
        .iter()
        .map(|&size| (size as f64, (eemu_with(8), How::Adapted { size, sampling: Sampling::Biased })))
        .collect();
    let shards: Vec<(f64, _)> =
        scale.shard_counts().iter().map(|&shards| (f64::from(shards), (eemu_with(shards), reader.served()))).collect();
    for (varied, x, points) in
        [("adaptation set", "items in the adaptation set", sizes), ("shards", "number of shards", shards)]
    {
        for metric in [Metric::Hits(10), Metric::Gain(10)] {
            let mut series: Vec<Series> = Vec::new();
            for set in reader.sets() {
                let mut line = Vec::new();
                for (at, (ensemble, how)) in &points {
                    let value = |metric| reader.cell(set, *ensemble, how, "Mean", metric).mean();
                    line.extend(value(metric).map(|v| (*at, v)));
                    if metric == Metric::Hits(10) {
                        let cells = [number(value(metric)), number(value(Metric::Gain(10)))];
                        let [hits, gain] = cells;
                        sheet.rows.push(vec![set.clone(), varied.into(), format!("{at}"), hits, gain]);
                    }
                }
                series.push(Series::new(set, line));
            }
            let y = metric.name();
            let title = format!("Figure 5: {y} by {x}");
            if series.iter().any(|one| !one.points.is_empty()) {
                let file = format!("fig5-{}-{}.svg", varied.replace(' ', "-"), y.to_lowercase().replace('@', ""));
                plots.push((file, lines(&Plot { title: &title, x, y: &y }, &series, false)?));
            }
        }
    }
    publish(reader, "fig5", "Figure 5: size of the adaptation set, and number of shards", &sheet, &plots)
}

fn figure_6(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let metric = Metric::Hits(10);
    let mut sheet = Sheet::new(&["data set", "mean single shard", "best single shard", "mean of all shards"]);
    let (mut single_points, mut all_points) = (Vec::new(), Vec::new());
    for (group, set) in reader.sets().iter().enumerate() {
        let alone: Vec<f64> = (0..8)
            .filter_map(|shard| {
                reader.cell(set, eemu_with(8), &reader.served(), &format!("shard {shard}"), metric).mean()
            })
            .collect();
        let single = (!alone.is_empty()).then(|| alone.iter().sum::<f64>() / alone.len() as f64);
        let best = alone.iter().copied().fold(None, |best: Option<f64>, v| Some(best.map_or(v, |b| b.max(v))));
        let all = reader.cell(set, eemu_with(8), &reader.served(), "Mean", metric).mean();
        single_points.extend(single.map(|v| (group as f64, v)));
        all_points.extend(all.map(|v| (group as f64, v)));
        sheet.rows.push(vec![set.clone(), number(single), number(best), number(all)]);
    }
    let plot = Plot { title: "Figure 6: one adapted shard against the mean", x: "", y: "HR@10" };
    let series = [Series::new("single shard (mean)", single_points), Series::new("mean of all shards", all_points)];
    let svg = bars(&plot, reader.sets(), &series)?;
    publish(reader, "fig6", "Figure 6: one adapted shard against the mean of all", &sheet, &[("fig6.svg".into(), svg)])
}

fn figure_7(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let mut sheet = Sheet::new(&[
        "data set",
        "clusters",
        "HR@10",
        "NDCG@10",
        "seconds",
        "of them clustering",
        "speed-up over one by one",
    ]);
    let (mut quality, mut speed): (Vec<Series>, Vec<Series>) = (Vec::new(), Vec::new());
    for set in reader.sets() {
        let (mut hits_line, mut speed_line) = (Vec::new(), Vec::new());
        let (mut exact_hits, mut exact_speed) = (None, None);
        let figure = |how: &How, name: &str| {
            let rows = reader.rows(set, eemu_with(8), how);
            let values: Vec<f64> = rows.iter().filter_map(|row| row.figures.get(name).copied()).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let users = figure(&reader.served(), "users");
        let naive = figure(&How::OneByOne, "seconds a user").zip(users).map(|(each, users)| each * users);
        let mut row = |name: &str, how: &How, k: Option<f64>| {
            let value = |metric| reader.cell(set, eemu_with(8), how, "Mean", metric).mean();
            let seconds = figure(how, "seconds of measuring");
            let faster = naive.zip(seconds).map(|(naive, seconds)| naive / seconds.max(1e-9));
            let hits = value(Metric::Hits(10));
            match k {
                Some(k) => {
                    hits_line.extend(hits.map(|v| (k, v)));
                    speed_line.extend(faster.map(|v| (k, v)));
                }
                None => (exact_hits, exact_speed) = (hits, faster),
            }
            sheet.rows.push(vec![
                set.clone(),
                name.to_owned(),
                number(hits),
                number(value(Metric::Gain(10))),
                seconds.map_or("-".into(), |s| format!("{s:.1}")),
                figure(how, "clustering seconds").map_or("-".into(), |s| format!("{s:.1}")),
                faster.map_or("-".into(), |f| format!("{f:.1}")),
            ]);
        };
        row("none: our exact batch mode", &reader.served(), None);
        for &clusters in reader.request.scale.cluster_counts() {
            row(&clusters.to_string(), &How::Clustered { clusters }, Some(clusters as f64));
        }
        let seconds = naive.map_or("-".into(), |s| format!("{s:.1} (from 8 users)"));
        let one = [
            "none: one by one".to_owned(),
            "as the exact mode".into(),
            String::new(),
            seconds,
            "-".into(),
            "1.0".into(),
        ];
        sheet.rows.push(std::iter::once(set.clone()).chain(one).collect());
        for (lines, line, exact) in [(&mut quality, hits_line, exact_hits), (&mut speed, speed_line, exact_speed)] {
            // The exact mode has no clusters, so it is a horizontal line.
            let ends = line.first().zip(line.last()).map(|(a, b)| [a.0, b.0]);
            let level = exact.zip(ends).map(|(v, ends)| ends.map(|k| (k, v)).to_vec());
            lines.push(Series::new(format!("{set}, K clusters"), line));
            lines.extend(level.map(|level| Series::beside(format!("{set}, exact"), level)));
        }
    }
    let mut plots = Vec::new();
    for (file, y, series) in
        [("fig7-quality.svg", "HR@10", &quality), ("fig7-speed.svg", "times faster than one by one", &speed)]
    {
        if series.iter().any(|one| !one.points.is_empty()) {
            let title = "Figure 7: serving people in clusters";
            plots.push((file.to_owned(), lines(&Plot { title, x: "clusters K", y }, series, false)?));
        }
    }
    let mut written = publish(reader, "fig7", "Figure 7: batch inference", &sheet, &plots)?;
    written.extend(serving_costs(reader)?);
    Ok(written)
}

/// Figure 7d: the paper's count of operations, with ours in exact batch mode beside it.
fn serving_costs(reader: &Reader<'_>) -> Result<Vec<PathBuf>> {
    let mut sheet = Sheet::new(&[
        "data set",
        "EEMU one by one, TFLOPs",
        "EEMU in 25 clusters",
        "static, items once",
        "ours: exact batch mode, one shard, A = 7",
    ]);
    let hidden = ModelConfig::paper().item_hidden;
    for set in PAPER_SETS {
        let costs = set.costs();
        let tera = |cost: u64| format!("{:.4}", cost as f64 / 1e12);
        sheet.rows.push(vec![
            set.name.into(),
            tera(costs.one_by_one(set.users, set.items)),
            tera(costs.clustered(set.users, set.items, 25)),
            tera(costs.shared_items(set.users, set.items)),
            tera(set.users * costs.low_rank_request(set.items, 1, 7, &hidden)),
        ]);
    }
    let text = format!(
        "# Figure 7d: the cost of serving everybody\n\nThe paper's convention (multiply-add 1, forward only, one \
         positive and one negative), one shard, its own data sets. The last column counts forward and backward of 14 \
         rows and is exact.\n\n{}",
        sheet.markdown()
    );
    Ok(vec![reader.store.publish("fig7d.md", &text)?, reader.store.publish("fig7d.csv", &sheet.csv())?])
}

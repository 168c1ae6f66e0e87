//! Golden cases of the default model: adapted vectors, loss, both gradients and
//! a user's scores, compared with float64 autograd.

use anyhow::{Context, Result, bail};
use eemu_core::adapt::UserHistory;
use eemu_core::closed_form::KernelConfig;
use eemu_core::config::AdaptConfig;
use eemu_core::data::{Catalog, Entities};
use eemu_core::episodes::{Asking, Chance, EpisodeModel, EpisodesConfig, Piece, Tower};
use eemu_core::model::{EntityRef, TensorMap};
use eemu_core::random::Key;
use eemu_core::tensor::Device;
use serde::Deserialize;

use crate::golden::Worst;

#[derive(Deserialize)]
struct Case {
    items: usize,
    width: usize,
    steps: usize,
    timed: bool,
    y: Vec<Vec<f64>>,
    b: Vec<f64>,
    x0: Vec<f64>,
    log_alpha: f64,
    log_tau: f64,
    sequences: Vec<Vec<u32>>,
    loss: f64,
    adapted: Vec<Vec<Vec<f64>>>,
    gradient: Gradient,
    gradient_first_order: Gradient,
    person: Vec<u32>,
    person_scores: Vec<f64>,
}

#[derive(Deserialize)]
struct Gradient {
    y: Vec<Vec<f64>>,
    b: Vec<f64>,
    x0: Vec<f64>,
    log_alpha: f64,
    log_tau: f64,
}

fn narrow(values: impl IntoIterator<Item = f64>) -> Vec<f32> {
    values.into_iter().map(|v| v as f32).collect()
}

/// Runs one case and returns its worst relative error.
///
/// # Errors
/// If the file is not a golden case, or a quantity has another shape.
pub(crate) async fn run(text: &str, device: &Device) -> Result<Worst> {
    let case: Case = serde_json::from_str(text).context("not a golden case of episodes")?;
    let side = |count: usize| Entities::new((0..count).map(|n| n.to_string()).collect(), Vec::new(), Vec::new());
    let catalog = Catalog { dataset: "golden".into(), version: 1, users: side(0)?, items: side(case.items)? };
    let mut worst = Worst::default();
    for second_order in [true, false] {
        let config = EpisodesConfig {
            width: case.width,
            timed: case.timed,
            tower: Tower::None,
            steps: case.steps,
            second_order,
            dropout: 0.0,
            kernel_start: 0.0,
            ..EpisodesConfig::default()
        };
        let mut model = EpisodeModel::new(&catalog, &config, &KernelConfig::default(), &Key::from_seed(0), 0, device)?;
        let mut values: TensorMap = [
            ("item.id.table", vec![case.items, case.width], narrow(case.y.concat())),
            ("item.bias", vec![case.items], narrow(case.b.clone())),
            ("start", vec![case.width], narrow(case.x0.clone())),
            ("log_step", vec![1], vec![case.log_alpha as f32]),
        ]
        .map(|(name, shape, values)| (name.to_owned(), (shape, values)))
        .into();
        if case.timed {
            values.insert("log_fading".into(), (vec![1], vec![case.log_tau as f32]));
        }
        model.set(&values)?;
        let from = usize::from(case.timed);
        let pieces: Vec<Piece<'_>> = case
            .sequences
            .iter()
            .map(|records| Piece { person: EntityRef::Nobody, records, from, to: records.len() })
            .collect();
        let outcome = model.outer(&pieces, Chance { dropout: 0.0, streams: Vec::new(), sample: None }).await?;
        worst.see("loss", &[outcome.loss as f32], &[case.loss])?;
        worst.see("adapted vectors", &outcome.adapted, &case.adapted.concat().concat())?;
        let (order, expected) =
            if second_order { ("second", &case.gradient) } else { ("first", &case.gradient_first_order) };
        let got = outcome.gradient.values().await?;
        let mut see = |name: &str, expected: &[f64]| -> Result<()> {
            let (_, got) = got.get(name).with_context(|| format!("no gradient of {name}"))?;
            worst.see(&format!("gradient of {order} order at {name}"), got, expected)
        };
        see("item.id.table", &expected.y.concat())?;
        see("item.bias", &expected.b)?;
        see("start", &expected.x0)?;
        see("log_step", &[expected.log_alpha])?;
        if case.timed {
            see("log_fading", &[expected.log_tau])?;
        } else if expected.log_tau != 0.0 {
            bail!("a case without an order has no fading");
        }
        let base = model.item_base().await?;
        let time = |place: usize| case.timed.then_some(place as f64);
        let past = UserHistory::new(case.person.iter().enumerate().map(|(place, &item)| (item, time(place))));
        let adapt = AdaptConfig { steps: case.steps, ..AdaptConfig::whole_history() };
        let scores = model.scores(&base, &[Asking { row: EntityRef::Nobody, past: &past }], &adapt).await?;
        worst.see("a person's scores", &scores[0], &case.person_scores)?;
    }
    Ok(worst)
}

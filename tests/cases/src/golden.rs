//! Golden cases: float64 results of per-user autograd, compared with the
//! low-rank form in f32.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use eemu_core::data::{Catalog, Column, Entities, Values};
use eemu_core::model::{AdaptedParams, EntityRef, ModelConfig, Pair, Parameters, Recommender, Task};
use eemu_core::random::Key;
use eemu_core::tensor::Device;
use serde::Deserialize;
use serde_json::Value;

use crate::episodes;

/// The greatest difference allowed, relative to the norm of the expected
/// values.
pub const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Case {
    alpha: f32,
    margin: f32,
    reptile_steps: usize,
    layer_norm_eps: f64,
    user_features: Vec<RawFeature>,
    item_features: Vec<RawFeature>,
    towers: Towers,
    parameters: BTreeMap<String, Value>,
    tasks: Vec<RawTask>,
    expected: Expected,
}

#[derive(Deserialize)]
struct RawFeature {
    name: String,
    kind: String,
    values: Value,
}

#[derive(Deserialize)]
struct Towers {
    user: Vec<usize>,
    item: Vec<usize>,
}

#[derive(Deserialize)]
struct RawTask {
    user: u32,
    support: Vec<u32>,
    support_negatives: Vec<Vec<u32>>,
    query: Vec<u32>,
    query_negatives: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct Expected {
    user_vectors: Value,
    item_vectors: Value,
    scores: Value,
    tasks: Vec<ExpectedTask>,
    meta_gradient_first_order: BTreeMap<String, Value>,
    reptile_mean_delta: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct ExpectedTask {
    support_loss: f64,
    query_loss: f64,
    adapted_user_vector: Value,
    adapted_scores: Value,
}

/// The worst relative error of one case, and its quantity.
#[derive(Debug, Clone, Default)]
pub struct Worst {
    /// The greatest difference, divided by the norm of the expected values.
    pub error: f64,
    /// The quantity that was compared.
    pub quantity: String,
}

impl Worst {
    pub(crate) fn see(&mut self, quantity: &str, got: &[f32], expected: &[f64]) -> Result<()> {
        if got.len() != expected.len() {
            bail!("{quantity}: {} values, expected {}", got.len(), expected.len());
        }
        let difference = got.iter().zip(expected).map(|(g, e)| (f64::from(*g) - e).powi(2)).sum::<f64>().sqrt();
        let norm = expected.iter().map(|e| e * e).sum::<f64>().sqrt();
        // A value that is zero up to float64 rounding must be zero up to f32
        // rounding.
        let error = if norm < 1e-9 { difference } else { difference / norm };
        if !error.is_finite() {
            bail!("{quantity}: not a number");
        }
        if error > self.error || self.quantity.is_empty() {
            *self = Self { error, quantity: quantity.to_owned() };
        }
        Ok(())
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        other => other.as_f64().into_iter().collect(),
    }
}

fn shape(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(values) => {
            std::iter::once(values.len()).chain(values.first().map(shape).unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    }
}

fn entities(side: &str, features: &[RawFeature], parameters: &BTreeMap<String, Value>) -> Result<Entities> {
    let count = features.first().and_then(|f| f.values.as_array()).context("a feature's values must be a list")?.len();
    let vocabulary = |name: &str| -> Result<Vec<String>> {
        let table = format!("{side}.{name}.table");
        let rows =
            parameters.get(&table).and_then(Value::as_array).with_context(|| format!("{table} is missing"))?.len();
        Ok((0..rows).map(|t| format!("{t:09}")).collect())
    };
    let columns = features
        .iter()
        .map(|feature| {
            let integers = |value: &Value| numbers(value).into_iter().map(|v| v as u32).collect::<Vec<u32>>();
            let list = feature.values.as_array().context("a feature's values must be a list")?;
            let values = match feature.kind.as_str() {
                "token" => Values::Token { vocabulary: vocabulary(&feature.name)?, rows: integers(&feature.values) },
                "token_seq" => {
                    let rows = list
                        .iter()
                        .map(|row| {
                            let mut row = integers(row);
                            row.sort_unstable();
                            row
                        })
                        .collect();
                    Values::TokenSeq { vocabulary: vocabulary(&feature.name)?, rows }
                }
                "float" | "float_seq" => Values::Dense {
                    width: numbers(&list[0]).len(),
                    rows: numbers(&feature.values).into_iter().map(|v| v as f32).collect(),
                },
                other => bail!("feature '{}': unknown kind '{other}'", feature.name),
            };
            Ok(Column { name: feature.name.clone(), values })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Entities::new((0..count).map(|i| i.to_string()).collect(), Vec::new(), columns)?)
}

fn pairs(positives: &[u32], negatives: &[Vec<u32>]) -> Vec<Pair> {
    positives
        .iter()
        .zip(negatives)
        .flat_map(|(&positive, negatives)| negatives.iter().map(move |&negative| Pair { positive, negative }))
        .collect()
}

async fn see_parameters(
    worst: &mut Worst,
    what: &str,
    got: &Parameters,
    expected: &BTreeMap<String, Value>,
) -> Result<()> {
    let values = got.values().await?;
    if values.len() != expected.len() {
        bail!("{what}: {} tensors, expected {}", values.len(), expected.len());
    }
    for (name, expected) in expected {
        let (_, got) = values.get(name).with_context(|| format!("{what}: no tensor '{name}'"))?;
        worst.see(&format!("{what} {name}"), got, &numbers(expected))?;
    }
    Ok(())
}

/// Runs one case and returns its worst relative error.
///
/// # Errors
/// If the file is not a golden case, or a quantity has another shape.
pub async fn run(text: &str, device: &Device) -> Result<Worst> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(default)]
        kind: String,
    }
    let Kind { kind } = serde_json::from_str(text).context("not a golden case")?;
    match kind.as_str() {
        "" => {}
        "episodes" => return episodes::run(text, device).await,
        other => bail!("a golden case of an unknown kind '{other}'"),
    }
    let case: Case = serde_json::from_str(text).context("not a golden case")?;
    if (case.layer_norm_eps - 1e-5).abs() > 1e-12 {
        bail!("this build's LayerNorm has epsilon 1e-5, the case wants {}", case.layer_norm_eps);
    }
    let catalog = Catalog {
        dataset: "golden".into(),
        version: 1,
        users: entities("user", &case.user_features, &case.parameters)?,
        items: entities("item", &case.item_features, &case.parameters)?,
    };
    let hidden = |sizes: &[usize]| sizes.get(1..sizes.len().saturating_sub(1)).unwrap_or_default().to_vec();
    let config = ModelConfig {
        identifiers: false,
        width: case.towers.user[0] / case.user_features.len().max(1),
        user_hidden: hidden(&case.towers.user),
        item_hidden: hidden(&case.towers.item),
        output: *case.towers.user.last().context("a tower needs an output")?,
        margin: case.margin,
        unknown_rows: false,
        table_scale: 1.0,
        ..ModelConfig::default()
    };
    let mut model = Recommender::new(&catalog, &config, &Key::from_seed(0), 0, device)?;
    let values = case
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), (shape(value), numbers(value).into_iter().map(|v| v as f32).collect())))
        .collect();
    model.parameters_mut().set(&values)?;

    let mut worst = Worst::default();
    let support: Vec<Task> = case
        .tasks
        .iter()
        .map(|t| Task { user: EntityRef::Known(t.user), pairs: pairs(&t.support, &t.support_negatives) })
        .collect();
    let query: Vec<Task> = case
        .tasks
        .iter()
        .map(|t| Task { user: EntityRef::Known(t.user), pairs: pairs(&t.query, &t.query_negatives) })
        .collect();

    let users: Vec<EntityRef> = (0..catalog.users.len() as u32).map(EntityRef::Known).collect();
    let none = AdaptedParams::none(users.len());
    let vectors: Vec<f32> = model.user_vectors(&users, &none).await?.concat();
    worst.see("user vectors", &vectors, &numbers(&case.expected.user_vectors))?;
    let base = model.item_base();
    worst.see("item vectors", &base.vectors().await?, &numbers(&case.expected.item_vectors))?;
    worst.see("scores", &model.scores(&base, &users, &none).await?.concat(), &numbers(&case.expected.scores))?;

    let adapted = model.inner_steps(&support, case.alpha, 1).await?;
    let rows: Vec<EntityRef> = support.iter().map(|t| t.user).collect();
    let vectors = model.user_vectors(&rows, &adapted).await?;
    let scores = model.scores(&base, &rows, &adapted).await?;
    let (gradient, losses) = model.outer_gradient(&query, &adapted, 1.0 / query.len() as f32).await?;
    for (place, expected) in case.expected.tasks.iter().enumerate() {
        worst.see(&format!("support loss {place}"), &[adapted.losses[place]], &[expected.support_loss])?;
        worst.see(&format!("query loss {place}"), &[losses[place]], &[expected.query_loss])?;
        worst.see(&format!("adapted user {place}"), &vectors[place], &numbers(&expected.adapted_user_vector))?;
        worst.see(&format!("adapted scores {place}"), &scores[place], &numbers(&expected.adapted_scores))?;
    }
    see_parameters(&mut worst, "meta-gradient", &gradient, &case.expected.meta_gradient_first_order).await?;

    let whole: Vec<Task> = support
        .iter()
        .zip(&query)
        .map(|(s, q)| Task { user: s.user, pairs: s.pairs.iter().chain(&q.pairs).copied().collect() })
        .collect();
    let adapted = model.inner_steps(&whole, case.alpha, case.reptile_steps).await?;
    see_parameters(&mut worst, "reptile move", &model.mean_move(&adapted), &case.expected.reptile_mean_delta).await?;
    Ok(worst)
}

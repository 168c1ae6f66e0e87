//! EASE's kernel as a product of item vectors.
//!
//! With X [people, items] of zeros and ones and a ridge lambda, EASE's inverse is
//!
//!     (X'X + lambda)^-1 = (I - X' (lambda + X X')^-1 X) / lambda
//!
//! so off its diagonal EASE's weight from item i to item j is
//! z_i . z_j / (1 - |z_j|^2) with z = X' U (lambda + S)^-1/2 and X X' = U S U'.
//! The diagonal never matters: what somebody has is not recommended. The
//! largest eigenvalues make the best vectors of a given width.

use crate::{Error, Result};

/// Item vectors z and each item's scale as a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    /// Columns of a vector.
    pub width: usize,
    /// z, row-major [items, width].
    pub vectors: Vec<f32>,
    /// 1 / (1 - |z_j|^2), by item.
    pub scales: Vec<f32>,
}

/// The most people of one shard whose records are decomposed.
const MOST_PEOPLE: usize = 8192;

/// The vectors of these histories (distinct items each).
///
/// # Errors
/// When there are too many people, or the decomposition fails.
#[cfg(feature = "linear-algebra")]
pub fn ease_factors(histories: &[&[u32]], items: usize, width: usize, ridge: f64) -> Result<Factors> {
    use faer::{Mat, Side};
    let people = histories.len();
    if people > MOST_PEOPLE {
        return Err(Error::Config(format!(
            "the closed-form part takes shards of at most {MOST_PEOPLE} people, this one has {people}: \
             use more shards, or set episodes.kernel_width to 0"
        )));
    }
    let mut factors = Factors { width, vectors: vec![0.0; items * width], scales: vec![1.0; items] };
    if people == 0 {
        return Ok(factors);
    }
    let mut holders = vec![Vec::new(); items];
    for (person, items) in (0..).zip(histories) {
        items.iter().for_each(|&item| holders[item as usize].push(person));
    }
    let mut common = vec![0u32; people * people];
    for holders in &holders {
        for (place, &one) in holders.iter().enumerate() {
            for &other in &holders[..=place] {
                common[one * people + other] += 1;
            }
        }
    }
    let gram = Mat::from_fn(people, people, |i, j| f64::from(common[i.max(j) * people + i.min(j)]));
    let eigen = gram
        .self_adjoint_eigen(Side::Lower)
        .map_err(|why| Error::Model(format!("the closed-form part could not be decomposed: {why:?}")))?;
    let (values, vectors) = (eigen.S().column_vector(), eigen.U());
    // Ascending: the last columns are the largest.
    let taken = width.min(people);
    for (item, holders) in holders.iter().enumerate() {
        let mut square = 0.0f64;
        for column in 0..taken {
            let from = people - 1 - column;
            let scale = 1.0 / (ridge + values[from].max(0.0)).sqrt();
            let value = holders.iter().map(|&person| vectors[(person, from)]).sum::<f64>() * scale;
            square += value * value;
            factors.vectors[item * width + column] = value as f32;
        }
        factors.scales[item] = (1.0 / (1.0 - square).max(1e-6)) as f32;
    }
    Ok(factors)
}

/// Without the linear algebra, as in a browser, nothing can be decomposed.
///
/// # Errors
/// Always.
#[cfg(not(feature = "linear-algebra"))]
pub fn ease_factors(_: &[&[u32]], _: usize, _: usize, _: f64) -> Result<Factors> {
    let _ = MOST_PEOPLE;
    Err(Error::Config("this program cannot compute a closed-form part; train it with eemu".into()))
}

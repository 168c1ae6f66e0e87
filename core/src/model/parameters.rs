//! A model's parameters: named tensors in a fixed order.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::random::Key;
use crate::tensor::{Device, Tensor, from_vec, read};
use crate::{Error, Result};

/// Tensors on the host: name to (shape, row-major values), sorted by name.
pub type TensorMap = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The initial values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Start {
    /// Normal with this standard deviation.
    Normal(f64),
    /// Uniform between minus and plus this bound.
    Uniform(f64),
    /// One value everywhere.
    Constant(f32),
    /// Linear from the first value in the first column to the second in the
    /// last.
    Between(f32, f32),
    /// This value on the diagonal, plus normal noise with this deviation
    /// everywhere.
    Diagonal(f32, f64),
}

/// Name, shape and initial values of a parameter. Vectors have one dimension;
/// on the device every parameter is a matrix (a vector is [1, n]).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) start: Start,
    /// Whether the first row starts at zero: the row of a table for unknown
    /// values.
    pub(crate) first_row_zero: bool,
}

impl Declared {
    pub(crate) fn matrix(&self) -> [usize; 2] {
        match self.shape[..] {
            [rows, columns] => [rows, columns],
            _ => [1, self.shape.iter().product()],
        }
    }

    fn initial(&self, key: &Key, shard: u32) -> Vec<f32> {
        let [rows, columns] = self.matrix();
        let mut values = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            if self.first_row_zero && row == 0 {
                values.extend(std::iter::repeat_n(0.0, columns));
                continue;
            }
            // The row for unknown values must not shift the others' streams, so
            // rows are numbered without it.
            let number = (row - usize::from(self.first_row_zero)) as u64;
            let mut stream =
                key.stream("initial", &[&shard.to_le_bytes(), self.name.as_bytes(), &number.to_le_bytes()]);
            values.extend((0..columns).map(|column| match self.start {
                Start::Normal(deviation) => (stream.normal() * deviation) as f32,
                Start::Uniform(bound) => stream.symmetric(bound),
                Start::Constant(value) => value,
                Start::Diagonal(value, deviation) => {
                    (stream.normal() * deviation) as f32 + if row == column { value } else { 0.0 }
                }
                Start::Between(from, to) => from + (to - from) * column as f32 / (columns - 1).max(1) as f32,
            }));
        }
        values
    }
}

/// The parameters of one model, or tensors of the same shapes (gradients,
/// Adam's moments).
#[derive(Debug, Clone)]
pub struct Parameters {
    declared: std::sync::Arc<Vec<Declared>>,
    tensors: Vec<Tensor<2>>,
}

/// A gradient under construction, by parameter index.
pub(crate) struct Gradient(Vec<Option<Tensor<2>>>);

impl Gradient {
    pub(crate) fn of(parameters: &Parameters) -> Self {
        Self(vec![None; parameters.tensors.len()])
    }

    pub(crate) fn put(&mut self, index: usize, value: Tensor<2>) {
        self.0[index] = Some(value);
    }
}

impl Parameters {
    pub(crate) fn initial(declared: Vec<Declared>, key: &Key, shard: u32, device: &Device) -> Self {
        let tensors = declared.iter().map(|d| from_vec(d.initial(key, shard), d.matrix(), device)).collect();
        Self { declared: std::sync::Arc::new(declared), tensors }
    }

    pub(crate) fn zeros_like(&self) -> Self {
        Self { declared: self.declared.clone(), tensors: self.tensors.iter().map(Tensor::zeros_like).collect() }
    }

    pub(crate) fn get(&self, index: usize) -> &Tensor<2> {
        &self.tensors[index]
    }

    /// The gradient's tensors, with zeros where none was put.
    pub(crate) fn filled(&self, gradient: Gradient) -> Self {
        let tensors = self.tensors.iter().zip(gradient.0).map(|(own, put)| put.unwrap_or_else(|| own.zeros_like()));
        Self { declared: self.declared.clone(), tensors: tensors.collect() }
    }

    pub(crate) fn tensors_mut(&mut self) -> &mut [Tensor<2>] {
        &mut self.tensors
    }

    pub(crate) fn tensors(&self) -> &[Tensor<2>] {
        &self.tensors
    }

    /// Adds `factor` times `other` to every parameter.
    #[must_use]
    pub fn moved(&self, other: &Self, factor: f32) -> Self {
        let tensors = self.tensors.iter().zip(&other.tensors).map(|(a, b)| a.clone() + b.clone() * factor).collect();
        Self { declared: self.declared.clone(), tensors }
    }

    /// The sign of every value: -1, 0 or 1.
    pub(crate) fn signs(&self) -> Self {
        let tensors = self.tensors.iter().map(|tensor| tensor.clone().sign()).collect();
        Self { declared: self.declared.clone(), tensors }
    }

    /// Names and shapes, in order.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.declared.iter().map(|d| (d.name.as_str(), d.shape.as_slice()))
    }

    /// For each parameter, whether it is a table: one row for each item, user
    /// or value.
    pub(crate) fn tables(&self) -> Vec<bool> {
        self.declared.iter().map(|d| d.name.ends_with(".table")).collect()
    }

    /// For each parameter, whether it is a scalar of the adaptation: a step
    /// size, a decay or a scale.
    pub(crate) fn scalars(&self) -> Vec<bool> {
        let scalar = |d: &Declared| d.name.starts_with("log_") || (d.name.starts_with("tower.") && d.shape.len() == 1);
        self.declared.iter().map(scalar).collect()
    }

    /// The number of scalar values in the model.
    pub fn count(&self) -> usize {
        self.declared.iter().map(|d| d.shape.iter().product::<usize>()).sum()
    }

    /// The device that holds the tensors.
    pub fn device(&self) -> Device {
        self.tensors[0].device()
    }

    /// Reads every parameter: name to (shape, row-major values), sorted by
    /// name.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn values(&self) -> Result<TensorMap> {
        let mut values = TensorMap::new();
        for (declared, tensor) in self.declared.iter().zip(&self.tensors) {
            values.insert(declared.name.clone(), (declared.shape.clone(), read(tensor.clone()).await?));
        }
        Ok(values)
    }

    /// Sets every parameter by name. On an error nothing changes.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape.
    pub fn set(&mut self, values: &TensorMap) -> Result<()> {
        let device = self.device();
        if let Some(name) = values.keys().find(|name| !self.declared.iter().any(|d| d.name == **name)) {
            return Err(Error::Model(format!("tensor '{name}' belongs to no parameter of this model")));
        }
        let tensors = self.declared.iter().map(|declared| {
            let (shape, numbers) = values
                .get(&declared.name)
                .ok_or_else(|| Error::Model(format!("tensor '{}' is missing", declared.name)))?;
            if *shape != declared.shape || numbers.len() != shape.iter().product::<usize>() {
                return Err(Error::Model(format!(
                    "tensor '{}' has shape {shape:?}, expected {:?}",
                    declared.name, declared.shape
                )));
            }
            Ok(from_vec(numbers.clone(), declared.matrix(), &device))
        });
        self.tensors = tensors.collect::<Result<_>>()?;
        Ok(())
    }
}

/// Serialises tensors as a safetensors file.
///
/// # Errors
/// If a shape does not fit its values.
pub fn to_safetensors(values: &TensorMap) -> Result<Vec<u8>> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = values
        .iter()
        .map(|(name, (shape, numbers))| (name, shape, numbers.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((
                name.as_str(),
                TensorView::new(Dtype::F32, (*shape).clone(), bytes).map_err(|e| Error::Model(e.to_string()))?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    safetensors::serialize(views, None).map_err(|e| Error::Model(e.to_string()))
}

/// Reads a safetensors file of f32 tensors.
///
/// # Errors
/// If the bytes are not such a file.
pub fn from_safetensors(bytes: &[u8]) -> Result<TensorMap> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Model(format!("not a safetensors file: {e}")))?;
    file.iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(Error::Model(format!("tensor '{name}' is {:?}, expected F32", view.dtype())));
            }
            let numbers = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok((name.to_owned(), (view.shape().to_vec(), numbers)))
        })
        .collect()
}

/// The identity of a model: BLAKE3 over its tensors in name order (name,
/// shape, little-endian values), never over a container file.
pub fn model_blake3(values: &TensorMap) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, (shape, numbers)) in values {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&(shape.len() as u64).to_le_bytes());
        for size in shape {
            hasher.update(&(*size as u64).to_le_bytes());
        }
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

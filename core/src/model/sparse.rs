//! A batch's gradient: of whole tensors, or of the rows that the batch read.
//!
//! Where a batch reads a few of many items, the gradients of the tables with a
//! row an item are zero everywhere else. Those rows are left out, so that
//! neither the gradient nor the optimiser's step grows with the catalogue.

use crate::Result;
use crate::model::parameters::{Gradient, Parameters, TensorMap};
use crate::tensor::Tensor;

/// The gradient of a batch at every parameter.
#[derive(Debug, Clone)]
pub struct BatchGradient {
    /// Shaped like the parameters; of a sparse one, the rows that were read.
    pub(crate) parts: Parameters,
    pub(crate) sparse: Option<Sparse>,
}

/// Which rows of which parameters a gradient has.
#[derive(Debug, Clone)]
pub(crate) struct Sparse {
    /// Ascending.
    pub(crate) rows: Vec<u32>,
    /// Numbers of the parameters that have a row for each item; a vector has a
    /// number for each.
    pub(crate) parameters: Vec<usize>,
}

impl From<Parameters> for BatchGradient {
    fn from(parts: Parameters) -> Self {
        Self { parts, sparse: None }
    }
}

impl BatchGradient {
    /// What was put, with zeros elsewhere. Each parameter of `sparse` must
    /// have been put.
    pub(crate) fn new(parameters: &Parameters, gradient: Gradient, sparse: Option<Sparse>) -> Self {
        Self { parts: parameters.filled(gradient), sparse }
    }

    /// The gradient and, where it has some rows alone, their numbers, by parameter.
    pub(crate) fn by_parameter(&mut self) -> impl Iterator<Item = (&mut Tensor<2>, Option<&[u32]>)> {
        let sparse = &self.sparse;
        self.parts.tensors_mut().iter_mut().enumerate().map(move |(number, tensor)| {
            let own = sparse.as_ref().filter(|sparse| sparse.parameters.contains(&number));
            (tensor, own.map(|sparse| sparse.rows.as_slice()))
        })
    }

    /// Reads the gradient of every parameter, whole: name to (shape, row-major
    /// values), by name.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn values(&self) -> Result<TensorMap> {
        let mut values = self.parts.values().await?;
        let Some(sparse) = &self.sparse else { return Ok(values) };
        for (number, (name, shape)) in self.parts.shapes().enumerate() {
            let (true, Some((_, own))) = (sparse.parameters.contains(&number), values.get_mut(name)) else { continue };
            let width = own.len() / sparse.rows.len().max(1);
            let mut whole = vec![0.0; shape.iter().product()];
            for (&row, part) in sparse.rows.iter().zip(own.chunks_exact(width.max(1))) {
                whole[row as usize * width..][..width].copy_from_slice(part);
            }
            *own = whole;
        }
        Ok(values)
    }
}

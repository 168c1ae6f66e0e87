//! A batch's gradient: of whole tensors, or of the rows that the batch read.
//!
//! If a batch reads few of many items, the gradients of tables with one row for
//! each item are zero in all other rows. Those rows are left out, so that
//! neither the gradient nor the optimiser's step grows with the catalogue.

use crate::Result;
use crate::model::parameters::{Gradient, Parameters, TensorMap};
use crate::tensor::Tensor;

/// The gradient of a batch at every parameter.
#[derive(Debug, Clone)]
pub struct BatchGradient {
    /// Shaped like the parameters; a sparse parameter holds only the rows that
    /// were read.
    pub(crate) parts: Parameters,
    pub(crate) sparse: Option<Sparse>,
}

/// The rows and parameters in which a gradient is sparse.
#[derive(Debug, Clone)]
pub(crate) struct Sparse {
    /// The rows, ascending.
    pub(crate) rows: Vec<u32>,
    /// Indices of the parameters that have a row (or, for a vector, a value)
    /// for each item.
    pub(crate) parameters: Vec<usize>,
}

impl From<Parameters> for BatchGradient {
    fn from(parts: Parameters) -> Self {
        Self { parts, sparse: None }
    }
}

impl BatchGradient {
    /// The gradients that were put, with zeros for the others. Each parameter
    /// of `sparse` must have been put.
    pub(crate) fn new(parameters: &Parameters, gradient: Gradient, sparse: Option<Sparse>) -> Self {
        Self { parts: parameters.filled(gradient), sparse }
    }

    /// The gradient of each parameter and, if it is sparse, the row indices.
    pub(crate) fn by_parameter(&mut self) -> impl Iterator<Item = (&mut Tensor<2>, Option<&[u32]>)> {
        let sparse = &self.sparse;
        self.parts.tensors_mut().iter_mut().enumerate().map(move |(number, tensor)| {
            let own = sparse.as_ref().filter(|sparse| sparse.parameters.contains(&number));
            (tensor, own.map(|sparse| sparse.rows.as_slice()))
        })
    }

    /// Reads the whole gradient of every parameter: name to (shape, row-major
    /// values), sorted by name.
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

//! The tensor library behind one alias: the device is a value, so no type
//! carries a backend parameter.

use burn::tensor::{Int, TensorData};

use crate::{Error, Result};

/// Burn's run-time backend.
pub type Backend = burn::Dispatch;
/// A float tensor of `D` dimensions on any device.
pub type Tensor<const D: usize> = burn::tensor::Tensor<Backend, D>;
/// Row numbers on a device.
pub type Indices = burn::tensor::Tensor<Backend, 1, Int>;
/// Where a tensor lives.
pub type Device = burn::DispatchDevice;

/// A tensor of the given shape from row-major values.
pub fn from_vec<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Row numbers for a selection.
pub fn indices(rows: impl IntoIterator<Item = u32>, device: &Device) -> Indices {
    let rows: Vec<i64> = rows.into_iter().map(i64::from).collect();
    let count = rows.len();
    Indices::from_data(TensorData::new(rows, [count]), device)
}

/// Reads a tensor's values, row-major. Asynchronous: in a browser nothing
/// else is possible.
///
/// # Errors
/// When the device fails.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.into_data_async().await.map_err(|e| Error::Device(format!("{e:?}")))?;
    data.into_vec::<f32>().map_err(|e| Error::Device(format!("{e:?}")))
}

/// Whether the tensor lives on the CPU backend, whose bytes are promised.
pub(crate) fn on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device(), Device::Flex(_))
}

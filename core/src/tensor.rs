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

/// Opens the browser's WebGPU device; nothing else of it may be touched
/// before. `lost` hears when it is gone, and then nothing can be read any more.
///
/// # Panics
/// When there is no adapter: ask the browser for one first.
#[cfg(all(feature = "wgpu", target_family = "wasm"))]
pub async fn open_webgpu(lost: impl Fn(String) + Send + 'static) -> Device {
    let place = burn_wgpu::WgpuDevice::DefaultDevice;
    let setup = burn_wgpu::init_setup_async::<burn_wgpu::graphics::WebGpu>(&place, Default::default()).await;
    setup.device.set_device_lost_callback(move |_, why| lost(why));
    Device::Wgpu(place)
}

/// Whether the tensor lives on the CPU backend, whose bytes are promised.
pub(crate) fn on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device(), Device::Flex(_))
}

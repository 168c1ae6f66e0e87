//! The tensor library behind one alias. The device is a value, so no type has a
//! backend parameter.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{FloatDType, IndexingUpdateOp, Int, TensorData};

use crate::{Error, Result};

/// Burn's run-time backend.
pub type Backend = burn::Dispatch;
/// A float tensor of `D` dimensions on any device.
pub type Tensor<const D: usize> = burn::tensor::Tensor<Backend, D>;
/// Row numbers on a device.
pub type Indices = burn::tensor::Tensor<Backend, 1, Int>;
/// The device that holds a tensor.
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

/// Matrix products with the precision of f32.
pub(crate) trait Product {
    /// The matrix product, accurate on every device to about 1e-5 of the size
    /// of its factors.
    #[must_use]
    fn product(self, other: Self) -> Self;
}

impl<const D: usize> Product for Tensor<D> {
    fn product(self, other: Self) -> Self {
        if is_wide(&self.device()) { in_parts(self, other) } else { self.matmul(other) }
    }
}

/// Whether the device is a GPU with tensor cores. Such a device needs large
/// batches, and its own matrix products round their factors to ten bits (TF32),
/// which exceeds the tolerance of the golden cases.
pub(crate) fn is_wide(device: &Device) -> bool {
    #[cfg(feature = "cuda")]
    if matches!(device, Device::Cuda(_)) {
        return true;
    }
    let _ = device;
    false
}

/// A product in which no large factor needs more than ten bits. Each factor is
/// split into a coarse part of eight bits and a rest. The product of the two
/// rests is omitted, because it is below f32's rounding of most sums.
fn in_parts<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let coarse = |t: &Tensor<D>| t.clone().cast(FloatDType::BF16).cast(FloatDType::F32);
    let (coarse_a, coarse_b) = (coarse(&a), coarse(&b));
    let (rest_a, rest_b) = (a - coarse_a.clone(), b - coarse_b.clone());
    rest_a.matmul(coarse_b.clone()) + coarse_a.clone().matmul(rest_b) + coarse_a.matmul(coarse_b)
}

/// Replaces some rows of a tensor; for a vector, [1, n], some of its values.
/// `rows` must be distinct. All rows are written at once, whereas each lane of
/// `select_assign` walks through all of them.
pub(crate) fn put_rows(whole: Tensor<2>, rows: Indices, values: Tensor<2>) -> Tensor<2> {
    let count = rows.dims()[0];
    let rows: burn::tensor::Tensor<Backend, 2, Int> = rows.reshape([count, 1]);
    let [first, columns] = whole.dims();
    if first != 1 {
        return whole.scatter_nd(rows, values, IndexingUpdateOp::Assign);
    }
    let put = whole.reshape([columns, 1]).scatter_nd(rows, values.reshape([count, 1]), IndexingUpdateOp::Assign);
    put.reshape([1, columns])
}

/// Number of reads of a tensor's values since this process began.
static READS: AtomicU64 = AtomicU64::new(0);

/// Number of reads of a tensor's values in this process. On a GPU every read
/// waits for all operations before it.
pub fn reads() -> u64 {
    READS.load(Ordering::Relaxed)
}

/// Reads a tensor's values, row-major. It is asynchronous, because a browser
/// allows nothing else.
///
/// # Errors
/// When the device fails.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    READS.fetch_add(1, Ordering::Relaxed);
    let data = tensor.into_data_async().await.map_err(|e| Error::Device(format!("{e:?}")))?;
    data.into_vec::<f32>().map_err(|e| Error::Device(format!("{e:?}")))
}

/// Opens the browser's WebGPU device. No other code may touch the device
/// before. `lost` is called when the device is lost; after that nothing can be
/// read.
///
/// # Panics
/// If there is no adapter: ask the browser for one first.
#[cfg(all(feature = "wgpu", target_family = "wasm"))]
pub async fn open_webgpu(lost: impl Fn() + Send + 'static) -> Device {
    let place = burn_wgpu::WgpuDevice::DefaultDevice;
    let setup = burn_wgpu::init_setup_async::<burn_wgpu::graphics::WebGpu>(&place, Default::default()).await;
    setup.device.set_device_lost_callback(move |_, _| lost());
    Device::Wgpu(place)
}

/// Whether the tensor is on the CPU backend, whose bytes are reproducible.
pub(crate) fn on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device(), Device::Flex(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    #[test]
    fn a_product_in_parts_is_the_product() {
        let device = Device::Flex(Default::default());
        let mut stream = Key::from_seed(3).stream("product", &[]);
        let mut random =
            |rows: usize, columns: usize| -> Vec<f32> { (0..rows * columns).map(|_| stream.normal() as f32).collect() };
        let (rows, inner, columns) = (5, 37, 4);
        let (a, b) = (random(rows, inner), random(inner, columns));
        let parts =
            in_parts(from_vec(a.clone(), [rows, inner], &device), from_vec(b.clone(), [inner, columns], &device));
        let parts = parts.into_data().into_vec::<f32>().unwrap();
        for (place, part) in parts.iter().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let terms = (0..inner).map(|k| f64::from(a[row * inner + k]) * f64::from(b[k * columns + column]));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            assert!((f64::from(*part) - sum).abs() < 1e-5 * size, "{part} {sum}");
        }
    }
}

//! Which device computes.

use anyhow::Result;
#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
use anyhow::bail;
use clap::ValueEnum;
use eemu_core::tensor::Device;

/// A device as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The processor; the device whose bytes are promised.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// Any GPU through WebGPU.
    Wgpu,
    /// CUDA where this program has it and a GPU answers, else the processor.
    Auto,
}

/// Opens a device.
///
/// # Errors
/// When this program was built without it, or none answers.
pub fn open(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Cuda => cuda(),
        DeviceChoice::Wgpu => wgpu(),
        DeviceChoice::Auto => Ok(cuda().or_else(|_| wgpu()).unwrap_or_else(|_| cpu())),
    }
}

/// The processor.
pub fn cpu() -> Device {
    Device::Flex(Default::default())
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Device> {
    answers(Device::Cuda(Default::default()), "no CUDA device answered; is the NVIDIA driver installed?")
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Device> {
    bail!("this program was built without CUDA; build it with: cargo build --workspace --features eemu-server/cuda")
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device> {
    answers(
        Device::Wgpu(Default::default()),
        "no WebGPU adapter answered; is a Vulkan, Metal or DirectX driver installed?",
    )
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device> {
    bail!("this program was built without WebGPU; build it with: cargo build --workspace --features eemu-server/wgpu")
}

/// One product on the device: drivers fail by panicking, which must become a sentence.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn answers(device: Device, problem: &'static str) -> Result<Device> {
    let probe = device.clone();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let result = std::panic::catch_unwind(move || {
        let one = eemu_core::tensor::from_vec(vec![1.0], [1, 1], &probe);
        pollster::block_on(eemu_core::tensor::read(one.clone().matmul(one)))
    });
    std::panic::set_hook(hook);
    match result {
        Ok(Ok(values)) if values == [1.0] => Ok(device),
        _ => Err(anyhow::anyhow!(problem)),
    }
}

//! Which device makes the lists: what is wanted, what was measured, what is.

use serde::{Deserialize, Serialize};

/// Which device is to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Whichever a short probe finds faster.
    #[default]
    Faster,
    /// The CPU.
    Cpu,
    /// WebGPU.
    Gpu,
}

/// What the probe measured: one shard's list on either device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    /// Name of the WebGPU adapter.
    pub adapter: String,
    /// Milliseconds on the CPU.
    pub cpu: f64,
    /// Milliseconds on WebGPU.
    pub gpu: f64,
}

impl Speeds {
    /// Whether WebGPU is the faster.
    pub fn prefer_gpu(&self) -> bool {
        self.gpu < self.cpu
    }
}

/// Which device computes, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Whether lists are made on WebGPU.
    pub gpu: bool,
    /// Name of the adapter on WebGPU; the reason on the CPU.
    pub why: String,
    /// What the reader wants.
    pub wish: Wish,
    /// What was measured.
    pub speeds: Option<Speeds>,
    /// The shards whose models are on the graphics device now.
    pub holds: Vec<u32>,
}

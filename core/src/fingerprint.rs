//! The environment on which the bytes of a model depend besides its input.
//! Fingerprints are compared before any bytes are (exactness rule 10).

use serde::{Deserialize, Serialize};

use crate::tensor::Device;

/// Build, compiler, device and processor. Bytes are compared only between
/// equal fingerprints; anything else is "not comparable", never "different".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fingerprint {
    /// Version and hash of this crate's sources.
    pub build: String,
    /// The compiler.
    pub compiler: String,
    /// Target and optimisation.
    pub target: String,
    /// The device that computed.
    pub device: String,
    /// What kernels were chosen by.
    pub processor: Vec<String>,
    /// Whether equal input gives equal bytes here.
    pub bytes_promised: bool,
}

impl Fingerprint {
    /// The fingerprint of this program on this machine with this device.
    pub fn of(device: &Device) -> Self {
        Self {
            build: format!("eemu {} sources {} burn 0.21.0", env!("CARGO_PKG_VERSION"), env!("EEMU_SOURCES")),
            compiler: env!("EEMU_COMPILER").to_owned(),
            target: env!("EEMU_TARGET").to_owned(),
            device: device_name(device),
            processor: processor_features(),
            bytes_promised: matches!(device, Device::Flex(_)),
        }
    }
}

/// A short name of a device, for display and for fingerprints.
// The variants of `Device` depend on features.
#[allow(clippy::match_wildcard_for_single_variants)]
pub fn device_name(device: &Device) -> String {
    match device {
        Device::Flex(_) => "cpu (flex)".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(target_arch = "x86_64")]
fn processor_features() -> Vec<String> {
    let found = [
        ("avx", std::is_x86_feature_detected!("avx")),
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512bw", std::is_x86_feature_detected!("avx512bw")),
    ];
    found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_features() -> Vec<String> {
    vec![std::env::consts::ARCH.to_owned()]
}

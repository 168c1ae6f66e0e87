//! The functions that a test's worker calls in a browser.

use eemu_core::tensor::Device;
use wasm_bindgen::prelude::*;

/// Runs one case on the CPU backend or on WebGPU. Returns `{"error": ..,
/// "quantity": ".."}`.
///
/// # Errors
/// The message that the native runner would give.
#[wasm_bindgen]
pub async fn run_case(text: String, gpu: bool) -> Result<String, JsValue> {
    let device = if gpu { webgpu().await? } else { Device::Flex(Default::default()) };
    let worst = crate::golden::run(&text, &device).await.map_err(|why| JsValue::from_str(&format!("{why:#}")))?;
    Ok(serde_json::json!({ "error": worst.error, "quantity": worst.quantity }).to_string())
}

#[cfg(feature = "gpu")]
async fn webgpu() -> Result<Device, JsValue> {
    Ok(eemu_core::tensor::open_webgpu(|| ()).await)
}

#[cfg(not(feature = "gpu"))]
async fn webgpu() -> Result<Device, JsValue> {
    Err("this build has no WebGPU part".into())
}

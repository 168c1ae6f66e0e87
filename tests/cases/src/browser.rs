//! What a test's worker calls in a browser.

use eemu_core::tensor::Device;
use wasm_bindgen::prelude::*;

/// Runs one case on the CPU backend: `{"error": .., "quantity": ".."}`.
///
/// # Errors
/// With the sentence that the native runner would give.
#[wasm_bindgen]
pub async fn run_case(text: String) -> Result<String, JsValue> {
    let worst = crate::golden::run(&text, &Device::Flex(Default::default()))
        .await
        .map_err(|why| JsValue::from_str(&format!("{why:#}")))?;
    Ok(serde_json::json!({ "error": worst.error, "quantity": worst.quantity }).to_string())
}

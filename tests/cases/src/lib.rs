//! The golden cases' runner. Natively `eemu-tests` calls it; compiled to wasm
//! it is a module that a browser test loads, so that the same code meets the
//! same expectations there.

#[cfg(target_arch = "wasm32")]
pub mod browser;
mod episodes;
pub mod golden;

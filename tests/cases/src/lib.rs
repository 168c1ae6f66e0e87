//! The runner of the golden cases. `eemu-tests` calls it natively. Compiled to
//! wasm it is a module that a browser test loads, so that the same code is
//! checked against the same expectations there.

#[cfg(target_arch = "wasm32")]
pub mod browser;
mod episodes;
pub mod golden;

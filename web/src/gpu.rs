//! The program that ranks on WebGPU.

fn main() {
    #[cfg(all(target_arch = "wasm32", feature = "gpu"))]
    eemu_app::work_on_gpu();
}

//! The compute worker's program.

fn main() {
    #[cfg(target_arch = "wasm32")]
    eemu_app::work();
}

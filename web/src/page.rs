//! The page's program: shows, and computes nothing.

fn main() {
    #[cfg(target_arch = "wasm32")]
    eemu_app::page::mount();
}

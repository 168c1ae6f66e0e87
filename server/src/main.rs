//! `eemu`: exact machine unlearning for recommender systems.

use std::process::ExitCode;

// Tensors come and go by the megabyte; giving their pages back to the system
// each time would cost a tenth of the running time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    eemu_server::main()
}

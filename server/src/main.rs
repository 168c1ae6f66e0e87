//! `eemu`: exact machine unlearning for recommender systems.

use std::process::ExitCode;

// Tensors of megabytes are allocated and freed all the time. Returning their pages to
// the system each time would cost a tenth of the running time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    eemu_server::main()
}

//! The `eemu` command with the launcher of Kubernetes compiled in.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    eemu_server::main()
}

//! `golden [DIR] [--device cpu|cuda|wgpu|auto]`: runs every golden case of a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use eemu_server::device::{self, DeviceChoice};
use eemu_tests::golden;

#[derive(Parser)]
#[command(name = "golden", about = "Runs every golden case of a folder")]
struct Args {
    /// The folder with the cases.
    #[arg(default_value = "tests/golden")]
    folder: PathBuf,
    /// What computes.
    #[arg(long, value_enum, default_value = "cpu")]
    device: DeviceChoice,
}

fn main() -> ExitCode {
    let Args { folder, device } = Args::parse();
    let results = match device::open(device).and_then(|device| golden::run_folder(&folder, &device)) {
        Ok(results) => results,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let mut worst = 0.0f64;
    let mut failed = false;
    for (file, case) in &results {
        let verdict = if case.error <= golden::TOLERANCE { "ok" } else { "FAILED" };
        failed |= case.error > golden::TOLERANCE;
        worst = worst.max(case.error);
        println!("{verdict:6} {file}: worst relative error {:.2e} ({})", case.error, case.quantity);
    }
    println!("{} cases, worst relative error {worst:.2e}", results.len());
    if results.is_empty() {
        eprintln!("error: no golden case in {}", folder.display());
        failed = true;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

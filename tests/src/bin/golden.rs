//! `golden DIR`: runs every golden case of a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use eemu_core::tensor::Device;
use eemu_tests::golden;

fn main() -> ExitCode {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "tests/golden".into()));
    let results = match golden::run_folder(&folder, &Device::Flex(Default::default())) {
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

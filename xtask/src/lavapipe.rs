//! Native WebGPU: a GPU of this machine, or Mesa's software Vulkan.

use std::path::Path;

use crate::report::End;
use crate::run;

/// Compiles the tests that need it.
pub(crate) const TESTS: &str = "eemu-tests/wgpu";

/// Where Vulkan's loader looks for drivers.
const DRIVERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/// The step. Its programs lie in a folder of their own, so that those of an
/// ordinary build stay as they are.
pub(crate) fn step() -> End {
    let there = || DRIVERS.iter().any(|folder| drivers(Path::new(folder)));
    if cfg!(target_os = "linux") && !there() {
        // Where apt cannot, what is said below is the reason.
        let _ = run::output(run::program("apt-get").args(["install", "-y", "mesa-vulkan-drivers", "libvulkan1"]));
        if !there() {
            return End::NotRun(
                "no Vulkan driver is installed; Debian's packages are mesa-vulkan-drivers and libvulkan1".into(),
            );
        }
    }
    // All of the workspace, since these tests run the command as well.
    tests(&["build", "--workspace", "--bins", "--features", TESTS])
        .and_then(|()| {
            let args = ["test", "--workspace", "--no-fail-fast", "--features", TESTS, "--test", "lavapipe"];
            tests(&[&args[..], &["--", "--nocapture"]].concat())
        })
        .into()
}

fn tests(args: &[&str]) -> Result<(), String> {
    let mut command = run::cargo(args)?;
    run::pass(command.env("CARGO_TARGET_DIR", crate::place::target()?.join("lavapipe")))
}

/// Whether a folder names a driver.
fn drivers(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|end| end == "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_drivers_has_none() {
        assert!(!drivers(Path::new("no/such/folder")));
        assert!(!drivers(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()));
    }
}

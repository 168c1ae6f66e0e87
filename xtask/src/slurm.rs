//! Trains shards on a real Slurm of one node, which the test starts itself.

use crate::report::End;
use crate::run;

/// The feature with the test that needs it.
pub(crate) const TESTS: &str = "eemu-tests/slurm";

/// Runs the step. Slurm's daemons and apt run as root.
pub(crate) fn step() -> End {
    if !run::output(run::program("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        return End::NotRun("Slurm's daemons run as root alone; run this as root, in a container".into());
    }
    let there = || ["slurmctld", "slurmd"].iter().all(|name| run::answers(run::program(name).arg("-V")));
    if !there() {
        // If apt fails, the message below states the reason.
        let _ = run::output(run::program("apt-get").args(["install", "-y", "slurm-wlm", "munge"]));
    }
    if !there() {
        return End::NotRun("`slurmctld` is not installed; Debian's packages are slurm-wlm and munge".into());
    }
    let args = ["test", "--workspace", "--no-fail-fast", "--features", TESTS, "--test", "slurm", "--", "--nocapture"];
    run::cargo(&args).and_then(|mut command| run::pass(&mut command)).into()
}

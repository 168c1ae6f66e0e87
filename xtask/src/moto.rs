//! Models in a bucket of moto (PyPI), an S3 server that others wrote.

use crate::report::End;
use crate::{pypi, run};

/// The release that is known to work.
const RELEASE: &str = "moto[server]==5.2.5";

/// Compiles the tests that need it.
pub(crate) const TESTS: &str = "eemu-tests/moto";

/// The step.
pub(crate) fn step() -> End {
    match pypi::program("moto", RELEASE, "moto_server") {
        Ok(program) => {
            let args = ["test", "--workspace", "--no-fail-fast", "--features", TESTS, "--test", "server_moto"];
            run::cargo(&args).and_then(|mut command| run::pass(command.env("EEMU_TEST_MOTO", program))).into()
        }
        Err(why) => End::NotRun(why),
    }
}

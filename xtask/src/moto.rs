//! Tests models in a bucket of moto (PyPI), an independent S3 server.

use crate::report::End;
use crate::{pypi, run};

/// The tested release.
const RELEASE: &str = "moto[server]==5.2.5";

/// The feature with the tests that need it.
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

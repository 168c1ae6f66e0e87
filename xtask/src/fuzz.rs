//! Schemathesis (PyPI) against the OpenAPI document of a server of its own: no
//! request that it invents may be answered with a fault of the server.

use std::path::PathBuf;

use crate::report::End;
use crate::serving::Server;
use crate::{pypi, run};

/// The release that is known to work.
const RELEASE: &str = "schemathesis==4.32.5";

/// The step.
pub(crate) fn step() -> End {
    let program = match pypi::program("schemathesis", RELEASE, "schemathesis") {
        Ok(program) => program,
        Err(why) => return End::NotRun(why),
    };
    against_a_server(&program).into()
}

fn against_a_server(program: &PathBuf) -> Result<(), String> {
    let server = Server::start("fuzz")?;
    let (token, address) = (server.token("admin")?, &server.address);
    let mut fuzz = run::program(program);
    fuzz.arg("run").arg(format!("{address}/api/v1/openapi.json"));
    fuzz.args([
        "--checks",
        "not_a_server_error",
        "--max-examples",
        "60",
        "--max-time",
        "300",
        "--seed",
        "1",
        "--request-timeout",
        "60",
    ]);
    // An answer that never ends, by design; and a body of lines, which it
    // cannot make up.
    fuzz.args(["--exclude-path-regex", "/(events|batch)$", "--header", &format!("Authorization: Bearer {token}")]);
    run::pass(fuzz.current_dir(&server.folder))
}

//! Runs Schemathesis (PyPI) against the OpenAPI document of a server of its own. It
//! generates requests. The test fails when a response is a server error, or has a
//! status, a type or a body that the document does not name.

use std::path::PathBuf;

use crate::report::End;
use crate::serving::Server;
use crate::{pypi, run};

/// The tested release.
const RELEASE: &str = "schemathesis==4.32.5";

/// A Python hook that writes a body of JSON Lines: one line.
const LINES: &str = "\
import json
import schemathesis

@schemathesis.serializer(\"application/x-ndjson\")
def lines(context, value):
    return (json.dumps(value) + \"\\n\").encode()
";

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
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth",
        "--max-examples",
        "60",
        "--max-time",
        "300",
        "--seed",
        "1",
        "--request-timeout",
        "60",
    ]);
    // This response never ends, by design.
    fuzz.args(["--exclude-path-regex", "/events$", "--header", &format!("Authorization: Bearer {token}")]);
    // Bodies of JSON Lines, which Schemathesis cannot generate by itself.
    std::fs::write(server.folder.join("lines.py"), LINES).map_err(|why| format!("lines.py: {why}"))?;
    fuzz.env("PYTHONPATH", &server.folder).env("SCHEMATHESIS_HOOKS", "lines");
    run::pass(fuzz.current_dir(&server.folder))
}

//! Schemathesis (PyPI) against the OpenAPI document of a server of its own: no
//! request that it invents may be answered with a fault of the server.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::report::End;
use crate::{bench_serve, place, pypi, run};

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

/// Ends with whoever started it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Killing what ended already does nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn against_a_server(program: &PathBuf) -> Result<(), String> {
    let folder = place::target()?.join("fuzz");
    // Whatever an earlier run deleted must be there again.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    }
    let state = bench_serve::built_in(&folder)?;
    let eemu = place::built("eemu")?;
    let token = run::output(run::program(&eemu).args(["token", "create", "--scope", "admin", "--state"]).arg(&state))?;
    let mut serve: Command = run::program(&eemu);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--rate", "0", "--demo", "2", "--log-level", "error", "--state"]);
    let child = serve.arg(&state).stdout(Stdio::piped()).spawn().map_err(|why| format!("eemu serve: {why}"))?;
    let mut server = Server(child);
    let output = server.0.stdout.take().ok_or("eemu serve has no output")?;
    let mut lines = BufReader::new(output).lines();
    let first = lines.next().and_then(Result::ok).ok_or("eemu serve said nothing")?;
    let address = first.rsplit(' ').next().unwrap_or_default().to_owned();
    // Read on, so that it never waits for somebody to read.
    std::thread::spawn(move || lines.for_each(drop));
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
    fuzz.args([
        "--exclude-path-regex",
        "/(events|batch)$",
        "--header",
        &format!("Authorization: Bearer {}", token.trim()),
    ]);
    run::pass(fuzz.current_dir(&folder))
}

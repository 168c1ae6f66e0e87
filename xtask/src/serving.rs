//! A running service with a state of its own, for tests by other programs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::{bench_serve, place, run};

/// `eemu serve` on the built-in data; it ends when this value is dropped.
pub(crate) struct Server {
    /// `http://127.0.0.1:port`.
    pub(crate) address: String,
    /// The folder of the state.
    pub(crate) folder: PathBuf,
    state: PathBuf,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killing a process that has ended does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a server on a fresh state, in which nothing is deleted yet.
    pub(crate) fn start(name: &str) -> Result<Self, String> {
        let folder = place::target()?.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        }
        let state = bench_serve::built_in(&folder)?;
        let mut serve = run::program(place::built("eemu")?);
        serve.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--rate",
            "0",
            "--demo",
            "2",
            "--log-level",
            "error",
            "--state",
        ]);
        let child = serve.arg(&state).stdout(Stdio::piped()).spawn().map_err(|why| format!("eemu serve: {why}"))?;
        let mut server = Self { address: String::new(), folder, state, child };
        let output = server.child.stdout.take().ok_or("eemu serve has no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().and_then(Result::ok).ok_or("eemu serve said nothing")?;
        server.address = first.rsplit(' ').next().unwrap_or_default().to_owned();
        // Keeps reading its output, so that it never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }

    /// A token of a scope.
    pub(crate) fn token(&self, scope: &str) -> Result<String, String> {
        let mut create = run::program(place::built("eemu")?);
        let token = run::output(create.args(["token", "create", "--scope", scope, "--state"]).arg(&self.state))?;
        Ok(token.trim().to_owned())
    }
}

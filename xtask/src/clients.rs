//! Tests the Python client against a server of its own, by pytest. Also runs the code
//! of `docs/clients.md` as it is printed.

use std::path::PathBuf;

use crate::report::End;
use crate::serving::Server;
use crate::{place, pypi, run};

/// The tested releases.
const PYTEST: &str = "pytest==9.2.0";
const MYPY: &str = "mypy==2.4.1";

fn client() -> PathBuf {
    place::root().join("server/clients/python")
}

/// Tests the package: types, and every method.
pub(crate) fn python() -> End {
    let programs =
        pypi::program("pytest", PYTEST, "pytest").and_then(|pytest| Ok((pytest, pypi::program("mypy", MYPY, "mypy")?)));
    match programs {
        Ok((pytest, mypy)) => typed(&mypy).and_then(|()| tested(&pytest, "test_client.py")).into(),
        Err(why) => End::NotRun(why),
    }
}

/// Runs the code of the document; it needs curl and node too.
pub(crate) fn snippets() -> End {
    for (program, package) in [("curl", "curl"), ("node", "nodejs, with npm where it is older than 22.6")] {
        if !run::answers(run::program(program).arg("--version")) {
            return End::NotRun(format!("`{program}` is not installed; Debian's package is {package}"));
        }
    }
    match pypi::program("pytest", PYTEST, "pytest") {
        Ok(pytest) => tested(&pytest, "test_snippets.py").into(),
        Err(why) => End::NotRun(why),
    }
}

fn typed(mypy: &PathBuf) -> Result<(), String> {
    let cache = place::target()?.join("mypy");
    run::pass(run::program(mypy).current_dir(client()).args(["--strict", "src", "--cache-dir"]).arg(cache))
}

fn tested(pytest: &PathBuf, file: &str) -> Result<(), String> {
    let server = Server::start("clients")?;
    let mut test = run::program(pytest);
    test.current_dir(client()).args(["-q", "-p", "no:cacheprovider"]).arg(PathBuf::from("tests").join(file));
    test.env("PYTHONPATH", "src").env("PYTHONDONTWRITEBYTECODE", "1").env("EEMU_ADDRESS", &server.address);
    test.env("EEMU_ADMIN", server.token("admin")?).env("EEMU_OPERATOR", server.token("operator")?);
    run::pass(&mut test)
}

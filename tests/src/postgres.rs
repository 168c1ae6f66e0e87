//! A PostgreSQL server of the test's own, from the machine's packages, or one
//! that `EEMU_TEST_POSTGRES` names.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_server::store::{DatabaseUrl, Location};
use sqlx::{Connection, PgConnection};

use crate::service::PATIENCE;

/// A server with room for databases.
pub struct Postgres {
    /// Address of a database whose user may make others.
    base: String,
    child: Option<Child>,
    _kept: Option<tempfile::TempDir>,
}

/// Where Debian and others keep the programs.
fn programs() -> Result<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let found = folders.into_iter().rev().find(|folder| folder.join("initdb").is_file());
    found.context("there is no PostgreSQL: install Debian's package postgresql, or set EEMU_TEST_POSTGRES")
}

/// PostgreSQL does not run as root: then as its own user.
fn command(program: &Path, root: bool) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

impl Postgres {
    /// Starts a server, or takes the one that is named.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub fn start() -> Result<Self> {
        if let Ok(base) = std::env::var("EEMU_TEST_POSTGRES") {
            return Ok(Self { base, child: None, _kept: None });
        }
        let bin = programs()?;
        let kept = tempfile::tempdir()?;
        let data = kept.path().join("data");
        std::fs::create_dir(&data)?;
        let root = std::fs::metadata("/proc/self").is_ok_and(|meta| {
            use std::os::unix::fs::MetadataExt;
            meta.uid() == 0
        });
        if root {
            run(Command::new("chown").arg("postgres").arg(kept.path()).arg(&data))?;
        }
        let init = ["--username=eemu", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"];
        run(command(&bin.join("initdb"), root).arg("-D").arg(&data).args(init))?;
        // Free a moment ago; whoever is first has it.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=50"];
        let mut server = command(&bin.join("postgres"), root);
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        settings.iter().for_each(|setting| {
            server.args(["-c", setting]);
        });
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let base = format!("postgres://eemu@127.0.0.1:{port}/postgres");
        let server = Self { base, child: Some(child), _kept: Some(kept) };
        let start = Instant::now();
        while server.execute("SELECT 1").is_err() {
            if start.elapsed() > PATIENCE {
                bail!("PostgreSQL does not answer");
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(server)
    }

    fn execute(&self, sql: &str) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.base).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
            Ok(connection.close().await?)
        })
    }

    /// A new, empty database; its address.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn database(&self) -> Result<String> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("{e}"))?;
        let name = format!("eemu_{}", hex::encode(bytes));
        self.execute(&format!("CREATE DATABASE {name}"))?;
        let (server, _) = self.base.rsplit_once('/').context("the address names no database")?;
        Ok(format!("{server}/{name}"))
    }
}

/// A state in a database, seen from one process's directory.
pub fn located(dir: &Path, database: &str) -> Location {
    Location { dir: dir.to_owned(), database: Some(DatabaseUrl(database.to_owned())), models: None }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Its own processes end with it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

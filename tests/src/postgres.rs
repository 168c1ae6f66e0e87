//! A PostgreSQL server for tests: one that is started from the machine's
//! packages, or the one that `EEMU_TEST_POSTGRES` names.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_server::store::{DatabaseUrl, Location};
use sqlx::{Connection, PgConnection};

use crate::service::PATIENCE;

const CERTIFICATE: &str = "server.crt";

/// A PostgreSQL server on which tests create databases.
pub struct Postgres {
    /// Address of a database whose user may create others.
    base: String,
    child: Option<Child>,
    kept: Option<tempfile::TempDir>,
}

/// The folder of the programs, on Debian or on the PATH.
fn programs() -> Result<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let found = folders.into_iter().rev().find(|folder| folder.join("initdb").is_file());
    found.context("there is no PostgreSQL: install Debian's package postgresql, or set EEMU_TEST_POSTGRES")
}

/// PostgreSQL does not run as root; it then runs as its own user.
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

/// Creates a key and a certificate in `kept`, and configures the server to
/// refuse connections without TLS. Returns the settings for it.
fn certify(kept: &Path, data: &Path, root: bool) -> Result<Vec<String>> {
    let (certificate, key) = (kept.join(CERTIFICATE), kept.join("server.key"));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    std::fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n")?;
    // PostgreSQL requires that only its own user can read the key.
    run(Command::new("chmod").arg("600").arg(&key))?;
    if root {
        run(Command::new("chown").arg("postgres").arg(&key))?;
    }
    let file = |name: &str, path: &Path| format!("ssl_{name}_file={}", path.display());
    Ok(vec!["ssl=on".to_owned(), file("cert", &certificate), file("key", &key)])
}

impl Postgres {
    /// Starts a server, or uses the one that the environment names.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    pub fn start() -> Result<Self> {
        if let Ok(base) = std::env::var("EEMU_TEST_POSTGRES") {
            return Ok(Self { base, child: None, kept: None });
        }
        Self::of_our_own(false)
    }

    /// Starts a server that refuses connections without TLS. Its self-signed
    /// certificate, for 127.0.0.1, is [`Postgres::certificate`].
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    /// When there is none, or it does not start.
    pub fn start_with_tls() -> Result<Self> {
        Self::of_our_own(true)
    }

    /// The file of the certificate of a server with TLS.
    ///
    /// # Errors
    /// When the server has none.
    pub fn certificate(&self) -> Result<PathBuf> {
        let kept = self.kept.as_ref().context("this server is not ours")?;
        Ok(kept.path().join(CERTIFICATE))
    }

    fn of_our_own(tls: bool) -> Result<Self> {
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
        let mut settings =
            vec!["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=50"];
        let files = if tls { certify(kept.path(), &data, root)? } else { Vec::new() };
        settings.extend(files.iter().map(String::as_str));
        // The port was free a moment ago; another program may still take it.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = command(&bin.join("postgres"), root);
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        settings.iter().for_each(|setting| {
            server.args(["-c", setting]);
        });
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let base = format!("postgres://eemu@127.0.0.1:{port}/postgres");
        let server = Self { base, child: Some(child), kept: Some(kept) };
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

    /// Creates a new, empty database; returns its address.
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

/// A folder, a database of its own, and the server with that database.
pub struct Setting {
    /// Holds the directories.
    pub kept: tempfile::TempDir,
    /// The database's address.
    pub database: String,
    /// Its server, on which more databases can be created.
    pub server: Postgres,
}

impl Setting {
    /// A new one.
    ///
    /// # Errors
    /// When there is no server.
    pub fn new() -> Result<Self> {
        let server = Postgres::start()?;
        Ok(Self { kept: tempfile::tempdir()?, database: server.database()?, server })
    }

    /// A directory's path.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.kept.path().join(name)
    }

    /// The location of the state, with one of the directories.
    pub fn from(&self, name: &str) -> Location {
        located(&self.dir(name), &self.database)
    }
}

/// The location of a state in a database, with the directory of one process.
pub fn located(dir: &Path, database: &str) -> Location {
    Location { dir: dir.to_owned(), database: Some(DatabaseUrl(database.to_owned())), models: None }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // This ends the server's own processes too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

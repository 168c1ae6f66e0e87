//! An independent S3 server: moto, from PyPI. It implements versioning, listing
//! in pages and more; it checks no signature.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use reqwest::blocking::Client;

use crate::service::PATIENCE;

/// A server on loopback, without buckets at first.
pub struct Moto {
    address: String,
    client: Client,
    child: Child,
}

impl Moto {
    /// Starts the program that `EEMU_TEST_MOTO` names, or `moto_server`.
    ///
    /// # Errors
    /// When it is not there, or does not answer.
    pub fn start() -> Result<Self> {
        let program = std::env::var_os("EEMU_TEST_MOTO").unwrap_or_else(|| "moto_server".into());
        // The port was free a moment ago; another program may still take it.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            command.spawn().context("moto_server: `pip install 'moto[server]'`, or name it in EEMU_TEST_MOTO")?;
        eemu_server::tls::choose();
        let client = Client::builder().timeout(PATIENCE).build()?;
        let server = Self { address: format!("http://127.0.0.1:{port}"), client, child };
        let start = Instant::now();
        while server.client.get(&server.address).send().is_err() {
            if start.elapsed() > PATIENCE {
                bail!("moto_server does not answer");
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(server)
    }

    /// The environment variables that point to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT", self.address.clone()),
            ("AWS_ACCESS_KEY_ID", "test-key".into()),
            ("AWS_SECRET_ACCESS_KEY", "test-secret".into()),
            ("AWS_REGION", "us-east-1".into()),
        ]
    }

    /// Creates a bucket or an object.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn put(&self, path: &str, body: &str) -> Result<()> {
        let request = self.client.put(format!("{}/{path}", self.address)).body(body.to_owned());
        request.header("content-type", "application/xml").send()?.error_for_status()?;
        Ok(())
    }

    /// Creates a bucket; with `versioning` ("Enabled" or "Suspended")
    /// versioning is set to this status.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn bucket(&self, name: &str, versioning: Option<&str>) -> Result<()> {
        self.put(name, "")?;
        let Some(status) = versioning else { return Ok(()) };
        let says = format!(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status>\
             </VersioningConfiguration>"
        );
        self.put(&format!("{name}?versioning="), &says)
    }

    /// The names of a bucket's objects with a prefix, up to a thousand.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn names(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let answer = self.client.get(format!("{}/{bucket}?list-type=2&prefix={prefix}", self.address)).send()?;
        let text = answer.error_for_status()?.text()?;
        let names = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        Ok(names.map(str::to_owned).collect())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Killing an ended process does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

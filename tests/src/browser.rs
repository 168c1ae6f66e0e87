//! A real browser and its driver. Both start here, on ports of their own, and
//! end with the test. The browser is Chromium, or Firefox if `EEMU_BROWSER`
//! says so.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eemu_bundle::Served;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// The longest time that a page may take for one step on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Gives the browser a software WebGPU adapter on machines without a GPU.
pub const WEBGPU: &[&str] = &["--enable-unsafe-webgpu"];

/// The variable that names the browser: `chromium`, which is the default, or
/// `firefox`.
pub const BROWSER: &str = "EEMU_BROWSER";

/// The browser that is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Chromium, by chromedriver.
    Chromium,
    /// Firefox, by geckodriver.
    Firefox,
}

impl Engine {
    /// The browser that the environment names.
    ///
    /// # Errors
    /// If it names an unknown one.
    pub fn chosen() -> Result<Self> {
        match std::env::var(BROWSER).as_deref() {
            Err(_) | Ok("" | "chromium") => Ok(Self::Chromium),
            Ok("firefox") => Ok(Self::Firefox),
            Ok(other) => bail!("{BROWSER}={other}: give chromium or firefox"),
        }
    }

    fn driver(self) -> Command {
        match self {
            Self::Chromium => {
                let mut command = Command::new("chromedriver");
                command.arg("--port=0");
                command
            }
            Self::Firefox => {
                let mut command = Command::new("geckodriver");
                command.args(["--host", "127.0.0.1", "--port", "0", "--websocket-port", "0"]);
                command
            }
        }
    }

    /// The port in the line that a driver prints when it listens.
    fn port(self, line: &str) -> Option<u16> {
        match self {
            Self::Chromium if line.contains("successfully") => {
                line.split("on port ").nth(1)?.trim_end_matches('.').trim().parse().ok()
            }
            Self::Chromium => None,
            Self::Firefox => line.split("Listening on 127.0.0.1:").nth(1)?.trim().parse().ok(),
        }
    }
}

/// The folder of the built app.
pub fn dist() -> PathBuf {
    root().join("dist")
}

/// The folder of the built runner of the golden cases.
pub fn dist_cases() -> PathBuf {
    root().join("dist-cases")
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a test's future on this thread.
pub fn drive(test: impl Future<Output = ()>) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(test),
        Err(why) => panic!("no runtime: {why}"),
    }
}

/// One browser with a fresh profile.
pub struct Browser {
    /// For commands that have no method here.
    pub client: Client,
    /// The address of the pages, `http://127.0.0.1:port`.
    pub base: String,
    served: Option<Served>,
    driver: Child,
    _profile: tempfile::TempDir,
}

#[derive(Debug)]
struct Devtools(&'static str, Value);

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

impl Browser {
    /// Starts a browser, and a server for `folder`.
    ///
    /// # Errors
    /// If the app is not built or a program does not start.
    pub async fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &[]).await
    }

    /// [`Browser::start`] with more arguments for the browser.
    ///
    /// # Errors
    /// If the app is not built or a program does not start.
    pub async fn start_with(folder: &Path, more: &[&str]) -> Result<Self> {
        if !folder.join("index.html").is_file() {
            bail!("{} is not built: run `cargo xtask web` first", folder.display());
        }
        let served = eemu_bundle::serve(folder, 0)?;
        let base = format!("http://{}", served.address);
        let mut browser = Self::at_with(&base, more).await?;
        browser.served = Some(served);
        Ok(browser)
    }

    /// Starts a browser for a server that runs already.
    ///
    /// # Errors
    /// When a program does not start.
    pub async fn at(base: &str) -> Result<Self> {
        Self::at_with(base, &[]).await
    }

    /// [`Browser::at`] with more arguments for the browser.
    ///
    /// # Errors
    /// When a program does not start.
    pub async fn at_with(base: &str, more: &[&str]) -> Result<Self> {
        let engine = Engine::chosen()?;
        let (driver, port) = driver(engine)?;
        let profile = tempfile::tempdir()?;
        let usual = [
            "--headless=new",
            "--no-sandbox",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1440,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let arguments: Vec<&str> = usual.into_iter().chain(more.iter().copied()).collect();
        let options = json!({ "args": arguments });
        let mut capabilities = serde_json::Map::new();
        match engine {
            Engine::Chromium => {
                capabilities.insert("goog:chromeOptions".into(), options);
                capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
            }
            Engine::Firefox => {
                // The driver creates a fresh profile itself.
                let arguments = json!(["-headless", "--width=1440", "--height=900"]);
                let binary = std::env::var("EEMU_FIREFOX").unwrap_or_else(|_| "firefox-esr".into());
                let options = json!({ "args": arguments, "binary": which(&binary) });
                capabilities.insert("moz:firefoxOptions".into(), options);
            }
        }
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("the browser does not start")?;
        Ok(Self { client, base: base.to_owned(), served: None, driver, _profile: profile })
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The folder that [`Browser::start`] serves.
    ///
    /// # Panics
    /// If the browser was started for another server.
    pub fn served(&self) -> &Served {
        self.served.as_ref().unwrap_or_else(|| panic!("this browser looks at a server of its own"))
    }

    /// Opens a page anew, even if only the fragment differs.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn open(&self, path: &str) -> Result<()> {
        self.client.goto("about:blank").await?;
        Ok(self.client.goto(&self.url(path)).await?)
    }

    /// Runs a script in the page.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.client.execute(script, Vec::new()).await.with_context(|| script.to_owned())
    }

    /// Waits until a script's value is neither null nor false, and returns it.
    ///
    /// # Errors
    /// If that does not happen in time; the error contains the text of the
    /// page.
    pub async fn until(&self, what: &str, script: &str) -> Result<Value> {
        self.until_for(what, script, 1).await
    }

    /// [`Browser::until`] with `times` times the patience.
    ///
    /// # Errors
    /// If that does not happen in time; the error contains the text of the
    /// page.
    pub async fn until_for(&self, what: &str, script: &str, times: u32) -> Result<Value> {
        let began = Instant::now();
        loop {
            let value = self.run(script).await?;
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return Ok(value);
            }
            if began.elapsed() > PATIENCE * times {
                let shown = self.run("return document.body.innerText").await?;
                bail!("waited in vain for {what}; the page shows:\n{}", shown.as_str().unwrap_or_default());
            }
            // Waits for one frame of the page instead of a fixed time.
            self.client
                .execute_async("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 0))", vec![])
                .await?;
        }
    }

    /// Clicks the element of a selector.
    ///
    /// # Errors
    /// If there is no such element.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let quoted = serde_json::to_string(selector)?;
        self.until(selector, &format!("const e = document.querySelector({quoted}); return !!e && !e.disabled")).await?;
        self.run(&format!("document.querySelector({quoted}).click()")).await?;
        Ok(())
    }

    /// The text of the element of a selector; empty if there is none.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let script = format!("return document.querySelector({})?.innerText ?? ''", serde_json::to_string(selector)?);
        Ok(self.run(&script).await?.as_str().unwrap_or_default().to_owned())
    }

    /// Sends keys to the element with the focus.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn keys(&self, keys: &[&str]) -> Result<()> {
        for key in keys {
            self.client.active_element().await?.send_keys(key).await?;
        }
        Ok(())
    }

    /// Sends one command of the browser's own debugging protocol.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn devtools(&self, command: &'static str, parameters: Value) -> Result<Value> {
        Ok(self.client.issue_cmd(Devtools(command, parameters)).await?)
    }

    /// Sets the width and height of the page and its theme, and turns reduced
    /// motion on.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn look(&self, width: u32, height: u32, dark: bool) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        Ok(())
    }

    /// Writes a picture of the page to the folder that `EEMU_SHOTS` names, if
    /// it names one.
    ///
    /// # Errors
    /// When the picture cannot be taken or written.
    pub async fn picture(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("EEMU_SHOTS") else { return Ok(()) };
        std::fs::create_dir_all(&folder)?;
        let bytes = self.client.screenshot().await?;
        Ok(std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes)?)
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn close(self) -> Result<()> {
        Ok(self.client.clone().close().await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This ends the browser too, because it is the driver's child.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Finds a program on the PATH.
fn which(program: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.map_or_else(|| program.to_owned(), |file| file.display().to_string())
}

/// Starts a driver; returns it with its port. The driver takes any port of IPv4
/// and then the same port of IPv6. If another program holds that one, the
/// driver ends, and another attempt is made.
fn driver(engine: Engine) -> Result<(Child, u16)> {
    let mut tries = 0;
    loop {
        let mut driver = engine
            .driver()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("the driver of {engine:?} does not start"))?;
        tries += 1;
        match port(&mut driver, engine) {
            Ok(port) => return Ok((driver, port)),
            Err(error) if tries == 5 => return Err(error.context("the driver was tried five times")),
            Err(_) => drop(driver.wait()),
        }
    }
}

/// The port that the driver took.
fn port(driver: &mut Child, engine: Engine) -> Result<u16> {
    let out = driver.stdout.take().context("the driver has no output")?;
    let mut lines = BufReader::new(out).lines();
    let mut said = Vec::new();
    for line in lines.by_ref() {
        let line = line?;
        if let Some(port) = engine.port(&line) {
            // Keeps reading, because a full pipe would stop the driver.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(port);
        }
        said.push(line);
    }
    bail!("it ended before it listened; it said:\n{}", said.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_port_is_read() {
        let chrome = "ChromeDriver was started successfully on port 41823.";
        let gecko = "1764591000000\tgeckodriver\tINFO\tListening on 127.0.0.1:35817";
        assert_eq!(Engine::Chromium.port(chrome), Some(41_823));
        assert_eq!(Engine::Firefox.port(gecko), Some(35_817));
        assert_eq!((Engine::Chromium.port("Starting on port 0"), Engine::Firefox.port("")), (None, None));
    }
}

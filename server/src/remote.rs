//! The client of a running server, for the commands that add many lines.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use eemu_core::api::{JSON_LINES, LineAnswer, MOST_LINES, PREFIX, Problem};
use eemu_core::data::Catalog;
use reqwest::blocking::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;

use crate::cli::StateOrServer;
use crate::tls;

/// Lines per request: far fewer than a server accepts.
const LINES: usize = MOST_LINES / 10;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server's address, and the token to call it with.
pub(crate) struct Remote {
    client: Client,
    url: String,
    token: String,
}

impl Remote {
    /// The server that the arguments name; `None` where they name a state.
    ///
    /// # Errors
    /// When the address is not one, or there is no token.
    pub(crate) fn of(at: &StateOrServer) -> Result<Option<Self>> {
        let Some(url) = &at.server else { return Ok(None) };
        let url = url.trim_end_matches('/').trim_end_matches(PREFIX).to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("--server {url}: an address such as https://HOST or http://127.0.0.1:8080 is needed");
        }
        let token = at.token.clone().context("--server needs an administrator's token: --token, or EEMU_TOKEN")?;
        tls::choose();
        Ok(Some(Self { client: Client::builder().timeout(PATIENCE).build()?, url, token }))
    }

    /// The catalogue as the server publishes it: items and their features.
    ///
    /// # Errors
    /// When the server does not answer, or its answer is not a catalogue.
    pub(crate) fn catalog(&self) -> Result<Catalog> {
        let answer = self.client.get(format!("{}{PREFIX}/catalog", self.url)).send();
        let answer = answer.with_context(|| format!("{} does not answer", self.url))?.error_for_status()?;
        let text = answer.text().with_context(|| format!("{}: the answer was cut", self.url))?;
        serde_json::from_str(&text).with_context(|| format!("{} publishes no catalogue: no eemu server?", self.url))
    }

    /// Sends lines, some thousand per request. Returns the answers in order; each states
    /// the index of its line in `lines`.
    ///
    /// # Errors
    /// When the server does not answer or refuses a whole request; the error says how many
    /// lines were taken before. Sending them again does no harm.
    pub(crate) fn send<T: Serialize>(&self, path: &str, lines: &[T]) -> Result<Vec<LineAnswer>> {
        let mut answers = Vec::with_capacity(lines.len());
        for chunk in lines.chunks(LINES) {
            let before = answers.len();
            let sent = self.send_some(path, chunk).with_context(|| {
                format!("{before} of {} lines were answered; sending all of them again does no harm", lines.len())
            })?;
            answers.extend(sent.into_iter().map(|answer| LineAnswer { line: answer.line + before as u64, ..answer }));
        }
        Ok(answers)
    }

    fn send_some<T: Serialize>(&self, path: &str, lines: &[T]) -> Result<Vec<LineAnswer>> {
        let mut body = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut body, line)?;
            body.push(b'\n');
        }
        let url = format!("{}{PREFIX}{path}", self.url);
        let asked = self.client.post(&url).bearer_auth(&self.token).header(CONTENT_TYPE, JSON_LINES).body(body);
        let answer = asked.send().with_context(|| format!("{} does not answer", self.url))?;
        let status = answer.status();
        let text = answer.text().with_context(|| format!("{}: the answer was cut", self.url))?;
        if !status.is_success() {
            let told = serde_json::from_str::<Problem>(&text).map_or_else(|_| text.clone(), |problem| problem.message);
            bail!(
                "{} answered {status}: {told}. This request changed nothing; send it again when that is mended",
                self.url
            );
        }
        let read = |line: &str| serde_json::from_str(line).with_context(|| format!("{}: no eemu server?", self.url));
        let answers: Vec<LineAnswer> = text.lines().filter(|line| !line.is_empty()).map(read).collect::<Result<_>>()?;
        if answers.len() != lines.len() {
            bail!(
                "{}: {} answers to {} lines; send them again, which does no harm",
                self.url,
                answers.len(),
                lines.len()
            );
        }
        Ok(answers)
    }
}

//! The one client of the HTTP API. It runs in the worker; the page asks nobody.

use crate::say::{foreign, told};
use eemu_core::api::{
    AccountRequest, AddRequest, Added, AuditLog, Backups, ConsistencyProof, DeleteRequest, DemoHousehold,
    ExportRequest, Kept, LogEntries, Manifest, NewInteraction, NewToken, Operating, OwnInteractions, OwnRows, PREFIX,
    Problem, RevokeRequest, TokenEntry, TokenList, TokenRequest, Unlearning, UserRequest, Whoami,
};
use eemu_core::receipt::{Checkpoint, ReceiptFile};
use futures_util::StreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server cannot be reached.
    Offline,
    /// The server answered, and refused.
    Refused {
        /// HTTP status.
        status: u16,
        /// A sentence for people.
        message: String,
    },
    /// What answered is no eemu service of this version.
    Foreign,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Offline => f.write_str(told!("fault-offline")),
            Self::Refused { message, .. } => f.write_str(&told!("fault-refused", message = foreign(message))),
            Self::Foreign => f.write_str(told!("fault-foreign")),
        }
    }
}

impl std::error::Error for Fault {}

/// The service at one address, asked with or without a token.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    token: Option<String>,
    client: reqwest::Client,
}

impl Api {
    /// The service at `base` (scheme, host, port, and the path that the app is
    /// below, without a slash at its end), for everybody.
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), token: None, client: reqwest::Client::new() }
    }

    /// The same, asked with a token.
    #[must_use]
    pub fn with(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// The ensemble as it is now.
    ///
    /// # Errors
    /// See [`Fault`], here and below.
    pub async fn manifest(&self) -> Result<Manifest, Fault> {
        self.get("/manifest").await
    }

    /// The catalogue's JSON, or its dense features, as bytes to be hashed.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn catalog(&self, dense: bool) -> Result<Vec<u8>, Fault> {
        let path = if dense { "/catalog/dense" } else { "/catalog" };
        self.bytes(&format!("{PREFIX}{path}"), |_| ()).await
    }

    /// Households of a demonstration; none elsewhere.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn demo(&self) -> Result<Vec<DemoHousehold>, Fault> {
        self.get("/demo").await
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn whoami(&self) -> Result<Whoami, Fault> {
        self.get("/whoami").await
    }

    /// Everything the signed-in person did.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn interactions(&self) -> Result<OwnInteractions, Fault> {
        self.post("/interactions/list", &UserRequest::default()).await
    }

    /// The signed-in person's rows of every live model.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn rows(&self) -> Result<OwnRows, Fault> {
        self.post("/rows", &UserRequest::default()).await
    }

    /// Adds what the signed-in person did.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn add(&self, item: String, timestamp: Option<f64>) -> Result<Added, Fault> {
        let interactions = vec![NewInteraction { item, timestamp }];
        self.post("/interactions/add", &AddRequest { user: None, interactions }).await
    }

    /// Deletes some of what the person did, or all of it.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn forget(&self, items: Vec<String>, all: bool) -> Result<Unlearning, Fault> {
        self.post("/interactions/delete", &DeleteRequest { user: None, items, all, before: None }).await
    }

    /// Deletes the account.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn forget_account(&self) -> Result<Unlearning, Fault> {
        self.post("/account/delete", &AccountRequest::default()).await
    }

    /// Everything that the server keeps about the signed-in person; of their
    /// deletions, those whose names are given.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn export(&self, requests: Vec<String>) -> Result<Kept, Fault> {
        self.post("/person/export", &ExportRequest { user: None, requests }).await
    }

    /// Where a deletion stands.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn standing(&self, id: &str) -> Result<Unlearning, Fault> {
        self.get(&format!("/unlearning/{id}")).await
    }

    /// The receipt of a deletion that is done.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn receipt(&self, id: &str) -> Result<ReceiptFile, Fault> {
        self.get(&format!("/unlearning/{id}/receipt")).await
    }

    /// Proof that the log at one size begins the log at another.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, Fault> {
        self.get(&format!("/log/consistency?from={from}&to={to}")).await
    }

    /// Some entries of the log.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn entries(&self, from: u64, count: u64) -> Result<LogEntries, Fault> {
        self.get(&format!("/log/entries?from={from}&count={count}")).await
    }

    /// The signed state of the log.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn checkpoint(&self) -> Result<Checkpoint, Fault> {
        self.get("/log/checkpoint").await
    }

    /// The service as an operator sees it.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn operate(&self) -> Result<Operating, Fault> {
        self.get("/operate").await
    }

    /// Backups that are out.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn backups(&self) -> Result<Backups, Fault> {
        self.get("/backups").await
    }

    /// Entries of the audit log before a number, the newest first.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn audit(&self, before: Option<u64>) -> Result<AuditLog, Fault> {
        let before = before.map_or_else(String::new, |before| format!("&before={before}"));
        self.get(&format!("/audit?count=50{before}")).await
    }

    /// Everything that somebody did; for administrators.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn records_of(&self, user: &str) -> Result<OwnInteractions, Fault> {
        self.post("/interactions/list", &UserRequest { user: Some(user.to_owned()) }).await
    }

    /// Deletes some of what somebody did, or all of it where no item is named;
    /// for administrators.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn forget_of(&self, user: &str, items: Vec<String>) -> Result<Unlearning, Fault> {
        let all = items.is_empty();
        let ask = DeleteRequest { user: Some(user.to_owned()), items, all, before: None };
        self.post("/interactions/delete", &ask).await
    }

    /// Deletes somebody's account; for administrators.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn delete_account_of(&self, user: &str) -> Result<Unlearning, Fault> {
        self.post("/account/delete", &AccountRequest { user: Some(user.to_owned()) }).await
    }

    /// Everything that is kept about somebody; for administrators.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn export_of(&self, user: &str) -> Result<Kept, Fault> {
        self.post("/person/export", &ExportRequest { user: Some(user.to_owned()), requests: Vec::new() }).await
    }

    /// Tokens of operators and administrators, or of somebody.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn tokens(&self, user: Option<&str>) -> Result<TokenList, Fault> {
        self.post("/tokens/list", &UserRequest { user: user.map(str::to_owned) }).await
    }

    /// Makes a token.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn make_token(&self, request: &TokenRequest) -> Result<NewToken, Fault> {
        self.post("/tokens", request).await
    }

    /// Ends a token, by its short name.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn revoke(&self, id: &str) -> Result<TokenEntry, Fault> {
        self.post("/tokens/revoke", &RevokeRequest { id: id.to_owned() }).await
    }

    /// Retrains now whatever waits.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn retrain(&self) -> Result<(), Fault> {
        let request = self.request(Method::POST, &format!("{PREFIX}/retrain"));
        answered(request).await.map(drop)
    }

    /// A file; `heard` is told how many bytes have come.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn bytes(&self, address: &str, mut heard: impl FnMut(u64)) -> Result<Vec<u8>, Fault> {
        let answer = answered(self.request(Method::GET, address)).await?;
        let mut bytes = Vec::new();
        let mut stream = answer.bytes_stream();
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(&part.map_err(|_| Fault::Offline)?);
            heard(bytes.len() as u64);
        }
        Ok(bytes)
    }

    /// Follows a deletion: `heard` is told of every event until the stream
    /// ends.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn events(&self, id: &str, mut heard: impl FnMut(Unlearning)) -> Result<(), Fault> {
        let request = self.request(Method::GET, &format!("{PREFIX}/unlearning/{id}/events"));
        let mut stream = answered(request).await?.bytes_stream();
        let mut text = Lines::default();
        while let Some(part) = stream.next().await {
            for event in text.take(&part.map_err(|_| Fault::Offline)?) {
                heard(event);
            }
        }
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        read(answered(self.request(Method::GET, &format!("{PREFIX}{path}"))).await?).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Fault> {
        read(answered(self.request(Method::POST, &format!("{PREFIX}{path}")).json(body)).await?).await
    }

    fn request(&self, method: Method, address: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{address}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

async fn answered(request: RequestBuilder) -> Result<Response, Fault> {
    let answer = request.send().await.map_err(|_| Fault::Offline)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    // A static host has an error page where a service has a problem.
    let problem: Problem = answer.json().await.map_err(|_| Fault::Foreign)?;
    Err(Fault::Refused { status: status.as_u16(), message: problem.message })
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, Fault> {
    let bytes = answer.bytes().await.map_err(|_| Fault::Offline)?;
    serde_json::from_slice(&bytes).map_err(|_| Fault::Foreign)
}

/// Server-sent events out of a stream that is cut anywhere. The service sends
/// one line of data an event.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, part: &[u8]) -> Vec<Unlearning> {
        self.rest.extend_from_slice(part);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let data = line.strip_prefix(b"data:").and_then(|data| serde_json::from_slice(data).ok());
            events.extend(data);
        }
        events
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use eemu_core::api::Phase;

    use super::*;

    #[test]
    fn events_come_whole_out_of_any_pieces() {
        let event = |phase: &str| {
            format!(
                "event: {phase}\ndata: {{\"id\":\"x\",\"phase\":\"{phase}\",\"removed\":1,\"shards\":1,\"shards_done\":0,\
                 \"progress\":[],\"estimated_seconds\":2,\"receipt_index\":null}}\n\n: quiet\n\n"
            )
        };
        let text = event("settling") + &event("done");
        for size in [1, 7, 50, 1000] {
            let mut lines = Lines::default();
            let found: Vec<Phase> =
                text.as_bytes().chunks(size).flat_map(|part| lines.take(part)).map(|event| event.phase).collect();
            assert_eq!(found, [Phase::Settling, Phase::Done], "pieces of {size}");
        }
    }
}

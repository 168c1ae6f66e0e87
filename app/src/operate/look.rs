//! Looking at the service with an operator's token, and doing what an operator
//! or administrator asks for.

use std::cell::RefCell;

use eemu_core::api::Unlearning;

use super::protocol::{Done, Errand, LogAsk, Operation};
use super::records::Records;
use crate::for_you::protocol::Tell;
use crate::for_you::worker::tell;
use crate::say::{foreign, told};
use crate::service::{Api, Fault};

/// Entries of the log a request.
const PAGE: u64 = 1000;

thread_local! {
    /// The log as far as it was fetched: it only grows.
    static LOG: RefCell<Records> = RefCell::default();
    /// The token that was asked about last, and whether it is an administrator's.
    static ROLE: RefCell<Option<(String, bool)>> = const { RefCell::new(None) };
}

/// Looks once, and tells.
pub(crate) async fn look(api: Api, token: String, ask: LogAsk) {
    match seen(&api.with(Some(&token)), &token, &ask).await {
        Ok(operation) => tell(&Tell::Operation(Box::new(operation))),
        Err(fault) => tell(&Tell::NoOperation(sentence(&fault))),
    }
}

/// Retrains now what waits.
pub(crate) async fn hurry(api: Api, token: String, ask: LogAsk) {
    match api.with(Some(&token)).retrain().await {
        Ok(()) => look(api, token, ask).await,
        Err(fault) => tell(&Tell::NoOperation(sentence(&fault))),
    }
}

/// Does something else, and tells what came of it.
pub(crate) async fn errand(api: Api, token: String, errand: Errand) {
    let api = api.with(Some(&token));
    let done = match done(&api, errand).await {
        Ok(done) => done,
        Err(Fault::Refused { message, .. }) => Done::Refused(told!("w-refused", message = foreign(&message))),
        Err(Fault::Offline) => Done::Refused(told!("w-the-connection-broke-2").into()),
        Err(other) => Done::Refused(told!("w-try-again-in-a-2", other)),
    };
    tell(&Tell::Errand(Box::new(done)));
}

async fn done(api: &Api, errand: Errand) -> Result<Done, Fault> {
    Ok(match errand {
        Errand::Export(ask) => {
            let text = LOG.with(|log| log.borrow().export(&ask));
            tell(&Tell::File { name: "eemu-log.jsonl".into(), text });
            Done::Quietly
        }
        Errand::Backups => Done::Backups(api.backups().await?.backups),
        Errand::Audit(before) => Done::Audit(api.audit(before).await?),
        Errand::Find(user) => {
            let records = api.records_of(&user).await?.interactions;
            Done::Person { user, records }
        }
        Errand::Forget(user, items) => asked(api.forget_of(&user, items).await?, user, false),
        Errand::ForgetAll(user) => asked(api.forget_of(&user, Vec::new()).await?, user, false),
        Errand::DeleteAccount(user) => asked(api.delete_account_of(&user).await?, user, true),
        Errand::ExportPerson(user) => {
            let text = serde_json::to_string_pretty(&api.export_of(&user).await?).map_err(|_| Fault::Foreign)?;
            tell(&Tell::File { name: "eemu-person.json".into(), text });
            Done::Quietly
        }
        Errand::Tokens(user) => Done::Tokens(api.tokens(user.as_deref()).await?),
        Errand::MakeToken(request) => Done::Made(api.make_token(&request).await?, request.user),
        Errand::Revoke(id) => Done::Revoked(api.revoke(&id).await?.id),
    })
}

fn asked(request: Unlearning, user: String, account: bool) -> Done {
    Done::Asked {
        user,
        later: request.due.is_some(),
        removed: request.removed,
        shards: request.shards,
        request: request.id,
        account,
    }
}

fn sentence(fault: &Fault) -> String {
    match fault {
        Fault::Refused { status: 401, .. } => told!("w-the-server-does-not-2").into(),
        Fault::Refused { status: 403, .. } => told!("w-this-token-belongs-to").into(),
        Fault::Offline => told!("w-no-connection-what-stand").into(),
        other => told!("w-try-again-in-a-2", other),
    }
}

/// The first `size` entries of the log, a page at a time.
///
/// # Errors
/// See [`Fault`].
pub(crate) async fn lines(api: &Api, size: u64) -> Result<Vec<String>, Fault> {
    fetch(api, size).await?;
    Ok(LOG.with(|log| log.borrow().first(size)))
}

/// Fetches what is missing of the first `size` entries.
async fn fetch(api: &Api, size: u64) -> Result<(), Fault> {
    loop {
        let here = LOG.with(|log| log.borrow().len());
        if here >= size {
            return Ok(());
        }
        let more = api.entries(here, PAGE.min(size - here)).await?;
        if more.entries.is_empty() {
            return Ok(());
        }
        LOG.with(|log| {
            let mut log = log.borrow_mut();
            // Another look may have taken them in meanwhile.
            if let Some(known) = log.len().checked_sub(here) {
                let known = usize::try_from(known).unwrap_or(usize::MAX);
                more.entries.into_iter().skip(known).for_each(|line| log.push(line));
            }
        });
    }
}

async fn seen(api: &Api, token: &str, ask: &LogAsk) -> Result<Operation, Fault> {
    // The token first: without it the rest is not for this page.
    let service = api.operate().await?;
    let known = ROLE.with(|role| role.borrow().clone()).filter(|(known, _)| known == token);
    let admin = match known {
        Some((_, admin)) => admin,
        None => {
            let admin = api.whoami().await?.role == "admin";
            ROLE.with(|role| role.replace(Some((token.to_owned(), admin))));
            admin
        }
    };
    let checkpoint = api.checkpoint().await?;
    fetch(api, checkpoint.size).await?;
    let log = LOG.with(|log| {
        let mut log = log.borrow_mut();
        let whole = log.check(&checkpoint);
        let view = log.view(ask, &checkpoint, whole, &service.requests);
        if view.whole.is_err() {
            // Another log than before: the next look fetches all of it.
            *log = Records::default();
        }
        view
    });
    Ok(Operation { service, admin, log })
}

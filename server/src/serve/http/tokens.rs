//! Tokens and backups, for administrators and operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use eemu_core::api::{
    BackupStanding, Backups, NewToken, Problem, RevokeRequest, TokenEntry, TokenList, TokenRequest, UserRequest,
};

use super::App;
use super::caller::{Caller, NAME_THE_USER};
use super::personal::blocking;
use super::problem::{Answer, Body, Failure};
use crate::clock::now_exactly;
use crate::serve::tokens::{Scope, Token};

/// The longest lifetime of a token, in days: a hundred years.
const MOST_DAYS: u64 = 36_500;

fn entry(token: &Token) -> TokenEntry {
    let Token { id, scope, created, expires, .. } = token;
    TokenEntry { id: id.clone(), scope: scope.word().to_owned(), created: *created, expires: *expires }
}

/// Tokens: of the person who is named, or else of operators and
/// administrators. Who holds the others is not listed.
#[utoipa::path(post, path = "/api/v1/tokens/list", operation_id = "list_tokens", tag = "operating", request_body = UserRequest,
    security(("bearer" = ["admin"])),
    responses((status = 200, body = TokenList), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<UserRequest>,
) -> Answer<Json<TokenList>> {
    caller.administers()?;
    let whose = match ask.user.as_deref() {
        Some(user) => Some(caller.about(&app.service.view(), Some(user))?),
        None => None,
    };
    let tokens = app.service.tokens();
    let speaks_for = |token: &&Token| match (token.scope, whose) {
        (Scope::Subject(user), Some(whose)) => user == whose,
        (Scope::Subject(_), None) => false,
        (Scope::Admin | Scope::Operator, whose) => whose.is_none(),
    };
    let subjects = tokens.list().iter().filter(|token| matches!(token.scope, Scope::Subject(_))).count() as u64;
    Ok(Json(TokenList { tokens: tokens.list().iter().filter(speaks_for).map(entry).collect(), subjects }))
}

/// Makes a token. It is in the answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "create_token", tag = "operating", request_body = TokenRequest,
    security(("bearer" = ["admin"])),
    responses((status = 200, body = NewToken), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<TokenRequest>,
) -> Answer<Json<NewToken>> {
    caller.administers()?;
    let scope = match (ask.scope.as_str(), ask.user.as_deref()) {
        ("admin", None) => Scope::Admin,
        ("operator", None) => Scope::Operator,
        ("admin" | "operator", Some(_)) => {
            return Err(Failure::bad("a token of this scope speaks for nobody in particular; leave user out"));
        }
        ("subject", None) => return Err(Failure::bad(NAME_THE_USER)),
        ("subject", user) => Scope::Subject(caller.about(&app.service.view(), user)?),
        _ => return Err(Failure::bad("scope is none of these: give admin, operator or subject")),
    };
    if ask.days.is_some_and(|days| days == 0 || days > MOST_DAYS) {
        return Err(Failure::bad(format!("days: give 1 to {MOST_DAYS}, or leave it out")));
    }
    let lifetime = ask.days.map(|days| days * 86_400);
    let service = app.service.clone();
    let (token, kept) = blocking(move || service.change_tokens(|tokens| tokens.create(scope, lifetime))).await?;
    Ok(Json(NewToken { token, entry: entry(&kept) }))
}

/// Ends a token.
#[utoipa::path(post, path = "/api/v1/tokens/revoke", operation_id = "revoke_token", tag = "operating", request_body = RevokeRequest,
    security(("bearer" = ["admin"])),
    responses((status = 200, body = TokenEntry), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<RevokeRequest>,
) -> Answer<Json<TokenEntry>> {
    caller.administers()?;
    if caller.is(&ask.id) {
        return Err(Failure::bad("this is the token that asks; revoke it with another, or with `eemu token revoke`"));
    }
    let found = app.service.tokens().list().iter().find(|token| token.id == ask.id).map(entry);
    let found = found.ok_or_else(|| Failure::missing("there is no such token; see the list of tokens"))?;
    let service = app.service.clone();
    blocking(move || service.change_tokens(|tokens| tokens.revoke(&ask.id))).await?;
    Ok(Json(found))
}

/// Backups that are out, and until when each must be destroyed.
#[utoipa::path(get, path = "/api/v1/backups", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = Backups), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn backups(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Backups>> {
    caller.operates()?;
    let service = app.service.clone();
    let (found, now) = (blocking(move || service.backups()).await?, now_exactly());
    let backups = found.into_iter().map(|backup| BackupStanding {
        id: backup.id,
        created: backup.created as u64,
        destroy_by: backup.expires as u64,
        late: backup.expires <= now,
    });
    Ok(Json(Backups { backups: backups.collect() }))
}

//! Who calls, and which users they may ask about.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::App;
use super::problem::{Answer, Failure};
use crate::serve::command::Whose;
use crate::serve::sign_in::{Refused, SignedIn, is_signed};
use crate::serve::tokens::Scope;
use crate::serve::view::View;
use crate::store::NewAudit;

/// Stands in the audit log for a token of an OpenID Connect issuer.
const ISSUER: &str = "issuer";

/// The message to callers who may ask about any user.
pub(super) const NAME_THE_USER: &str = "name the user that this is about: {\"user\": \"...\"}";

/// The caller: anonymous, or the holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) scope: Option<Scope>,
    /// The token's short name.
    token: String,
}

/// The token of an `Authorization` header.
pub(super) fn bearer(header: &HeaderValue) -> Option<&str> {
    let text = header.to_str().ok().and_then(|text| text.split_once(' '));
    text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim())
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
        let nobody = Self { scope: None, token: String::new() };
        let Some(header) = parts.headers.get(AUTHORIZATION) else { return Ok(nobody) };
        let token = bearer(header);
        if let (Some(token), Some(issuer)) = (token.filter(|token| is_signed(token)), &app.sign_in) {
            let who = issuer.who(token).await.map_err(|why| match why {
                Refused::Unreachable => Failure::unavailable(why.to_string()),
                _ => Failure::unknown_token(&why.to_string()),
            })?;
            return Self::signed_in(&app.service.view(), who);
        }
        let mut tokens = app.service.tokens();
        tokens.refresh().map_err(|error| Failure::internal(&error))?;
        let known = token.and_then(|token| tokens.known(token)).ok_or_else(|| {
            Failure::unknown_token("this token is not known here: it was mistyped, has ended, or was revoked")
        })?;
        Ok(Self { scope: Some(known.scope), token: known.id.clone() })
    }
}

impl Caller {
    /// The caller that an issuer's token speaks for.
    ///
    /// # Errors
    /// 403 for a user who has no account.
    fn signed_in(view: &View, who: SignedIn) -> Answer<Self> {
        let scope = match who {
            SignedIn::Admin => Scope::Admin,
            SignedIn::Operator => Scope::Operator,
            SignedIn::Subject(id) => {
                let users = &view.dataset.catalog.users;
                let user = users.find(&id).filter(|user| !users.is_deleted(*user));
                Scope::Subject(user.ok_or_else(Failure::no_account)?)
            }
        };
        Ok(Self { scope: Some(scope), token: ISSUER.to_owned() })
    }

    /// Whether the caller's token has this short name.
    pub(super) fn is(&self, id: &str) -> bool {
        self.token == id
    }

    /// An entry of the audit log: this caller made a request and got a response. `None` for
    /// an anonymous caller.
    pub(super) fn audit(&self, kind: &'static str, status: u16) -> Option<NewAudit> {
        let scope = self.scope?.word();
        Some(NewAudit { token: self.token.clone(), scope, kind, status })
    }

    /// The user that a request is about.
    ///
    /// # Errors
    /// 401 without a token; 403 for roles that see nobody's data; 404 both for an unknown
    /// user and for another user than the caller, so that a subject cannot tell them apart.
    pub(super) fn about(&self, view: &View, user: Option<&str>) -> Answer<u32> {
        let users = &view.dataset.catalog.users;
        let alive = |index: u32| (index as usize) < users.len() && !users.is_deleted(index);
        match self.scope {
            None => Err(Failure::unauthorized()),
            Some(Scope::Operator) => Err(Failure::forbidden("an operator's", "an administrator's or the person's own")),
            Some(Scope::Subject(own)) if !alive(own) => Err(Failure::unauthorized()),
            Some(Scope::Subject(own)) => match user {
                Some(id) if users.ids.get(own as usize).is_none_or(|own| own != id) => Err(Failure::not_found()),
                _ => Ok(own),
            },
            Some(Scope::Admin) => match user {
                None => Err(Failure::bad(NAME_THE_USER)),
                Some(id) => users.find(id).filter(|index| alive(*index)).ok_or_else(|| Failure::no_user(id)),
            },
        }
    }

    /// The user that records are added for. An administrator may name a user who is not in
    /// the catalogue yet, if users may be added with their first record.
    ///
    /// # Errors
    /// As [`Caller::about`]; 400 for an invalid identifier.
    pub(super) fn adds_for(&self, view: &View, user: Option<&str>) -> Answer<Whose> {
        match (self.scope, user) {
            (Some(Scope::Admin), Some(id)) if view.dataset.catalog.users.find(id).is_none() => {
                if !view.dataset.config.model.kind.is_of_items() {
                    return Err(Failure::bad(
                        "there is no such user, and this model has a table of people: add them with `eemu admit` first",
                    ));
                }
                crate::identifier::check(id).map_err(Failure::bad)?;
                Ok(Whose::New(id.to_owned()))
            }
            _ => self.about(view, user).map(Whose::Known),
        }
    }

    /// Allows operators and administrators.
    ///
    /// # Errors
    /// 401 without a token, 403 for a subject.
    pub(super) fn operates(&self) -> Answer<()> {
        match self.scope {
            None => Err(Failure::unauthorized()),
            Some(Scope::Subject(_)) => Err(Failure::forbidden("a subject's", "an operator's or an administrator's")),
            Some(Scope::Operator | Scope::Admin) => Ok(()),
        }
    }

    /// Allows administrators.
    ///
    /// # Errors
    /// 401 without a token, 403 for any other role.
    pub(super) fn administers(&self) -> Answer<()> {
        match self.scope {
            None => Err(Failure::unauthorized()),
            Some(Scope::Subject(_)) => Err(Failure::forbidden("a subject's", "an administrator's")),
            Some(Scope::Operator) => Err(Failure::forbidden("an operator's", "an administrator's")),
            Some(Scope::Admin) => Ok(()),
        }
    }

    /// Allows anybody with a token.
    ///
    /// # Errors
    /// 401 without a token.
    pub(super) fn known(&self) -> Answer<Scope> {
        self.scope.ok_or_else(Failure::unauthorized)
    }
}

//! Bearer tokens of an OpenID Connect issuer, beside eemu's own.
//!
//! A token is a JWT that the issuer signed for this audience. One claim is the user's
//! identifier, and another lists what the token may do. The issuer's public keys are
//! fetched when they are first needed, once an hour, and when a token names an unknown
//! key. Symmetric keys and unsigned tokens are never accepted.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, Validation};
use reqwest::Url;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::warn;

/// Keys are fetched again after this long.
const FRESH: Duration = Duration::from_secs(3600);
/// The longest that keys are used when the issuer does not answer.
const LAST: Duration = Duration::from_secs(86_400);
/// The longest wait for the issuer's answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clocks may differ by this many seconds.
const LEEWAY: u64 = 60;
/// The longest answer of the issuer, in bytes.
const MOST_BYTES: usize = 1 << 20;
/// Prefix of eemu's scopes.
const MARK: &str = "eemu:";

/// An issuer, and how its tokens are interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// The issuer, as its tokens write it.
    pub issuer: String,
    /// The audience that a token must name.
    pub audience: String,
    /// The claim with the user's identifier.
    pub person: String,
    /// The claim that lists scopes.
    pub scopes: String,
    /// The least time between two attempts to fetch keys, whatever tokens arrive.
    pub hold: Duration,
}

impl Oidc {
    /// An issuer by its address.
    ///
    /// # Errors
    /// When the address is malformed, or is plain HTTP to another machine.
    pub fn new(issuer: String, audience: String, person: String, scopes: String) -> Result<Self> {
        let url = Url::parse(&issuer).with_context(|| format!("oidc-issuer '{issuer}' is no address"))?;
        let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && here) {
            bail!("oidc-issuer '{issuer}' is not https; give an address that begins with https://");
        }
        Ok(Self { issuer, audience, person, scopes, hold: Duration::from_secs(10) })
    }
}

/// The caller that a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// An administrator.
    Admin,
    /// An operator.
    Operator,
    /// A user, by identifier.
    Subject(String),
}

/// Why a token is refused. The message quotes nothing of the token.
#[derive(Debug, Error)]
pub enum Refused {
    /// The token cannot be parsed.
    #[error("this token is no signed JWT that can be read")]
    Shape,
    /// It is signed with an algorithm that is not accepted.
    #[error("this token is not signed with a public key of the issuer (RS, PS, ES or EdDSA)")]
    Algorithm,
    /// It is signed with a key that the issuer does not publish.
    #[error("the issuer publishes no key of this token's name (kid)")]
    UnknownKey,
    /// The signature does not match.
    #[error("this token's signature is not the issuer's")]
    Signature,
    /// The token has expired.
    #[error("this token has ended (exp)")]
    Ended,
    /// The token is not valid yet.
    #[error("this token is not good yet (nbf); check the clocks")]
    Early,
    /// It is for another audience.
    #[error("this token is for another audience (aud)")]
    Audience,
    /// It is from another issuer.
    #[error("this token is of another issuer (iss)")]
    Issuer,
    /// A claim is missing.
    #[error("this token lacks the claim '{0}', or has it in another form")]
    Claim(String),
    /// A claim has the wrong type.
    #[error("a claim of this token ('iss', 'aud', 'sub', 'exp' or 'nbf') is of another kind than it must be")]
    Claims,
    /// It has no scope of eemu.
    #[error("this token holds none of the scopes eemu:subject, eemu:operator and eemu:admin")]
    Scope,
    /// The issuer does not answer.
    #[error("the issuer's keys cannot be had at present; send it again in a while")]
    Unreachable,
}

/// The issuer's keys by name; a key without a name has the empty name.
struct Keys {
    known: HashMap<String, (AlgorithmFamily, DecodingKey)>,
    /// When they were fetched.
    since: Option<Instant>,
}

/// Verifies the tokens of an issuer.
pub struct SignIn {
    oidc: Oidc,
    client: reqwest::Client,
    keys: RwLock<Keys>,
    /// When keys were last fetched; the lock is held during a fetch.
    asked: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("oidc", &self.oidc).finish_non_exhaustive()
    }
}

/// Whether a token is a JWT, and not one of eemu's own.
pub fn is_signed(token: &str) -> bool {
    !token.starts_with(super::tokens::MARK) && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl SignIn {
    /// Prepares to verify tokens of an issuer. The issuer is asked when the first token
    /// arrives.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(oidc: Oidc) -> Result<Self> {
        crate::tls::choose();
        // A redirect could lead anywhere, even to addresses that only this server can reach.
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let client = client.build().context("cannot make connections to the OpenID Connect issuer")?;
        let keys = RwLock::new(Keys { known: HashMap::new(), since: None });
        Ok(Self { oidc, client, keys, asked: Mutex::new(None) })
    }

    /// Whether a token is valid by the keys at hand.
    pub fn knows(&self, token: &str) -> bool {
        is_signed(token) && self.read(token).is_ok()
    }

    /// The caller that a token speaks for.
    ///
    /// # Errors
    /// When the token is refused.
    pub async fn who(&self, token: &str) -> Result<SignedIn, Refused> {
        let age = self.keys.read().unwrap_or_else(PoisonError::into_inner).since.map(|since| since.elapsed());
        if age.is_none_or(|age| age > FRESH) {
            self.fetch().await;
        }
        match self.read(token) {
            Err(Refused::UnknownKey) => {}
            known => return known,
        }
        self.fetch().await;
        if self.keys.read().unwrap_or_else(PoisonError::into_inner).since.is_none() {
            return Err(Refused::Unreachable);
        }
        self.read(token)
    }

    fn read(&self, token: &str) -> Result<SignedIn, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Shape)?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let usable = keys.since.is_some_and(|since| since.elapsed() < LAST);
        let key = match &header.kid {
            Some(name) => keys.known.get(name),
            // A token that names no key can only mean the only key there is.
            None => keys.known.values().next().filter(|_| keys.known.len() == 1),
        };
        let (family, key) = key.filter(|_| usable).ok_or(Refused::UnknownKey)?;
        let mut validation = Validation::new_for_family(*family);
        validation.set_audience(&[&self.oidc.audience]);
        validation.set_issuer(&[&self.oidc.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        let read = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation);
        self.allowed(&read.map_err(|error| refused(error.kind()))?.claims)
    }

    /// The widest role that the claims allow.
    fn allowed(&self, claims: &Map<String, Value>) -> Result<SignedIn, Refused> {
        let listed: Vec<&str> = match claims.get(&self.oidc.scopes) {
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => return Err(Refused::Claim(self.oidc.scopes.clone())),
        };
        let holds = |scope: &str| listed.iter().any(|text| text.strip_prefix(MARK) == Some(scope));
        if holds("admin") {
            return Ok(SignedIn::Admin);
        }
        if holds("operator") {
            return Ok(SignedIn::Operator);
        }
        if !holds("subject") {
            return Err(Refused::Scope);
        }
        match claims.get(&self.oidc.person) {
            Some(Value::String(id)) => Ok(SignedIn::Subject(id.clone())),
            Some(Value::Number(id)) if id.is_u64() => Ok(SignedIn::Subject(id.to_string())),
            _ => Err(Refused::Claim(self.oidc.person.clone())),
        }
    }

    /// Fetches the keys, unless another request has just done so. After a failure the old
    /// keys stay.
    async fn fetch(&self) {
        let before = Instant::now();
        let mut asked = self.asked.lock().await;
        // Another request's fetch, which this one waited for, counts for both.
        if asked.is_some_and(|at| at > before || at.elapsed() < self.oidc.hold) {
            return;
        }
        let fetched = self.published().await;
        *asked = Some(Instant::now());
        match fetched {
            Ok(known) => {
                let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                *keys = Keys { known, since: Some(Instant::now()) };
            }
            Err(error) => warn!("the keys of the OpenID Connect issuer cannot be had: {error:#}"),
        }
    }

    /// The keys that the issuer publishes.
    async fn published(&self) -> Result<HashMap<String, (AlgorithmFamily, DecodingKey)>> {
        let issuer = self.oidc.issuer.trim_end_matches('/');
        let about = self.json(&format!("{issuer}/.well-known/openid-configuration")).await?;
        if about["issuer"].as_str() != Some(&self.oidc.issuer) {
            bail!("its configuration names another issuer; write oidc-issuer as it stands there");
        }
        let place = about["jwks_uri"].as_str().context("its configuration has no jwks_uri")?;
        // The address of the keys must satisfy the same rules as the issuer's.
        Oidc::new(place.to_owned(), String::new(), String::new(), String::new()).context("its jwks_uri")?;
        let set = self.json(place).await?;
        let listed = set["keys"].as_array().context("its key set has no keys")?;
        // A key that cannot be used does not invalidate the others.
        Ok(listed.iter().filter_map(public).collect())
    }

    async fn json(&self, place: &str) -> Result<Value> {
        let answer = self.client.get(place).send().await?.error_for_status()?;
        let bytes = answer.bytes().await?;
        if bytes.len() > MOST_BYTES {
            bail!("{place} answers with more than a megabyte");
        }
        serde_json::from_slice(&bytes).with_context(|| format!("{place} is no JSON"))
    }
}

/// A public signature key, with its name.
fn public(key: &Value) -> Option<(String, (AlgorithmFamily, DecodingKey))> {
    if key["use"].as_str().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let key: Jwk = serde_json::from_value(key.clone()).ok()?;
    let family = match &key.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa,
        AlgorithmParameters::EllipticCurve(_) => AlgorithmFamily::Ec,
        AlgorithmParameters::OctetKeyPair(_) => AlgorithmFamily::Ed,
        _ => return None,
    };
    let name = key.common.key_id.clone().unwrap_or_default();
    Some((name, (family, DecodingKey::from_jwk(&key).ok()?)))
}

fn refused(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::ExpiredSignature => Refused::Ended,
        ErrorKind::ImmatureSignature => Refused::Early,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Refused::Algorithm,
        ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => Refused::Claim(name.clone()),
        ErrorKind::Json(_) => Refused::Claims,
        _ => Refused::Shape,
    }
}

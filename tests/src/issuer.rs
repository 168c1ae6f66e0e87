//! A small OpenID Connect issuer: it publishes its configuration and its keys,
//! and signs the claims of a test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A private key for these tests alone, which protects nothing: PKCS #1,
/// base64.
const RSA: &str = "\
    MIIEpAIBAAKCAQEA00tVG8amNTP93HVKi8eWRXcu5db6tQmJD8KdFW9DWc2ztX6dCgf+pTrXX/XaLRQw/ui93nV2C5KHI484oeIp \
    LYNKbBTY59isq1r0evMYaIVFxur7Y2wFbyQO5m5HawyjQyqX/MSx1lwh9yJr52AH0tMDnYGQj8gOZUaHI0BKuz1dC7ZcALpGq5nl \
    P3h7uei+pmdoX/tSKxQ0mOjSMFpFxHceBZsuJsL2TLuPKiBncyJS/jSpquRZqEEiYlwjwx3Sh8/UVriXZU+4HHS7q1ldr0LIRJva \
    m9O2/H0RTkDyxeI4nqtwYUhDe9Co1PF1sZZtsmjV8D4yupHLZD9pGbICvwIDAQABAoIBAETN6igCVwtKI+ePNjgwRQnX1qi3iao8 \
    Maq1J+vb8GWk61k1orOqiMyLTakM6P/27EGFzpZLT6ZTD7iPodRtThVpBGoPm9Zbo1alZqlG0fLvOxqcWEI24cogRs3YqV79nYh4 \
    rUd9UZ/JHrJYPiT5C3Mmja3TjByV+8IU5lqfS/aOXCBkTjOKegX80JY1x6QyutRZjBkpv+3W8C18YHQo2dlKQrwEPEQGZRAK2CdX \
    tk8f5SfBsXBElCHzSeIPXdWdytOzJk8lWVJBxkG9HCrq1bajJi3IkpV4ZzkvVcDSC74xV4I7DKFREjNHRdiIK1GLgGR5YZ4T17sc \
    DAwwC0jaVokCgYEA99ZJyocB4qvBBVSXSgDU/uoP/0yu9/hcZqZ7KucGLnH7u3F6WU5j45jxWAu6i1NpQCoWeGWqId/ZGxAk8tya \
    e18CnqNmQ20AYv7CknuPvyfC7XAHvFnpf4nHEaWfoKY2qLIJhYzHlLJu+Y8N2mWpr25+Omudv13AUvrNyscKqRUCgYEA2kDsOzRO \
    Gh/Xc8m+QKhpIkqU8WXaumJtKsbLGcE+6BfuAOsb/mg6TiK9OLxlDF9en2kFseaRuL39Mm3yVkd6itS2TELFKDn2De1rv0/406P6 \
    lbxsGJ52ONIO1uhRU6gDHD44cN2TMqm+RyQJfaWL9nckB54i1YYcLXjVTAWMyYMCgYEAvVi0a80Vva3m/EGSjHFySYddzXkyvDS9 \
    s5dBxpdWe6mN37lk9lITstEoolHjpYqGgQUmwbk6cELrRefhssKkK9l80OKZwK3Ie9mTogJQ4oRoQqsy3c37vPrwYiUdfck/PUc4 \
    SxYxbQOeEYAf31mIeIV8XvnVPV1NEJiZHXFQTbkCgYEArfpm1WMCh0yuoLxHDp+w/wbY5/07eKwRPbIuIJ+tF7JLpSvFqu1G3RZQ \
    JDP5kP1NHmHHimKz8sJwXYzLSv+7rYOWtf/bzg82FzAVXfHP9lWW4VnMCWv37Z90+NdETR13LUJkF4RpXE93QJp3flNC2PtsGy5x \
    sigvugfCb9FUwyUCgYAEIjWc5qMCnV+cRZ26LmoDprPLWB88AuVaZpzCcG5L8uVUqaDioq+vY1UXzKWewy5mY4d54YuHtF0VGWHH \
    XzYm8R/vlJ2/LOYLT3OTiwDtiwLq4SMbFouBghqGYgGDsYAq5KrSaX0QranJ/6V6y64aPOYLoc8pPEmZgXe7vVLkOg==";

/// A key pair with a name.
pub struct Pair {
    /// The name (`kid`) that its tokens carry.
    pub name: String,
    /// Its signature algorithm.
    pub algorithm: Algorithm,
    key: EncodingKey,
}

impl Pair {
    /// A new pair: ES256 or EdDSA; RSA has one pair, the same each time.
    ///
    /// # Errors
    /// When the algorithm is another.
    pub fn new(name: &str, algorithm: Algorithm) -> Result<Self> {
        let der = |kind| Ok::<_, anyhow::Error>(rcgen::KeyPair::generate_for(kind)?.serialize_der());
        let key = match algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_der(&der(&rcgen::PKCS_ECDSA_P256_SHA256)?),
            Algorithm::EdDSA => EncodingKey::from_ed_der(&ed25519()?),
            Algorithm::RS256 => {
                let text: String = RSA.split_whitespace().collect();
                EncodingKey::from_rsa_der(&base64::engine::general_purpose::STANDARD.decode(text)?)
            }
            other => anyhow::bail!("no pair for {other:?}"),
        };
        Ok(Self { name: name.to_owned(), algorithm, key })
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the key is damaged.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let header = Header { kid: Some(self.name.clone()), ..Header::new(self.algorithm) };
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }

    /// The public key, as an issuer publishes it.
    ///
    /// # Errors
    /// When the key is damaged.
    pub fn public(&self) -> Result<Value> {
        let mut key = Jwk::from_encoding_key(&self.key, self.algorithm)?;
        key.common.key_id = Some(self.name.clone());
        Ok(serde_json::to_value(key)?)
    }
}

/// A new key in PKCS #8 version 1, without the public half.
fn ed25519() -> Result<Vec<u8>> {
    let mut der = hex::decode("302e020100300506032b657004220420")?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    der.extend(secret);
    Ok(der)
}

#[derive(Default)]
struct Shared {
    address: Mutex<String>,
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The issuer, on loopback until the process ends.
pub struct Issuer {
    /// Its address, which its tokens name as issuer.
    pub address: String,
    shared: Arc<Shared>,
}

impl Issuer {
    /// Starts an issuer that publishes these keys.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(pairs: &[&Pair]) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let about = |State(shared): State<Arc<Shared>>| async move {
            let issuer = lock(&shared.address).clone();
            Json(json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}))
        };
        let keys = |State(shared): State<Arc<Shared>>| async move {
            shared.asked.fetch_add(1, Ordering::SeqCst);
            let keys = lock(&shared.keys).clone();
            let status = if keys.is_empty() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            (status, Json(json!({"keys": keys})))
        };
        let router = Router::new().route("/.well-known/openid-configuration", get(about)).route("/keys", get(keys));
        let address = crate::loopback::serve(router.with_state(shared.clone()))?;
        lock(&shared.address).clone_from(&address);
        let issuer = Self { address, shared };
        issuer.publish(pairs)?;
        Ok(issuer)
    }

    /// Publishes these keys from now on; without keys it answers 503.
    ///
    /// # Errors
    /// When a key is damaged.
    pub fn publish(&self, pairs: &[&Pair]) -> Result<()> {
        *lock(&self.shared.keys) = pairs.iter().map(|pair| pair.public()).collect::<Result<_>>()?;
        Ok(())
    }

    /// How often its keys were requested.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Claims of a token for a person, valid for five minutes.
    pub fn claims(&self, audience: &str, person: &str, scopes: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        json!({"iss": self.address, "aud": audience, "sub": person, "scope": scopes, "iat": now, "exp": now + 300})
    }
}

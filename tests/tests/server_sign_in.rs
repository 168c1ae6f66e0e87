//! Bearer tokens of an OpenID Connect issuer: the accepted and the refused
//! ones.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::sign_in::Oidc;
use eemu_tests::issuer::{Issuer, Pair};
use eemu_tests::service::{Place, quick};
use eemu_tests::worlds::Recipe;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

const SHOP: &str = "shop";

fn oidc(issuer: &Issuer, hold: Duration) -> Oidc {
    let oidc = Oidc::new(issuer.address.clone(), SHOP.into(), "sub".into(), "scope".into()).unwrap();
    Oidc { hold, ..oidc }
}

fn place(oidc: Oidc) -> Place {
    let http = HttpOptions { rate: 0, oidc: Some(oidc), ..HttpOptions::default() };
    Place::with(&Recipe::default(), quick(), &http).unwrap()
}

/// Status and message of a "who am I" request.
fn asked(place: &Place, token: &str) -> (u16, String) {
    let reply = place.get("/api/v1/whoami", token);
    (reply.status.as_u16(), reply.json()["message"].as_str().unwrap_or_default().to_owned())
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[test]
fn an_issuers_tokens_are_taken_beside_ours() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let pair = Pair::new("first", algorithm).unwrap();
        let issuer = Issuer::start(&[&pair]).unwrap();
        let place = place(oidc(&issuer, Duration::from_secs(10)));
        let token = |person: &str, scopes: &str| pair.sign(&issuer.claims(SHOP, person, scopes)).unwrap();
        let who = |token: &str| place.get("/api/v1/whoami", token).json();
        let subject = token("user-3", "openid eemu:subject");
        assert_eq!(who(&subject), json!({"role": "subject", "user": "user-3", "demo": false}), "{algorithm:?}");
        assert_eq!(who(&token("x", "eemu:operator"))["role"], "operator");
        assert_eq!(who(&token("x", "eemu:subject eemu:admin"))["role"], "admin");
        assert_eq!(who(&place.admin)["role"], "admin");
        // A list of scopes is accepted like a string, and so is a list of
        // audiences.
        let claims = with(issuer.claims(SHOP, "user-3", ""), "scope", json!(["eemu:subject"]));
        assert_eq!(who(&pair.sign(&with(claims, "aud", json!(["other", SHOP]))).unwrap())["user"], "user-3");
        // A user may read only their own data.
        let own = place.post("/api/v1/interactions/list", &subject, &json!({}));
        let others = place.post("/api/v1/interactions/list", &subject, &json!({"user": "user-4"}));
        assert_eq!((own.status.as_u16(), others.status.as_u16()), (200, 404));
        assert_eq!(issuer.asked(), 1, "keys are kept");
    }
}

#[test]
fn the_claims_have_names_of_their_own() {
    let pair = Pair::new("first", Algorithm::ES256).unwrap();
    let issuer = Issuer::start(&[&pair]).unwrap();
    let oidc = Oidc { person: "customer".into(), scopes: "roles".into(), ..oidc(&issuer, Duration::ZERO) };
    let place = place(oidc);
    let claims = with(issuer.claims(SHOP, "7f3a", ""), "customer", json!("user-2"));
    let token = pair.sign(&with(claims.clone(), "roles", json!(["eemu:subject"]))).unwrap();
    assert_eq!(place.get("/api/v1/whoami", &token).json()["user"], "user-2");
    let (status, said) = asked(&place, &pair.sign(&claims).unwrap());
    assert!(status == 401 && said.contains("'roles'"), "{said}");
}

#[test]
fn what_is_wrong_with_a_token_is_said() {
    let pair = Pair::new("first", Algorithm::ES256).unwrap();
    let stranger = Pair::new("first", Algorithm::ES256).unwrap();
    let unknown = Pair::new("another", Algorithm::ES256).unwrap();
    let issuer = Issuer::start(&[&pair]).unwrap();
    let place = place(oidc(&issuer, Duration::ZERO));
    let good = issuer.claims(SHOP, "user-1", "eemu:subject");
    assert_eq!(asked(&place, &pair.sign(&good).unwrap()).0, 200);
    let now = good["iat"].as_u64().unwrap();
    let header = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let body = URL_SAFE_NO_PAD.encode(good.to_string());
    // Signed with the public key as an HMAC secret, which careless verifiers
    // accept.
    let published = pair.public().unwrap();
    let secret = jsonwebtoken::EncodingKey::from_secret(published["x"].as_str().unwrap().as_bytes()).unwrap();
    let mut hmac = jsonwebtoken::Header::new(Algorithm::HS256);
    hmac.kid = Some("first".into());
    let mut no_end = good.clone();
    no_end.as_object_mut().unwrap().remove("exp");
    let sign = |claims: &Value| pair.sign(claims).unwrap();
    for (token, status, words) in [
        (sign(&with(good.clone(), "exp", json!(now - 300))), 401, "has ended"),
        (sign(&with(good.clone(), "nbf", json!(now + 300))), 401, "not good yet"),
        (sign(&with(good.clone(), "aud", json!("elsewhere"))), 401, "another audience"),
        (sign(&with(good.clone(), "iss", json!("https://other.example"))), 401, "another issuer"),
        (sign(&with(good.clone(), "scope", json!("openid profile"))), 401, "none of the scopes"),
        (sign(&with(good.clone(), "scope", json!("admin subject"))), 401, "none of the scopes"),
        (sign(&with(good.clone(), "sub", json!(["user-1"]))), 401, "'sub'"),
        (sign(&no_end), 401, "'exp'"),
        (sign(&with(good.clone(), "sub", json!("nobody-here"))), 403, "no account here"),
        (stranger.sign(&good).unwrap(), 401, "signature is not the issuer's"),
        (unknown.sign(&good).unwrap(), 401, "no key of this token's name"),
        (format!("{}.{body}.", header(r#"{"alg":"none","kid":"first"}"#)), 401, "no signed JWT"),
        (format!("{}.{body}.x", header(r#"{"alg":"ES256","kid":"first"}"#)), 401, ""),
        (jsonwebtoken::encode(&hmac, &good, &secret).unwrap(), 401, "not signed with a public key"),
        ("a.b.c".into(), 401, "no signed JWT"),
        ("..".into(), 401, "no signed JWT"),
        ("eemu_..".into(), 401, "not known here"),
    ] {
        let (found, said) = asked(&place, &token);
        assert!(found == status && said.contains(words), "{token}: {found} {said}, expected {status} {words}");
        assert!(!said.contains("nobody-here"), "{said}");
    }
    // A token of the issuer is refused where none is configured.
    let plain = Place::new(&Recipe::default()).unwrap();
    assert_eq!(asked(&plain, &sign(&good)).0, 401);
}

#[test]
fn a_deleted_account_is_nobodys() {
    let pair = Pair::new("first", Algorithm::EdDSA).unwrap();
    let issuer = Issuer::start(&[&pair]).unwrap();
    let place = place(oidc(&issuer, Duration::ZERO));
    let token = pair.sign(&issuer.claims(SHOP, "user-5", "eemu:subject")).unwrap();
    assert_eq!(place.post("/api/v1/account/delete", &token, &json!({})).status.as_u16(), 202);
    let (status, said) = asked(&place, &token);
    assert!(status == 403 && said.contains("no account here"), "{said}");
}

#[test]
fn keys_turn_over_and_are_not_asked_for_without_end() {
    let (old, new) = (Pair::new("old", Algorithm::ES256).unwrap(), Pair::new("new", Algorithm::EdDSA).unwrap());
    let issuer = Issuer::start(&[&old]).unwrap();
    let place = place(oidc(&issuer, Duration::ZERO));
    let claims = issuer.claims(SHOP, "user-1", "eemu:subject");
    let (first, second) = (old.sign(&claims).unwrap(), new.sign(&claims).unwrap());
    assert_eq!((asked(&place, &first).0, asked(&place, &second).0), (200, 401));
    // The issuer changes to a new key: its first token makes the service fetch
    // it.
    issuer.publish(&[&new]).unwrap();
    assert_eq!(asked(&place, &second).0, 200);
    assert_eq!(asked(&place, &first).0, 401, "the old key is gone with it");
    // While the issuer is unavailable, known keys are accepted and unknown ones
    // refused.
    issuer.publish(&[]).unwrap();
    assert_eq!((asked(&place, &second).0, asked(&place, &first).0), (200, 401));
    // Tokens with invented keys do not cause many requests to the issuer.
    issuer.publish(&[&old]).unwrap();
    let held = self::place(oidc(&issuer, Duration::from_secs(600)));
    assert_eq!(asked(&held, &first).0, 200);
    let before = issuer.asked();
    for _ in 0..20 {
        assert_eq!(asked(&held, &second).0, 401);
    }
    assert_eq!(issuer.asked(), before);
}

#[test]
fn an_issuer_that_is_away_is_said_to_be() {
    let pair = Pair::new("first", Algorithm::ES256).unwrap();
    let issuer = Issuer::start(&[]).unwrap();
    let place = place(oidc(&issuer, Duration::ZERO));
    let token = pair.sign(&issuer.claims(SHOP, "user-1", "eemu:subject")).unwrap();
    let (status, said) = asked(&place, &token);
    assert!(status == 503 && said.contains("cannot be had at present"), "{said}");
    // The service's own tokens do not need the issuer.
    assert_eq!(asked(&place, &place.admin).0, 200);
    issuer.publish(&[&pair]).unwrap();
    assert_eq!(asked(&place, &token).0, 200);
}

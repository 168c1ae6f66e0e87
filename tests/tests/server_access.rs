//! Access rights: every route of the OpenAPI document with every role, for own
//! and others' data; the committed document; the operators' manual.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use eemu_server::serve::http::openapi;
use eemu_server::serve::settings::reference;
use eemu_server::serve::tokens::Scope;
use eemu_tests::service::Place;
use eemu_tests::worlds::Recipe;
use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

/// The document is committed, so that a change of the API shows in review.
/// `EEMU_BLESS=1 cargo test --workspace --test server_access` writes it.
#[test]
fn the_document_is_the_committed_one() {
    let path = root().join("server/openapi.json");
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("EEMU_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == text, "server/openapi.json is not what the server serves; see this test");
    let place = Place::new(&Recipe::default()).unwrap();
    assert_eq!(place.get("/api/v1/openapi.json", "").json(), document());
    let page = place.get("/docs/", "");
    assert!(page.status == 200 && String::from_utf8_lossy(&page.bytes).contains("swagger"));
}

/// The Python client has a method for every route; `cargo xtask test --all`
/// runs it.
#[test]
fn the_python_client_has_a_method_for_every_route() {
    let client = std::fs::read_to_string(root().join("server/clients/python/src/eemu_client/client.py")).unwrap();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|name| *name != "parameters") {
            assert!(client.contains(&format!("@_route(\"{method}\", \"{path}\")")), "{method} {path}");
        }
    }
}

/// A proxy may serve the API below a path (`deploy/nginx/tenants.conf`).
#[test]
fn the_page_of_the_api_works_below_a_path() {
    let place = Place::new(&Recipe::default()).unwrap();
    let text = |path: &str| String::from_utf8(place.get(path, "").bytes).unwrap();
    let script = text("/docs/swagger-initializer.js");
    assert!(script.contains("\"../api/v1/openapi.json\"") && !script.contains("\"/api/"), "{script}");
    // No address that the page itself requests begins at the host's root.
    let page = text("/docs/");
    assert!(!page.contains("href=\"/") && !page.contains("src=\"/"), "{page}");
    // The addresses of its calls are relative to that of the document.
    assert_eq!(document()["servers"], json!([{"url": "../.."}]));
    let bare = place.router();
    let request = axum::http::Request::get("/docs").body(axum::body::Body::empty()).unwrap();
    let reply = place.block_on(tower::ServiceExt::oneshot(bare, request)).unwrap();
    assert_eq!((reply.status().as_u16(), reply.headers()["location"].to_str().unwrap()), (303, "docs/"));
}

#[test]
fn the_manual_holds_every_setting() {
    let manual = std::fs::read_to_string(root().join("docs/serve.md")).unwrap();
    assert!(manual.contains(&reference()), "docs/serve.md lacks the table of `eemu config reference`");
}

/// A valid body for a route, about a user or about no user.
fn body(path: &str, user: Option<&str>) -> Value {
    if path == "/api/v1/items/take-down" {
        return json!({"item": "item-9"});
    }
    if ["/api/v1/items/hide", "/api/v1/items/show"].contains(&path) {
        return json!({"items": ["item-8"]});
    }
    if path == "/api/v1/tokens" {
        return json!({"scope": "operator"});
    }
    let mut body = match path {
        "/api/v1/interactions/add" => json!({"interactions": [{"item": "item-2"}]}),
        "/api/v1/interactions/delete" => json!({"items": ["item-3"]}),
        "/api/v1/recommendations" => json!({"top": 1}),
        _ => json!({}),
    };
    if let Some(user) = user {
        body["user"] = user.into();
    }
    body
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Nobody,
    Stranger,
    Own,
    Other,
    Missing,
    Operator,
    Admin,
}

/// The statuses that each role must get, by the document's declaration of the
/// route.
fn expected(path: &str, security: &Value, role: Role) -> Vec<u16> {
    let needs: Vec<&Value> = security.as_array().into_iter().flatten().collect();
    let optional = needs.is_empty() || needs.iter().any(|n| n.as_object().unwrap().is_empty());
    let roles: Vec<&str> =
        needs.iter().filter_map(|n| n["bearer"].as_array()).flatten().map(|r| r.as_str().unwrap()).collect();
    let fine = vec![200, 202];
    let personal = path != "/api/v1/whoami" && (roles.contains(&"subject"));
    match role {
        // All callers get these lists, operators with counts.
        Role::Nobody | Role::Own | Role::Other | Role::Missing if path == "/api/v1/popular" => fine,
        // An invalid token never passes where tokens are checked.
        Role::Stranger if needs.is_empty() => fine,
        Role::Stranger => vec![401],
        Role::Nobody if needs.is_empty() => fine,
        // A request about a user needs a token all the same.
        Role::Nobody => vec![401],
        _ if optional && needs.is_empty() => fine,
        Role::Own if roles.contains(&"subject") => fine,
        Role::Other | Role::Missing if personal => vec![404],
        Role::Own | Role::Other | Role::Missing if roles.contains(&"subject") => fine,
        Role::Own | Role::Other | Role::Missing => vec![403],
        Role::Operator if roles.contains(&"operator") => fine,
        Role::Operator => vec![403],
        Role::Admin => fine,
    }
}

/// Every route with every role behaves as the document declares. "Not yours" is
/// answered like "not there", to the byte.
#[test]
fn the_matrix_of_routes_and_roles() {
    let place = Place::new(&Recipe { users: 10, ..Recipe::default() }).unwrap();
    let (own, other) = (place.subject(0).unwrap(), place.subject(1).unwrap());
    let delete = json!({"user": "user-0", "items": ["item-1", "item-2", "item-3", "item-4", "item-5", "item-6"]});
    let request = place.post("/api/v1/interactions/delete", &place.admin, &delete).json();
    assert!(request["removed"].as_u64() > Some(0), "{request}");
    let name = request["id"].as_str().unwrap().to_owned();
    place.wait_done(&name).unwrap();
    // The token to be revoked.
    let spare = place.service.tokens().create(Scope::Operator, None).unwrap().1.id;
    let (mut pairs, mut routes) = (0, 0);
    let document = document();
    let mut paths: Vec<(&String, &Value)> = document["paths"].as_object().unwrap().iter().collect();
    // Routes that take models out of service come late, and those that end
    // tokens last.
    paths.sort_by_key(|(path, _)| (path.contains("account"), path.contains("take-down")));
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            routes += 1;
            let security = &operation["security"];
            for role in
                [Role::Nobody, Role::Stranger, Role::Other, Role::Missing, Role::Operator, Role::Own, Role::Admin]
            {
                // The administrator would delete the account before its user
                // does.
                if path.contains("account") && role == Role::Admin {
                    continue;
                }
                let token = match role {
                    Role::Nobody => "",
                    Role::Stranger => "eemu_0000",
                    Role::Own | Role::Missing => &own,
                    Role::Other => &other,
                    Role::Operator => &place.operator,
                    Role::Admin => &place.admin,
                };
                let about = match role {
                    Role::Missing => Some("nobody-of-that-name"),
                    Role::Own => None,
                    _ => Some("user-0"),
                };
                let id = if role == Role::Missing { "0".repeat(32) } else { name.clone() };
                let file = place.get("/api/v1/manifest", "").json()["shards"][0]["files"][0]["blake3"].clone();
                let address = path.replace("{id}", &id).replace("{blake3}", file.as_str().unwrap_or("none"));
                let address = match path.as_str() {
                    "/api/v1/log/inclusion" => address + "?index=0",
                    "/api/v1/log/consistency" => address + "?from=1",
                    "/api/v1/similar" => address + "?item=item-1",
                    _ => address,
                };
                let reply = if method == "get" {
                    place.get(&address, token)
                } else if path.ends_with("/batch") {
                    let ask = axum::http::Request::post(&address).header("authorization", format!("Bearer {token}"));
                    let ask = if token.is_empty() { axum::http::Request::post(&address) } else { ask };
                    place.send(ask.body("{\"user\":\"user-0\"}".into()).unwrap())
                } else if path.ends_with("/revoke") {
                    place.post(&address, token, &json!({"id": spare}))
                } else {
                    place.post(&address, token, &body(path, about))
                };
                let wanted = expected(path, security, role);
                let status = reply.status.as_u16();
                // Without a token, files that change may be missing.
                assert!(wanted.contains(&status), "{method} {path} as {role:?}: {status}, expected {wanted:?}");
                if status == 404 {
                    assert_eq!(reply.json()["message"], "there is no such thing, or it is not yours");
                }
                pairs += 1;
            }
        }
    }
    assert!(routes >= 25 && pairs >= 170, "{routes} routes, {pairs} pairs");
    // No path contains an identifier of a user or an item.
    for path in document["paths"].as_object().unwrap().keys() {
        for part in path.split('/').filter(|part| part.starts_with('{')) {
            assert!(["{id}", "{blake3}"].contains(&part), "{path}");
        }
    }
}

/// Another user's request and one that never existed are answered alike.
#[test]
fn not_yours_is_not_there() {
    let place = Place::new(&Recipe::default()).unwrap();
    let (own, other) = (place.subject(0).unwrap(), place.subject(1).unwrap());
    let request = place.post("/api/v1/interactions/delete", &own, &json!({"all": true})).json();
    let name = request["id"].as_str().unwrap();
    for part in ["", "/events", "/receipt"] {
        let theirs = place.get(&format!("/api/v1/unlearning/{name}{part}"), &other);
        let never = place.get(&format!("/api/v1/unlearning/{}{part}", "0".repeat(32)), &other);
        assert_eq!((theirs.status.as_u16(), &theirs.bytes), (404, &never.bytes), "{part}");
        assert_eq!(theirs.headers.keys().count(), never.headers.keys().count());
    }
    assert_eq!(place.get(&format!("/api/v1/unlearning/{name}"), &own).status, 200);
    // Deleting a record that the user does not have is answered like deleting
    // one that the user has.
    let mine = place.post("/api/v1/interactions/delete", &other, &json!({"items": ["item-0", "item-1"]}));
    let again = place.post("/api/v1/interactions/delete", &other, &json!({"items": ["item-0", "item-1"]}));
    assert_eq!((mine.status.as_u16(), again.status.as_u16()), (202, 202));
}

#[test]
fn callers_are_held_to_their_rate() {
    use eemu_server::serve::http::HttpOptions;
    let http = HttpOptions { rate: 5, ..HttpOptions::default() };
    let place = Place::with(&Recipe::default(), eemu_tests::service::quick(), &http).unwrap();
    let statuses: Vec<u16> = (0..20).map(|_| place.get("/api/v1/manifest", "").status.as_u16()).collect();
    assert!(statuses[..5].iter().all(|s| *s == 200) && statuses.contains(&429), "{statuses:?}");
    let refused = (0..20).map(|_| place.get("/api/v1/manifest", "")).find(|r| r.status == 429).unwrap();
    assert_eq!((&refused.headers["retry-after"], &refused.json()["code"]), (&"1".parse().unwrap(), &json!("too_many")));
    // Invented tokens do not make one caller count as many.
    let invented: Vec<u16> =
        (0..20).map(|n| place.get("/api/v1/manifest", &format!("eemu_{n:064x}")).status.as_u16()).collect();
    assert!(invented.contains(&429), "{invented:?}");
    assert_eq!(place.get("/healthz", "").status, 200, "watchers are never turned away");
    assert_eq!(place.get("/api/v1/whoami", &place.admin).status, 200, "each caller has a rate of its own");
}

/// The demonstration gives out tokens for its households only.
#[test]
fn the_demonstration_gives_tokens() {
    use eemu_server::serve::ServiceOptions;
    use eemu_server::serve::http::HttpOptions;
    let options = ServiceOptions { demo: 2, ..eemu_tests::service::quick() };
    let place = Place::with(&Recipe::default(), options, &HttpOptions { rate: 0, ..HttpOptions::default() }).unwrap();
    let households = place.get("/api/v1/demo", "").json();
    assert_eq!(households.as_array().unwrap().len(), 2);
    for household in households.as_array().unwrap() {
        let who = place.get("/api/v1/whoami", household["token"].as_str().unwrap()).json();
        assert_eq!((&who["role"], &who["user"], &who["demo"]), (&json!("subject"), &household["user"], &json!(true)));
        assert!(
            !std::fs::read_to_string(place.dir.join("tokens.json"))
                .unwrap()
                .contains(household["token"].as_str().unwrap())
        );
    }
    // Visitors cannot use up the households: one that is deleted or emptied is
    // replaced by another, and the other stays.
    let first = households[0]["token"].as_str().unwrap();
    assert_eq!(place.post("/api/v1/account/delete", first, &json!({})).status, 202);
    let now = place.get("/api/v1/demo", "").json();
    assert_eq!((now.as_array().unwrap().len(), &now[0]), (2, &households[1]));
    assert!(now[1]["user"] != households[0]["user"], "{now}");
    let second = now[0]["token"].as_str().unwrap();
    assert_eq!(place.post("/api/v1/interactions/delete", second, &json!({"all": true})).status, 202);
    let later = place.get("/api/v1/demo", "").json();
    assert_eq!((later.as_array().unwrap().len(), &later[0]), (2, &now[1]));
    // A caller signed in as the emptied household stays signed in.
    assert_eq!(place.get("/api/v1/whoami", second).status, 200);
    let plain = Place::new(&Recipe::default()).unwrap();
    assert_eq!(plain.get("/api/v1/demo", "").json(), json!([]));
}

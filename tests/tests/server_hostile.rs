//! Damaged models, hostile requests, slow clients: each gets the right status,
//! and no data are lost.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::tokens::Scope;
use eemu_tests::program;
use eemu_tests::service::{PATIENCE, Place, Process, make_state, quick, token};
use eemu_tests::worlds::Recipe;
use serde_json::{Value, json};

fn models(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir.join("models")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn opens(dir: &Path) -> Result<(), String> {
    match Place::open(dir, quick(), &HttpOptions::default()) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// A damaged, truncated, exchanged or missing file is refused at the start with
/// its name and the command that repairs it; that command works.
#[test]
fn a_damaged_model_is_refused_at_the_start() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &Recipe::default(), true).unwrap();
    opens(&dir).unwrap();
    for file in models(&dir) {
        let whole = std::fs::read(&file).unwrap();
        let mut damages: Vec<Vec<u8>> =
            vec![whole[..whole.len() / 2].to_vec(), Vec::new(), [&whole[..], b"x"].concat()];
        for place in [8, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            damages.push(flipped);
        }
        // Another model's file under this name.
        damages.push(std::fs::read(models(&dir).into_iter().find(|other| *other != file).unwrap()).unwrap());
        for damage in damages {
            std::fs::write(&file, &damage).unwrap();
            let refused = opens(&dir).unwrap_err();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            assert!(refused.contains(&name) && refused.contains("eemu train"), "{refused}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(opens(&dir).unwrap_err().contains("missing"));
        std::fs::write(&file, &whole).unwrap();
    }
    opens(&dir).unwrap();
    std::fs::write(&models(&dir)[0], b"spoiled").unwrap();
    let run =
        std::process::Command::new(program().unwrap()).args(["train", "-q", "--state"]).arg(&dir).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    opens(&dir).unwrap();
}

/// Damage to the files while they are served does not affect answers.
#[test]
fn damage_while_serving_reaches_nobody() {
    let place = Place::new(&Recipe::default()).unwrap();
    let manifest = place.get("/api/v1/manifest", "").json();
    let ask = json!({"items": ["item-1"], "top": 3});
    let before = place.post("/api/v1/recommendations", "", &ask).json();
    for file in models(&place.dir) {
        std::fs::write(file, b"spoiled").unwrap();
    }
    for shard in manifest["shards"].as_array().unwrap() {
        for file in shard["files"].as_array().unwrap() {
            let bytes = place.get(file["address"].as_str().unwrap(), "").bytes;
            assert_eq!(blake3::hash(&bytes).to_hex().as_str(), file["blake3"]);
        }
    }
    assert_eq!(place.post("/api/v1/recommendations", "", &ask).json(), before);
}

/// Invalid bodies of every kind, on every route that takes one.
#[test]
fn bad_bodies_get_the_right_status() {
    let place = Place::new(&Recipe::default()).unwrap();
    let routes = [
        "/api/v1/interactions/list",
        "/api/v1/interactions/add",
        "/api/v1/interactions/delete",
        "/api/v1/account/delete",
        "/api/v1/rows",
        "/api/v1/recommendations",
    ];
    let records = place.dataset().interactions.len();
    let long = "x".repeat(2 << 20);
    let deep = "[".repeat(100_000);
    let huge = format!("{{\"user\": \"{long}\"}}");
    let many = json!({"user": "user-0", "items": vec!["item-1"; 20_000], "interactions": []}).to_string();
    for path in routes {
        for (body, wanted) in [
            ("", vec![400]),
            ("{", vec![400]),
            ("null", vec![422]),
            ("[]", vec![400, 422]),
            ("{\"user\": 5}", vec![422]),
            ("{\"user\": {\"hush\": 1}}", vec![422]),
            ("{\"user\": \"user-0\", \"top\": \"hush\", \"items\": \"hush\", \"interactions\": \"hush\"}", vec![422]),
            ("{\"user\": \"user-0\", \"nonsense\": 1}", vec![422]),
            ("{\"user\": \"nobody\", \"items\": [\"item-1\"], \"interactions\": []}", vec![400, 404, 422]),
            ("\u{0}\u{1}", vec![400]),
            (deep.as_str(), vec![400, 422]),
            (huge.as_str(), vec![413]),
            (many.as_str(), vec![400, 422]),
        ] {
            let request = Request::post(path)
                .header("authorization", format!("Bearer {}", place.admin))
                .header("content-type", "application/json");
            let reply = place.send(request.body(Body::from(body.to_owned())).unwrap());
            let shown: String = body.chars().take(40).collect();
            assert!(wanted.contains(&reply.status.as_u16()), "{path} with {shown}: {}", reply.status);
            assert!(reply.json()["code"].is_string(), "{path} with {shown}: {:?}", reply.json());
            // The field that the sender named is repeated in the message;
            // values are not.
            let message = reply.json()["message"].to_string();
            assert_eq!(message.contains("nonsense"), body.contains("nonsense"), "{message}");
            assert!(!message.contains("hush"), "a message quotes a value: {message}");
        }
        let plain = Request::post(path).header("authorization", format!("Bearer {}", place.admin));
        assert_eq!(place.send(plain.body("{}".into()).unwrap()).status, 415, "{path} without a content type");
        assert_eq!(place.get(path, &place.admin).status, 405, "{path} takes POST");
    }
    for (body, status) in [
        (json!({"user": "user-0", "items": ["nothing"]}), 400),
        (json!({"user": "user-0", "items": []}), 400),
        (json!({"user": "user-0", "items": ["item-1"], "all": true}), 400),
        (json!({"user": "user-0"}), 400),
        (json!({"items": ["item-1"]}), 400),
    ] {
        assert_eq!(place.post("/api/v1/interactions/delete", &place.admin, &body).status, status, "{body}");
    }
    for body in [
        json!({"top": 0}),
        json!({"user": "user-0", "top": 5000}),
        json!({"user": "user-0", "items": []}),
        json!({"items": [{"item": "item-1", "when": 3}]}),
        json!({"items": ["item-1"], "category": ["group"]}),
        json!({"items": ["item-1"], "category": ["nothing=v1"]}),
    ] {
        let status = place.post("/api/v1/recommendations", &place.admin, &body).status.as_u16();
        assert!([400, 422].contains(&status), "{body}: {status}");
    }
    for time in ["1e999", "\"now\"", "null"] {
        let body = format!("{{\"user\":\"user-0\",\"interactions\":[{{\"item\":\"item-1\",\"timestamp\":{time}}}]}}");
        let request = Request::post("/api/v1/interactions/add")
            .header("authorization", format!("Bearer {}", place.admin))
            .header("content-type", "application/json");
        let status = place.send(request.body(Body::from(body)).unwrap()).status.as_u16();
        assert!([200, 400, 422].contains(&status), "{time}: {status}");
        assert!(time == "null" || status != 200, "{time}");
    }
    assert!(place.dataset().interactions.len() <= records + 1, "something was added");
}

#[test]
fn paths_lead_nowhere_else() {
    let kept = tempfile::tempdir().unwrap();
    let web = kept.path().join("dist");
    std::fs::create_dir(&web).unwrap();
    std::fs::write(kept.path().join("secret.txt"), "outside").unwrap();
    std::fs::write(web.join("index.html"), "<html><script type=\"module\">start()</script>the app</html>").unwrap();
    std::fs::write(web.join("app.js"), "plain").unwrap();
    std::fs::write(web.join("app.js.br"), "packed").unwrap();
    std::fs::write(web.join("app_bg.wasm"), "\0asm").unwrap();
    let http = HttpOptions { rate: 0, web: Some(web.clone()), ..HttpOptions::default() };
    let place = Place::with(&Recipe::default(), quick(), &http).unwrap();
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "//secret.txt",
        "/./../secret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "/docs/../../secret.txt",
        "/docs/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/api/v1/models/..%2f..%2feemu.sqlite",
        "/%00",
    ] {
        let reply = place.get(path, "");
        let body = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(!body.contains("outside") && !body.contains("SQLite"), "{path}: {body}");
        assert!(reply.status.as_u16() < 500, "{path}: {}", reply.status);
    }
    let page = place.get("/", "");
    assert!(String::from_utf8_lossy(&page.bytes).contains("the app"));
    let policy = page.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("'sha256-") && policy.contains("'wasm-unsafe-eval'"), "{policy}");
    assert!(String::from_utf8_lossy(&place.get("/some/page/of/the/app", "").bytes).contains("the app"));
    assert_eq!(place.get("/app_bg.wasm", "").headers["content-type"], "application/wasm");
    let packed = Request::get("/app.js").header("accept-encoding", "br").body(Body::empty()).unwrap();
    let packed = place.send(packed);
    assert_eq!((&packed.bytes[..], &packed.headers["content-encoding"]), (&b"packed"[..], &"br".parse().unwrap()));
    assert_eq!(place.get("/app.js", "").bytes, b"plain");
    assert!(Place::with(&Recipe::default(), quick(), &HttpOptions { web: Some(kept.path().into()), ..http }).is_err());
}

/// Reads the server's output until it closes the connection.
fn closed_after(stream: &mut TcpStream, limit: Duration) -> String {
    stream.set_read_timeout(Some(limit)).unwrap();
    let mut said = Vec::new();
    let ended = stream.read_to_end(&mut said);
    assert!(ended.is_ok(), "still open after {limit:?}");
    String::from_utf8_lossy(&said).into_owned()
}

/// An endless body or header occupies one connection for a while, and disturbs
/// no other client. Connections beyond the limit wait.
#[test]
fn slow_clients_are_cut() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &Recipe::default(), true).unwrap();
    let admin = token(&dir, Scope::Admin).unwrap();
    let process = Process::start(&dir, &["--timeout", "1", "--connections", "8"], &[]).unwrap();
    let address = process.address.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address).unwrap();
    write!(
        slow,
        "POST /api/v1/interactions/list HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {admin}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    )
    .unwrap();
    let mut head = TcpStream::connect(&address).unwrap();
    write!(head, "GET /api/v1/mani").unwrap();
    let mut garbage = TcpStream::connect(&address).unwrap();
    garbage.write_all(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").unwrap();
    // Other clients are served meanwhile.
    let meanwhile = process.client.get(format!("{}/api/v1/manifest", process.address)).send().unwrap();
    assert_eq!(meanwhile.status().as_u16(), 200);
    // The header names the time for which the connection is kept, a little less
    // than the limit for a header.
    assert_eq!(meanwhile.headers()["keep-alive"], "timeout=10");
    assert!(!meanwhile.bytes().unwrap().is_empty());
    assert!(closed_after(&mut garbage, Duration::from_secs(10)).starts_with("HTTP/1.1 400"));
    let said = closed_after(&mut slow, Duration::from_secs(10));
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("\"timeout\""), "{said}");
    closed_after(&mut head, Duration::from_secs(25));
    assert_eq!(process.get("/healthz", "").unwrap().0, 200);
    let (code, log) = stop(process);
    assert_eq!(code, Some(0), "{log}");
}

fn stop(process: Process) -> (Option<i32>, String) {
    let id = process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    process.ended().unwrap()
}

/// Asked to stop while a shard trains, the process keeps the finished work and
/// exits cleanly, and the next one continues.
#[test]
fn it_ends_gracefully_and_goes_on() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    let recipe = Recipe { epochs: 4000, ..Recipe::default() };
    make_state(&dir, &recipe, false).unwrap();
    let admin = token(&dir, Scope::Admin).unwrap();
    let trainers = &["--train-jobs", "3", "--settle", "0"];
    let process = Process::start(&dir, trainers, &[]).unwrap();
    assert_eq!(process.json("/healthz", "").unwrap()["status"], "degraded");
    // A caller can follow the progress: all shards, for an account with records
    // in all.
    let asked = process.post("/api/v1/account/delete", &admin, &json!({"user": "user-0"})).unwrap().1;
    assert_eq!(asked["shards"], recipe.shards, "the test needs a user of all shards");
    let status = format!("/api/v1/unlearning/{}", asked["id"].as_str().unwrap());
    let epochs = |process: &Process, least: u64| -> Vec<u64> {
        let start = Instant::now();
        loop {
            let standing = process.json(&status, "").unwrap();
            let shards = standing["progress"].as_array().unwrap();
            let epochs: Vec<u64> = shards.iter().map(|at| at["epoch"].as_u64().unwrap_or(0)).collect();
            if epochs.iter().all(|epoch| *epoch >= least) {
                return epochs;
            }
            assert!(start.elapsed() < PATIENCE, "never at epoch {least}: {standing}");
        }
    };
    let reached = epochs(&process, 200);
    let (code, log) = stop(process);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
    let process = Process::start(&dir, trainers, &[]).unwrap();
    let now = epochs(&process, 1);
    assert!(now.iter().zip(&reached).all(|(now, reached)| now >= reached), "trained anew: {reached:?}, then {now:?}");
}

/// The commands beside the server.
#[test]
fn tokens_and_settings_from_the_command_line() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &Recipe::default(), true).unwrap();
    let state = dir.to_str().unwrap();
    let run = |args: &[&str]| {
        let output =
            std::process::Command::new(program().unwrap()).args(args).env_remove("EEMU_STATE").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let process = Process::start(&dir, &[], &[]).unwrap();
    let (code, made, _) =
        run(&["token", "create", "--state", state, "--scope", "subject", "--user", "user-2", "--json"]);
    assert_eq!(code, 0);
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().unwrap();
    assert_eq!(process.json("/api/v1/whoami", token).unwrap()["user"], "user-2");
    let (_, listed, _) = run(&["token", "list", "--state", state]);
    assert!(listed.contains("subject:user-2") && !listed.contains(token));
    assert_eq!(run(&["token", "revoke", "--state", state, made["id"].as_str().unwrap()]).0, 0);
    assert_eq!(process.get("/api/v1/whoami", token).unwrap().0, 401, "a revoked token still works");
    for args in [
        &["token", "create", "--state", state, "--scope", "subject"][..],
        &["token", "create", "--state", state, "--scope", "admin", "--user", "user-1"],
        &["token", "create", "--state", state, "--scope", "subject", "--user", "nobody"],
        &["token", "revoke", "--state", state, "nothing"],
        &["token", "create", "--state", kept.path().to_str().unwrap(), "--scope", "admin"],
        &["serve", "--state", state],
        &["serve", "--state", kept.path().to_str().unwrap()],
        &["config", "check", "--rate", "many"],
        &["config", "check", "--timeout", "0"],
        &["config", "check", "--config", "nowhere.toml"],
    ] {
        let (code, _, said) = run(args);
        assert!(code == 2 && said.contains("rror"), "{args:?}: {code} {said}");
    }
    let file = kept.path().join("eemu.toml");
    std::fs::write(&file, "listen = \"0.0.0.0:9000\"\nsettle = 5\n").unwrap();
    let (code, said, _) = run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert!(code == 0 && said.contains("0.0.0.0:9000") && said.contains("TLS"), "{said}");
    std::fs::write(&file, "lisen = 1\n").unwrap();
    let (code, _, said) = run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert!(code == 2 && said.contains("lisen"), "{said}");
}

//! `eemu data fetch` against a local server: interrupted transfers, wrong
//! bytes, and a missing file.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use eemu_server::fetch::{Public, fetch};
use eemu_server::progress::Progress;
use eemu_tests::program;

/// The answer to each request, in order; the last one repeats.
#[derive(Clone, Copy)]
enum Answer {
    /// The requested bytes.
    All,
    /// This many bytes, then the connection is dropped.
    Cut(usize),
    /// A complete response that is this many bytes shorter than requested.
    Short(usize),
    /// The whole file, whatever range was requested.
    Whole,
    /// A status without a file.
    Status(&'static str),
}

struct Server {
    base: String,
    /// The first byte that each request asked for.
    asked: Arc<Mutex<Vec<usize>>>,
}

fn serve(body: Vec<u8>, answers: Vec<Answer>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/sets", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = seen.lock().unwrap().len();
            let answer = answers[number.min(answers.len() - 1)];
            seen.lock().unwrap().push(usize::MAX);
            let from = reply(stream.unwrap(), &body, answer);
            *seen.lock().unwrap().last_mut().unwrap() = from;
        }
    });
    Server { base, asked }
}

fn reply(mut stream: TcpStream, body: &[u8], answer: Answer) -> usize {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let head = lines.next().unwrap();
    let range = lines.take_while(|line| !line.is_empty()).find_map(|line| {
        line.to_lowercase().strip_prefix("range: bytes=")?.trim_end_matches('-').parse::<usize>().ok()
    });
    let from = range.unwrap_or(0);
    let status = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let start = if matches!(answer, Answer::Whole) { 0 } else { from };
    let (head, send) = match answer {
        _ if !head.starts_with("GET /sets/tiny.zip ") => (status("404 Not Found"), &body[..0]),
        Answer::Status(text) => (status(text), &body[..0]),
        _ if start >= body.len() => (status("416 Range Not Satisfiable"), &body[..0]),
        Answer::All | Answer::Cut(_) | Answer::Short(_) | Answer::Whole => {
            let end = if let Answer::Short(less) = answer { body.len() - less } else { body.len() };
            let rest = &body[start..end];
            let first = match range.filter(|_| start > 0) {
                Some(from) => {
                    format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", end - 1, body.len())
                }
                None => "200 OK".to_owned(),
            };
            let head = format!("HTTP/1.1 {first}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
            (head, if let Answer::Cut(count) = answer { &rest[..count] } else { rest })
        }
    };
    // The client may have closed the connection.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(send));
    from
}

fn body() -> Vec<u8> {
    (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The SHA-256 of [`body`], computed by another program.
const TINY: Public = Public {
    file: "tiny.zip",
    base: "http://127.0.0.1:1/nowhere",
    sha256: "2c4085b1ab9817526311b5a5b04451140dc922067c6922a59a77e1503918357b",
    page: "https://example.org/tiny",
};

fn get(server: &Server, folder: &Path) -> anyhow::Result<u64> {
    let fetched = fetch(&TINY, Some(&server.base), folder, &Progress::new(true))?;
    assert_eq!(fs::read(&fetched.path).unwrap(), body());
    assert_eq!(fetched.bytes, 200_000);
    assert!(!folder.join("tiny.zip.part").exists());
    Ok(fetched.received)
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(body(), vec![Answer::Cut(70_000), Answer::Cut(50_000), Answer::All]);
    assert_eq!(get(&server, dir.path()).unwrap(), 200_000);
    assert_eq!(*server.asked.lock().unwrap(), [0, 70_000, 120_000]);
    // A complete and correct file is not requested again.
    assert_eq!(get(&server, dir.path()).unwrap(), 0);
    assert_eq!(server.asked.lock().unwrap().len(), 3);
}

/// A later run continues from the partial file of an earlier run.
#[test]
fn a_later_run_goes_on_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(body(), vec![Answer::Cut(100)]);
    let error = format!("{:#}", get(&server, dir.path()).unwrap_err());
    assert!(
        error.contains("was cut 5 times; 500 bytes are kept") && error.contains("run the command again"),
        "{error}"
    );
    assert!(!dir.path().join("tiny.zip").exists());
    let server = serve(body(), vec![Answer::All]);
    assert_eq!(get(&server, dir.path()).unwrap(), 199_500);
    assert_eq!(*server.asked.lock().unwrap(), [500]);
}

/// Servers without range support, and partial files that are complete or too
/// long.
#[test]
fn odd_parts_and_servers_end_well() {
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("tiny.zip.part");
    let again = || fs::remove_file(dir.path().join("tiny.zip")).unwrap();
    fs::write(&part, &body()[..1000]).unwrap();
    get(&serve(body(), vec![Answer::Whole]), dir.path()).unwrap();
    again();
    fs::write(&part, &body()[..1000]).unwrap();
    let server = serve(body(), vec![Answer::Short(500), Answer::All]);
    get(&server, dir.path()).unwrap();
    assert_eq!(*server.asked.lock().unwrap(), [1000, 199_500]);
    again();
    fs::write(&part, body()).unwrap();
    assert_eq!(get(&serve(body(), vec![Answer::All]), dir.path()).unwrap(), 0);
    again();
    fs::write(&part, [&body()[..], b"more"].concat()).unwrap();
    let server = serve(body(), vec![Answer::All]);
    get(&server, dir.path()).unwrap();
    assert_eq!(*server.asked.lock().unwrap(), [200_004, 0]);
}

#[test]
fn wrong_bytes_are_refused_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = body();
    wrong[150_000] ^= 1;
    let server = serve(wrong, vec![Answer::All]);
    let error = format!("{:#}", get(&server, dir.path()).unwrap_err());
    for part in ["not the known file", TINY.sha256, "was removed", "run the command again", TINY.page] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // Another file of that name must not be replaced.
    fs::write(dir.path().join("tiny.zip"), b"mine").unwrap();
    let error = format!("{:#}", get(&server, dir.path()).unwrap_err());
    assert!(error.contains("is another file") && error.contains("--out"), "{error}");
    assert_eq!(fs::read(dir.path().join("tiny.zip")).unwrap(), b"mine");
}

#[test]
fn trouble_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let says = |status: &'static str| {
        format!("{:#}", get(&serve(body(), vec![Answer::Status(status)]), dir.path()).unwrap_err())
    };
    let gone = says("404 Not Found");
    assert!(
        gone.contains("no file at http://127.0.0.1") && gone.contains("by hand from https://example.org"),
        "{gone}"
    );
    assert!(says("403 Forbidden").contains("403"));
    assert!(says("503 Service Unavailable").contains("cut 5 times"));
    let nobody = fetch(&TINY, None, dir.path(), &Progress::new(true)).unwrap_err();
    assert!(format!("{nobody:#}").contains("cannot reach http://127.0.0.1:1/nowhere/tiny.zip"), "{nobody:#}");
    // A busy server is asked again.
    let server = serve(body(), vec![Answer::Status("503 Service Unavailable"), Answer::All]);
    assert_eq!(get(&server, dir.path()).unwrap(), 200_000);
}

/// The command itself: this server's files are not MovieLens, so they are
/// refused.
#[test]
fn the_command_takes_nothing_but_movielens() {
    let dir = tempfile::tempdir().unwrap();
    let run = |base: &str| {
        let mut command = Command::new(program().unwrap());
        command.args(["data", "fetch", "ml-1m", "--quiet", "--json", "--base", base, "--out"]).arg(dir.path());
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = run(&serve(body(), vec![Answer::All]).base);
    assert!(missing.contains("/sets/ml-1m.zip (404 Not Found)") && missing.contains("eemu import --data"), "{missing}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

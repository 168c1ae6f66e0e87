//! Serves a folder over HTTP on loopback: for looking at the built app, and for the
//! browser tests, which also read which paths were requested.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The longest request line, in bytes.
const MAX_LINE: usize = 8192;
const MAX_HEADERS: usize = 100;

/// A folder being served until the process ends.
#[derive(Debug, Clone)]
pub struct Served {
    /// The address.
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    down: Arc<Mutex<bool>>,
}

impl Served {
    /// Every path that was requested so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// From now on every connection is closed without a response, as if the network were
    /// down.
    pub fn go_down(&self) {
        if let Ok(mut down) = self.down.lock() {
            *down = true;
        }
    }
}

/// Serves `folder` on 127.0.0.1; port 0 takes a free one. Threads respond until the
/// process ends.
///
/// # Errors
/// When the port is not available.
pub fn serve(folder: &Path, port: u16) -> std::io::Result<Served> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let served = Served { address: listener.local_addr()?, log: Arc::default(), down: Arc::default() };
    let (folder, shared) = (folder.to_path_buf(), served.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (folder, shared) = (folder.clone(), shared.clone());
            std::thread::spawn(move || {
                // A browser may close the connection early.
                let _ = answer(&stream, &folder, &shared);
            });
        }
    });
    Ok(served)
}

fn answer(stream: &TcpStream, folder: &Path, served: &Served) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    let line = read_line(&mut reader)?;
    let mut brotli = false;
    for _ in 0..MAX_HEADERS {
        let header = read_line(&mut reader)?.to_ascii_lowercase();
        if header.trim().is_empty() {
            break;
        }
        brotli |= header.starts_with("accept-encoding:") && header.contains("br");
    }
    if served.down.lock().is_ok_and(|down| *down) {
        return Ok(());
    }
    let path = line.split(' ').nth(1).unwrap_or("/").split(['?', '#']).next().unwrap_or("/").to_owned();
    if let Ok(mut log) = served.log.lock() {
        log.push(path.clone());
    }
    let Some((file, body)) = line.starts_with("GET ").then(|| find(folder, &path)).flatten() else {
        let body = "not here\n";
        let head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length:";
        return write!(out, "{head} {}\r\n\r\n{body}", body.len());
    };
    let packed = brotli.then(|| std::fs::read(with_suffix(&file, "br")).ok()).flatten();
    let encoding = if packed.is_some() { "Content-Encoding: br\r\n" } else { "" };
    let body = packed.unwrap_or(body);
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{encoding}Cache-Control: no-cache\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        kind(&file),
        body.len()
    )?;
    out.write_all(&body)
}

fn read_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::io::Read::take(reader, MAX_LINE as u64).read_until(b'\n', &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The file for a path; never one outside the folder.
fn find(folder: &Path, path: &str) -> Option<(PathBuf, Vec<u8>)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let plain = |part: &&str| {
        !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    if !parts.iter().all(plain) {
        return None;
    }
    let file = parts.iter().fold(folder.to_path_buf(), |folder, part| folder.join(part));
    let file = if path.ends_with('/') { file.join("index.html") } else { file };
    std::fs::read(&file).ok().map(|body| (file, body))
}

/// `name.js` and `br` to `name.js.br`.
#[must_use]
pub fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let folder = std::env::temp_dir().join(format!("eemu-bundle-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("in")).unwrap();
        std::fs::write(folder.join("in/index.html"), "hello").unwrap();
        std::fs::write(folder.join("secret.txt"), "secret").unwrap();
        let inside = folder.join("in");
        assert_eq!(find(&inside, "/").unwrap().1, b"hello");
        assert_eq!(find(&inside, "/index.html").unwrap().1, b"hello");
        for path in ["/../secret.txt", "/..%2fsecret.txt", "/in/../../secret.txt", "/nothing"] {
            assert!(find(&inside, path).is_none(), "{path}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

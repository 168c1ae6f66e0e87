//! A proxy between browser and server: it records requests, damages model
//! files, and cuts the connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

/// A request as it passed: the information that a server, or anyone between,
/// can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Method and path with its query.
    pub line: String,
    /// Headers and body, as text.
    pub rest: String,
}

/// A proxy on loopback until the process ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its address, `http://127.0.0.1:port`.
    pub address: String,
    log: Arc<Mutex<Vec<Asked>>>,
    down: Arc<AtomicBool>,
    damage: Arc<AtomicBool>,
    host: Arc<Mutex<String>>,
    /// How many model files pass before one is held back half way.
    hold: Arc<AtomicUsize>,
    /// Whether answers may be compressed, as a browser asks for.
    packed: Arc<AtomicBool>,
    /// The number of bytes sent to the browser.
    sent: Arc<AtomicUsize>,
    /// Answers that the proxy gives itself: part of a request's line, status,
    /// body.
    own: Arc<Mutex<Vec<(String, u16, String)>>>,
    /// The path below which the proxy is reached; other paths do not exist.
    below: Arc<Mutex<String>>,
}

impl Proxy {
    /// Starts a proxy for `server` (`http://host:port`).
    ///
    /// # Errors
    /// If no port is free.
    pub fn before(server: &str) -> Result<Self> {
        let host = server.strip_prefix("http://").context("not an http address")?.to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = format!("http://{}", listener.local_addr()?);
        let proxy = Self {
            address,
            log: Arc::default(),
            down: Arc::default(),
            damage: Arc::default(),
            host: Arc::new(Mutex::new(host)),
            hold: Arc::new(AtomicUsize::new(usize::MAX)),
            packed: Arc::default(),
            sent: Arc::default(),
            own: Arc::default(),
            below: Arc::default(),
        };
        let shared = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let proxy = shared.clone();
                std::thread::spawn(move || {
                    // Either side may close the connection first; this is not
                    // an error.
                    let _ = proxy.pass(&stream);
                });
            }
        });
        Ok(proxy)
    }

    /// All requests so far, in order.
    ///
    /// # Panics
    /// When a thread of the proxy panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().map(|log| log.clone()).unwrap_or_else(|_| panic!("the proxy failed"))
    }

    /// How many model files were requested so far.
    pub fn downloads(&self) -> usize {
        self.asked().iter().filter(|asked| asked.line.contains("/api/v1/models/")).count()
    }

    /// Cuts the connection, or restores it.
    pub fn cut(&self, cut: bool) {
        self.down.store(cut, Ordering::SeqCst);
    }

    /// Forwards to another server from now on.
    ///
    /// # Panics
    /// When a thread of the proxy panicked.
    pub fn turn(&self, server: &str) {
        let host = server.trim_start_matches("http://").to_owned();
        self.host.lock().map(|mut now| *now = host).unwrap_or_else(|_| panic!("the proxy failed"));
    }

    /// Lets this many more model files pass, then holds the next one back half
    /// way until another number is set.
    pub fn hold_after(&self, files: usize) {
        self.hold.store(files, Ordering::SeqCst);
    }

    /// Allows compressed answers from now on.
    pub fn pack(&self) {
        self.packed.store(true, Ordering::SeqCst);
    }

    /// Answers every request whose line contains `line` by itself, to imitate a
    /// server that does not do what it says.
    ///
    /// # Panics
    /// When a thread of the proxy panicked.
    pub fn answer(&self, line: &str, status: u16, body: &str) {
        let mut own = self.own.lock().unwrap_or_else(|_| panic!("the proxy failed"));
        own.insert(0, (line.to_owned(), status, body.to_owned()));
    }

    /// Stops answering by itself.
    ///
    /// # Panics
    /// When a thread of the proxy panicked.
    pub fn answer_nothing(&self) {
        self.own.lock().unwrap_or_else(|_| panic!("the proxy failed")).clear();
    }

    /// Makes the proxy reachable below a path only (`/apps/eemu`). The path is
    /// not forwarded to the server.
    ///
    /// # Panics
    /// When a thread of the proxy panicked.
    pub fn below(&self, path: &str) {
        *self.below.lock().unwrap_or_else(|_| panic!("the proxy failed")) = path.to_owned();
    }

    /// The number of bytes sent to the browser so far, headers included.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// Whether this model file must be held back; counts it.
    fn holds(&self) -> bool {
        let counted = self.hold.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(if left == usize::MAX { left } else { left.saturating_sub(1) })
        });
        counted == Ok(0)
    }

    /// Changes one bit of every model file from now on, or stops doing so.
    pub fn damage(&self, damage: bool) {
        self.damage.store(damage, Ordering::SeqCst);
    }

    fn pass(&self, browser: &TcpStream) -> Result<()> {
        let mut from = BufReader::new(browser);
        let mut head = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            let plain = lower.starts_with("accept-encoding:") && !self.packed.load(Ordering::SeqCst);
            if !lower.starts_with("connection:") && !plain {
                head.push(line);
            }
        }
        if head.is_empty() || self.down.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        let line = head[0].trim().to_owned();
        let rest = format!("{}{}", head[1..].concat(), String::from_utf8_lossy(&body));
        if let Ok(mut log) = self.log.lock() {
            log.push(Asked { line: line.clone(), rest });
        }
        let below = self.below.lock().map_err(|_| anyhow::anyhow!("the proxy failed"))?.clone();
        let own = self.own.lock().map_err(|_| anyhow::anyhow!("the proxy failed"))?.clone();
        let mine =
            own.into_iter().find(|(part, ..)| line.contains(part.as_str())).map(|(_, status, body)| (status, body));
        let outside = !below.is_empty() && !line.contains(&format!(" {below}/"));
        if let Some((status, body)) = mine.or(outside.then(|| (404, "nothing is here".to_owned()))) {
            let head = format!(
                "HTTP/1.1 {status} As said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let mut out = browser;
            return Ok(out.write_all(format!("{head}{body}").as_bytes())?);
        }
        if !below.is_empty() {
            head[0] = head[0].replacen(&below, "", 1);
        }
        let host = self.host.lock().map_err(|_| anyhow::anyhow!("the proxy failed"))?.clone();
        let mut server = TcpStream::connect(host)?;
        server.write_all(format!("{}Connection: close\r\n\r\n", head.concat()).as_bytes())?;
        server.write_all(&body)?;
        let mut out = browser;
        if self.damage.load(Ordering::SeqCst) && line.contains("/api/v1/models/") {
            let mut all = Vec::new();
            server.read_to_end(&mut all)?;
            if let Some(last) = all.last_mut() {
                *last ^= 1;
            }
            return Ok(out.write_all(&all)?);
        }
        if line.contains("/api/v1/models/") && self.holds() {
            let mut all = Vec::new();
            server.read_to_end(&mut all)?;
            out.write_all(&all[..all.len() / 2])?;
            while self.hold.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            return Ok(out.write_all(&all[all.len() / 2..])?);
        }
        // Events pass as soon as they come.
        let mut piece = [0; 16 * 1024];
        loop {
            let got = server.read(&mut piece)?;
            if got == 0 || self.down.load(Ordering::SeqCst) {
                return Ok(());
            }
            out.write_all(&piece[..got])?;
            self.sent.fetch_add(got, Ordering::SeqCst);
        }
    }
}

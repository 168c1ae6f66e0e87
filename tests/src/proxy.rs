//! Somebody between browser and server: writes down what is asked, damages
//! model files, cuts the line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

/// A request as it passed: what a server, or anybody between, can know.
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
    /// Where, `http://127.0.0.1:port`.
    pub address: String,
    log: Arc<Mutex<Vec<Asked>>>,
    down: Arc<AtomicBool>,
    damage: Arc<AtomicBool>,
}

impl Proxy {
    /// Stands before `server` (`http://host:port`).
    ///
    /// # Errors
    /// When no port can be had.
    pub fn before(server: &str) -> Result<Self> {
        let host = server.strip_prefix("http://").context("not an http address")?.to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = format!("http://{}", listener.local_addr()?);
        let proxy = Self { address, log: Arc::default(), down: Arc::default(), damage: Arc::default() };
        let shared = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (proxy, host) = (shared.clone(), host.clone());
                std::thread::spawn(move || {
                    // Whoever hangs up first is nobody's fault.
                    let _ = proxy.pass(&stream, &host);
                });
            }
        });
        Ok(proxy)
    }

    /// Everything that passed so far, in order.
    ///
    /// # Panics
    /// When a thread of the proxy panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().map(|log| log.clone()).unwrap_or_else(|_| panic!("the proxy failed"))
    }

    /// How many model files were asked for so far.
    pub fn downloads(&self) -> usize {
        self.asked().iter().filter(|asked| asked.line.contains("/api/v1/models/")).count()
    }

    /// Cuts the line, or mends it.
    pub fn cut(&self, cut: bool) {
        self.down.store(cut, Ordering::SeqCst);
    }

    /// Changes one bit of every model file from now on, or no longer.
    pub fn damage(&self, damage: bool) {
        self.damage.store(damage, Ordering::SeqCst);
    }

    fn pass(&self, browser: &TcpStream, host: &str) -> Result<()> {
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
            if !lower.starts_with("connection:") && !lower.starts_with("accept-encoding:") {
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
        // Events pass as they come.
        let mut piece = [0; 16 * 1024];
        loop {
            let got = server.read(&mut piece)?;
            if got == 0 || self.down.load(Ordering::SeqCst) {
                return Ok(());
            }
            out.write_all(&piece[..got])?;
        }
    }
}

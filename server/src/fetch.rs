//! Downloads of public data sets. An interrupted download resumes, and a file is
//! accepted only when its checksum is the known one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, RANGE};
use sha2::{Digest, Sha256};

use crate::progress::{Bar, Progress};
use crate::tls;

/// How often an interrupted download resumes by itself before it fails.
const ATTEMPTS: u32 = 5;
/// How long the server may send nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause before the next attempt, times the number of the attempt.
const PAUSE: Duration = Duration::from_millis(400);

/// A public file.
#[derive(Debug, Clone, Copy)]
pub struct Public {
    /// Name of the file.
    pub file: &'static str,
    /// Address of the folder that it is downloaded from.
    pub base: &'static str,
    /// SHA-256 of its bytes.
    pub sha256: &'static str,
    /// The web page that describes the data set and lets people download it by hand.
    pub page: &'static str,
}

/// MovieLens-1M as GroupLens publishes it (5.9 MB). GroupLens itself publishes
/// the MD5 c4d9eecfca2ab87c1945afe126590906 of the same file.
pub const ML_1M: Public = Public {
    file: "ml-1m.zip",
    base: "https://files.grouplens.org/datasets/movielens",
    sha256: "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    page: "https://grouplens.org/datasets/movielens/1m/",
};

/// The result of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The file.
    pub path: PathBuf,
    /// Bytes received by this call; 0 when the file was already there.
    pub received: u64,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

/// How an attempt ended.
enum Attempt {
    /// The file is complete.
    Whole,
    /// The connection ended early; another attempt may help.
    Cut(anyhow::Error),
    /// The part on disk is longer than the file.
    TooLong,
}

/// Downloads a file into a folder, from the mirror `base` if given.
///
/// What has arrived so far is kept in the same folder as `NAME.part`, and a later call
/// resumes from there. The file gets its name only after its SHA-256 was checked.
///
/// # Errors
/// When the file is not there, the connection keeps being cut, the checksum differs, or
/// the file cannot be written. Each error says what to do.
pub fn fetch(file: &Public, base: Option<&str>, folder: &Path, progress: &Progress) -> Result<Fetched> {
    let url = format!("{}/{}", base.unwrap_or(file.base).trim_end_matches('/'), file.file);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(file.file);
    if path.exists() {
        let found = sha256(&path)?;
        if found != file.sha256 {
            bail!(
                "{} is there already and is another file (SHA-256 {found}, expected {}): move it away, or give another \
                 --out",
                path.display(),
                file.sha256
            );
        }
        return Ok(Fetched { bytes: size(&path), path, received: 0 });
    }
    let part = folder.join(format!("{}.part", file.file));
    tls::choose();
    let client = Client::builder().timeout(PATIENCE).connect_timeout(PATIENCE).build()?;
    let bar = progress.bar(file.file, 1);
    let mut received = 0;
    let mut attempt = 1;
    loop {
        let before = size(&part);
        let ended = go_on(&client, &url, file, &part, &bar)?;
        received += size(&part).saturating_sub(before);
        match ended {
            Attempt::Whole => break,
            Attempt::TooLong => remove(&part)?,
            Attempt::Cut(why) if attempt == ATTEMPTS => {
                return Err(why.context(format!(
                    "{url} was cut {ATTEMPTS} times; {} bytes are kept in {}: run the command again to go on",
                    size(&part),
                    part.display()
                )));
            }
            Attempt::Cut(_) => std::thread::sleep(PAUSE * attempt),
        }
        attempt += 1;
        if attempt > ATTEMPTS {
            bail!("{url} does not say how long it is; download it by hand from {}", file.page);
        }
    }
    let found = sha256(&part)?;
    if found != file.sha256 {
        remove(&part)?;
        bail!(
            "what {url} sent is not the known file (SHA-256 {found}, expected {}), and was removed: run the command \
             again; if it stays so, the file was changed at its source or on the way: see {}",
            file.sha256,
            file.page
        );
    }
    std::fs::rename(&part, &path).with_context(|| format!("cannot write {}", path.display()))?;
    let bytes = size(&path);
    bar.finish(&format!("{bytes} bytes, SHA-256 as known"));
    Ok(Fetched { path, received, bytes })
}

/// Requests the part of the file that is missing.
fn go_on(client: &Client, url: &str, file: &Public, part: &Path, bar: &Bar) -> Result<Attempt> {
    let have = size(part);
    let mut request = client.get(url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let mut response = match request.send() {
        Ok(response) => response,
        Err(why) => return Ok(Attempt::Cut(anyhow::Error::new(why).context(format!("cannot reach {url}")))),
    };
    let (from, total) = match response.status() {
        StatusCode::OK => (0, response.content_length()),
        StatusCode::PARTIAL_CONTENT => match range(&response) {
            Some((from, total)) if from == have => (from, Some(total)),
            _ => bail!("{url} answered with another part of the file than asked for; delete {}", part.display()),
        },
        // The file may be complete already: then the checksum says so.
        StatusCode::RANGE_NOT_SATISFIABLE => {
            return Ok(if sha256(part)? == file.sha256 { Attempt::Whole } else { Attempt::TooLong });
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => bail!(
            "there is no file at {url} ({}): it may have moved. Download it by hand from {} and give the file to \
             `eemu import --data`",
            response.status(),
            file.page
        ),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Ok(Attempt::Cut(anyhow::anyhow!("{url} answered {status}; try again later")));
        }
        status => bail!("{url} answered {status}; see {}", file.page),
    };
    let mut out = OpenOptions::new()
        .create(true)
        .append(from > 0)
        .write(true)
        .truncate(from == 0)
        .open(part)
        .with_context(|| format!("cannot write {}", part.display()))?;
    let mut done = from;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match response.read(&mut buffer) {
            Ok(count) => count,
            Err(why) => return Ok(Attempt::Cut(why.into())),
        };
        if count == 0 {
            break;
        }
        out.write_all(&buffer[..count]).with_context(|| format!("cannot write {}", part.display()))?;
        done += count as u64;
        if let Some(total) = total.filter(|total| *total > 0) {
            bar.set(0, done as f64 / total as f64, &format!("{} of {} KB", done >> 10, total >> 10));
        }
    }
    out.sync_all().with_context(|| format!("cannot write {}", part.display()))?;
    match total {
        Some(total) if done < total => Ok(Attempt::Cut(anyhow::anyhow!("{done} of {total} bytes came; try again"))),
        _ => Ok(Attempt::Whole),
    }
}

/// The first byte and the whole length that a partial response states.
fn range(response: &Response) -> Option<(u64, u64)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
}

fn sha256(path: &Path) -> Result<String> {
    let shown = path.display();
    let mut file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer).with_context(|| format!("cannot read {shown}"))?;
        if count == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}

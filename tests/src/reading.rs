//! A data set of people who read books, trained in one process, to compare with
//! shards that are trained elsewhere.

// This code is part of tests: it panics if something is wrong.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use eemu_server::deployment::Deployment;
use eemu_server::store::{Access, Change};
use tempfile::TempDir;

use crate::command::{done, text};
use crate::copy;

/// A folder with a data set of readers and books with features, and with
/// states.
pub struct Shop {
    dir: TempDir,
}

/// The number of readers.
pub const READERS: usize = 24;

/// A reader's identifier, which is not part of any other identifier.
#[must_use]
pub fn reader(n: usize) -> String {
    format!("reader-{n:02}.")
}

impl Shop {
    /// Writes the data set.
    ///
    /// # Panics
    /// If the system gives no folder.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut users = "user_id:token\tage:token\tyears:float\n".to_owned();
        (0..READERS).for_each(|n| users += &format!("{}\t{}\t{}\n", reader(n), ["", "young", "old"][n % 3], n % 7));
        let mut items = "item_id:token\ttitle:token_seq\tprice:float\n".to_owned();
        (0..15).for_each(|n| items += &format!("book-{n:02}\tVolume {} of {}\t{}\n", n % 5, n / 5, 3 + n % 4));
        let mut inter = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
        for n in 0..READERS * 6 {
            let book = (n * 7 + n / READERS * 3 + n % 5) % 15;
            inter += &format!("{}\tbook-{book:02}\t{}\n", reader(n % READERS), n * 11 % 57);
        }
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        for (end, text) in [("user", users), ("item", items), ("inter", inter)] {
            fs::write(data.join(format!("shop.{end}")), text).unwrap();
        }
        Self { dir }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A state that was trained in one process, with these flags of `eemu
    /// train`.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn trained(&self, name: &str, flags: &[&str]) -> PathBuf {
        let state = self.path(name);
        let data = self.path("data");
        let import = ["import", "--data", text(&data), "--state", text(&state), "--seed", "5"];
        let features = ["--user-features", "age,years", "--user-range", "years=0:10:5"];
        done(&[&import[..], &features].concat(), &[]);
        done(&[&["train", "--state", text(&state), "--quiet"], flags].concat(), &[]);
        state
    }

    /// Copies a state.
    ///
    /// If the copy fails.
    /// When it cannot be made.
    pub fn copy(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.path(name);
        copy(from, &to).unwrap();
        to
    }

    /// Copies a state without its models.
    ///
    /// If the copy fails.
    /// When it cannot be made.
    pub fn untrained(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.copy(from, name);
        let deployment = Deployment::open(&to, Access::Write).unwrap();
        let settings = serde_json::to_string(&deployment.settings).unwrap();
        let reset = Change::Reset(&settings, deployment.dataset.config.train.shards);
        let done = deployment.state.apply(&reset, deployment.head).unwrap();
        deployment.state.finish(&done).unwrap();
        to
    }
}

impl Default for Shop {
    fn default() -> Self {
        Self::new()
    }
}

/// The names of the model files, which are hashes of their bytes.
///
/// # Panics
/// When there is no state.
pub fn files(state: &Path) -> BTreeSet<String> {
    fs::read_dir(state.join("models")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// The files under a folder that hold these bytes.
///
/// # Panics
/// When the folder cannot be read.
pub fn holders(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A file that is deleted meanwhile holds nothing.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holders(&path, needle));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle.as_bytes())) {
            found.push(path);
        }
    }
    found
}

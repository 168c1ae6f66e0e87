//! The folder with portions of lists, beside the file of all lists.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use eemu_core::recommend::Ranked;
use serde_json::Value;

use crate::progress::Progress;
use crate::store::{failpoint, open_private, write_whole};

/// The most users in a portion; a kill loses at most one portion per thread.
const MOST: usize = 1024;
/// The least number of users in a portion.
const FEW: usize = 16;
const MADE_OF: &str = "made-of.json";
const LOCK: &str = "lock";

/// The portions; only one run at a time holds them.
pub(super) struct Portions {
    folder: PathBuf,
    people: usize,
    _lock: File,
}

impl Portions {
    /// Opens the folder beside `out`. Portions that were made from anything but `made_of`
    /// are deleted.
    ///
    /// # Errors
    /// When another run makes the same file, or the disk refuses.
    pub(super) fn open(out: &Path, made_of: &Value, people: usize, progress: &Progress) -> Result<Self> {
        let name = out.file_name().with_context(|| format!("--out {}: name a file", out.display()))?;
        if out.is_dir() {
            bail!("--out {} is a folder: name a file", out.display());
        }
        let folder = out.with_file_name(format!(".{}.portions", name.to_string_lossy()));
        make(&folder).with_context(|| format!("cannot write beside {}; name a folder that exists", out.display()))?;
        let path = folder.join(LOCK);
        let lock = open_private(&path).with_context(|| format!("cannot open {}", path.display()))?;
        if lock.try_lock().is_err() {
            bail!("another eemu makes {} at this moment; wait for it, or stop it", out.display());
        }
        let (text, known) = (serde_json::to_vec(made_of)?, fs::read(folder.join(MADE_OF)).ok());
        if known.as_ref() != Some(&text) {
            if known.is_some() {
                progress.say("lists of an earlier run were made of other records, models or rules: they are dropped");
            }
            for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
                let path = entry?.path();
                if path != folder.join(LOCK) {
                    fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
                }
            }
            write_whole(&folder.join(MADE_OF), &text)?;
        }
        Ok(Self { folder, people, _lock: lock })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All portions, as ranges of users.
    pub(super) fn all(&self) -> impl Iterator<Item = Range<usize>> {
        let (people, size) = (self.people, self.people.div_ceil(FEW).clamp(1, MOST));
        (0..people).step_by(size).map(move |from| from..(from + size).min(people))
    }

    /// The portions that are not made yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn missing(&self) -> Result<Vec<Range<usize>>> {
        let is_missing = |range: &Range<usize>| -> Result<bool> { Ok(!self.file(range.start).try_exists()?) };
        self.all().filter_map(|range| is_missing(&range).map(|is| is.then_some(range)).transpose()).collect()
    }

    fn file(&self, from: usize) -> PathBuf {
        self.folder.join(format!("{from:010}"))
    }

    /// Writes a portion, whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn put(&self, from: usize, lists: &[Vec<Ranked>]) -> Result<()> {
        let mut bytes = Vec::new();
        for list in lists {
            bytes.extend((list.len() as u32).to_le_bytes());
            for ranked in list {
                bytes.extend(ranked.item.to_le_bytes());
                bytes.extend(ranked.score.to_le_bytes());
            }
        }
        write_whole(&self.file(from), &bytes)?;
        failpoint("lists.portion");
        Ok(())
    }

    /// A portion's lists: (item, score), best first.
    ///
    /// # Errors
    /// When it is damaged, or the disk refuses.
    pub(super) fn get(&self, range: &Range<usize>) -> Result<Vec<Vec<(u32, f32)>>> {
        let path = self.file(range.start);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        read(&bytes, range.len())
            .with_context(|| format!("{} is damaged; delete its folder and run again", path.display()))
    }

    /// Deletes the folder, after the file of all lists is written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot delete {}", self.folder.display()))
    }
}

fn read(mut bytes: &[u8], people: usize) -> Option<Vec<Vec<(u32, f32)>>> {
    let mut number = || {
        let (four, rest) = bytes.split_first_chunk::<4>()?;
        bytes = rest;
        Some(*four)
    };
    let mut lists = Vec::with_capacity(people);
    for _ in 0..people {
        let count = u32::from_le_bytes(number()?);
        let list: Option<Vec<_>> =
            (0..count).map(|_| Some((u32::from_le_bytes(number()?), f32::from_le_bytes(number()?)))).collect();
        lists.push(list?);
    }
    number().is_none().then_some(lists)
}

/// Creates a folder that only its owner can enter, because lists reveal what users did.
fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn portions_are_taken_over_only_when_made_of_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("lists.csv");
        let (progress, people) = (Progress::new(true), 34);
        let open = |made_of: &Value| Portions::open(&out, made_of, people, &progress);
        let one = open(&json!({"top": 1})).unwrap();
        assert!(open(&json!({"top": 1})).is_err(), "one run at a time");
        let all: Vec<Range<usize>> = one.all().collect();
        assert_eq!((all.len(), all[0].clone(), all[11].clone()), (12, 0..3, 33..34));
        assert_eq!(one.missing().unwrap(), all);
        let lists = vec![vec![Ranked { rank: 1, item: 7, score: 0.5 }], Vec::new(), Vec::new()];
        one.put(3, &lists).unwrap();
        drop(one);
        let again = open(&json!({"top": 1})).unwrap();
        assert_eq!(again.missing().unwrap(), [&all[..1], &all[2..]].concat());
        assert_eq!(again.get(&(3..6)).unwrap(), [vec![(7, 0.5)], vec![], vec![]]);
        fs::write(again.file(3), [1, 0, 0, 0, 7]).unwrap();
        assert!(again.get(&(3..6)).is_err(), "a cut one is no list");
        drop(again);
        let other = open(&json!({"top": 2})).unwrap();
        assert_eq!(other.missing().unwrap(), all);
        other.remove().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

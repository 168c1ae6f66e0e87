//! Finds the files to read and recognises their kind by name.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The kind of a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Fields between delimiters.
    Delimited,
    /// One JSON object a line.
    Json,
    /// Parquet.
    Parquet,
}

/// The kind of a table by its name, compressed or not.
pub(super) fn kind(name: &str) -> Option<Kind> {
    let lower = name.to_lowercase();
    // Files that describe the data are not tables.
    if ["readme.txt", "license.txt", "licence.txt", "copying.txt", "changelog.txt"].contains(&lower.as_str()) {
        return None;
    }
    let plain = lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".zst")).unwrap_or(&lower);
    match plain.rsplit_once('.')?.1 {
        "csv" | "tsv" | "tab" | "txt" | "psv" => Some(Kind::Delimited),
        "jsonl" | "ndjson" | "json" => Some(Kind::Json),
        "parquet" | "pq" => Some(Kind::Parquet),
        _ => None,
    }
}

/// A file's name without the endings that state its format.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match kind(&name) {
        Some(_) => name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(&name).to_owned(),
        None => name,
    }
}

/// The tables that paths name: files themselves, and all tables in folders, sorted by
/// name.
pub(super) fn tables(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let meta = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        if !meta.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        walk(path, 0, &mut found)?;
        if found.len() == before {
            bail!(
                "{}: the folder holds no table (.csv, .tsv, .jsonl or .parquet, perhaps with .gz or .zst), no .inter \
                 file and no ratings.dat; name a folder or a file that has one",
                path.display()
            );
        }
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = found.iter().find(|path| !seen.insert(path.canonicalize().unwrap_or_else(|_| (*path).clone())))
    {
        bail!("{} is named twice; name it once", twice.display());
    }
    Ok(found)
}

/// How deep tables may be in a folder (`year=2020/month=1/part.parquet`).
const DEPTH: usize = 8;

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let shown = || format!("cannot list {}", folder.display());
    let mut entries =
        std::fs::read_dir(folder).with_context(shown)?.collect::<Result<Vec<_>, _>>().with_context(shown)?;
    entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            if depth < DEPTH {
                walk(&path, depth + 1, found)?;
            }
        } else if kind(&name).is_some() {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        assert_eq!(kind("a.CSV"), Some(Kind::Delimited));
        assert_eq!(kind("a.tsv.gz"), Some(Kind::Delimited));
        assert_eq!(kind("a.jsonl.zst"), Some(Kind::Json));
        assert_eq!(kind("part-0.snappy.parquet"), Some(Kind::Parquet));
        assert_eq!((kind("README.txt"), kind("license.txt")), (None, None));
        assert_eq!((kind("a.xlsx"), kind("csv"), kind("a.gz")), (None, None, None));
        assert_eq!(stem(Path::new("x/events.csv.gz")), "events");
    }
}

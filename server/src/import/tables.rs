//! Reads tables from files: CSV and similar, JSON Lines, Parquet, MovieLens's CSV.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use eemu_core::data::tables::{Delimited, ItemStyle, JsonLines, Layout, Rows, Tables};
use eemu_core::data::{BadLines, Imported, Source};

use super::found::{self, Kind};
use super::meter::Meter;
use super::parquet::{Parquet, fault};
use super::unpack::{Allowance, decoded};
use super::{ImportOptions, entry, explicit_dense, is_zip, open_zip, stem};

/// The files that are read from a MovieLens archive in CSV.
pub(super) const MOVIELENS: [&str; 2] = ["ratings.csv", "movies.csv"];

/// Reads all tables that paths name, one after the other.
pub(super) fn read(paths: &[PathBuf], options: &ImportOptions, bad: &mut BadLines) -> Result<Imported> {
    let files = found::tables(paths)?;
    let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let total = files.iter().chain(&options.items).map(length).sum();
    let opener = Opener {
        options,
        allowance: Allowance::new(options.limits),
        meter: Meter::new(options.progress.as_ref(), total),
    };
    let mut tables = Tables::new(&options.choices);
    if let Some(items) = &options.items {
        opener.read_items(items, &mut tables, bad)?;
    }
    for path in &files {
        opener.meter.begin(&path.display().to_string());
        if is_zip(&path.to_string_lossy()) {
            opener.zip(path, &mut tables, bad)?;
        } else {
            tables.records(opener.rows(path, &options.choices.layout)?.as_mut(), bad)?;
        }
    }
    opener.meter.clear();
    let name = paths.first().map(|path| found::stem(&path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(tables.finish(name.unwrap_or_default(), explicit_dense(options)?, bad)?)
}

/// One table as rows, with a heading.
pub(super) fn open_rows(path: &Path, options: &ImportOptions) -> Result<Box<dyn Rows>> {
    let opener = Opener { options, allowance: Allowance::new(options.limits), meter: Meter::new(None, 0) };
    opener.rows(path, &Layout { heading: Some(true), ..Layout::default() })
}

/// What the files of one import share.
struct Opener<'o> {
    options: &'o ImportOptions,
    allowance: Allowance,
    meter: Meter,
}

impl Opener<'_> {
    fn read_items(&self, path: &Path, tables: &mut Tables<'_>, bad: &mut BadLines) -> Result<()> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.strip_suffix(".gz").unwrap_or(&name).ends_with(".item") {
            return Ok(tables.atomic_items(self.text(path)?, bad)?);
        }
        let layout = Layout { heading: Some(true), ..Layout::default() };
        Ok(tables.items(self.rows(path, &layout)?.as_mut(), ItemStyle::Plain, bad)?)
    }

    fn text(&self, path: &Path) -> Result<Source<'static>> {
        self.allowance.open_as(path, self.options.encoding, &self.meter)
    }

    /// Reads every table of a zip, sorted by name.
    fn zip(&self, path: &Path, tables: &mut Tables<'_>, bad: &mut BadLines) -> Result<()> {
        let mut archive = open_zip(path)?;
        let mut members: Vec<(String, usize)> = (0..archive.len())
            .filter_map(|index| Some((archive.name_for_index(index)?.ok()?.into_owned(), index)))
            .filter(|(name, _)| is_table(name))
            .collect();
        members.sort_unstable();
        if members.is_empty() {
            let hint = "Give a zip that holds CSV, TSV or JSON Lines, or the set of MovieLens";
            return Err(fault(&path.display().to_string(), 0, "the zip holds no table".into(), hint).into());
        }
        for (name, index) in members {
            let shown = format!("{}: {name}", path.display());
            let lower = name.to_lowercase();
            let kind = found::kind(&name).filter(|_| !lower.ends_with(".gz") && !lower.ends_with(".zst"));
            let member = archive.by_index(index).with_context(|| format!("{shown} cannot be unpacked"))?;
            let compressed = member.compressed_size();
            let bytes = decoded(Box::new(self.allowance.watch(member, compressed)), self.options.encoding);
            let source = Source::new(shown.clone(), bytes);
            match kind {
                Some(Kind::Json) => tables.records(&mut JsonLines::open(source)?, bad)?,
                Some(Kind::Delimited) => {
                    let layout = layout_of(&name, &self.options.choices.layout);
                    tables.records(&mut Delimited::open(source, &layout)?, bad)?;
                }
                Some(Kind::Parquet) | None => {
                    bail!("{shown}: a zip is read where it holds plain text (CSV, JSON Lines); unpack this one")
                }
            }
            self.meter.add(compressed);
        }
        Ok(())
    }

    /// Opens a file as rows, by its contents. Its name decides between delimited text and
    /// JSON only where the contents could be both.
    fn rows(&self, path: &Path, layout: &Layout) -> Result<Box<dyn Rows>> {
        let shown = path.display();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if stem(&name).is_some() {
            bail!("{shown}: this is a RecBole file; give its folder alone");
        }
        let mut start = [0; 8];
        let mut file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        let length = file.read(&mut start).with_context(|| format!("cannot read {shown}"))?;
        let start = &start[..length];
        match start {
            [b'P', b'A', b'R', b'1', ..] => return Ok(Box::new(Parquet::open(path, &self.meter)?)),
            [b'P', b'K', 3, 4, ..] => {
                let problem = "this is a zip archive, or a spreadsheet".to_owned();
                let hint = "Unpack it, or save the sheet as CSV; a zip of tables is read if its name ends in .zip";
                return Err(fault(&shown.to_string(), 0, problem, hint).into());
            }
            _ => {}
        }
        match found::kind(&name) {
            Some(Kind::Parquet) => {
                let packed = start.starts_with(&[0x1f, 0x8b]) || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
                let hint = match packed {
                    true => "It is packed with gzip or zstd: unpack it; Parquet packs its columns itself",
                    false => "Copy or export it again; a table of text has a name that ends in .csv or .jsonl",
                };
                return Err(fault(&shown.to_string(), 0, "this is no Parquet file".into(), hint).into());
            }
            Some(Kind::Json) => return Ok(Box::new(JsonLines::open(self.text(path)?)?)),
            Some(Kind::Delimited) => {}
            None if start.trim_ascii_start().starts_with(b"{") => {
                return Ok(Box::new(JsonLines::open(self.text(path)?)?));
            }
            None => {}
        }
        Ok(Box::new(Delimited::open(self.text(path)?, &layout_of(&name, layout))?))
    }
}

/// The layout, completed by what a file's name says.
fn layout_of(name: &str, layout: &Layout) -> Layout {
    let mut layout = layout.clone();
    if name.to_lowercase().contains(".tsv") && layout.delimiter.is_none() {
        layout.delimiter = Some(b'\t');
    }
    layout
}

/// Whether a zip's member is a table. Files that operating systems add are not.
pub(super) fn is_table(name: &str) -> bool {
    let own = name.rsplit(['/', '\\']).next().unwrap_or(name);
    !name.starts_with("__MACOSX") && !own.starts_with(['.', '_']) && found::kind(own).is_some()
}

fn finish_movielens(
    dataset: String,
    [ratings, movies]: [Source<'_>; 2],
    options: &ImportOptions,
    bad: &mut BadLines,
) -> Result<Imported> {
    let mut tables = Tables::new(&options.choices);
    let layout = Layout { heading: Some(true), delimiter: Some(b','), ..Layout::default() };
    tables.items(&mut Delimited::open(movies, &layout)?, ItemStyle::MovieLens, bad)?;
    tables.records(&mut Delimited::open(ratings, &layout)?, bad)?;
    Ok(tables.finish(dataset, explicit_dense(options)?, bad)?)
}

/// Reads a folder with `ratings.csv` and `movies.csv`.
pub(super) fn movielens_folder(folder: &Path, options: &ImportOptions, bad: &mut BadLines) -> Result<Imported> {
    let allowance = Allowance::new(options.limits);
    let paths = MOVIELENS.map(|name| folder.join(name));
    let total = paths.iter().map(|path| std::fs::metadata(path).map_or(0, |meta| meta.len())).sum();
    let meter = Meter::new(options.progress.as_ref(), total);
    let [ratings, movies] = paths.map(|path| allowance.open_as(&path, options.encoding, &meter));
    let name = found::stem(&folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
    let read = finish_movielens(name, [ratings?, movies?], options, bad);
    meter.clear();
    read
}

/// The same in a zip.
pub(super) fn movielens_zip(path: &Path, options: &ImportOptions, bad: &mut BadLines) -> Result<Imported> {
    let allowance = Allowance::new(options.limits);
    let [mut ratings, mut movies] = [open_zip(path)?, open_zip(path)?];
    let sources =
        [entry(path, &mut ratings, MOVIELENS[0], &allowance)?, entry(path, &mut movies, MOVIELENS[1], &allowance)?];
    let name = path.file_stem().map_or_else(|| "movielens".into(), |n| n.to_string_lossy().into_owned());
    finish_movielens(name, sources, options, bad)
}

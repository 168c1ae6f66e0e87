//! Reads files from disk into a catalogue and records.
//!
//! It reads tables (CSV and similar, JSON Lines, Parquet), one or many. It reads a
//! folder of RecBole atomic files, or a single `.inter` file with the `.user` and
//! `.item` files that share its name. It reads MovieLens, as a zip or unpacked, with
//! `ratings.dat` or `ratings.csv`. All but Parquet may be compressed with gzip or zstd.
//! It writes nothing, and compares names inside an archive without ever using them as
//! paths.

mod dense;
mod found;
mod meter;
mod parquet;
mod tables;
mod unpack;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use eemu_core::data::{
    self, AtomicFiles, BadLines, DenseFeature, Imported, MovieLensFiles, Source, read_atomic, read_atomic_into,
    read_movielens_into,
};
use unpack::Allowance;
pub use unpack::{Encoding, Limits};
use zip::ZipArchive;

use crate::progress::Progress;
use meter::Meter;

/// The name of the feature that `<name>.title.safetensors` beside atomic files holds.
const TITLE: &str = "title";
const MOVIELENS: [&str; 3] = ["ratings.dat", "users.dat", "movies.dat"];

/// What the user of the program may decide at import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Features, k-core filtering, a frozen catalogue.
    pub choices: data::ImportOptions,
    /// Further item features: name and safetensors file, f32 [items, width],
    /// rows in the order of the item file.
    pub dense: Vec<(String, PathBuf)>,
    /// How large compressed files may become when unpacked.
    pub limits: Limits,
    /// The encoding of text tables.
    pub encoding: Encoding,
    /// A file of items that goes with tables of records.
    pub items: Option<PathBuf>,
    /// Where progress is shown.
    pub progress: Option<Progress>,
}

/// Imports a folder or file.
///
/// # Errors
/// When there is nothing to import, or a file is malformed; the error then names file,
/// line and column.
pub fn open(path: &Path, options: &ImportOptions) -> anyhow::Result<Imported> {
    open_all(&[path.to_owned()], options, &mut BadLines::new(options.choices.skip_bad))
}

/// Imports several files or folders of tables, or one data set of any kind. `bad`
/// receives every line that cannot be read.
///
/// # Errors
/// As [`open`].
pub fn open_all(paths: &[PathBuf], options: &ImportOptions, bad: &mut BadLines) -> anyhow::Result<Imported> {
    let mut whole = None;
    for path in paths {
        whole = whole.or(whole_set(path, options)?.map(|set| (path, set)));
    }
    match (whole, paths) {
        (None, _) => tables::read(paths, options, bad),
        (Some((_, set)), [only]) => {
            refuse_table_options(only, options)?;
            set.read(only, options, bad)
        }
        (Some((path, _)), _) => bail!(
            "{}: this is a whole data set; several --data are read together only where all are tables",
            path.display()
        ),
    }
}

/// Opens one table as rows, recognising its format by its contents. Its first line is a
/// heading.
///
/// # Errors
/// When the file cannot be read, or is not a table.
pub(crate) fn open_rows(path: &Path) -> anyhow::Result<Box<dyn data::tables::Rows>> {
    tables::open_rows(path, &ImportOptions::default())
}

/// A data set whose files belong together.
enum Whole {
    Atomic { folder: PathBuf, stem: String, names: Vec<String> },
    MovieLensFolder,
    MovieLensZip,
    MovieLensCsv { zip: bool },
}

impl Whole {
    fn read(self, path: &Path, options: &ImportOptions, bad: &mut BadLines) -> anyhow::Result<Imported> {
        match self {
            Self::Atomic { folder, stem, names } => atomic(&folder, &stem, &names, options, bad),
            Self::MovieLensFolder => movielens_folder(path, options, bad),
            Self::MovieLensZip => movielens_zip(path, options, bad),
            Self::MovieLensCsv { zip: false } => tables::movielens_folder(path, options, bad),
            Self::MovieLensCsv { zip: true } => tables::movielens_zip(path, options, bad),
        }
    }
}

/// Refuses the options that only tables take.
fn refuse_table_options(path: &Path, options: &ImportOptions) -> anyhow::Result<()> {
    let choices = &options.choices;
    let given = [
        ("--columns", !choices.layout.columns.is_empty()),
        ("--heading and --no-heading", choices.layout.heading.is_some()),
        ("--person", choices.person.is_some()),
        ("--dates", choices.dates.is_some()),
        ("--items", options.items.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => {
            bail!(
                "{}: {name} goes with tables; this data set says itself what its columns are, so leave it out",
                path.display()
            )
        }
        None => Ok(()),
    }
}

/// The data set at a path; `None` for a table or a folder of tables.
fn whole_set(path: &Path, options: &ImportOptions) -> anyhow::Result<Option<Whole>> {
    let shown = path.display();
    let kind = std::fs::metadata(path).with_context(|| format!("cannot open {shown}"))?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if kind.is_dir() {
        let names = list(path)?;
        let has = |name: &str| names.iter().any(|n| n == name);
        if let Some(stem) = choose(path, &names)? {
            return Ok(Some(Whole::Atomic { folder: path.to_owned(), stem, names }));
        }
        if has(MOVIELENS[0]) {
            return Ok(Some(Whole::MovieLensFolder));
        }
        if has(tables::MOVIELENS[0]) && has(tables::MOVIELENS[1]) && options.items.is_none() {
            return Ok(Some(Whole::MovieLensCsv { zip: false }));
        }
        if names.iter().any(|n| is_zip(n)) && !names.iter().any(|n| found::kind(n).is_some()) {
            bail!("{shown}: the folder holds no table and no .inter file; to import a zip in it, give the zip's path");
        }
        return Ok(None);
    }
    if let Some(stem) = stem(&name) {
        let folder = path.parent().unwrap_or(Path::new(""));
        let chosen = |n: &String| *n == name || (n.starts_with(stem) && crate::import::stem(n).is_none());
        let names: Vec<String> = list(folder)?.into_iter().filter(chosen).collect();
        return Ok(Some(Whole::Atomic { folder: folder.to_owned(), stem: stem.to_owned(), names }));
    }
    if is_zip(&name) {
        let archive = open_zip(path)?;
        let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        let has = |wanted: &&str| names.iter().any(|name| is_entry(name, wanted));
        return Ok(match () {
            () if tables::MOVIELENS.iter().all(has) => Some(Whole::MovieLensCsv { zip: true }),
            () if !has(&MOVIELENS[0]) && names.iter().any(|name| tables::is_table(name)) => None,
            () => Some(Whole::MovieLensZip),
        });
    }
    Ok(None)
}

/// The data set that comes with the program: `complete-journey`, 801
/// households, 1,532 product types, 208,553 first purchases.
///
/// # Errors
/// Never, unless the program was damaged.
pub fn built_in() -> anyhow::Result<Imported> {
    built_in_with(&data::ImportOptions::default())
}

/// As [`built_in`], with import options.
///
/// # Errors
/// When an option does not fit the data.
pub fn built_in_with(choices: &data::ImportOptions) -> anyhow::Result<Imported> {
    macro_rules! file {
        ($end:literal) => {
            (
                concat!("complete-journey", $end),
                include_bytes!(concat!("../data/complete-journey/complete-journey", $end)),
            )
        };
    }
    let allowance = Allowance::new(Limits::default());
    let open = |(name, bytes): (&str, &'static [u8])| {
        Source::new(name, allowance.watch(flate2::bufread::MultiGzDecoder::new(bytes), bytes.len() as u64))
    };
    let (inter, users, items) = (file!(".inter.gz"), file!(".user.gz"), file!(".item.gz"));
    let (title_name, title_bytes) = file!(".title.safetensors");
    let mut dense = Vec::new();
    if choices.catalog.is_none() {
        dense.push(dense::parse(TITLE, title_name.to_owned(), title_bytes)?);
    }
    let files = AtomicFiles {
        dataset: "complete-journey".into(),
        inter: open((inter.0, inter.1)),
        users: Some(open((users.0, users.1))),
        items: Some(open((items.0, items.1))),
        dense,
    };
    Ok(read_atomic(files, choices)?)
}

fn is_zip(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"))
}

/// `x` of `x.inter` and `x.inter.gz`.
fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".inter")
}

/// File names in a folder, sorted.
fn list(folder: &Path) -> anyhow::Result<Vec<String>> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let shown = || format!("cannot list {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(shown)? {
        names.push(entry.with_context(shown)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// The name of the folder's data set: the one named like the folder, or else the only
/// one.
fn choose(folder: &Path, names: &[String]) -> anyhow::Result<Option<String>> {
    let mut stems: Vec<&str> = names.iter().filter_map(|n| stem(n)).collect();
    stems.dedup();
    let called = folder.canonicalize().ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    match stems.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).to_owned())),
        _ => match called.filter(|name| stems.contains(&name.as_str())) {
            Some(name) => Ok(Some(name)),
            None => bail!(
                "{}: several data sets ({}); give the path of one .inter file",
                folder.display(),
                stems.join(", ")
            ),
        },
    }
}

fn atomic(
    folder: &Path,
    stem: &str,
    names: &[String],
    options: &ImportOptions,
    bad: &mut BadLines,
) -> anyhow::Result<Imported> {
    let ends = ["inter", "user", "item"].map(|end| [format!("{stem}.{end}"), format!("{stem}.{end}.gz")]);
    let length = |name: &String| std::fs::metadata(folder.join(name)).map_or(0, |meta| meta.len());
    let meter = Meter::new(options.progress.as_ref(), ends.iter().flatten().map(length).sum());
    let allowance = Allowance::new(options.limits);
    let file = |end: &str| -> anyhow::Result<Option<Source<'static>>> {
        let (plain, packed) = (format!("{stem}.{end}"), format!("{stem}.{end}.gz"));
        match (names.contains(&plain), names.contains(&packed)) {
            (true, true) => bail!("{}: both {plain} and {packed} are there; remove one", folder.display()),
            (true, false) => allowance.open_as(&folder.join(plain), Encoding::default(), &meter).map(Some),
            (false, true) => allowance.open_as(&folder.join(packed), Encoding::default(), &meter).map(Some),
            (false, false) => Ok(None),
        }
    };
    let inter = file("inter")?
        .ok_or_else(|| anyhow!("{}: {stem}.inter is missing; name a folder that has it", folder.display()))?;
    let mut dense = explicit_dense(options)?;
    let title = format!("{stem}.{TITLE}.safetensors");
    // A frozen catalogue brings its features along.
    if options.choices.catalog.is_none() && names.contains(&title) && dense.iter().all(|d| d.name != TITLE) {
        dense.push(dense::load(TITLE, &folder.join(title), options.limits.total)?);
    }
    let files = AtomicFiles { dataset: stem.to_owned(), inter, users: file("user")?, items: file("item")?, dense };
    let read = read_atomic_into(files, &options.choices, bad);
    meter.clear();
    Ok(read?)
}

fn explicit_dense(options: &ImportOptions) -> anyhow::Result<Vec<DenseFeature>> {
    let mut features: Vec<DenseFeature> = Vec::new();
    for (name, path) in &options.dense {
        if features.iter().any(|f| f.name == *name) {
            bail!("the dense feature '{name}' is given twice; give it once");
        }
        features.push(dense::load(name, path, options.limits.total)?);
    }
    Ok(features)
}

fn movielens_folder(folder: &Path, options: &ImportOptions, bad: &mut BadLines) -> anyhow::Result<Imported> {
    let allowance = Allowance::new(options.limits);
    let name = folder.canonicalize().ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    let [ratings, users, movies] = MOVIELENS.map(|name| allowance.open(&folder.join(name)));
    let files = MovieLensFiles {
        dataset: name.unwrap_or_else(|| "movielens".into()),
        ratings: ratings?,
        users: users?,
        movies: movies?,
        dense: explicit_dense(options)?,
    };
    Ok(read_movielens_into(files, &options.choices, bad)?)
}

fn movielens_zip(path: &Path, options: &ImportOptions, bad: &mut BadLines) -> anyhow::Result<Imported> {
    let allowance = Allowance::new(options.limits);
    // An archive can read one entry at a time, so each entry gets its own handle.
    let [mut ratings, mut users, mut movies] = [open_zip(path)?, open_zip(path)?, open_zip(path)?];
    let files = MovieLensFiles {
        dataset: path.file_stem().map_or_else(|| "movielens".into(), |n| n.to_string_lossy().into_owned()),
        ratings: entry(path, &mut ratings, MOVIELENS[0], &allowance)?,
        users: entry(path, &mut users, MOVIELENS[1], &allowance)?,
        movies: entry(path, &mut movies, MOVIELENS[2], &allowance)?,
        dense: explicit_dense(options)?,
    };
    Ok(read_movielens_into(files, &options.choices, bad)?)
}

fn open_zip(path: &Path) -> anyhow::Result<ZipArchive<BufReader<File>>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| {
        let problem = format!("this is no whole zip archive ({error})");
        parquet::fault(&shown.to_string(), 0, problem, "Download or copy it again").into()
    })
}

/// Whether an entry's last path component is `name`.
fn is_entry(full: &str, name: &str) -> bool {
    full.rsplit(['/', '\\']).next() == Some(name) && !full.starts_with("__MACOSX")
}

/// The entry whose last path component is `name`, in whatever folder.
fn entry<'a>(
    path: &Path,
    archive: &'a mut ZipArchive<BufReader<File>>,
    name: &str,
    allowance: &Allowance,
) -> anyhow::Result<Source<'a>> {
    let shown = format!("{}: {name}", path.display());
    let is_it = |index: &usize| match archive.name_for_index(*index) {
        Some(Ok(full)) => is_entry(&full, name),
        _ => false,
    };
    let found: Vec<usize> = (0..archive.len()).filter(is_it).collect();
    let &[index] = found.as_slice() else {
        let problem = if found.is_empty() { "is missing from the archive" } else { "is more than once in the archive" };
        bail!(
            "{shown} {problem}; wanted is a zip of MovieLens, with {} or with {}, or one of tables (CSV, JSON Lines); \
             unpack any other",
            MOVIELENS.join(", "),
            tables::MOVIELENS.join(", ")
        );
    };
    let entry =
        archive.by_index(index).map_err(|e| anyhow!("{shown} cannot be unpacked ({e}); download or pack it again"))?;
    let compressed = entry.compressed_size();
    Ok(Source::new(shown, allowance.watch(entry, compressed)))
}

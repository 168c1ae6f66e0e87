//! Malformed files, and the message that each gets: the file, the line, the
//! column, and what to do. No file causes a panic or fills the memory.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use eemu_server::import::{ImportOptions, Limits, open};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;

const INTER: &str = "user_id:token\titem_id:token\ttimestamp:float\n1\t7\t10\n2\t8\t11\n";
const USER: &str = "user_id:token\tage:token\n1\t18\n2\t\n";
const ITEM: &str = "item_id:token\ttitle:token_seq\n7\tHeat\n8\tAlien\n";

/// A folder with one dataset, named `x`.
fn folder(inter: &[u8], user: &[u8], item: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (end, bytes) in [("inter", inter), ("user", user), ("item", item)] {
        fs::write(folder.path().join(format!("x.{end}")), bytes).unwrap();
    }
    folder
}

fn message(path: &Path) -> String {
    format!("{:#}", open(path, &ImportOptions::default()).unwrap_err())
}

/// Checks that the message begins with the file, continues with `rest`, and
/// ends in a hint.
fn refused(path: &Path, file: &str, rest: &str) {
    let found = message(path);
    let base = if path.is_dir() { path } else { path.parent().unwrap() };
    let start = format!("{}{rest}", base.join(file).display());
    assert!(found.starts_with(&start), "\nfound  {found}\nwanted {start}");
    assert!(found.trim_end_matches(|c| c != '.' && c != ';').len() > start.len(), "no hint: {found}");
}

fn inter(bytes: impl AsRef<[u8]>, rest: &str) {
    let folder = folder(bytes.as_ref(), USER.as_bytes(), ITEM.as_bytes());
    refused(folder.path(), "x.inter", rest);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_good_folder_is_good() {
    let folder = folder(INTER.as_bytes(), USER.as_bytes(), ITEM.as_bytes());
    let read = open(folder.path(), &ImportOptions::default()).unwrap();
    assert_eq!((read.records.len(), read.catalog.dataset.as_str()), (2, "x"));
    let read = open(&folder.path().join("x.inter"), &ImportOptions::default()).unwrap();
    assert_eq!(read.catalog.items.name(0), "Heat");
}

#[test]
fn missing_column() {
    inter("user_id:token\ttimestamp:float\n1\t1\n", ", line 1: the column 'item_id:token' is missing");
    inter("item_id:token\n7\n", ", line 1: the column 'user_id:token' is missing");
    let folder = folder(INTER.as_bytes(), b"name:token\n1\n2\n", ITEM.as_bytes());
    refused(folder.path(), "x.user", ", line 1: the column 'user_id:token' is missing");
}

#[test]
fn wrong_count_of_fields() {
    inter(format!("{INTER}1\t8\n"), ", line 4, column 2: 2 fields where 3 belong");
    inter(format!("{INTER}1\t8\t1\t1\n"), ", line 4, column 4: 4 fields where 3 belong");
    inter(format!("{INTER}\n1\t8\t1\n"), ", line 4: the line is blank");
    let folder = folder(INTER.as_bytes(), USER.as_bytes(), format!("{ITEM}9\n").as_bytes());
    refused(folder.path(), "x.item", ", line 4, column 1: 1 fields where 2 belong");
}

#[test]
fn bad_headers() {
    inter(INTER.replace("timestamp:float", "user_id:token"), ", line 1, column 3: column 'user_id' appears twice");
    inter(INTER.replace("timestamp:float", "time:date"), ", line 1, column 3: unknown type 'date' of column 'time'");
    inter("1\t7\t10\n", ", line 1, column 1: heading '1' is not column:type");
}

#[test]
fn bad_utf8() {
    inter(
        b"user_id:token\titem_id:token\n1\t7\n2\t\xff8\n",
        ", line 3, column 2: byte 3 of the line is not UTF-8 text",
    );
}

#[test]
fn nul() {
    inter(b"user_id:token\titem_id:token\n1\t7\n\x002\t8\n", ", line 3, column 1: byte 1 of the line is NUL");
    inter(vec![0; 3 << 20], ", line 1, column 1: byte 1 of the line is NUL");
}

#[test]
fn unknown_and_repeated_identifiers() {
    let at = |row: &str, rest: &str| inter(format!("{INTER}{row}\n"), rest);
    // A user without a row in the user file has only an identifier.
    let unlisted = folder(format!("{INTER}3\t70\t1\n").as_bytes(), USER.as_bytes(), ITEM.as_bytes());
    let read = open(unlisted.path(), &ImportOptions::default()).unwrap();
    assert_eq!((read.catalog.users.name(2), read.catalog.items.name(2)), ("3", "70"));
    assert_eq!((read.report.unlisted_users, read.report.unlisted_items), (1, 1));
    at(" \t7\t1", ", line 4, column 1: the user identifier is blank");
    at("\t7\t1", ", line 4, column 1: the user identifier is blank");
    let folder = folder(INTER.as_bytes(), format!("{USER}1\t3\n").as_bytes(), ITEM.as_bytes());
    refused(folder.path(), "x.user", ", line 4, column 1: user '1' appears twice (first on line 2)");
}

#[test]
fn empty_and_header_only() {
    inter("", ": the file is empty");
    inter("user_id:token\titem_id:token\n", ": there are no records");
    inter("\n\n", ": the file is empty");
    let folder = folder(INTER.as_bytes(), b"", ITEM.as_bytes());
    refused(folder.path(), "x.user", ": the file is empty");
    fs::write(folder.path().join("x.user"), "user_id:token\n").unwrap();
    refused(folder.path(), "x.user", ": there are no users");
}

#[test]
fn a_field_of_ten_megabytes() {
    let long = "9".repeat(10 << 20);
    inter(format!("{INTER}1\t{long}\t1\n"), ", line 4, column 2: field too long");
    let folder = folder(INTER.as_bytes(), USER.as_bytes(), format!("{ITEM}9\t{long}").as_bytes());
    refused(folder.path(), "x.item", ", line 4, column 2: field too long");
}

#[test]
fn timestamps_that_are_no_times() {
    for time in ["NaN", "-nan", "inf", "-infinity", "1e400", "today"] {
        let rest = format!(", line 4, column 3: timestamp '{time}' is not a finite number");
        inter(format!("{INTER}1\t8\t{time}\n"), &rest);
    }
    inter(format!("{INTER}1\t8\t\n"), ", line 4, column 3: the timestamp is blank");
}

/// A folder whose interaction file is compressed with gzip.
fn gz_folder(packed: &[u8]) -> TempDir {
    let folder = folder(b"", USER.as_bytes(), ITEM.as_bytes());
    fs::remove_file(folder.path().join("x.inter")).unwrap();
    fs::write(folder.path().join("x.inter.gz"), packed).unwrap();
    folder
}

#[test]
fn gzip_that_is_cut_off_or_no_gzip() {
    let whole = gzip(INTER.as_bytes());
    assert_eq!(open(gz_folder(&whole).path(), &ImportOptions::default()).unwrap().records.len(), 2);
    let mut many = INTER.to_owned();
    (0..100_000).for_each(|n| many.push_str(&format!("{}\t{}\t{n}\n", n % 2 + 1, n % 2 + 7)));
    let packed = gzip(many.as_bytes());
    let cut = gz_folder(&packed[..packed.len() / 2]);
    let found = message(cut.path());
    assert!(found.contains("x.inter.gz, line ") && found.contains("ends too early"), "{found}");
    assert!(found.contains("copy or download it again"), "{found}");
    for length in 0..whole.len() {
        assert!(message(gz_folder(&whole[..length]).path()).contains("x.inter.gz"), "{length} bytes");
    }
    refused(
        gz_folder(b"no gzip, though it says so").path(),
        "x.inter.gz",
        ", line 1: cannot be read (invalid gzip header)",
    );
    let mut damaged = packed.clone();
    damaged[packed.len() - 6] ^= 1;
    assert!(message(gz_folder(&damaged).path()).contains("x.inter.gz, line 100004: cannot be read"));
}

/// Writes valid rows without end, so that only their total size can be refused.
fn bomb(mut out: impl Write, row: &str, bytes: usize) {
    let rows = row.repeat((1 << 20) / row.len());
    (0..bytes / rows.len() + 1).for_each(|_| out.write_all(rows.as_bytes()).unwrap());
}

#[test]
fn gzip_bomb() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"user_id:token\titem_id:token\tnote:token\n").unwrap();
    bomb(&mut encoder, &format!("1\t7\t{}\n", "x".repeat(2000)), 80 << 20);
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 1 << 20);
    let folder = gz_folder(&packed);
    let found = message(folder.path());
    assert!(found.contains("x.inter.gz, line 3") && found.contains("unpack to more than 200 times as many"), "{found}");
    assert!(found.contains("unpack it first"), "{found}");
    let small = Limits { total: 1 << 20, ..Limits::default() };
    let options = ImportOptions { limits: small, ..ImportOptions::default() };
    let found = open(folder.path(), &options).unwrap_err().to_string();
    assert!(found.contains("x.inter.gz, line ") && found.contains("more than 1048576 bytes"), "{found}");
}

/// A MovieLens zip with these entries.
fn archive(entries: &[(&str, &[u8])], fill: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ml.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
        if name.ends_with("ratings.dat") && fill > 0 {
            bomb(&mut writer, &format!("1::7::{}::1\n", "5".repeat(2000)), fill);
        }
    }
    writer.finish().unwrap();
    (folder, path)
}

const RATINGS: (&str, &[u8]) = ("ml-1m/ratings.dat", b"1::7::5::10\n");
const USERS: (&str, &[u8]) = ("ml-1m/users.dat", b"1::F::1::10::48067\n");
const MOVIES: (&str, &[u8]) = ("ml-1m/movies.dat", b"7::Mis\xe9rables, Les (1995)::Drama\n");

#[test]
fn zip_bomb() {
    let (_folder, path) = archive(&[RATINGS, USERS, MOVIES], 80 << 20);
    let found = message(&path);
    assert!(found.contains("ml.zip: ratings.dat, line 3"), "{found}");
    assert!(found.contains("unpack to more than 200 times as many"), "{found}");
}

#[test]
fn zips_that_are_something_else() {
    let (_folder, path) = archive(&[RATINGS, USERS, MOVIES], 0);
    let read = open(&path, &ImportOptions::default()).unwrap();
    assert_eq!(read.catalog.items.name(0), "Misérables, Les");
    assert!(read.report.notes.iter().any(|n| n.contains("no title vectors")));

    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(message(&path).contains("ml.zip: this is no whole zip archive"), "{length} bytes");
    }
    // Damage at any byte: the file is refused, or the byte is one that no
    // reader looks at.
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let _ = open(&path, &ImportOptions::default());
    }
    let (_folder, path) = archive(&[RATINGS, USERS], 0);
    refused(&path, "ml.zip", ": movies.dat is missing from the archive");
    let (_folder, path) = archive(&[RATINGS, USERS, MOVIES, ("other/movies.dat", b"")], 0);
    refused(&path, "ml.zip", ": movies.dat is more than once in the archive");
    let (_folder, path) = archive(&[RATINGS, ("users.dat", b"1::F::1\n"), MOVIES], 0);
    refused(&path, "ml.zip", ": users.dat, line 1, column 3: 3 fields where 5 belong");
}

#[test]
fn names_in_an_archive_are_not_paths() {
    let (folder, path) = archive(&[("../../ratings.dat", RATINGS.1), ("/etc/users.dat", USERS.1), MOVIES], 0);
    assert_eq!(open(&path, &ImportOptions::default()).unwrap().records.len(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "an import writes nothing");
}

/// A safetensors file with one tensor.
fn tensor(name: &str, dtype: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let end = bytes.len();
    let header = format!("{{\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[0,{end}]}}}}");
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), bytes].concat()
}

#[test]
fn dense_features_that_do_not_fit() {
    let folder = folder(INTER.as_bytes(), USER.as_bytes(), ITEM.as_bytes());
    let file = folder.path().join("x.title.safetensors");
    let at = |bytes: Vec<u8>, rest: &str| {
        fs::write(&file, bytes).unwrap();
        refused(folder.path(), "x.title.safetensors", rest);
    };
    at(tensor("title", "F32", &[3, 2], &[0; 24]), ": feature 'title' has 3 rows of 2 numbers for 2 items");
    at(tensor("title", "F32", &[2, 0], &[]), ": feature 'title' has 0 rows of 0 numbers for 2 items");
    at(tensor("title", "F32", &[2], &[0; 8]), ": tensor 'title' has shape [2]");
    at(tensor("title", "F64", &[2, 1], &[0; 16]), ": tensor 'title' is of type F64");
    at(b"nothing of the kind".to_vec(), ": no safetensors file");
    let infinite = [1f32.to_le_bytes(), f32::INFINITY.to_le_bytes()].concat();
    at(tensor("title", "F32", &[2, 1], &infinite), ": feature 'title' is not a finite number in row 2, number 1");
    fs::write(&file, tensor("any", "F32", &[2, 2], &[0; 16])).unwrap();
    let read = open(folder.path(), &ImportOptions::default()).unwrap();
    assert_eq!(read.report.item_features, ["title"]);
    let missing = ImportOptions { dense: vec![("d".into(), folder.path().join("no"))], ..ImportOptions::default() };
    assert!(format!("{:#}", open(folder.path(), &missing).unwrap_err()).contains("cannot open"));
}

#[test]
fn paths_that_hold_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(message(&folder.path().join("absent")).contains("absent: No such file"));
    assert!(message(folder.path()).contains("the folder holds no table"));
    for name in ["a.inter", "b.inter"] {
        fs::write(folder.path().join(name), INTER).unwrap();
    }
    assert!(message(folder.path()).contains("several data sets (a, b)"));
    fs::write(folder.path().join("a.inter.gz"), gzip(INTER.as_bytes())).unwrap();
    assert_eq!(open(&folder.path().join("a.inter.gz"), &ImportOptions::default()).unwrap().records.len(), 2);
    fs::remove_file(folder.path().join("b.inter")).unwrap();
    assert!(message(folder.path()).contains("both a.inter and a.inter.gz"));
    fs::write(folder.path().join("notes.txt"), INTER).unwrap();
    // The same lines in a .txt file are read as a table too.
    assert_eq!(open(&folder.path().join("notes.txt"), &ImportOptions::default()).unwrap().records.len(), 2);
    fs::write(folder.path().join("notes.txt"), "nothing\n").unwrap();
    assert!(message(&folder.path().join("notes.txt")).contains("there is only one column"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_files_never_panic(
        inter: Vec<u8>,
        user: Vec<u8>,
        item: Vec<u8>,
        name in prop::sample::select(vec!["x.inter", "y.inter.gz", "y.zip"]),
    ) {
        let folder = folder(&inter, &user, &item);
        let path = folder.path().join(name);
        fs::write(&path, &inter).unwrap();
        prop_assert!(open(&path, &ImportOptions::default()).is_err());
    }
}

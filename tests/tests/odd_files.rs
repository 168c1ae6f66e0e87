//! Unusual files: each is read as intended, or refused with a sentence that
//! names it. No file ends the program in another way, and no files are left
//! behind.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use eemu_tests::command::{done, run, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;

const GOOD: &str = "user,item,time\na,x,1600000000\nb,y,1600000001\nb,x,1600000002\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn zip(path: &Path, members: &[(&str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, body) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(body).unwrap();
    }
    zip.finish().unwrap();
}

/// The result of `import --check`: its exit code and its output.
fn check(path: &Path) -> (i32, String) {
    let (code, out, err) = run(&["import", "--check", "--data", text(path)], &[]);
    let code = code.unwrap_or_else(|| panic!("{} ended the program by a signal: {err}", path.display()));
    assert!(!err.contains("panicked") && !err.contains("overflowed"), "{}: {err}", path.display());
    (code, if code == 0 { out } else { err })
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Every file here is refused with code 1 for unusable data, its own name and
/// the reason.
#[test]
fn odd_files_are_refused_by_name() {
    let folder = folder();
    let deep = |open: &str, close: &str| {
        format!("{{\"user\":{}1{},\"item\":\"x\"}}\n", open.repeat(100_000), close.repeat(100_000))
    };
    let packed = gzip(GOOD.repeat(400).as_bytes());
    let mut wrong_sum = gzip(GOOD.as_bytes());
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 0xff;
    let long = "x".repeat(1025);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.csv", Vec::new(), "the file is empty"),
        ("blanks.csv", b"\n\n\n".to_vec(), "the file is empty"),
        ("mark.csv", b"\xef\xbb\xbf".to_vec(), "the file is empty"),
        ("heading.csv", b"user,item,time\n".to_vec(), "no rows below the heading"),
        ("one.csv", b"user\na\n".to_vec(), "only one column"),
        ("blanks-between.csv", b"user item time\na x 1\n".to_vec(), "only one column"),
        ("twice.csv", b"user,user,item\na,b,x\n".to_vec(), "2 columns may be the user"),
        ("ragged.csv", b"user,item,time\na,x\nb,y,1600000000,7\n".to_vec(), "2 fields where 3 belong"),
        ("nul.csv", b"user,item\na\0,x\n".to_vec(), "no text"),
        ("latin.csv", b"user,item\nJos\xe9,x\nb,y\n".to_vec(), "not UTF-8"),
        ("nan.csv", b"user,item,time\na,x,nan\n".to_vec(), "no time that is understood"),
        ("inf.csv", b"user,item,time\na,x,inf\n".to_vec(), "no time that is understood"),
        ("calendar.csv", b"user,item,date\na,x,2020-02-30\n".to_vec(), "no date of the calendar"),
        ("hour.csv", b"user,item,date\na,x,2020-01-01T25:00:00Z\n".to_vec(), "line 2, column 3"),
        ("blank-id.csv", b"user,item\n \t,x\na,y\n".to_vec(), "the user identifier is blank"),
        ("long-id.csv", format!("user,item\n{long},x\na,y\n").into_bytes(), "longer than 1024 bytes"),
        ("long-item.csv", format!("user,item\na,{long}\n").into_bytes(), "longer than 1024 bytes"),
        ("endless.csv", format!("user,item\na,\"{}\n", "x".repeat(3 << 20)).into_bytes(), "passes 1048576 bytes"),
        ("together.csv", format!("{GOOD}{GOOD}").into_bytes(), "line 5: the heading stands here again"),
        ("together.csv.gz", [gzip(GOOD.as_bytes()), gzip(GOOD.as_bytes())].concat(), "the heading stands here again"),
        ("cut.csv.gz", packed[..packed.len() - 20].to_vec(), "ends too early"),
        ("sum.csv.gz", wrong_sum, "cannot be read"),
        ("plain.csv.gz", GOOD.as_bytes().to_vec(), "cannot be read"),
        ("arrays.jsonl", deep("[", "]").into_bytes(), "list within a list"),
        ("objects.jsonl", deep("{\"a\":", "}").into_bytes(), "JSON object"),
        ("array.json", b"[{\"user\":1,\"item\":2}]".to_vec(), "one JSON array"),
        ("half.jsonl", b"{\"user\":1,\"item\":2}\n{\"user\":1\n".to_vec(), "no JSON object"),
        ("null.jsonl", b"{\"user\":null,\"item\":2}\n".to_vec(), "the user identifier is blank"),
        ("surrogate.jsonl", b"{\"user\":\"\\ud800\",\"item\":2}\n".to_vec(), "'user' holds"),
        ("huge-number.jsonl", b"{\"user\":1,\"item\":2,\"time\":1e400}\n".to_vec(), "is not a finite number"),
        ("text.parquet", GOOD.as_bytes().to_vec(), "no Parquet file"),
        ("packed.parquet.gz", gzip(b"PAR1"), "unpack it"),
        ("head.parquet", b"PAR1".to_vec(), "cannot be read"),
        ("no.zip", GOOD.as_bytes().to_vec(), "no whole zip archive"),
        ("sheet.csv", b"PK\x03\x04rest".to_vec(), "spreadsheet"),
    ];
    for (name, bytes, words) in cases {
        let path = write(&folder, name, bytes);
        let (code, said) = check(&path);
        let stem = name.split('.').next().unwrap();
        assert!(code == 1 && said.starts_with("error: ") && said.contains(stem), "{name}: {code} {said}");
        assert!(said.contains(words) && said.len() < 1000, "{name}: {said}");
        assert!(!said.trim_end().contains(|letter: char| letter.is_control() && letter != '\n'), "{name}: {said:?}");
    }
    // A refused import leaves no file, hidden or not.
    let state = folder.path().join("state");
    let (code, _, err) =
        run(&["import", "--data", text(&folder.path().join("ragged.csv")), "--state", text(&state)], &[]);
    let beside: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(code == Some(1) && !beside.iter().any(|name| name.contains("state")), "{err} {beside:?}");
}

/// These files are read as intended.
#[test]
fn odd_files_are_read_as_they_are_meant() {
    let folder = folder();
    let counted = |path: &Path| {
        let said = done(&["import", "--check", "--json", "--data", text(path)], &[]);
        ["records", "people", "items"].map(|key| said[key].as_u64().unwrap())
    };
    // All kinds of line ends, gzip with several members, and signs of a table.
    for (name, bytes) in [
        ("cr.csv", GOOD.replace('\n', "\r").into_bytes()),
        ("crlf.csv", GOOD.replace('\n', "\r\n").into_bytes()),
        ("no-end.csv", GOOD.trim_end().as_bytes().to_vec()),
        ("members.csv.gz", [gzip(&GOOD.as_bytes()[..20]), gzip(&GOOD.as_bytes()[20..])].concat()),
    ] {
        assert_eq!(counted(&write(&folder, name, bytes)), [3, 2, 2], "{name}");
    }
    let path = folder.path().join("many.zip");
    let named: Vec<(String, String)> =
        (0..300).map(|n| (format!("part-{n}.csv"), format!("user,item\nu{n},x\n"))).collect();
    let mut members: Vec<(&str, &[u8])> = named.iter().map(|(name, body)| (name.as_str(), body.as_bytes())).collect();
    members.extend([("README.txt", &b"hello"[..]), ("../../outside.csv", b"user,item\nout,x\n"), ("folder/", b"")]);
    zip(&path, &members);
    assert_eq!(counted(&path), [301, 301, 1]);
    assert!(!folder.path().parent().unwrap().join("outside.csv").exists());
    // Control characters of a terminal may be in names, and are kept.
    let path = write(&folder, "letters.csv", "user,item\n\"a\u{1b}[2J\",\"x\u{7}\"\n'b\"\"',y\nb,x\n");
    assert_eq!(counted(&path)[0], 3);
    let state = folder.path().join("state");
    done(&["import", "--data", text(&path), "--state", text(&state), "--holdout", "none", "--json"], &[]);
    let (code, out, err) = run(&["popular", "--state", text(&state)], &[]);
    assert!(code == Some(0) && out.contains("x\\u{7}") && !out.contains('\u{7}'), "{out:?} {err}");
    let said = done(&["popular", "--state", text(&state), "--json"], &[]);
    assert!(said["items"].as_array().unwrap().iter().any(|item| item["item_id"] == "x\u{7}"), "{said}");
}

/// Parquet columns of all kinds.
#[test]
fn odd_columns_of_parquet() {
    let folder = folder();
    let path = folder.path().join("a.parquet");
    let item: ArrayRef = Arc::new(StringArray::from(vec!["x", "y", "z"]));
    let time: ArrayRef = Arc::new(Int64Array::from(vec![1_600_000_000; 3]));
    let said = |user: ArrayRef, item: ArrayRef, time: ArrayRef| {
        parquet(&path, vec![("user", user), ("item", item), ("time", time)]);
        check(&path)
    };
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    // pandas writes this where a whole number is missing.
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 2.0]));
    let (code, words) = said(numbers.clone(), item.clone(), time.clone());
    assert!(code == 1 && words.contains("line 2, column 1: the user identifier is blank"), "{words}");
    let (code, words) = said(names.clone(), item.clone(), numbers);
    assert!(code == 1 && words.contains("line 2, column 3: the time is blank"), "{words}");
    let endless: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::INFINITY, 2.0]));
    let (code, words) = said(names.clone(), item.clone(), endless);
    assert!(code == 1 && words.contains("line 2, column 3: 'inf' is no time"), "{words}");
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff\x00", b"c"]));
    let (code, words) = said(bytes, item.clone(), time.clone());
    assert!(code == 1 && words.contains("line 2, column 1: the field holds bytes that are no UTF-8 text"), "{words}");
    let good: ArrayRef = Arc::new(BinaryArray::from(vec![&b"a"[..], b"b", b"c"]));
    assert_eq!(said(good, item.clone(), time.clone()).0, 0);
    let missing: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
    let (code, words) = said(missing, item.clone(), time.clone());
    assert!(code == 1 && words.contains("line 2, column 1: the user identifier is blank"), "{words}");
    // Cut off or changed at any byte: an error message, or the file's contents.
    assert_eq!(said(names, item, time).0, 0);
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..at]).unwrap();
        let (code, words) = check(&path);
        assert!(code == 1 && words.contains("a.parquet"), "{at} bytes: {words}");
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        fs::write(&path, changed).unwrap();
        assert!([0, 1].contains(&check(&path).0), "byte {at}");
    }
}

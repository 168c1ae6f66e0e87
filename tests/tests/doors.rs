//! Company data: tables of many formats are read, ambiguous input leads to a
//! question, bad lines are named, and deleted records stay out of later
//! imports.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use eemu_core::data::tables::{Condition, DateOrder};
use eemu_core::data::{Duplicates, Imported};
use eemu_server::deployment::Deployment;
use eemu_server::import::{Encoding, ImportOptions, open};
use eemu_server::serve::tokens::{Scope, Tokens};
use eemu_server::store::{Access, Location};
use eemu_tests::command::{done, refused, run, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Copies of identifiers or names, in their order.
fn listed<'a>(of: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    of.into_iter().cloned().collect()
}

fn read(path: &Path) -> Imported {
    read_with(path, |_| {})
}

fn read_with(path: &Path, change: impl FnOnce(&mut ImportOptions)) -> Imported {
    let mut options = ImportOptions::default();
    change(&mut options);
    open(path, &options).unwrap()
}

fn message(path: &Path) -> String {
    format!("{:#}", open(path, &ImportOptions::default()).unwrap_err())
}

/// (user, item, timestamp) of every record, sorted.
fn records(read: &Imported) -> Vec<(String, String, Option<f64>)> {
    let (users, items) = (&read.catalog.users.ids, &read.catalog.items.ids);
    let named = |r: &eemu_core::data::Interaction| {
        (users[r.user as usize].clone(), items[r.item as usize].clone(), r.timestamp)
    };
    let mut all: Vec<_> = read.records.iter().map(named).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

fn three() -> Vec<(String, String, Option<f64>)> {
    let record = |user: &str, item: &str, time: f64| (user.to_owned(), item.to_owned(), Some(time));
    vec![
        record("7", "böll, h.", 1_271_408_533.0),
        record("07", "b", 1_271_408_534.0),
        record("7", "b", 1_271_408_535.5),
    ]
}

/// Checks that a file of any format gives the three records.
fn is_three(path: &Path) {
    let mut wanted = three();
    wanted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(records(&read(path)), wanted, "{}", path.display());
}

const CSV: &str = "customer,sku,ts,note\n7,\"böll, h.\",1271408533,x\n07,b,2010-04-16T09:02:14Z,\"a\nb\"\n7,b,\
                   1271408535.5,\n";

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

#[test]
fn one_table_in_many_forms() {
    let folder = folder();
    is_three(&write(&folder, "a.csv", CSV));
    is_three(&write(&folder, "crlf.csv", format!("\u{feff}{}", CSV.replace('\n', "\r\n"))));
    is_three(&write(&folder, "a.csv.gz", gzip(CSV.as_bytes())));
    is_three(&write(&folder, "a.csv.zst", zstd::encode_all(CSV.as_bytes(), 3).unwrap()));
    is_three(&write(&folder, "packed.csv", gzip(CSV.as_bytes())));
    let semicolons = "customer;sku;ts\n7;böll, h.;1271408533000\n07;b;1271408534000\n7;b;1271408535500\n";
    is_three(&write(&folder, "semicolons.csv", semicolons));
    is_three(&write(&folder, "tabs.tsv", semicolons.replace(';', "\t")));
    is_three(&write(&folder, "bars.txt", semicolons.replace(';', "|")));
    let json = "{\"sku\": \"b\\u00f6ll, h.\", \"customer\": 7, \"ts\": 1271408533}\n\
                {\"customer\": \"07\", \"sku\": \"b\", \"ts\": \"2010-04-16T11:02:14+02:00\"}\n\
                {\"customer\": \"7\", \"sku\": \"b\", \"ts\": 1271408535.5, \"more\": {\"a\": [1]}}\n";
    is_three(&write(&folder, "a.jsonl", json));
    is_three(&write(&folder, "a.ndjson.gz", gzip(json.as_bytes())));
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(CSV.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    is_three(&write(&folder, "utf16.csv", utf16));
    let who: ArrayRef = Arc::new(StringArray::from(vec!["7", "07", "7"]));
    let what: ArrayRef = Arc::new(StringArray::from(vec!["böll, h.", "b", "b"]));
    let millis = vec![1_271_408_533_000, 1_271_408_534_000, 1_271_408_535_500];
    let typed: ArrayRef = Arc::new(TimestampMillisecondArray::from(millis.clone()));
    let path = folder.path().join("typed.parquet");
    parquet(&path, vec![("ts", typed), ("customer", who.clone()), ("sku", what.clone())]);
    is_three(&path);
    let numbers: ArrayRef = Arc::new(Int64Array::from(millis));
    let path = folder.path().join("numbers.parquet");
    parquet(&path, vec![("customer", who), ("sku", what), ("ts", numbers)]);
    is_three(&path);
}

#[test]
fn numbers_of_parquet_and_json_are_text_as_they_stand() {
    let folder = folder();
    let path = folder.path().join("a.parquet");
    let users: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(8), None]));
    let items: ArrayRef = Arc::new(Float64Array::from(vec![7.0, 7.5, 1.0]));
    parquet(&path, vec![("user", users), ("item", items)]);
    assert!(message(&path).contains("line 3, column 1: the user identifier is blank"), "{}", message(&path));
    let read = read_with(&path, |options| options.choices.skip_bad = 1);
    assert_eq!(
        (listed(&read.catalog.users.ids), listed(&read.catalog.items.ids)),
        (vec!["7".to_owned(), "8".to_owned()], vec!["7.0".to_owned(), "7.5".to_owned()])
    );
    let json =
        write(&folder, "a.jsonl", "{\"user\":7,\"item\":1}\n{\"user\":7.0,\"item\":1}\n{\"user\":\"07\",\"item\":1}\n");
    assert_eq!(listed(&self::read(&json).catalog.users.ids), ["07", "7", "7.0"]);
}

#[test]
fn encodings_are_told_or_said() {
    let folder = folder();
    let latin = write(&folder, "latin.csv", b"user,item\na,b\xf6ll\nb,x\n");
    assert!(message(&latin).contains("line 2, column 2: the field is not UTF-8 text"), "{}", message(&latin));
    assert!(message(&latin).contains("--encoding latin-1"));
    let read = read_with(&latin, |options| options.encoding = Encoding::Latin1);
    assert_eq!(listed(&read.catalog.items.ids), ["böll", "x"]);
    let bare: Vec<u8> = "user,item\na,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bare = write(&folder, "bare.csv", bare);
    assert!(message(&bare).contains("--encoding utf-16"), "{}", message(&bare));
    assert_eq!(records(&read_with(&bare, |options| options.encoding = Encoding::Utf16)).len(), 1);
    let other: Vec<u8> = "user,item\na,b\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let other = write(&folder, "other.csv", other);
    assert!(message(&other).contains("--encoding utf-16"), "{}", message(&other));
    assert_eq!(records(&read_with(&other, |options| options.encoding = Encoding::Utf16)).len(), 1);
}

#[test]
fn several_files_and_folders_are_one_import() {
    let folder = folder();
    let one = write(&folder, "in/year=2021/a.csv", "user,item,ts\na,x,1600000000\n");
    write(&folder, "in/year=2022/b.jsonl", "{\"user\":\"b\",\"item\":\"x\",\"ts\":1600000001}\n");
    write(&folder, "in/_SUCCESS", "");
    write(&folder, "in/.hidden.csv", "no table");
    let two = write(&folder, "more.tsv", "item_id\tuser_id\ttime\ny\tb\t1600000002000\n");
    let all = folder.path().join("in");
    assert_eq!(read(&all).records.len(), 2);
    let args = ["import", "--check", "--json", "--data", text(&all), text(&two)];
    let said = done(&args, &[]);
    assert_eq!((&said["records"], &said["people"], &said["items"]), (&3.into(), &2.into(), &2.into()));
    let said = refused(&["import", "--check", "--data", text(&one), text(&one)], &[]);
    assert!(said.contains("is named twice"), "{said}");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(message(&empty).contains("the folder holds no table"));
    write(&folder, "set/set.inter", "user_id:token\titem_id:token\na\tx\n");
    let said = refused(&["import", "--check", "--data", text(&folder.path().join("set")), text(&two)], &[]);
    assert!(said.contains("this is a whole data set"), "{said}");
}

/// A zip with one or several tables is read like the tables.
#[test]
fn zips_of_tables_need_not_be_unpacked() {
    let folder = folder();
    let zipped = |name: &str, members: &[(&str, &[u8])]| {
        let path = folder.path().join(name);
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, body) in members {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(body).unwrap();
        }
        zip.finish().unwrap();
        path
    };
    let one = zipped("one.zip", &[("export/events.csv", b"user,item,ts\na,x,1600000000\nb,y,1600000001\n")]);
    assert_eq!(read(&one).records.len(), 2);
    let latin: &[u8] = b"user,item\na,b\xf6ll\n";
    let latin = zipped("latin.zip", &[("latin.csv", latin)]);
    let read_latin = read_with(&latin, |options| options.encoding = Encoding::Latin1);
    assert_eq!(listed(&read_latin.catalog.items.ids), ["böll"]);
    let several = zipped(
        "several.zip",
        &[
            ("b.jsonl", b"{\"user\":\"b\",\"item\":\"x\",\"ts\":1600000001}\n"),
            ("a.tsv", b"user\titem\tts\na\tx\t1600000000\n"),
            ("__MACOSX/._a.tsv", b"\0\0"),
            ("README.md", b"about"),
        ],
    );
    let plain = write(&folder, "more.csv", "user,item,ts\nc,z,1600000002\n");
    let said = done(&["import", "--check", "--json", "--data", text(&several), text(&plain)], &[]);
    assert_eq!((&said["records"], &said["people"], &said["items"]), (&3.into(), &3.into(), &2.into()));
    let bad = zipped("bad.zip", &[("in/bad.csv", b"user,item\na,x\n,y\n")]);
    assert!(message(&bad).contains("in/bad.csv, line 3, column 1"), "{}", message(&bad));
    let parquet = zipped("parquet.zip", &[("a.parquet", b"PAR1")]);
    assert!(message(&parquet).contains("unpack this one"), "{}", message(&parquet));
    let nothing = zipped("nothing.zip", &[("README.md", b"about")]);
    assert!(message(&nothing).contains("or one of tables"), "{}", message(&nothing));
}

#[test]
fn movielens_comes_as_csv_too() {
    let folder = folder();
    let ratings = "userId,movieId,rating,timestamp\n1,10,4.0,964982703\n1,20,2.5,964981247\n2,10,5.0,964982224\n";
    let movies = "movieId,title,genres\n10,\"Heat, The (1995)\",Action|Crime\n20,Odd,(no genres listed)\n";
    write(&folder, "ml-latest-small/ratings.csv", ratings);
    write(&folder, "ml-latest-small/movies.csv", movies);
    write(&folder, "ml-latest-small/tags.csv", "userId,movieId,tag,timestamp\n1,10,x,1\n");
    let mut zip = zip::ZipWriter::new(File::create(folder.path().join("ml-25m.zip")).unwrap());
    for (name, body) in [("ml-25m/ratings.csv", ratings), ("ml-25m/movies.csv", movies), ("ml-25m/README.txt", "")] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(body.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let unpacked = read(&folder.path().join("ml-latest-small"));
    let packed = read(&folder.path().join("ml-25m.zip"));
    assert_eq!((unpacked.catalog.dataset.as_str(), packed.catalog.dataset.as_str()), ("ml-latest-small", "ml-25m"));
    for read in [&unpacked, &packed] {
        assert_eq!(read.records.len(), 3);
        assert_eq!(listed(&read.catalog.items.names), ["Heat, The", "Odd"]);
        assert_eq!(read.report.item_features, ["year", "title", "genres"]);
    }
    let kept =
        read_with(&folder.path().join("ml-25m.zip"), |options| options.choices.keep = vec![Condition::at_least(4.0)]);
    assert_eq!((kept.records.len(), kept.report.dropped), (2, 1));
}

#[test]
fn a_first_row_of_data_is_asked_about() {
    let folder = folder();
    let path = write(&folder, "a.csv", "view,u1,p1,2022-06-23 16:00:00 \nview,u1,p2,2022-06-23 16:00:01\n");
    let said = message(&path);
    assert!(said.contains("line 1: the first line looks like data") && said.contains("--no-heading"), "{said}");
    let (code, ..) = run(&["import", "--check", "--data", text(&path)], &[]);
    assert_eq!(code, Some(1));
    let args = ["import", "--check", "--json", "--no-heading", "--columns", "user=2,item=3,time=4", "--data"];
    assert_eq!(done(&[&args[..], &[text(&path)]].concat(), &[])["records"], 2);
    let shifted = write(&folder, "b.csv", "wish,UserId,ItemId,Timestamp\nwish,u1,p1,2022-06-23 16:00:00 \n");
    assert_eq!(records(&read(&shifted)), [("u1".into(), "p1".into(), Some(1_655_999_999.0 + 1.0))]);
    let bare = write(&folder, "c.csv", "who,what,when\n");
    assert!(message(&bare).contains("no rows below the heading"));
    let named = ["import", "--check", "--columns", "user=kunde", "--data", text(&shifted)];
    let (code, _, said) = run(&named, &[]);
    assert!(code == Some(1) && said.contains("no column 'kunde' among 'wish', 'UserId'"), "{said}");
    assert!(
        refused(&["import", "--check", "--columns", "who=a", "--data", text(&shifted)], &[]).contains("none of user")
    );
}

#[test]
fn dates_are_decided_by_a_line_or_asked_about() {
    let folder = folder();
    let who = |options: &mut ImportOptions| options.choices.person = Some("me".into());
    let mut all = Vec::new();
    for (name, dates) in [
        ("german.csv", ["15.01.23", "04.11.22"]),
        ("british.csv", ["15/01/2023", "04/11/2022"]),
        ("american.csv", ["1/15/23", "11/4/22"]),
        ("iso.csv", ["2023-01-15", "2022-11-04"]),
    ] {
        let rows: String =
            dates.iter().enumerate().map(|(n, date)| format!("\"Part \"\"{n}\"\", x\",\"{date}\"\n")).collect();
        let path = write(&folder, name, format!("Title,Date\n{rows}"));
        assert!(message(&path).contains("no column is known as the user"), "{}", message(&path));
        all.push(records(&read_with(&path, who)));
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(all[0][0], ("me".into(), "Part \"0\", x".into(), Some(1_673_740_800.0)));
    let open_dates = write(&folder, "open.csv", "user,title,date\na,x,04/11/22\nb,y,03/10/22\n");
    let said = message(&open_dates);
    assert!(said.contains("4 November 2022 or 11 April 2022") && said.contains("--dates day-first"), "{said}");
    let said = read_with(&open_dates, |options| options.choices.dates = Some(DateOrder::MonthFirst));
    assert_eq!(said.records[0].timestamp, Some(1_649_635_200.0));
    let both = write(&folder, "both.csv", "user,title,date\na,x,27/01/23\nb,y,01/27/23\n");
    assert!(message(&both).contains("line 3, column 3: '01/27/23' cannot be read day-first, as line 2"));
}

#[test]
fn bad_lines_are_all_named_and_left_out_when_allowed() {
    let folder = folder();
    let path = write(
        &folder,
        "a.csv",
        "who,what,when\na,x/y,1600000000\n  ,x,1600000001\na,y\nb,\"z\n,1,1\",1600000002\nb,z,later\n",
    );
    let report = folder.path().join("bad.csv");
    let state = folder.path().join("run");
    let args = ["import", "--data", text(&path), "--state", text(&state), "--bad-lines", text(&report)];
    let (code, _, said) = run(&args, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("a.csv, line 3, column 1: the user identifier is blank"), "{said}");
    assert!(said.contains("4 lines are bad") && said.contains("--skip-bad 4"), "{said}");
    assert!(!state.exists());
    let listed = fs::read_to_string(&report).unwrap();
    let lines: Vec<&str> = listed.lines().map(|line| line.rsplit("a.csv,").next().unwrap()).collect();
    assert_eq!(lines.len(), 5);
    for (line, start) in lines[1..].iter().zip(["3,1,", "4,,2 fields", "5,2,", "7,3,'later'"]) {
        assert!(line.starts_with(start), "{listed}");
    }
    let said = done(&[&args[..], &["--skip-bad", "4", "--json"]].concat(), &[]);
    assert_eq!((&said["interactions"], &said["bad_lines"]), (&1.into(), &4.into()));
    let (code, ..) = run(&[&args[..], &["--skip-bad", "3", "--replace"]].concat(), &[]);
    assert_eq!(code, Some(1), "one more than allowed");
}

#[test]
fn conditions_values_and_duplicates() {
    let folder = folder();
    let path = write(
        &folder,
        "a.csv",
        "user,item,event,rating,ts\na,x,buy,5,1600000000\na,x,buy,5,1600000009\na,y,view,,1600000001\nb,x,like,3,1600000002\n",
    );
    let check = |more: &[&str]| done(&[&["import", "--check", "--json", "--data", text(&path)], more].concat(), &[]);
    let said = check(&["--keep", "event in (buy, like)", "--min-value", "4"]);
    assert_eq!((&said["records"], &said["dropped"], &said["duplicates"]), (&1.into(), &2.into(), &1.into()));
    assert!(
        refused(&["import", "--check", "--data", text(&path), "--keep", "event buy"], &[]).contains("is no condition")
    );
    let (code, _, said) = run(&["import", "--check", "--data", text(&path), "--min-value", "4"], &[]);
    assert!(code == Some(1) && said.contains("line 4, column 4: '' is no number"), "{said}");
    let time = |which| {
        let read = read_with(&path, |options| options.choices.duplicates = Some(which));
        assert_eq!((read.records.len(), read.report.duplicates), (3, 1));
        records(&read)[0].2.unwrap()
    };
    assert_eq!((time(Duplicates::First), time(Duplicates::Last)), (1.6e9, 1.6e9 + 9.0));
    let state = folder.path().join("run");
    let said = done(&["import", "--data", text(&path), "--state", text(&state), "--json"], &[]);
    assert_eq!((&said["interactions"], &said["duplicates"]), (&3.into(), &1.into()));
    let kept = Deployment::open(&state, Access::Read).unwrap().dataset.interactions.all()[..2].to_vec();
    assert!(kept.iter().any(|r| r.timestamp == Some(1.6e9 + 9.0)), "the latest stays by default");
}

#[test]
fn a_check_shows_what_is_odd_and_writes_nothing() {
    let folder = folder();
    let mut rows = "who,what,when\n".to_owned();
    (1..=4).for_each(|n| rows += &format!("a,old{n},{n}\n"));
    (0..6).for_each(|n| rows += &format!("b,new{n},{}\n", 1_271_408_533_000u64 + n));
    let path = write(&folder, "a.csv", rows);
    let before = fs::read_dir(folder.path()).unwrap().count();
    let (code, out, _) = run(&["import", "--check", "--data", text(&path)], &[]);
    assert_eq!(code, Some(0));
    for part in [
        "10 records, 2 people, 10 items",
        "5 to 8",
        "█",
        "1970",
        "2010",
        "4 times are before 1990",
        "different units",
        "nothing was written",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
    let tied = write(&folder, "b.csv", "who,what,when\na,x,2021-05-03 09:12\na,y,2021-05-03 09:12\n");
    let said = done(&["import", "--check", "--json", "--data", text(&tied)], &[]);
    let warnings = said["warnings"].to_string();
    assert!(warnings.contains("all times are equal") && warnings.contains("there is one person"), "{warnings}");
    assert!(said["notes"].to_string().contains("without a zone were read as UTC"));
}

#[test]
fn items_have_names_and_only_what_is_used_is_read() {
    let folder = folder();
    let path = write(&folder, "a.csv", "user,sku,ts\nu,i1,1600000000\nu,i9,1600000001\n");
    let csv = write(&folder, "items.csv", "sku;name;price;category\ni1;Red Tea;—;drinks\ni2;Bun;1,5;food\n");
    let json = write(
        &folder,
        "items.jsonl",
        "{\"sku\":\"i1\",\"name\":\"Red Tea\",\"category\":[\"drinks\"]}\n{\"sku\":\"i2\",\"name\":\"Bun\",\"category\":\"food\"}\n",
    );
    let item = write(&folder, "x.item", "item_id:token\ttitle:token_seq\tprice:float\ni1\tRed Tea\tnan\ni2\tBun\t1\n");
    for (items, features) in [(&csv, "name,category"), (&json, "name,category"), (&item, "title")] {
        let state = folder.path().join(format!("run-{}", items.file_name().unwrap().to_str().unwrap()));
        let args = ["import", "--data", text(&path), "--items", text(items), "--item-features", features, "--state"];
        let said = done(&[&args[..], &[text(&state), "--json"]].concat(), &[]);
        assert_eq!(said["items"], 3, "{said}");
        let catalog = Deployment::open(&state, Access::Read).unwrap().dataset.catalog;
        assert_eq!((catalog.items.name(0), catalog.items.name(2)), ("Red Tea", "i9"));
    }
    let args = ["import", "--check", "--data", text(&path), "--items", text(&csv), "--item-features", "price:float"];
    let (code, _, said) = run(&args, &[]);
    assert!(code == Some(1) && said.contains("items.csv, line 2, column 3: '—' is not a number"), "{said}");
    let said = refused(&["import", "--check", "--data", text(&path), "--item-features", "price"], &[]);
    assert!(said.contains("give the file of items with --items"), "{said}");
}

#[test]
fn atomic_files_give_what_they_can() {
    let folder = folder();
    let inter = "user_id:token\titem_id:token\ttimestamp:float\nc1\ts1\t1\nc2\ts2\t2\nc1\ts9\t3\n";
    write(&folder, "x/x.inter", inter);
    write(&folder, "x/x.item", "item_id:token\ttitle:token_seq\tprice:float\ns1\t\"Half\t—\ns2\tBack\\s \"\"\tnan\n");
    let path = folder.path().join("x");
    let said = message(&path);
    assert!(said.contains("x.item, line 2, column 3: '—' is not a number") && said.contains("--skip-bad 2"), "{said}");
    let chosen = read_with(&path, |options| options.choices.item_features = Some(vec!["title".into()]));
    assert_eq!(listed(&chosen.catalog.items.names), ["\"Half", "Back\\s \"\"", "s9"]);
    assert_eq!(chosen.report.unlisted_items, 1);
    let skipped = read_with(&path, |options| options.choices.skip_bad = 2);
    assert_eq!(skipped.report.item_features, ["title", "price"]);
    assert!(skipped.catalog.dense().iter().all(|(.., values)| values.iter().all(|value| *value == 0.0)));
    let blank = write(&folder, "b/b.inter", inter.replace("c2\t", "  \t"));
    assert!(message(&blank).contains("line 3, column 1: the user identifier is blank"));
}

/// A state with a log, a token, a backup and deletions; an import of other data
/// replaces it.
#[test]
fn what_was_forgotten_stays_out_of_a_replacement() {
    let folder = folder();
    let week = |name: &str, from: usize| {
        let mut rows = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
        for n in from..from + 60 {
            rows += &format!("r{}\tb{}\t{}\n", n % 10, (n * 7) % 13, 1_600_000_000 + n);
        }
        write(&folder, &format!("{name}/{name}.inter"), rows);
        folder.path().join(name)
    };
    let (first, second) = (week("week1", 0), week("week2", 20));
    let state = folder.path().join("run");
    done(&["import", "--data", text(&first), "--state", text(&state), "--holdout", "none", "--seed", "7"], &[]);
    done(&["train", "-q", "--state", text(&state), "--shards", "3", "--set", "train.epochs=1"], &[]);
    let backup = folder.path().join("backup");
    done(&["backup", "--state", text(&state), "--to", text(&backup)], &[]);
    let at = |name: &str| {
        let deployment = Deployment::open(&state, Access::Read).unwrap();
        deployment.dataset.catalog.users.find(name)
    };
    let (user, gone) = (at("r1").unwrap(), at("r5").unwrap());
    let mut tokens = Tokens::open(&state).unwrap();
    let (token, _) = tokens.create(Scope::Subject(user), None).unwrap();
    let (ended, _) = tokens.create(Scope::Subject(gone), None).unwrap();
    let (admin, _) = tokens.create(Scope::Admin, None).unwrap();
    drop(tokens);
    done(&["forget", "-q", "--state", text(&state), "--user", "r5", "--all"], &[]);
    done(&["forget", "-q", "--state", text(&state), "--user", "r1", "--item", "b7"], &[]);
    let open = || Deployment::open(&state, Access::Read).unwrap();
    let before = open();
    let (receipts, settings) = (before.state.receipts().unwrap(), before.settings.config.clone());
    assert!(!receipts.is_empty());
    assert_eq!(before.state.forgotten().unwrap().len(), 2);
    drop(before);

    let held = refused(&["import", "--data", text(&first), "--state", text(&state)], &[]);
    assert!(held.contains("--replace"), "{held}");
    let replace = |data: &Path, more: &[&str]| -> Value {
        let args = ["import", "--replace", "--json", "--data", text(data), "--state", text(&state)];
        done(&[&args[..], more].concat(), &[])
    };
    let said = replace(&first, &[]);
    assert_eq!((&said["interactions"], &said["users"]), (&53.into(), &9.into()), "{said}");
    assert_eq!(said["forgotten_left_out"], serde_json::json!({ "records": 7, "users": 1 }));
    assert_eq!((&said["replaced"], &said["tokens_ended"]), (&true.into(), &1.into()), "{said}");
    let after = open();
    assert_eq!(after.state.receipts().unwrap(), receipts, "the log goes on");
    assert_eq!(after.settings.config, settings, "three shards, the seed, the holdout");
    assert_eq!(after.state.backups().unwrap().len(), 1);
    assert_eq!(at("r5"), None);
    let tokens = Tokens::open(&state).unwrap();
    assert_eq!((tokens.find(&token), tokens.find(&ended)), (at("r1").map(Scope::Subject), None));
    assert_eq!(tokens.find(&admin), Some(Scope::Admin));
    drop((after, tokens));
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(2).any(|pair| pair == b"r5"), "{}", path.display());
        }
    }

    let said = replace(&second, &[]);
    assert_eq!(said["forgotten_left_out"]["users"], 1, "a second time, too");
    assert_eq!(at("r5"), None);

    // The backup is older than the deletions: those from before and after the
    // replacement are repeated.
    done(&["forget", "-q", "--state", text(&state), "--user", "r2", "--all"], &[]);
    let restored = folder.path().join("restored");
    let args = ["restore", "--json", "--backup", text(&backup), "--tombstones", text(&state), "--state"];
    let said = done(&[&args[..], &[text(&restored)]].concat(), &[]);
    assert_eq!((&said["records"], &said["accounts_deleted_again"]), (&47.into(), &2.into()), "{said}");
    assert_eq!(Deployment::open(&restored, Access::Read).unwrap().state.forgotten().unwrap().len(), 3);

    let wrong = ["import", "--replace", "--data", text(&first), "--state", text(&state), "--readmit", "r55"];
    assert!(refused(&wrong, &[]).contains("nothing of this person was forgotten"));
    let said = replace(&first, &["--readmit", "r5"]);
    assert_eq!((&said["users"], &said["readmitted"][0]), (&9.into(), &"r5".into()), "{said}");
    assert_eq!(replace(&first, &[])["users"], 9, "back for good");
    let state = Location::from(&state);
    assert_eq!(Deployment::open(&state, Access::Read).unwrap().state.forgotten().unwrap().len(), 2);
}

/// A record that was deleted and later added by itself is allowed again: later
/// data may contain it. Other records of a deleted account stay out.
#[test]
fn what_is_added_again_stays_in_a_replacement() {
    let folder = folder();
    let table: String = (0..40).map(|n| format!("p{},i{},{}\n", n % 8, n % 7, 1_600_000_000 + n)).collect();
    let data = write(&folder, "a.csv", format!("user,item,time\n{table}"));
    let state = folder.path().join("state");
    let import = ["import", "--json", "--holdout", "none", "--data", text(&data), "--state", text(&state)];
    done(&[&import[..], &["--seed", "3"]].concat(), &[]);
    let forget = |more: &[&str]| done(&[&["forget", "-q", "--json", "--state", text(&state)][..], more].concat(), &[]);
    let add = |user: &str, item: &str| {
        done(&["add", "--json", "--state", text(&state), "--user", user, "--item", item, "--time", "1600009000"], &[])
    };
    let items = |user: &str| -> Vec<String> {
        let kept = done(&["person", "export", "--state", text(&state), "--user", user], &[]);
        let item = |record: &Value| record["item"].as_str().unwrap().to_owned();
        let mut items: Vec<String> = kept["records"].as_array().unwrap().iter().map(item).collect();
        items.sort();
        items
    };
    let replace = || {
        let said = done(&[&import[..], &["--replace"]].concat(), &[]);
        said["forgotten_left_out"]["records"].as_u64().unwrap()
    };
    assert_eq!(items("p1"), ["i1", "i2", "i3", "i4", "i5"]);
    forget(&["--user", "p1", "--item", "i2"]);
    forget(&["--user", "p1", "--item", "i3"]);
    forget(&["--user", "p2", "--all"]);
    assert_eq!(replace(), 7);
    assert_eq!(add("p1", "i2")["added"], 1);
    // A name that returns is a new user: only records made since then are
    // theirs.
    let back = items("p3").pop().unwrap();
    assert_eq!((&add("p2", &back)["added"], items("p2").len()), (&Value::from(1), 1));
    let of_old = table.lines().filter(|line| line.starts_with(&format!("p2,{back},"))).count() as u64;
    assert_eq!(replace(), 1 + 5 - of_old, "i3 of p1, and what p2 did before");
    assert_eq!(items("p1"), ["i1", "i2", "i4", "i5"]);
    // Deleted once more, the record stays out once more.
    forget(&["--user", "p1", "--item", "i2"]);
    if of_old > 0 {
        assert_eq!(items("p2"), [back.as_str()]);
        forget(&["--user", "p2", "--all"]);
    }
    assert_eq!(replace(), 7);
    let info: Value = done(&["info", "--json", "--state", text(&state)], &[]);
    assert_eq!(info["catalog_version"], 4, "each replacement makes a new version");
}

/// A signal during an import leaves no part of the new state.
#[cfg(unix)]
#[test]
fn an_interrupted_import_leaves_nothing() {
    let folder = folder();
    let mut rows = "user,item,ts\n".to_owned();
    (0..400_000).for_each(|n| rows += &format!("u{},i{},{}\n", n % 20_000, n % 977, 1_600_000_000 + n));
    let path = write(&folder, "big.csv", rows);
    let places = folder.path().join("states");
    fs::create_dir(&places).unwrap();
    let state = places.join("run");
    let mut command = std::process::Command::new(eemu_tests::program().unwrap());
    command.args(["import", "--data", text(&path), "--state", text(&state)]).env_remove("EEMU_STATE");
    let child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let begun = places.join(".run.new");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !begun.join("eemu.sqlite").exists() {
        assert!(std::time::Instant::now() < deadline, "it never began");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted; nothing was imported"), "{said}");
    assert_eq!(fs::read_dir(&places).unwrap().count(), 0);
}

/// A full disk leaves no part of an import, and leaves the existing state
/// unchanged.
#[cfg(unix)]
#[test]
fn a_full_disk_in_a_replacement_leaves_what_was_there() {
    let folder = folder();
    let table = |count: usize| {
        let mut rows = "user,item,ts\n".to_owned();
        (0..count).for_each(|n| rows += &format!("u{},i{},{}\n", n % 20_000, n % 977, 1_600_000_000 + n));
        rows
    };
    let (small, large) = (write(&folder, "small.csv", table(50)), write(&folder, "large.csv", table(200_000)));
    let places = folder.path().join("states");
    fs::create_dir(&places).unwrap();
    let state = places.join("run");
    done(&["import", "--data", text(&small), "--state", text(&state)], &[]);
    for (place, more) in [(&state, &["--replace"][..]), (&places.join("other"), &[][..])] {
        // A limit on the size of files acts like a full disk.
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\""]).arg(eemu_tests::program().unwrap());
        command.args(["import", "-q", "--data", text(&large), "--state", text(place)]).args(more);
        let output = command.env_remove("EEMU_STATE").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{:?}: {said}", output.status);
        assert!(said.starts_with("error: "), "{said}");
        let left: Vec<_> = fs::read_dir(&places).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["run"], "{said}");
    }
    assert_eq!(done(&["info", "--json", "--state", text(&state)], &[])["interactions"], 50);
}

/// An item that an operator took down stays down in new data, and the log keeps
/// its key.
#[test]
fn what_is_down_stays_down_in_a_replacement() {
    let folder = folder();
    let table: String = (0..40).map(|n| format!("p{},i{},{}\n", n % 8, n % 7, 1_600_000_000 + n)).collect();
    let first = write(&folder, "a.csv", format!("user,item,time\n{table}"));
    // Items come in another order, so their indices differ.
    let second = write(&folder, "b.csv", format!("user,item,time\nzz,a0,1600000000\np1,i3,1600000900\n{table}"));
    let state = folder.path().join("state");
    let import = ["import", "--holdout", "none", "--seed", "3", "--state", text(&state)];
    done(&[&import[..], &["--data", text(&first)]].concat(), &[]);
    let small = ["--shards", "2", "--set", "train.epochs=1", "--set", "episodes.width=4"];
    done(&[&["train", "-q", "--state", text(&state)][..], &small].concat(), &[]);
    done(&["forget", "-q", "--state", text(&state), "--item", "i3"], &[]);
    // A server would create this key.
    let key = format!("{}\n", "5a".repeat(32)).into_bytes();
    fs::write(state.join("log.key"), &key).unwrap();
    let said = done(&["import", "--replace", "--json", "--data", text(&second), "--state", text(&state)], &[]);
    assert_eq!(said["users"], 9, "{said}");
    assert_eq!(fs::read(state.join("log.key")).unwrap(), key);
    let info: Value = done(&["info", "--json", "--state", text(&state)], &[]);
    let down = info["items_down"].as_array().unwrap();
    // No record names the item any more. It is in the new catalogue only if
    // something else names it; its records did not return.
    assert!(down.is_empty() || down == &[Value::from("i3")], "{info}");
    // The next data do not bring it back either.
    let third = write(&folder, "c.csv", "user,item,time\nnew,i3,1600000000\nnew,i1,1600000001\n");
    done(&["import", "--replace", "--json", "--data", text(&third), "--state", text(&state)], &[]);
    let new = done(&["person", "export", "--state", text(&state), "--user", "new"], &[]);
    assert_eq!(new["records"].as_array().unwrap().len(), 1, "{new}");
    done(&["import", "--replace", "--json", "--data", text(&second), "--state", text(&state)], &[]);
    done(&["train", "-q", "--state", text(&state)], &[]);
    let kept = done(&["person", "export", "--state", text(&state), "--user", "p1"], &[]);
    assert!(kept["records"].as_array().unwrap().iter().all(|record| record["item"] != "i3"), "{kept}");
}

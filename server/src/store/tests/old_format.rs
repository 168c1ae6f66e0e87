//! A state written by an earlier version of the program, opened by this one.

use sqlx::AssertSqlSafe;

use super::super::database::{Db, on};
use super::super::private;
use super::super::{Access, State, StoreError, runtime, schema};
use super::*;

/// A catalogue of format 2: it lists the user identifiers with the features, and a
/// deleted account is known only by its label.
fn of_that_time() -> Catalog {
    let mut catalog = catalog("old");
    let label = |id: &String| if id == "u299" { "deleted-0123456789abcdef".to_owned() } else { id.clone() };
    let ids = catalog.users.ids.iter().map(label).collect();
    catalog.users = Entities::new(ids, Vec::new(), Vec::new()).unwrap();
    catalog
}

fn records_of_that_time() -> Vec<Interaction> {
    records().into_iter().filter(|r| r.user != 299).collect()
}

async fn run(db: &mut Db, sql: String) {
    on!(db, c => sqlx::raw_sql(AssertSqlSafe(sql)).execute(c).await.map(drop)).unwrap();
}

fn sql_of(bytes: &[u8]) -> String {
    format!("X'{}'", hex::encode(bytes))
}

/// Writes format 2 with only what that format had, in SQL statements of its own.
fn write_format_2(dir: &Path) {
    for folder in ["models", "checkpoints"] {
        private::folder(&dir.join(folder)).unwrap();
    }
    let catalog = of_that_time();
    fs::write(dir.join("catalog.json"), catalog.to_json().unwrap()).unwrap();
    let (name, rows, width, values) = catalog.dense().remove(0);
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![rows, width], &bytes).unwrap();
    fs::write(dir.join("catalog.safetensors"), safetensors::serialize([(name, view)], None).unwrap()).unwrap();
    let (shared, rows) = (b"a model".as_slice(), b"its rows".as_slice());
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    for file in [shared, rows] {
        fs::write(dir.join("models").join(format!("{}.safetensors", hash(file))), file).unwrap();
    }
    let declared = serde_json::json!({"blake3": catalog.hash().unwrap(), "items": ITEMS, "dense": true});
    runtime().unwrap().block_on(async {
        let mut db = schema::connect(dir, None, true).await.unwrap();
        schema::migrate_to(&mut db, &schema::MIGRATIONS[..2], true).await.unwrap();
        let values = [
            ("settings", "{\"made\":\"then\"}".to_owned()),
            ("catalog", declared.to_string()),
            ("head", "7 3 1".to_owned()),
            ("version", "5".to_owned()),
        ];
        for (key, value) in values {
            run(&mut db, format!("INSERT INTO meta VALUES ('{key}', '{value}')")).await;
        }
        let row = |r: &Interaction| {
            let time = r.timestamp.map_or("NULL".to_owned(), |t| format!("{t:?}"));
            format!("({}, {}, {time}, {})", r.user, r.item, sql_of(&keyed_id(r)))
        };
        let rows_of_table: Vec<String> = records_of_that_time().iter().map(row).collect();
        run(&mut db, format!("INSERT INTO interactions VALUES {}", rows_of_table.join(", "))).await;
        run(&mut db, "INSERT INTO shards VALUES (0, 4, 0), (1, 5, 1)".into()).await;
        let secret = sql_of(&[7; 32]);
        run(
            &mut db,
            format!(
                "INSERT INTO models VALUES (0, 4, '{}', '{}', '{}', '{{}}', {secret}, {secret}, {secret}, 1.5, 2, \
                 '[0.5,0.25]')",
                hash(b"tensors"),
                hash(shared),
                hash(rows)
            ),
        )
        .await;
        run(&mut db, "INSERT INTO receipts VALUES (1, '{\"n\":1}')".into()).await;
        run(&mut db, format!("INSERT INTO requests VALUES ({}, NULL, 3, '[[1,5]]', 12.5, NULL)", sql_of(&[9; 32])))
            .await;
        run(&mut db, format!("INSERT INTO backups VALUES ('b', 1.0, {})", f64::from(u32::MAX))).await;
        db.close().await.unwrap();
    });
}

#[test]
fn a_state_of_format_2_is_taken_over_whole() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    write_format_2(&dir);
    let refused = State::open(&dir, Access::Read).unwrap_err();
    assert!(matches!(refused, StoreError::OlderFormat { found: 2, .. }), "{refused}");
    let all = schema::MIGRATIONS.len() as i64;

    for round in 0..2 {
        let state = State::open(&dir, Access::Write).unwrap();
        let format = state.read(async |db| schema::format(db).await).unwrap();
        assert_eq!(format, all, "round {round}");
        let catalog = state.catalog().unwrap();
        let wanted = of_that_time();
        assert_eq!((&catalog.users.ids, &catalog.items), (&wanted.users.ids, &wanted.items));
        assert_eq!(
            catalog.users.deleted().collect::<Vec<_>>(),
            [299],
            "the label without records is a deleted account"
        );
        let mut records = records_of_that_time();
        records.sort_by_key(|r| (r.user, r.item));
        assert_eq!(state.interactions().unwrap(), records);
        assert_eq!(state.settings().unwrap(), "{\"made\":\"then\"}");
        let loaded = state.load(0).unwrap().unwrap();
        assert_eq!((loaded.shared, loaded.user_rows), (b"a model".into(), b"its rows".into()));
        assert_eq!((loaded.live.version, loaded.live.catalog), (4, None), "nobody knows its catalogue's version");
        let shards = state.shards().unwrap();
        assert_eq!((shards.len(), shards[1].stale, shards[1].version), (2, true, 5));
        assert_eq!(state.receipts().unwrap().len(), 1);
        let requests = state.requests(0.0).unwrap();
        assert_eq!((requests.len(), requests[0].removed), (1, 3));
        // The migration overwrote whatever was left.
        assert!(requests[0].overwritten.is_some());
        assert_eq!(state.backups().unwrap().len(), 1);
        assert!(!fs::read_to_string(dir.join("catalog.json")).unwrap().contains("u298"), "people are rows now");
        let has_index = "SELECT count(*) FROM sqlite_schema WHERE name = 'interactions_of_item'";
        let found: i64 =
            state.read(async |db| Ok(on!(db, c => sqlx::query_scalar(has_index).fetch_one(c).await?))).unwrap();
        assert_eq!(found, 1);
    }

    // It works like any other state: a deletion leaves no byte.
    let state = State::open(&dir, Access::Write).unwrap();
    let gone: Vec<Interaction> = records_of_that_time().into_iter().filter(|r| r.user == 5).collect();
    let keys: Vec<(u32, u32)> = gone.iter().map(|r| (r.user, r.item)).collect();
    let with: Vec<Interaction> = state.records_with(gone[0].item).unwrap();
    assert!(with.iter().any(|r| r.user == 5) && with.iter().all(|r| r.item == gone[0].item));
    assert_eq!(state.remove(&keys, &[0]).unwrap(), 10);
    drop(state);
    let needles: Vec<Vec<u8>> = gone.iter().map(|r| keyed_id(r).to_vec()).collect();
    assert_eq!(holding(&dir, &needles), Vec::<PathBuf>::new());
    let state = State::open(&dir, Access::Read).unwrap();
    assert_eq!((state.live(0).unwrap(), state.record_count().unwrap()), (None, 2980));
}

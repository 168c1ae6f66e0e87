//! Partitions of records in PostgreSQL: each person's are in the partition of
//! the shard that was theirs when they came, and nothing depends on it.

#![allow(clippy::unwrap_used)]

use std::fs;

use eemu_core::data::Interaction;
use eemu_core::model::ModelKind;
use eemu_core::shard::ShardBy;
use eemu_server::deployment::Deployment;
use eemu_server::store::{Access, Location};
use eemu_tests::command::{done, text};
use eemu_tests::postgres::Setting;
use eemu_tests::service::make_state;
use eemu_tests::worlds::{Recipe, Times};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Asks the database something, or has it do something.
fn ask(setting: &Setting, sql: &str) -> Vec<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&setting.database).await.unwrap();
        sqlx::raw_sql("SET search_path TO eemu").execute(&mut connection).await.unwrap();
        if sql.starts_with("SELECT") {
            return sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
        }
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        Vec::new()
    })
}

fn counts(setting: &Setting, shards: u32) -> Vec<u32> {
    let of = |part: u32| ask(setting, &format!("SELECT count(*) FROM interactions_{part}"))[0] as u32;
    (0..shards).map(of).collect()
}

fn rest(setting: &Setting) -> i64 {
    ask(setting, "SELECT count(*) FROM interactions_rest")[0]
}

fn opened(location: impl Into<Location>) -> Deployment {
    Deployment::open(location, Access::Read).unwrap()
}

fn add(setting: &Setting, user: &str, item: &str) {
    let dir = setting.dir("run");
    let state = ["--state", text(&dir), "--database", &setting.database];
    done(&[&["add"], &state[..], &["--user", user, "--item", item]].concat(), &[]);
}

fn recipe() -> Recipe {
    let (model, times) = (ModelKind::Episodes, Times::Spread);
    Recipe { users: 40, shards: 4, by: ShardBy::Person, model, times, ..Recipe::default() }
}

/// As many records in each partition as in its shard, those of newcomers too.
#[test]
fn a_shards_records_are_in_one_partition() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("run"), &recipe(), false).unwrap();
    let sizes = |deployment: &Deployment| -> Vec<u32> {
        (0..4).map(|shard| deployment.dataset.shard(shard).unwrap().len() as u32).collect()
    };
    let before = opened(setting.from("run"));
    assert_eq!(counts(&setting, 4), sizes(&before));
    assert_eq!(rest(&setting), 0);
    assert!(sizes(&before).iter().all(|size| *size > 0));
    for number in 0..12 {
        add(&setting, &format!("newcomer-{number}"), "item-1");
    }
    // People may come before their first record.
    let (file, dir) = (setting.dir("people.user"), setting.dir("run"));
    let rows: Vec<String> = (0..12).map(|number| format!("admitted-{number}\tv1")).collect();
    fs::write(&file, format!("user_id:token\tgroup:token\n{}\n", rows.join("\n"))).unwrap();
    let state = ["--state", text(&dir), "--database", &setting.database];
    done(&[&["admit"], &state[..], &["--user-file", text(&file)]].concat(), &[]);
    for number in 0..12 {
        add(&setting, &format!("admitted-{number}"), "item-1");
    }
    let after = opened(setting.from("run"));
    assert_eq!(after.dataset.interactions.len(), before.dataset.interactions.len() + 24);
    assert_eq!(counts(&setting, 4), sizes(&after));
    assert_eq!(rest(&setting), 0);
}

/// A database of the format before opens with every record, and a record that
/// comes again is the same record.
#[test]
fn an_earlier_database_opens_whole() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("run"), &recipe(), false).unwrap();
    let before = opened(setting.from("run")).dataset.interactions.all();
    ask(
        &setting,
        "CREATE TABLE old AS SELECT user_index, item_index, timestamp, keyed_id FROM interactions;
         DROP TABLE interactions;
         ALTER TABLE old RENAME TO interactions;
         ALTER TABLE interactions ADD CONSTRAINT interactions_pkey PRIMARY KEY (user_index, item_index);
         CREATE INDEX interactions_of_item ON interactions (item_index);
         ALTER TABLE people DROP COLUMN part;
         DELETE FROM migrations WHERE version = 5",
    );
    drop(Deployment::open(setting.from("run"), Access::Write).unwrap());
    let now = opened(setting.from("run"));
    assert_eq!(now.dataset.interactions.all(), before);
    assert_eq!(rest(&setting), before.len() as i64);
    let Interaction { user, item, .. } = before[0];
    let catalog = &now.dataset.catalog;
    let (user, item) = (catalog.users.ids[user as usize].clone(), catalog.items.ids[item as usize].clone());
    drop(now);
    add(&setting, &user, &item);
    assert_eq!(opened(setting.from("run")).dataset.interactions.len(), before.len());
    let dir = setting.dir("run");
    let state = ["--state", text(&dir), "--database", &setting.database];
    done(&[&["forget", "-q", "--later"], &state[..], &["--user", &user, "--item", &item]].concat(), &[]);
    assert_eq!(opened(setting.from("run")).dataset.interactions.len(), before.len() - 1);
}

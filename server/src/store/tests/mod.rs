//! A small state for tests, and a search for bytes in every file of a directory.

mod basics;
mod compaction;
#[cfg(feature = "failpoints")]
mod crash;
mod erasure;
mod old_format;

use std::fs;
use std::path::{Path, PathBuf};

use eemu_core::data::{Catalog, Column, Entities, Interaction, Values};
use eemu_core::random::Key;

use super::{Addition, Change, Committed, Deletion, Extra, Import, KeyedId, Live, Publication, State};

/// Makes changes worked out on the present state, and finishes them.
impl State {
    fn change_now(&self, change: &Change<'_>) -> super::Result<Committed> {
        let done = self.apply(change, self.moment()?.0)?;
        self.finish(&done)?;
        Ok(done)
    }

    fn carry_out(&self, deletion: &Deletion<'_>) -> super::Result<Committed> {
        self.change_now(&Change::Delete(*deletion))
    }

    fn remove(&self, records: &[(u32, u32)], stale: &[u32]) -> super::Result<u64> {
        Ok(self.carry_out(&Deletion { records, stale, ..Deletion::default() })?.count)
    }

    fn insert(&self, records: &[Interaction], stale: &[u32], keyed_id: KeyedId<'_>) -> super::Result<u64> {
        let part_of = &|_: &str| 0;
        let addition =
            Addition { records, stale, first: &[], keyed_id, part_of, people: &[], catalog: None, audit: &[] };
        Ok(self.change_now(&Change::Add(addition))?.count)
    }

    fn set_catalog(&self, catalog: &Catalog) -> super::Result<()> {
        self.carry_out(&Deletion { catalog: Some(catalog), ..Deletion::default() }).map(drop)
    }

    fn take_in_items(&self, catalog: &Catalog) -> super::Result<()> {
        self.change_now(&Change::Items(catalog, &[])).map(drop)
    }

    fn set_settings(&self, json: &str) -> super::Result<()> {
        self.change_now(&Change::Settings(json)).map(drop)
    }

    fn reset_models(&self, settings: &str, shards: u32) -> super::Result<()> {
        self.change_now(&Change::Reset(settings, shards)).map(drop)
    }
}

const USERS: u32 = 300;
const ITEMS: u32 = 50;

fn catalog(name: &str) -> Catalog {
    let ids = |kind: &str, count: u32| (0..count).map(|i| format!("{kind}{i}")).collect::<Vec<_>>();
    let rows = (0..ITEMS * 3).map(|v| v as f32 / 7.0).collect();
    let title = Column { name: "title".into(), values: Values::Dense { width: 3, rows } };
    Catalog {
        dataset: name.into(),
        version: 1,
        users: Entities::new(ids("u", USERS), Vec::new(), Vec::new()).unwrap(),
        items: Entities::new(ids("i", ITEMS), Vec::new(), vec![title]).unwrap(),
    }
}

/// Ten records per user. Times are distinct. Users with an even index have whole
/// numbers, which SQLite stores as integers; the others have halves.
fn records() -> Vec<Interaction> {
    (0..USERS)
        .flat_map(|user| {
            (0..10).map(move |n| {
                let item = (user * 7 + n * 5) % ITEMS;
                let time = 1_357_924_680_000.0 + f64::from(user * 1000 + item) * 4099.0 + f64::from(user % 2) / 2.0;
                Interaction { user, item, timestamp: Some(time) }
            })
        })
        .collect()
}

fn keyed_id(record: &Interaction) -> [u8; 16] {
    let ids = [format!("u{}", record.user), format!("i{}", record.item)];
    let hash = Key::from_seed(7).hash("record", &[ids[0].as_bytes(), ids[1].as_bytes()]);
    hash[..16].try_into().unwrap()
}

fn create(dir: &Path, name: &str, records: &[Interaction], replace: bool) -> super::Result<State> {
    let catalog = catalog(name);
    let settings = format!("{{\"made\":\"{name}\"}}");
    let import = Import {
        catalog: &catalog,
        settings: &settings,
        keyed_id: &keyed_id,
        part_of: &|_| 0,
        replace,
        extra: Extra::default(),
    };
    State::create(dir, &import, records.iter().copied())
}

/// A state with three shards, the first two with a live model.
fn trained(dir: &Path) -> State {
    let state = create(dir, "old", &records(), false).unwrap();
    state.reset_models("{\"made\":\"old\"}", 3).unwrap();
    publish(&state, 0, b"zero");
    publish(&state, 1, b"one");
    state
}

fn publish(state: &State, shard: u32, body: &[u8]) -> Live {
    let rows = [b"rows of ", body].concat();
    let publication = Publication {
        model_blake3: &blake3::hash(body).to_hex(),
        fingerprint: "{\"device\":\"cpu\"}",
        shared: body,
        user_rows: &rows,
        input_hash: [shard as u8; 32],
        seconds: 1.5,
        epochs: 2,
        losses: &[0.5, 0.1 + 0.2],
        catalog: 1,
    };
    let ticket = state.ticket(shard).unwrap();
    state.publish(ticket, &publication, |live| Ok(Some(format!("{{\"version\":{}}}", live.version)))).unwrap()
}

/// Every file below a directory, by path.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn model_files(dir: &Path) -> usize {
    fs::read_dir(dir.join("models")).unwrap().count()
}

/// The files that hold any of the needles.
fn holding(dir: &Path, needles: &[Vec<u8>]) -> Vec<PathBuf> {
    let holds = |bytes: &[u8], needle: &[u8]| {
        bytes.iter().enumerate().any(|(at, first)| *first == needle[0] && bytes[at..].starts_with(needle))
    };
    files(dir)
        .into_iter()
        .filter(|(_, bytes)| needles.iter().any(|needle| holds(bytes, needle)))
        .map(|(path, _)| path)
        .collect()
}

fn hex(bytes: &[u8]) -> [Vec<u8>; 2] {
    let lower: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    [lower.to_uppercase().into_bytes(), lower.into_bytes()]
}

/// The byte forms that a keyed identifier may have on disk.
fn forms_of_id(record: &Interaction) -> Vec<Vec<u8>> {
    let id = keyed_id(record).to_vec();
    let mut forms = hex(&id).to_vec();
    forms.push(id);
    forms
}

/// The forms in which a time may be on disk: as a float, as the 6 or 8 byte
/// integer that SQLite makes of a whole number, as its varint, in hex, as text.
fn forms_of_time(record: &Interaction) -> Vec<Vec<u8>> {
    let time = record.timestamp.unwrap();
    let mut raw = vec![time.to_be_bytes().to_vec(), time.to_le_bytes().to_vec()];
    let mut forms = vec![time.to_string().into_bytes()];
    if time.fract() == 0.0 {
        let whole = time as i64;
        raw.extend([whole.to_be_bytes().to_vec(), whole.to_le_bytes().to_vec(), whole.to_be_bytes()[2..].to_vec()]);
        forms.push(varint(whole as u64));
    }
    forms.extend(raw.iter().flat_map(|bytes| hex(bytes)));
    forms.extend(raw);
    forms
}

/// SQLite's varint: seven bits a byte, most significant first.
fn varint(mut value: u64) -> Vec<u8> {
    assert!(value < 1 << 56, "the ninth byte would hold eight bits");
    let mut bytes = vec![(value & 0x7f) as u8];
    while value > 0x7f {
        value >>= 7;
        bytes.insert(0, (value & 0x7f) as u8 | 0x80);
    }
    bytes
}

fn assert_gone(dir: &Path, records: &[Interaction]) {
    let needles: Vec<Vec<u8>> = records.iter().flat_map(|r| [forms_of_id(r), forms_of_time(r)].concat()).collect();
    assert_eq!(holding(dir, &needles), Vec::<PathBuf>::new());
}

fn assert_there(dir: &Path, records: &[Interaction]) {
    for record in records {
        assert!(!holding(dir, &forms_of_id(record)).is_empty(), "the search does not find the id of {record:?}");
        assert!(!holding(dir, &forms_of_time(record)).is_empty(), "the search does not find the time of {record:?}");
    }
}

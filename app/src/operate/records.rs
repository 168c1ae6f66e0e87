//! The log as the operator's page has it: fetched once, checked as a whole each
//! time it grew, cut into pages.

use eemu_core::api::RequestStanding;
use eemu_core::receipt::{Checkpoint, Entry, Log};
use serde_json::json;

use super::protocol::{Found, Kind, Line, LogAsk, LogView};
use crate::say::told;

/// Entries a page.
pub(crate) const PAGE: usize = 20;

/// What was fetched of the log: it only grows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    log: Log,
    lines: Vec<Line>,
    /// Hashes of the requests that each entry answers.
    answers: Vec<Vec<String>>,
    /// For how many entries the root was checked, and what came of it.
    checked: Option<(Checkpoint, Result<(), String>)>,
}

impl Records {
    /// How many entries are here.
    pub(crate) fn len(&self) -> u64 {
        self.log.len()
    }

    /// Takes in what came after.
    pub(crate) fn push(&mut self, line: String) {
        let (read, answers) = read(self.log.len() + 1, &line);
        self.lines.push(read);
        self.answers.push(answers);
        self.log.push(line);
    }

    /// The first entries, as text.
    pub(crate) fn first(&self, size: u64) -> Vec<String> {
        self.log.lines(0, size).map(str::to_owned).collect()
    }

    /// Whether the entries give the root that a checkpoint signs.
    pub(crate) fn check(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        match &self.checked {
            Some((known, came)) if known == checkpoint => came.clone(),
            _ => {
                let came = whole(checkpoint, &self.log);
                self.checked = Some((checkpoint.clone(), came.clone()));
                came
            }
        }
    }

    /// The part that was asked for.
    pub(crate) fn view(
        &self,
        ask: &LogAsk,
        checkpoint: &Checkpoint,
        whole: Result<(), String>,
        open: &[RequestStanding],
    ) -> LogView {
        let fitting: Vec<&Line> = self.lines.iter().rev().filter(|line| fits(line, ask)).collect();
        LogView {
            fits: fitting.len(),
            lines: fitting.into_iter().skip(ask.page * PAGE).take(PAGE).cloned().collect(),
            size: self.log.len(),
            receipts: self.lines.iter().filter(|line| line.kind == Kind::Deletion).count() as u64,
            whole,
            key: checkpoint.public_key.clone(),
            found: self.find(ask.find.trim(), open),
        }
    }

    /// An entry by its number, or what became of a request, by its name or the
    /// name's hash.
    fn find(&self, wanted: &str, open: &[RequestStanding]) -> Option<Found> {
        if wanted.is_empty() {
            return None;
        }
        let number = wanted.trim_start_matches('#').parse::<u64>().ok();
        if let Some(line) = number.and_then(|number| self.lines.iter().find(|line| line.number == number)) {
            return Some(Found::Entry(line.clone()));
        }
        let name = blake3::hash(wanted.as_bytes()).to_hex();
        let is = |hash: &str| hash == name.as_str() || hash.eq_ignore_ascii_case(wanted);
        let answered = self.answers.iter().position(|answers| answers.iter().any(|hash| is(hash)));
        if let Some(line) = answered.and_then(|place| self.lines.get(place)) {
            return Some(Found::Entry(line.clone()));
        }
        let waits = open.iter().find(|request| is(&request.name_blake3));
        Some(waits.map_or(Found::Nothing, |request| Found::Open(request.clone())))
    }

    /// What fits, as JSON Lines, oldest first: what the page says of each entry,
    /// and the entry's exact text.
    pub(crate) fn export(&self, ask: &LogAsk) -> String {
        let kind = |kind| match kind {
            Kind::Deletion => "receipt",
            Kind::Published => "published",
            Kind::Key => "key",
            Kind::Other => "other",
        };
        let mut text = String::new();
        for line in self.lines.iter().filter(|line| fits(line, ask)) {
            let entry = self.log.line(line.number - 1).unwrap_or_default();
            let (asked, written) = (line.times.map(|times| times.0), line.times.map(|times| times.1));
            let row = json!({
                "number": line.number, "kind": kind(line.kind), "asked": asked, "written": written,
                "removed": (line.kind == Kind::Deletion).then_some(line.removed), "shards": line.shards, "entry": entry,
            });
            text.push_str(&row.to_string());
            text.push('\n');
        }
        text
    }
}

fn fits(line: &Line, ask: &LogAsk) -> bool {
    ask.kind.is_none_or(|kind| kind == line.kind)
        && ask.shard.is_none_or(|shard| line.shards.iter().any(|(index, _)| *index == shard))
}

fn whole(checkpoint: &Checkpoint, log: &Log) -> Result<(), String> {
    checkpoint.verify().map_err(|why| why.to_string())?;
    if log.root_at(checkpoint.size).as_ref() == Some(&checkpoint.root) {
        Ok(())
    } else {
        Err(told!("w-the-entries-do-not").into())
    }
}

fn read(number: u64, text: &str) -> (Line, Vec<String>) {
    let hash = blake3::hash(text.as_bytes()).to_hex().as_str().chars().take(8).collect();
    let entry = Entry::from_line(text).ok();
    let shards = entry.iter().flat_map(|entry| entry.statements()).map(|s| (s.shard, s.version)).collect();
    let mut line = Line { number, kind: Kind::Other, removed: 0, shards, times: None, hash };
    let mut answers = Vec::new();
    match entry {
        Some(Entry::Deletion(receipt)) => {
            (line.kind, line.removed) = (Kind::Deletion, receipt.removed);
            line.times = receipt.times.map(|times| (times.asked, times.written));
            answers = receipt.requests;
        }
        Some(Entry::Published(_)) => line.kind = Kind::Published,
        Some(Entry::Key(_)) => line.kind = Kind::Key,
        None => {}
    }
    (line, answers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use eemu_core::api::Phase;
    use eemu_core::fingerprint::Fingerprint;
    use eemu_core::receipt::{KeyEntry, Published, Receipt, ShardStatement, Times};

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn statement(shard: u32, version: u64) -> ShardStatement {
        ShardStatement::new(shard, version, "m", &[1; 32], &[2; 32], &[3; 32])
    }

    fn records() -> (Records, Checkpoint) {
        let mut records = Records::default();
        records.push(Entry::Key(KeyEntry::first(&KEY)).to_line().unwrap());
        for version in 0..45 {
            let entry = Published { format: 1, published: vec![statement(version as u32 % 3, version)] };
            records.push(Entry::Published(entry).to_line().unwrap());
        }
        let receipt = Receipt {
            format: 1,
            removed: 4,
            shards: vec![statement(2, 99)],
            config_blake3: String::new(),
            fingerprint: Fingerprint {
                build: String::new(),
                compiler: String::new(),
                target: String::new(),
                device: String::new(),
                processor: Vec::new(),
                bytes_promised: false,
            },
            further_fingerprints: Vec::new(),
            statement: String::new(),
            requests: vec![blake3::hash(b"a name").to_hex().to_string()],
            asked: Vec::new(),
            times: Some(Times { asked: 10, carried_out: None, overwritten: None, compacted: None, written: 20 }),
        };
        records.push(Entry::Deletion(receipt).to_line().unwrap());
        let checkpoint = Checkpoint::sign("here", records.len(), &records.log.root(), &KEY);
        (records, checkpoint)
    }

    #[test]
    fn pages_filters_and_the_export_agree() {
        let (mut records, checkpoint) = records();
        assert_eq!(records.check(&checkpoint), Ok(()));
        let view = |ask: &LogAsk| records.view(ask, &checkpoint, Ok(()), &[]);
        let all = view(&LogAsk::default());
        assert_eq!((all.lines.len(), all.fits, all.size, all.receipts), (PAGE, 47, 47, 1));
        assert_eq!((all.lines[0].number, all.lines[0].times, all.lines[0].removed), (47, Some((10, 20)), 4));
        let last = view(&LogAsk { page: 2, ..LogAsk::default() });
        assert_eq!(last.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [7, 6, 5, 4, 3, 2, 1]);
        let of = LogAsk { kind: Some(Kind::Published), shard: Some(2), ..LogAsk::default() };
        assert_eq!(view(&of).fits, 15);
        let text = records.export(&of);
        let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((rows.len(), rows[0]["number"].as_u64()), (15, Some(4)));
        assert!(rows.iter().all(|row| Entry::from_line(row["entry"].as_str().unwrap()).is_ok()));
    }

    #[test]
    fn receipts_are_found_by_number_and_by_what_was_asked() {
        let (records, _) = records();
        let hash = blake3::hash(b"another").to_hex().to_string();
        let open = RequestStanding {
            name_blake3: hash,
            asked: 1,
            due: 2,
            late: false,
            phase: Phase::Settling,
            shards: 1,
            waiting: vec![0],
        };
        let open = [open];
        let find = |wanted: &str| records.find(wanted, &open);
        let number = |wanted: &str| match find(wanted) {
            Some(Found::Entry(line)) => line.number,
            other => panic!("{other:?}"),
        };
        assert_eq!([number("47"), number("#47"), number("a name"), number("3")], [47, 47, 47, 3]);
        assert_eq!(number(blake3::hash(b"a name").to_hex().as_str()), 47);
        assert!(matches!(find("another"), Some(Found::Open(_))));
        assert_eq!((find("48"), find("")), (Some(Found::Nothing), None));
    }

    #[test]
    fn a_log_with_another_entry_or_one_fewer_is_not_whole() {
        let (known, checkpoint) = records();
        let lines = known.first(47);
        let of = |change: &dyn Fn(&mut Vec<String>)| {
            let (mut changed, mut records) = (lines.clone(), Records::default());
            change(&mut changed);
            changed.into_iter().for_each(|line| records.push(line));
            records.check(&checkpoint)
        };
        assert_eq!(of(&|_| ()), Ok(()));
        // What came after the checkpoint does no harm.
        assert_eq!(of(&|lines| lines.push("one more".into())), Ok(()));
        assert!(of(&|lines| drop(lines.pop())).is_err());
        assert!(of(&|lines| lines[20] = "another".into()).is_err());
    }
}

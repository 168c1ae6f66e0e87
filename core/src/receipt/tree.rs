//! The Merkle tree over the log, as in RFC 6962, with proofs for every size
//! that the log ever had.
//!
//! Hashes of complete subtrees are stored, level by level. Appending adds about
//! two of them; a root or a proof reads about as many as the tree has levels.

use std::sync::Arc;

use imbl::Vector;
use sha2::{Digest, Sha256};

type Hash = [u8; 32];

/// The entries of a log with the tree over them. A clone shares all data with
/// its original, so that readers can keep one while the log grows.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: Vector<Arc<str>>,
    /// `levels[k][n]` is the hash over the entries from n 2^k to (n + 1) 2^k.
    levels: Vec<Vector<Hash>>,
}

fn leaf(line: &str) -> Hash {
    Sha256::new().chain_update([0]).chain_update(line.as_bytes()).finalize().into()
}

fn parent(left: &Hash, right: &Hash) -> Hash {
    #[cfg(test)]
    tests::HASHED.with(|count| count.set(count.get() + 1));
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// How many of `size` entries (2 or more) are in the left half: the greatest
/// power of two below `size`.
fn left_half(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

impl Log {
    /// Builds the log of these lines.
    pub fn new(lines: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        let mut log = Self::default();
        lines.into_iter().for_each(|line| log.push(line));
        log
    }

    /// Appends a line.
    pub fn push(&mut self, line: impl Into<Arc<str>>) {
        let line = line.into();
        let mut hash = leaf(&line);
        self.lines.push_back(line);
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vector::new());
            }
            let row = &mut self.levels[level];
            row.push_back(hash);
            if row.len() % 2 == 1 {
                return;
            }
            hash = parent(&row[row.len() - 2], &hash);
        }
    }

    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line at an index, from 0.
    pub fn line(&self, index: u64) -> Option<&str> {
        self.lines.get(usize::try_from(index).ok()?).map(|line| &**line)
    }

    /// At most `count` lines, from an index on, in order.
    pub fn lines(&self, from: u64, count: u64) -> impl DoubleEndedIterator<Item = &str> {
        let to = from.saturating_add(count).min(self.len());
        (from..to.max(from)).filter_map(|index| self.line(index))
    }

    /// The root over all entries, hex.
    pub fn root(&self) -> String {
        hex::encode(self.range(0, self.len()))
    }

    /// The root of the first `size` entries, hex; `None` if the log is shorter.
    pub fn root_at(&self, size: u64) -> Option<String> {
        (size <= self.len()).then(|| hex::encode(self.range(0, size)))
    }

    /// Proof that the entry at `index` (from 0) was in the log when it had
    /// `size` entries, as hex hashes. `None` if it was not.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<String>> {
        if index >= size || size > self.len() {
            return None;
        }
        let mut proof = Vec::new();
        let (mut from, mut to) = (0, size);
        while to - from > 1 {
            let middle = from + left_half(to - from);
            if index < middle {
                proof.push(self.range(middle, to));
                to = middle;
            } else {
                proof.push(self.range(from, middle));
                from = middle;
            }
        }
        Some(written(proof))
    }

    /// Proof that the log of `later` entries continues the log of `earlier`
    /// entries (1 or more), as hex hashes. `None` if the log never had these
    /// sizes.
    pub fn consistency(&self, earlier: u64, later: u64) -> Option<Vec<String>> {
        if earlier == 0 || earlier > later || later > self.len() {
            return None;
        }
        let mut proof = Vec::new();
        let (mut from, mut to) = (0, later);
        // Descends until the earlier log ends at the end of a subtree.
        while to != earlier {
            let middle = from + left_half(to - from);
            if earlier <= middle {
                proof.push(self.range(middle, to));
                to = middle;
            } else {
                proof.push(self.range(from, middle));
                from = middle;
            }
        }
        // This hash is omitted if the verifier knows it as the earlier root.
        if from > 0 {
            proof.push(self.range(from, to));
        }
        Some(written(proof))
    }

    /// The hash over the entries from `from` to before `to`. A subtree of at
    /// least this size must begin at `from`.
    fn range(&self, from: u64, to: u64) -> Hash {
        let size = to.saturating_sub(from);
        if size == 0 {
            return Sha256::digest(b"").into();
        }
        if size.is_power_of_two() {
            let level = size.trailing_zeros();
            return self.levels[level as usize][(from >> level) as usize];
        }
        let middle = from + left_half(size);
        parent(&self.range(from, middle), &self.range(middle, to))
    }
}

/// Hex hashes from the bottom up, in the order in which proofs are verified.
fn written(proof: Vec<Hash>) -> Vec<String> {
    proof.into_iter().rev().map(hex::encode).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::super::{Checkpoint, verify_consistency, verify_inclusion};
    use super::*;

    thread_local! {
        /// How often two hashes were put together by this thread.
        pub(super) static HASHED: Cell<u64> = const { Cell::new(0) };
    }

    fn line(n: u64) -> String {
        format!("line {n}")
    }

    /// The tree is RFC 6962's: known values from the RFC's reference tests.
    #[test]
    fn roots_are_those_of_the_rfc() {
        assert_eq!(Log::default().root(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(
            Log::new([String::new()]).root(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }

    fn bytes(proof: &[u8]) -> Vec<String> {
        proof.chunks(32).map(hex::encode).collect()
    }

    /// Roots and proofs for every size of the log equal those of an independent
    /// implementation.
    #[test]
    fn proofs_are_those_of_another_tree() {
        let log = Log::new((0..67).map(line));
        let mut other = MemoryBackedTree::<Sha256, String>::new();
        for size in 1..=log.len() {
            other.push(line(size - 1));
            assert_eq!(log.root_at(size).unwrap(), hex::encode(other.root().as_bytes()), "{size}");
            for index in 0..size {
                let expected = bytes(other.prove_inclusion(index as usize).as_bytes());
                assert_eq!(log.inclusion(index, size).unwrap(), expected, "{index} of {size}");
                let earlier = index + 1;
                let expected = bytes(other.prove_consistency((size - earlier) as usize).as_bytes());
                assert_eq!(log.consistency(earlier, size).unwrap(), expected, "{earlier} to {size}");
            }
            assert_eq!(log.inclusion(size, size), None);
        }
        assert_eq!((log.inclusion(0, 68), log.root_at(68)), (None, None));
        assert_eq!((log.consistency(0, 5), log.consistency(6, 5), log.consistency(5, 68)), (None, None, None));
    }

    /// A million entries: every proof verifies, for every tested size, and none
    /// reads more of the tree than its twenty levels.
    #[test]
    fn proofs_of_a_million_entries_read_little() {
        const ENTRIES: u64 = 1_000_000;
        let log = Log::new((0..ENTRIES).map(line));
        let signed = |size| Checkpoint::sign("here", size, &log.root_at(size).unwrap(), &[7; 32]);
        let mut sizes = vec![1, 2, 3, 1 << 19, (1 << 19) + 1, ENTRIES - 1, ENTRIES];
        sizes.extend((1..40).map(|n| n * 24_999 + 17));
        for (place, size) in sizes.iter().copied().enumerate() {
            let index = (size * 7 / 11).min(size - 1);
            HASHED.set(0);
            let proof = log.inclusion(index, size).unwrap();
            let checkpoint = signed(size);
            assert!(proof.len() <= 20 && HASHED.get() <= 60, "{index} of {size}: {}", HASHED.get());
            verify_inclusion(&line(index), index, &proof, &checkpoint).unwrap();
            let earlier = sizes[(place * 5 + 3) % sizes.len()].min(size);
            HASHED.set(0);
            let proof = log.consistency(earlier, size).unwrap();
            assert!(proof.len() <= 21 && HASHED.get() <= 60, "{earlier} to {size}: {}", HASHED.get());
            verify_consistency(&signed(earlier), &checkpoint, &proof).unwrap();
        }
        HASHED.set(0);
        let mut grown = log.clone();
        grown.push(line(ENTRIES));
        assert_eq!(grown.root_at(ENTRIES).unwrap(), log.root());
        assert!(HASHED.get() <= 60, "an entry costs {} hashes", HASHED.get());
    }

    /// The log of a reader does not change when the original grows.
    #[test]
    fn a_clone_stays_as_it_was() {
        let mut log = Log::new((0..5).map(line));
        let kept = log.clone();
        log.push(line(5));
        assert_eq!((kept.len(), kept.root()), (5, log.root_at(5).unwrap()));
        assert_eq!(log.lines(4, 10).collect::<Vec<_>>(), ["line 4", "line 5"]);
        assert_eq!(log.lines(9, 10).count() + log.lines(u64::MAX, 10).count(), 0);
    }
}

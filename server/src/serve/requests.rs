//! Deletion requests in progress, in memory: the store's rows, and the names of
//! requests by what they ask, for repeated requests. Plain values.

use std::collections::HashMap;

use crate::clock::{NoChance, random};
use crate::deleting::id_hash;
use crate::store::{Deferred, Request};

/// Commits a request to its owner, keyed by the request's name. The name's hash, which
/// is stored, does not open the commitment.
pub(super) fn owner_of(id: &str, user: &str) -> [u8; 32] {
    *blake3::keyed_hash(&blake3::derive_key("eemu 2026 owner of a request v1", id.as_bytes()), user.as_bytes())
        .as_bytes()
}

/// Every known request. A clone shares its memory with the original.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    by_id: imbl::HashMap<[u8; 32], Request>,
    /// Requests that removed something and have no receipt yet, ordered by when they were
    /// received.
    open: imbl::OrdSet<(u64, [u8; 32])>,
    /// Deferred requests: accepted and not carried out yet.
    deferred: imbl::HashMap<[u8; 32], Deferred>,
    /// Deferred requests, ordered by when they are due.
    due: imbl::OrdSet<(u64, [u8; 32])>,
}

impl Requests {
    /// The requests that the store holds.
    pub fn new(requests: Vec<Request>, deferred: Vec<Deferred>) -> Self {
        let open = requests.iter().filter(|request| is_open(request)).map(of_open).collect();
        let by_id = requests.into_iter().map(|request| (request.id_hash, request)).collect();
        let mut all = Self { by_id, open, ..Self::default() };
        deferred.into_iter().for_each(|request| all.defer(request));
        all
    }

    /// Removes requests that were answered long ago, as the store does.
    pub fn prune(&mut self, since: f64) {
        self.by_id.retain(|_, request| request.created >= since || is_open(request));
    }

    /// A request by its name.
    pub fn find(&self, name: &str) -> Option<&Request> {
        self.by_id.get(&id_hash(name))
    }

    /// A deferred request, by its name.
    pub fn deferred(&self, name: &str) -> Option<&Deferred> {
        self.deferred.get(&id_hash(name))
    }

    /// Every deferred request, those due first.
    pub fn all_deferred(&self) -> impl Iterator<Item = &Deferred> {
        self.due.iter().filter_map(|(_, id)| self.deferred.get(id))
    }

    /// How many requests are deferred.
    pub fn accepted(&self) -> usize {
        self.deferred.len()
    }

    /// How many deferred requests should have been carried out by now.
    pub fn late(&self, now: f64) -> usize {
        self.all_deferred().take_while(|request| request.due < now).count()
    }

    /// Adds a deferred request.
    pub fn defer(&mut self, request: Deferred) {
        self.due.insert(place(&request));
        self.deferred.insert(request.id_hash, request);
    }

    /// Removes deferred requests that are carried out.
    pub fn carried_out(&mut self, ids: &[[u8; 32]]) {
        for id in ids {
            if let Some(request) = self.deferred.remove(id) {
                self.due.remove(&place(&request));
            }
        }
    }

    /// Adds a request that the store has stored.
    pub fn insert(&mut self, request: Request) {
        if is_open(&request) {
            self.open.insert(of_open(&request));
        }
        self.by_id.insert(request.id_hash, request);
    }

    /// Requests that removed something, have no receipt, and whose shards all have later
    /// live versions than the requests wait for.
    pub fn ready(&self, live: &HashMap<u32, u64>) -> Vec<Request> {
        self.oldest_open().filter(|request| request.is_ready(live)).cloned().collect()
    }

    /// Requests that removed something and have no receipt yet, the earliest first.
    pub fn oldest_open(&self) -> impl Iterator<Item = &Request> {
        self.open.iter().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Sets the receipt of requests.
    pub fn answer(&mut self, ids: &[[u8; 32]], receipt: u64) {
        for id in ids {
            if let Some(request) = self.by_id.get_mut(id) {
                self.open.remove(&of_open(request));
                request.receipt = Some(receipt);
            }
        }
    }

    /// Takes over the times when what requests removed was overwritten and compacted.
    pub fn erased(&mut self, read: &[Request]) {
        for row in read {
            if let Some(request) = self.by_id.get_mut(&row.id_hash) {
                (request.overwritten, request.compacted) = (row.overwritten, row.compacted);
            }
        }
    }

    /// How many requests wait for a receipt.
    pub fn waiting(&self) -> usize {
        self.open.len()
    }
}

/// Sort key by time: positive floating-point numbers sort as their bits do.
fn place(request: &Deferred) -> (u64, [u8; 32]) {
    (request.due.max(0.0).to_bits(), request.id_hash)
}

fn of_open(request: &Request) -> (u64, [u8; 32]) {
    (request.created.max(0.0).to_bits(), request.id_hash)
}

fn is_open(request: &Request) -> bool {
    request.receipt.is_none() && request.removed > 0
}

/// The part of a request that decides whether asking again is the same request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// The user; `None` when items are taken down.
    pub(super) user: Option<u32>,
    /// The items; `None` for all.
    pub(super) items: Option<&'a [u32]>,
    /// Only records earlier than this.
    pub(super) before: Option<f64>,
}

/// Names of requests by a hash of what they ask, so that a repeated request gets the
/// same name. It is kept in memory only; the hash is keyed with a secret of the
/// process.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    names: HashMap<[u8; 32], String>,
    secret: Option<[u8; 32]>,
}

impl Repeated {
    /// The keyed hash of what a request asks.
    ///
    /// # Errors
    /// When the system gave no random bytes.
    pub(super) fn hash(&mut self, ask: Ask<'_>) -> Result<[u8; 32], NoChance> {
        let secret = match self.secret {
            Some(secret) => secret,
            None => *self.secret.insert(random()?),
        };
        let mut items: Vec<u32> = ask.items.unwrap_or_default().to_vec();
        items.sort_unstable();
        items.dedup();
        let mut hasher = blake3::Hasher::new_keyed(&secret);
        hasher.update(&[u8::from(ask.user.is_some()), u8::from(ask.items.is_none())]);
        hasher.update(&ask.user.unwrap_or(0).to_le_bytes());
        hasher.update(&[u8::from(ask.before.is_some())]).update(&ask.before.unwrap_or(0.0).to_le_bytes());
        items.iter().for_each(|item| {
            hasher.update(&item.to_le_bytes());
        });
        Ok(*hasher.finalize().as_bytes())
    }

    /// The name of an earlier request that asked the same.
    pub(super) fn name(&self, hash: &[u8; 32]) -> Option<&str> {
        self.names.get(hash).map(String::as_str)
    }

    /// Stores the name of a request.
    pub(super) fn note(&mut self, hash: [u8; 32], name: &str) {
        self.names.insert(hash, name.to_owned());
    }

    /// Removes the names of requests that are not known any more.
    pub(super) fn prune(&mut self, known: &Requests) {
        self.names.retain(|_, name| known.find(name).is_some() || known.deferred(name).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, removed: u64, shards: &[(u32, u64)]) -> Request {
        Request { id_hash: id_hash(name), removed, shards: shards.to_vec(), created: 5.0, ..Request::default() }
    }

    #[test]
    fn a_request_waits_for_later_versions_of_all_its_shards() {
        let mut all = Requests::new(vec![request("a", 1, &[(0, 3), (1, 3)]), request("none", 0, &[])], Vec::new());
        all.insert(request("b", 2, &[(1, 4)]));
        let before = all.clone();
        let ready = |live: &[(u32, u64)]| all.ready(&live.iter().copied().collect()).len();
        assert_eq!(
            (ready(&[]), ready(&[(0, 4), (1, 3)]), ready(&[(0, 4), (1, 4)]), ready(&[(0, 9), (1, 9)])),
            (0, 0, 1, 2)
        );
        all.answer(&[id_hash("a")], 7);
        assert_eq!((all.find("a").unwrap().receipt, all.waiting()), (Some(7), 1));
        assert_eq!((before.find("a").unwrap().receipt, before.waiting()), (None, 2), "a view moved");
        all.prune(6.0);
        assert!(all.find("a").is_none() && all.find("none").is_none() && all.find("b").is_some());
    }

    #[test]
    fn accepted_requests_stand_in_the_order_of_their_time() {
        let mut all = Requests::default();
        for (name, due) in [("b", 2.0), ("c", 3.0), ("a", 1.0), ("b2", 2.0)] {
            all.defer(Deferred { id_hash: id_hash(name), asked: 0.0, due });
        }
        let dues: Vec<f64> = all.all_deferred().map(|request| request.due).collect();
        assert_eq!((dues, all.late(2.5)), (vec![1.0, 2.0, 2.0, 3.0], 3));
        all.carried_out(&[id_hash("b"), id_hash("a")]);
        assert!(all.deferred("b").is_none() && all.deferred("b2").is_some() && all.accepted() == 2);
    }

    #[test]
    fn asking_again_is_known_until_it_is_pruned() {
        let mut repeated = Repeated::default();
        let ask = |items| Ask { user: Some(1), items, before: None };
        let hash = repeated.hash(ask(Some(&[2, 1, 2]))).unwrap();
        assert_eq!(repeated.hash(ask(Some(&[1, 2]))).unwrap(), hash);
        assert_ne!(repeated.hash(ask(Some(&[]))).unwrap(), repeated.hash(ask(None)).unwrap());
        repeated.note(hash, "a");
        let mut known = Requests::default();
        known.insert(request("a", 1, &[]));
        repeated.prune(&known);
        assert_eq!(repeated.name(&hash), Some("a"));
        repeated.prune(&Requests::default());
        assert_eq!(repeated.name(&hash), None);
    }
}

//! Unlearning requests on their way, in memory: the store's rows, and which
//! name is whose for repeated ones.

use std::collections::HashMap;

use anyhow::Result;

use crate::clock::random;
use crate::store::Request;

/// Every request that is still known.
#[derive(Debug)]
pub struct Requests {
    by_id: HashMap<[u8; 32], Request>,
    /// Names of requests by a hash of what they asked for, so that asking again
    /// is the same request. In memory only, keyed with a secret of the process.
    repeated: HashMap<[u8; 32], String>,
    secret: Option<[u8; 32]>,
}

/// The stored hash of a request's name.
pub(super) fn id_hash(id: &str) -> [u8; 32] {
    *blake3::hash(id.as_bytes()).as_bytes()
}

/// Commits a request to its owner, keyed by its name: the stored hash of the
/// name opens nothing.
pub(super) fn owner_of(id: &str, user: &str) -> [u8; 32] {
    *blake3::keyed_hash(&blake3::derive_key("eemu 2026 owner of a request v1", id.as_bytes()), user.as_bytes())
        .as_bytes()
}

impl Requests {
    /// Takes up the store's requests.
    pub fn new(requests: Vec<Request>) -> Self {
        let by_id = requests.into_iter().map(|request| (request.id_hash, request)).collect();
        Self { by_id, repeated: HashMap::new(), secret: random().ok() }
    }

    /// Takes up what the store holds now, by this or another process.
    pub fn reread(&mut self, requests: Vec<Request>) {
        self.by_id = requests.into_iter().map(|request| (request.id_hash, request)).collect();
    }

    /// Forgets answered requests of long ago, as the store does.
    pub fn prune(&mut self, since: f64) {
        let kept = |r: &Request| r.created >= since || (r.receipt.is_none() && r.removed > 0);
        self.by_id.retain(|_, request| kept(request));
        let by_id = &self.by_id;
        self.repeated.retain(|_, name| by_id.contains_key(&id_hash(name)));
    }

    /// A request by its name.
    pub fn find(&self, id: &str) -> Option<&Request> {
        self.by_id.get(&id_hash(id))
    }

    /// Notes a request that the store has noted.
    pub fn insert(&mut self, id: &str, ask: [u8; 32], request: Request) {
        self.repeated.insert(ask, id.to_owned());
        self.by_id.insert(request.id_hash, request);
    }

    /// A keyed hash of what a request asks for.
    ///
    /// # Errors
    /// When the system gave no random bytes.
    pub fn ask(&mut self, user: Option<u32>, items: &[u32], whole: bool, before: Option<f64>) -> Result<[u8; 32]> {
        let secret = match self.secret {
            Some(secret) => secret,
            None => *self.secret.insert(random()?),
        };
        let mut hasher = blake3::Hasher::new_keyed(&secret);
        hasher.update(&[u8::from(user.is_some()), u8::from(whole)]).update(&user.unwrap_or(0).to_le_bytes());
        hasher.update(&[u8::from(before.is_some())]).update(&before.unwrap_or(0.0).to_le_bytes());
        items.iter().for_each(|item| {
            hasher.update(&item.to_le_bytes());
        });
        Ok(*hasher.finalize().as_bytes())
    }

    /// The name of an earlier request for the same.
    pub fn repeated(&self, ask: &[u8; 32]) -> Option<&str> {
        self.repeated.get(ask).map(String::as_str)
    }

    /// Requests without a receipt that removed something and whose every
    /// shard has a later live version than they wait for.
    pub fn ready(&self, live: &HashMap<u32, u64>) -> Vec<Request> {
        self.by_id.values().filter(|request| request.is_ready(live)).cloned().collect()
    }

    /// Notes the receipt of requests.
    pub fn answer(&mut self, ids: &[[u8; 32]], receipt: u64) {
        for id in ids {
            if let Some(request) = self.by_id.get_mut(id) {
                request.receipt = Some(receipt);
            }
        }
    }

    /// Takes over when what requests removed was overwritten, and compacted.
    pub fn erased(&mut self, read: &[Request]) {
        for row in read {
            if let Some(request) = self.by_id.get_mut(&row.id_hash) {
                (request.overwritten, request.compacted) = (row.overwritten, row.compacted);
            }
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.by_id.values().filter(|r| r.receipt.is_none() && r.removed > 0).count()
    }
}

//! Made-up records in any number.

use std::collections::HashSet;
use std::io::Read;

use eemu_core::random::Key;

/// Made-up records as the text of an interactions file. Every user has about a
/// hundred different items by a Zipf-like popularity, drawn from a random
/// stream of the user's own.
#[derive(Debug)]
pub struct Lines {
    key: Key,
    users: usize,
    items: usize,
    records: usize,
    user: usize,
    text: Vec<u8>,
    read: usize,
}

impl Lines {
    /// This many records of this many items.
    #[must_use]
    pub fn new(records: usize, items: usize) -> Self {
        let text = b"user_id:token\titem_id:token\ttimestamp:float\n".to_vec();
        let users = (records / 100).max(1);
        Self { key: Key::from_seed(1), users, items, records, user: 0, text, read: 0 }
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.text.len() && self.user < self.users {
            self.text.clear();
            self.read = 0;
            let mut stream = self.key.stream("bench synthetic", &[&self.user.to_le_bytes()]);
            let own = self.records * (self.user + 1) / self.users - self.records * self.user / self.users;
            let mut seen = HashSet::with_capacity(own);
            while seen.len() < own {
                // 1 / x has a logarithm for its integral, so popularity falls
                // as 1 / rank.
                let item = ((self.items as f64).powf(stream.unit()) as usize).min(self.items) - 1;
                if seen.insert(item) {
                    self.text.extend(format!("u{}\ti{item}\t{}\n", self.user, seen.len()).bytes());
                }
            }
            self.user += 1;
        }
        let count = buffer.len().min(self.text.len() - self.read);
        buffer[..count].copy_from_slice(&self.text[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

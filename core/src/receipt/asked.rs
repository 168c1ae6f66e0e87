//! Which request a receipt answers, for the asker alone.
//!
//! A receipt holds a commitment to what was asked for, keyed by the request's
//! name. The name is random and known to the asker alone: the service keeps
//! its hash only. Whoever has the name and knows what was asked can show that
//! the receipt answers it; nobody else can tell, not even by trying all
//! requests that there could be.

use serde::{Deserialize, Serialize};

use super::{Receipt, commitment};

/// What a request asked to be forgotten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Its parts; their order does not count.
    pub parts: Vec<AskedPart>,
}

/// One part of a request: one record, what somebody did before a time, all
/// that somebody did, an account, or an item for everybody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedPart {
    /// Whose; absent for an item that is taken down for everybody.
    pub user: Option<String>,
    /// Which item; absent for all.
    pub item: Option<String>,
    /// Only what is earlier than this, in the data's own unit.
    pub before: Option<f64>,
    /// The account too.
    pub account: bool,
}

impl AskedPart {
    /// The bytes that are committed to: lengths before texts, so that no two
    /// parts have the same.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.account)];
        for text in [&self.user, &self.item] {
            match text {
                None => bytes.push(0),
                Some(text) => {
                    bytes.push(1);
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        match self.before {
            None => bytes.push(0),
            Some(time) => {
                bytes.push(1);
                bytes.extend(time.to_le_bytes());
            }
        }
        bytes
    }
}

impl Asked {
    /// The commitment to this under a request's name, hex.
    pub fn committed(&self, name: &str) -> String {
        let mut parts: Vec<Vec<u8>> = self.parts.iter().map(AskedPart::bytes).collect();
        parts.sort_unstable();
        parts.dedup();
        let mut bytes = b"eemu request v1".to_vec();
        for part in parts {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        commitment(&blake3::derive_key("eemu 2026 what a request asked v1", name.as_bytes()), &bytes)
    }
}

impl Receipt {
    /// Whether this answers the request of a name.
    pub fn answers(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// Whether this answers the request of a name, and that asked for this.
    pub fn answers_what(&self, name: &str, asked: &Asked) -> bool {
        let committed = self.place(name).and_then(|place| self.asked.get(place));
        committed.is_some_and(|committed| *committed == asked.committed(name))
    }

    fn place(&self, name: &str) -> Option<usize> {
        let hash = blake3::hash(name.as_bytes()).to_hex();
        self.requests.iter().position(|request| *request == hash.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_and_the_very_request_open_it() {
        let part = |user: &str, item: &str| AskedPart {
            user: Some(user.into()),
            item: Some(item.into()),
            ..AskedPart::default()
        };
        let asked = Asked { parts: vec![part("a", "x"), part("a", "y")] };
        let committed = asked.committed("name");
        let turned = Asked { parts: vec![part("a", "y"), part("a", "x"), part("a", "y")] };
        assert_eq!(turned.committed("name"), committed);
        assert_ne!(asked.committed("another"), committed);
        let others = [
            vec![part("a", "x")],
            vec![part("a", "x"), part("b", "y")],
            vec![part("ax", ""), part("a", "y")],
            vec![part("a", "x"), AskedPart { before: Some(0.0), ..part("a", "y") }],
            vec![part("a", "x"), AskedPart { account: true, ..part("a", "y") }],
            vec![part("a", "x"), AskedPart { user: None, ..part("a", "y") }],
            vec![part("a", "x"), AskedPart { item: None, ..part("a", "y") }],
        ];
        for parts in others {
            assert_ne!(Asked { parts: parts.clone() }.committed("name"), committed, "{parts:?}");
        }
    }
}

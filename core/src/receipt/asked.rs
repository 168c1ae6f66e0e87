//! Proves to the requester which request a receipt answers.
//!
//! A receipt holds a commitment to the requested deletion, keyed by the
//! request's name. The name is random and known to the requester alone: the
//! service stores its hash only. A holder of the name who knows the request can
//! show that the receipt answers it. Others cannot find out, not even by trying
//! all possible requests.

use serde::{Deserialize, Serialize};

use super::{Receipt, commitment};

/// The deletion that a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Its parts, in any order.
    pub parts: Vec<AskedPart>,
}

/// One part of a request: one record, a user's records before a time, all of a
/// user's records, an account, or an item for all users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedPart {
    /// The user; absent for an item that is taken down for everybody.
    pub user: Option<String>,
    /// The item; absent for all items.
    pub item: Option<String>,
    /// Only records earlier than this, in the data's own unit.
    pub before: Option<f64>,
    /// Whether the account is deleted too.
    pub account: bool,
}

impl AskedPart {
    /// The bytes of the commitment. Lengths precede texts, so that no two
    /// different parts have the same bytes.
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
    /// The commitment to this request under the request's name, hex.
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
    /// Whether this receipt answers the request with this name.
    pub fn answers(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// Whether this receipt answers the request with this name, and the request
    /// asked for `asked`.
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

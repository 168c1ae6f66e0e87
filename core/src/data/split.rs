//! Which records train, which are held out: a function of the data alone.

use serde::{Deserialize, Serialize};

use super::Interactions;

/// Whether records are held out for measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holdout {
    /// A user's last record is for the test, the second last for validation
    /// (users with three or more records). For measuring.
    LeaveOneOut,
    /// A user's last ten records are for the test, the ten before for
    /// validation (users with forty or more records). For measuring on few
    /// people: ten items a person say more than one.
    LeaveTen,
    /// Every record trains. For production.
    None,
}

impl Holdout {
    /// How many records of a user each role holds out, and how many records
    /// the user must have.
    fn sizes(self) -> Option<(usize, usize)> {
        match self {
            Self::LeaveOneOut => Some((1, 3)),
            Self::LeaveTen => Some((10, 40)),
            Self::None => None,
        }
    }
}

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Trains the shard it is assigned to.
    Train = 0,
    /// Chooses hyper-parameters.
    Validation = 1,
    /// Measures.
    Test = 2,
}

/// What each record is for: a function of how many records its user has, and
/// of its place among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    holdout: Holdout,
}

impl Split {
    /// The split. Forgetting a held-out record moves the user's others.
    pub fn new(holdout: Holdout) -> Self {
        Self { holdout }
    }

    /// The role of the record at a place (from 0) among a user's `count`.
    pub fn role(self, place: usize, count: usize) -> Role {
        let Some((held, least)) = self.holdout.sizes() else { return Role::Train };
        match count - place {
            _ if count < least => Role::Train,
            last if last <= held => Role::Test,
            last if last <= 2 * held => Role::Validation,
            _ => Role::Train,
        }
    }

    /// One user's items with the given role, in the user's order.
    pub fn items(self, interactions: &Interactions, user: u32, role: Role) -> impl Iterator<Item = u32> + '_ {
        let own = interactions.of(user);
        own.iter()
            .enumerate()
            .filter(move |(place, _)| self.role(*place, own.len()) == role)
            .map(|(_, record)| record.item)
    }

    /// Training interactions per item over all shards: d_i of Eq 7.
    pub fn degrees(self, interactions: &Interactions, items: usize) -> Vec<u32> {
        let mut degrees = vec![0; items];
        for user in 0..interactions.users() {
            for item in self.items(interactions, user, Role::Train) {
                degrees[item as usize] += 1;
            }
        }
        degrees
    }
}

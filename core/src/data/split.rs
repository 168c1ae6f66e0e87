//! The split of records into training, validation and test: a function of the
//! data alone.

use serde::{Deserialize, Serialize};

use super::Interactions;

/// Whether and how records are held out for evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holdout {
    /// A user's last record is the test record, the second last the validation
    /// record (users with three or more records). For evaluation.
    LeaveOneOut,
    /// A user's last ten records are test records, the ten before are
    /// validation records (users with forty or more records). For evaluation on
    /// few users: ten items of a user tell more than one.
    LeaveTen,
    /// Every record is a training record. For production.
    None,
}

impl Holdout {
    /// The number of records that each held-out role takes from a user, and the
    /// number of records that the user must have.
    fn sizes(self) -> Option<(usize, usize)> {
        match self {
            Self::LeaveOneOut => Some((1, 3)),
            Self::LeaveTen => Some((10, 40)),
            Self::None => None,
        }
    }
}

/// The role of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Trains the shard to which it is assigned.
    Train = 0,
    /// Serves to choose hyper-parameters.
    Validation = 1,
    /// Serves to measure accuracy.
    Test = 2,
}

/// Assigns a role to each record: a function of the record's position among its
/// user's records and of their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    holdout: Holdout,
}

impl Split {
    /// A split by this hold-out. Deleting a held-out record changes the roles
    /// of the user's other records.
    pub fn new(holdout: Holdout) -> Self {
        Self { holdout }
    }

    /// The role of the record at position `place` (from 0) among a user's
    /// `count` records.
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

    /// The number of training interactions of each item over all shards: d_i of
    /// Eq 7.
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

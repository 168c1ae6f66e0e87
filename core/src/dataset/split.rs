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

/// The role of every record, in the order of [`Interactions::all`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    roles: Vec<Role>,
}

impl Split {
    /// Derives the split. Forgetting a held-out record re-derives it.
    pub fn new(interactions: &Interactions, holdout: Holdout) -> Self {
        let mut roles = vec![Role::Train; interactions.len()];
        if let Some((held, least)) = holdout.sizes() {
            for user in 0..interactions.users() {
                let count = interactions.of(user).len();
                if count >= least {
                    let end = interactions.start(user) + count;
                    roles[end - held..end].fill(Role::Test);
                    roles[end - 2 * held..end - held].fill(Role::Validation);
                }
            }
        }
        Self { roles }
    }

    /// The role of each record.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// One user's items with the given role, in the user's order.
    pub fn items<'a>(
        &'a self,
        interactions: &'a Interactions,
        user: u32,
        role: Role,
    ) -> impl Iterator<Item = u32> + 'a {
        let start = interactions.start(user);
        interactions
            .of(user)
            .iter()
            .enumerate()
            .filter(move |(place, _)| self.roles[start + place] == role)
            .map(|(_, record)| record.item)
    }

    /// Training interactions per item over all shards: d_i of Eq 7.
    pub fn degrees(&self, interactions: &Interactions, items: usize) -> Vec<u32> {
        let mut degrees = vec![0; items];
        for (record, role) in interactions.all().iter().zip(&self.roles) {
            if *role == Role::Train {
                degrees[record.item as usize] += 1;
            }
        }
        degrees
    }
}

//! What is known: the frozen [`Catalog`] and the [`Interactions`].
//!
//! The catalogue (who is admitted, which items exist, their features and
//! vocabularies) is decided at import and frozen: no interaction can move it,
//! so removing one leaves every index where it was. Interactions are keyed by
//! (user, item); everything derived from them is recomputed, never patched.

mod catalog;
mod interactions;
mod split;

pub use catalog::{Catalog, Column, Entities, UNKNOWN, Values};
pub(crate) use interactions::record_number;
pub use interactions::{Interaction, Interactions};
pub use split::{Holdout, Role, Split};

//! What is known: the frozen [`Catalog`] and the [`Interactions`].
//!
//! The catalogue (who is admitted, which items exist, their features and
//! vocabularies) is decided at import and frozen: no interaction can move it,
//! so removing one leaves every index where it was. Interactions are keyed by
//! (user, item); everything derived from them is recomputed, never patched.

mod admit;
mod atomic;
mod buckets;
mod catalog;
mod core_filter;
mod import;
mod interactions;
mod movielens;
mod reader;
mod records;
mod split;
mod table;

pub use admit::{NewPerson, read_people};
pub use atomic::{AtomicFiles, read_atomic};
pub use buckets::{Bucketing, Cut, Range};
pub use catalog::{Catalog, Column, Entities, UNKNOWN, Values};
pub use core_filter::{Core, k_core};
pub use import::{DenseFeature, ImportOptions, ImportReport, Imported};
pub(crate) use interactions::record_number;
pub use interactions::{Interaction, Interactions};
pub use movielens::{MovieLensFiles, read_movielens};
pub use reader::{MAX_LINE, Source};
pub use split::{Holdout, Role, Split};

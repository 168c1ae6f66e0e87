//! The data: the frozen [`Catalog`] and the [`Interactions`].
//!
//! The catalogue (admitted users, items, their features and vocabularies) is
//! decided at import and frozen: no interaction changes it, so deleting one
//! leaves every index as it was. Interactions are keyed by (user, item); all
//! values derived from them are recomputed, never patched.

mod admit;
mod atomic;
mod bad_lines;
mod buckets;
mod catalog;
mod core_filter;
mod import;
mod interactions;
mod movielens;
mod new_items;
mod reader;
mod records;
mod split;
mod survey;
mod table;
pub mod tables;
mod values;

pub use admit::{NewPerson, read_people};
pub use atomic::{AtomicFiles, read_atomic, read_atomic_into};
pub use bad_lines::BadLines;
pub use buckets::{Bucketing, Cut, Range};
pub use catalog::{Catalog, Entities};
pub use core_filter::{Core, k_core};
pub use import::{DenseFeature, ImportOptions, ImportReport, Imported};
pub(crate) use interactions::record_number;
pub use interactions::{Duplicates, Interaction, Interactions, are_timed};
pub use movielens::{MovieLensFiles, read_movielens, read_movielens_into};
pub use new_items::{FeatureValue, ItemOutcome, ItemRow};
pub use reader::{MAX_LINE, Source};
pub use records::{LONGEST_ID, Screen};
pub use split::{Holdout, Role, Split};
pub use survey::{Span, Survey};
pub use values::{Column, UNKNOWN, Values};

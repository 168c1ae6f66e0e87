//! What can be computed from counts in one go: EASE, ItemKNN, transitions.
//!
//! Each is a fixed function of integer counts, so retraining is computing it
//! again, and its bytes follow from the records alone.
//!
//! | file | idea |
//! |---|---|
//! | `counts` | who did both, what came after what: integers |
//! | `ease` | EASE, a model that can be deployed |
//! | `factors` | EASE's kernel as a product of item vectors |
//! | `neighbours` | ItemKNN and transitions, for comparison |

mod counts;
mod ease;
mod factors;
mod neighbours;

pub use ease::{Ease, EaseConfig};
pub use factors::{Factors, ease_factors};
pub use neighbours::Neighbours;

//! What can be computed from counts in one go: EASE, ItemKNN, transitions.
//!
//! Each is a fixed function of integer counts, so retraining is computing it
//! again, and its bytes follow from the records alone.
//!
//! | file | idea |
//! |---|---|
//! | `counts` | who did both, what came after what: integers |
//! | `ease` | EASE, a model that can be deployed |
//! | `kernel` | a shard's own kernel between items, as a product of vectors |
//! | `spectrum` | the eigenvectors that a kernel is made of |
//! | `neighbours` | ItemKNN and transitions, for comparison |

mod counts;
mod ease;
mod kernel;
mod neighbours;
#[cfg(feature = "linear-algebra")]
mod spectrum;

pub use ease::{Ease, EaseConfig};
pub use kernel::{Kernel, KernelBase, KernelConfig};
pub use neighbours::Neighbours;

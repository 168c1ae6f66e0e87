//! Models that are computed from counts in closed form: EASE, the kernel,
//! ItemKNN and transitions.
//!
//! Each is a fixed function of integer counts. To retrain a model is to compute
//! it again, and its bytes depend on the records (and the catalogue) alone.
//!
//! | file | idea |
//! |---|---|
//! | `counts` | co-occurrence and transition counts: integers |
//! | `ease` | EASE, a model that can be deployed |
//! | `kernel` | a shard's own item-to-item kernel, as a product of vectors |
//! | `spectrum` | the eigenvectors of which a kernel is made |
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

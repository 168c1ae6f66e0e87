//! Operate: what whoever runs the service sees of it. It names shards and
//! counts; nobody's records.
//!
//! | module | idea |
//! |---|---|
//! | `protocol` | what is seen |
//! | `look` | looking, in the worker; the log is checked as a whole |
//! | `page` | showing |

pub(crate) mod look;
pub mod page;
pub mod protocol;

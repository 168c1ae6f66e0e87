//! Operate: what whoever runs the service sees of it. It names shards and
//! counts; nobody's records.
//!
//! | module | idea |
//! |---|---|
//! | `protocol` | what is seen |
//! | `records` | the log: fetched once, checked as a whole, cut into pages |
//! | `look` | looking and acting, in the worker |
//! | `office` | what is asked and answered beside looking |
//! | `example` | what is shown without a token |
//! | `page` | showing |

mod example;
pub(crate) mod look;
pub(crate) mod office;
pub mod page;
pub mod protocol;
mod records;

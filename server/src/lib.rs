//! Durable state and operators of EEMU.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod store;

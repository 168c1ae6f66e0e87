//! Checks that cross rooms: golden cases, a slow reference, worlds to test in,
//! a service, a browser.

pub mod browser;
pub mod bucket;
pub mod golden;
pub mod killing;
pub mod postgres;
pub mod service;
pub mod slow;
pub mod worlds;

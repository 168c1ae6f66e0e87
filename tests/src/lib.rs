//! Checks that cross rooms: golden cases, a slow reference, worlds to test in,
//! a service, a browser.

pub mod browser;
pub mod golden;
pub mod proxy;
pub mod service;
pub mod shop;
pub mod slow;
pub mod worlds;

//! Killed at named steps and at random moments, the service keeps every
//! acknowledged change, serves nothing half-written, and ends in the state of
//! an undisturbed service.

#![allow(clippy::unwrap_used)]

use eemu_server::store::Location;
use eemu_tests::killing::{Extent, kill_in_a_loop};

#[test]
fn kill_nine_in_a_loop() {
    Extent::of_environment().play(|round| {
        let kept = tempfile::tempdir().unwrap();
        kill_in_a_loop(&Location::from(&kept.path().join("state")), &[], round)
    });
}

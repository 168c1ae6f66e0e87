//! Killed at named steps and at random moments, the service keeps what it
//! acknowledged, serves nothing half-made, and ends where an undisturbed one does.

#![allow(clippy::unwrap_used)]

use eemu_server::store::Location;
use eemu_tests::killing::{Extent, kill_in_a_loop};

#[test]
fn kill_nine_in_a_loop() {
    let kept = tempfile::tempdir().unwrap();
    let location = Location::from(&kept.path().join("state"));
    let extent = Extent::of_environment();
    let kills = kill_in_a_loop(&location, &[], extent);
    println!("killed {kills} times of {}", extent.kills);
}

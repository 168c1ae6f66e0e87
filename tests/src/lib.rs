//! Checks that cross rooms.

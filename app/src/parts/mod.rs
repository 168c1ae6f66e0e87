//! What several pages show alike: shards, the pane, bars, sliders, the head,
//! and files handed to the reader.

// Leptos writes `pub` before what a component takes, and a component owns it.
#![allow(unreachable_pub, clippy::needless_pass_by_value)]

pub(crate) mod bars;
pub(crate) mod glide;
pub(crate) mod header;
pub(crate) mod language;
pub(crate) mod late;
pub(crate) mod pane;
pub(crate) mod picture;
pub(crate) mod portions;
pub(crate) mod save;
pub(crate) mod shapes;
pub(crate) mod slider;
pub(crate) mod words;

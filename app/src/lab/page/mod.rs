//! The Lab's page: a rail of eight steps, words on the left, a figure on the
//! right.
//!
//! | module | idea |
//! |---|---|
//! | `state` | what is shown: one set of signals |
//! | `client` | the page's end of the worker |
//! | `location` | the address bar, forwards and back |
//! | `frame` | header, rail, keys, the live region |
//! | `words` | what each step says |
//! | `controls` | world, shards, seed, the dot, running and stopping |
//! | `shapes`, `grid`, `figures`, `chart` | how shards, worlds, hashes and costs are drawn |
//! | `early`, `listing`, `twins`, `mistakes`, `costs` | the steps' figures |

// Leptos writes `pub` before what a component takes, and a component owns it.
#![allow(unreachable_pub, clippy::needless_pass_by_value)]

mod chart;
mod client;
mod controls;
mod costs;
mod early;
mod figures;
mod frame;
mod grid;
mod listing;
mod location;
mod mistakes;
mod shapes;
mod state;
mod twins;
mod words;

use leptos::prelude::*;
use wasm_bindgen::JsCast;

pub use state::{Example, example};

/// Puts the page where the waiting sentence stood.
pub fn mount() {
    let Some(place) = document().get_element_by_id("app") else { return };
    place.set_inner_html("");
    if let Ok(place) = place.dyn_into::<web_sys::HtmlElement>() {
        // Dropping the handle would take the page away again.
        leptos::mount::mount_to(place, frame::Frame).forget();
    }
}

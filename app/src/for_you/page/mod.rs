//! For you's page.
//!
//! | module | idea |
//! |---|---|
//! | `state` | what is shown: one set of signals |
//! | `example` | the finished example of the first paint |
//! | `client` | the page's end of the worker |
//! | `location` | the settings in the link's fragment |
//! | `frame` | header, headline, the pane, columns, keys |
//! | `who` | signing in; a visitor's picks and table |
//! | `opening` | a visitor's own file: what was recognised, and changing it |
//! | `deeds` | what somebody did, and forgetting it |
//! | `removal` | asking before something is forgotten, and the seconds to take it back |
//! | `listing` | the adaptation set and the list |
//! | `paper` | the receipt and its checks |
//! | `trial` | forgetting one thing of the example |
//! | `device` | which device computes, and the choice of another |
//! | `settings` | the sliders, and what this browser keeps |

// Leptos writes `pub` before what a component takes, and a component owns it.
#![allow(unreachable_pub, clippy::needless_pass_by_value)]

mod client;
mod deeds;
mod device;
mod example;
mod frame;
mod listing;
mod location;
mod opening;
mod paper;
mod removal;
mod settings;
mod state;
mod trial;
mod who;

pub(crate) use client::Client;
pub(crate) use frame::Frame;
pub(crate) use state::State;

//! The address bar: steps push, everything else replaces; back and forward
//! bring a state back.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::client::Client;
use super::controls::{again, computed};
use super::state::State;
use crate::lab::address::Address;
pub(super) use crate::page::fragment;
use crate::parts::header::Place;

/// The whole link to this state.
pub(super) fn link(address: &Address) -> String {
    let href = window().location().href().unwrap_or_default();
    let page = href.split('#').next().unwrap_or_default();
    format!("{page}#{}", address.fragment())
}

/// Keeps address and state together.
pub(super) fn follow(state: State, client: Client) {
    let shown = StoredValue::new(state.address.with_untracked(|address| address.step));
    Effect::new(move |_| {
        let (text, step) = state.address.with(|address| (format!("#{}", address.fragment()), address.step));
        if fragment() == text || (fragment().is_empty() && text == "#v=1") {
            return;
        }
        let Ok(history) = window().history() else { return };
        // A browser that allows no more entries keeps the page working.
        let _ = if shown.get_value() == step {
            history.replace_state_with_url(&JsValue::NULL, "", Some(&text))
        } else {
            history.push_state_with_url(&JsValue::NULL, "", Some(&text))
        };
        shown.set_value(step);
    });
    let back = move || {
        // The link to another place is none of the Lab.
        if Place::of(&fragment()).is_some_and(|place| place != Place::Lab) {
            return;
        }
        let (address, faults) = Address::parse(&fragment());
        if state.address.with_untracked(|known| *known == address) {
            return;
        }
        shown.set_value(address.step);
        let (same_setup, same_dot) =
            state.address.with_untracked(|known| (known.setup == address.setup, known.dot == address.dot));
        let dot = address.dot;
        if same_setup && !same_dot {
            state.choose(dot);
        }
        // What is to play is computed, as where the link is opened.
        let plays = address.play && !state.address.with_untracked(|known| known.play && known.step == address.step);
        state.address.set(address);
        state.complaints.set(faults);
        if !same_setup {
            state.replay.set(plays);
            state.reset();
        } else if plays && !computed(state) {
            again(state, client);
        }
    };
    let handle = window_event_listener(leptos::ev::hashchange, move |_| back());
    on_cleanup(move || handle.remove());
}

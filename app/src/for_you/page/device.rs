//! Which device computes, and the choice of another. What was chosen and
//! measured is remembered for the session of this tab only.

use leptos::prelude::*;

use super::client::Client;
use super::state::State;
use crate::for_you::protocol::{Device, Order, Speeds, Wish};
use crate::parts::header::device;
use crate::parts::shapes::label;
use crate::say::say;

/// Where the session keeps it.
const PLACE: &str = "device";

/// What this session knows.
pub(super) fn remembered() -> (Wish, Option<Speeds>) {
    let storage = window().session_storage().ok().flatten();
    let kept = storage.and_then(|storage| storage.get_item(PLACE).ok().flatten());
    kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Takes what the worker says of its device.
pub(super) fn take(state: State, now: Device) {
    let text = serde_json::to_string(&(now.wish, &now.speeds));
    if let (Ok(Some(storage)), Ok(text)) = (window().session_storage(), text) {
        // Without room it is measured again.
        let _ = storage.set_item(PLACE, &text);
    }
    let before = state.device.with_untracked(|known| known.as_ref().is_some_and(|known| known.gpu));
    if before != now.gpu {
        state.say(if now.gpu {
            say!("y-lists-are-made-on", why = now.why)
        } else {
            say!("y-lists-are-made-on-2").into()
        });
    }
    state.device.set(Some(now));
}

/// The badge, and behind it the choice.
#[component]
pub(super) fn Devices() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let now = move |of: fn(&Device) -> bool| state.device.with(|device| device.as_ref().is_some_and(of));
    let badge = move || {
        state.device.with(|known| match known {
            Some(known) => device(if known.gpu { "WebGPU" } else { "CPU" }, known.why.clone()),
            None => device("CPU", say!("y-webgpu-not-tried-yet").into()),
        })
    };
    let choice = move |id: &'static str, wish: Wish, words: &'static str, of: fn(&Device) -> bool| {
        view! {
            <label class="chk small">
                <input type="radio" name="device" id=id prop:checked=move || now(of)
                    on:change=move |_| client.send(&Order::Device(wish, None))/>
                <span>{words}</span>
            </label>
        }
    };
    // The badge has no room for the reason on a phone.
    let whole = move || {
        state.device.with(|device| {
            device.as_ref().map(|known| format!("{}: {}.", if known.gpu { "WebGPU" } else { "CPU" }, known.why))
        })
    };
    let measured = move || {
        let speeds = state.device.with(|device| device.as_ref().and_then(|device| device.speeds.clone()))?;
        let (cpu, gpu) = (millis(speeds.cpu), millis(speeds.gpu));
        let words = say!("y-one-shards-list-took", cpu, gpu);
        Some(view! { <p class="tiny muted" id="speeds">{words}</p> })
    };
    // What was forgotten must be gone from here too: the reader can look.
    let held = move || {
        let holds = state.device.with(|device| device.as_ref().map(|known| known.holds.clone()))?;
        let letters: Vec<String> = holds.iter().map(|&shard| label(shard, state.shards())).collect();
        let words = say!("y-on-the-graphics-device", letters = letters.join(", "));
        (!letters.is_empty()).then(|| view! { <p class="tiny muted" id="on-device">{words}</p> })
    };
    view! {
        <details class="menu">
            <summary class="badge" id="device"><span class="sr">{say!("y-device")}" "</span>{badge}</summary>
            <div class="card devices" role="group" aria-label=say!("y-which-device-computes")>
                <p class="small">{whole}</p>
                {choice("faster", Wish::Faster, say!("y-whichever-is-faster"), |device| device.wish == Wish::Faster)}
                {choice("gpu", Wish::Gpu, "WebGPU", |device| device.wish == Wish::Gpu)}
                {choice("cpu", Wish::Cpu, "CPU", |device| device.wish == Wish::Cpu)}
                {measured}
                {held}
            </div>
        </details>
    }
}

fn millis(of: f64) -> String {
    crate::say::decimal(of, usize::from(of < 10.0))
}

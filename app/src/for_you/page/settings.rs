//! Trying other settings: every change makes the list anew, here.

use eemu_core::client::Precision;
use leptos::prelude::*;

use super::client::Client;
use super::location::Chosen;
use super::state::State;
use crate::for_you::protocol::Order;
use crate::parts::slider::Slider;
use crate::parts::words;

/// The sliders, and what this browser keeps.
#[component]
pub(super) fn Settings() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let now = Memo::new(move |_| state.ask().or_else(|| super::example::list().map(|list| list.ask)));
    let of = move |value: fn(&crate::for_you::protocol::Ask) -> f64| {
        Signal::derive(move || now.with(|now| now.as_ref().map_or(0.0, value)))
    };
    let shown = move |value: Signal<f64>, digits: usize| Signal::derive(move || format!("{:.digits$}", value.get()));
    let slide = move |act: fn(&mut Chosen, f64)| {
        Callback::new(move |event: web_sys::Event| {
            if let Ok(value) = event_target_value(&event).parse::<f64>() {
                state.chosen.update(|chosen| act(chosen, value));
            }
        })
    };
    let (size, step, steps) = (of(|ask| ask.size as f64), of(|ask| f64::from(ask.step)), of(|ask| ask.steps as f64));
    let (rare, top) = (of(|ask| 1.0 / ask.temperature), of(|ask| ask.top as f64));
    let recent = of(|ask| if ask.recency > 0.0 { 1.0 / ask.recency } else { 0.0 });
    let fading = Signal::derive(move || match now.with(|now| now.as_ref().map_or(0.0, |ask| ask.recency)) {
        recency if recency > 0.0 => format!("over {:.0} records", recency.max(1.0)),
        _ => "off".into(),
    });
    let timeless = Memo::new(move |_| {
        let alike = |s: &crate::for_you::protocol::Service| s.history.iter().all(|deed| deed.when == s.history[0].when);
        state.shown(|s| !s.history.is_empty() && alike(s)).unwrap_or_default()
    });
    let changed = Memo::new(move |_| state.chosen.with(|chosen| *chosen != Chosen::default()) || state.draw.get() > 0);
    let service =
        move |of: fn(&crate::for_you::protocol::Service) -> bool| state.service.with(|s| s.as_ref().is_some_and(of));
    let half = Memo::new(move |_| service(|service| service.precision == Precision::F16));
    view! {
        <section class="tries" aria-labelledby="tries">
            <div class="head">
                <h2 id="tries">"Try other settings"</h2>
                <button type="button" class="btn s quiet" id="usual" disabled=move || !changed.get()
                    on:click=move |_| { state.draw.set(0); state.chosen.set(Chosen::default()) }>"Reset"</button>
            </div>
            <Slider name="n" label="Purchases that adapt" low=0.0 high=100.0 step=1.0 value=size shown=shown(size, 0)
                slide=slide(|chosen, value| chosen.size = Some(value as usize))/>
            <Slider name="tau" label="Prefer rare purchases (1/τ)" low=1.0 high=100.0 step=1.0 value=rare shown=shown(rare, 0)
                slide=slide(|chosen, value| chosen.temperature = Some((1000.0 / value).round() / 1000.0))/>
            <Slider name="r" label="Prefer recent purchases" low=0.0 high=1.0 step=0.05 value=recent shown=fading
                slide=slide(|chosen, value| {
                    chosen.recency = Some(if value > 0.0 { (1000.0 / value).round() / 1000.0 } else { 0.0 });
                })/>
            {move || timeless.get().then(|| view! {
                <p class="tiny muted">"Nothing here says when it was, so all are of one age."</p>
            })}
            <Slider name="a" label="Inner step" low=0.01 high=2.0 step=0.01 value=step shown=shown(step, 2)
                slide=slide(|chosen, value| chosen.step = Some(value as f32))/>
            <Slider name="t" label="Steps" low=1.0 high=10.0 step=1.0 value=steps shown=shown(steps, 0)
                slide=slide(|chosen, value| chosen.steps = Some(value as usize))/>
            <Slider name="k" label="Length of the list" low=5.0 high=50.0 step=1.0 value=top shown=shown(top, 0)
                slide=slide(|chosen, value| chosen.top = Some(value as usize))/>
            <p class="tiny muted">"Switch shards off in the pane above. The settings are in the link; nothing about you is."</p>
            <details class="kept">
                <summary class="small">"What this browser keeps"</summary>
                <p class="small muted">{move || keeps(state)}</p>
                <label class="chk small">
                    <input type="checkbox" id="half" prop:checked=move || half.get()
                        on:change=move |event| client.send(&Order::Precision(
                            if event_target_checked(&event) { Precision::F16 } else { Precision::F32 }))/>
                    "Half the download, rounded: scores move a little"
                </label>
                <button type="button" class="btn s" id="clear" on:click=move |_| client.send(&Order::Clear)>"Empty it"</button>
            </details>
        </section>
    }
}

fn keeps(state: State) -> String {
    state.service.with(|service| match service {
        Some(service) if service.keeps => format!(
            "Models ({}), until the server no longer lists them; your rows, records or picks until you sign out or empty \
             it. Without a network lists work until {}.",
            words::size(service.bytes),
            words::clock(service.valid_until)
        ),
        Some(_) => "Nothing: it has no room, or allows none. Models are downloaded each visit.".into(),
        None => "Nothing yet.".into(),
    })
}

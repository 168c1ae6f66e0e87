//! Trying other settings: every change makes the list anew, here.

use eemu_core::client::Precision;
use eemu_core::model::ModelKind;
use leptos::prelude::*;

use super::client::Client;
use super::location::Chosen;
use super::state::State;
use crate::for_you::protocol::{Ask, Order, Service};
use crate::parts::slider::Slider;
use crate::parts::words;
use crate::say::say;

/// As many records as everything: the service's own default.
const ALL: usize = 1000;
/// Newest records that a slider tells apart; its last stop is all of them.
const STOPS: usize = 51;

/// The sliders, and what this browser keeps.
#[component]
pub(super) fn Settings() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let knobs = Knobs { state, now: Memo::new(move |_| state.shown_ask()) };
    let kind = Memo::new(move |_| state.kind());
    let top = knobs.of(|ask| ask.top as f64);
    let changed = Memo::new(move |_| state.chosen.with(|chosen| *chosen != Chosen::default()) || state.draw.get() > 0);
    let service = move |of: fn(&Service) -> bool| state.service.with(|s| s.as_ref().is_some_and(of));
    let half = Memo::new(move |_| service(|service| service.precision == Precision::F16));
    view! {
        <section class="tries" aria-labelledby="tries">
            <div class="head">
                <h2 id="tries">{say!("y-try-other-settings")}</h2>
                <button type="button" class="btn s quiet" id="usual" disabled=move || !changed.get()
                    on:click=move |_| { state.draw.set(0); state.chosen.set(Chosen::default()) }>{say!("y-reset")}</button>
            </div>
            {move || match kind.get() {
                ModelKind::TwoTower | ModelKind::DeepFm => pairs(knobs).into_any(),
                kind => records(knobs, kind).into_any(),
            }}
            <Slider name="k" label=say!("y-length-of-the-list") low=5.0 high=50.0 step=1.0 value=top shown=number(top, 0)
                slide=knobs.slide(|chosen, value| chosen.top = Some(value as usize))/>
            <p class="tiny muted">{say!("y-switch-shards-off-in")}</p>
            <details class="kept">
                <summary class="small">{say!("y-what-this-browser-keeps")}</summary>
                <p class="small muted">{move || keeps(state)}</p>
                <label class="chk small">
                    <input type="checkbox" id="half" prop:checked=move || half.get()
                        on:change=move |event| client.send(&Order::Precision(
                            if event_target_checked(&event) { Precision::F16 } else { Precision::F32 }))/>
                    {say!("y-half-the-download-rounde")}
                </label>
                <Emptying/>
            </details>
        </section>
    }
}

/// Emptying what is kept: asked about, because more goes than files.
#[component]
fn Emptying() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let asked = RwSignal::new(false);
    move || {
        if !asked.get() {
            return view! { <button type="button" class="btn s" id="clear" on:click=move |_| asked.set(true)>{say!("y-empty-it")}</button> }
                .into_any();
        }
        view! {
            <div class="confirm" role="group" aria-label=say!("y-empty-what-this-browser")>
                <p class="small">
                    {say!("y-models-picks-your-sign")}
                </p>
                <div class="row">
                    <button type="button" class="btn s danger" id="clear-yes" on:click=move |_| {
                        asked.set(false);
                        client.send(&Order::Clear);
                        state.say(say!("y-emptied-this-browser-kee"));
                    }>{say!("y-empty-it-2")}</button>
                    <button type="button" class="btn s" on:click=move |_| asked.set(false)>{say!("y-keep-it")}</button>
                </div>
            </div>
        }
        .into_any()
    }
}

/// What the sliders read and move.
#[derive(Clone, Copy)]
struct Knobs {
    state: State,
    now: Memo<Ask>,
}

impl Knobs {
    fn of(self, value: fn(&Ask) -> f64) -> Signal<f64> {
        Signal::derive(move || self.now.with(value))
    }

    fn slide(self, act: impl Fn(&mut Chosen, f64) + Send + Sync + 'static) -> Callback<web_sys::Event> {
        Callback::new(move |event: web_sys::Event| {
            if let Ok(value) = event_target_value(&event).parse::<f64>() {
                self.state.chosen.update(|chosen| act(chosen, value));
            }
        })
    }
}

fn number(value: Signal<f64>, digits: usize) -> Signal<String> {
    Signal::derive(move || crate::say::decimal(value.get(), digits))
}

/// Whether nothing is known of the order of what somebody did.
fn is_timeless(state: State) -> bool {
    let alike = |service: &Service| service.history.windows(2).all(|two| two[0].when == two[1].when);
    state.shown(|service| !service.history.is_empty() && alike(service)).unwrap_or_default()
}

/// Models of items: how much of what somebody did counts, and the inner step.
fn records(knobs: Knobs, kind: ModelKind) -> impl IntoView {
    let state = knobs.state;
    let many = Memo::new(move |_| state.shown(|service| service.history.len()).unwrap_or_default());
    let size = Memo::new(move |_| knobs.now.with(|now| now.size));
    let timeless = Memo::new(move |_| is_timeless(state));
    let all = Memo::new(move |_| size.get() >= many.get());
    // The last stop is everything.
    let last = Memo::new(move |_| if many.get() == 0 { STOPS } else { many.get().min(STOPS) });
    let value = Signal::derive(move || if all.get() { last.get() } else { size.get().min(last.get()) } as f64);
    let shown = Signal::derive(move || match size.get() {
        0 => say!("y-nothing").into(),
        _ if all.get() => say!("y-all").into(),
        n if timeless.get() => n.to_string(),
        1 => say!("y-the-newest").into(),
        n => say!("y-the-newest-2", n),
    });
    let everything = move || {
        let usual = state.service.with_untracked(|service| service.as_ref().map_or(ALL, |s| s.usual.size));
        (usual < ALL).then_some(ALL)
    };
    let (step, steps) = (knobs.of(|ask| f64::from(ask.step)), knobs.of(|ask| ask.steps as f64));
    let times = Signal::derive(move || format!("× {}", crate::say::decimal(step.get(), 2)));
    view! {
        {move || {
            let last = last.get();
            view! {
                <Slider name="n" label=say!("y-how-much-of-what") low=0.0 high=last as f64 step=1.0 value shown
                    slide=knobs.slide(move |chosen, value| {
                        chosen.size = if value as usize >= last { everything() } else { Some(value as usize) };
                    })/>
            }
        }}
        {(kind == ModelKind::Episodes).then(|| view! {
            <Slider name="a" label=say!("y-inner-step-against-the") low=0.0 high=2.0 step=0.05 value=step shown=times
                slide=knobs.slide(|chosen, value| chosen.step = Some(((value * 100.0).round() / 100.0) as f32))/>
            <Slider name="t" label=say!("y-steps") low=1.0 high=4.0 step=1.0 value=steps shown=number(steps, 0)
                slide=knobs.slide(|chosen, value| chosen.steps = Some(value as usize))/>
        })}
    }
}

/// Low-rank models: which pairs are drawn, and the inner steps on them.
fn pairs(knobs: Knobs) -> impl IntoView {
    let state = knobs.state;
    let (size, rare) = (knobs.of(|ask| ask.size as f64), knobs.of(|ask| 1.0 / ask.temperature));
    let (step, steps) = (knobs.of(|ask| f64::from(ask.step)), knobs.of(|ask| ask.steps as f64));
    let recent = knobs.of(|ask| if ask.recency > 0.0 { 1.0 / ask.recency } else { 0.0 });
    let fading = Signal::derive(move || match knobs.now.with(|now| now.recency) {
        recency if recency > 0.0 => say!("y-over-records", recency = (recency.max(1.0), 0)),
        _ => say!("off").into(),
    });
    let timeless = Memo::new(move |_| is_timeless(state));
    view! {
        <Slider name="n" label=say!("y-purchases-that-adapt") low=0.0 high=100.0 step=1.0 value=size shown=number(size, 0)
            slide=knobs.slide(|chosen, value| chosen.size = Some(value as usize))/>
        <Slider name="tau" label=say!("y-prefer-rare-purchases-1") low=1.0 high=100.0 step=1.0 value=rare shown=number(rare, 0)
            slide=knobs.slide(|chosen, value| chosen.temperature = Some((1000.0 / value).round() / 1000.0))/>
        <Slider name="r" label=say!("y-prefer-recent-purchases") low=0.0 high=1.0 step=0.05 value=recent shown=fading
            slide=knobs.slide(|chosen, value| {
                chosen.recency = Some(if value > 0.0 { (1000.0 / value).round() / 1000.0 } else { 0.0 });
            })/>
        {move || timeless.get().then(|| view! {
            <p class="tiny muted">{say!("y-nothing-here-says-when")}</p>
        })}
        <Slider name="a" label=say!("y-inner-step") low=0.01 high=2.0 step=0.01 value=step shown=number(step, 2)
            slide=knobs.slide(|chosen, value| chosen.step = Some(value as f32))/>
        <Slider name="t" label=say!("y-steps") low=1.0 high=10.0 step=1.0 value=steps shown=number(steps, 0)
            slide=knobs.slide(|chosen, value| chosen.steps = Some(value as usize))/>
    }
}

fn keeps(state: State) -> String {
    let rows = if state.kind().is_of_items() { "no" } else { "yes" };
    state.service.with(|service| match service {
        Some(service) if service.insecure => say!("y-nothing-this-page-came").into(),
        Some(service) if service.keeps && service.stored == 0 => say!("y-no-models-now-they").into(),
        Some(service) if service.keeps => {
            say!("y-keeps-models", size = words::size(service.stored), rows, until = words::clock(service.valid_until))
        }
        Some(_) => say!("y-nothing-it-has-no").into(),
        None => say!("y-nothing-yet").into(),
    })
}

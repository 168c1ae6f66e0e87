//! A slider with its value beside its name, and in words for those who hear it.

use leptos::prelude::*;

#[component]
pub(crate) fn Slider(
    name: &'static str,
    label: &'static str,
    low: f64,
    high: f64,
    step: f64,
    value: Signal<f64>,
    shown: Signal<String>,
    slide: Callback<web_sys::Event>,
) -> impl IntoView {
    view! {
        <label class="sl">
            <span class="row"><span>{label}</span><b class="num">{shown}</b></span>
            <input
                id=format!("slide-{name}")
                type="range"
                min=low
                max=high
                step=step
                aria-valuetext=shown
                prop:value=move || value.get().to_string()
                on:input=move |event| slide.run(event)
            />
        </label>
    }
}

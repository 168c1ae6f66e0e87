//! The page's program: which place is shown.

use leptos::prelude::*;
use leptos_fluent::{I18n, leptos_fluent};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::for_you::page::{Client, State};
use crate::for_you::protocol::Order;
use crate::parts::header::Place;
use crate::parts::language;
use crate::say::PAGE;
use crate::{for_you, lab, operate, pause, say};

/// Puts the page where the waiting sentence stood.
pub fn mount() {
    let Some(place) = document().get_element_by_id("app") else { return };
    if let Ok(place) = place.dyn_into::<web_sys::HtmlElement>() {
        spawn_local(async move {
            let first = match Place::of(&fragment()) {
                Some(place) => place,
                None if has_service().await => Place::ForYou,
                None => Place::Lab,
            };
            // A task for reading the example and one for the page: a program that
            // just started is slow, and neither is to hold the thread for long.
            lab::page::example();
            pause::wait(0).await;
            place.set_inner_html("");
            // Dropping the handle would take the page away again.
            leptos::mount::mount_to(place, move || view! { <Root first/> }).forget();
        });
    }
}

/// The page's fragment.
pub(crate) fn fragment() -> String {
    window().location().hash().unwrap_or_default()
}

/// Where the worker keeps files, which tells that there was a service: by the
/// app's path, as other apps of this host may have theirs.
fn kept_files() -> String {
    let path = window().location().pathname().unwrap_or_default();
    format!("kept-files{}", path.rsplit_once('/').map_or("", |(folder, _)| folder))
}

/// Menus close when somebody presses Escape, or clicks beside them.
fn close_menus() {
    let open = |but: Option<web_sys::Node>| {
        let Ok(menus) = document().query_selector_all("details.menu[open]") else { return };
        for menu in (0..menus.length()).filter_map(|place| menus.get(place)) {
            if but.as_ref().is_none_or(|target| !menu.contains(Some(target)))
                && let Ok(menu) = menu.dyn_into::<web_sys::Element>()
            {
                // What is closed already stays so.
                let _ = menu.remove_attribute("open");
            }
        }
    };
    // They listen as long as the page lives.
    let _ = window_event_listener(leptos::ev::pointerdown, move |event| {
        open(event.target().and_then(|target| target.dyn_into().ok()));
    });
    let _ = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "Escape" {
            let within =
                document().active_element().and_then(|focus| focus.closest("details.menu[open]").ok().flatten());
            open(None);
            let summary = within.and_then(|menu| menu.query_selector("summary").ok().flatten());
            if let Some(summary) = summary.and_then(|summary| summary.dyn_into::<web_sys::HtmlElement>().ok()) {
                let _ = summary.focus();
            }
        }
    });
}

/// Whether a service answers at this address, or did on an earlier visit.
async fn has_service() -> bool {
    match JsFuture::from(window().fetch_with_str("healthz")).await {
        Ok(answer) => {
            let answer: web_sys::Response = answer.unchecked_into();
            let kind = answer.headers().get("content-type").ok().flatten().unwrap_or_default();
            answer.ok() && kind.contains("json")
        }
        Err(_) => {
            let Ok(caches) = window().caches() else { return false };
            JsFuture::from(caches.has(&kept_files())).await.is_ok_and(|kept| kept.is_truthy())
        }
    }
}

/// The language that the address, the reader or the browser names, around the
/// places.
#[component]
fn Root(first: Place) -> impl IntoView {
    leptos_fluent! {
        children: view! { <Places first/> },
        translations: [PAGE],
        locales: "locales/page",
        default_language: "en",
        url_param: "lang",
        initial_language_from_url_param: true,
        local_storage_key: language::KEPT,
        initial_language_from_local_storage: true,
        initial_language_from_navigator: true,
    }
}

#[component]
fn Places(first: Place) -> impl IntoView {
    let place = RwSignal::new(first);
    let i18n = expect_context::<I18n>();
    language::follow_address(i18n);
    close_menus();
    // What belongs to a person stays while they look at the Lab.
    let state = State::new();
    provide_context(state);
    let client = Client::new(state);
    provide_context(client);
    let handle = window_event_listener(leptos::ev::hashchange, move |_| {
        language::follow_address(i18n);
        if let Some(next) = Place::of(&fragment())
            && place.get_untracked() != next
        {
            place.set(next);
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
    });
    on_cleanup(move || handle.remove());
    // Another language draws the place anew.
    move || {
        if language::begin(i18n) {
            state.trouble.set(None);
            client.send(&Order::Speak(say::language().code().to_owned()));
        }
        match place.get() {
            Place::ForYou => view! { <for_you::page::Frame/> }.into_any(),
            Place::Lab => view! { <lab::page::Frame/> }.into_any(),
            Place::Operate => view! { <operate::page::Frame/> }.into_any(),
        }
    }
}

//! The choice of a language, in the head of every page.

use leptos::prelude::*;
use leptos_fluent::I18n;
use wasm_bindgen::JsValue;

use crate::lab::page::focus;
use crate::say::{Language, heard, language, say, speak};

/// Where the browser keeps what was chosen, and the key in an address.
pub(crate) const KEPT: &str = "eemu-language";
const KEY: &str = "lang";

/// The languages by their own names; the closed choice is the code alone.
#[component]
pub(crate) fn LanguageChoice() -> impl IntoView {
    let i18n = expect_context::<I18n>();
    let now = language();
    let options = Language::ALL.map(|one| {
        view! { <option value=one.code() lang=one.code() selected=one == now>{one.name()}</option> }
    });
    view! {
        <span class="badge lang">
            <span aria-hidden="true">{now.code().to_uppercase()}</span>
            <select id="language" aria-label=say!("language") on:change=move |event| choose(i18n, &event_target_value(&event))>
                {options.into_iter().collect_view()}
            </select>
        </span>
    }
}

/// A sentence; what the service said in it is marked as English.
pub(crate) fn spoken(text: &str) -> impl IntoView + use<> {
    let part = |(foreign, part): (bool, String)| match foreign {
        true => view! { <span lang="en">{part}</span> }.into_any(),
        false => part.into_any(),
    };
    heard(text).into_iter().map(part).collect_view()
}

/// Speaks the context's language from here on, and says so to whoever reads
/// the page aloud. Returns whether it is another than before.
pub(crate) fn begin(i18n: I18n) -> bool {
    let next = Language::of(i18n.language.get().id).unwrap_or_default();
    let other = next != language();
    speak(next);
    if let Some(root) = document().document_element() {
        // An attribute of a name that is allowed.
        let _ = root.set_attribute("lang", next.code());
    }
    other
}

/// Takes the language that a fragment names, if it names one.
pub(crate) fn follow_address(i18n: I18n) {
    let fragment = crate::page::fragment();
    let mut parts = fragment.split(['#', '&']).filter_map(|part| part.split_once('='));
    if let Some((_, code)) = parts.find(|(key, _)| *key == KEY) {
        set(i18n, code);
    }
}

fn set(i18n: I18n, code: &str) {
    let known = i18n.languages.iter().find(|known| known.id == code);
    if let Some(known) = known.filter(|known| known.id != i18n.language.get_untracked().id) {
        i18n.language.set(known);
    }
}

/// The reader's choice stands before the browser's and before the address's.
fn choose(i18n: I18n, code: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // Without room it is chosen for this visit.
        let _ = storage.set_item(KEPT, code);
    }
    let location = window().location();
    let (search, hash) = (location.search().unwrap_or_default(), location.hash().unwrap_or_default());
    let other = format!("{}{}", without(&search, '?'), without(&hash, '#'));
    if other != format!("{search}{hash}")
        && let (Ok(history), Ok(path)) = (window().history(), location.pathname())
    {
        // A browser that allows no more entries keeps the page working.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("{path}{other}")));
    }
    set(i18n, code);
    // The choice was drawn anew.
    request_animation_frame(|| focus("language"));
}

/// A query or a fragment without the language in it.
fn without(text: &str, mark: char) -> String {
    let own = |part: &&str| part.split_once('=').is_none_or(|(key, _)| key != KEY);
    let rest = text.trim_start_matches(mark).split('&').filter(own).collect::<Vec<_>>().join("&");
    if rest.is_empty() { String::new() } else { format!("{mark}{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_keeps_everything_else() {
        assert_eq!(without("?lang=de", '?'), "");
        assert_eq!(without("#v=1&lang=fr&step=3", '#'), "#v=1&step=3");
        assert_eq!(without("#for-you", '#'), "#for-you");
    }
}

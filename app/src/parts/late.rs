//! Parts of a page that are put up in a task of their own, so that no one task
//! holds the page's thread for long.

use std::time::Duration;

use leptos::prelude::*;

/// Puts its children up when the present task is over.
#[component]
pub(crate) fn Late(children: ChildrenFn) -> impl IntoView {
    let due = RwSignal::new(false);
    // The place may be gone by then.
    set_timeout(move || drop(due.try_set(true)), Duration::ZERO);
    move || due.get().then(|| children())
}

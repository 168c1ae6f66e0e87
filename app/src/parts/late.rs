//! Parts of a page that are put up in a task of their own, so that no one task
//! holds the page's thread for long.

use std::time::Duration;

use leptos::prelude::*;

/// Puts its children up when the present task is over.
#[component]
pub(crate) fn Late(children: ChildrenFn) -> impl IntoView {
    let due = RwSignal::new(false);
    let put_up = move || {
        // The place may be gone by then.
        let _ = due.try_set(true);
    };
    set_timeout(put_up, Duration::ZERO);
    move || due.get().then(|| children())
}

//! Parts of a page that are put up one after the other, so that no one task
//! holds the page's thread for long: each part is made in a task of its own,
//! when the frame before it, with the layout of the last part, is drawn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use leptos::prelude::*;

thread_local! {
    /// Parts that wait for their frame, in the order of the page.
    static WAITING: RefCell<VecDeque<RwSignal<bool>>> = const { RefCell::new(VecDeque::new()) };
}

/// Puts its children up after the frame of every `Late` before it.
#[component]
pub(crate) fn Late(children: ChildrenFn) -> impl IntoView {
    let due = RwSignal::new(false);
    let first = WAITING.with_borrow_mut(|waiting| {
        waiting.push_back(due);
        waiting.len() == 1
    });
    if first {
        after_frame();
    }
    move || due.get().then(|| children())
}

/// When the next frame is drawn.
fn after_frame() {
    request_animation_frame(|| set_timeout(put_up_next, Duration::ZERO));
}

fn put_up_next() {
    // The place may be gone by then: the next one's turn.
    while let Some(due) = WAITING.with_borrow(|waiting| waiting.front().copied()) {
        let there = due.try_set(true).is_none();
        let more = WAITING.with_borrow_mut(|waiting| {
            waiting.pop_front();
            !waiting.is_empty()
        });
        if there {
            if more {
                after_frame();
            }
            return;
        }
    }
}

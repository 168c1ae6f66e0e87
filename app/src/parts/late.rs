//! Parts of a page, each put up in a task of its own, so that none holds the
//! page's thread for long. Most wait until the frame with the layout of the
//! part before them is drawn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use leptos::prelude::*;

thread_local! {
    /// Parts that wait for their frame, in the order of the page.
    static WAITING: RefCell<VecDeque<RwSignal<bool>>> = const { RefCell::new(VecDeque::new()) };
}

/// Puts its children up after the frame of every `Late` before it; with `soon`
/// before the first frame, for what has to be in the first paint.
#[component]
pub(crate) fn Late(#[prop(optional)] soon: bool, children: ChildrenFn) -> impl IntoView {
    let due = RwSignal::new(false);
    if soon {
        let put_up = move || {
            // The place may be gone by then.
            let _ = due.try_set(true);
        };
        set_timeout(put_up, Duration::ZERO);
    } else if wait_in_line(due) == 1 {
        after_frame();
    }
    move || due.get().then(|| children())
}

/// How many wait then.
fn wait_in_line(due: RwSignal<bool>) -> usize {
    WAITING.with_borrow_mut(|waiting| {
        waiting.push_back(due);
        waiting.len()
    })
}

/// When the next frame is drawn.
fn after_frame() {
    request_animation_frame(|| set_timeout(put_up_next, Duration::ZERO));
}

fn put_up_next() {
    // One whose place is gone by then has no turn.
    while let Some(due) = WAITING.with_borrow_mut(VecDeque::pop_front) {
        if due.try_set(true).is_none() {
            break;
        }
    }
    if WAITING.with_borrow(|waiting| !waiting.is_empty()) {
        after_frame();
    }
}

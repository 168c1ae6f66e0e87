//! All tabs of this browser as one: who computes, who sends, who writes what
//! is kept. Without the browser's locks (a page over plain http has none)
//! tabs still tell each other what happened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BroadcastChannel, MessageEvent};

use super::session::Session;

/// Held together by whoever makes a list, alone by whoever sends a deletion.
pub(super) const COMPUTE: &str = "compute";
/// Held by whoever writes what is kept of a person.
pub(super) const WRITE: &str = "write";

/// What tabs tell each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Note {
    /// The session as it is now.
    Session(Box<Session>),
    /// These records went; none: all of them. For tabs that hold a history of
    /// the same person, who would otherwise have to ask the server.
    Forgot {
        /// How many deletions were acknowledged with it.
        deletions: u64,
        /// Identifiers of items.
        items: Option<Vec<String>>,
    },
    /// The kept receipts are others.
    Receipts,
    /// Everything that is kept was emptied.
    Emptied,
}

/// The tabs of one place: a path of an origin, so that two services below one
/// host stay apart.
pub(super) struct Together {
    place: String,
    channel: Option<BroadcastChannel>,
}

impl Together {
    /// Joins the others; `heard` gets what they tell.
    pub(super) fn join(place: &str, heard: impl Fn(Note) + 'static) -> Self {
        let channel = BroadcastChannel::new(&format!("eemu{place}")).ok();
        if let Some(channel) = &channel {
            let listen = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                let text = event.data().as_string().unwrap_or_default();
                if let Ok(note) = serde_json::from_str(&text) {
                    heard(note);
                }
            });
            channel.set_onmessage(Some(listen.as_ref().unchecked_ref()));
            // Listens as long as the worker lives.
            listen.forget();
        }
        Self { place: place.to_owned(), channel }
    }

    pub(super) fn tell(&self, note: &Note) {
        if let (Some(channel), Ok(text)) = (&self.channel, serde_json::to_string(note)) {
            // A channel that is open takes any text.
            let _ = channel.post_message(&JsValue::from_str(&text));
        }
    }

    /// Waits until nobody else holds the lock.
    pub(super) async fn alone(&self, lock: &str) -> Held {
        self.hold(lock, "exclusive").await
    }

    /// Waits until nobody holds the lock alone.
    pub(super) async fn beside(&self, lock: &str) -> Held {
        self.hold(lock, "shared").await
    }

    async fn hold(&self, lock: &str, mode: &str) -> Held {
        let held = Held::default();
        let Some(locks) = locks() else { return held };
        let (inner, name) = (held.0.clone(), format!("eemu{}:{lock}", self.place));
        let granted = Promise::new(&mut |resolve, _| {
            let (inner, granted) = (inner.clone(), resolve.clone());
            let callback = Closure::once_into_js(move |_: JsValue| -> JsValue {
                let until = Promise::new(&mut |done, _| {
                    if inner.given_up.get() {
                        // Whoever waited is gone: the lock goes back at once.
                        let _ = done.call0(&JsValue::NULL);
                    } else {
                        inner.release.replace(Some(done));
                    }
                });
                let _ = granted.call0(&JsValue::NULL);
                until.into()
            });
            let options = Object::new();
            let asked = Reflect::set(&options, &"mode".into(), &JsValue::from_str(mode))
                .and_then(|_| Reflect::get(&locks, &"request".into()))
                .and_then(|request| request.dyn_into::<Function>())
                .and_then(|request| request.call3(&locks, &JsValue::from_str(&name), &options, &callback))
                .and_then(|asked| asked.dyn_into::<Promise>());
            spawn_local(async move {
                // A browser that gives no lock holds nobody up.
                if let Ok(asked) = asked {
                    let _ = JsFuture::from(asked).await;
                }
                let _ = resolve.call0(&JsValue::NULL);
            });
        });
        let _ = JsFuture::from(granted).await;
        held
    }
}

/// A lock, until it is dropped.
#[derive(Default)]
pub(super) struct Held(Rc<Inner>);

#[derive(Default)]
struct Inner {
    release: RefCell<Option<Function>>,
    given_up: Cell<bool>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.given_up.set(true);
        if let Some(release) = self.0.release.take() {
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

fn locks() -> Option<JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    Reflect::get(&navigator, &"locks".into()).ok().filter(|locks| !locks.is_undefined())
}

//! The page's end of the worker.

use std::rc::Rc;

use eemu_core::api::Phase;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use super::{device, state::State};
use crate::for_you::protocol::{Fetching, Following, Order, Remedy, Service, Tell, Trouble};
use crate::parts::words;

const WORKER: &str = "static/worker.js";

/// The worker, which begins when it is first needed.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    inner: StoredValue<Option<Rc<Inner>>, LocalStorage>,
    state: State,
}

struct Inner {
    worker: Worker,
    // Dropping it would end the listening.
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(web_sys::Event)>,
}

impl Client {
    pub(crate) fn new(state: State) -> Self {
        Self { inner: StoredValue::new_local(None), state }
    }

    /// Starts the worker, unless it runs.
    pub(crate) fn begin(self) {
        if self.inner.with_value(Option::is_some) {
            return;
        }
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name("service");
        let Ok(worker) = Worker::new_with_options(WORKER, &options) else { return self.broke() };
        let heard = Closure::new(move |event: MessageEvent| {
            let text = event.data().as_string().unwrap_or_default();
            if let Ok(tell) = serde_json::from_str::<Tell>(&text) {
                self.hear(tell);
            }
        });
        let failed = Closure::new(move |_: web_sys::Event| self.broke());
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
        self.inner.set_value(Some(Rc::new(Inner { worker, _heard: heard, _failed: failed })));
    }

    /// Sends an order. Sentences of the last one go.
    pub(crate) fn send(self, order: &Order) {
        if !matches!(order, Order::List(_) | Order::Look(_) | Order::Device(..)) {
            self.state.trouble.set(None);
        }
        if let (Some(inner), Ok(text)) = (self.inner.get_value(), serde_json::to_string(order)) {
            // Posting text cannot fail.
            let _ = inner.worker.post_message(&JsValue::from_str(&text));
        }
    }

    fn broke(self) {
        self.state.trouble.set(Some(Trouble {
            sentence: "The calculation could not go on in this browser. Reload the page to start it again.".into(),
            remedy: Remedy::None,
            mild: false,
        }));
    }

    fn hear(self, tell: Tell) {
        let state = self.state;
        match tell {
            Tell::Ready => {
                state.ready.set(true);
                let (wish, speeds) = device::remembered();
                self.send(&Order::Device(wish, speeds));
                self.send(&Order::Open);
            }
            Tell::Service(service) => self.take(*service),
            Tell::Items(items) => state.items.set(items),
            Tell::Fetching(fetching) => self.fetching(fetching),
            Tell::List(list) => {
                let moved = list.rows.iter().filter(|(_, row)| row.before != row.rank).count();
                state.say(format!("List updated, {} changed.", words::count(moved as u64, "place", "places")));
                state.list.set(Some(*list));
            }
            Tell::Following(following) => self.following(following),
            Tell::Receipt(receipt) => {
                state.following.set(None);
                state.say(match receipt.failed() {
                    Some(why) => format!("The receipt does not hold. {why}"),
                    None => "Forgotten. The receipt was checked.".to_owned(),
                });
                state.receipt.set(Some(*receipt));
            }
            Tell::Trouble(trouble) => {
                state.sent.set(None);
                state.trouble.set(Some(trouble));
            }
            Tell::Operation(operation) => {
                state.refused.set(None);
                state.operation.set(Some(*operation));
            }
            Tell::Device(now) => device::take(state, now),
            Tell::NoOperation(why) => state.refused.set(Some(why)),
        }
    }

    fn take(self, service: Service) {
        let state = self.state;
        let known = state.service.with_untracked(|known| known.as_ref().map(|known| known.user.clone()));
        if known.is_some_and(|user| user != service.user) {
            // Nothing of whoever was here stays on the page, but the receipt of
            // an account that was deleted just now.
            state.forgotten.set(Vec::new());
            state.list.set(None);
            if state.following.with_untracked(Option::is_none) {
                state.receipt.set(None);
            }
            if service.user.is_some() {
                // The button that was pressed is gone.
                request_animation_frame(|| crate::lab::page::focus("headline"));
            }
        }
        state.service.set(Some(service));
    }

    fn fetching(self, fetching: Option<Fetching>) {
        let quarter = |fetching: &Option<Fetching>| {
            fetching.as_ref().map(|now| (now.got * 4).checked_div(now.total).unwrap_or(4))
        };
        let before = self.state.fetching.with_untracked(quarter);
        let now = quarter(&fetching);
        if before != now {
            match (&fetching, before) {
                (Some(started), None) => {
                    self.state.say(format!("Fetching the models, {}.", words::size(started.total)))
                }
                (Some(_), Some(_)) => self.state.say(format!("Fetching: {}%.", now.unwrap_or(0) * 25)),
                (None, _) => self.state.say("The models are here."),
            }
        }
        self.state.fetching.set(fetching);
    }

    fn following(self, following: Following) {
        if let Some(deed) = self.state.sent.get_untracked() {
            self.state.sent.set(None);
            super::deeds::focus_row(&deed);
            self.state.forgotten.update(|all| all.insert(0, deed));
        }
        let before = self.state.following.with_untracked(|known| known.as_ref().map(|known| known.phase));
        if before != Some(following.phase) {
            self.state.say(match following.phase {
                Phase::Accepted => "Noted. It is carried out together with others; until then lists stay as they are.",
                Phase::Queued | Phase::Settling => "Saved. From now on no list uses it.",
                Phase::Retraining => "Retraining has begun.",
                Phase::Publishing => "The new model is put in place.",
                Phase::Done => "Retrained. The receipt is being checked.",
            });
        }
        // A deletion that changes no shard is done at once.
        let nothing = following.phase == Phase::Done && following.removed == 0;
        self.state.following.set((!nothing).then_some(following));
    }
}

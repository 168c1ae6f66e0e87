//! The page's end of the worker.

use std::rc::Rc;

use eemu_core::api::Phase;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use super::{device, state::Gone, state::State};
use crate::for_you::protocol::{Cause, Checked, Fetching, Following, Order, Remedy, Service, Tell, Trouble};
use crate::parts::save::save;
use crate::parts::words;
use crate::say::say;

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
        options.set_name(&format!("service {}", crate::say::language().code()));
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
        let quiet =
            matches!(order, Order::List(_) | Order::Why(_) | Order::Device(..) | Order::Visible(_) | Order::Speak(_));
        let operates = matches!(order, Order::Look(..) | Order::Hurry(..) | Order::Errand(..));
        if !quiet && !operates {
            self.state.trouble.set(None);
        }
        if let (Some(inner), Ok(text)) = (self.inner.get_value(), serde_json::to_string(order)) {
            // Posting text cannot fail.
            let _ = inner.worker.post_message(&JsValue::from_str(&text));
        }
    }

    /// Hands a file of the reader's to the worker, unread.
    pub(crate) fn open(self, file: &web_sys::File) {
        self.state.trouble.set(None);
        self.state.opened.set(None);
        self.state.choice.set(Default::default());
        if let Some(inner) = self.inner.get_value() {
            // A file can always be handed on.
            let _ = inner.worker.post_message(file);
        }
    }

    fn broke(self) {
        self.state.trouble.set(Some(Trouble {
            sentence: say!("y-the-calculation-could-no").into(),
            remedy: Remedy::None,
            mild: false,
            cause: Cause::Other,
        }));
    }

    fn hear(self, tell: Tell) {
        let state = self.state;
        match tell {
            Tell::Ready => {
                state.ready.set(true);
                let (wish, speeds) = device::remembered();
                self.send(&Order::Device(wish, speeds));
                // It may have changed while the worker started.
                self.send(&Order::Speak(crate::say::language().code().to_owned()));
                self.send(&Order::Open);
            }
            Tell::Service(service) => self.take(*service),
            Tell::Items(items) => state.items.set(items),
            Tell::Fetching(fetching) => self.fetching(fetching),
            Tell::List(list) => {
                let moved = list.rows.iter().filter(|(_, row)| row.before != row.rank).count();
                state.say_beside(say!("list-updated", n = moved));
                let at = state.service.with_untracked(|service| service.as_ref().map_or(0, |s| s.deletions));
                state.list_at.set(at);
                self.over(Cause::Switched);
                state.list.set(Some(*list));
            }
            Tell::Following(following) => self.following(following),
            Tell::Receipt(receipt) => {
                state.followings.update(|all| all.retain(|following| following.id != receipt.id));
                state.say(match receipt.failed() {
                    Some(why) => say!("y-the-receipt-does-not", why),
                    None if receipt.again => say!("y-the-receipt-was-checked").to_owned(),
                    None => say!("y-forgotten-the-receipt-wa").to_owned(),
                });
                if receipt.failed().is_some() {
                    state.failed.update(|failed| failed.push(receipt.id.clone()));
                }
                state.receipt.set(Some(*receipt));
            }
            Tell::Trouble(trouble) => {
                let sent = state.sent.get_untracked();
                if !sent.is_empty() {
                    state.sent.set(Vec::new());
                    state.say(trouble.sentence.clone());
                    super::deeds::focus_row(&sent[0]);
                    state.refused_deeds.set(sent);
                }
                state.trouble.set(Some(trouble));
            }
            Tell::Operation(operation) => {
                state.office.looking.set(false);
                // One that was on its way when somebody left.
                if !state.office.token.with_untracked(String::is_empty) {
                    state.office.refused.set(None);
                    state.office.operation.set(Some(*operation));
                }
            }
            // What was on its way when somebody left is nobody's.
            Tell::Errand(_) | Tell::NoOperation(_) if state.office.token.with_untracked(String::is_empty) => {}
            Tell::Errand(done) => {
                if let Some(next) = state.office.take(*done) {
                    state.office.send(self, next);
                }
            }
            Tell::Device(now) => device::take(state, now),
            Tell::Opened(reading) => {
                state.say(say!("y-file-read", n = reading.taken));
                state.opened.set(Some(*reading));
            }
            Tell::Why(why) => state.why.set(Some(why)),
            Tell::File { name, text } => save(&name, &text),
            Tell::NoOperation(why) => {
                state.office.looking.set(false);
                state.office.refused.set(Some(why));
            }
        }
    }

    fn take(self, service: Service) {
        let state = self.state;
        let known = state.service.with_untracked(|known| known.as_ref().map(|known| known.user.clone()));
        if known.is_some_and(|user| user != service.user) {
            // Nothing of whoever was here stays on the page, but the receipt of
            // an account that was deleted just now.
            state.gone.set(Vec::new());
            state.list.set(None);
            state.pending.set(None);
            state.choosing.set(None);
            let account = |receipt: &Option<Checked>| receipt.as_ref().is_some_and(|receipt| receipt.account);
            if state.followings.with_untracked(Vec::is_empty) && !state.receipt.with_untracked(account) {
                state.receipt.set(None);
            }
            if service.user.is_some() {
                // The button that was pressed is gone.
                request_animation_frame(|| crate::lab::page::focus("headline"));
            }
        }
        if service.online {
            self.over(Cause::Offline);
        }
        // What another tab saw to its end is not on its way any more.
        let open = service.open.clone();
        state.service.set(Some(service));
        let ended = |following: &Following| following.phase == Phase::Done && !open.contains(&following.id);
        if state.followings.with_untracked(|all| all.iter().any(ended)) {
            state.followings.update(|all| all.retain(|following| !ended(following)));
        }
    }

    /// A sentence whose cause is over goes.
    fn over(self, cause: Cause) {
        if self.state.trouble.with_untracked(|trouble| trouble.as_ref().is_some_and(|t| t.cause == cause)) {
            self.state.trouble.set(None);
        }
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
                    self.state.say(say!("y-fetching-the-models", size = words::size(started.total)))
                }
                (Some(_), Some(_)) => self.state.say(say!("y-fetching", now = now.unwrap_or(0) * 25)),
                (None, _) => self.state.say(say!("y-the-models-are-here")),
            }
        }
        self.state.fetching.set(fetching);
    }

    fn following(self, following: Following) {
        let state = self.state;
        let sent = state.sent.get_untracked();
        let known = state.followings.with_untracked(|all| all.iter().find(|f| f.id == following.id).map(|f| f.phase));
        // A deletion that changes no shard is done at once, and says so.
        let nothing = following.phase == Phase::Done && following.removed == 0;
        if known.is_none() && !sent.is_empty() {
            state.sent.set(Vec::new());
            if !nothing {
                super::deeds::focus_row(&sent[0]);
                let gone = sent.into_iter().map(|deed| Gone { deed, id: following.id.clone() });
                state.gone.update(|all| drop(all.splice(0..0, gone)));
            }
        }
        if known != Some(following.phase) {
            state.say(match following.phase {
                Phase::Accepted => say!("y-noted-it-is-carried"),
                Phase::Queued | Phase::Settling => say!("y-saved-from-now-on"),
                Phase::Retraining => say!("y-retraining-has-begun"),
                Phase::Publishing => say!("y-the-new-model-is"),
                Phase::Done => say!("y-retrained-the-receipt-is"),
            });
        }
        if nothing {
            return;
        }
        if known.is_none() {
            let receipt = state.receipt.with_untracked(|receipt| receipt.as_ref().map(|receipt| receipt.id.clone()));
            if receipt.as_ref() == Some(&following.id) {
                return;
            }
            // Whoever deletes in another tab sees it here too.
            state.receipt.set(None);
            super::removal::remember(state);
        }
        state.followings.update(|all| match all.iter_mut().find(|known| known.id == following.id) {
            Some(known) => *known = following,
            None => all.insert(0, following),
        });
    }
}

//! The page's end of the worker: what is asked, what comes back.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::lab::guess::Topic;
use crate::lab::protocol::{Answer, Failure, Lesson, Order, Progress, Tell, What};

use super::state::{Shown, State};
use crate::say::say;

/// Where the worker's program starts, from the page.
const WORKER: &str = "static/worker.js";

/// What is under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Running {
    pub(super) id: u32,
    pub(super) what: What,
    pub(super) progress: Progress,
    pub(super) paused: bool,
}

/// The worker, and the number of the last question.
#[derive(Clone, Copy)]
pub(super) struct Client {
    inner: StoredValue<Option<Rc<RefCell<Inner>>>, LocalStorage>,
    /// What was asked before the worker listened: it would be lost.
    early: StoredValue<Option<What>, LocalStorage>,
    /// The reader's own file, for the worker to read.
    file: StoredValue<Option<web_sys::File>, LocalStorage>,
    state: State,
}

struct Inner {
    worker: Worker,
    last: u32,
    // Dropping it would end the listening.
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(web_sys::Event)>,
}

impl Client {
    pub(super) fn start(state: State) -> Self {
        let client = Self {
            inner: StoredValue::new_local(None),
            early: StoredValue::new_local(None),
            file: StoredValue::new_local(None),
            state,
        };
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(&format!("lab {}", crate::say::language().code()));
        let Ok(worker) = Worker::new_with_options(WORKER, &options) else {
            client.broke();
            return client;
        };
        let heard = Closure::new(move |event: MessageEvent| {
            let text = event.data().as_string().unwrap_or_default();
            if let Ok(tell) = serde_json::from_str::<Tell>(&text) {
                client.hear(tell);
            }
        });
        let failed = Closure::new(move |_: web_sys::Event| client.broke());
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
        let inner = Inner { worker, last: 0, _heard: heard, _failed: failed };
        client.inner.set_value(Some(Rc::new(RefCell::new(inner))));
        // Another place is shown: nobody waits for an answer.
        on_cleanup(move || {
            if let Some(inner) = client.inner.try_get_value().flatten() {
                inner.borrow().worker.terminate();
            }
        });
        client
    }

    /// The last question that was asked before the worker listened.
    pub(super) fn take_early(self) -> Option<What> {
        self.early.try_update_value(Option::take).flatten()
    }

    /// Asks for a computation; what is under way ends first. Before the worker
    /// listens the question is kept for [`Client::take_early`].
    pub(super) fn ask(self, what: What) {
        if !self.state.ready.get_untracked() {
            return self.early.set_value(Some(what));
        }
        let busy = self.state.running.with_untracked(Option::is_some);
        if busy {
            self.send(&Order::Stop);
        }
        let Some(inner) = self.inner.get_value() else { return self.broke() };
        inner.borrow_mut().last += 1;
        let id = inner.borrow().last;
        self.state.failure.set(None);
        let progress = Progress { phase: phase(&what).to_owned(), ..Progress::default() };
        // Lists follow the sliders: too quick to be announced each time.
        if !matches!(what, What::List(_) | What::After(..) | What::Build) {
            self.state.say(say!("l-started", phase = progress.phase));
        }
        self.state.running.set(Some(Running { id, what: what.clone(), progress, paused: false }));
        if matches!(what, What::Open { .. })
            && let (Some(file), Ok(inner)) = (self.file.get_value(), inner.try_borrow())
        {
            // A file can always be handed on.
            let _ = inner.worker.post_message(&file);
        }
        let setup = self.state.address.with_untracked(|address| address.setup.clone());
        self.send(&Order::Ask { id, setup, what });
    }

    /// Opens a file of the reader's own.
    pub(super) fn open(self, file: web_sys::File) {
        self.file.set_value(Some(file));
        self.ask(What::Open { skip: false });
    }

    /// Opens it again without its faulty lines.
    pub(super) fn reopen(self) {
        self.ask(What::Open { skip: true });
    }

    pub(super) fn stop(self) {
        self.send(&Order::Stop);
    }

    pub(super) fn pause(self, pause: bool) {
        self.send(if pause { &Order::Pause } else { &Order::Resume });
        self.state.running.update(|running| {
            if let Some(running) = running {
                running.paused = pause;
            }
        });
    }

    pub(super) fn step(self) {
        self.send(&Order::Step);
    }

    fn send(self, order: &Order) {
        if let (Some(inner), Ok(text)) = (self.inner.get_value(), serde_json::to_string(order)) {
            // Posting text cannot fail.
            let _ = inner.borrow().worker.post_message(&JsValue::from_str(&text));
        }
    }

    fn broke(self) {
        self.state.running.set(None);
        self.state
            .failure
            .set(Some(Failure { sentence: say!("l-the-calculation-could-no").into(), ..Failure::default() }));
    }

    /// The question an answer belongs to, if nothing newer was asked.
    fn current(self, id: u32) -> Option<Running> {
        self.state.running.get_untracked().filter(|running| running.id == id)
    }

    fn hear(self, tell: Tell) {
        match tell {
            Tell::Ready => self.state.ready.set(true),
            Tell::Progress(id, progress) => {
                if let Some(running) = self.current(id) {
                    let quarter = |share: f64| (share * 4.0).floor();
                    if quarter(progress.share) > quarter(running.progress.share) && progress.share < 1.0 {
                        let share = (progress.share * 100.0, 0);
                        self.state.say(say!("l-progress", phase = progress.phase, share));
                    }
                    self.state.running.set(Some(Running { progress, ..running }));
                }
            }
            Tell::Done(id, answer) => {
                if let Some(running) = self.current(id) {
                    self.state.running.set(None);
                    self.take(answer, matches!(running.what, What::Open { .. }));
                }
            }
            Tell::Stopped(id) => {
                if self.current(id).is_some() {
                    self.state.running.set(None);
                    self.state.say(say!("l-stopped").into());
                }
            }
            Tell::Failed(id, failure) => {
                if self.current(id).is_some() {
                    self.state.running.set(None);
                    // The link's sentence stands beside the file field.
                    self.state.missing.set(failure.missing);
                    if !failure.missing {
                        self.state.failure.set(Some(failure));
                    }
                }
            }
        }
    }

    fn take(self, answer: Answer, own_table: bool) {
        let state = self.state;
        match answer {
            Answer::Built(built) => {
                let setup = || state.address.with_untracked(|address| address.setup.clone());
                let before = setup();
                state.take_built(built, own_table);
                // Another table is cut once more, and computed after that.
                if state.replay.get_untracked() && setup() == before {
                    state.replay.set(false);
                    super::controls::again(state, self);
                }
            }
            Answer::Trained(trained) => {
                state.only_live();
                state.say(say!("l-models-trained", n = trained.hashes.len()));
                state.trained.set(Some(Shown::live(trained)));
            }
            Answer::List(list) => {
                let moved = list.rows.iter().filter(|row| row.before != row.rank).count();
                state.say(say!("list-updated", n = moved));
                state.list.set(Some(Shown::live(list)));
            }
            Answer::Forgot(forgot) => {
                state.only_live();
                let (again, all) = (forgot.shards.len(), forgot.after.hashes.len());
                state.say(say!("l-forgotten-of-models-rebu", again, all));
                state.forgot.set(Some(Shown::live(forgot)));
            }
            Answer::Twin(twin) => {
                state.only_live();
                let (equal, all) = (twin.own.len() - twin.differing(), twin.own.len());
                state.say(say!("l-of-hashes-equal", equal, all));
                state.twin.set(Some(Shown::live(twin)));
            }
            Answer::Broken(broken) => {
                state.only_live();
                let topic = Topic::Mistake(broken.lesson);
                let shown = state.address.with_untracked(|address| address.reveals(topic));
                state.say(match broken.differing() {
                    // Whoever listens predicts before they hear it, too.
                    _ if !shown => say!("l-both-worlds-are-trained").into(),
                    0 => say!("l-no-difference-this-time").into(),
                    n => say!("l-of-hashes-differ", n, broken = broken.twin.own.len()),
                });
                state.broken.update(|all| {
                    all.retain(|shown| shown.value.lesson != broken.lesson);
                    all.push(Shown::live(broken));
                });
            }
            Answer::Found(lesson, found, tried) => self.found(lesson, found, tried),
            Answer::Cost(cost) => {
                state.say(say!("l-measured-for-1-to").into());
                state.cost.set(Some(Shown::live(cost)));
            }
            Answer::Attack(attack) => {
                state.say(say!("l-the-attack-is-over").into());
                state.attack.set(Some(Shown::live(attack)));
            }
            Answer::Cuts(cuts) => {
                state.say(say!("l-both-cuts-are-measured").into());
                state.cuts.set(Some(Shown::live(cuts)));
            }
        }
    }

    /// A dot was found: try the mistake on it at once.
    fn found(self, lesson: Lesson, found: Option<crate::lab::protocol::Dot>, tried: u32) {
        match found {
            Some(dot) => {
                self.state.choose(dot);
                self.ask(What::Break(lesson, dot));
            }
            None => self
                .state
                .failure
                .set(Some(Failure { sentence: say!("l-none-of-dots-shows", tried), ..Failure::default() })),
        }
    }
}

fn phase(what: &What) -> &'static str {
    match what {
        What::Open { .. } | What::Load { .. } => say!("l-reading-the-table"),
        What::Build => say!("l-cutting-the-world"),
        What::Train => say!("l-training"),
        What::List(_) | What::After(..) => say!("l-making-the-list"),
        What::Forget(_) => say!("l-forgetting"),
        What::Twin(_) => say!("l-training-the-twin"),
        What::Break(..) => say!("l-training-both-worlds-wit"),
        What::Find(_) => say!("l-looking-for-a-dot"),
        What::Cost => say!("l-measuring"),
        What::Attack(_) => say!("l-attacking"),
        What::Cuts => say!("l-measuring-both-cuts"),
    }
}

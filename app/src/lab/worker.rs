//! The worker's end: takes questions one at a time, lets messages in between
//! two epochs, and ends what is no longer wanted.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::MessageEvent;

use super::engine::Lab;
use super::protocol::{Failure, Order, Progress, Tell, What};
use super::setup::Setup;
use super::watch::{Halt, Watch};
use crate::open_file;
use crate::pause::{self, wait};

/// Milliseconds between two looks at whether a pause is over.
const PAUSED: i32 = 30;

#[derive(Default)]
struct Desk {
    waiting: RefCell<VecDeque<(u32, Setup, What)>>,
    lab: RefCell<Option<Lab>>,
    busy: Cell<bool>,
    stop: Cell<bool>,
    paused: Cell<bool>,
    /// Epochs that may run although it is paused.
    steps: Cell<u32>,
    /// The reader's own file.
    file: RefCell<Option<web_sys::File>>,
}

thread_local! {
    static DESK: Desk = Desk::default();
}

/// Starts listening. Does nothing outside a dedicated worker.
pub fn start() {
    let Some(scope) = pause::scope() else { return };
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| {
        if let Ok(file) = event.data().dyn_into::<web_sys::File>() {
            DESK.with(|desk| drop(desk.file.replace(Some(file))));
            return;
        }
        let text = event.data().as_string().unwrap_or_default();
        if let Ok(order) = serde_json::from_str::<Order>(&text) {
            take(order);
        }
    });
    scope.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    // Listens as long as the worker lives.
    heard.forget();
    tell(&Tell::Ready);
}

fn take(order: Order) {
    DESK.with(|desk| match order {
        Order::Ask { id, setup, what } => {
            desk.waiting.borrow_mut().push_back((id, setup, what));
            if !desk.busy.replace(true) {
                spawn_local(work());
            }
        }
        Order::Stop => {
            desk.stop.set(desk.busy.get());
            desk.paused.set(false);
            for (id, ..) in desk.waiting.borrow_mut().drain(..) {
                tell(&Tell::Stopped(id));
            }
        }
        Order::Pause => desk.paused.set(true),
        Order::Resume => desk.paused.set(false),
        Order::Step => {
            desk.paused.set(true);
            desk.steps.set(desk.steps.get() + 1);
        }
    });
}

async fn work() {
    loop {
        let next = DESK.with(|desk| {
            let next = desk.waiting.borrow_mut().pop_front();
            desk.busy.set(next.is_some());
            desk.stop.set(false);
            desk.paused.set(false);
            desk.steps.set(0);
            next
        });
        let Some((id, setup, what)) = next else { return };
        let mut lab = DESK.with(|desk| desk.lab.borrow_mut().take()).unwrap_or_default();
        let answer = match opened(what).await {
            Ok(what) => lab.answer(&setup, &what, &mut Watching { id }).await,
            Err(sentence) => Err(Halt::Sentence(sentence)),
        };
        DESK.with(|desk| desk.lab.borrow_mut().replace(lab));
        tell(&match answer {
            Ok(answer) => Tell::Done(id, answer),
            Err(Halt::Stopped) => Tell::Stopped(id),
            Err(why) => {
                let skippable = matches!(&why, Halt::Table(fault) if fault.skippable);
                let missing = matches!(&why, Halt::NoTable);
                Tell::Failed(id, Failure { sentence: why.to_string(), skippable, missing })
            }
        });
    }
}

/// A question about a file, with what stands in it.
async fn opened(what: What) -> Result<What, String> {
    let What::Open { skip } = what else { return Ok(what) };
    let file = DESK.with(|desk| desk.file.borrow().clone());
    match file {
        Some(file) => Ok(What::Load { text: open_file::text(&file).await?, skip }),
        None => Ok(What::Open { skip }),
    }
}

fn tell(tell: &Tell) {
    if let (Some(scope), Ok(text)) = (pause::scope(), serde_json::to_string(tell)) {
        // Posting text cannot fail.
        let _ = scope.post_message(&JsValue::from_str(&text));
    }
}

struct Watching {
    id: u32,
}

impl Watch for Watching {
    fn tell(&mut self, progress: Progress) {
        tell(&Tell::Progress(self.id, progress));
    }

    fn now(&self) -> f64 {
        pause::now()
    }

    async fn breathe(&mut self) -> Result<(), Halt> {
        wait(0).await;
        if DESK.with(|desk| desk.stop.get()) { Err(Halt::Stopped) } else { Ok(()) }
    }

    async fn pause(&mut self) -> Result<(), Halt> {
        wait(0).await;
        loop {
            let go = DESK.with(|desk| {
                if desk.stop.get() {
                    return Err(Halt::Stopped);
                }
                let steps = desk.steps.get();
                if desk.paused.get() && steps > 0 {
                    desk.steps.set(steps - 1);
                    return Ok(true);
                }
                Ok(!desk.paused.get())
            })?;
            if go {
                return Ok(());
            }
            wait(PAUSED).await;
        }
    }
}

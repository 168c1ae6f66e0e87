//! The desk's end of the program that ranks on WebGPU.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use eemu_core::model::to_safetensors;
use js_sys::{Array, Function, Promise, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use super::{Answer, Say};
use crate::for_you::desk::File;
use crate::for_you::ensemble::{Own, Public, Ready};
use crate::for_you::protocol::{Ask, List};

/// Beside the worker's own script.
const PROGRAM: &str = "gpu.js";

/// What a list is made of, as the desk has it.
pub(in crate::for_you) struct Held {
    pub(in crate::for_you) public: Rc<Public>,
    /// Catalogue and dense features as they came.
    pub(in crate::for_you) parts: Rc<[Vec<u8>; 2]>,
    pub(in crate::for_you) own: Option<Rc<Own>>,
    pub(in crate::for_you) ready: BTreeMap<u32, Rc<Ready>>,
    pub(in crate::for_you) files: BTreeMap<u32, Rc<File>>,
    pub(in crate::for_you) records: Vec<(u32, Option<f64>)>,
}

/// What the program has, by identity.
#[derive(Default)]
struct Given {
    public: Option<Rc<Public>>,
    own: Option<Rc<Own>>,
    ready: BTreeMap<u32, Rc<Ready>>,
}

/// Questions without an answer: who waits for each. 0 is the opening.
type Waiting = Rc<RefCell<HashMap<u32, Function>>>;

/// What the program says unasked.
pub(in crate::for_you) enum News {
    /// The device, or the program, is gone.
    Lost,
    /// The shards whose models it has now.
    Holds(Vec<u32>),
}

/// The program, running.
pub(in crate::for_you) struct Ranker {
    worker: Worker,
    waiting: Waiting,
    next: Cell<u32>,
    given: RefCell<Given>,
    // Dropping them would end the listening.
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(web_sys::Event)>,
}

impl Drop for Ranker {
    fn drop(&mut self) {
        self.end();
    }
}

fn settle(waiting: &Waiting, id: u32, with: &JsValue) {
    let waits = waiting.borrow_mut().remove(&id);
    if let Some(waits) = waits {
        // A promise's own function: it does not throw.
        let _ = waits.call1(&JsValue::NULL, with);
    }
}

fn settle_all(waiting: &Waiting) {
    let ids: Vec<u32> = waiting.borrow().keys().copied().collect();
    ids.into_iter().for_each(|id| settle(waiting, id, &JsValue::NULL));
}

impl Ranker {
    /// Starts it and opens the device; `hears` is told of what comes unasked.
    /// `None` when it does not open.
    pub(in crate::for_you) async fn open(hears: impl Fn(News) + 'static) -> Option<Rc<Self>> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name("gpu");
        let worker = Worker::new_with_options(PROGRAM, &options).ok()?;
        let waiting = Waiting::default();
        let hears = Rc::new(hears);
        let (waits, told) = (waiting.clone(), hears.clone());
        let heard = Closure::new(move |event: MessageEvent| {
            let text = event.data().as_string().unwrap_or_default();
            match serde_json::from_str::<Answer>(&text) {
                Ok(Answer::Open) => settle(&waits, 0, &JsValue::TRUE),
                Ok(Answer::List(id, _)) => settle(&waits, id, &event.data()),
                Ok(Answer::Holds(shards)) => told(News::Holds(shards)),
                Ok(Answer::Lost) => {
                    settle_all(&waits);
                    told(News::Lost);
                }
                Err(_) => {}
            }
        });
        let waits = waiting.clone();
        let failed = Closure::new(move |_: web_sys::Event| {
            settle_all(&waits);
            hears(News::Lost);
        });
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
        let ranker =
            Self { worker, waiting, next: Cell::new(1), given: RefCell::default(), _heard: heard, _failed: failed };
        let opened = ranker.answer(0).await;
        opened.is_truthy().then(|| Rc::new(ranker))
    }

    async fn answer(&self, id: u32) -> JsValue {
        let promise = Promise::new(&mut |resolve, _| drop(self.waiting.borrow_mut().insert(id, resolve)));
        JsFuture::from(promise).await.unwrap_or_default()
    }

    /// Ends it; whoever waits is told that there is no answer.
    pub(in crate::for_you) fn end(&self) {
        self.worker.terminate();
        settle_all(&self.waiting);
    }

    /// Lets go at once of what the desk no longer has.
    pub(in crate::for_you) fn keep(&self, ready: &BTreeMap<u32, Rc<Ready>>, own: bool) {
        let mut given = self.given.borrow_mut();
        given.ready.retain(|shard, _| ready.contains_key(shard));
        if !own {
            given.own = None;
        }
        self.say(&Say::Keep { shards: given.ready.keys().copied().collect(), own }, &[]);
    }

    /// A list of what is held; `None` when the device or its program failed.
    pub(in crate::for_you) async fn list(&self, held: &Held, ask: &Ask) -> Option<List> {
        self.give(held)?;
        let id = self.next.replace(self.next.get() + 1);
        let language = crate::say::language().code().to_owned();
        self.say(&Say::List { id, ask: ask.clone(), language, records: held.records.clone() }, &[]);
        let text = self.answer(id).await.as_string()?;
        match serde_json::from_str(&text) {
            Ok(Answer::List(_, Ok(list))) => Some(*list),
            _ => None,
        }
    }

    /// Says what the program does not have yet.
    fn give(&self, held: &Held) -> Option<()> {
        let mut given = self.given.borrow_mut();
        if !given.public.as_ref().is_some_and(|public| Rc::ptr_eq(public, &held.public)) {
            let [catalog, dense] = held.parts.as_ref();
            self.say(&Say::Public(Box::new(held.public.manifest.clone())), &[catalog, dense]);
            given.public = Some(held.public.clone());
        }
        let same = match (&given.own, &held.own) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.say(&Say::Own(held.own.as_ref().map(|own| Box::new(Own::clone(own)))), &[]);
            given.own.clone_from(&held.own);
        }
        for (shard, ready) in &held.ready {
            if given.ready.get(shard).is_some_and(|given| Rc::ptr_eq(given, ready)) {
                continue;
            }
            let file = held.files.get(shard).filter(|file| file.hash == ready.file)?;
            let bytes = to_safetensors(&file.tensors).ok()?;
            self.say(&Say::Model { shard: *shard, file: ready.file.clone() }, &[&bytes]);
            given.ready.insert(*shard, ready.clone());
        }
        given.ready.retain(|shard, _| held.ready.contains_key(shard));
        self.say(&Say::Keep { shards: given.ready.keys().copied().collect(), own: held.own.is_some() }, &[]);
        Some(())
    }

    fn say(&self, say: &impl Serialize, bytes: &[&Vec<u8>]) {
        let Ok(text) = serde_json::to_string(say) else { return };
        let parts = Array::of1(&text.into());
        for bytes in bytes {
            parts.push(&Uint8Array::from(bytes.as_slice()));
        }
        // Text and bytes can always be posted.
        let _ = self.worker.post_message(&parts);
    }
}

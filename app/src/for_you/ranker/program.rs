//! The program: takes what the desk says, in order, and ranks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use eemu_core::client::read_client_file;
use eemu_core::tensor::{Device, open_webgpu};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::MessageEvent;

use super::{Answer, Say};
use crate::for_you::ensemble::{Own, Public, Ready};
use crate::pause;

struct Bench {
    device: Device,
    public: RefCell<Option<Rc<Public>>>,
    own: RefCell<Option<Rc<Own>>>,
    ready: RefCell<BTreeMap<u32, Rc<Ready>>>,
    /// What went wrong since the last list: its answer.
    wrong: RefCell<Option<String>>,
}

/// Opens the device, then listens. Does nothing outside a dedicated worker.
pub(crate) async fn start() {
    let Some(scope) = pause::scope() else { return };
    let device = open_webgpu(|| answer(&Answer::Lost)).await;
    let bench = Rc::new(Bench {
        device,
        public: RefCell::default(),
        own: RefCell::default(),
        ready: RefCell::default(),
        wrong: RefCell::default(),
    });
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let parts = Array::from(&event.data());
        let said = parts.get(0).as_string().and_then(|text| serde_json::from_str::<Say>(&text).ok());
        if let Some(said) = said {
            let bytes = parts.iter().skip(1).map(|part| Uint8Array::new(&part).to_vec()).collect();
            bench.hear(said, bytes);
        }
    });
    scope.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    // Listens as long as the worker lives.
    heard.forget();
    answer(&Answer::Open);
}

fn answer(answer: &Answer) {
    if let (Some(scope), Ok(text)) = (pause::scope(), serde_json::to_string(answer)) {
        // Posting text cannot fail.
        let _ = scope.post_message(&JsValue::from_str(&text));
    }
}

impl Bench {
    fn hear(self: &Rc<Self>, said: Say, bytes: Vec<Vec<u8>>) {
        let done = match said {
            Say::Public(manifest) => match bytes.as_slice() {
                [catalog, dense] => Public::new(*manifest, catalog, dense)
                    .map(|public| drop(self.public.replace(Some(Rc::new(public))))),
                _ => Ok(()),
            },
            Say::Own(own) => {
                self.own.replace(own.map(|own| Rc::new(*own)));
                Ok(())
            }
            Say::Model { shard, file } => self.model(shard, &file, &bytes),
            Say::Keep { shards, own } => {
                self.ready.borrow_mut().retain(|shard, _| shards.contains(shard));
                if !own {
                    self.own.replace(None);
                }
                answer(&Answer::Holds(self.ready.borrow().keys().copied().collect()));
                Ok(())
            }
            Say::List { id, ask, language, records } => {
                crate::say::speak(crate::say::Language::of(&language).unwrap_or_default());
                let (bench, wrong) = (self.clone(), self.wrong.take());
                spawn_local(async move {
                    let list = match wrong {
                        Some(why) => Err(why),
                        None => bench.list(&ask, &records).await,
                    };
                    answer(&Answer::List(id, list.map(Box::new)));
                });
                Ok(())
            }
        };
        if let Err(why) = done {
            self.wrong.replace(Some(why.to_string()));
        }
    }

    fn model(&self, shard: u32, file: &str, bytes: &[Vec<u8>]) -> eemu_core::Result<()> {
        let (Some(public), Some(bytes)) = (self.public.borrow().clone(), bytes.first()) else { return Ok(()) };
        let own = self.own.borrow().clone();
        let ready = public.model(shard, file, read_client_file(bytes)?, own.as_deref(), &self.device)?;
        self.ready.borrow_mut().insert(shard, Rc::new(ready));
        Ok(())
    }

    async fn list(
        &self,
        ask: &crate::for_you::protocol::Ask,
        records: &[(u32, Option<f64>)],
    ) -> Result<crate::for_you::protocol::List, String> {
        let public = self.public.borrow().clone().ok_or("nothing was said yet")?;
        let own = self.own.borrow().clone();
        let ready: Vec<Rc<Ready>> = self.ready.borrow().values().cloned().collect();
        let ready: Vec<&Ready> = ready.iter().map(Rc::as_ref).collect();
        let person = public.person(own.as_deref(), records);
        public.list(&ready, &person, ask).await.map_err(|why| why.to_string())
    }
}

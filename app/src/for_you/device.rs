//! Which device makes the lists: WebGPU where an adapter really answers and is
//! faster, the CPU everywhere else. Everything is always held on the CPU too,
//! so a device can go at any time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::desk::Desk;
use super::ensemble::Ready;
use super::protocol::{Ask, Cause, Device, List, Remedy, Speeds, Tell, Trouble, Wish};
use super::ranker::client::{Held, News, Ranker};
use super::worker;
use crate::pause;
use crate::say::{self, key, told};

/// What is known of the devices.
#[derive(Default)]
pub(super) struct Devices {
    wish: Cell<Wish>,
    speeds: RefCell<Option<Speeds>>,
    /// The adapter's name, or the message why there is none; nothing before it
    /// was asked for.
    adapter: RefCell<Option<Result<String, &'static str>>>,
    ranker: RefCell<Option<Rc<Ranker>>>,
    /// The shards whose models are on the graphics device, as its program says.
    holds: RefCell<Vec<u32>>,
    /// The device stopped; it is tried again only when the reader wants it.
    lost: Cell<bool>,
    /// The device is opened or probed.
    busy: Cell<bool>,
}

impl Devices {
    fn prefers_gpu(&self) -> bool {
        match self.wish.get() {
            Wish::Cpu => false,
            Wish::Gpu => true,
            Wish::Faster => self.speeds.borrow().as_ref().is_some_and(Speeds::prefer_gpu),
        }
    }

    /// The program that makes the next list, if it is not the CPU.
    fn chosen(&self) -> Option<Rc<Ranker>> {
        self.ranker.borrow().clone().filter(|_| self.prefers_gpu())
    }

    /// Ends the program, and with it everything that it holds.
    fn end(&self) {
        self.ranker.replace(None);
        self.holds.take();
    }

    /// Lets go at once of what the desk no longer has.
    pub(super) fn keep(&self, desk: &Desk) {
        if let Some(ranker) = self.ranker.borrow().as_ref() {
            ranker.keep(&desk.ready.borrow(), desk.own.borrow().is_some());
        }
    }
}

impl Desk {
    /// The reader's wish, with what their session knows already.
    pub(super) fn wish(self: &Rc<Self>, wish: Wish, speeds: Option<Speeds>) {
        let devices = &self.devices;
        devices.wish.set(wish);
        if let Some(speeds) = speeds {
            devices.speeds.replace(Some(speeds));
        }
        devices.lost.set(false);
        if wish == Wish::Cpu {
            devices.end();
        }
        self.tell_device();
        self.again();
    }

    /// A list on the chosen device; on the CPU when that stops on the way.
    pub(super) async fn on_device(self: &Rc<Self>, ask: &Ask) -> Result<List, Trouble> {
        let began = pause::now();
        if let Some(ranker) = self.devices.chosen()
            && let Some(held) = self.held()
        {
            match ranker.list(&held, ask).await {
                Some(list) => return Ok(List { millis: pause::now() - began, gpu: true, ..list }),
                // Unless it was ended on purpose.
                None if self.devices.chosen().is_some_and(|now| Rc::ptr_eq(&now, &ranker)) => self.lose(),
                None => {}
            }
        }
        self.on_cpu(ask).await
    }

    async fn on_cpu(&self, ask: &Ask) -> Result<List, Trouble> {
        let began = pause::now();
        let Some(held) = self.held() else { return Err(super::telling::nothing_yet()) };
        let person = held.public.person(held.own.as_deref(), &held.records);
        let ready: Vec<&Ready> = held.ready.values().map(Rc::as_ref).collect();
        let list = held.public.list(&ready, &person, ask).await.map_err(|why| Trouble {
            sentence: told!("w-the-list-could-not", why),
            remedy: Remedy::Retry,
            mild: false,
            cause: Cause::Other,
        })?;
        Ok(List { millis: pause::now() - began, ..list })
    }

    fn held(&self) -> Option<Held> {
        let public = self.public.borrow().clone()?;
        Some(Held {
            records: self.records(&public),
            public,
            parts: self.parts.borrow().clone(),
            own: self.own.borrow().clone(),
            ready: self.ready.borrow().clone(),
            files: self.files.borrow().clone(),
        })
    }

    /// After a list: opens the device that the reader wants, or finds out
    /// which is faster. The list stands already, so nobody waits for it.
    pub(super) fn consider(self: &Rc<Self>) {
        let devices = &self.devices;
        let known = devices.speeds.borrow().is_some();
        let settled = match devices.wish.get() {
            Wish::Cpu => true,
            Wish::Gpu => devices.ranker.borrow().is_some(),
            Wish::Faster => known && (devices.ranker.borrow().is_some() || !devices.prefers_gpu()),
        };
        let none = matches!(*devices.adapter.borrow(), Some(Err(_)));
        if settled || none || devices.lost.get() || self.ready.borrow().is_empty() || devices.busy.replace(true) {
            return;
        }
        let desk = self.clone();
        spawn_local(async move {
            desk.decide().await;
            desk.devices.busy.set(false);
            desk.tell_device();
        });
    }

    async fn decide(self: &Rc<Self>) {
        let devices = &self.devices;
        let found = adapter().await;
        devices.adapter.replace(Some(found.clone()));
        let Ok(name) = found else { return };
        // What another adapter did says nothing of this one.
        devices.speeds.borrow_mut().take_if(|speeds| speeds.adapter != name);
        let measured = devices.speeds.borrow().is_some();
        if measured && !devices.prefers_gpu() {
            return;
        }
        self.tell_device();
        let desk = Rc::downgrade(self);
        let hears = move |news| match (desk.upgrade(), news) {
            (Some(desk), News::Lost) => desk.lose(),
            (Some(desk), News::Holds(shards)) => desk.holds(&shards),
            (None, _) => {}
        };
        let Some(ranker) = Ranker::open(hears).await else { return self.lose() };
        if devices.wish.get() == Wish::Cpu || devices.lost.get() {
            return;
        }
        devices.ranker.replace(Some(ranker.clone()));
        if !measured
            && devices.wish.get() == Wish::Faster
            && let Some((cpu, gpu)) = self.probe(&ranker).await
        {
            devices.speeds.replace(Some(Speeds { adapter: name, cpu, gpu }));
        }
        if devices.prefers_gpu() {
            self.again();
        } else if !devices.lost.get() {
            devices.end();
        }
    }

    /// Milliseconds of one shard's list on either device, each once before to
    /// get ready: a GPU compiles its programs the first time.
    async fn probe(self: &Rc<Self>, ranker: &Ranker) -> Option<(f64, f64)> {
        let public = self.usable().ok()?;
        let one = *self.ready.borrow().keys().next()?;
        let off = (0..public.manifest.shards_total).filter(|shard| *shard != one).collect();
        let ask = Ask { off, ..Ask::usual(&public.manifest.config.adapt) };
        let (mut cpu, mut gpu) = (f64::MAX, f64::MAX);
        for _ in 0..2 {
            self.released().await;
            cpu = cpu.min(self.on_cpu(&ask).await.ok()?.millis);
            self.released().await;
            let began = pause::now();
            ranker.list(&self.held()?, &ask).await?;
            gpu = gpu.min(pause::now() - began);
        }
        Some((cpu, gpu))
    }

    /// The device is gone: the CPU goes on with everything that it has.
    fn lose(self: &Rc<Self>) {
        if self.devices.lost.replace(true) {
            return;
        }
        self.devices.end();
        self.tell_device();
        worker::tell(&Tell::Trouble(Trouble {
            sentence: told!("w-the-graphics-device-stop").into(),
            remedy: Remedy::None,
            mild: true,
            cause: Cause::Other,
        }));
    }

    /// What the graphics device holds by now.
    fn holds(&self, shards: &[u32]) {
        if self.devices.ranker.borrow().is_some() && *self.devices.holds.borrow() != shards {
            self.devices.holds.replace(shards.to_vec());
            self.tell_device();
        }
    }

    pub(super) fn tell_device(&self) {
        let devices = &self.devices;
        let gpu = devices.chosen().is_some();
        let (wish, speeds) = (devices.wish.get(), devices.speeds.borrow().clone());
        let why = match (&*devices.adapter.borrow(), wish) {
            (Some(Ok(name)), _) if gpu => name.clone(),
            _ if devices.lost.get() => told!("d-lost").to_owned(),
            (_, Wish::Cpu) => told!("w-chosen-by-you").to_owned(),
            (Some(Err(why)), _) => say::plain(say::both, why).to_owned(),
            _ if devices.busy.get() => told!("w-trying-webgpu").to_owned(),
            // From this visit's trial, or from one before in this session.
            (_, Wish::Faster) if speeds.as_ref().is_some_and(|speeds| !speeds.prefer_gpu()) => {
                told!("w-faster-here-than-webgpu").to_owned()
            }
            _ => told!("w-webgpu-not-tried-yet").to_owned(),
        };
        worker::tell(&Tell::Device(Device { gpu, why, wish, speeds, holds: devices.holds.borrow().clone() }));
    }
}

/// The name of the adapter that the browser really gives, or why it gives none.
async fn adapter() -> Result<String, &'static str> {
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok().filter(|value| !value.is_falsy());
    let absent = || key!("w-this-browser-has-no");
    let gpu = get(&js_sys::global(), "navigator").and_then(|navigator| get(&navigator, "gpu")).ok_or_else(absent)?;
    let ask: Function = get(&gpu, "requestAdapter").and_then(|ask| ask.dyn_into().ok()).ok_or_else(absent)?;
    let none = || key!("w-no-webgpu-adapter-found");
    let asked: Promise = ask.call0(&gpu).ok().and_then(|asked| asked.dyn_into().ok()).ok_or_else(none)?;
    let adapter = JsFuture::from(asked).await.ok().filter(|adapter| !adapter.is_falsy()).ok_or_else(none)?;
    let info = get(&adapter, "info").unwrap_or_default();
    let text = |name: &str| get(&info, name).and_then(|value| value.as_string()).filter(|text| !text.is_empty());
    let maker = || Some([text("vendor"), text("architecture")].into_iter().flatten().collect::<Vec<_>>().join(" "));
    let name = text("description").or_else(maker).filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| told!("w-an-adapter-without-a").into()))
}

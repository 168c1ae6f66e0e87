//! What this browser keeps between visits, in the Cache API: model files by
//! their hash, and one box with what belongs to the person who is here.
//! Adapted parameters are never among it.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, CacheStorage, Request, Response};

/// Files of models and the catalogue: everybody's.
pub(super) const FILES: &str = "kept-files";
/// The session, the person's rows and history.
pub(super) const PERSON: &str = "kept-person";

/// The browser's storage, where it has one.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    caches: Option<CacheStorage>,
    /// The app's path, so that two services below one host stay apart.
    path: String,
}

impl Keep {
    /// For the app at a path of its host, without a slash at its end.
    pub(super) fn new(path: &str) -> Self {
        // Over plain HTTP, but for this machine itself, there is no such storage.
        let caches = Reflect::get(&js_sys::global(), &"caches".into()).ok();
        let caches = caches.filter(|caches| !caches.is_undefined()).map(JsCast::unchecked_into);
        Self { caches, path: path.to_owned() }
    }

    /// Whether the browser keeps anything here at all.
    pub(super) fn works(&self) -> bool {
        self.caches.is_some()
    }

    fn name(&self, place: &str) -> String {
        format!("{place}{}", self.path)
    }

    async fn open(&self, place: &str) -> Option<Cache> {
        JsFuture::from(self.caches.as_ref()?.open(&self.name(place))).await.ok().map(JsCast::unchecked_into)
    }

    /// What is kept under a name.
    pub(super) async fn get(&self, place: &str, name: &str) -> Option<Vec<u8>> {
        let cache = self.open(place).await?;
        let found: Response = JsFuture::from(cache.match_with_str(&address(name))).await.ok()?.dyn_into().ok()?;
        let bytes = JsFuture::from(found.array_buffer().ok()?).await.ok()?;
        Some(Uint8Array::new(&bytes).to_vec())
    }

    /// Keeps bytes; false when there is no room.
    pub(super) async fn put(&self, place: &str, name: &str, bytes: &[u8]) -> bool {
        let Some(cache) = self.open(place).await else { return false };
        let body = Uint8Array::from(bytes);
        let Ok(response) = Response::new_with_opt_js_u8_array(Some(&body)) else { return false };
        JsFuture::from(cache.put_with_str(&address(name), &response)).await.is_ok()
    }

    pub(super) async fn remove(&self, place: &str, name: &str) {
        if let Some(cache) = self.open(place).await {
            // What is not there is gone already.
            let _ = JsFuture::from(cache.delete_with_str(&address(name))).await;
        }
    }

    /// Names of everything in a place.
    pub(super) async fn names(&self, place: &str) -> Vec<String> {
        let Some(cache) = self.open(place).await else { return Vec::new() };
        let Ok(keys) = JsFuture::from(cache.keys()).await else { return Vec::new() };
        let name = |key: JsValue| {
            let url = key.dyn_into::<Request>().ok()?.url();
            url.rsplit('/').next().map(str::to_owned)
        };
        js_sys::Array::from(&keys).iter().filter_map(name).collect()
    }

    /// Empties a place.
    pub(super) async fn clear(&self, place: &str) {
        if let Some(caches) = &self.caches {
            let _ = JsFuture::from(caches.delete(&self.name(place))).await;
        }
    }
}

/// Cache keys are addresses; this one is never asked for over the network.
fn address(name: &str) -> String {
    format!("/kept/{name}")
}

//! Bringing this browser to where the server is: first what no longer counts
//! goes, then what is missing comes, every byte checked against the manifest.

use std::rc::Rc;

use eemu_core::api::Manifest;

use super::desk::Desk;
use super::ensemble::{Own, Public, needs_dense};
use super::keep::{FILES, PERSON};
use super::protocol::{Cause, Remedy, Trouble};
use super::session::OWN;
use super::telling::expired;
use super::worker;
use crate::parts::shapes::label;
use crate::say::told;
use crate::service::Fault;

const MANIFEST: &str = "manifest";
/// How often manifest and rows are fetched again when a publication came between.
const TRIES: u32 = 4;

impl Desk {
    /// Signs in, once the server says whose token it is.
    pub(super) async fn sign_in(self: &Rc<Self>, token: String) -> Result<(), Trouble> {
        let token = token.trim().to_owned();
        let whose = match self.api.with(Some(&token)).whoami().await {
            Ok(whose) => whose,
            Err(Fault::Refused { status: 401, .. }) => {
                return Err(Trouble {
                    sentence: told!("w-the-server-does-not").into(),
                    remedy: Remedy::None,
                    mild: true,
                    cause: Cause::Other,
                });
            }
            Err(fault) => return Err(unreached(&fault)),
        };
        let Some(user) = whose.user else {
            return Err(Trouble {
                sentence: match whose.role.as_str() {
                    "admin" => told!("token-admin").into(),
                    _ => told!("token-operator").into(),
                },
                remedy: Remedy::None,
                mild: true,
                cause: Cause::Other,
            });
        };
        self.amend(|session| {
            session.leave();
            (session.token, session.user) = (Some(token), Some(user));
        })
        .await;
        self.sync().await
    }

    /// Forgets who was here.
    pub(super) async fn sign_out(self: &Rc<Self>) {
        self.amend(super::session::Session::leave).await;
        self.keep_own().await;
    }

    /// Drops a person's own part, and the models that were made with it:
    /// those of items alone are everybody's, and stay.
    pub(super) fn leave(&self) {
        self.own.replace(None);
        if self.has_own_parts() {
            self.ready.borrow_mut().clear();
        }
    }

    /// Without a service's files nobody knows, so that nothing is kept.
    fn has_own_parts(&self) -> bool {
        self.public.borrow().as_ref().is_none_or(|public| public.has_own_parts())
    }

    /// Brings everything up to date.
    pub(super) async fn sync(self: &Rc<Self>) -> Result<(), Trouble> {
        self.damaged.borrow_mut().clear();
        // There may be room again.
        self.keeps.set(true);
        self.looked.set(crate::pause::now());
        self.look_again().await;
        for _ in 0..TRIES {
            let manifest = match self.api.manifest().await {
                Ok(manifest) => manifest,
                Err(fault) => return self.without_server(&fault).await,
            };
            self.online.set(true);
            self.install(manifest).await?;
            // A publication between manifest and rows: look again.
            if self.fetch_own().await? {
                break;
            }
        }
        // Only a demonstration has any; elsewhere the page asks for a token.
        self.households.replace(self.api.demo().await.unwrap_or_default());
        self.keep_own().await;
        self.show();
        let fetched = if self.wanted() { self.fetch_files(true).await } else { Ok(()) };
        self.weigh().await;
        self.follow_log().await?;
        fetched
    }

    /// Whether somebody is here for whom models are needed.
    fn wanted(&self) -> bool {
        let session = self.session.borrow();
        session.token.is_some() || !session.picks.is_empty()
    }

    /// Whether every model that there is, is here.
    pub(super) fn is_whole(&self, public: &Public) -> bool {
        let ready = self.ready.borrow();
        public.manifest.shards.iter().all(|entry| entry.version.is_none() || ready.contains_key(&entry.shard))
    }

    async fn without_server(self: &Rc<Self>, fault: &Fault) -> Result<(), Trouble> {
        if *fault != Fault::Offline {
            return Err(unreached(fault));
        }
        self.online.set(false);
        if self.is_behind() {
            // It holds what was forgotten, and nobody can say what else.
            self.own.replace(None);
            self.changed();
        }
        if self.public.borrow().is_none() {
            let kept = self.keep.get(FILES, MANIFEST).await;
            let manifest = kept.and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
            let Some(manifest) = manifest else { return Err(unreached(fault)) };
            self.install(manifest).await?;
            let own = self.keep.get(PERSON, OWN).await;
            let own = own.and_then(|bytes| serde_json::from_slice::<Own>(&bytes).ok());
            self.own.replace(own.filter(|_| self.session.borrow().token.is_some()).map(Rc::new));
            self.own_at.set(self.session.borrow().deletions);
            self.changed();
        }
        let until = self.public.borrow().as_ref().map_or(0, |public| public.manifest.valid_until);
        if until < worker::seconds() {
            self.ready.borrow_mut().clear();
            self.changed();
            return Err(expired());
        }
        self.show();
        if self.wanted() {
            self.fetch_files(false).await?;
        }
        Err(Trouble {
            sentence: told!("w-no-connection-lists").into(),
            remedy: Remedy::Retry,
            mild: true,
            cause: Cause::Offline,
        })
    }

    /// Takes a manifest: first everything goes that it no longer lists.
    async fn install(&self, manifest: Manifest) -> Result<(), Trouble> {
        let mut manifest = manifest;
        self.session.borrow().mask(&mut manifest);
        let listed: Vec<&str> =
            manifest.shards.iter().flat_map(|entry| &entry.files).map(|file| file.blake3.as_str()).collect();
        let counts = |name: &str| listed.contains(&name) || name == MANIFEST || name == manifest.catalog_blake3;
        self.files.borrow_mut().retain(|_, file| counts(&file.hash));
        self.ready.borrow_mut().retain(|_, ready| counts(&ready.file));
        for name in self.keep.names(FILES).await {
            // Dense features may be of an earlier version that read them.
            let stays = counts(&name) || (name == manifest.dense_blake3 && self.reads_dense(&manifest).await);
            if !stays {
                self.keep.remove(FILES, &name).await;
            }
        }
        let known = self.public.borrow().clone();
        let same = |a: &Manifest| {
            a.shards == manifest.shards
                && a.degree_classes == manifest.degree_classes
                && a.config == manifest.config
                && a.catalog_blake3 == manifest.catalog_blake3
        };
        let moved = !known.as_ref().is_some_and(|known| same(&known.manifest));
        if let Ok(text) = serde_json::to_vec(&manifest) {
            self.kept(self.keep.put(FILES, MANIFEST, &text).await);
        }
        let public = match known.filter(|known| {
            known.manifest.catalog_blake3 == manifest.catalog_blake3 && known.manifest.config == manifest.config
        }) {
            Some(known) => {
                let degrees =
                    manifest.degree_classes.iter().map(|&class| eemu_core::client::class_degree(class)).collect();
                Public { manifest, degrees, ..Public::clone(&known) }
            }
            None => {
                let catalog = self.catalogue(&manifest.catalog_blake3, false).await?;
                let dense = match needs_dense(&manifest.config, &catalog) {
                    true => self.catalogue(&manifest.dense_blake3, true).await?,
                    false => Vec::new(),
                };
                let public = Public::new(manifest, &catalog, &dense).map_err(|why| Trouble {
                    sentence: told!("w-the-servers-catalogue-ca", why),
                    remedy: Remedy::Retry,
                    mild: false,
                    cause: Cause::Other,
                })?;
                self.parts.replace(Rc::new([catalog, dense]));
                public
            }
        };
        self.public.replace(Some(Rc::new(public)));
        if moved {
            self.changed();
        }
        Ok(())
    }

    /// Whether kept dense features are still read; without its catalogue nobody
    /// knows, and they stay.
    async fn reads_dense(&self, manifest: &Manifest) -> bool {
        let catalog = self.keep.get(FILES, &manifest.catalog_blake3).await.unwrap_or_default();
        needs_dense(&manifest.config, &catalog)
    }

    async fn catalogue(&self, hash: &str, dense: bool) -> Result<Vec<u8>, Trouble> {
        let holds = |bytes: &Vec<u8>| blake3::hash(bytes).to_hex().as_str() == hash;
        if let Some(kept) = self.keep.get(FILES, hash).await.filter(holds) {
            return Ok(kept);
        }
        let bytes = self.api.catalog(dense).await.map_err(|fault| unreached(&fault))?;
        if !holds(&bytes) {
            return Err(Trouble {
                sentence: told!("w-the-catalogue-arrived-da").into(),
                remedy: Remedy::Download,
                mild: false,
                cause: Cause::Other,
            });
        }
        self.kept(self.keep.put(FILES, hash, &bytes).await);
        Ok(bytes)
    }

    /// The signed-in person's history, and their rows where models have any;
    /// false when the rows are of other versions than the manifest's.
    pub(super) async fn fetch_own(self: &Rc<Self>) -> Result<bool, Trouble> {
        let at = self.session.borrow().deletions;
        let (token, user) = (self.session.borrow().token.clone(), self.session.borrow().user.clone());
        let Some(token) = token else { return Ok(true) };
        let api = self.api.with(Some(&token));
        let alike = !self.has_own_parts();
        let fetched = if alike {
            api.interactions()
                .await
                .and_then(|list| Own::of_items(user.unwrap_or_default(), list.interactions).map_err(|_| Fault::Foreign))
        } else {
            match api.rows().await {
                Ok(rows) => api.interactions().await.map(|list| Own { rows, history: list.interactions }),
                Err(fault) => Err(fault),
            }
        };
        let own = match fetched {
            Ok(own) => own,
            Err(Fault::Refused { status: 401 | 404, .. }) => {
                self.sign_out().await;
                self.show();
                return Err(Trouble {
                    sentence: told!("w-the-server-no-longer").into(),
                    remedy: Remedy::None,
                    mild: true,
                    cause: Cause::Other,
                });
            }
            Err(fault) => return Err(unreached(&fault)),
        };
        self.look_again().await;
        if self.session.borrow().deletions != at {
            // Read before another tab's deletion: it may hold what is gone.
            return Ok(false);
        }
        let public = self.public.borrow().clone();
        let fits = public.filter(|_| !alike).is_none_or(|public| {
            public.manifest.shards.iter().all(|entry| {
                let row = own.rows.rows.iter().find(|row| row.shard == entry.shard);
                row.map(|row| row.version) == entry.version
            })
        });
        let known = self.own.borrow().clone();
        if known.as_deref() != Some(&own) {
            // A row of another version: the model is made again. One of items
            // has no rows, and only another file changes it.
            let same = |shard: u32| {
                let row = |own: &Own| own.rows.rows.iter().find(|row| row.shard == shard).cloned();
                known.as_deref().is_some_and(|known| row(known) == row(&own))
            };
            self.ready.borrow_mut().retain(|shard, _| alike || same(*shard));
            self.own.replace(Some(Rc::new(own)));
            self.changed();
        }
        self.own_at.set(at);
        Ok(fits)
    }

    pub(super) fn letter(&self, shard: u32) -> String {
        label(shard, self.public.borrow().as_ref().map_or(8, |public| public.manifest.shards_total))
    }
}

pub(super) fn unreached(fault: &Fault) -> Trouble {
    let next = match fault {
        Fault::Offline => told!("w-check-that-it-runs"),
        Fault::Refused { .. } => told!("w-try-again-in-a"),
        Fault::Foreign => told!("w-start-one-with-eemu"),
    };
    Trouble {
        sentence: format!("{fault} {next}"),
        remedy: Remedy::Retry,
        mild: *fault == Fault::Foreign,
        cause: if *fault == Fault::Offline { Cause::Offline } else { Cause::Other },
    }
}

//! What the page shows: one set of signals, copied into every component.

use eemu_core::config::AdaptConfig;
use eemu_core::model::ModelKind;
use eemu_core::shard::ShardBy;
use leptos::prelude::*;

use super::example;
use super::location::Chosen;
use super::trial::Trial;
use crate::for_you::opened::{Choice, Reading};
use crate::for_you::protocol::{Ask, Checked, Deed, Device, Fetching, Following, List, Service, Trouble, What, Why};
use crate::operate::office::Office;

/// What is to be forgotten, waiting for a yes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Doomed {
    /// Some deeds.
    Some(Vec<Deed>),
    /// Everything; with the account or without.
    All { account: bool },
}

/// What will be forgotten in a few seconds, unless somebody takes it back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pending {
    pub(crate) deeds: Vec<Deed>,
    /// Seconds left.
    pub(crate) left: u32,
}

/// A deed that is to be forgotten, or was, during this visit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gone {
    pub(crate) deed: Deed,
    /// Name of the deletion.
    pub(crate) id: String,
}

/// Every signal of the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) ready: RwSignal<bool>,
    /// The service as the worker last told of it.
    pub(crate) service: RwSignal<Option<Service>>,
    /// Identifier and name of every item.
    pub(crate) items: RwSignal<Vec<(String, String)>>,
    pub(crate) list: RwSignal<Option<List>>,
    /// How many deletions were acknowledged when it was made.
    pub(crate) list_at: RwSignal<u64>,
    pub(crate) fetching: RwSignal<Option<Fetching>>,
    /// Deletions on their way, the newest first.
    pub(crate) followings: RwSignal<Vec<Following>>,
    pub(crate) receipt: RwSignal<Option<Checked>>,
    pub(crate) trouble: RwSignal<Option<Trouble>>,
    /// Settings that the reader chose; the rest is the service's.
    pub(crate) chosen: RwSignal<Chosen>,
    /// Which draw of the adaptation set.
    pub(crate) draw: RwSignal<u64>,
    pub(crate) doomed: RwSignal<Option<Doomed>>,
    /// What will be sent in a few seconds.
    pub(crate) pending: RwSignal<Option<Pending>>,
    /// What was sent to be forgotten, and is not acknowledged yet.
    pub(crate) sent: RwSignal<Vec<Deed>>,
    /// What was sent, and was not taken.
    pub(crate) refused_deeds: RwSignal<Vec<Deed>>,
    /// Whether several are chosen at once, and which.
    pub(crate) choosing: RwSignal<Option<Vec<Deed>>>,
    /// Names of what was forgotten during this visit; gone with a reload.
    pub(crate) gone: RwSignal<Vec<Gone>>,
    /// Receipts of this visit that failed, by the deletion's name.
    pub(crate) failed: RwSignal<Vec<String>>,
    /// Versions of the shards before the last deletion.
    pub(crate) before: RwSignal<Vec<Option<u64>>>,
    /// Forgetting one thing of the example.
    pub(crate) trial: RwSignal<Option<Trial>>,
    /// Which device computes.
    pub(crate) device: RwSignal<Option<Device>>,
    /// The live region's words.
    pub(crate) said: RwSignal<String>,
    /// Until when they stand, in milliseconds since 1970.
    urgent: RwSignal<f64>,
    /// What became of the reader's file, and how they want it read.
    pub(crate) opened: RwSignal<Option<Reading>>,
    pub(crate) choice: RwSignal<Choice>,
    /// Why an item stands in the list, as it was asked last.
    pub(crate) why: RwSignal<Option<Why>>,
    /// The item whose reasons are shown.
    pub(crate) asked_why: RwSignal<Option<u32>>,
    /// Whether single keys act.
    pub(crate) keys: RwSignal<bool>,
    /// What the page Operate keeps.
    pub(crate) office: Office,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            ready: RwSignal::new(false),
            service: RwSignal::new(None),
            items: RwSignal::new(Vec::new()),
            list: RwSignal::new(None),
            list_at: RwSignal::new(0),
            fetching: RwSignal::new(None),
            followings: RwSignal::new(Vec::new()),
            receipt: RwSignal::new(None),
            trouble: RwSignal::new(None),
            chosen: RwSignal::new(Chosen::parse(&crate::page::fragment())),
            draw: RwSignal::new(0),
            doomed: RwSignal::new(None),
            pending: RwSignal::new(None),
            sent: RwSignal::new(Vec::new()),
            refused_deeds: RwSignal::new(Vec::new()),
            choosing: RwSignal::new(None),
            gone: RwSignal::new(Vec::new()),
            failed: RwSignal::new(Vec::new()),
            before: RwSignal::new(Vec::new()),
            trial: RwSignal::new(None),
            device: RwSignal::new(None),
            said: RwSignal::new(String::new()),
            urgent: RwSignal::new(0.0),
            opened: RwSignal::new(None),
            choice: RwSignal::new(Choice::default()),
            why: RwSignal::new(None),
            asked_why: RwSignal::new(None),
            keys: RwSignal::new(true),
            office: Office::new(),
        }
    }

    /// Whether nobody is here yet: the example is shown.
    pub(crate) fn is_example(self) -> bool {
        self.service
            .with(|service| service.as_ref().is_none_or(|service| service.history.is_empty() && service.user.is_none()))
            && self.receipt.with(Option::is_none)
            && self.followings.with(Vec::is_empty)
    }

    /// The newest deletion on its way.
    pub(crate) fn following(self) -> Option<Following> {
        self.followings.with(|all| all.first().cloned())
    }

    /// Whether the list on the page was made before something was forgotten.
    pub(crate) fn is_outdated(self) -> bool {
        let now = self.service.with(|service| service.as_ref().map_or(0, |service| service.deletions));
        self.list_at.get() < now
    }

    /// What a yes to the question sends.
    pub(crate) fn what(deeds: &[Deed]) -> What {
        What::Items(deeds.iter().map(|deed| deed.item.clone()).collect())
    }

    /// Looks at the service, or the example's. A service holds everything that
    /// a person did, so it is not copied.
    pub(crate) fn shown<T>(self, look: impl FnOnce(&Service) -> T) -> Option<T> {
        if self.is_example() { example::service().map(look) } else { self.service.with(|s| s.as_ref().map(look)) }
    }

    /// How many shards there are.
    pub(crate) fn shards(self) -> u32 {
        let example = self.is_example();
        self.service
            .with(|service| service.as_ref().filter(|_| !example).map_or(8, |service| service.shards.len() as u32))
    }

    /// What kind of model the service has; the default before it is known.
    pub(crate) fn kind(self) -> ModelKind {
        self.service.with(|service| service.as_ref().map_or(ModelKind::Episodes, |service| service.kind))
    }

    /// Whether the service cuts by person: one's records lie in one shard.
    pub(crate) fn by_person(self) -> bool {
        self.service.with(|service| service.as_ref().is_some_and(|service| service.by == ShardBy::Person))
    }

    /// How a list is made now.
    pub(crate) fn ask(self) -> Option<Ask> {
        let (usual, kind) = self.service.with(|service| service.as_ref().map(|s| (s.usual.clone(), s.kind)))?;
        Some(self.chosen.get().over(&usual, kind, self.draw.get()))
    }

    /// The same for the sliders, which stand there before the service is known.
    pub(crate) fn shown_ask(self) -> Ask {
        let usual = || Ask::usual(&AdaptConfig::whole_history());
        self.ask().unwrap_or_else(|| self.chosen.get().over(&usual(), self.kind(), 0))
    }

    /// Tells those who listen, unless something that matters more was just said.
    pub(crate) fn say_beside(self, words: impl Into<String>) {
        if self.urgent.with_untracked(|until| *until <= js_sys::Date::now()) {
            self.said.set(words.into());
        }
    }

    /// Tells those who listen.
    pub(crate) fn say(self, words: impl Into<String>) {
        // Long enough to be read out before a list says that it moved.
        self.urgent.set(js_sys::Date::now() + 4000.0);
        self.said.set(words.into());
    }
}

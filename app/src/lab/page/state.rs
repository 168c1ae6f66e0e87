//! What the page shows: one set of signals, copied into every component.

use std::sync::OnceLock;

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::client::Running;
use crate::lab::address::Address;
use crate::lab::protocol::{Attack, Broken, Built, Cost, CutCost, Dot, Failure, Forgot, List, Trained, Twin};
use crate::lab::setup::{Setup, Source};
use crate::say::say;

/// Something to show: computed here, or the example that came with the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown<T> {
    pub(super) value: T,
    pub(super) example: bool,
}

impl<T> Shown<T> {
    pub(super) fn live(value: T) -> Self {
        Self { value, example: false }
    }

    fn example(value: T) -> Option<Self> {
        Some(Self { value, example: true })
    }
}

/// A finished run of the usual setup: the first paint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Step 2.
    pub built: Built,
    /// Step 3.
    pub trained: Trained,
    /// Step 4.
    pub list: List,
    /// Step 5.
    pub forgot: Forgot,
    /// Step 6.
    pub twin: Twin,
    /// Step 7.
    pub broken: Vec<Broken>,
    /// Step 8.
    pub cost: Vec<Cost>,
    /// Step 6, its attack.
    pub attack: Attack,
    /// Step 8, both cuts.
    pub cuts: Vec<CutCost>,
}

/// The example that is built in, if its file is whole; a test sees that it is.
/// Many parts of the pages look at it, so it is read once.
pub fn example() -> Option<&'static Example> {
    static EXAMPLE: OnceLock<Option<Example>> = OnceLock::new();
    EXAMPLE.get_or_init(|| serde_json::from_str(include_str!("../../../data/example.json")).ok()).as_ref()
}

/// Every signal of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) address: RwSignal<Address>,
    pub(super) built: RwSignal<Option<Shown<Built>>>,
    pub(super) trained: RwSignal<Option<Shown<Trained>>>,
    pub(super) list: RwSignal<Option<Shown<List>>>,
    pub(super) forgot: RwSignal<Option<Shown<Forgot>>>,
    pub(super) twin: RwSignal<Option<Shown<Twin>>>,
    pub(super) broken: RwSignal<Vec<Shown<Broken>>>,
    pub(super) cost: RwSignal<Option<Shown<Vec<Cost>>>>,
    pub(super) attack: RwSignal<Option<Shown<Attack>>>,
    pub(super) cuts: RwSignal<Option<Shown<Vec<CutCost>>>>,
    pub(super) running: RwSignal<Option<Running>>,
    pub(super) failure: RwSignal<Option<Failure>>,
    pub(super) ready: RwSignal<bool>,
    /// Faults of the link.
    pub(super) complaints: RwSignal<Vec<String>>,
    /// The live region's words.
    pub(super) said: RwSignal<String>,
    /// Whether single keys act.
    pub(super) keys: RwSignal<bool>,
    /// The link's own table is not open.
    pub(super) missing: RwSignal<bool>,
    /// Compute the open step again, once the world is cut.
    pub(super) replay: RwSignal<bool>,
}

impl State {
    pub(super) fn new(address: Address, complaints: Vec<String>) -> Self {
        let own = matches!(address.setup.source, Source::Own(_));
        let replay = address.play;
        let state = Self {
            address: RwSignal::new(address),
            built: RwSignal::new(None),
            trained: RwSignal::new(None),
            list: RwSignal::new(None),
            forgot: RwSignal::new(None),
            twin: RwSignal::new(None),
            broken: RwSignal::new(Vec::new()),
            cost: RwSignal::new(None),
            attack: RwSignal::new(None),
            cuts: RwSignal::new(None),
            running: RwSignal::new(None),
            failure: RwSignal::new(None),
            ready: RwSignal::new(false),
            complaints: RwSignal::new(complaints),
            said: RwSignal::new(String::new()),
            keys: RwSignal::new(true),
            missing: RwSignal::new(own),
            replay: RwSignal::new(replay),
        };
        state.reset();
        state
    }

    /// Forgets what was computed for another setup; the example stands in
    /// where it fits.
    pub(super) fn reset(self) {
        let usual = Address::default();
        let (setup, dot) = self.address.with_untracked(|address| (address.setup.clone(), address.dot));
        let fits = setup == usual.setup;
        let example = example().filter(|_| fits);
        let same_dot = dot == usual.dot;
        let of = |take: bool| example.filter(|_| take);
        self.built.set(of(true).and_then(|e| Shown::example(e.built.clone())));
        self.trained.set(of(true).and_then(|e| Shown::example(e.trained.clone())));
        self.list.set(of(true).and_then(|e| Shown::example(e.list.clone())));
        self.forgot.set(of(same_dot).and_then(|e| Shown::example(e.forgot.clone())));
        self.twin.set(of(same_dot).and_then(|e| Shown::example(e.twin.clone())));
        let broken = of(same_dot).map_or_else(Vec::new, |e| e.broken.clone());
        self.broken.set(broken.into_iter().filter_map(Shown::example).collect());
        self.attack.set(of(same_dot).and_then(|e| Shown::example(e.attack.clone())));
        // Costs are of a world of their own, unless the reader has a table.
        let measured =
            self::example().filter(|_| !matches!(setup.source, Source::Own(_)) && setup.cut == usual.setup.cut);
        self.cost.set(measured.and_then(|e| Shown::example(e.cost.clone())));
        let cuts =
            self::example().filter(|_| !matches!(setup.source, Source::Own(_)) && setup.shards == usual.setup.shards);
        self.cuts.set(cuts.and_then(|e| Shown::example(e.cuts.clone())));
    }

    /// Another dot: what was computed for the last one goes.
    pub(super) fn choose(self, dot: Dot) {
        if self.address.with_untracked(|address| address.dot) != dot {
            self.address.update(|address| address.dot = dot);
            self.forgot.set(None);
            self.twin.set(None);
            self.broken.set(Vec::new());
            self.attack.set(None);
        }
    }

    /// Hashes of two machines are never shown as one run's: what was computed
    /// here takes the place of all of the example's.
    pub(super) fn only_live(self) {
        fn drop_example<T: Send + Sync + 'static>(signal: RwSignal<Option<Shown<T>>>) {
            if signal.with_untracked(|shown| shown.as_ref().is_some_and(|shown| shown.example)) {
                signal.set(None);
            }
        }
        drop_example(self.trained);
        drop_example(self.forgot);
        drop_example(self.twin);
        if self.broken.with_untracked(|all| all.iter().any(|shown| shown.example)) {
            self.broken.update(|all| all.retain(|shown| !shown.example));
        }
    }

    /// A world came from the worker. A reader's own table, just
    /// read, names the setup.
    pub(super) fn take_built(self, built: Built, own_table: bool) {
        if own_table {
            let source = Source::Own(built.hash.clone());
            if self.missing.get_untracked() && self.address.with_untracked(|address| address.setup.source != source) {
                self.complaints.set(vec![say!("l-this-is-another-table").into()]);
            }
            self.missing.set(false);
            self.address.update(|address| address.setup = Setup { source, ..address.setup.clone() });
            self.reset();
        }
        // A link may name a dot that this world lacks.
        let dot = self.address.with_untracked(|address| address.dot);
        if !built.dots.iter().any(|placed| placed.dot == dot)
            && let Some(first) = built.dots.get(built.dots.len() / 2)
        {
            self.choose(first.dot);
        }
        let household = self.address.with_untracked(|address| address.list.household);
        if household as usize >= built.households.len() {
            self.address.update(|address| address.list.household = 0);
        }
        self.built.set(Some(Shown::live(built)));
    }

    /// Tells those who listen.
    pub(super) fn say(self, words: String) {
        self.said.set(words);
    }
}

//! The settings in the link's fragment: how a list is made, and nothing about
//! anybody. A history, a pick, a name or a token never stands in an address.

use std::fmt::Write as _;

use eemu_core::model::ModelKind;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::state::State;
use crate::for_you::protocol::Ask;
use crate::page::fragment;
use crate::parts::header::Place;

/// The most pairs that a low-rank model adapts with here.
const MOST_PAIRS: usize = 500;

/// What the reader chose; `None` is the service's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) size: Option<usize>,
    pub(crate) step: Option<f32>,
    pub(crate) steps: Option<usize>,
    pub(crate) temperature: Option<f64>,
    pub(crate) recency: Option<f64>,
    pub(crate) top: Option<usize>,
    pub(crate) off: Vec<u32>,
}

impl Chosen {
    /// Reads `#for-you&n=6&a=.1&t=1&tau=.06&r=3&off=2,5&k=20`. What cannot be used
    /// is left to the service; what has no meaning for its models is kept, and
    /// not used.
    pub(crate) fn parse(fragment: &str) -> Self {
        let mut chosen = Self::default();
        for (key, value) in fragment.trim_start_matches('#').split('&').filter_map(|part| part.split_once('=')) {
            match key {
                "n" => chosen.size = value.parse().ok().filter(|n| *n <= 1000),
                "a" => chosen.step = value.parse().ok().filter(|a| (0.0..=2.0).contains(a)),
                "t" => chosen.steps = value.parse().ok().filter(|t| (1..=20).contains(t)),
                "tau" => chosen.temperature = value.parse().ok().filter(|tau| (0.001..=10.0).contains(tau)),
                "r" => chosen.recency = value.parse().ok().filter(|r| (0.0..=1000.0).contains(r)),
                "k" => chosen.top = value.parse().ok().filter(|k| (1..=100).contains(k)),
                "off" => chosen.off = value.split(',').filter_map(|shard| shard.parse().ok()).collect(),
                _ => {}
            }
        }
        chosen
    }

    /// Only what differs from the service's settings.
    fn text(&self) -> String {
        let mut text = "#for-you".to_owned();
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = write!(text, "&{key}={value}");
            }
        };
        add("n", self.size.map(|n| n.to_string()));
        add("a", self.step.map(|a| a.to_string()));
        add("t", self.steps.map(|t| t.to_string()));
        add("tau", self.temperature.map(|tau| tau.to_string()));
        add("r", self.recency.map(|r| r.to_string()));
        add("k", self.top.map(|k| k.to_string()));
        let off: Vec<String> = self.off.iter().map(u32::to_string).collect();
        add("off", (!off.is_empty()).then(|| off.join(",")));
        text
    }

    /// The service's settings with the reader's over them, where they mean
    /// something to models of this kind.
    pub(crate) fn over(&self, usual: &Ask, kind: ModelKind, draw: u64) -> Ask {
        let drawn = !kind.is_of_items();
        // A closed form takes no steps.
        let steps = drawn || kind == ModelKind::Episodes;
        Ask {
            size: self.size.filter(|n| !drawn || *n <= MOST_PAIRS).unwrap_or(usual.size),
            step: self.step.filter(|a| steps && (!drawn || *a > 0.0)).unwrap_or(usual.step),
            steps: self.steps.filter(|_| steps).unwrap_or(usual.steps),
            temperature: self.temperature.filter(|_| drawn).unwrap_or(usual.temperature),
            recency: self.recency.filter(|_| drawn).unwrap_or(usual.recency),
            top: self.top.unwrap_or(usual.top),
            off: self.off.clone(),
            draw: if drawn { draw } else { usual.draw },
        }
    }
}

/// Keeps address and settings together.
pub(super) fn follow(state: State) {
    Effect::new(move |_| {
        let text = state.chosen.with(Chosen::text);
        let now = fragment();
        if Place::of(&now).is_some_and(|place| place != Place::ForYou)
            || now == text
            || (now.is_empty() && text == "#for-you")
        {
            return;
        }
        if let Ok(history) = window().history() {
            // A browser that allows no more entries keeps the page working.
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&text));
        }
    });
    let handle = window_event_listener(leptos::ev::hashchange, move |_| {
        let text = fragment();
        if Place::of(&text) == Some(Place::ForYou) {
            let chosen = Chosen::parse(&text);
            // The link of the place alone keeps what was chosen.
            if text != "#for-you" && state.chosen.with_untracked(|known| *known != chosen) {
                state.chosen.set(chosen);
            }
        }
    });
    on_cleanup(move || handle.remove());
}

#[cfg(test)]
mod tests {
    use eemu_core::config::AdaptConfig;

    use super::*;

    #[test]
    fn settings_come_back_and_nonsense_is_left_out() {
        let chosen = Chosen::parse("#for-you&n=6&a=0.25&t=2&tau=0.06&r=2.5&k=20&off=1,7");
        assert_eq!(Chosen::parse(&chosen.text()), chosen);
        assert_eq!((chosen.size, chosen.recency, chosen.off.len()), (Some(6), Some(2.5), 2));
        let none = Chosen::parse("#for-you&n=many&a=-1&t=0&tau=0&r=-2&k=0&off=x&user=42");
        assert_eq!(none, Chosen::default());
        assert_eq!(none.text(), "#for-you");
    }

    #[test]
    fn what_has_no_meaning_for_a_model_is_not_used() {
        let chosen = Chosen::parse("#for-you&n=800&a=0&t=2&tau=0.06&r=2.5&k=20&off=1");
        let usual = Ask::usual(&AdaptConfig::whole_history());
        let items = chosen.over(&usual, ModelKind::Episodes, 3);
        assert_eq!((items.size, items.step, items.steps, items.top, items.off.len()), (800, 0.0, 2, 20, 1));
        assert_eq!((items.temperature, items.recency, items.draw), (usual.temperature, usual.recency, 0));
        let closed = chosen.over(&usual, ModelKind::Kernel, 3);
        assert_eq!((closed.size, closed.step, closed.steps), (800, usual.step, usual.steps));
        let usual = Ask::usual(&AdaptConfig::default());
        let pairs = chosen.over(&usual, ModelKind::TwoTower, 3);
        assert_eq!((pairs.size, pairs.step, pairs.steps, pairs.draw), (usual.size, usual.step, 2, 3));
        assert_eq!((pairs.temperature, pairs.recency), (0.06, 2.5));
        assert!(chosen.text().contains("&tau=0.06"), "a link is kept whole");
    }
}

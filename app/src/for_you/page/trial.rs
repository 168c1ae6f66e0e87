//! Forgetting one thing of the example, for real: the Lab's worker trains the
//! example's eight models, forgets one purchase, lists again, and trains a twin
//! that never had it. Nobody needs an account for it, and nothing leaves the
//! browser.

use std::cell::RefCell;
use std::rc::Rc;

use eemu_core::data::Holdout;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use super::example;
use super::state::State;
use crate::for_you::protocol::Deed;
use crate::lab::page::{example as finished, focus};
use crate::lab::protocol::{Answer, Dot, List, ListAsk, Order, Tell, Twin, What};
use crate::lab::setup::{Setup, config};
use crate::parts::shapes::label;
use crate::parts::words;
use crate::say::say;

const WORKER: &str = "static/worker.js";

type Listener = Closure<dyn FnMut(MessageEvent)>;

/// What became of it so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trial {
    pub(crate) deed: Deed,
    /// What is under way, and how far, in percent.
    pub(crate) phase: (String, u32),
    /// The household's list by the models that forgot.
    pub(crate) list: Option<List>,
    /// The models that forgot beside those that never knew.
    pub(crate) twin: Option<Twin>,
    pub(crate) failed: Option<String>,
}

/// Starts it; what was under way ends.
pub(super) fn begin(state: State, deed: Deed) {
    let Some(dot) = example::dot(&deed) else { return };
    let phase = (say!("y-starting").to_owned(), 0);
    state.say(say!("y-forgetting-here", name = deed.name));
    state.trial.set(Some(Trial { deed: deed.clone(), phase, list: None, twin: None, failed: None }));
    request_animation_frame(|| focus("proof"));
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    options.set_name(&format!("lab {}", crate::say::language().code()));
    let Ok(worker) = Worker::new_with_options(WORKER, &options) else { return fail(state, &deed) };
    // The listener goes with its worker.
    let kept: Rc<RefCell<Option<Listener>>> = Rc::default();
    let (ours, own) = (worker.clone(), kept.clone());
    let heard = Listener::new(move |event: MessageEvent| {
        let text = event.data().as_string().unwrap_or_default();
        let Ok(tell) = serde_json::from_str::<Tell>(&text) else { return };
        let wanted = state.trial.with_untracked(|trial| trial.as_ref().is_some_and(|trial| trial.deed == deed));
        if !wanted || hear(state, &ours, dot, tell) {
            ours.terminate();
            ours.set_onmessage(None);
            let own = own.clone();
            // Not while it runs.
            request_animation_frame(move || drop(own.take()));
        }
    });
    worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    kept.replace(Some(heard));
}

fn fail(state: State, deed: &Deed) {
    state.trial.update(|trial| {
        if let Some(trial) = trial.as_mut().filter(|trial| trial.deed == *deed) {
            trial.failed = Some(say!("y-it-could-not-be").into());
        }
    });
}

/// Takes what the worker tells; true when it is through.
fn hear(state: State, worker: &Worker, dot: Dot, tell: Tell) -> bool {
    let send = |id, what| {
        if let Ok(text) = serde_json::to_string(&Order::Ask { id, setup: Setup::default(), what }) {
            // Posting text cannot fail.
            let _ = worker.post_message(&JsValue::from_str(&text));
        }
    };
    let mut through = false;
    match tell {
        Tell::Ready => {
            send(1, What::After(dot, ask(dot)));
            send(2, What::Twin(dot));
        }
        Tell::Progress(_, progress) => state.trial.update(|trial| {
            if let Some(trial) = trial {
                trial.phase = (progress.phase, (progress.share * 100.0) as u32);
            }
        }),
        Tell::Done(_, Answer::List(list)) => state.trial.update(|trial| {
            if let Some(trial) = trial {
                trial.list = Some(list);
            }
        }),
        Tell::Done(_, Answer::Twin(twin)) => {
            let equal = twin.own.len() - twin.differing();
            state.say(say!("y-forgotten-of-models-are", equal, twin = twin.own.len()));
            state.trial.update(|trial| {
                if let Some(trial) = trial {
                    trial.twin = Some(twin);
                }
            });
            through = true;
        }
        Tell::Done(..) => {}
        Tell::Stopped(_) | Tell::Failed(..) => {
            let sentence = match tell {
                Tell::Failed(_, failure) => failure.sentence,
                _ => say!("y-it-was-stopped").into(),
            };
            state.trial.update(|trial| {
                if let Some(trial) = trial {
                    trial.failed = Some(sentence);
                }
            });
            through = true;
        }
    }
    through
}

fn ask(dot: Dot) -> ListAsk {
    let adapt = config(0, 8, Holdout::None).adapt;
    ListAsk {
        household: dot.household,
        size: adapt.size,
        step: adapt.step,
        steps: adapt.steps,
        temperature: adapt.temperature,
        off: Vec::new(),
    }
}

/// What happened, in place of a receipt: nobody signs what this browser saw
/// itself.
#[component]
pub(super) fn Proof() -> impl IntoView {
    let state = expect_context::<State>();
    move || {
        let trial = state.trial.get().filter(|_| state.is_example())?;
        let name = trial.deed.name.clone();
        let Some(twin) = trial.twin else {
            let (phase, share) = trial.phase;
            return Some(
                view! {
                    <section class="paper none" aria-labelledby="proof">
                        <h2 id="proof" tabindex="-1">{say!("y-forgetting", name)}</h2>
                        {match trial.failed {
                            Some(why) => view! { <p class="small bad">{why}</p> }.into_any(),
                            None => view! {
                                <p class="small">{say!("y-progress", phase, share)}</p>
                                <p class="small muted">{say!("y-eight-models-are-trained")}</p>
                            }.into_any(),
                        }}
                    </section>
                }
                .into_any(),
            );
        };
        let count = twin.own.len();
        let equal = count - twin.differing();
        let letters: Vec<String> = twin.shards.iter().map(|shard| label(*shard, count as u32)).collect();
        let whole = equal == count;
        let result = if whole { say!("y-no-byte-differs") } else { say!("y-some-differ") };
        let rows = (0u32..).zip(twin.own.iter().zip(&twin.twin.hashes)).map(|(shard, (own, other))| {
            let sign = if own == other { "=" } else { "≠" };
            let short = |hash: &String| hash.chars().take(8).collect::<String>();
            view! { <li>{format!("{} {} {sign} {}", label(shard, count as u32), short(own), short(other))}</li> }
        });
        Some(
            view! {
                <section class="paper" aria-labelledby="proof">
                    <div class="head">
                        <h2 id="proof" tabindex="-1">{say!("y-the-proof")}</h2>
                        <b class=if whole { "small ok" } else { "small bad" }>{say!("y-of-equal", equal, count)}</b>
                    </div>
                    <p class="small">{say!("y-is-forgotten-only-had", name, letters = letters.join(", "), word = words::number(count - letters.len()), result)}</p>
                    <ul class="mono small hashes">{rows.collect_view()}</ul>
                    <p class="small muted">{say!("y-computed-in-this-browser")}<code>"eemu verify"</code>{say!("y-makes-this-comparison")}</p>
                    <div class="row">
                        <button type="button" class="btn s" id="trial-again" on:click=move |_| { state.trial.set(None); focus("deeds-head") }>{say!("y-put-it-back")}</button>
                        <a class="btn s" href="#v=1">{say!("y-see-how-in-the")}</a>
                    </div>
                </section>
            }
            .into_any(),
        )
    }
}

/// The shards that the trial's deletion touched, once they are known.
pub(super) fn touched(state: State) -> Option<Vec<u32>> {
    state.trial.with(|trial| trial.as_ref().and_then(|trial| trial.twin.as_ref()).map(|twin| twin.shards.clone()))
}

/// The trial's list, told as the example's is.
pub(super) fn list(state: State) -> Option<crate::for_you::protocol::List> {
    let list = state.trial.with(|trial| trial.as_ref().and_then(|trial| trial.list.clone()))?;
    Some(example::told(finished()?, &list))
}

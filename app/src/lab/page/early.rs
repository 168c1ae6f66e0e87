//! Figures of steps 1, 2, 3 and 5: the world, its trays, training, forgetting.

use leptos::prelude::*;

use super::client::Client;
use super::controls::{dot_name, dot_shard};
use super::figures::{Curve, short};
use super::grid::{Chosen, Grid};
use super::knobs::Account;
use super::predict::revealed;
use super::state::State;
use crate::lab::guess::Topic;
use crate::lab::protocol::{Built, What};
use crate::lab::setup::EPOCHS;
use crate::parts::pane::{Pane, Piece};
use crate::parts::shapes::{Mark, label};
use crate::parts::words;
use crate::say::say;

/// The current world, drawn by `draw`, or a dim sentence.
pub(super) fn with_world(state: State, draw: impl Fn(Built) -> AnyView + Send + 'static) -> impl IntoView {
    move || match state.built.get() {
        Some(shown) => draw(shown.value),
        None => view! { <p class="empty muted">{waits(state)}</p> }.into_any(),
    }
}

/// Why there is no world yet.
pub(super) fn waits(state: State) -> &'static str {
    if state.missing.get() { say!("l-open-the-links-table") } else { say!("l-the-world-is-being") }
}

pub(super) fn shards(state: State) -> Memo<u32> {
    Memo::new(move |_| state.address.with(|address| address.setup.shards))
}

pub(super) fn chosen_dot(state: State) -> Signal<crate::lab::protocol::Dot> {
    Signal::derive(move || state.address.with(|address| address.dot))
}

/// Step 1: dots without colour.
#[component]
pub(super) fn World() -> impl IntoView {
    let state = expect_context::<State>();
    with_world(state, move |built| {
        let (who, what, dots) = (built.households.len(), built.products.len(), built.dots.len());
        let (repeated, skipped) = built.left_out;
        let left_out = [
            (repeated > 0).then(|| say!("l-repeated", n = repeated)),
            (skipped > 0).then(|| say!("l-skipped", n = skipped)),
        ];
        let left_out: Vec<String> = left_out.into_iter().flatten().collect();
        let left_out = (!left_out.is_empty()).then(|| left_out.join(" "));
        let mut common: Vec<(u32, u32)> = built.degrees.iter().copied().zip(0..).collect();
        common.sort_by_key(|(degree, place)| (std::cmp::Reverse(*degree), *place));
        let named = |(degree, place): (u32, u32)| {
            let name = built.products.get(place as usize).cloned().unwrap_or_default();
            view! { <li><span>{name}</span><span class="num muted">{degree}</span></li> }
        };
        let most: Vec<_> = common.iter().take(4).copied().map(named).collect();
        let rare: Vec<_> = common.iter().rev().filter(|(d, _)| *d > 0).take(4).copied().map(named).collect();
        view! {
            <h2>{say!("l-purchases", dots)}</h2>
            <p class="muted">{say!("l-households-down-products", who, what)}</p>
            {left_out.map(|words| view! { <p class="small caution">{words}</p> })}
            <Grid
                built=built.clone()
                shards=1
                coloured=false
                name="world"
                label=say!("l-households-and-products", who, what, dots)
                dot=chosen_dot(state)
                chosen=Chosen::Hidden
            />
            <div class="pairs">
                <section><h3>{say!("l-in-most-households")}</h3><ul class="names">{most}</ul></section>
                <section><h3>{say!("l-in-the-fewest")}</h3><ul class="names">{rare}</ul></section>
            </div>
        }
        .into_any()
    })
}

/// Step 2: coloured dots and the trays they fall into.
#[component]
pub(super) fn Trays() -> impl IntoView {
    let state = expect_context::<State>();
    let shards = shards(state);
    let lit = RwSignal::new(None::<u32>);
    with_world(state, move |built| {
        let shards = shards.get();
        let tray = |shard: u32| {
            let own: Vec<_> = built.dots.iter().filter(|placed| placed.shard == shard).collect();
            let query = own.iter().filter(|placed| placed.query).count();
            let words = say!("l-support-query", own = own.len() - query, query);
            let widest = built.dots.len() as f64 / f64::from(shards) * 2.0;
            let width = format!("{:.0}%", own.len() as f64 / widest.max(1.0) * 100.0);
            view! {
                <li class=crate::parts::shapes::class(shard)>
                    <button
                        type="button"
                        class="tray"
                        aria-pressed=move || (lit.get() == Some(shard)).to_string()
                        on:click=move |_| lit.update(|lit| *lit = if *lit == Some(shard) { None } else { Some(shard) })
                    >
                        <Mark shard shards/>
                        <span><b class="num">{own.len()}</b><span class="small muted">{words}</span></span>
                        <i style:width=width aria-hidden="true"></i>
                    </button>
                </li>
            }
        };
        let trays = (0..shards).map(tray).collect_view();
        let world = built.clone();
        let grid = move || {
            view! {
                <Grid
                    built=world.clone()
                    shards
                    coloured=true
                    name="cut"
                    label=say!("l-every-purchase-with-its")
                    dot=chosen_dot(state)
                    chosen=Chosen::Hidden
                    lit=lit.get()
                    choose=Callback::new(move |dot| state.choose(dot))
                />
            }
        };
        view! {
            <h2>{say!("l-purchases-trays", built = built.dots.len(), shards)}</h2>
            <p class="muted">{say!("l-choose-a-tray-to")}</p>
            {grid}
            <ul class="trays">{trays}</ul>
        }
        .into_any()
    })
}

/// What the pane shows while something trains, and after.
pub(super) fn training_pieces(state: State) -> Signal<Vec<Piece>> {
    let shards = shards(state);
    Signal::derive(move || {
        let running = state.running.get();
        let done = state.trained.get();
        (0..shards.get())
            .map(|shard| {
                let place = shard as usize;
                let epochs = running.as_ref().and_then(|r| r.progress.losses.get(place)).map(Vec::len);
                match epochs.filter(|epochs| *epochs > 0) {
                    Some(epochs) => Piece {
                        caption: say!("l-epoch-of", epochs, total = EPOCHS),
                        level: Some(epochs as u32 * 100 / EPOCHS),
                        ..Piece::default()
                    },
                    None if running.as_ref().is_some_and(|r| r.what == What::Train) => {
                        Piece { caption: say!("l-waits").into(), level: Some(0), ..Piece::default() }
                    }
                    None => Piece {
                        caption: match done.as_ref().and_then(|shown| shown.value.hashes.get(place)) {
                            Some(hash) => short(hash),
                            None => say!("l-not-trained").into(),
                        },
                        level: done.is_none().then_some(0),
                        ..Piece::default()
                    },
                }
            })
            .collect()
    })
}

/// The losses of one shard: those of the run that is under way, or the last ones.
fn losses(state: State, shard: u32) -> Signal<Vec<f32>> {
    Signal::derive(move || {
        let place = shard as usize;
        let live = state.running.with(|r| {
            r.as_ref()
                .filter(|r| r.what == What::Train)
                .map(|r| r.progress.losses.get(place).cloned().unwrap_or_default())
        });
        let done = || state.trained.with(|t| t.as_ref().and_then(|t| t.value.losses.get(place).cloned()));
        live.or_else(done).unwrap_or_default()
    })
}

/// Step 3: the pane fills, curves draw.
#[component]
pub(super) fn Training() -> impl IntoView {
    let state = expect_context::<State>();
    let shards = shards(state);
    let highest = Signal::derive(move || {
        let all = (0..shards.get()).flat_map(|shard| losses(state, shard).get());
        all.fold(0.1f32, f32::max)
    });
    let took = move || {
        state.trained.get().filter(|shown| !shown.example).map(|shown| {
            let trained = shown.value;
            view! {
                <p class="muted" id="trained" data-millis=trained.millis.to_string()>{say!("l-trained-in", n = trained.hashes.len(), epochs = EPOCHS, seconds = (trained.millis / 1000.0, 1))}</p>
            }
        })
    };
    view! {
        <h2>{say!("l-one-model-a-tray")}</h2>
        <p class="muted">{say!("l-each-piece-fills-as")}</p>
        <Pane pieces=training_pieces(state) shards/>
        <ul class="curves">
            {move || (0..shards.get()).map(|shard| {
                let own = losses(state, shard);
                let last = move || own.with(|own| own.last().map_or_else(|| "–".to_owned(), |loss| crate::say::decimal(f64::from(*loss), 2)));
                view! {
                    <li>
                        <div class="sh"><Mark shard shards=shards.get_untracked() small=true/><span class="small num muted">{say!("l-loss")}{last}</span></div>
                        <Curve shard losses=own highest epochs=EPOCHS/>
                    </li>
                }
            }).collect_view()}
        </ul>
        {took}
        <Numbers/>
    }
}

/// The curves as a table, for those who want numbers.
#[component]
fn Numbers() -> impl IntoView {
    let state = expect_context::<State>();
    let shards = shards(state);
    let rows = move || {
        let row = |shard: u32| {
            let own = losses(state, shard).get();
            let at = |place: usize| {
                own.get(place).map_or_else(|| "–".to_owned(), |loss| crate::say::decimal(f64::from(*loss), 3))
            };
            view! {
                <tr><th scope="row">{label(shard, shards.get_untracked())}</th>
                    <td>{at(0)}</td><td>{at(own.len() / 2)}</td><td>{at(own.len().saturating_sub(1))}</td></tr>
            }
        };
        (0..shards.get()).map(row).collect_view()
    };
    view! {
        <details class="numbers">
            <summary>{say!("l-show-numbers")}</summary>
            <div class="scroll" tabindex="0" role="region" aria-label=say!("l-losses")>
                <table>
                    <thead><tr><th scope="col">{say!("l-shard")}</th><th scope="col">{say!("l-first")}</th><th scope="col">{say!("l-middle")}</th><th scope="col">{say!("l-last-epoch")}</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

/// Step 5: the ringed dot, and the piece that empties and refills.
#[component]
pub(super) fn Forgetting() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let shards = shards(state);
    let pieces = Signal::derive(move || {
        let dot = state.address.with(|address| address.dot);
        let own = dot_shard(state, dot);
        let running = state.running.get();
        let seen = revealed(state, Topic::Forget);
        let done = state.forgot.get().filter(|shown| seen && shown.value.dot == dot);
        let live = |shard: u32| {
            let running = running.as_ref()?;
            let epochs = running.progress.losses.get(shard as usize).map_or(0, Vec::len);
            (epochs > 0).then_some(epochs)
        };
        (0..shards.get())
            .map(|shard| {
                if let Some(epochs) = live(shard) {
                    return Piece {
                        caption: say!("l-epoch-of", epochs, total = EPOCHS),
                        level: Some(epochs as u32 * 100 / EPOCHS),
                        lifted: Some(shard) == own,
                        ..Piece::default()
                    };
                }
                let again = done.as_ref().is_some_and(|shown| shown.value.shards.contains(&shard));
                let caption = match (&done, again) {
                    (None, _) if Some(shard) == own => say!("l-holds-the-dot").to_owned(),
                    (None, _) if !seen => "?".to_owned(),
                    (None, _) => say!("l-never-saw-it").to_owned(),
                    (Some(shown), true) => {
                        // Never of two machines: their bytes are others.
                        let before = state.trained.with(|t| {
                            let t = t.as_ref().filter(|t| t.example == shown.example)?;
                            t.value.hashes.get(shard as usize).map(|h| h[..4].to_owned())
                        });
                        let after = shown.value.after.hashes[shard as usize].get(..4).unwrap_or_default().to_owned();
                        before.map_or_else(|| say!("l-rebuilt-2", after), |before| format!("{before}… → {after}…"))
                    }
                    (Some(_), false) => say!("l-unchanged").to_owned(),
                };
                Piece { caption, lifted: again || (done.is_none() && Some(shard) == own), ..Piece::default() }
            })
            .collect()
    });
    let time = move || {
        state.forgot.get().filter(|shown| !shown.example && shown.value.all_millis > 0.0).map(|shown| {
            let (one, all) = (shown.value.after.millis, shown.value.all_millis);
            view! {
                <p class="took"><b class="num">{words::millis(one)}</b>{say!("l-for-one-shard-training")}
                    <b class="num">{words::millis(all)}</b>"."</p>
            }
        })
    };
    let forget = Callback::new(move |dot| {
        state.choose(dot);
        super::predict::skip(state);
        client.ask(What::Forget(dot));
    });
    let chosen = Signal::derive(move || {
        let dot = state.address.with(|address| address.dot);
        match revealed(state, Topic::Forget) && state.forgot.with(|f| f.as_ref().is_some_and(|f| f.value.dot == dot)) {
            true => Chosen::Forgotten,
            false => Chosen::Ringed,
        }
    });
    // Choosing a dot must not draw the grid anew: the focus is in it.
    let grid = move || {
        state.built.get().map(|shown| {
            view! {
                <Grid
                    built=shown.value
                    shards=shards.get()
                    coloured=true
                    name="forget"
                    label=say!("l-every-purchase-choose-th")
                    dot=chosen_dot(state)
                    chosen
                    choose=Callback::new(move |dot| state.choose(dot))
                    forget
                />
            }
        })
    };
    let heading = move || {
        let (who, what) = dot_name(state, state.address.with(|address| address.dot));
        match revealed(state, Topic::Forget) && state.forgot.with(|f| f.is_some()) {
            true => view! { <s>{what}</s>", "{who} }.into_any(),
            false => view! { {what}", "{who} }.into_any(),
        }
    };
    view! {
        <h2>{heading}</h2>
        <p class="muted">{say!("l-arrow-keys-move-between")}</p>
        {grid}
        <Pane pieces shards/>
        {time}
        <Account/>
    }
}

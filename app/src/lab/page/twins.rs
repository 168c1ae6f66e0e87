//! Step 6: two worlds, and eight mirrors that close one by one.

use leptos::prelude::*;

use super::attack::AttackPanel;
use super::early::{chosen_dot, shards, waits};
use super::figures::{Curve, Side};
use super::grid::{Chosen, Grid};
use super::predict::revealed;
use super::state::State;
use crate::lab::guess::Topic;
use crate::lab::protocol::{Difference, Twin};
use crate::lab::setup::EPOCHS;
use crate::say::say;

#[component]
pub(super) fn Twins() -> impl IntoView {
    let state = expect_context::<State>();
    let shards = shards(state);
    let world = move |name: &'static str, title: &'static str, note: &'static str, chosen: Chosen| {
        let grid = move || {
            state.built.get().map(|shown| {
                view! {
                    <Grid
                        built=shown.value
                        shards=shards.get()
                        coloured=true
                        name=name
                        label=format!("{title}: {note}")
                        dot=chosen_dot(state)
                        chosen
                    />
                }
            })
        };
        view! { <section><h2>{title}</h2><p class="muted">{note}</p>{grid}</section> }
    };
    view! {
        <div class="worlds">
            {world("own", say!("l-your-world"), say!("l-had-the-dot-forgot"), Chosen::Forgotten)}
            {world("twin", say!("l-twin-world"), say!("l-never-had-the-dot"), Chosen::Never)}
        </div>
        {move || mirrors(state, shards.get())}
        <AttackPanel/>
    }
}

/// The eight columns; before there is a twin, the upper halves alone.
fn mirrors(state: State, shards: u32) -> AnyView {
    let dot = state.address.with(|address| address.dot);
    let seen = revealed(state, Topic::Twin);
    let twin = state.twin.get().map(|shown| shown.value).filter(|twin| seen && twin.dot == dot);
    if let Some(twin) = twin {
        return view! { <Legend/> {compared(&twin, shards, false)} {evidence(&twin, shards)} }.into_any();
    }
    // What the world knows so far: after forgetting, or before.
    let forgot = state.forgot.get().filter(|f| f.value.dot == dot).map(|f| f.value.after.hashes);
    if state.missing.get() {
        return view! { <p class="empty muted">{waits(state)}</p> }.into_any();
    }
    let Some(hashes) = forgot.or_else(|| state.trained.get().map(|t| t.value.hashes)) else {
        return view! { <p class="empty muted">{say!("l-no-model-is-trained")}</p> }.into_any();
    };
    let sides = hashes.into_iter().zip(0..).map(|(own, shard)| {
        view! {
            <Side shard shards note="" hot=false own twin=None><span></span></Side>
        }
    });
    view! { <Legend/> <ul class="cmp">{sides.collect_view()}</ul> }.into_any()
}

/// How a strip is read.
#[component]
pub(super) fn Legend() -> impl IntoView {
    // Eight bars of made-up hashes.
    const OWN: [u32; 8] = [18, 9, 25, 13, 28, 7, 21, 15];
    const OTHER: [u32; 8] = [6, 22, 11, 27, 9, 24, 13, 4];
    let strip = |lower: [u32; 8], class: &'static str| {
        let bars = (0..8).map(|place| {
            let (x, up, down) = (place * 4, OWN[place as usize], lower[place as usize]);
            view! {
                <rect x=x y=31 - up width="3" height=up></rect>
                <rect class="below" x=x y="33" width="3" height=down></rect>
            }
        });
        view! { <svg class=class viewBox="0 0 32 64" preserveAspectRatio="none" aria-hidden="true">{bars.collect_view()}</svg> }
    };
    view! {
        <ul class="legend small muted" id="legend">
            <li>{strip(OWN, "mirror equal")}
                {say!("l-a-strip-is-a")}</li>
            <li>{strip(OTHER, "mirror differs")}
                {say!("l-one-number-of-the")}</li>
        </ul>
    }
}

/// A column a shard. `small` leaves the curves out.
pub(super) fn compared(twin: &Twin, shards: u32, small: bool) -> AnyView {
    let highest = twin.twin.losses.iter().flatten().copied().fold(0.1f32, f32::max);
    let sides = twin.own.iter().zip(&twin.twin.hashes).zip(0..shards).map(|((own, other), shard)| {
        let again = twin.shards.contains(&shard);
        let note = if again { say!("l-retrained") } else { say!("l-untouched") };
        let curve = (!small).then(|| {
            let losses = twin.twin.losses.get(shard as usize).cloned().unwrap_or_default();
            let drawn = Signal::stored(losses.clone());
            view! { <Curve shard losses=drawn twin=losses highest=Signal::stored(highest) epochs=EPOCHS/> }
        });
        view! {
            <Side shard shards note hot=again own=own.clone() twin=Some(other.clone())>
                {curve}
            </Side>
        }
    });
    view! { <ul class="cmp" class:sm=small class:many=move || { shards > 8 }>{sides.collect_view()}</ul> }.into_any()
}

/// What was compared, and where it differs.
pub(super) fn evidence(twin: &Twin, shards: u32) -> AnyView {
    let differing: Vec<(u32, Vec<Difference>)> =
        (0..).zip(twin.differences.iter().cloned()).filter(|(_, found)| !found.is_empty()).collect();
    if differing.is_empty() {
        let compared = if twin.records_equal { say!("l-all-compared") } else { say!("l-all-compared-differ") };
        return view! {
            <p class="small muted">
                {compared}
            </p>
        }
        .into_any();
    }
    let shard = |(shard, found): (u32, Vec<Difference>)| {
        let rows = found.into_iter().map(|difference| {
            let rows = match difference.rows.len() {
                0 => String::new(),
                _ => format!(": {} …", difference.rows.join(", ")),
            };
            view! {
                <li><span class="mono">{difference.tensor}</span>
                    " "{say!("l-of-values", n = difference.unequal, all = difference.values)}{rows}</li>
            }
        });
        view! {
            <details class="numbers">
                <summary>{say!("l-where-shard-differs", crate = crate::parts::shapes::label(shard, shards))}</summary>
                <ul class="places small">{rows.collect_view()}</ul>
            </details>
        }
    };
    differing.into_iter().map(shard).collect_view().into_any()
}

//! Step 6, second half: can somebody still tell? A membership attack before
//! forgetting and after it, over worlds of many seeds.

use leptos::prelude::*;

use super::client::Client;
use super::controls::dot_name;
use super::predict::revealed;
use super::state::State;
use crate::lab::attack::{ROUNDS, Strike, strike};
use crate::lab::guess::Topic;
use crate::lab::protocol::{Attack, Places, Round, What};
use crate::parts::late::Late;
use crate::say::{key, named, say};

/// Who is asked: all models by their mean, or the one that held the dot.
#[derive(Debug, Clone, Copy)]
struct Asked {
    words: &'static str,
    place: fn(Places) -> u32,
}

const ASKED: [Asked; 2] = [
    Asked { words: key!("l-asked-mean"), place: |places| places.list },
    Asked { words: key!("l-asked-one"), place: |places| places.own },
];

fn strikes(attack: &Attack, asked: Asked) -> (Strike, Strike) {
    let place = asked.place;
    let never = |round: &Round| place(round.never);
    (
        strike(&attack.rounds, |round| place(round.before), never),
        strike(&attack.rounds, |round| place(round.after), never),
    )
}

#[component]
pub(super) fn AttackPanel() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let found = Memo::new(move |_| {
        let dot = state.address.with(|address| address.dot);
        state.attack.get().filter(|shown| shown.value.dot == dot)
    });
    let ask = move |_| client.ask(What::Attack(state.address.with_untracked(|address| address.dot)));
    let under_way = move || state.running.with(|r| r.as_ref().is_some_and(|r| matches!(r.what, What::Attack(_))));
    let words = move || match found.with(|found| found.as_ref().is_some_and(|shown| !shown.example)) {
        true => say!("l-attack-again"),
        false => say!("l-attack-here"),
    };
    move || {
        revealed(state, Topic::Twin).then(|| view! {
            <section class="attack" aria-labelledby="attack-head">
                <h2 id="attack-head">{say!("l-can-somebody-still-tell")}</h2>
                <p class="muted">{move || explained(state)}</p>
                <p><button type="button" class="btn s" id="attack" disabled=move || !state.ready.get() || under_way() on:click=ask>{words}</button>
                    {move || found.with(|f| f.as_ref().is_some_and(|f| f.example)).then(|| view! { <span class="small muted" id="attack-example">{say!("l-example-computed-elsewhe")}</span> })}
                </p>
                // In a task of its own: the mirrors above come with it.
                {move || found.get().map(|shown| {
                    let attack = StoredValue::new(shown.value);
                    view! { <Late><Guesses attack=attack.get_value()/></Late> }
                })}
            </section>
        })
    }
}

fn explained(state: State) -> String {
    let (who, what) = dot_name(state, state.address.with(|address| address.dot));
    say!("l-somebody-sees-only-how", what, who, rounds = ROUNDS)
}

#[component]
fn Guesses(attack: Attack) -> impl IntoView {
    let row = |asked: Asked| {
        let (before, after) = strikes(&attack, asked);
        let cell = |strike: Strike| {
            say!("l-of", hits = strike.hits, guesses = strike.guesses, strike = (strike.share() * 100.0, 0))
        };
        view! {
            <tr><th scope="row">{named(asked.words)}</th><td class="num">{cell(before)}</td><td class="num">{cell(after)}</td></tr>
        }
    };
    let rows = ASKED.map(row).into_iter().collect_view();
    let sentence = said(&attack);
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=say!("l-right-guesses")>
            <table id="attacked">
                <thead><tr><th scope="col">{say!("l-right-guesses-asking")}</th><th scope="col">{say!("l-before-forgetting")}</th><th scope="col">{say!("l-after")}</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="sentence" id="attack-says">{sentence}</p>
        {strip(&attack)}
        {numbers(&attack)}
    }
}

/// What the figures say, and no more.
fn said(attack: &Attack) -> String {
    let [(mean, _), (one, after)] = ASKED.map(|asked| strikes(attack, asked));
    let chance = one.chance();
    let coin = say!("l-coin", low = ((0.5 - chance) * 100.0, 0), high = ((0.5 + chance) * 100.0, 0));
    let before = match (mean.beats_a_coin(), one.beats_a_coin()) {
        (true, true) => say!("l-before-forgetting-the-do", coin),
        (false, true) => say!("l-before-forgetting-the-do-2", coin),
        (true, false) => say!("l-before-forgetting-the-do-3", coin),
        (false, false) => say!("l-this-attack-is-too", coin),
    };
    let (equal, all) = (attack.rounds.iter().filter(|round| round.equal).count(), attack.rounds.len());
    let apart = attack.rounds.iter().filter(|round| round.after != round.never).count();
    let after = if equal == all && apart == 0 {
        say!("l-after-forgetting-the-mod", equal, all, hits = after.hits, guesses = after.guesses)
    } else {
        say!("l-after-forgetting-of-pair", equal, all)
    };
    format!("{before} {after}")
}

/// Where the product stands in each world: a mark a seed, before forgetting
/// above, after it or never there below.
fn strip(attack: &Attack) -> impl IntoView + use<> {
    let most = attack.products.max(2);
    let x = move |place: u32| 150.0 + f64::from(place.saturating_sub(1)) / f64::from(most - 1) * 440.0;
    let rows =
        [(say!("l-had-the-dot"), 0usize), (say!("l-forgot-it"), 1), (say!("l-never-had-it"), 2)].map(|(name, row)| {
            let mut stacked = vec![0u32; most as usize + 1];
            let top = 38.0 + row as f64 * 52.0;
            let marks = attack.rounds.iter().map(|round| {
                let places = [round.before, round.after, round.never][row];
                let height = stacked.get_mut(places.own as usize).map_or(0, |count| {
                    *count += 1;
                    *count - 1
                });
                view! { <circle cx=x(places.own) cy=top - f64::from(height) * 5.0 r="3"></circle> }
            });
            view! {
                <path class="rule" d=format!("M150 {}H590", top + 5.0)></path>
                <text x="140" y=top + 4.0 text-anchor="end">{name}</text>
                {marks.collect_view()}
            }
        });
    view! {
        <svg class="cost strip" viewBox="0 0 620 180" role="img" aria-label=say!("l-place-of-the-product")>
            {rows}
            <text x="150" y="172" text-anchor="middle">{say!("l-first")}</text>
            <text x="590" y="172" text-anchor="middle">{format!("{most}.")}</text>
            <text x="370" y="172" text-anchor="middle">{say!("l-place-by-the-model")}</text>
        </svg>
    }
}

fn numbers(attack: &Attack) -> impl IntoView + use<> {
    let row = |round: &Round| {
        view! {
            <tr><th scope="row">{round.seed}</th>
                <td>{round.before.list}</td><td>{round.after.list}</td><td>{round.never.list}</td>
                <td>{round.before.own}</td><td>{round.after.own}</td><td>{round.never.own}</td>
                <td>{if round.equal { say!("l-yes") } else { say!("l-no") }}</td></tr>
        }
    };
    let rows = attack.rounds.iter().map(row).collect_view();
    view! {
        <details class="numbers">
            <summary>{say!("l-show-numbers")}</summary>
            <div class="scroll" tabindex="0" role="region" aria-label=say!("l-places-in-each-world")>
                <table>
                    <thead><tr><th scope="col">{say!("l-seed")}</th>
                        <th scope="col">{say!("l-mean-had-it")}</th><th scope="col">{say!("l-forgot")}</th><th scope="col">{say!("l-never")}</th>
                        <th scope="col">{say!("l-one-had-it")}</th><th scope="col">{say!("l-forgot")}</th><th scope="col">{say!("l-never")}</th>
                        <th scope="col">{say!("l-bytes-equal")}</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::protocol::Dot;

    #[test]
    fn a_weak_attack_and_a_leak_are_said() {
        let at = |place| Places { list: place, own: place };
        let of = |before: u32, after: u32, equal| Attack {
            dot: Dot { household: 0, product: 0 },
            products: 20,
            rounds: (0..24)
                .map(|seed| Round { seed, before: at(before), after: at(after), never: at(9), equal })
                .collect(),
        };
        let strong = said(&of(1, 9, true));
        assert!(strong.contains("in one model and in the mean of all: a coin would be right 36 to 64 %"), "{strong}");
        assert!(strong.contains("in 24 of 24") && strong.contains("right in 24 of 48"), "{strong}");
        assert!(said(&of(9, 9, true)).contains("too weak to see the dot even before forgetting"));
        assert!(said(&of(1, 3, false)).contains("0 of 24 pairs of worlds are equal byte for byte"));
    }
}

//! The world as a grid: households by products, one dot a purchase. One tab
//! stop; arrows move between dots, Enter chooses, Delete asks to forget.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::lab::protocol::{Built, Dot, Placed};
use crate::parts::shapes;
use crate::say::say;

/// Side of a cell.
const CELL: f64 = 20.0;

/// How the chosen dot is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Not at all.
    Hidden,
    /// Ringed.
    Ringed,
    /// Crossed out: it was forgotten.
    Forgotten,
    /// An empty place: it never was.
    Never,
}

/// The next dot in a direction, if there is one.
pub(super) fn neighbour(dots: &[Placed], from: Dot, key: &str) -> Option<Dot> {
    let own = |household: u32| dots.iter().map(|p| p.dot).filter(move |dot| dot.household == household);
    let nearest = |household: u32| own(household).min_by_key(|dot| dot.product.abs_diff(from.product));
    let mut rows: Vec<u32> = dots.iter().map(|p| p.dot.household).collect();
    rows.dedup();
    match key {
        "ArrowRight" => own(from.household).find(|dot| dot.product > from.product),
        "ArrowLeft" => own(from.household).rfind(|dot| dot.product < from.product),
        "ArrowDown" => rows.iter().find(|row| **row > from.household).and_then(|row| nearest(*row)),
        "ArrowUp" => rows.iter().rev().find(|row| **row < from.household).and_then(|row| nearest(*row)),
        "Home" => own(from.household).next(),
        "End" => own(from.household).next_back(),
        _ => None,
    }
}

/// What a cell is called: "Household 5, Lipcare, shard D".
pub(super) fn cell_name(built: &Built, placed: Placed, shards: u32, coloured: bool) -> String {
    let name = |names: &[String], place: u32| names.get(place as usize).cloned().unwrap_or_default();
    let who = name(&built.households, placed.dot.household);
    let what = name(&built.products, placed.dot.product);
    if !coloured {
        return format!("{who}, {what}");
    }
    let part = if placed.query { say!("l-query") } else { say!("l-support") };
    say!("l-shard-2", who, what, shapes = shapes::label(placed.shard, shards), part)
}

fn id(name: &str, dot: Dot) -> String {
    format!("{name}-{}-{}", dot.household, dot.product)
}

/// The grid. `coloured` gives every dot its shard's shape and colour.
#[component]
pub(super) fn Grid(
    built: Built,
    shards: u32,
    coloured: bool,
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(into)] dot: Signal<Dot>,
    #[prop(into)] chosen: Signal<Chosen>,
    /// A shard whose dots stand out.
    #[prop(optional_no_strip)]
    lit: Option<u32>,
    /// Called when a dot is chosen; without it the grid is a picture.
    #[prop(optional)]
    choose: Option<Callback<Dot>>,
    /// Called when Delete is pressed on a dot.
    #[prop(optional)]
    forget: Option<Callback<Dot>>,
) -> impl IntoView {
    let (rows, columns) = (built.households.len() as f64, built.products.len() as f64);
    let focus = RwSignal::new(dot.get_untracked());
    Effect::new(move |_| focus.set(dot.get()));
    let dots = StoredValue::new(built.dots.clone());
    let grid_name = StoredValue::new(name.clone());
    let keys = move |event: leptos::ev::KeyboardEvent| {
        let key = event.key();
        let at = focus.get_untracked();
        if let Some(next) = dots.with_value(|dots| neighbour(dots, at, &key)) {
            event.prevent_default();
            focus.set(next);
            let element = document().get_element_by_id(&id(&grid_name.get_value(), next));
            if let Some(element) = element.and_then(|e| e.dyn_into::<web_sys::SvgElement>().ok()) {
                let _ = element.focus();
            }
        } else if matches!(key.as_str(), "Enter" | " ") {
            event.prevent_default();
            event.stop_propagation();
            choose.inspect(|choose| choose.run(at));
        } else if key == "Delete" {
            event.prevent_default();
            forget.inspect(|forget| forget.run(at));
        }
    };
    let lines = (0..built.households.len()).map(|row| {
        let cells: Vec<Placed> = built.dots.iter().copied().filter(|p| p.dot.household as usize == row).collect();
        let y = row as f64 * CELL;
        let dots = cells.into_iter().map(|placed| {
            let own = placed.dot;
            let x = f64::from(own.product) * CELL;
            let dim = lit.is_some_and(|lit| lit != placed.shard);
            let class = format!(
                "dot {}{}{}",
                if coloured { shapes::class(placed.shard) } else { "plain".into() },
                if placed.query && coloured { " query" } else { "" },
                if dim { " dim" } else { "" },
            );
            let gone = move || {
                matches!(chosen.get(), Chosen::Forgotten | Chosen::Never) && dot.get() == own
            };
            let outline = if coloured { shapes::outline(placed.shard) } else { shapes::outline(0) };
            let label = cell_name(&built, placed, shards, coloured);
            let interactive = choose.is_some();
            let title = label.clone();
            view! {
                <g
                    id=id(&name, own)
                    class=class
                    class:gone=gone
                    role=interactive.then_some("gridcell")
                    aria-label=interactive.then_some(label)
                    aria-selected=move || (interactive && chosen.get() != Chosen::Hidden).then(|| (dot.get() == own).to_string())
                    tabindex=move || interactive.then(|| if focus.get() == own { "0" } else { "-1" })
                    on:click=move |_| {
                        focus.set(own);
                        if let Some(choose) = choose { choose.run(own) }
                    }
                >
                    // Its name for a mouse. A listener of focus would make each dot a stop of Tab.
                    <title>{title}</title>
                    <rect class="hit" x=x y=y width=CELL height=CELL></rect>
                    <path d=outline transform=format!("translate({} {y}) translate(3 3) scale(.583)", x)></path>
                </g>
            }
        }).collect_view();
        let empty = (0..built.products.len()).map(|column| {
            let x = (column as f64 + 0.5) * CELL;
            view! { <circle class="none" cx=x cy=y + CELL / 2.0 r="1.1"></circle> }
        }).collect_view();
        let any = built.dots.iter().any(|p| p.dot.household as usize == row);
        view! { {empty} <g role=(choose.is_some() && any).then_some("row")>{dots}</g> }
    }).collect_view();
    let ring = move || {
        let dot = dot.get();
        let (x, y) = ((f64::from(dot.product) + 0.5) * CELL, (f64::from(dot.household) + 0.5) * CELL);
        let cross = format!("M{} {}l7 7m0-7l-7 7", x - 3.5, y - 3.5);
        match chosen.get() {
            Chosen::Hidden => None,
            Chosen::Ringed => Some(view! { <g class="ring"><circle cx=x cy=y r="11"></circle></g> }.into_any()),
            Chosen::Forgotten => {
                Some(view! { <g class="ring"><circle cx=x cy=y r="10"></circle><path d=cross></path></g> }.into_any())
            }
            Chosen::Never => Some(view! { <g class="ring never"><circle cx=x cy=y r="10"></circle></g> }.into_any()),
        }
    };
    // Its name for everybody: a mouse over it, or the focus in it.
    let named = RwSignal::new(String::new());
    let over = move |target: Option<web_sys::EventTarget>| {
        let dot = target.and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let title = dot.and_then(|dot| dot.closest("g.dot").ok().flatten());
        let title = title.and_then(|dot| dot.query_selector("title").ok().flatten());
        named.set(title.and_then(|title| title.text_content()).unwrap_or_default());
    };
    let usual = if choose.is_some() { say!("l-point-at-a-dot") } else { say!("l-point-at-a-dot-2") };
    let shown = move || match named.get() {
        name if name.is_empty() => usual.to_owned(),
        name => name,
    };
    view! {
        // A listener of focus on the drawing itself would make it a stop of Tab.
        <div class="world" on:focusin=move |event| over(event.target()) on:pointerover=move |event| over(event.target())>
        <svg
            class=format!("mx {}", grid_name.get_value())
            viewBox=format!("-3 -3 {} {}", columns * CELL + 6.0, rows * CELL + 6.0)
            role=if choose.is_some() { "grid" } else { "img" }
            aria-label=label
            on:keydown=keys
        >
            {lines}
            {ring}
        </svg>
        <p class="named tiny muted" aria-hidden="true">{shown}</p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(places: &[(u32, u32)]) -> Vec<Placed> {
        let placed = |&(household, product): &(u32, u32)| Placed {
            dot: Dot { household, product },
            shard: 3,
            query: false,
            dealt: 3,
        };
        places.iter().map(placed).collect()
    }

    #[test]
    fn arrows_move_to_the_nearest_dot() {
        let dots = dots(&[(0, 1), (0, 5), (2, 0), (2, 4), (3, 9)]);
        let step = |household, product, key: &str| {
            neighbour(&dots, Dot { household, product }, key).map(|dot| (dot.household, dot.product))
        };
        assert_eq!(step(0, 1, "ArrowRight"), Some((0, 5)));
        assert_eq!(step(0, 5, "ArrowRight"), None);
        assert_eq!(step(0, 5, "ArrowDown"), Some((2, 4)));
        assert_eq!(step(3, 9, "ArrowUp"), Some((2, 4)));
        assert_eq!(step(2, 4, "Home"), Some((2, 0)));
        assert_eq!(step(2, 0, "x"), None);
    }

    #[test]
    fn a_cell_says_who_what_and_where() {
        let built = Built {
            hash: String::new(),
            households: vec!["Household 1".into()],
            products: vec!["Salt".into(), "Lipcare".into()],
            dots: dots(&[(0, 1)]),
            degrees: vec![0, 1],
            left_out: (0, 0),
            spread: vec![1],
        };
        assert_eq!(cell_name(&built, built.dots[0], 8, true), "Household 1, Lipcare, shard D, support");
        assert_eq!(cell_name(&built, built.dots[0], 8, false), "Household 1, Lipcare");
    }
}

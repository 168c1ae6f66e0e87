//! Shards as people see them: a shape, a letter and a colour, always in the
//! same order. Colour never stands alone.

use crate::say::say;
use leptos::prelude::*;

/// Outlines on a 24 by 24 field: circle, square, triangle, diamond, triangle
/// point down, arch, hexagon, cross.
const OUTLINES: [&str; 8] = [
    "M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21Z",
    "M4.5 2h15A2.5 2.5 0 0 1 22 4.5v15a2.5 2.5 0 0 1-2.5 2.5h-15A2.5 2.5 0 0 1 2 19.5v-15A2.5 2.5 0 0 1 4.5 2Z",
    "M12 1.2 23.4 21.6H.6Z",
    "M12 .6 23.4 12 12 23.4.6 12Z",
    "M.6 2.4H23.4L12 22.8Z",
    "M2 22.5V12a10 10 0 0 1 20 0v10.5Z",
    "M6.3 2h11.4L23.4 12l-5.7 10H6.3L.6 12Z",
    "M7.2 1.5h9.6v5.7h5.7v9.6h-5.7v5.7H7.2v-5.7H1.5V7.2h5.7Z",
];
const LETTERS: [char; 8] = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];

/// "D"; above eight shards "D1", "D2" and so on.
pub(crate) fn label(shard: u32, shards: u32) -> String {
    let letter = LETTERS[shard as usize % 8];
    if shards <= 8 { letter.to_string() } else { format!("{letter}{}", shard / 8 + 1) }
}

/// The class that gives a shard's colours.
pub(crate) fn class(shard: u32) -> String {
    format!("shard-{}", LETTERS[shard as usize % 8])
}

pub(crate) fn outline(shard: u32) -> &'static str {
    OUTLINES[shard as usize % 8]
}

/// A shard's mark: its shape with its letter.
#[component]
pub(crate) fn Mark(shard: u32, shards: u32, #[prop(optional)] small: bool) -> impl IntoView {
    let text = label(shard, shards);
    // The letter sits where its shape is widest.
    let height = match shard % 8 {
        2 => "19.2",
        4 => "13.4",
        5 => "18",
        _ => "16.6",
    };
    let size = if text.len() > 1 || matches!(shard % 8, 2 | 4) { "10.5" } else { "13" };
    view! {
        <svg
            class=format!("mark {}{}", class(shard), if small { " s" } else { "" })
            viewBox="0 0 24 24"
            role="img"
            aria-label=say!("shard-mark", text)
        >
            <path d=outline(shard)></path>
            <text x="12" y=height font-size=size text-anchor="middle">{text.clone()}</text>
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_eight_shards_letters_get_a_number() {
        assert_eq!(label(3, 8), "D");
        assert_eq!((label(3, 16), label(11, 16)), ("D1".into(), "D2".into()));
    }
}

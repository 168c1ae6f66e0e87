//! Pictures of training and of equality: loss curves and hash mirrors.

use std::fmt::Write as _;

use leptos::prelude::*;

use crate::parts::shapes::{self, Mark};
use crate::say::say;

/// The points of a loss curve on a field of 100 by 56, scaled to `highest`.
fn curve(losses: &[f32], epochs: usize, highest: f32) -> String {
    let mut path = String::new();
    for (epoch, loss) in losses.iter().enumerate() {
        let x = epoch as f32 / (epochs.max(2) - 1) as f32 * 96.0 + 2.0;
        let y = 53.0 - (loss / highest.max(1e-6)).clamp(0.0, 1.0) * 48.0;
        let _ = write!(path, "{}{x:.1} {y:.1}", if epoch == 0 { "M" } else { "L" });
    }
    path
}

/// One shard's loss curve; a second one is drawn dashed over it.
#[component]
pub(super) fn Curve(
    shard: u32,
    #[prop(into)] losses: Signal<Vec<f32>>,
    #[prop(optional, into)] twin: Option<Vec<f32>>,
    #[prop(into)] highest: Signal<f32>,
    epochs: u32,
) -> impl IntoView {
    let sentence = move || {
        losses.with(|losses| match (losses.first(), losses.last()) {
            (Some(first), Some(last)) => {
                say!("l-loss-falls-from-to", first = (first, 2), last = (last, 2), losses = losses.len())
            }
            _ => say!("l-no-epoch-yet").to_owned(),
        })
    };
    let epochs = epochs as usize;
    let twin = twin.map(|twin| view! { <path class="twin" d=move || curve(&twin, epochs, highest.get())></path> });
    view! {
        <svg
            class=format!("cv {}", shapes::class(shard))
            viewBox="0 0 100 56"
            preserveAspectRatio="none"
            role="img"
            aria-label=sentence
        >
            <path class="base" d="M0 55.5H100"></path>
            <path d=move || losses.with(|losses| curve(losses, epochs, highest.get()))></path>
            {twin}
        </svg>
    }
}

/// The bytes of a hexadecimal hash.
fn bytes(hash: &str) -> Vec<u8> {
    let digits: Vec<u8> = hash.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// "ec2a…6c8c"
pub(super) fn short(hash: &str) -> String {
    match (hash.get(..4), hash.get(hash.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) => format!("{head}…{tail}"),
        _ => hash.to_owned(),
    }
}

/// What a mirror says.
pub(super) fn verdict(own: &str, twin: Option<&str>) -> (&'static str, String) {
    match twin {
        None => ("waiting", say!("l-waits-for-the-twin").to_owned()),
        Some(twin) if twin == own => ("equal", say!("l-equal-32-of-32").to_owned()),
        Some(twin) => {
            let (own, twin) = (bytes(own), bytes(twin));
            let unequal = own.iter().zip(&twin).filter(|(a, b)| a != b).count();
            ("differs", say!("l-differs-of-32-bytes", unequal))
        }
    }
}

/// A hash and its reflection: one bar a byte, the twin's below the line.
#[component]
pub(super) fn Mirror(own: String, #[prop(optional_no_strip)] twin: Option<String>) -> impl IntoView {
    let (state, says) = verdict(&own, twin.as_deref());
    let upper = bytes(&own);
    let lower = twin.as_deref().map(bytes).unwrap_or_default();
    let height = |byte: u8| 2.0 + f64::from(byte) / 255.0 * 28.0;
    let bars = upper.into_iter().enumerate().map(|(place, byte)| {
        let (x, tall) = (place as f64 * 4.0 + 0.5, height(byte));
        let below = lower.get(place).map(|byte| {
            view! { <rect class="below" x=x y="33" width="3" height=height(*byte)></rect> }
        });
        view! { <rect x=x y=31.0 - tall width="3" height=tall></rect> {below} }
    });
    view! {
        <svg
            class=format!("mirror {state}")
            viewBox="0 0 128 64"
            preserveAspectRatio="none"
            role="img"
            aria-label=says
        >
            {bars.collect_view()}
        </svg>
    }
}

/// A shard's column in a comparison: mark, curve, mirror, verdict.
#[component]
pub(super) fn Side(
    shard: u32,
    shards: u32,
    /// Short note beside the mark.
    #[prop(into)]
    note: String,
    hot: bool,
    own: String,
    #[prop(optional_no_strip)] twin: Option<String>,
    children: Children,
) -> impl IntoView {
    let (state, _) = verdict(&own, twin.as_deref());
    let words = match state {
        "equal" => say!("l-sign-equal"),
        "differs" => say!("l-sign-differs"),
        _ => say!("l-sign-waiting"),
    };
    view! {
        <li class="sc" class:hot=hot>
            <div class="sh"><Mark shard shards/><span class="small">{note}</span></div>
            {children()}
            <Mirror own=own.clone() twin=twin/>
            <span class="hx mono small">{short(&own)}</span>
            <span class=format!("eq {state}")>{words}</span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_is_seen() {
        let own = "ab".repeat(32);
        let other = format!("{}ac", "ab".repeat(31));
        assert_eq!(verdict(&own, Some(&own)).0, "equal");
        assert_eq!(verdict(&own, Some(&other)), ("differs", "differs, 1 of 32 bytes".to_owned()));
        assert_eq!(verdict(&own, None).0, "waiting");
        assert_eq!(short(&own), "abab…abab");
    }

    #[test]
    fn a_curve_stays_on_its_field() {
        assert_eq!(curve(&[2.0, 1.0], 24, 2.0), "M2.0 5.0L6.2 29.0");
        assert_eq!(curve(&[], 24, 0.0), "");
    }
}

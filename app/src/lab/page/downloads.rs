//! Each figure to take away: a picture, and its numbers as CSV. Both are made
//! here, of what stands there.

use leptos::prelude::*;

use super::numbers::{numbers, there};
use super::state::State;
use super::words;
use crate::parts::picture::picture;
use crate::parts::save::save;
use crate::say::say;

#[component]
pub(super) fn Downloads(step: Memo<u8>) -> impl IntoView {
    let state = expect_context::<State>();
    let name = move |end: &str| {
        let (step, setup) = state.address.with_untracked(|address| (address.step, address.setup.clone()));
        format!("eemu-lab-{step}-seed-{}.{end}", setup.seed)
    };
    let draw = move |_| {
        let (step, shards) = state.address.with_untracked(|address| (address.step, address.setup.shards));
        if let Some(text) = picture(".fig", &words::name(step, shards)) {
            save(&name("svg"), &text);
            state.say(say!("l-the-picture-is-saved").into());
        }
    };
    let write = move |_| {
        if let Some(text) = csv(&numbers(state)) {
            save(&name("csv"), &text);
            state.say(say!("l-the-numbers-are-saved").into());
        }
    };
    move || {
        there(state, step.get()).then(|| {
            view! {
                <p class="downloads small muted">
                    {say!("l-take-this-figure")}
                    <button type="button" class="link" id="save-picture" on:click=draw>{say!("l-picture-svg")}</button>
                    <button type="button" class="link" id="save-numbers" on:click=write>{say!("l-numbers-csv")}</button>
                </p>
            }
        })
    }
}

/// Rows as CSV, the first of them the heading.
fn csv(rows: &[Vec<String>]) -> Option<String> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).ok()?;
    }
    String::from_utf8(writer.into_inner().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_stay_one_field() {
        let row = |fields: [&str; 2]| fields.map(str::to_owned).to_vec();
        let text = csv(&[row(["what", "shard"]), row(["Salt, fine \"sea\"", "A"])]);
        assert_eq!(text.as_deref(), Some("what,shard\n\"Salt, fine \"\"sea\"\"\",A\n"));
    }
}

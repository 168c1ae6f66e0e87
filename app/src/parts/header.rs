//! The head of every page: the name, the three places, and what a page puts
//! at its end.

use leptos::prelude::*;

use super::language::LanguageChoice;
use crate::say::say;

/// Where a reader can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    ForYou,
    Lab,
    Operate,
}

impl Place {
    /// The place that a fragment names; `None` for an empty one.
    pub(crate) fn of(fragment: &str) -> Option<Self> {
        let text = fragment.trim_start_matches('#');
        match text.split('&').next().unwrap_or_default() {
            "" => None,
            "for-you" => Some(Self::ForYou),
            "operate" => Some(Self::Operate),
            _ => Some(Self::Lab),
        }
    }

    fn link(self) -> &'static str {
        match self {
            Self::ForYou => "#for-you",
            Self::Lab => "#v=1",
            Self::Operate => "#operate",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::ForYou => say!("place-for-you"),
            Self::Lab => say!("place-lab"),
            Self::Operate => say!("place-operate"),
        }
    }
}

/// The head, with `children` at its end.
#[component]
pub(crate) fn Header(here: Place, children: Children) -> impl IntoView {
    let link = move |place: Place| {
        view! { <a href=place.link() aria-current=(place == here).then_some("page")>{place.name()}</a> }
    };
    view! {
        <header class="top">
            <div class="wrap">
                <a class="brand" href=here.link()>
                    <svg width="32" height="32" viewBox="0 0 32 32" aria-hidden="true">
                        <path d="M14 15.1 9.33 3.83h9.34zM16.97 13.03l4.67-11.27 6.6 6.6zM14.9 16l11.27-4.67v9.34zM14.64 16.64l11.27 4.67-6.6 6.6zM14 16.9l4.67 11.27H9.33zM13.36 16.64 8.69 27.91l-6.6-6.6zM13.1 16 1.83 20.67v-9.34zM13.36 15.36 2.09 10.69l6.6-6.6z"></path>
                    </svg>
                    "eemu"
                </a>
                <nav class="nav" aria-label=say!("p-places")>
                    {[Place::ForYou, Place::Lab, Place::Operate].map(link).into_iter().collect_view()}
                </nav>
                <div class="end">{children()}<LanguageChoice/></div>
            </div>
        </header>
    }
}

/// Which device computes, and why.
#[component]
pub(crate) fn DeviceBadge(#[prop(into)] why: String) -> impl IntoView {
    view! { <span class="badge">{device("CPU", why)}</span> }
}

/// What stands on a badge: the chip, the device, why it is this one.
pub(crate) fn device(name: &'static str, why: String) -> impl IntoView {
    view! {
        <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
            <rect x="3.5" y="3.5" width="9" height="9" rx="1"></rect>
            <path d="M6 1v2M10 1v2M6 13v2M10 13v2M1 6h2M1 10h2M13 6h2M13 10h2"></path>
        </svg>
        {name}
        <span class="muted hide-s">{format!("· {why}")}</span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_names_a_place() {
        assert_eq!(Place::of(""), None);
        assert_eq!(Place::of("#v=1&step=3"), Some(Place::Lab));
        assert_eq!(Place::of("#for-you&n=6"), Some(Place::ForYou));
        assert_eq!(Place::of("#operate"), Some(Place::Operate));
    }
}

//! Whose list it is: a household that signs in, or a visitor who picks a few
//! items or opens a table of their own.

use leptos::prelude::*;

use super::client::Client;
use super::opening::Opening;
use super::state::{Doomed, State};
use crate::for_you::protocol::{Order, Pick};
use crate::say::say;

/// Matches that a search shows.
const MATCHES: usize = 8;

fn signed_in(state: State) -> Option<String> {
    state.service.with(|service| service.as_ref().and_then(|service| service.user.clone()))
}

fn close_menu() {
    if let Ok(Some(menu)) = document().query_selector(".menu[open]:has(#account)") {
        // What is closed already stays so.
        let _ = menu.remove_attribute("open");
    }
}

/// Who is signed in, at the end of the header.
#[component]
pub(super) fn Account() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let user = Memo::new(move |_| signed_in(state));
    move || {
        match user.get() {
        Some(user) => view! {
            <details class="menu">
                <summary class="badge" id="account">{say!("household", name = user)}</summary>
                <div class="card">
                    <button type="button" class="btn s" id="sign-out" on:click=move |_| client.send(&Order::SignOut)>{say!("y-sign-out")}</button>
                    <button type="button" class="btn s" id="export"
                        on:click=move |_| { close_menu(); client.send(&Order::Export) }>{say!("y-download-all-that-is")}</button>
                    <hr/>
                    <button type="button" class="btn s danger" id="forget-all"
                        on:click=move |_| { close_menu(); state.doomed.set(Some(Doomed::All { account: false })) }>{say!("y-forget-everything-2")}</button>
                    <button type="button" class="btn s danger" id="delete-account"
                        on:click=move |_| { close_menu(); state.doomed.set(Some(Doomed::All { account: true })) }>{say!("y-delete-the-account-2")}</button>
                </div>
            </details>
        }
        .into_any(),
        None => view! { <a class="badge" href="#who" on:click=|event| { event.prevent_default(); crate::lab::page::focus("who") }>{say!("y-sign-in")}</a> }.into_any(),
    }
    }
}

/// Signing in, picks and a table; nothing once somebody is signed in.
#[component]
pub(super) fn Who() -> impl IntoView {
    let state = expect_context::<State>();
    let user = Memo::new(move |_| signed_in(state));
    let there = Memo::new(move |_| state.service.with(Option::is_some));
    let items = Memo::new(move |_| state.kind().is_of_items());
    move || {
        (user.get().is_none()).then(|| {
            view! {
                <section class="who card">
                    <h2 id="who" tabindex="-1">{say!("y-whose-list")}</h2>
                    {move || if there.get() {
                        view! {
                            <SignIn/>
                            <Picks/>
                            <Opening/>
                            {items.get().then(|| view! {
                                <p class="tiny muted">{say!("y-no-model-knows-anybody")}</p>
                            })}
                        }.into_any()
                    } else {
                        view! {
                            <p class="small muted">{move || if state.trouble.with(Option::is_some) {
                                say!("y-nobody-answers-for-a")
                            } else {
                                say!("y-asking-the-server")
                            }}</p>
                        }.into_any()
                    }}
                </section>
            }
        })
    }
}

#[component]
fn SignIn() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let token = RwSignal::new(String::new());
    let households = Memo::new(move |_| {
        state.service.with(|service| service.as_ref().map(|s| s.households.clone()).unwrap_or_default())
    });
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !token.with_untracked(|token| token.trim().is_empty()) {
            client.send(&Order::SignIn(token.get_untracked()));
            token.set(String::new());
        }
    };
    view! {
        {move || (!households.get().is_empty()).then(|| view! {
            <p class="small muted">{say!("y-a-demonstration-anybody")}</p>
            <ul class="choices" id="households">
                {households.get().into_iter().map(|household| {
                    let words = say!("household", name = household.user);
                    let token = household.token;
                    view! {
                        <li><button type="button" class="btn s" on:click=move |_| client.send(&Order::SignIn(token.clone()))>{words}</button></li>
                    }
                }).collect_view()}
            </ul>
        })}
        <form class="token" on:submit=submit>
            <label class="field">
                <span>{say!("y-token")}</span>
                <input id="token" type="password" autocomplete="off" spellcheck="false" placeholder="eemu_…"
                    prop:value=move || token.get() on:input=move |event| token.set(event_target_value(&event))/>
            </label>
            <button type="submit" class="btn">{say!("y-sign-in")}</button>
        </form>
    }
}

/// A visitor's picks.
#[component]
fn Picks() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let add = Callback::new(move |item: String| {
        let mut all = picks(state);
        all.push(Pick { item, when: None });
        client.send(&Order::Picks(all));
    });
    view! { <Search id="search" list="matches" label=say!("y-or-pick-what-you") add/> }
}

/// Adding a record, for who is signed in.
#[component]
pub(super) fn Adding() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let add = Callback::new(move |item: String| {
        let name = state.items.with_untracked(|items| items.iter().find(|known| known.0 == item).map(|i| i.1.clone()));
        state.say(say!("y-is-being-added", name = name.unwrap_or_default()));
        client.send(&Order::Add(item));
    });
    view! {
        <details class="adding kept">
            <summary class="small">{say!("y-add-something")}</summary>
            <Search id="add" list="add-matches" label=say!("y-your-list-uses-it") add/>
        </details>
    }
}

/// Finds an item by its name; what is there already is left out.
#[component]
fn Search(id: &'static str, list: &'static str, label: &'static str, add: Callback<String>) -> impl IntoView {
    let state = expect_context::<State>();
    let search = RwSignal::new(String::new());
    let matches = Memo::new(move |_| {
        let wanted = search.get().trim().to_lowercase();
        if wanted.is_empty() {
            return Vec::new();
        }
        let taken: Vec<String> = state.service.with(|service| {
            service.as_ref().map(|s| s.history.iter().map(|deed| deed.item.clone()).collect()).unwrap_or_default()
        });
        state.items.with(|items| {
            let fits = |item: &&(String, String)| item.1.to_lowercase().contains(&wanted) && !taken.contains(&item.0);
            items.iter().filter(fits).take(MATCHES).cloned().collect::<Vec<_>>()
        })
    });
    let chosen = move |item: String| {
        add.run(item);
        search.set(String::new());
        crate::lab::page::focus(id);
    };
    view! {
        <div class="picks">
            <label class="field">
                <span>{label}</span>
                <input id=id type="search" autocomplete="off" placeholder=say!("y-find-a-product")
                    prop:value=move || search.get() on:input=move |event| search.set(event_target_value(&event))/>
            </label>
            {move || {
                let found = matches.get();
                let none = found.is_empty() && !search.with(|search| search.trim().is_empty());
                view! {
                    <ul class="choices" id=list>
                        {found.into_iter().map(|(id, name)| view! {
                            <li><button type="button" class="btn s" on:click=move |_| chosen(id.clone())>
                                <span class="sr">{say!("y-add")}" "</span>{name}
                            </button></li>
                        }).collect_view()}
                    </ul>
                    {none.then(|| view! { <p class="small muted">{say!("y-nothing-of-this-name")}</p> })}
                }
            }}
        </div>
    }
}

/// What a visitor picked so far.
pub(super) fn picks(state: State) -> Vec<Pick> {
    state.service.with_untracked(|service| {
        let history = service.as_ref().filter(|service| service.user.is_none()).map(|service| service.history.clone());
        history.unwrap_or_default().into_iter().map(|deed| Pick { item: deed.item, when: deed.when }).collect()
    })
}

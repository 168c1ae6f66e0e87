//! An administrator's part: a person, found by their exact identifier alone;
//! tokens; who asked for what. Nobody is listed.

use eemu_core::api::{AuditEntry, NewToken, TokenEntry, TokenRequest};
use leptos::prelude::*;

use crate::for_you::page::{Client, State};
use crate::lab::page::focus;
use crate::operate::office;
use crate::operate::protocol::Errand;
use crate::parts::language::spoken;
use crate::parts::words;
use crate::say::say;

/// Records of a person that are shown before "show all".
const SHOWN: usize = 20;

/// What waits for a yes.
#[derive(Debug, Clone, PartialEq)]
enum Doomed {
    Item(String, String),
    All,
    Account,
}

#[component]
pub(super) fn Office() -> impl IntoView {
    let office = expect_context::<State>().office;
    view! {
        <div class="office">
            {move || office.said.get().map(|(words, refused)| view! {
                <div class="trouble" class:mild=!refused id="office-said" role=if refused { "alert" } else { "note" }>
                    <p>{spoken(&words)}</p>
                    <div class="row"><button type="button" class="btn s quiet" on:click=move |_| office.said.set(None)>{say!("o-close")}</button></div>
                </div>
            })}
            <div class="halves even">
                <Person/>
                <div><Tokens/><Audit/></div>
            </div>
        </div>
    }
}

/// Somebody, by their exact identifier.
#[component]
fn Person() -> impl IntoView {
    let office = expect_context::<State>().office;
    let client = expect_context::<Client>();
    let wanted = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let user = wanted.get_untracked();
        if !user.is_empty() {
            office.person.set(None);
            office.said.set(None);
            office.send(client, Errand::Find(user));
        }
    };
    view! {
        <section aria-labelledby="person">
            <h2 id="person" tabindex="-1">{say!("o-a-person")}</h2>
            <p class="small muted">{say!("o-found-by-the-exact")}</p>
            <form class="token" on:submit=submit>
                <label class="field"><span>{say!("o-identifier")}</span>
                    <input id="find-person" type="search" autocomplete="off" spellcheck="false"
                        prop:value=move || wanted.get() on:input=move |event| wanted.set(event_target_value(&event))/>
                </label>
                <button type="submit" class="btn">{say!("o-find")}</button>
            </form>
            {move || office.person.get().map(|person| view! { <Found person/> })}
        </section>
    }
}

#[component]
fn Found(person: office::Person) -> impl IntoView {
    let office = expect_context::<State>().office;
    let client = expect_context::<Client>();
    let doomed = RwSignal::new(None::<Doomed>);
    let all = RwSignal::new(false);
    let count = person.records.len();
    let user = StoredValue::new(person.user.clone());
    let records = person.records;
    let row = move |record: &eemu_core::api::OwnInteraction| {
        let (item, name) = (record.item.clone(), record.name.clone());
        let spoken = name.clone();
        view! {
            <li>
                <span>{name.clone()}{record.timestamp.map(|when| view! { <span class="small muted">{format!(" {}", words::moment(when))}</span> })}</span>
                <button type="button" class="btn s" on:click=move |_| doomed.set(Some(Doomed::Item(item.clone(), name.clone())))>
                    {say!("o-delete")}<span class="sr">{format!(" {spoken}")}</span>
                </button>
            </li>
        }
    };
    view! {
        <div class="card somebody" id="found-person">
            <div class="head"><h3>{person.user}</h3><span class="muted num">{say!("n-records", n = count)}</span></div>
            <div class="row">
                <button type="button" class="btn s" id="export-person"
                    on:click=move |_| office.send(client, Errand::ExportPerson(user.get_value()))>{say!("o-save-all-that-is")}</button>
                <button type="button" class="btn s" id="person-token" on:click=move |_| office.send(client, Errand::MakeToken(TokenRequest {
                    scope: "subject".into(), user: Some(user.get_value()), days: Some(30),
                }))>{say!("o-make-a-token-for")}</button>
                <button type="button" class="btn s danger" id="person-all" disabled=count == 0
                    on:click=move |_| doomed.set(Some(Doomed::All))>{say!("o-delete-all-records")}</button>
                <button type="button" class="btn s danger" id="person-account"
                    on:click=move |_| doomed.set(Some(Doomed::Account))>{say!("o-delete-the-account")}</button>
            </div>
            {move || doomed.get().map(|what| view! { <Sure what user doomed/> })}
            <ul class="rows">{move || {
                let limit = if all.get() { usize::MAX } else { SHOWN };
                records.iter().take(limit).map(row).collect_view()
            }}</ul>
            {move || (!all.get() && count > SHOWN).then(|| view! {
                <button type="button" class="btn s" on:click=move |_| all.set(true)>{say!("o-show-all", count)}</button>
            })}
        </div>
    }
}

/// Asks before anything goes.
#[component]
fn Sure(what: Doomed, user: StoredValue<String>, doomed: RwSignal<Option<Doomed>>) -> impl IntoView {
    let office = expect_context::<State>().office;
    let client = expect_context::<Client>();
    let words = match &what {
        Doomed::Item(_, name) => say!("o-delete-item", name),
        Doomed::All => say!("o-delete-everything-that-t").into(),
        Doomed::Account => say!("o-delete-the-account-with").into(),
    };
    request_animation_frame(|| focus("spare"));
    let go = move |_| {
        doomed.set(None);
        let user = user.get_value();
        office.send(
            client,
            match what.clone() {
                Doomed::Item(item, _) => Errand::Forget(user, vec![item]),
                Doomed::All => Errand::ForgetAll(user),
                Doomed::Account => Errand::DeleteAccount(user),
            },
        );
        focus("person");
    };
    view! {
        <div class="confirm" role="group" aria-label=words.clone()>
            <p class="small">{words.clone()}" "{say!("o-delete-what")}</p>
            <div class="row">
                <button type="button" class="btn s danger" id="sure" on:click=go>{say!("o-delete-2")}</button>
                <button type="button" class="btn s" id="spare" on:click=move |_| { doomed.set(None); focus("person") }>{say!("o-keep")}</button>
            </div>
        </div>
    }
}

/// Tokens of operators and administrators.
#[component]
fn Tokens() -> impl IntoView {
    let office = expect_context::<State>().office;
    let client = expect_context::<Client>();
    let scope = RwSignal::new("operator".to_owned());
    let days = RwSignal::new("90".to_owned());
    Effect::new(move |_| office.send(client, Errand::Tokens(None)));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        // A lifetime that cannot be read must not become none.
        let days = match days.get_untracked().trim() {
            "" => None,
            text => match text.parse() {
                Ok(days) => Some(days),
                Err(_) => {
                    let why = say!("o-days-give-a-whole");
                    return office.said.set(Some((why.into(), true)));
                }
            },
        };
        office.send(client, Errand::MakeToken(TokenRequest { scope: scope.get_untracked(), user: None, days }));
    };
    let row = move |token: TokenEntry| {
        let id = token.id.clone();
        let until = token
            .expires
            .map_or(say!("o-until-it-is-revoked").into(), |until| say!("o-until", clock = words::clock(until)));
        view! {
            <li>
                <span><span class="mono">{token.id.clone()}</span>{format!(" {}", token.scope)}<span class="small muted">{format!(" {until}")}</span></span>
                <button type="button" class="btn s revoke" on:click=move |_| office.send(client, Errand::Revoke(id.clone()))>
                    {say!("o-revoke")}<span class="sr">" "{say!("o-token-sr", id = token.id)}</span>
                </button>
            </li>
        }
    };
    view! {
        <section aria-labelledby="tokens">
            <h2 id="tokens">{say!("o-tokens")}</h2>
            {move || office.made.get().map(|(made, user)| view! { <Made made user/> })}
            <ul class="rows" id="token-rows">{move || office.tokens.get().map(|known| known.tokens.into_iter().map(row).collect_view())}</ul>
            <p class="small muted">{move || office.tokens.with(|known| known.as_ref().map(|known| say!("o-besides", n = known.subjects)))}</p>
            <form class="make" on:submit=submit>
                <label class="field"><span>{say!("o-may")}</span>
                    <select id="token-scope" on:change=move |event| scope.set(event_target_value(&event))>
                        <option value="operator">{say!("o-look-operator")}</option><option value="admin">{say!("o-do-all-admin")}</option>
                    </select>
                </label>
                <label class="field short"><span>{say!("o-days-empty-for-always")}</span>
                    <input type="number" min="1" max="36500" id="token-days" prop:value=move || days.get() on:input=move |event| days.set(event_target_value(&event))/>
                </label>
                <button type="submit" class="btn" id="make-token">{say!("o-make-a-token")}</button>
            </form>
        </section>
    }
}

/// A token that was made: shown this once.
#[component]
fn Made(made: NewToken, user: Option<String>) -> impl IntoView {
    let office = expect_context::<State>().office;
    view! {
        <div class="trouble mild" id="made-token">
            <p class="small">{say!("o-a-token-for-it", user = (user.as_deref().unwrap_or_else(|| whom(&made.entry))).to_string())}</p>
            <p class="mono small token-text">{made.token}</p>
            <div class="row"><button type="button" class="btn s" on:click=move |_| office.made.set(None)>{say!("o-i-have-it")}</button></div>
        </div>
    }
}

fn whom(entry: &TokenEntry) -> &'static str {
    match entry.scope.as_str() {
        "admin" => say!("o-an-administrator"),
        "operator" => say!("o-an-operator"),
        _ => say!("o-a-person-2"),
    }
}

/// Who asked for what, newest first.
#[component]
fn Audit() -> impl IntoView {
    let office = expect_context::<State>().office;
    let client = expect_context::<Client>();
    let row = |entry: AuditEntry| {
        view! {
            <tr><th scope="row">{words::clock(entry.at)}</th><td>{entry.kind}</td><td>{entry.scope}</td><td class="mono">{entry.token}</td><td class="num">{entry.status}</td></tr>
        }
    };
    view! {
        <section aria-labelledby="audit">
            <div class="head">
                <h2 id="audit">{say!("o-who-asked-for-what")}</h2>
                <button type="button" class="btn s" id="read-audit" on:click=move |_| {
                    office.audit.set(None);
                    office.send(client, Errand::Audit(None));
                }>{move || if office.audit.with(Option::is_some) { say!("o-look-again") } else { say!("o-show") }}</button>
            </div>
            {move || office.audit.get().map(|log| {
                let next = log.next;
                view! {
                    <div class="scroll"><table class="audit">
                        <thead><tr><th scope="col">{say!("o-when")}</th><th scope="col">{say!("o-what")}</th><th scope="col">{say!("o-may")}</th><th scope="col">{say!("o-token")}</th><th scope="col">{say!("o-answer")}</th></tr></thead>
                        <tbody id="audit-rows">{log.entries.into_iter().map(row).collect_view()}</tbody>
                    </table></div>
                    {next.map(|next| view! {
                        <button type="button" class="btn s" id="older-audit" on:click=move |_| office.send(client, Errand::Audit(Some(next)))>{say!("o-older")}</button>
                    })}
                }
            })}
            <p class="small muted">{say!("o-it-names-tokens-and")}</p>
        </section>
    }
}

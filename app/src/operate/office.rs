//! What the page keeps beside what it looks at: which part of the log is shown,
//! whom an administrator looks for, and what came of what was done.

use eemu_core::api::{AuditLog, BackupStanding, NewToken, OwnInteraction, TokenList};
use leptos::prelude::*;

use super::protocol::{Done, Errand, LogAsk, Operation};
use crate::for_you::page::Client;
use crate::for_you::protocol::Order;
use crate::say::say;

/// Somebody whom an administrator found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    /// Their identifier.
    pub(crate) user: String,
    /// What they did.
    pub(crate) records: Vec<OwnInteraction>,
}

/// Every signal of the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Office {
    /// What an operator sees.
    pub(crate) operation: RwSignal<Option<Operation>>,
    /// Why an operator sees nothing.
    pub(crate) refused: RwSignal<Option<String>>,
    /// Whether a look is on its way.
    pub(crate) looking: RwSignal<bool>,
    /// An operator's token, for this visit only.
    pub(crate) token: RwSignal<String>,
    /// Which part of the log is shown.
    pub(crate) ask: RwSignal<LogAsk>,
    /// Backups that are out; none before they were asked about.
    pub(crate) backups: RwSignal<Option<Vec<BackupStanding>>>,
    /// The audit log, as far as it was opened.
    pub(crate) audit: RwSignal<Option<AuditLog>>,
    /// Whom an administrator found.
    pub(crate) person: RwSignal<Option<Person>>,
    /// Tokens, once they were asked for.
    pub(crate) tokens: RwSignal<Option<TokenList>>,
    /// A token that was made just now, and for whom by their identifier.
    pub(crate) made: RwSignal<Option<(NewToken, Option<String>)>>,
    /// What came of the last deed, and whether it was refused.
    pub(crate) said: RwSignal<Option<(String, bool)>>,
}

impl Office {
    pub(crate) fn new() -> Self {
        Self {
            operation: RwSignal::new(None),
            refused: RwSignal::new(None),
            looking: RwSignal::new(false),
            token: RwSignal::new(String::new()),
            ask: RwSignal::new(LogAsk::default()),
            backups: RwSignal::new(None),
            audit: RwSignal::new(None),
            person: RwSignal::new(None),
            tokens: RwSignal::new(None),
            made: RwSignal::new(None),
            said: RwSignal::new(None),
        }
    }

    /// Whoever looked has gone: nothing of it stays.
    pub(crate) fn leave(self) {
        self.token.set(String::new());
        self.looking.set(false);
        self.operation.set(None);
        self.refused.set(None);
        self.ask.set(LogAsk::default());
        self.backups.set(None);
        self.audit.set(None);
        self.person.set(None);
        self.tokens.set(None);
        self.made.set(None);
        self.said.set(None);
    }

    /// Looks at the service, if somebody has a token.
    pub(crate) fn look(self, client: Client) {
        let token = self.token.get_untracked();
        if !token.is_empty() {
            self.looking.set(true);
            client.send(&Order::Look(token, self.ask.get_untracked()));
        }
    }

    /// Looks again, unless the last look is still on its way.
    pub(crate) fn look_again(self, client: Client) {
        if !self.looking.get_untracked() {
            self.look(client);
        }
    }

    /// Does something.
    pub(crate) fn send(self, client: Client, errand: Errand) {
        client.send(&Order::Errand(self.token.get_untracked(), errand));
    }

    /// Takes what came of something. Returns what is to be asked next.
    pub(crate) fn take(self, done: Done) -> Option<Errand> {
        let refused = matches!(done, Done::Refused(_));
        let say = |words: String| self.said.set(Some((words, refused)));
        match done {
            Done::Quietly => None,
            Done::Backups(backups) => {
                self.backups.set(Some(backups));
                None
            }
            Done::Audit(more) => {
                self.audit.update(|known| match known {
                    Some(known) if more.entries.first().is_some_and(|new| is_older(new.number, known)) => {
                        known.entries.extend(more.entries);
                        known.next = more.next;
                    }
                    _ => *known = Some(more),
                });
                None
            }
            Done::Person { user, records } => {
                self.person.set(Some(Person { user, records }));
                None
            }
            Done::Asked { user, request, removed, shards, later, account } => {
                say(asked(&request, removed, shards, later, account));
                if account && !later {
                    self.person.set(None);
                    return None;
                }
                Some(Errand::Find(user))
            }
            Done::Tokens(tokens) => {
                self.tokens.set(Some(tokens));
                None
            }
            Done::Made(made, user) => {
                self.made.set(Some((made, user)));
                self.said.set(None);
                Some(Errand::Tokens(None))
            }
            Done::Revoked(id) => {
                say(say!("o-token-ended-whoever-hold", id));
                if self.made.with_untracked(|made| made.as_ref().is_some_and(|(made, _)| made.entry.id == id)) {
                    self.made.set(None);
                }
                Some(Errand::Tokens(None))
            }
            Done::Refused(why) => {
                say(why);
                None
            }
        }
    }
}

fn is_older(number: u64, known: &AuditLog) -> bool {
    known.entries.last().is_some_and(|last| number < last.number)
}

fn asked(request: &str, removed: u64, shards: u32, later: bool, account: bool) -> String {
    let records = say!("n-records", n = removed);
    let retrain = say!("o-shards-retrain", n = shards);
    let what = match (later, account) {
        (true, _) => say!("o-said-accepted").to_owned(),
        (false, true) => say!("o-said-account", records, retrain),
        (false, false) if removed == 0 => say!("o-said-nothing").to_owned(),
        (false, false) => say!("o-said-deleted", records, retrain),
    };
    format!("{what} {}", say!("o-said-name", request))
}

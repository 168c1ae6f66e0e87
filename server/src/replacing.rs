//! Replaces a state's data by other data: what survives, and what stays forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use eemu_core::config::Config;
use eemu_core::data::{Catalog, Holdout, Interaction, Screen, are_timed};

use crate::deployment::Settings;
use crate::serve::log_key;
use crate::serve::tokens::{Scope, Token, Tokens};
use crate::store::{Access, Forgotten, Kept, Location, State, StoreError};

/// Name of the file with a state's tokens.
const TOKENS: &str = "tokens.json";

/// Key of the value that holds the names of items taken down before the replacement.
const DOWN: &str = "items-down";

/// What survives of the former state in the new one.
pub(crate) struct GoesOn {
    pub(crate) kept: Kept,
    /// How many tokens end because their user is not in the new data.
    pub(crate) tokens_ended: usize,
    /// Further values of the database, by key.
    pub(crate) notes: Vec<(String, String)>,
}

/// The state whose data are replaced.
pub(crate) struct Former {
    /// Its stored settings.
    pub(crate) settings: Settings,
    catalog: Catalog,
    tokens: Vec<Token>,
    shared: bool,
    /// Names of the items that were taken down.
    down: BTreeSet<String>,
    /// The receipt log's key, where it is a file of the state.
    key_files: Vec<(String, Vec<u8>)>,
    /// What was forgotten, without the users who are readmitted.
    forgotten: Forgotten,
    /// How many marks of forgotten names there were.
    marks: usize,
}

impl Former {
    /// Reads the state at a location, if there is one. `readmit` names users who were
    /// forgotten and are back by their own wish.
    ///
    /// # Errors
    /// When it cannot be read, or one of `readmit` was not forgotten.
    pub(crate) fn open(location: &Location, readmit: &[String]) -> Result<Option<Self>> {
        let state = match State::open(location, Access::Read) {
            Ok(state) => Arc::new(state),
            Err(StoreError::NotAState { .. } | StoreError::ForeignDirectory { .. }) => return Ok(None),
            Err(StoreError::BadDatabase(problem)) if problem.contains("holds no state") => return Ok(None),
            Err(error) => return Err(error).context("the state that is to be replaced cannot be read"),
        };
        let settings = serde_json::from_str(&state.settings()?).context("the state's settings are damaged")?;
        let mut forgotten = state.forgotten()?;
        let marks = forgotten.len();
        for person in readmit {
            if !forgotten.readmit(person) {
                bail!("--readmit {person}: nothing of this person was forgotten here; check the name");
            }
        }
        let catalog = state.catalog()?;
        let named = |item: u32| catalog.items.ids.get(item as usize).cloned();
        let mut down: BTreeSet<String> = state.items_down()?.into_iter().filter_map(named).collect();
        if let Some(text) = state.note(DOWN)? {
            let earlier: BTreeSet<String> =
                serde_json::from_str(&text).context("the state's list of items taken down is damaged")?;
            down.extend(earlier);
        }
        Ok(Some(Self {
            settings,
            catalog,
            down,
            key_files: log_key::files(&state)?,
            tokens: Tokens::of_state(&state)?.list().to_vec(),
            shared: state.is_shared(),
            forgotten,
            marks,
        }))
    }

    /// The catalogue version of the new data. One state never uses a version number twice.
    pub(crate) fn next_catalog_version(&self) -> u32 {
        self.catalog.version.saturating_add(1)
    }

    /// The screen that keeps forgotten names out of the new data; `None` when nothing was
    /// forgotten.
    pub(crate) fn screen(&self) -> Option<Screen> {
        let forgotten = self.forgotten.clone();
        let down = self.down.clone();
        let is_out = move |user: &str, item: Option<&str>| match item {
            None => forgotten.holds_user(user),
            Some(item) => down.contains(item) || forgotten.holds_record(user, item),
        };
        (!self.forgotten.is_empty() || !self.down.is_empty()).then(|| Screen::new(is_out))
    }

    /// The settings for the new records. They stay as they were, unless the new records
    /// have times and the old had none or the reverse. The second value is a sentence about
    /// that.
    pub(crate) fn settings_for(
        &self,
        records: &[Interaction],
        holdout: Option<Holdout>,
        seed: Option<u64>,
    ) -> (Settings, Option<String>) {
        let old = &self.settings.config;
        let fitting = Config::fitting(holdout.unwrap_or(old.holdout), are_timed(records));
        let refitted = fitting.episodes.timed != old.episodes.timed;
        let mut config = if refitted { fitting } else { old.clone() };
        config.holdout = holdout.unwrap_or(old.holdout);
        config.train.shards = old.train.shards;
        config.train.seed = seed.unwrap_or(old.train.seed);
        let tuned_on = self.settings.tuned_on.clone().filter(|_| !refitted);
        let note = refitted.then(|| {
            "only one of the old and the new data has times: the settings of the model are the defaults again"
                .to_owned()
        });
        (Settings { config, duplicates: 0, tuned_on }, note)
    }

    /// What survives in the new state, whose catalogue this is, and how many tokens end
    /// because their user is not in it.
    ///
    /// # Errors
    /// When tokens cannot be written as JSON.
    pub(crate) fn kept(self, catalog: &Catalog) -> Result<GoesOn> {
        let before = self.tokens.len();
        let moved = |mut token: Token| {
            if let Scope::Subject(user) = token.scope {
                let name = self.catalog.users.ids.get(user as usize)?;
                token.scope = Scope::Subject(catalog.users.find(name)?);
            }
            Some(token)
        };
        let tokens: Vec<Token> = self.tokens.into_iter().filter_map(moved).collect();
        let ended = before - tokens.len();
        // By name as well: the new data may lack the item, and later data may have it again.
        let (mut files, mut notes) = (self.key_files, vec![(DOWN.to_owned(), serde_json::to_string(&self.down)?)]);
        let down = self.down.iter().filter_map(|name| catalog.items.find(name)).collect();
        if self.shared {
            notes.push(("tokens".to_owned(), serde_json::to_string(&tokens)?));
        } else if before > 0 {
            files.push((TOKENS.to_owned(), serde_json::to_vec_pretty(&tokens)?));
        }
        let kept = Kept { screened: self.marks, forgotten: self.forgotten, down, files };
        Ok(GoesOn { kept, tokens_ended: ended, notes })
    }
}

//! Data sets by the names of their folders.

use std::path::Path;

use anyhow::{Context, Result};
use eemu_core::config::Config;
use eemu_core::data::{Catalog, Duplicates, ImportOptions as Choices, Interaction};
use eemu_core::dataset::Dataset;

use crate::import;

/// The data set that comes with the program.
pub(super) const BUILT_IN: &str = "complete-journey";

/// A data set that has been read.
pub(super) struct Set {
    pub(super) name: String,
    pub(super) catalog: Catalog,
    pub(super) records: Vec<Interaction>,
}

/// Reads a data set with the features that the paper's models read.
pub(super) fn load(name: &str, data: Option<&Path>) -> Result<Set> {
    let imported = match data {
        None if name == BUILT_IN => import::built_in()?,
        None => anyhow::bail!("{name} does not come with eemu; say with --data DIR where its folder is"),
        Some(data) => {
            let folder = data.join(name);
            if name == BUILT_IN && !folder.exists() {
                import::built_in()?
            } else {
                // The paper leaves out the zip code, the remaining feature of ML-1M.
                let user_features =
                    name.starts_with("ml-").then(|| ["age", "gender", "occupation"].map(str::to_owned).to_vec());
                // The paper's numbers were measured with the first of each set of duplicates.
                let duplicates = Some(Duplicates::First);
                let choices = Choices { user_features, duplicates, ..Choices::default() };
                let options = import::ImportOptions { choices, ..import::ImportOptions::default() };
                import::open(&folder, &options).with_context(|| format!("data set {name}"))?
            }
        }
    };
    Ok(Set { name: name.to_owned(), catalog: imported.catalog, records: imported.records })
}

impl Set {
    /// The dataset under a configuration, which has the seed.
    pub(super) fn dataset(&self, config: &Config) -> Result<Dataset> {
        Ok(Dataset::new(self.catalog.clone(), self.records.clone(), config.clone())?.0)
    }
}

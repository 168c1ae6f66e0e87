//! Arguments of the commands that make lists.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use eemu_core::rules::{Pick, Rules};

use super::adding::AddItemsArgs;
use super::{ConfigArgs, RunArgs, StateArg};

/// Identifiers on one line, as a line of CSV: quote what holds a comma.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids(pub(crate) Vec<String>);

impl FromStr for Ids {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Cells(ids) = text.parse()?;
        match ids.iter().any(|id| id.trim().is_empty()) {
            true => Err("an identifier is blank; take out the comma too many, or close the quote".into()),
            false => Ok(Self(ids)),
        }
    }
}

/// What stands on one line of CSV, blanks among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells(pub(crate) Vec<String>);

impl FromStr for Cells {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let mut records = reader.records();
        match (records.next(), records.next()) {
            (Some(Ok(line)), None) => Ok(Self(line.iter().map(str::to_owned).collect())),
            (None, _) => Err("no identifier is given".into()),
            _ => Err("give identifiers on one line, separated by commas; quote one that holds a comma".into()),
        }
    }
}

fn joined(given: &[Ids]) -> Vec<String> {
    given.iter().flat_map(|ids| ids.0.iter().cloned()).collect()
}

/// What may stand in a list. Rules change no score.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RuleArgs {
    /// Items that may not be listed.
    #[arg(long, value_name = "ID,ID")]
    exclude: Vec<Ids>,
    /// The only items that may be listed.
    #[arg(long, value_name = "ID,ID")]
    only: Vec<Ids>,
    /// Items of a category, by a column of theirs. May come several times: any
    /// value of one column will do, every column that is named must hold.
    #[arg(long, value_name = "COLUMN=VALUE")]
    category: Vec<String>,
}

impl RuleArgs {
    pub(crate) fn rules(&self, include_seen: bool) -> Rules {
        Rules {
            exclude: joined(&self.exclude),
            only: (!self.only.is_empty()).then(|| joined(&self.only)),
            category: self.category.clone(),
            include_seen,
        }
    }
}

/// How a file of lists is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a heading.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// `recommend`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecommendArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// A user's identifier.
    #[arg(long, conflicts_with_all = ["items", "all"], required_unless_present_any = ["items", "all"])]
    pub(crate) user: Option<String>,
    /// Items of a visitor who is in no table, as a line of CSV. What the
    /// catalogue does not hold is skipped, and named.
    #[arg(long, value_name = "ID,ID", conflicts_with = "all")]
    items: Vec<Ids>,
    /// When the visitor did each of the items, in the data's own unit: as many
    /// numbers, blank where it is not known. Later ones count more.
    #[arg(long, value_name = "TIME,TIME", requires = "items", allow_hyphen_values = true)]
    times: Option<Cells>,
    /// Everybody who has an account: a file of all lists. Goes on after a kill
    /// by running it again.
    #[arg(long, requires = "out", conflicts_with_all = ["explain"])]
    pub(crate) all: bool,
    /// The file of all lists: columns user, rank, item, score. There whole or
    /// not at all.
    #[arg(long, value_name = "FILE", requires = "all")]
    pub(crate) out: Option<PathBuf>,
    /// Its form; by its ending (.parquet, .csv, .jsonl) where it is left out.
    #[arg(long, value_enum, requires = "all")]
    pub(crate) format: Option<ListFormat>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::numbers::count32)]
    pub(crate) top: u32,
    #[command(flatten)]
    rules: RuleArgs,
    /// List what the person has, too.
    #[arg(long)]
    include_seen: bool,
    /// Show each shard's score and the adaptation set.
    #[arg(long)]
    pub(crate) explain: bool,
    /// The global models, without adaptation.
    #[arg(long)]
    pub(crate) no_adapt: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

impl RecommendArgs {
    pub(crate) fn rules(&self) -> Rules {
        self.rules.rules(self.include_seen)
    }

    /// What a visitor picked.
    ///
    /// # Errors
    /// When there are not as many times as items, or one is no number.
    pub(crate) fn picks(&self) -> anyhow::Result<Vec<Pick>> {
        let items = joined(&self.items);
        let Some(Cells(times)) = &self.times else { return Ok(items.into_iter().map(Pick::Item).collect()) };
        anyhow::ensure!(
            times.len() == items.len(),
            "--times has {} numbers for {} items: give one for each, blank where it is not known",
            times.len(),
            items.len()
        );
        let pick = |(item, time): (String, &String)| match time.trim() {
            "" => Ok(Pick::Item(item)),
            text => match text.parse::<f64>() {
                Ok(time) if time.is_finite() => Ok(Pick::At { item, time }),
                _ => anyhow::bail!("--times: '{text}' is no finite number; give one, or leave it blank"),
            },
        };
        items.into_iter().zip(times).map(pick).collect()
    }
}

/// `similar`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimilarArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The item.
    #[arg(long, value_name = "ID")]
    pub(crate) item: String,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::numbers::count32)]
    pub(crate) top: u32,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
}

/// `popular` and `new`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CountedArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = super::numbers::count32)]
    pub(crate) top: u32,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `items`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ItemsCommand {
    /// Take in items from a table; what is there already stays as it is.
    ///
    /// The table is CSV, JSON Lines or Parquet with a heading: a column of
    /// identifiers (item_id, sku, ...), perhaps one of names, and the features
    /// that the catalogue has, by their names (eemu info shows them). Several
    /// categories stand between bars: drinks|hot. The items come behind those
    /// that are there, in the table's order, and make a new version of the
    /// catalogue. They are in lists at once, beside the items that are most like
    /// them; without a known category, at the end. Every shard waits for its
    /// next training with them.
    Add(AddItemsArgs),
    /// Hide items from every list; their records stay, and models learn on.
    Hide(ItemsArgs),
    /// Show hidden items again.
    Show(ItemsArgs),
    /// The hidden items.
    Hidden(HiddenArgs),
}

/// `items hide` and `items show`. Both work beside a running server.
#[derive(Debug, Clone, Args)]
pub(crate) struct ItemsArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// Identifiers of items.
    #[arg(value_name = "ID", required_unless_present = "file")]
    pub(crate) items: Vec<String>,
    /// A table (CSV) with one identifier a line; - reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `items hidden`.
#[derive(Debug, Clone, Args)]
pub(crate) struct HiddenArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_a_line_of_csv_byte_for_byte() {
        let ids = |text: &str| text.parse::<Ids>().map(|ids| ids.0);
        assert_eq!(ids("17,1097,4").unwrap(), ["17", "1097", "4"]);
        assert_eq!(ids(r#"a, b,"c,d""#).unwrap(), ["a", " b", "c,d"]);
        assert!(["", "a\nb", "a,", "a,\"", ",a", " "].iter().all(|text| ids(text).is_err()));
        assert_eq!(",1,".parse::<Cells>().unwrap().0, ["", "1", ""]);
    }
}

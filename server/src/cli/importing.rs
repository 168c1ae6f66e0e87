//! Arguments of `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use eemu_core::data::tables::{Condition, DateOrder, Layout, Wishes};
use eemu_core::data::{Duplicates, ImportOptions as Choices, Range};

use super::{HoldoutChoice, numbers};
use crate::import::Encoding;
use crate::store::{DatabaseUrl, Location};

/// Which part of a date comes first.
// Their names are what a person writes.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DatesChoice {
    /// 04/10/22 is 4 October.
    DayFirst,
    /// 04/10/22 is 10 April.
    MonthFirst,
    /// 04/10/22 is 22 October 2004; 20221004 is a date too.
    YearFirst,
}

/// Which of several records of one person and item stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DuplicatesChoice {
    /// The earliest.
    First,
    /// The latest, since what was done last says most of what comes next.
    Last,
}

/// `import`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArgs {
    /// Tables: CSV, TSV, JSON Lines or Parquet, plain or .gz or .zst, one or
    /// several files or folders. Or one whole set: a folder of RecBole atomic
    /// files, a .inter file, MovieLens as zip or folder, or `built-in` for the
    /// data that comes with eemu.
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// State directory.
    #[arg(long, value_name = "DIR", env = "EEMU_STATE", required_unless_present = "check")]
    pub(crate) state: Option<PathBuf>,
    /// PostgreSQL in place of a database in the directory:
    /// postgres://USER@HOST/NAME.
    #[arg(long, value_name = "URL", env = "EEMU_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<DatabaseUrl>,
    /// Where model files are: a folder or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE", env = "EEMU_MODELS")]
    pub(crate) models: Option<String>,
    /// Read everything, show what it is, and write nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// Hold records out for measuring, or train on all of them: leave-one-out
    /// by default; with --replace, as it was.
    #[arg(long, value_enum, hide_possible_values = false)]
    pub(crate) holdout: Option<HoldoutChoice>,
    #[command(flatten)]
    pub(crate) tables: TableArgs,
    #[command(flatten)]
    pub(crate) counting: CountingArgs,
    /// Admit only users and items with K records each (fixpoint). Off by default.
    #[arg(long, value_name = "K", value_parser = numbers::count32)]
    pub(crate) core: Option<u32>,
    /// Import against another state's frozen catalogue (its catalog.json).
    #[arg(long, value_name = "FILE")]
    pub(crate) catalog: Option<PathBuf>,
    /// A dense item feature: NAME=FILE, safetensors of f32 [items, width].
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) dense: Vec<String>,
    /// User columns that become features, as buckets: a keyed hash of each
    /// value, or the part of a declared range. None by default.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) user_features: Option<Vec<String>>,
    /// Buckets of each user feature; 0 keeps vocabularies and statistics of all
    /// people, which the paper's models read and which outlive an account.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) user_buckets: u32,
    /// The range of a user feature that holds numbers, cut into equal parts,
    /// such as age=0:100:10.
    #[arg(long, value_name = "NAME=LOW:HIGH:PARTS", value_parser = range)]
    pub(crate) user_range: Vec<(String, Range)>,
    /// Item columns that become features, or `none`. Others are not even read.
    /// By default all of a RecBole file, the name and the categories of a
    /// table. A type may follow in tables: price:float, tags:token_seq.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) item_features: Option<Vec<String>>,
    /// Seed of every hash, start and draw. Left out, it is 1 where records are
    /// held out, so that measurements can be repeated, and random with
    /// --holdout none: whoever knows the seed of a deployment can compute which
    /// shard holds a record.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Put these data in the place of a state's. Its receipt log and key,
    /// tokens, backups, tombstones and settings stay, and what was forgotten
    /// stays out.
    #[arg(long)]
    pub(crate) replace: bool,
    /// With --replace: this person, who was forgotten, is back by their own
    /// wish. Repeat for others.
    #[arg(long, value_name = "USER", requires = "replace")]
    pub(crate) readmit: Vec<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// What tables look like, where they do not say it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tables")]
pub(crate) struct TableArgs {
    /// Which column is which, by name or by number from 1:
    /// user=customer,item=sku,time=ts,event=type,value=rating. What is left
    /// out is found by usual names; time=none reads no times.
    #[arg(long, value_name = "ROLE=COLUMN,...", value_parser = wishes)]
    pub(crate) columns: Option<Wishes>,
    /// The first line names the columns.
    #[arg(long, conflicts_with = "no_heading")]
    pub(crate) heading: bool,
    /// The first line is data; --columns gives numbers.
    #[arg(long)]
    pub(crate) no_heading: bool,
    /// What stands between fields, if it is not recognised: a sign, or `tab`.
    #[arg(long, value_name = "SIGN", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// Double quotes are letters like any other.
    #[arg(long)]
    pub(crate) no_quotes: bool,
    /// How text is encoded.
    #[arg(long, value_enum, default_value = "utf-8")]
    pub(crate) encoding: Encoding,
    /// How dates such as 04/10/22 are read, where no line of a file shows it.
    #[arg(long, value_enum)]
    pub(crate) dates: Option<DatesChoice>,
    /// Whose everything is, in a table without a column of people.
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// Names and categories of the items: CSV, JSON Lines, Parquet or .item.
    #[arg(long, value_name = "FILE")]
    pub(crate) items: Option<PathBuf>,
}

fn range(text: &str) -> Result<(String, Range), String> {
    let (name, range) = text.split_once('=').ok_or("write NAME=LOW:HIGH:PARTS, such as age=0:100:10")?;
    Ok((name.to_owned(), range.parse()?))
}

/// Which lines count.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What counts")]
pub(crate) struct CountingArgs {
    /// Only records for which this holds, such as 'event in (buy, like)',
    /// 'country != DE' or 'plays >= 3'. All conditions must hold.
    #[arg(long, value_name = "CONDITION")]
    pub(crate) keep: Vec<Condition>,
    /// Only records with this value (rating, score, ...) or more.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) min_value: Option<f64>,
    /// Which of several records of one person and item stays.
    #[arg(long, value_enum, default_value = "last")]
    pub(crate) duplicates: DuplicatesChoice,
    /// Leave out up to N lines that cannot be read.
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) skip_bad: u64,
    /// Write every line that cannot be read here: file, line, column, why.
    #[arg(long, value_name = "FILE")]
    pub(crate) bad_lines: Option<PathBuf>,
}

fn wishes(text: &str) -> Result<Wishes, String> {
    text.parse()
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        other => match other.as_bytes() {
            [sign] if sign.is_ascii() && !sign.is_ascii_alphanumeric() && !b"\"\r\n\0".contains(sign) => Ok(*sign),
            _ => Err("give one sign, such as ';', or tab".into()),
        },
    }
}

fn finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "give a number".into())
}

impl ImportArgs {
    /// Where the state is to be; the present folder when nothing is written.
    pub(crate) fn location(&self) -> Location {
        let dir = self.state.clone().unwrap_or_else(|| PathBuf::from("."));
        Location { dir, database: self.database.clone(), models: self.models.clone() }
    }

    /// What was said of tables and of what counts.
    pub(crate) fn choose(&self, choices: &mut Choices) {
        let TableArgs { columns, heading, no_heading, delimiter, no_quotes, dates, person, .. } = &self.tables;
        choices.layout = Layout {
            columns: columns.clone().unwrap_or_default(),
            heading: (*heading || *no_heading).then_some(*heading),
            delimiter: *delimiter,
            quotes: no_quotes.then_some(false),
        };
        choices.dates = dates.map(|dates| match dates {
            DatesChoice::DayFirst => DateOrder::DayFirst,
            DatesChoice::MonthFirst => DateOrder::MonthFirst,
            DatesChoice::YearFirst => DateOrder::YearFirst,
        });
        choices.person.clone_from(person);
        choices.keep.clone_from(&self.counting.keep);
        choices.keep.extend(self.counting.min_value.map(Condition::at_least));
        choices.skip_bad = self.counting.skip_bad;
        choices.duplicates = Some(match self.counting.duplicates {
            DuplicatesChoice::First => Duplicates::First,
            DuplicatesChoice::Last => Duplicates::Last,
        });
    }
}

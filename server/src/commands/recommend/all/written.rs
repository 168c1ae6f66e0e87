//! Writes lists as a file that other programs read: one row per item.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow_array::{Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::Serialize;

use super::portions::Portions;
use crate::cli::ListFormat;
use crate::deployment::Deployment;

/// One item of a user's list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    user: &'a str,
    /// From 1.
    rank: u32,
    item: &'a str,
    score: f32,
}

/// The format of a file, by the ending of its name.
///
/// # Errors
/// When the ending is not one of a known format.
pub(super) fn by_ending(out: &Path) -> Result<ListFormat> {
    match out.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => Ok(ListFormat::Parquet),
        Some("csv") => Ok(ListFormat::Csv),
        Some("jsonl" | "ndjson") => Ok(ListFormat::Jsonl),
        _ => bail!(
            "the name {} does not say what it is to be: end it with .parquet, .csv or .jsonl, or give --format",
            out.display()
        ),
    }
}

/// Writes all portions into one temporary file, which is then renamed. Returns the
/// number of rows. Returns `None` and leaves no file when `overtaken` is true right
/// before the renaming.
///
/// # Errors
/// When a portion is damaged, or the disk refuses.
pub(super) fn write(
    portions: &Portions,
    deployment: &Deployment,
    people: &[u32],
    out: &Path,
    format: ListFormat,
    overtaken: impl Fn() -> Result<bool>,
) -> Result<Option<u64>> {
    // In the folder of portions, so that it is deleted with them if this process is
    // killed.
    let beside = tempfile::NamedTempFile::new_in(portions.folder())
        .with_context(|| format!("cannot write in {}", portions.folder().display()))?;
    let mut to = Writer::new(format, beside.as_file())?;
    let (users, items) = (&deployment.dataset.catalog.users.ids, &deployment.dataset.catalog.items.ids);
    let mut rows = 0;
    for range in portions.all() {
        let lists = portions.get(&range)?;
        let own = people[range].iter().zip(&lists).flat_map(|(user, list)| {
            (1..).zip(list).map(|(rank, &(item, score))| Row {
                user: &users[*user as usize],
                rank,
                item: &items[item as usize],
                score,
            })
        });
        rows += to.rows(own).with_context(|| format!("cannot write {}", out.display()))?;
    }
    to.finish().with_context(|| format!("cannot write {}", out.display()))?;
    if overtaken()? {
        return Ok(None);
    }
    let kept: Result<File, _> = beside.persist(out);
    kept.map_err(|error| error.error).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(Some(rows))
}

enum Writer<'a> {
    Parquet(Arc<Schema>, Box<ArrowWriter<&'a File>>),
    Csv(Box<csv::Writer<&'a File>>),
    Jsonl(BufWriter<&'a File>),
}

impl<'a> Writer<'a> {
    fn new(format: ListFormat, to: &'a File) -> Result<Self> {
        Ok(match format {
            ListFormat::Parquet => {
                let text = |name| Field::new(name, DataType::Utf8, false);
                let schema = Arc::new(Schema::new(vec![
                    text("user"),
                    Field::new("rank", DataType::UInt32, false),
                    text("item"),
                    Field::new("score", DataType::Float32, false),
                ]));
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
                let writer = ArrowWriter::try_new(to, schema.clone(), Some(properties))?;
                Self::Parquet(schema, Box::new(writer))
            }
            ListFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
                // The heading is there even when no list has a row.
                writer.write_record(["user", "rank", "item", "score"])?;
                Self::Csv(Box::new(writer))
            }
            ListFormat::Jsonl => Self::Jsonl(BufWriter::new(to)),
        })
    }

    /// Writes rows; returns how many.
    fn rows<'r>(&mut self, rows: impl Iterator<Item = Row<'r>>) -> Result<u64> {
        match self {
            Self::Parquet(schema, writer) => {
                let rows: Vec<Row<'_>> = rows.collect();
                let columns: Vec<arrow_array::ArrayRef> = vec![
                    Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.user))),
                    Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.rank))),
                    Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.item))),
                    Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.score))),
                ];
                writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
                Ok(rows.len() as u64)
            }
            Self::Csv(writer) => {
                let mut count = 0;
                for row in rows {
                    writer.serialize(row)?;
                    count += 1;
                }
                Ok(count)
            }
            Self::Jsonl(writer) => {
                let mut count = 0;
                for row in rows {
                    serde_json::to_writer(&mut *writer, &row)?;
                    writer.write_all(b"\n")?;
                    count += 1;
                }
                Ok(count)
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Parquet(_, writer) => writer.close().map(drop)?,
            Self::Csv(mut writer) => writer.flush()?,
            Self::Jsonl(mut writer) => writer.flush()?,
        }
        Ok(())
    }
}

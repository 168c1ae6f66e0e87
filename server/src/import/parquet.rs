//! Reads Parquet: the rows of the requested columns, batch by batch.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field as ArrowField, TimeUnit};
use eemu_core::data::BadLines;
use eemu_core::data::tables::{Field, Rows, Start, Visit, Wrong, note_wrong};
use eemu_core::{DataError, Error, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::meter::Meter;

/// Rows in memory at once.
const BATCH: usize = 8192;
/// Rows that are examined before reading.
const SAMPLE: usize = 200;

/// A Parquet file.
pub(super) struct Parquet {
    start: Start,
    path: std::path::PathBuf,
    bytes: u64,
    meter: Meter,
}

impl Parquet {
    /// Opens a file and examines its columns and first rows.
    pub(super) fn open(path: &Path, meter: &Meter) -> anyhow::Result<Self> {
        let file = path.display().to_string();
        let bytes = std::fs::metadata(path).with_context(|| format!("cannot open {file}"))?.len();
        let builder = builder(path, &file)?;
        let headings: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let readable: Vec<usize> =
            (0..headings.len()).filter(|&place| is_plain(builder.schema().field(place))).collect();
        let mut sample = Vec::new();
        let reader = reader(builder, &readable, SAMPLE, Some(SAMPLE)).map_err(|error| unreadable(&file, 0, &error))?;
        for batch in reader {
            let batch = batch.map_err(|error| unreadable(&file, 1, &error.to_string()))?;
            let columns = columns(&batch, &readable).map_err(|error| unreadable(&file, 1, &error.to_string()))?;
            for row in 0..batch.num_rows() {
                let mut texts = vec![String::new(); headings.len()];
                for (place, column) in readable.iter().zip(&columns) {
                    if let Field::Text(text) = column.field(row) {
                        text.clone_into(&mut texts[*place]);
                    }
                }
                sample.push(texts);
            }
        }
        Ok(Self { start: Start { file, headings, sample }, path: path.to_owned(), bytes, meter: meter.clone() })
    }
}

/// Whether a column can be read as text or times, or as a list of such.
fn is_plain(field: &ArrowField) -> bool {
    match field.data_type() {
        DataType::List(inner) => !inner.data_type().is_nested(),
        other => !other.is_nested() || matches!(other, DataType::Dictionary(_, inner) if !inner.is_nested()),
    }
}

pub(super) fn fault(file: &str, line: u64, problem: String, hint: &str) -> Error {
    DataError { file: file.to_owned(), line, column: 0, problem, hint: hint.to_owned() }.into()
}

fn unreadable(file: &str, line: u64, error: &str) -> Error {
    let hint = "The file was cut off or damaged, or is packed in a way that is not read: write it again with snappy, \
                zstd, gzip, lz4 or no compression";
    fault(file, line, format!("this Parquet file cannot be read ({error})"), hint)
}

fn builder(path: &Path, file: &str) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let opened = File::open(path).map_err(|error| fault(file, 0, format!("cannot be opened ({error})"), "Check it"))?;
    ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| unreadable(file, 0, &error.to_string()))
}

fn reader(
    builder: ParquetRecordBatchReaderBuilder<File>,
    selected: &[usize],
    batch: usize,
    limit: Option<usize>,
) -> std::result::Result<ParquetRecordBatchReader, String> {
    let mask = ProjectionMask::roots(builder.parquet_schema(), selected.iter().copied());
    let builder = builder.with_projection(mask).with_batch_size(batch);
    let builder = match limit {
        Some(limit) => builder.with_limit(limit),
        None => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

/// One column of a batch, ready to be read row by row.
enum Column {
    Text(StringArray),
    /// Bytes as text, and the raw bytes. A value that is not valid text is missing in the
    /// first only.
    Bytes(StringArray, ArrayRef),
    Lists(ArrayRef),
    Seconds(Float64Array),
}

impl Column {
    fn field(&self, row: usize) -> Field<'_> {
        match self {
            Self::Text(texts) | Self::Bytes(texts, _) if texts.is_null(row) => Field::Text(""),
            Self::Text(texts) | Self::Bytes(texts, _) => Field::Text(texts.value(row)),
            Self::Seconds(times) if times.is_null(row) => Field::Text(""),
            Self::Seconds(times) => Field::Seconds(times.value(row)),
            Self::Lists(_) => Field::Text(""),
        }
    }

    /// Whether the field has bytes that are not valid text.
    fn is_no_text(&self, row: usize) -> bool {
        matches!(self, Self::Bytes(texts, bytes) if texts.is_null(row) && bytes.is_valid(row))
    }

    /// The values of a list, separated by bars.
    fn list(&self, row: usize) -> Option<String> {
        let Self::Lists(lists) = self else { return None };
        let lists = lists.as_list_opt::<i32>()?;
        if lists.is_null(row) {
            return Some(String::new());
        }
        let values = cast(&lists.value(row), &DataType::Utf8).ok()?;
        let values = values.as_string_opt::<i32>()?;
        Some(values.iter().flatten().collect::<Vec<_>>().join("|"))
    }

    fn new(array: &ArrayRef) -> std::result::Result<Self, ArrowError> {
        let seconds = |array: &ArrayRef, to: &DataType, unit: f64| {
            let whole = cast(&cast(array, to)?, &DataType::Int64)?;
            let times = whole.as_primitive::<Int64Type>().unary::<_, Float64Type>(|count| count as f64 / unit + 0.0);
            Ok(Self::Seconds(times))
        };
        let text = |array: &dyn Array| Ok(Self::Text(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()));
        match array.data_type() {
            DataType::Timestamp(unit, _) => {
                let a_second = match unit {
                    TimeUnit::Second => 1.0,
                    TimeUnit::Millisecond => 1e3,
                    TimeUnit::Microsecond => 1e6,
                    TimeUnit::Nanosecond => 1e9,
                };
                seconds(array, &DataType::Int64, a_second)
            }
            DataType::Date32 => seconds(array, &DataType::Int32, 1.0 / 86_400.0),
            DataType::Date64 => seconds(array, &DataType::Int64, 1e3),
            DataType::List(_) => Ok(Self::Lists(array.clone())),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Ok(Self::Bytes(cast(array, &DataType::Utf8)?.as_string::<i32>().clone(), array.clone()))
            }
            // NaN, which pandas writes for a missing number, is not an identifier.
            DataType::Float32 => {
                let numbers = array.as_primitive::<Float32Type>();
                text(&numbers.unary_opt::<_, Float32Type>(|number| (!number.is_nan()).then_some(number)))
            }
            DataType::Float64 => {
                let numbers = array.as_primitive::<Float64Type>();
                text(&numbers.unary_opt::<_, Float64Type>(|number| (!number.is_nan()).then_some(number)))
            }
            _ => text(array),
        }
    }
}

/// The selected columns of a batch, in the order of `selected`.
fn columns(batch: &RecordBatch, selected: &[usize]) -> std::result::Result<Vec<Column>, ArrowError> {
    let mut places = selected.to_vec();
    places.sort_unstable();
    places.dedup();
    let column = |place: &usize| {
        let at = places.iter().position(|known| known == place).unwrap_or_default();
        Column::new(batch.column(at))
    };
    selected.iter().map(column).collect()
}

impl Rows for Parquet {
    fn start(&self) -> &Start {
        &self.start
    }

    fn each(&mut self, selected: &[usize], bad: &mut BadLines, visit: &mut Visit<'_>) -> Result<u64> {
        let builder = builder(&self.path, &self.start.file)?;
        if let Some(place) = selected.iter().find(|&&place| !is_plain(builder.schema().field(place))) {
            let problem = format!("the column '{}' holds structures, not values", self.start.headings[*place]);
            return Err(fault(&self.start.file, 0, problem, "Write what is wanted of it as a column of its own"));
        }
        let total = builder.metadata().file_metadata().num_rows().max(1) as f64;
        let reader = reader(builder, selected, BATCH, None).map_err(|error| unreadable(&self.start.file, 0, &error))?;
        let mut count = 0;
        let mut metered = 0;
        for batch in reader {
            let broken = |error: &ArrowError| unreadable(&self.start.file, count + 1, &error.to_string());
            let batch = batch.map_err(|error| broken(&error))?;
            let columns = columns(&batch, selected).map_err(|error| broken(&error))?;
            for row in 0..batch.num_rows() {
                count += 1;
                if let Err(wrong) = visit_row(&columns, row, count, visit) {
                    note_wrong(bad, &self.start.file, count, selected, wrong);
                }
            }
            let read = (self.bytes as f64 * (count as f64 / total)) as u64;
            self.meter.add(read.saturating_sub(metered));
            metered = read.max(metered);
        }
        Ok(count)
    }
}

fn visit_row(columns: &[Column], row: usize, line: u64, visit: &mut Visit<'_>) -> std::result::Result<(), Wrong> {
    if let Some(field) = columns.iter().position(|column| column.is_no_text(row)) {
        return Err(Wrong {
            field: Some(field),
            problem: "the field holds bytes that are no UTF-8 text".into(),
            hint: "Write the column as text; bytes as hexadecimal digits, say".into(),
        });
    }
    let lists: Vec<Option<String>> = columns.iter().map(|column| column.list(row)).collect();
    let fields = columns.iter().zip(&lists).map(|(column, list)| match list {
        Some(text) => Field::Text(text),
        None => column.field(row),
    });
    visit(line, &fields.collect::<Vec<_>>())
}

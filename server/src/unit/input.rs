//! The file with the input of one shard's training: configuration, items, and the
//! shard's users with their records. Of users of other shards it contains at most their
//! number, for a model with a row per user.
//!
//! Inside the sealed file ([`super::sealed`]) is a safetensors file. Its metadata hold
//! [`Header`]; `config` and `catalog` are JSON. A user's slice of records is the user's
//! index in the catalogue, the lengths of query and support, and that many item
//! indices. Numeric features are tensors of their own.
//! items; features that are numbers are tensors of their own.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use eemu_core::client::client_catalog;
use eemu_core::config::Config;
use eemu_core::data::Catalog;
use eemu_core::shard::{ShardData, UserSlice};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::{Place, Unit, placed, sealed};

const KIND: &[u8; 8] = b"EEMUINP1";
const WHAT: &str = "the input of a shard's training";
const WAY_OUT: &str = "pack the shard again with `eemu shard pack`";
const HEADER: &str = "eemu";

/// The header, which stands before the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// Which shard.
    shard: u32,
    /// Rows of the deployment's table of users, where the model has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
}

/// The input of one shard's training, with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// BLAKE3 of the file's contents.
    pub name: [u8; 32],
    /// The unit to be trained.
    pub unit: Unit,
}

/// A tensor to be written to the file.
struct Part {
    name: String,
    kind: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Part {
    fn text(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), kind: Dtype::U8, shape: vec![bytes.len()], bytes }
    }

    fn numbers(name: &str, numbers: impl Iterator<Item = u32>) -> Self {
        let bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
        Self { name: name.into(), kind: Dtype::U32, shape: vec![bytes.len() / 4], bytes }
    }
}

impl Input {
    /// Writes the input of a unit's training, and returns its name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(unit: &Unit, path: &Path) -> Result<[u8; 32]> {
        sealed::write(path, KIND, &body(unit)?)
    }

    /// The bytes of such a file, and the input's name.
    ///
    /// # Errors
    /// When the unit cannot be written as a file.
    pub fn bytes(unit: &Unit) -> Result<(Vec<u8>, [u8; 32])> {
        Ok(sealed::bytes(KIND, &body(unit)?))
    }

    /// Reads an input.
    ///
    /// # Errors
    /// When the file cannot be read, is not an input, or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        Self::opened(sealed::read(path, KIND, WHAT, WAY_OUT)?, &path.display())
    }

    /// The same of bytes that were read from a place that is shown so.
    ///
    /// # Errors
    /// When they are no input, or damaged.
    pub fn of(bytes: Vec<u8>, shown: &dyn Display) -> Result<Self> {
        Self::opened(sealed::open(bytes, shown, KIND, WHAT, WAY_OUT)?, shown)
    }

    fn opened((name, body): ([u8; 32], Vec<u8>), shown: &dyn Display) -> Result<Self> {
        let unit = unit(&body).with_context(|| format!("{shown} cannot be used; {WAY_OUT}"))?;
        Ok(Self { name, unit })
    }

    /// Whether the input of this name is there still: while it is, its model is
    /// wanted. A bucket that does not answer has not said that it is gone.
    #[must_use]
    pub fn is_at(place: &Place, name: &[u8; 32]) -> bool {
        place.head(sealed::HEADER).map_or(true, |head| head.is_some_and(|head| sealed::begins(&head, KIND, name)))
    }
}

fn body(unit: &Unit) -> Result<Vec<u8>> {
    let (config, data) = (&unit.config, &unit.data);
    let people: Vec<u32> = data.cells.iter().map(|cell| cell.user).collect();
    let mut catalog = client_catalog(&unit.catalog, config, &people);
    // Only people read the data set's name, so it is left out.
    catalog.dataset.clear();
    (catalog.users.names, catalog.items.names) = Default::default();
    let of_items = config.model.kind.is_of_items();
    let header = Header { shard: data.index, rows: (!of_items).then(|| unit.catalog.users.len()) };
    let cells = &data.cells;
    let mut parts = vec![
        Part::text("config", serde_json::to_vec(config)?),
        Part::text("catalog", catalog.to_json()?.into_bytes()),
        Part::numbers("cells.query", cells.iter().map(|cell| cell.query.len() as u32)),
        Part::numbers("cells.support", cells.iter().map(|cell| cell.support.len() as u32)),
        Part::numbers("cells.items", cells.iter().flat_map(UserSlice::items)),
    ];
    if header.rows.is_some() {
        parts.push(Part::numbers("cells.rows", people.into_iter()));
    }
    for (name, rows, width, values) in catalog.dense() {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        parts.push(Part { name: format!("dense.{name}"), kind: Dtype::F32, shape: vec![rows, width], bytes });
    }
    let views = parts.iter().map(|part| Ok((&part.name, TensorView::new(part.kind, part.shape.clone(), &part.bytes)?)));
    let views = views.collect::<Result<Vec<_>>>()?;
    // One key only, so that equal inputs are equal files.
    let metadata = HashMap::from([(HEADER.to_owned(), serde_json::to_string(&header)?)]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

fn unit(body: &[u8]) -> Result<Unit> {
    let (_, metadata) = SafeTensors::read_metadata(body)?;
    let header = metadata.metadata().as_ref().and_then(|all| all.get(HEADER)).context("its header is missing")?;
    let header: Header = serde_json::from_str(header)?;
    let file = SafeTensors::deserialize(body)?;
    let numbers = |name: &str| -> Result<Vec<u32>> {
        let part = file.tensor(name)?;
        ensure!(part.dtype() == Dtype::U32, "'{name}' must be of whole numbers");
        Ok(part.data().as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    };
    let config: Config = serde_json::from_slice(file.tensor("config")?.data())?;
    config.check()?;
    let mut dense = HashMap::new();
    for (name, part) in file.iter() {
        let Some(name) = name.strip_prefix("dense.") else { continue };
        ensure!(part.dtype() == Dtype::F32, "'{name}' must be of fractions");
        let values = part.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        dense.insert(name.to_owned(), values);
    }
    let mut catalog = Catalog::from_json(std::str::from_utf8(file.tensor("catalog")?.data())?, &dense)?;
    let people = catalog.users.len() as u32;
    let places = match header.rows {
        None => (0..people).collect(),
        Some(rows) => {
            let places = numbers("cells.rows")?;
            let fits = places.len() == catalog.users.len() && places.is_sorted_by(|a, b| a < b);
            ensure!(fits && places.last().is_none_or(|&last| (last as usize) < rows), "it must give each person a row");
            catalog.users = placed::spread(&catalog.users, &places, rows)?;
            places
        }
    };
    let data = ShardData { index: header.shard, cells: cells(&places, numbers, catalog.items.len())? };
    ensure!(data.index < config.train.shards, "it must be of a shard that the configuration has");
    Ok(Unit { catalog, config, data })
}

fn cells(places: &[u32], numbers: impl Fn(&str) -> Result<Vec<u32>>, count: usize) -> Result<Vec<UserSlice>> {
    let (query, support, items) = (numbers("cells.query")?, numbers("cells.support")?, numbers("cells.items")?);
    if query.len() != places.len() || support.len() != places.len() {
        bail!("it must have one cell a person");
    }
    ensure!(items.iter().all(|&item| (item as usize) < count), "it must name items of its own catalogue");
    let mut rest = items.as_slice();
    let mut take = |length: u32| -> Result<Vec<u32>> {
        let (own, more) = rest.split_at_checked(length as usize).context("it must have as many items as its cells")?;
        rest = more;
        Ok(own.to_vec())
    };
    let cell = |((&user, &query), &support)| Ok(UserSlice { user, query: take(query)?, support: take(support)? });
    let cells = places.iter().zip(&query).zip(&support).map(cell).collect::<Result<Vec<_>>>()?;
    ensure!(rest.is_empty(), "it must have as many items as its cells");
    Ok(cells)
}

//! The file with the trained model of one shard: its tensors, and a header about them.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use eemu_core::fingerprint::Fingerprint;
use eemu_core::model::{from_safetensors, model_blake3};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::{Made, sealed};

const KIND: &[u8; 8] = b"EEMUMOD1";
const WHAT: &str = "the model of a shard that `eemu shard train` wrote";
const WAY_OUT: &str = "train it again with `eemu shard train`";
const HEADER: &str = "eemu";

/// The header, which stands before the tensors.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    shard: u32,
    /// Name of the input's file, hex.
    input: String,
    /// Hash of everything that was read, and of the fingerprint, hex.
    input_hash: String,
    model_blake3: String,
    fingerprint: String,
    losses: Vec<f32>,
    seconds: f64,
}

/// The contents of a model file.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedModel {
    /// Which shard.
    pub shard: u32,
    /// Name of the input that the model was trained on.
    pub input: [u8; 32],
    /// The model.
    pub made: Made,
}

impl TrainedModel {
    /// Writes the file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        sealed::write(path, KIND, &self.body()?)?;
        Ok(())
    }

    /// The bytes of such a file.
    ///
    /// # Errors
    /// When it cannot be written as a file.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        Ok(sealed::bytes(KIND, &self.body()?).0)
    }

    fn body(&self) -> Result<Vec<u8>> {
        let made = &self.made;
        let header = Header {
            shard: self.shard,
            input: hex::encode(self.input),
            input_hash: hex::encode(made.input_hash),
            model_blake3: made.model_blake3.clone(),
            fingerprint: made.fingerprint.clone(),
            losses: made.losses.clone(),
            seconds: made.seconds,
        };
        let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = made
            .tensors
            .iter()
            .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
            .collect();
        let view = |(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, Vec::clone(shape), bytes)?));
        let views = bytes.iter().map(|(name, shape, bytes)| view((*name, *shape, bytes.as_slice())));
        let metadata = HashMap::from([(HEADER.to_owned(), serde_json::to_string(&header)?)]);
        Ok(safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, is not such a model, or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let (_, body) = sealed::read(path, KIND, WHAT, WAY_OUT)?;
        of(&body).with_context(|| format!("{} cannot be used; {WAY_OUT}", path.display()))
    }

    /// The same of bytes that were read from a place that is shown so.
    ///
    /// # Errors
    /// When they are no such model, or damaged.
    pub fn of(bytes: Vec<u8>, shown: &dyn Display) -> Result<Self> {
        let (_, body) = sealed::open(bytes, shown, KIND, WHAT, WAY_OUT)?;
        of(&body).with_context(|| format!("{shown} cannot be used; {WAY_OUT}"))
    }
}

fn of(body: &[u8]) -> Result<TrainedModel> {
    let (_, metadata) = SafeTensors::read_metadata(body)?;
    let header = metadata.metadata().as_ref().and_then(|all| all.get(HEADER)).context("its header is missing")?;
    let header: Header = serde_json::from_str(header)?;
    let hash = |text: &str| -> Result<[u8; 32]> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).context("a hash must have 64 digits")?;
        Ok(hash)
    };
    let tensors = from_safetensors(body)?;
    ensure!(model_blake3(&tensors) == header.model_blake3, "its numbers must have the hash that it gives");
    ensure!(tensors.values().all(|(_, values)| values.iter().all(|v| v.is_finite())), "its numbers must be finite");
    ensure!(header.losses.iter().all(|loss| loss.is_finite()), "its losses must be finite");
    ensure!(serde_json::from_str::<Fingerprint>(&header.fingerprint).is_ok(), "it must say what machine made it");
    let made = Made {
        tensors,
        model_blake3: header.model_blake3,
        fingerprint: header.fingerprint,
        input_hash: hash(&header.input_hash)?,
        losses: header.losses,
        seconds: header.seconds,
    };
    Ok(TrainedModel { shard: header.shard, input: hash(&header.input)?, made })
}

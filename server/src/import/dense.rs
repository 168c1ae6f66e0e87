//! Reads dense item features from safetensors files.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use eemu_core::data::DenseFeature;
use safetensors::{Dtype, SafeTensors};

/// Reads feature `name` from a file of at most `limit` bytes.
pub(super) fn load(name: &str, path: &Path, limit: u64) -> anyhow::Result<DenseFeature> {
    let file = path.display().to_string();
    let length = std::fs::metadata(path).with_context(|| format!("cannot open {file}"))?.len();
    if length > limit {
        bail!("{file}: {length} bytes are more than the {limit} that an import may read; make it narrower");
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {file}"))?;
    parse(name, file, &bytes)
}

/// The tensor called `name`, or the only tensor in the file: f32, [items, width].
pub(super) fn parse(name: &str, file: String, bytes: &[u8]) -> anyhow::Result<DenseFeature> {
    let hint = "Write one tensor of 32-bit floats, [items, width], as safetensors";
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| anyhow!("{file}: no safetensors file ({e}). {hint}"))?;
    let names = tensors.names();
    let tensor = match (tensors.tensor(name), names.as_slice()) {
        (Ok(tensor), _) => tensor,
        (Err(_), [only]) => tensors.tensor(only)?,
        _ => bail!("{file}: no tensor '{name}' among {}. {hint}", names.len()),
    };
    let (dtype, shape) = (tensor.dtype(), tensor.shape());
    let &[_, width] = shape else {
        bail!("{file}: tensor '{name}' has shape {shape:?}. {hint}");
    };
    if dtype != Dtype::F32 {
        bail!("{file}: tensor '{name}' is of type {dtype:?}. {hint}");
    }
    let rows = tensor.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Ok(DenseFeature { name: name.to_owned(), file, width, rows })
}

//! `eemu-bundle DIST PROGRAM.wasm ...` writes each program's bindings into DIST. Then
//! it lists every file in the service worker, compresses the files that compress well,
//! and prints the sizes. `cargo xtask web` calls it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eemu_bundle::with_suffix;

/// The service worker, whose lists of files are filled in here.
const SERVICE_WORKER: &str = "sw.js";
/// Prefix of the files that only users of WebGPU download.
const LATER: &str = "eemu-gpu";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let done = match args.next() {
        Some(dist) => bundle(&dist, args),
        None => Err("usage: eemu-bundle DIST PROGRAM.wasm ...".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bundle(dist: &Path, programs: impl Iterator<Item = PathBuf>) -> Result<(), String> {
    for program in programs {
        let mut bindings = wasm_bindgen_cli_support::Bindgen::new();
        bindings
            .input_path(&program)
            .typescript(false)
            .remove_name_section(true)
            .web(true)
            .map_err(|why| format!("{why:#}"))?;
        bindings.generate(dist).map_err(|why| format!("{}: {why:#}", program.display()))?;
    }
    let mut files = Vec::new();
    collect(dist, dist, &mut files)?;
    files.sort();
    offline(dist, &files)?;
    let mut total = [0; 3];
    println!("{:<58} {:>9} {:>9} {:>9}", "bytes", "raw", "gzip", "brotli");
    for name in &files {
        let sizes = pack(&dist.join(name))?;
        println!("{name:<58} {:>9} {:>9} {:>9}", sizes[0], sizes[1], sizes[2]);
        total.iter_mut().zip(sizes).for_each(|(total, size)| *total += size);
    }
    println!("{:<58} {:>9} {:>9} {:>9}", "all", total[0], total[1], total[2]);
    Ok(())
}

/// Collects names relative to `top`, with `/`.
fn collect(top: &Path, folder: &Path, files: &mut Vec<String>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(top, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(top) {
            files.push(name.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"));
        }
    }
    Ok(())
}

/// Writes the list of files into the service worker, and a version that changes
/// whenever a file does. A folder without a service worker needs none.
fn offline(dist: &Path, files: &[String]) -> Result<(), String> {
    let path = dist.join(SERVICE_WORKER);
    if !path.exists() {
        return Ok(());
    }
    let text = read(&path).and_then(|bytes| String::from_utf8(bytes).map_err(|why| why.to_string()))?;
    let mut hasher = blake3::Hasher::new();
    let (mut names, mut later) = (Vec::new(), Vec::new());
    for name in files {
        hasher.update(name.as_bytes()).update(&read(&dist.join(name))?);
        if name != SERVICE_WORKER && !name.ends_with(".md") && !name.ends_with(".txt") {
            let list = if name.starts_with(LATER) { &mut later } else { &mut names };
            list.push(format!("\"./{name}\""));
        }
    }
    let version = &hasher.finalize().to_hex()[..16];
    let mut filled = text;
    for (place, with) in
        [("/*FILES*/", names.join(", ")), ("/*LATER*/", later.join(", ")), ("/*VERSION*/", version.into())]
    {
        if !filled.contains(place) {
            return Err(format!("{} has no place for {place}", path.display()));
        }
        filled = filled.replace(place, &with);
    }
    fs::write(&path, filled).map_err(|why| format!("{}: {why}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|why| format!("{}: {why}", path.display()))
}

/// Writes the compressed copies; returns the sizes raw, with gzip and with brotli.
/// Fonts are compressed already.
fn pack(path: &Path) -> Result<[usize; 3], String> {
    let bytes = read(path)?;
    if path.extension().is_some_and(|extension| extension == "woff2") {
        return Ok([bytes.len(); 3]);
    }
    let failed = |why: std::io::Error| format!("{}: {why}", path.display());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes).map_err(failed)?;
    let gzip = gzip.finish().map_err(failed)?;
    let mut brotli = Vec::new();
    let settings = brotli::enc::BrotliEncoderParams { quality: 9, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut bytes.as_slice(), &mut brotli, &settings).map_err(failed)?;
    fs::write(with_suffix(path, "gz"), &gzip).map_err(failed)?;
    fs::write(with_suffix(path, "br"), &brotli).map_err(failed)?;
    Ok([bytes.len(), gzip.len(), brotli.len()])
}

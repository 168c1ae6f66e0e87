//! Finds the wasm32 target of the toolchain in use, adds it by rustup, or builds it.

#[cfg(unix)]
mod debian;
#[cfg(unix)]
mod std_build;
mod toolchain;

use toolchain::Toolchain;

/// The target of everything that runs in a browser.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Makes `cargo build --target wasm32-unknown-unknown` work, or reports why it cannot.
pub(crate) fn ensure() -> Result<(), String> {
    let toolchain = Toolchain::in_use()?;
    if toolchain.has_target() {
        return Ok(());
    }
    // Libraries that we built for an earlier compiler: rustup would refuse to overwrite
    // them.
    toolchain.remove_stale()?;

    eprintln!("rustc {} has no {TARGET} yet; asking rustup for it", toolchain.release);
    let Err(rustup) = add_by_rustup(&toolchain) else { return Ok(()) };
    eprintln!("{rustup}; trying to build it from the standard library's source");
    build(&toolchain).map_err(|built| {
        format!(
            "{rustup}, and it could not be built here: {built}. With a network, `rustup target add {TARGET}` is enough"
        )
    })
}

fn add_by_rustup(toolchain: &Toolchain) -> Result<(), String> {
    crate::run::output(crate::run::program("rustup").args(["target", "add", TARGET]))?;
    if toolchain.has_target() {
        return Ok(());
    }
    // This rustc did not come from rustup.
    Err(format!("rustup added {TARGET} to a toolchain other than {}", toolchain.sysroot.display()))
}

#[cfg(unix)]
fn build(toolchain: &Toolchain) -> Result<(), String> {
    let cache = crate::place::target()?.join("wasm-std").join(&toolchain.release);
    let source = match toolchain.own_source() {
        Some(source) => source,
        None => debian::source(&toolchain.release, &cache)?,
    };
    let libraries = std_build::build(toolchain, &source, &cache)?;
    toolchain.install(&libraries)
}

#[cfg(not(unix))]
fn build(_: &Toolchain) -> Result<(), String> {
    Err("this is only done on Unix".into())
}

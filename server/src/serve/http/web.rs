//! Serves the browser app: a folder of files, with their precompressed versions if
//! there are any.

use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tower_http::services::{ServeDir, ServeFile};

const INDEX: &str = "index.html";

/// Serves a folder. A path without a file gets the app's page, since the app's router
/// knows more paths than there are files.
///
/// # Errors
/// When the folder has no page.
pub(super) fn files(folder: &Path) -> Result<ServeDir<ServeFile>> {
    let index = folder.join(INDEX);
    if !index.is_file() {
        bail!("{} holds no {INDEX}; build the app first: cargo xtask web", folder.display());
    }
    let page = ServeFile::new(index).precompressed_br().precompressed_gzip();
    Ok(ServeDir::new(folder).precompressed_br().precompressed_gzip().fallback(page))
}

/// SHA-256 (base64) of each inline script of the page. The content security policy
/// allows these scripts and no others.
///
/// # Errors
/// When the page cannot be read.
pub(super) fn inline_scripts(folder: Option<&Path>) -> Result<Vec<String>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let index = folder.join(INDEX);
    let page = std::fs::read_to_string(&index).with_context(|| format!("cannot read {}", index.display()))?;
    Ok(scripts(&page).map(|script| STANDARD.encode(Sha256::digest(script.as_bytes()))).collect())
}

fn scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=") && !script.is_empty()).then_some(script)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn scripts_of_the_page_are_found() {
        let page = "<head><script type=\"module\">go()</script><script src=\"a.js\"></script><script>x</script></head>";
        assert_eq!(super::scripts(page).collect::<Vec<_>>(), ["go()", "x"]);
    }
}

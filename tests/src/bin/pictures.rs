//! Takes a picture of each page for the README and the book, in a headless
//! Chromium of the real app with the real server:
//!
//!     pictures DIR
//!
//! The pictures show For you after a purchase was deleted, Operate when all
//! shards are back, and the Lab with a twin system next to it; each in light
//! and dark.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use eemu_tests::browser::{Browser, dist};
use eemu_tests::shop::{Goods, LIST, Shop, aside};
use fantoccini::Locator;

/// The width at which a README shows a picture without shrinking the letters
/// too far.
const SIZE: (u32, u32) = (1280, 800);

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1).filter(|word| !word.starts_with('-')).map(PathBuf::from) else {
        eprintln!("error: give the folder that the pictures go into");
        return ExitCode::from(2);
    };
    eemu_tests::ended(take(&folder))
}

fn take(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let shop = Shop::selling(Goods::Items)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for (name, dark) in [("", false), ("-dark", true)] {
            for_you(&shop, &folder.join(format!("for-you{name}.png")), dark).await?;
            operate(&shop, &folder.join(format!("operate{name}.png")), dark).await?;
            lab(&folder.join(format!("lab{name}.png")), dark).await?;
        }
        Ok(())
    })
}

async fn shoot(browser: &Browser, file: &Path) -> Result<()> {
    let bytes = browser.client.screenshot().await?;
    std::fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}

async fn for_you(shop: &Shop, file: &Path, dark: bool) -> Result<()> {
    let browser = Browser::at(&shop.proxy.address).await?;
    browser.look(SIZE.0, SIZE.1, dark).await?;
    browser.open("").await?;
    browser.click("#households button").await?;
    browser.until("a list", LIST).await?;
    browser.click(".deeds li .btn").await?;
    browser.click("#confirm").await?;
    let settled =
        "return document.querySelectorAll('#checks li').length === 5 && !document.querySelector('.lead .tag')";
    browser.until("a receipt", settled).await?;
    shoot(&browser, file).await?;
    browser.close().await
}

async fn operate(shop: &Shop, file: &Path, dark: bool) -> Result<()> {
    let browser = Browser::at(&shop.proxy.address).await?;
    browser.look(SIZE.0, SIZE.1, dark).await?;
    browser.open("#operate").await?;
    browser.until("the field", "return !!document.querySelector('#operator')").await?;
    browser.client.find(Locator::Css("#operator")).await?.send_keys(&shop.operator).await?;
    browser.click(".token button").await?;
    browser.until("the log", "return !!document.querySelector('#leave')").await?;
    // All shards are back when no request waits; the picture shows that state.
    aside(|| shop.process.wait_clean())?;
    browser.until("all shards", "return document.querySelector('h1').innerText.startsWith('All eight')").await?;
    shoot(&browser, file).await?;
    browser.close().await
}

async fn lab(file: &Path, dark: bool) -> Result<()> {
    let browser = Browser::start(&dist()).await?;
    browser.look(SIZE.0, SIZE.1, dark).await?;
    browser.open("#v=1&step=6&play=1").await?;
    browser.until("the twin", "return document.querySelectorAll('.eq.equal').length === 8").await?;
    let own = "return !document.querySelector('.tag') && !document.querySelector('.progress')";
    browser.until("a result of one's own", own).await?;
    shoot(&browser, file).await?;
    browser.close().await
}

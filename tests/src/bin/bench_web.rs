//! Measures the cost of the browser app, in headless Chromium against the real
//! command:
//!
//!     bench_web --state DIR [--lists N] [--only FIGURE,FIGURE]
//!
//! A list means that every shard is adapted and the whole catalogue is ranked,
//! once with and once without adaptation, for the first household. It is
//! measured natively, with the browser's CPU backend, and on its WebGPU (a
//! software adapter if the machine has no other). The program also measures the
//! bytes of two visits, the milliseconds from the visit to its first list,
//! tasks of the page's own thread over 50 ms, and the Lab's training. One JSON
//! object for each figure goes to standard output.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_app::for_you::ensemble::{Own, Public, Ready};
use eemu_app::for_you::protocol::Ask;
use eemu_app::service::Api;
use eemu_core::client::{Precision, read_client_file};
use eemu_tests::browser::{Browser, WEBGPU, dist};
use eemu_tests::proxy::Proxy;
use eemu_tests::service::Process;
use eemu_tests::worlds::cpu;
use eemu_tests::{chosen, copy, say};
use serde_json::{Value, json};

struct Args {
    state: PathBuf,
    lists: u64,
    only: Vec<String>,
}

/// The figures that `--only` may name.
const FIGURES: [&str; 4] = ["native", "cpu", "lab", "webgpu"];

fn main() -> ExitCode {
    eemu_tests::ended(arguments().and_then(|args| bench(&args)))
}

fn arguments() -> Result<Args> {
    let (mut state, mut lists, mut only) = (None, 9, FIGURES.map(str::to_owned).to_vec());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} wants a value"));
        match word.as_str() {
            "--state" => state = Some(PathBuf::from(value()?)),
            "--lists" => lists = value()?.parse().context("--lists wants a number")?,
            "--only" => only = chosen(&value()?, &FIGURES)?,
            _ => bail!("{word} is not understood; known: --state, --lists, --only"),
        }
    }
    Ok(Args { state: state.context("give --state DIR, a trained state")?, lists, only })
}

fn bench(args: &Args) -> Result<()> {
    let kept = tempfile::tempdir()?;
    let state = kept.path().join("state");
    copy(&args.state, &state)?;
    let dist = dist();
    let process = Process::start(&state, &["--web", dist.to_str().context("an odd path")?, "--demo", "1"], &[])?;
    let proxy = Proxy::before(&process.address)?;
    proxy.pack();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for figure in FIGURES.iter().filter(|figure| args.only.iter().any(|only| only == *figure)) {
            match *figure {
                "native" => native(&process.address, args.lists).await?,
                "cpu" => cpu_visits(&proxy, args.lists).await?,
                "lab" => lab(&dist).await?,
                _ => webgpu(&proxy, args.lists.min(5)).await?,
            }
        }
        Ok(())
    })
}

/// The first time, and the median of the later ones.
fn spread(times: &[f64]) -> Value {
    let mut later: Vec<f64> = times.iter().skip(1).copied().collect();
    later.sort_by(f64::total_cmp);
    let round = |ms: f64| (ms * 10.0).round() / 10.0;
    json!({ "lists": times.len(), "first_ms": times.first().map(|ms| round(*ms)), "median_ms": later.get(later.len() / 2).map(|ms| round(*ms)) })
}

/// Runs the browser's own code, compiled natively.
async fn native(address: &str, lists: u64) -> Result<()> {
    let api = Api::new(address);
    let households = api.demo().await?;
    let token = households.first().context("no household")?.token.clone();
    let mine = api.with(Some(&token));
    let public = Public::new(api.manifest().await?, &api.catalog(false).await?, &api.catalog(true).await?)?;
    let own = Own { rows: mine.rows().await?, history: mine.interactions().await?.interactions };
    let items = &public.catalog.items;
    let records: Vec<(u32, Option<f64>)> =
        own.history.iter().filter_map(|deed| Some((items.find(&deed.item)?, deed.timestamp))).collect();
    let person = public.person(Some(&own), &records);
    let mut ready: Vec<Ready> = Vec::new();
    for entry in &public.manifest.shards {
        let file = entry.files.iter().find(|file| file.precision == Precision::F32).context("a shard has no file")?;
        let tensors = read_client_file(&api.bytes(&file.address, |_| ()).await?)?;
        ready.push(public.model(entry.shard, &file.blake3, tensors, Some(&own), &cpu())?);
    }
    let ready: Vec<&Ready> = ready.iter().collect();
    let mut times = Vec::new();
    for draw in 0..lists {
        let ask = Ask { draw, ..Ask::usual(&public.manifest.config.adapt) };
        let began = Instant::now();
        public.list(&ready, &person, &ask).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    say(
        "data",
        &json!({ "dataset": public.manifest.dataset, "items": items.len(), "shards": ready.len(), "records": records.len(), "pairs": public.manifest.config.adapt.size, "steps": public.manifest.config.adapt.steps }),
    );
    say("list_native", &spread(&times));
    Ok(())
}

/// A script that runs before the page. It signs in as the first household as
/// soon as possible. It notes the time of the first list, tasks over 50 ms (the
/// browser does not report shorter ones), and long calls in frames that took
/// over 50 ms.
const NOTES: &str = "
    window.notes = { list: null, tasks: [], scripts: [], asked: false };
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) notes.tasks.push(Math.round(task.duration));
    }).observe({ type: 'longtask', buffered: true });
    new PerformanceObserver((list) => {
      for (const frame of list.getEntries()) for (const script of frame.scripts)
        if (script.duration > 25) notes.scripts.push(`${Math.round(script.duration)} ms ${script.invoker}`);
    }).observe({ type: 'long-animation-frame', buffered: true });
    new MutationObserver(() => {
      const household = document.querySelector('#households button');
      if (household && !notes.asked) { notes.asked = true; household.click(); }
      const there = document.querySelector('#rows li') && !document.querySelector('.lead .tag');
      if (there && notes.list === null) notes.list = performance.now();
    }).observe(document, { childList: true, subtree: true });
";

async fn prepared(browser: &Browser) -> Result<()> {
    browser.devtools("Page.enable", json!({})).await?;
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": NOTES })).await?;
    Ok(())
}

async fn visit(browser: &Browser, proxy: &Proxy, what: &str) -> Result<()> {
    let before = proxy.sent();
    browser.open("").await?;
    let first = browser.until("the first list", "return window.notes?.list").await?.as_f64().unwrap_or(0.0).round();
    browser.until("every shard", "return document.querySelectorAll('#rows .slot').length === 0").await?;
    let to_list = proxy.sent() - before;
    browser.until("what is kept", "return navigator.serviceWorker.controller !== null").await?;
    say(what, &json!({ "first_list_ms": first, "bytes_to_list": to_list, "bytes": proxy.sent() - before }));
    tasks(browser, what).await
}

/// Reports the tasks that blocked the page's thread for longer than 50 ms since
/// the last call.
async fn tasks(browser: &Browser, after: &str) -> Result<()> {
    let notes = browser.run("const now = { tasks_ms: notes.tasks, scripts: notes.scripts }; notes.tasks = []; notes.scripts = []; return now").await?;
    say("long_tasks", &json!({ "after": after, "notes": notes }));
    Ok(())
}

/// Requests new lists, one after the other. Returns the milliseconds of each,
/// as the worker measured them. Their length alternates, which costs the models
/// no work.
async fn lists(browser: &Browser, count: u64) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let millis = "return document.querySelector('#rows').dataset.millis";
    let mut seen = browser.run(millis).await?;
    times.extend(seen.as_str().and_then(|ms| ms.parse::<f64>().ok()));
    while (times.len() as u64) < count {
        let slide = format!(
            "const s = document.querySelector('#slide-k'); s.value = {}; s.dispatchEvent(new Event('input', {{ bubbles: true }}))",
            10 + times.len() % 2
        );
        browser.run(&slide).await?;
        let other = format!(
            "return document.querySelector('#rows')?.dataset.millis !== {seen} && document.querySelector('#rows').dataset.millis"
        );
        seen = browser.until("another list", &other).await?;
        times.extend(seen.as_str().and_then(|ms| ms.parse::<f64>().ok()));
    }
    Ok(times)
}

async fn cpu_visits(proxy: &Proxy, count: u64) -> Result<()> {
    let browser = Browser::at(&proxy.address).await?;
    prepared(&browser).await?;
    visit(&browser, proxy, "visit_first").await?;
    say("list_browser_cpu", &spread(&lists(&browser, count).await?));
    tasks(&browser, "lists").await?;
    visit(&browser, proxy, "visit_second").await?;
    browser.close().await
}

async fn webgpu(proxy: &Proxy, count: u64) -> Result<()> {
    let browser = Browser::at_with(&proxy.address, WEBGPU).await?;
    // The device is chosen at the start, so that no trial runs.
    browser.open("").await?;
    browser.run("sessionStorage.setItem('device', JSON.stringify(['Gpu', null]))").await?;
    prepared(&browser).await?;
    browser.open("").await?;
    browser
        .until_for(
            "a list made on WebGPU",
            "return document.querySelector('#list + span')?.textContent.includes('on WebGPU')",
            8,
        )
        .await?;
    let mut figures = spread(&lists(&browser, count).await?);
    let badge = browser.run("return document.querySelector('#device').textContent").await?;
    if let Some(figures) = figures.as_object_mut() {
        figures.insert("device".into(), badge);
    }
    say("list_browser_webgpu", &figures);
    browser.close().await
}

async fn lab(dist: &Path) -> Result<()> {
    let browser = Browser::start(dist).await?;
    prepared(&browser).await?;
    let mut seconds = Vec::new();
    for seed in 1..=3 {
        browser.open(&format!("#v=1&seed={seed}&step=3&play=1")).await?;
        let told = "return document.querySelector('.tag') ? null
            : document.querySelector('#trained')?.dataset.millis ?? null";
        let millis = browser.until("trained shards", told).await?;
        seconds.extend(millis.as_str().and_then(|ms| ms.parse::<f64>().ok()).map(|ms| ms.round()));
    }
    say("lab_training_ms", &json!({ "shards": 8, "seeds": seconds }));
    tasks(&browser, "lab").await?;
    browser.close().await
}

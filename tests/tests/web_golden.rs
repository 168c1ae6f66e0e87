//! The golden cases in a real browser, computed by a worker on the CPU backend
//! and on WebGPU (a software adapter): within the tolerance of the native test,
//! and equal when repeated on the CPU.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use eemu_tests::browser::{Browser, WEBGPU, dist_cases, drive, root};
use eemu_tests::golden::TOLERANCE;
use serde_json::Value;

/// All cases, the smallest first.
fn cases() -> Vec<(PathBuf, String)> {
    let paths = std::fs::read_dir(root().join("tests/golden")).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = paths.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    cases.sort_by_key(|(_, text)| text.len());
    assert!(cases.len() >= 2, "only {} cases", cases.len());
    cases
}

fn assert_close(path: &std::path::Path, found: &Value) {
    eprintln!("{}: {found}", path.display());
    let error = found["error"].as_f64().unwrap_or(f64::INFINITY);
    assert!(error <= TOLERANCE, "{}: {found}", path.display());
}

#[test]
fn golden_cases_hold_in_chromium() {
    drive(async {
        let browser = Browser::start(&dist_cases()).await.unwrap();
        browser.open("").await.unwrap();
        for (path, text) in cases() {
            let first = run(&browser, &text, false).await;
            assert_close(&path, &first);
            // A second, new worker: the same bytes give the same error.
            assert_eq!(run(&browser, &text, false).await, first);
        }
        browser.close().await.unwrap();
    });
}

/// One case, or all of them with `EEMU_LONG`: a software adapter is slow.
#[test]
fn golden_cases_hold_on_webgpu() {
    drive(async {
        let browser = Browser::start_with(&dist_cases(), WEBGPU).await.unwrap();
        browser
            .client
            .update_timeouts(fantoccini::wd::TimeoutConfiguration::new(Some(LONG), None, None))
            .await
            .unwrap();
        browser.open("").await.unwrap();
        let adapter = "const done = arguments[0]; navigator.gpu.requestAdapter().then((a) => done(a !== null))";
        assert_eq!(
            browser.client.execute_async(adapter, vec![]).await.unwrap(),
            true,
            "no adapter, so nothing is shown"
        );
        let count = if std::env::var_os("EEMU_LONG").is_some() { usize::MAX } else { 1 };
        for (path, text) in cases().into_iter().take(count) {
            assert_close(&path, &run(&browser, &text, true).await);
        }
        browser.close().await.unwrap();
    });
}

/// The time limit of a case on a software adapter.
const LONG: std::time::Duration = std::time::Duration::from_secs(300);

/// The result of a case in a new worker.
async fn run(browser: &Browser, text: &str, gpu: bool) -> Value {
    let script = "
        const [text, gpu, done] = arguments;
        const worker = new Worker('./worker.js', { type: 'module' });
        worker.onerror = (event) => done({ error: event.message });
        worker.onmessage = ({ data }) =>
            (data.ready ? worker.postMessage({ text, gpu }) : (worker.terminate(), done(data)));
    ";
    let told = browser.client.execute_async(script, vec![text.into(), gpu.into()]).await.unwrap();
    let result = told["result"].as_str().unwrap_or_else(|| panic!("{told}"));
    serde_json::from_str(result).unwrap()
}

//! The golden cases in a real browser, computed by a worker on the CPU
//! backend: within the same tolerance as natively, and twice the same.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, dist_cases, drive, root};
use eemu_tests::golden::TOLERANCE;
use serde_json::Value;

#[test]
fn golden_cases_hold_in_chromium() {
    drive(async {
        let browser = Browser::start(&dist_cases()).await.unwrap();
        browser.open("").await.unwrap();
        let folder = root().join("tests/golden");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let first = run(&browser, &text).await;
            let error = first["error"].as_f64().unwrap_or(f64::INFINITY);
            eprintln!("{}: {first}", path.display());
            assert!(error <= TOLERANCE, "{}: {first}", path.display());
            // A second worker, from nothing: the same bytes give the same error.
            assert_eq!(run(&browser, &text).await, first);
            seen += 1;
        }
        assert!(seen >= 2, "only {seen} cases");
        browser.close().await.unwrap();
    });
}

/// What a fresh worker makes of a case.
async fn run(browser: &Browser, text: &str) -> Value {
    let script = "
        const [text, done] = arguments;
        const worker = new Worker('./worker.js', { type: 'module' });
        worker.onerror = (event) => done({ error: event.message });
        worker.onmessage = ({ data }) => (data.ready ? worker.postMessage(text) : (worker.terminate(), done(data)));
    ";
    let told = browser.client.execute_async(script, vec![text.into()]).await.unwrap();
    let result = told["result"].as_str().unwrap_or_else(|| panic!("{told}"));
    serde_json::from_str(result).unwrap()
}

//! The device that computes the lists: WebGPU (a software adapter) or the CPU,
//! chosen by hand and by a trial, and the recovery from a lost device.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, WEBGPU, drive};
use eemu_tests::shop::{LIST, Shop, aside, sign_in};
use serde_json::json;

async fn visit(browser: &Browser) {
    sign_in(browser).await;
    browser.until("a list", LIST).await.unwrap();
}

/// Waits until the badge contains a text.
async fn badge(browser: &Browser, says: &str) {
    let script = format!("return document.querySelector('#device').textContent.includes({says:?})");
    if let Err(why) = browser.until(says, &script).await {
        panic!("the badge says {:?}: {why:#}", browser.text("#device").await.unwrap());
    }
}

/// Names and scores of the list on the page.
async fn rows(browser: &Browser) -> Vec<(String, f64)> {
    let script = "return [...document.querySelectorAll('#rows li')].map((row) =>
        [row.querySelector('.what .name').innerText, Number(row.dataset.score)])";
    serde_json::from_value(browser.run(script).await.unwrap()).unwrap()
}

fn assert_close(here: &[(String, f64)], there: &[(String, f64)]) {
    assert_eq!(here.len(), there.len());
    for (place, (name, score)) in here.iter().enumerate() {
        assert!((score - there[place].1).abs() < 1e-4, "{name}: {score}, and {:?}", there[place]);
        let same = there.iter().any(|(other, theirs)| other == name && (theirs - score).abs() < 2e-4);
        assert!(same || (score - there[there.len() - 1].1).abs() < 2e-4, "{name} is in one list only");
    }
}

async fn slide(browser: &Browser, size: u32) {
    let script = format!(
        "const s = document.querySelector('#slide-n'); s.value = {size};
         s.dispatchEvent(new Event('input', {{ bubbles: true }}))"
    );
    browser.run(&script).await.unwrap();
    let drawn = format!("return document.querySelectorAll('.tuning .set:not(.rest *) li').length === {size}");
    browser.until("the new set", &drawn).await.unwrap();
}

const FETCHED: &str = "eemu-gpu_bg.wasm";

fn fetched(shop: &Shop) -> bool {
    shop.proxy.asked().iter().any(|asked| asked.line.contains(FETCHED))
}

#[test]
fn without_an_adapter_it_starts_on_the_cpu_and_says_why() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        visit(&browser).await;
        badge(&browser, "CPU· no WebGPU adapter found").await;
        // Selecting WebGPU does not create an adapter, and the list stays as
        // before. The session stores the selection after the worker has
        // answered it.
        browser
            .run("sessionStorage.removeItem('device'); window.before = document.querySelector('#rows').dataset.millis")
            .await
            .unwrap();
        browser.click("#gpu").await.unwrap();
        browser
            .until(
                "another list",
                "return JSON.parse(sessionStorage.getItem('device'))?.[0] === 'Gpu'
                     && document.querySelectorAll('#rows li').length === 10
                     && document.querySelector('#rows').dataset.millis !== window.before",
            )
            .await
            .unwrap();
        badge(&browser, "CPU· no WebGPU adapter found").await;
        assert!(!fetched(&shop), "the WebGPU program is for those who can use it");
        browser.close().await.unwrap();
    });
}

#[test]
fn webgpu_makes_the_same_list_and_may_be_lost() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at_with(&shop.proxy.address, WEBGPU).await.unwrap();
        visit(&browser).await;
        // Few pairs, because the adapter compiles a program for each shape of a
        // tensor.
        slide(&browser, 3).await;
        let on_cpu = rows(&browser).await;

        // By a trial: the software adapter is slower.
        badge(&browser, "CPU· faster here than WebGPU").await;
        assert!(fetched(&shop));
        let speeds = browser.run("return document.querySelector('#speeds').textContent").await.unwrap();
        assert!(speeds.as_str().unwrap().contains("ms on WebGPU"), "{speeds}");
        let remembered = browser.run("return JSON.parse(sessionStorage.getItem('device'))[1].gpu").await.unwrap();
        assert!(remembered.as_f64().unwrap() > 0.0);
        // The next visit of the session uses the result without another trial.
        browser.open("").await.unwrap();
        browser.until("the list again", LIST).await.unwrap();
        badge(&browser, "CPU· faster here than WebGPU").await;
        slide(&browser, 3).await;

        // By hand.
        browser.click("#gpu").await.unwrap();
        let made = "return document.querySelector('#list + span').textContent.includes('on WebGPU')";
        browser.until("a list made on WebGPU", made).await.unwrap();
        badge(&browser, "WebGPU· google swiftshader").await;
        let kept = "return caches.match('eemu-gpu_bg.wasm').then((kept) => kept !== undefined)";
        browser.until("the program is kept for the next visit", kept).await.unwrap();
        assert_close(&rows(&browser).await, &on_cpu);
        browser.run("document.querySelector('#device').parentElement.open = true").await.unwrap();
        browser.picture("for-you-webgpu").await.unwrap();

        // The browser's graphics process is crashed.
        let crashed = browser.devtools("Browser.crashGpuProcess", json!({})).await;
        eprintln!("the graphics process: {crashed:?}");
        badge(&browser, "CPU· the graphics device stopped").await;
        assert_eq!(
            browser.text(".trouble p").await.unwrap(),
            "The graphics device stopped. Went on with the CPU; nothing was lost."
        );
        slide(&browser, 4).await;
        slide(&browser, 3).await;
        assert_eq!(rows(&browser).await, on_cpu);
        assert_eq!(shop.proxy.downloads(), 8, "no model is downloaded again");
        browser.picture("for-you-device-lost").await.unwrap();

        // Deletion continues to work, and the receipt is valid.
        browser.click(".deeds li .btn").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.until("the receipt", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn what_is_forgotten_goes_from_the_graphics_device_too() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at_with(&shop.proxy.address, WEBGPU).await.unwrap();
        // Selected from the start, so that there is no trial.
        browser.open("").await.unwrap();
        browser.run("sessionStorage.setItem('device', JSON.stringify(['Gpu', null]))").await.unwrap();
        visit(&browser).await;
        let made = "return document.querySelector('#list + span')?.textContent.includes('on WebGPU')
            && document.querySelectorAll('#rows li').length === 10";
        browser.until("a list made on WebGPU", made).await.unwrap();
        let device = browser.run("return JSON.parse(sessionStorage.getItem('device'))").await.unwrap();
        assert_eq!(device, json!(["Gpu", null]), "what is chosen by hand is not tried");
        let holds = "return (document.querySelector('#on-device')?.textContent ?? '')";
        let held = async || browser.run(holds).await.unwrap().as_str().unwrap().to_owned();
        let all = "On the graphics device now: the models of A, B, C, D, E, F, G, H.";
        assert_eq!(held().await, all);
        // The deletion concerns the only shard that is switched on. Without its
        // model no list is computed, and only a list would tell the graphics
        // device which models to keep.
        browser.click(".deeds li .btn").await.unwrap();
        let asked = browser.text(".confirm p").await.unwrap();
        let letter = asked.split("It is in shard ").nth(1).unwrap().chars().next().unwrap();
        for (key, other) in (1..).zip('A'..='H').filter(|(_, other)| *other != letter) {
            browser.run(&format!("document.querySelector('.piece.shard-{other} button').focus()")).await.unwrap();
            browser.keys(&[&key.to_string()]).await.unwrap();
        }
        browser
            .until_for("one bar a row", "return document.querySelectorAll('#rows .slot').length === 70", 3)
            .await
            .unwrap();
        assert_eq!(held().await, all, "what is switched off stays");
        shop.proxy.hold_after(0);
        browser.click("#confirm").await.unwrap();
        let gone = format!("{holds} === {all:?}.replace('{letter}, ', '').replace(', {letter}.', '.')");
        browser.until("the model is off the device", &gone).await.unwrap();
        shop.proxy.hold_after(usize::MAX);
        browser.until("the receipt", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        browser.until_for("the new model", &format!("{holds} === {all:?}"), 3).await.unwrap();
        browser.click("#usual").await.unwrap();
        browser.until("a list made on WebGPU", made).await.unwrap();
        let households = aside(|| shop.process.json("/api/v1/demo", "").unwrap());
        let token = households[0]["token"].as_str().unwrap();
        let there = aside(|| shop.process.post("/api/v1/recommendations", token, &json!({})).unwrap().1);
        let row = |row: &serde_json::Value| (row["name"].as_str().unwrap().to_owned(), row["score"].as_f64().unwrap());
        let there: Vec<(String, f64)> = there["items"].as_array().unwrap().iter().map(row).collect();
        // A list from before the last change is computed again, and the adapter
        // is slow.
        let first =
            format!("return Math.abs(document.querySelector('#rows li')?.dataset.score - {}) < 1e-4", there[0].1);
        browser.until_for("the new list", &first, 3).await.unwrap();
        assert_close(&rows(&browser).await, &there);
        browser.until("made on WebGPU", made).await.unwrap();
        browser.close().await.unwrap();
    });
}

//! The default model in a real browser with the real server. The public files
//! and a user's own history are all that a browser needs, its list equals the
//! server's, and after a deletion it fetches only the changed model.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive};
use eemu_tests::shop::{self, Goods, LIST, Shop, aside};
use serde_json::{Value, json};

/// Names and scores of the list on the page.
async fn rows(browser: &Browser) -> Vec<(String, f64)> {
    let script = "return [...document.querySelectorAll('#rows li')].map((row) =>
        [row.querySelector('.what .name').innerText, Number(row.dataset.score)])";
    let rows = browser.run(script).await.unwrap();
    let row = |row: &Value| (row[0].as_str().unwrap().to_owned(), row[1].as_f64().unwrap());
    rows.as_array().unwrap().iter().map(row).collect()
}

/// The largest difference from the server's scores. The names must be the same
/// except where two scores differ by less than 2e-4.
fn apart(here: &[(String, f64)], there: &Value) -> f64 {
    let there = there["items"].as_array().unwrap();
    assert_eq!(here.len(), there.len());
    let score = |item: &Value| item["score"].as_f64().unwrap();
    let mut worst = 0.0f64;
    for ((name, own), expected) in here.iter().zip(there) {
        worst = worst.max((own - score(expected)).abs());
        let stands = |other: &Value| other["name"].as_str() == Some(name) && (score(other) - own).abs() < 2e-4;
        assert!(there.iter().any(stands), "{name} at {own} is not on the server's list: {there:?}");
    }
    worst
}

fn post(shop: &Shop, path: &str, token: &str, body: &Value) -> Value {
    aside(|| shop.process.post(path, token, body).unwrap().1)
}

fn get(shop: &Shop, path: &str) -> Value {
    aside(|| shop.process.json(path, "").unwrap())
}

async fn open(shop: &Shop) -> (Browser, String) {
    let browser = Browser::at(&shop.proxy.address).await.unwrap();
    shop::sign_in(&browser).await;
    browser.until("a list", LIST).await.unwrap();
    let households = get(shop, "/api/v1/demo");
    (browser, households[0]["token"].as_str().unwrap().to_owned())
}

fn versions(shop: &Shop) -> Vec<Option<u64>> {
    let manifest = get(shop, "/api/v1/manifest");
    manifest["shards"].as_array().unwrap().iter().map(|shard| shard["version"].as_u64()).collect()
}

#[test]
fn public_files_and_a_history_are_all_that_a_list_needs() {
    let shop = Shop::selling(Goods::Items).unwrap();
    drive(async {
        let (browser, token) = open(&shop).await;
        assert_eq!(shop.proxy.downloads(), 8);
        let before = rows(&browser).await;
        let worst = apart(&before, &post(&shop, "/api/v1/recommendations", &token, &json!({})));
        assert!(worst < 1e-4, "the server's scores are others by {worst:.1e}");

        // Fewer records to adapt to give another list; the usual value restores
        // the usual list.
        let slide = |to: &str| {
            format!(
                "const s = document.querySelector('#slide-n'); s.value = {to};
                 s.dispatchEvent(new Event('input', {{ bubbles: true }}))"
            )
        };
        // The score is read before the change, because a list takes a
        // millisecond.
        let first = browser.run("return document.querySelector('#rows li').dataset.score").await.unwrap();
        browser.run(&slide("s.min")).await.unwrap();
        let other = format!(
            "return document.querySelectorAll('#rows li').length === 10
                && document.querySelector('#rows li').dataset.score !== '{}'",
            first.as_str().unwrap()
        );
        browser.until("another list", &other).await.unwrap();
        assert_ne!(rows(&browser).await, before);
        browser.click("#usual").await.unwrap();
        browser.until("the usual", "return location.hash === '#for-you'").await.unwrap();
        browser.until("a list", LIST).await.unwrap();

        // Deleting one purchase retrains the household's shard only.
        let earlier = versions(&shop);
        browser.click(".deeds li .btn").await.unwrap();
        browser.until("the question", "return !!document.querySelector('.confirm')").await.unwrap();
        browser.until("the focus", "return document.activeElement.id === 'confirm'").await.unwrap();
        browser.keys(&["\u{E007}"]).await.unwrap();
        let settled =
            "return document.querySelectorAll('#checks li').length === 5 && !document.querySelector('.lead .tag')";
        browser.until("the receipt", settled).await.unwrap();
        let checks = "return document.querySelectorAll('#checks .ok').length";
        assert_eq!(browser.run(checks).await.unwrap(), 5, "{}", browser.text("#checks").await.unwrap());
        let later = versions(&shop);
        assert_eq!((0..8).filter(|&shard| earlier[shard] != later[shard]).count(), 1);
        assert_eq!(shop.proxy.downloads(), 9, "only the new model was downloaded");
        let gone = "return document.querySelectorAll('.deeds .gone').length === 1
            && document.querySelectorAll('#rows li').length === 10";
        browser.until("the new list", gone).await.unwrap();
        let worst = apart(&rows(&browser).await, &post(&shop, "/api/v1/recommendations", &token, &json!({})));
        assert!(worst < 1e-4, "after forgetting the server's scores are others by {worst:.1e}");
        browser.picture("for-you-default-model").await.unwrap();

        // No data of users were requested: neither rows nor features.
        assert!(shop.proxy.asked().iter().all(|asked| !asked.line.contains("/rows")));
        browser.close().await.unwrap();
    });
}

/// Where an operator configured user features, a user's browser gets that
/// user's buckets only, and its list still equals the server's.
#[test]
fn a_persons_own_buckets_reach_their_browser_alone() {
    let shop = Shop::selling(Goods::ItemsAndPeople).unwrap();
    let published = get(&shop, "/api/v1/manifest");
    assert_eq!(published["config"]["episodes"]["people"], true);
    drive(async {
        let (browser, token) = open(&shop).await;
        let worst = apart(&rows(&browser).await, &post(&shop, "/api/v1/recommendations", &token, &json!({})));
        assert!(worst < 1e-4, "the server's scores are others by {worst:.1e}");
        assert!(shop.proxy.asked().iter().any(|asked| asked.line.contains("/rows")));
        browser.close().await.unwrap();
    });
}

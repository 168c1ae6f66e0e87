//! For you when something is wrong: no network, damaged files, what is kept
//! changed or too old. Nothing unverified computes, and each case is a
//! sentence with a next step.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive};
use eemu_tests::shop::Shop;

const LIST: &str =
    "return document.querySelectorAll('#rows li').length === 10 && !document.querySelector('.lead .tag')";

async fn sign_in(browser: &Browser) {
    browser.open("").await.unwrap();
    browser.click("#households button").await.unwrap();
}

/// Waits for a sentence, and returns it whole.
async fn said(browser: &Browser, part: &str) -> String {
    let script = format!("return document.querySelector('.trouble p')?.innerText.includes({part:?})");
    browser.until(part, &script).await.unwrap();
    browser.text(".trouble p").await.unwrap()
}

/// Changes what is kept under names that `which` (JavaScript) picks.
async fn change_kept(browser: &Browser, which: &str, change: &str) {
    let script = format!(
        "const done = arguments[0];
         (async () => {{
           const cache = await caches.open('kept-files');
           const manifest = await (await cache.match('/kept/manifest')).json();
           const models = manifest.shards.flatMap((shard) => shard.files.map((file) => file.blake3));
           let changed = 0;
           for (const request of await cache.keys()) {{
             const name = request.url.split('/').pop();
             const bytes = new Uint8Array(await (await cache.match(request)).arrayBuffer());
             if (!({which})) continue;
             await cache.put(request, new Response({change}));
             changed += 1;
           }}
           return changed;
         }})().then(done, (why) => done(String(why)))"
    );
    let changed = browser.client.execute_async(&script, vec![]).await.unwrap();
    assert!(changed.as_u64().is_some_and(|changed| changed > 0), "{changed}");
}

#[test]
fn the_second_visit_needs_no_network_until_it_is_too_old() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let names = "return [...document.querySelectorAll('#rows .what')].map((e) => e.innerText).join('|')";
        let before = browser.run(names).await.unwrap();
        browser.until("the service worker", "return navigator.serviceWorker.controller !== null").await.unwrap();
        shop.proxy.cut(true);
        browser.open("").await.unwrap();
        browser.until("a list without a network", LIST).await.unwrap();
        assert_eq!(browser.run(names).await.unwrap(), before);
        assert_eq!(
            said(&browser, "No connection").await,
            "No connection. Lists still work; forgetting must wait until you are online."
        );
        browser.picture("for-you-offline").await.unwrap();
        // Forgetting waits: nothing is struck out that was not forgotten.
        browser.click(".deeds li .btn").await.unwrap();
        browser.click("#confirm").await.unwrap();
        said(&browser, "forgetting must wait").await;
        browser
            .until("nothing struck out", "return document.querySelectorAll('.deeds .gone').length === 0")
            .await
            .unwrap();

        // Past the manifest's end nothing is computed.
        let old = "JSON.stringify({ ...JSON.parse(new TextDecoder().decode(bytes)), valid_until: 1000 })";
        change_kept(&browser, "name === 'manifest'", old).await;
        browser.open("").await.unwrap();
        let sentence = said(&browser, "may no longer be used").await;
        assert!(sentence.contains("Connect, and try again"), "{sentence}");
        assert_eq!(browser.run("return document.querySelectorAll('#rows li[data-score]').length > 0 && !document.querySelector('.lead .tag')").await.unwrap(), false);
        // Back online it goes on.
        shop.proxy.cut(false);
        browser.click("#remedy").await.unwrap();
        browser.until("a list again", LIST).await.unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn a_damaged_model_is_refused() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop.proxy.damage(true);
        sign_in(&browser).await;
        let sentence = said(&browser, "arrived damaged").await;
        assert_eq!(sentence, "Shard A arrived damaged and was not used. Download again.");
        assert_eq!(browser.run("return document.querySelectorAll('.you .piece.masked').length").await.unwrap(), 8);
        assert_eq!(
            browser.run("return document.querySelectorAll('#rows .bars').length").await.unwrap(),
            0,
            "no damaged model computes"
        );
        browser.picture("for-you-damaged").await.unwrap();
        shop.proxy.damage(false);
        browser.click("#remedy").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        let whole = shop.proxy.downloads();

        // What is kept was changed: it is thrown away and downloaded again.
        let flipped = "(bytes[bytes.length - 1] ^= 1, bytes)";
        change_kept(&browser, "models.includes(name)", flipped).await;
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        assert!(shop.proxy.downloads() > whole, "a changed file was used");
        assert_eq!(browser.run("return document.querySelectorAll('.you .piece.masked').length").await.unwrap(), 0);

        // Without a network it is a sentence, and nothing of it computes.
        browser.until("the service worker", "return navigator.serviceWorker.controller !== null").await.unwrap();
        let first = "models.includes(name)";
        change_kept(&browser, first, flipped).await;
        shop.proxy.cut(true);
        browser.open("").await.unwrap();
        let sentence = said(&browser, "is damaged").await;
        assert_eq!(sentence, "What was kept of shard A is damaged and was not used. Connect, and download it again.");
        browser
            .until("no shard is used", "return document.querySelectorAll('.you .piece.masked').length === 8")
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn models_that_the_manifest_no_longer_lists_are_purged() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let names = "const done = arguments[0];
            caches.open('kept-files').then((c) => c.keys()).then((keys) => done(keys.map((k) => k.url.split('/').pop())))";
        let kept = async || {
            let names = browser.client.execute_async(names, vec![]).await.unwrap();
            let mut names: Vec<String> = serde_json::from_value(names).unwrap();
            names.sort();
            names
        };
        let before = kept().await;
        // Somebody else's deletion, while nobody is on this page.
        browser.client.goto("about:blank").await.unwrap();
        eemu_tests::shop::aside(|| {
            let households = shop.process.json("/api/v1/demo", "").unwrap();
            let token = households[1]["token"].as_str().unwrap();
            let own = shop.process.post("/api/v1/interactions/list", token, &serde_json::json!({})).unwrap().1;
            let items = serde_json::json!({ "items": [own["interactions"][0]["item"]] });
            shop.process.post("/api/v1/interactions/delete", token, &items).unwrap();
            shop.process.wait_clean().unwrap();
        });
        let downloads = shop.proxy.downloads();
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        browser.until("the new model", &format!("return {} > 0", 1)).await.unwrap();
        assert_eq!(shop.proxy.downloads(), downloads + 1);
        let after = kept().await;
        assert_eq!(before.len(), after.len());
        assert_eq!(before.iter().filter(|name| !after.contains(name)).count(), 1, "{before:?} {after:?}");
        browser.close().await.unwrap();
    });
}

#[test]
fn without_a_service_it_says_so() {
    drive(async {
        let browser = Browser::start(&eemu_tests::browser::dist()).await.unwrap();
        browser.open("#for-you").await.unwrap();
        let sentence = said(&browser, "no eemu service").await;
        assert!(sentence.contains("eemu serve") && sentence.contains("the Lab works without"), "{sentence}");
        browser.click(".nav a[href='#v=1']").await.unwrap();
        browser.until("the Lab", "return document.querySelector('h1').innerText === 'A small world'").await.unwrap();
        browser.close().await.unwrap();
    });
}

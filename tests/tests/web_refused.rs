//! For you in error conditions: no network, damaged files, stored data that
//! were changed or are too old. Nothing unverified is used, and each case has a
//! message with a next step.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive};
use eemu_tests::command::{done, text};
use eemu_tests::shop::{LIST, Shop, sign_in};

/// Waits for a message, and returns it whole.
async fn said(browser: &Browser, part: &str) -> String {
    let script = format!("return document.querySelector('.trouble p')?.innerText.includes({part:?})");
    browser.until(part, &script).await.unwrap();
    browser.text(".trouble p").await.unwrap()
}

/// Changes stored data under the names that `which` (JavaScript) selects.
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
        // The deletion waits: no record is struck out that was not deleted.
        browser.click(".deeds li .btn").await.unwrap();
        browser.click("#confirm").await.unwrap();
        said(&browser, "forgetting must wait").await;
        browser
            .until("nothing struck out", "return document.querySelectorAll('.deeds .gone').length === 0")
            .await
            .unwrap();

        // After the manifest's validity nothing is computed.
        let old = "JSON.stringify({ ...JSON.parse(new TextDecoder().decode(bytes)), valid_until: 1000 })";
        change_kept(&browser, "name === 'manifest'", old).await;
        browser.open("").await.unwrap();
        let sentence = said(&browser, "may no longer be used").await;
        assert!(sentence.contains("Connect, and try again"), "{sentence}");
        assert_eq!(browser.run("return document.querySelectorAll('#rows li[data-score]').length > 0 && !document.querySelector('.lead .tag')").await.unwrap(), false);
        // Online again, it continues.
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

        // Stored data that were changed are discarded and downloaded again.
        let flipped = "(bytes[bytes.length - 1] ^= 1, bytes)";
        change_kept(&browser, "models.includes(name)", flipped).await;
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        assert!(shop.proxy.downloads() > whole, "a changed file was used");
        assert_eq!(browser.run("return document.querySelectorAll('.you .piece.masked').length").await.unwrap(), 0);

        // Without a network there is a message, and the data are not used.
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
        // Another user's deletion while this page is closed.
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
        assert_eq!(shop.proxy.downloads(), downloads + 1);
        let after = kept().await;
        assert_eq!(before.len(), after.len());
        assert_eq!(before.iter().filter(|name| !after.contains(name)).count(), 1, "{before:?} {after:?}");
        browser.close().await.unwrap();
    });
}

#[test]
fn a_full_storage_is_said_and_everything_goes_on() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        // Space for some models but not for all, including the page's other
        // stored data.
        browser.open("").await.unwrap();
        browser.until("the service worker", "return navigator.serviceWorker.controller !== null").await.unwrap();
        let used = "const done = arguments[0]; navigator.storage.estimate().then(({ usage }) => done(usage))";
        let used = browser.client.execute_async(used, vec![]).await.unwrap().as_u64().unwrap();
        let limit = async |bytes: Option<u64>| {
            let mut wish = serde_json::json!({ "origin": shop.proxy.address });
            if let Some(bytes) = bytes {
                wish["quotaSize"] = bytes.into();
            }
            browser.devtools("Storage.overrideQuotaForOrigin", wish).await.unwrap();
        };
        limit(Some(used + 100_000)).await;
        browser.click("#households button").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        let sentence = said(&browser, "no room left").await;
        assert!(
            sentence.starts_with("This browser has no room left, so models will be downloaded each visit. Free ")
                && sentence.ends_with(" to keep them."),
            "{sentence}"
        );
        browser.picture("for-you-no-room").await.unwrap();
        let first = shop.proxy.downloads();
        assert_eq!(first, 8);
        assert!(
            browser
                .run("return document.querySelector('.kept p').textContent")
                .await
                .unwrap()
                .as_str()
                .unwrap()
                .contains("no room")
        );
        // A list with another setting and a deletion work as usual.
        browser.click(".deeds li .btn").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.until("the receipt", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        let second = shop.proxy.downloads();
        assert_eq!(second, first + 1);
        // With space again, the browser stores the models, and the next visit
        // downloads none. Whether the session was stored depends on how the
        // browser measures.
        limit(None).await;
        browser.open("").await.unwrap();
        let somebody = "document.querySelector('#households button')?.click();
            return document.querySelectorAll('.deeds li .btn').length > 0";
        browser.until("somebody signed in", somebody).await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        browser
            .until("all is kept", "return document.querySelector('.kept p').textContent.startsWith('Models')")
            .await
            .unwrap();
        let third = shop.proxy.downloads();
        assert!(third > second, "what found no room was not kept");
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        assert_eq!(shop.proxy.downloads(), third);
        browser.close().await.unwrap();
    });
}

#[test]
fn a_download_can_be_cancelled_and_goes_on_where_it_stood() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop.proxy.hold_after(3);
        sign_in(&browser).await;
        // Three models are loaded and half of the fourth: the bar says so.
        browser
            .until(
                "three shards",
                "return document.querySelectorAll('.you .piece:not(.level):not(.masked)').length === 3",
            )
            .await
            .unwrap();
        let share = "const at = Number(document.querySelector('.fetching .bar')?.getAttribute('aria-valuenow'));
            return at > 37 && at < 50";
        browser.until("half of the fourth", share).await.unwrap();
        browser.picture("for-you-fetching").await.unwrap();
        browser.click("#stop").await.unwrap();
        assert_eq!(said(&browser, "Stopped").await, "Stopped. What had arrived whole is kept.");
        browser.until("no bar", "return !document.querySelector('.fetching')").await.unwrap();
        // The three models make a list; the others have no bar in it.
        browser.until("a list", LIST).await.unwrap();
        browser
            .until("five empty slots a row", "return document.querySelectorAll('#rows .slot').length === 50")
            .await
            .unwrap();
        assert_eq!(shop.proxy.downloads(), 4);
        shop.proxy.hold_after(usize::MAX);
        browser.click("#remedy").await.unwrap();
        browser.until("a whole list", "return document.querySelectorAll('#rows li').length === 10 && document.querySelectorAll('#rows .slot').length === 0").await.unwrap();
        assert_eq!(shop.proxy.downloads(), 9, "only what was missing came");
        browser.close().await.unwrap();
    });
}

#[test]
fn a_new_key_is_seen_and_a_false_one_is_refused() {
    let mut shop = Shop::open().unwrap();
    let rotate = |state: &std::path::Path| {
        done(&["receipt", "rotate-key", "--state", text(state)], &[]);
        Ok(())
    };
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        let calm = "return navigator.serviceWorker.controller !== null && document.querySelectorAll('#households button').length === 3";
        browser.open("").await.unwrap();
        browser.until("the first visit", calm).await.unwrap();
        let pin = "return caches.open('kept-person').then((c) => c.match('/kept/session'))
            .then((r) => r ? r.json() : null).then((session) => session?.pin?.public_key ?? null)";
        let key = async || browser.run(pin).await.unwrap();
        let before = browser.until("the key is kept", pin).await.unwrap();

        // The operator changes to a new key: the page says so once, with the
        // old key's signature.
        eemu_tests::shop::aside(|| shop.move_to("rotated", rotate).unwrap());
        browser.open("").await.unwrap();
        let sentence = said(&browser, "new key").await;
        assert_eq!(
            sentence,
            "The server signs with a new key since your last visit. The key seen before agreed to it, in the log."
        );
        browser.picture("for-you-new-key").await.unwrap();
        let after = key().await;
        assert!(after.is_string() && after != before, "{before} {after}");
        browser.open("").await.unwrap();
        browser.until("calm", calm).await.unwrap();

        // The receipts of the new log are valid.
        sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        browser.click(".deeds li .btn").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.until("the receipt", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        assert!(browser.text(".paper").await.unwrap().contains(&after.as_str().unwrap()[..12]));

        // Another history, with a key that the old one did not sign, is
        // refused. (A demonstration's tokens end with its server, so the
        // household signs out first.)
        browser.click("#sign-out").await.unwrap();
        browser.until("nobody is here", "return !document.querySelector('#account')").await.unwrap();
        eemu_tests::shop::aside(|| shop.move_to("forked", rotate).unwrap());
        browser.open("").await.unwrap();
        let sentence = said(&browser, "not the one seen").await;
        assert!(sentence.contains("tell the operator"), "{sentence}");
        assert_eq!(key().await, after, "the key seen before stays");
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

//! For you in a real browser with the real server: a household's list equals
//! the server's, a deletion is followed to its verified receipt, and a
//! visitor's history stays in the browser.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive};
use eemu_tests::shop::{self, LIST, Shop, aside};
use serde_json::{Value, json};

/// Names and scores of the list on the page.
async fn rows(browser: &Browser) -> Vec<(String, f64)> {
    let script = "return [...document.querySelectorAll('#rows li')].map((row) =>
        [row.querySelector('.what .name').innerText, Number(row.dataset.score)])";
    let rows = browser.run(script).await.unwrap();
    let row = |row: &Value| (row[0].as_str().unwrap().to_owned(), row[1].as_f64().unwrap());
    rows.as_array().unwrap().iter().map(row).collect()
}

/// Scores within 1e-4, and the same order except for near-ties.
fn assert_same(here: &[(String, f64)], there: &Value) {
    let there = there["items"].as_array().unwrap();
    assert_eq!(here.len(), there.len());
    for ((name, score), expected) in here.iter().zip(there) {
        let expected_score = expected["score"].as_f64().unwrap();
        assert!((score - expected_score).abs() < 1e-4, "{name}: {score}, and {expected}");
        let same = expected["name"].as_str() == Some(name);
        let tied = there.iter().any(|other| {
            other["name"].as_str() == Some(name) && (other["score"].as_f64().unwrap() - expected_score).abs() < 2e-4
        });
        assert!(same || tied, "{name} stands where {expected} stands on the server");
    }
}

/// Signs in as the demonstration's first household, and returns its identifier
/// and token.
async fn sign_in(shop: &Shop, browser: &Browser) -> (String, String) {
    shop::sign_in(browser).await;
    browser.until("a list", LIST).await.unwrap();
    let households = get(shop, "/api/v1/demo");
    let first = &households[0];
    (first["user"].as_str().unwrap().to_owned(), first["token"].as_str().unwrap().to_owned())
}

fn post(shop: &Shop, path: &str, token: &str, body: &Value) -> Value {
    aside(|| shop.process.post(path, token, body).unwrap().1)
}

fn get(shop: &Shop, path: &str) -> Value {
    aside(|| shop.process.json(path, "").unwrap())
}

fn versions(manifest: &Value) -> Vec<Option<u64>> {
    manifest["shards"].as_array().unwrap().iter().map(|shard| shard["version"].as_u64()).collect()
}

const SETTLED: &str =
    "return document.querySelectorAll('#checks li').length === 5 && !document.querySelector('.lead .tag')";

#[test]
fn the_finished_example_is_painted_first_and_other_parts_a_frame_apart() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        let notes = "window.parts = {}; let frame = 0;
            const next = () => { frame += 1; requestAnimationFrame(next) };
            requestAnimationFrame(next);
            new MutationObserver(() => {
              for (const part of ['.pane', '#deeds', '#tuning', '#list', '#slide-n'])
                if (!(part in parts) && document.querySelector(part)) parts[part] = frame;
            }).observe(document, { childList: true, subtree: true });";
        browser.devtools("Page.enable", json!({})).await.unwrap();
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": notes })).await.unwrap();
        browser.open("").await.unwrap();
        let frames = browser.until("every part", "return Object.keys(parts).length === 5 && parts").await.unwrap();
        let frame = |part: &str| frames[part].as_u64().unwrap();
        // No layout contains more than one of these and the example.
        let mut others = ["#deeds", "#tuning", "#slide-n"].map(frame);
        others.sort_unstable();
        let example = frame(".pane").max(frame("#list"));
        assert!(example < others[0] && others[0] < others[1] && others[1] < others[2], "{frames}");
        browser.close().await.unwrap();
    });
}

#[test]
fn a_household_adapts_recommends_forgets_and_checks_the_receipt() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        // The page first shows a finished example, marked as such.
        browser.open("").await.unwrap();
        browser
            .until("the example", "return document.querySelector('.lead .tag')?.innerText === 'Example'")
            .await
            .unwrap();
        assert!(browser.run("return document.querySelectorAll('#rows li').length").await.unwrap().as_u64() >= Some(5));
        assert_eq!(shop.proxy.downloads(), 0, "nothing is downloaded for a reader who did nothing");

        let (user, token) = sign_in(&shop, &browser).await;
        assert_eq!(shop.proxy.downloads(), 8);
        assert_same(&rows(&browser).await, &post(&shop, "/api/v1/recommendations", &token, &json!({})));

        // A slider acts at once, and the link contains its value, but nothing
        // about the household.
        let before = rows(&browser).await;
        let slide = "const s = document.querySelector('#slide-n'); s.value = 3; s.dispatchEvent(new Event('input', { bubbles: true }))";
        browser.run(slide).await.unwrap();
        browser
            .until("three drawn", "return document.querySelectorAll('.tuning .set:not(.rest *) li').length === 3")
            .await
            .unwrap();
        browser.until("its row", "return location.hash === '#for-you&n=3'").await.unwrap();
        assert_ne!(rows(&browser).await, before);
        // A key in the pane switches a shard off: no bar of it is left.
        browser.run("document.querySelector('.piece.shard-C button').focus()").await.unwrap();
        browser.keys(&["3"]).await.unwrap();
        browser.until("no bar of C", "return document.querySelectorAll('#rows .slot').length === 10").await.unwrap();
        browser.click("#usual").await.unwrap();
        browser
            .until(
                "the usual list",
                "return location.hash === '#for-you' && document.querySelectorAll('#rows .slot').length === 0",
            )
            .await
            .unwrap();
        assert_eq!(rows(&browser).await, before);

        // A deletion: the cost is shown before, the proof after.
        let earlier = versions(&get(&shop, "/api/v1/manifest"));
        let name = browser.text(".deeds li .what").await.unwrap();
        let name = name.lines().next().unwrap().to_owned();
        browser.click(".deeds li .btn").await.unwrap();
        browser.until("the question", "return !!document.querySelector('.confirm')").await.unwrap();
        let asked = browser.text(".confirm p").await.unwrap();
        assert!(asked.contains(&name) && asked.contains("It is in shard "), "{asked}");
        let letter = asked.split("It is in shard ").nth(1).unwrap().chars().next().unwrap();
        browser.until("the focus", "return document.activeElement.id === 'confirm'").await.unwrap();
        browser.keys(&["\u{E007}"]).await.unwrap();
        browser
            .until("it is held", "return /^(Saved|Forgotten)/.test(document.querySelector('h1').innerText)")
            .await
            .unwrap();
        browser.until("live progress", "return document.querySelector('.you .piece.lift')").await.unwrap();
        shop.retrain();
        browser.until("the receipt", SETTLED).await.unwrap();
        assert_eq!(
            browser.run("return document.querySelectorAll('#checks .ok').length").await.unwrap(),
            5,
            "{}",
            browser.text("#checks").await.unwrap()
        );
        assert!(browser.text(".paper").await.unwrap().contains("eemu verify"));
        assert_eq!(browser.text("h1").await.unwrap(), "Forgotten. One model rebuilt, seven untouched.");
        let later = versions(&get(&shop, "/api/v1/manifest"));
        let changed: Vec<usize> = (0..8).filter(|&shard| earlier[shard] != later[shard]).collect();
        assert_eq!(changed, [usize::from(letter as u8 - b'A')], "exactly the shard that was named");
        assert_eq!(shop.proxy.downloads(), 9, "only the new model was downloaded");
        browser.until("the new list", "return document.querySelectorAll('#rows li').length === 10").await.unwrap();
        browser
            .until("it is the server's", "return document.querySelectorAll('.deeds .gone').length === 1")
            .await
            .unwrap();
        assert_same(&rows(&browser).await, &post(&shop, "/api/v1/recommendations", &token, &json!({})));
        assert_eq!(
            browser.run("return document.activeElement.className").await.unwrap(),
            "gone",
            "the focus stays on the row"
        );
        browser.picture("for-you-forgotten").await.unwrap();

        // On the second visit the user is still signed in, nothing is
        // downloaded, and the deleted name is absent.
        browser.open("").await.unwrap();
        browser
            .until(
                "the list again",
                "return document.querySelectorAll('#rows li').length === 10 && !document.querySelector('.lead .tag')",
            )
            .await
            .unwrap();
        assert_eq!(shop.proxy.downloads(), 9);
        assert_eq!(browser.run("return document.querySelectorAll('.deeds .gone').length").await.unwrap(), 0);
        assert!(!browser.text("body").await.unwrap().contains(&name), "{name} is still on the page");

        // Identifiers of users and items never appear in an address.
        let id = user;
        for asked in shop.proxy.asked() {
            assert!(
                !asked.line.contains(&format!("/{id}")) && !asked.line.contains(&format!("={id}")),
                "{}",
                asked.line
            );
        }
        browser.close().await.unwrap();
    });
}

#[test]
fn a_visitors_picks_never_leave_the_browser() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("").await.unwrap();
        browser.until("the search", "return !!document.querySelector('#search')").await.unwrap();
        let catalog = get(&shop, "/api/v1/catalog/items?offset=0&limit=40");
        let picked: Vec<(String, String)> = [3, 17, 29]
            .map(|place| &catalog["items"][place])
            .iter()
            .map(|item| (item["id"].as_str().unwrap().to_owned(), item["name"].as_str().unwrap().to_owned()))
            .collect();
        for (count, (_, name)) in picked.iter().enumerate() {
            let find = browser.client.find(fantoccini::Locator::Css("#search")).await.unwrap();
            find.send_keys(name).await.unwrap();
            browser.click("#matches button").await.unwrap();
            browser
                .until("the pick", &format!("return document.querySelectorAll('.deeds li').length === {}", count + 1))
                .await
                .unwrap();
        }
        browser
            .until(
                "a list",
                "return document.querySelectorAll('#rows li').length === 10 && !document.querySelector('.lead .tag')",
            )
            .await
            .unwrap();
        browser
            .until("all picks in it", "return document.querySelectorAll('.tuning .set li').length === 3")
            .await
            .unwrap();
        browser.picture("for-you-visitor").await.unwrap();
        let here = rows(&browser).await;

        // Tables: a hostile one first.
        let folder = tempfile::tempdir().unwrap();
        let upload = async |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).unwrap();
            let input = browser.client.find(fantoccini::Locator::Css("#table")).await.unwrap();
            input.send_keys(file.to_str().unwrap()).await.unwrap();
        };
        upload("a.csv", b"what,when\nno such thing <img src=x>,1\n").await;
        browser.click("#not-found summary").await.unwrap();
        assert_eq!(browser.text("#read").await.unwrap(), "1 line read: 0 items are in this catalogue.");
        assert_eq!(browser.text("#not-found li").await.unwrap(), "no such thing <img src=x> (1 line)");
        assert_eq!(rows(&browser).await, here, "the list stays");
        upload("b.csv", b"\x00\x01\x02").await;
        browser
            .until(
                "another",
                "return document.querySelector('.trouble p')?.innerText.startsWith('This is not a text file')",
            )
            .await
            .unwrap();
        // A file that is too large is refused before it is read.
        let large = std::fs::File::create(folder.path().join("c.csv")).unwrap();
        large.set_len(65 << 20).unwrap();
        let input = browser.client.find(fantoccini::Locator::Css("#table")).await.unwrap();
        input.send_keys(folder.path().join("c.csv").to_str().unwrap()).await.unwrap();
        browser
            .until("the size", "return document.querySelector('.trouble p')?.innerText.includes('is the most')")
            .await
            .unwrap();
        let good: String = catalog["items"].as_array().unwrap()[5..11]
            .iter()
            .enumerate()
            .map(|(n, item)| format!("\"{}\",{n}\n", item["name"].as_str().unwrap()))
            .collect();
        upload("d.csv", format!("what,when\n{good}nothing,7\n").as_bytes()).await;
        browser.until("the table", "return document.querySelectorAll('.deeds li').length === 6").await.unwrap();
        browser.until("its list", "return document.querySelectorAll('.tuning .set li').length === 6").await.unwrap();
        assert_eq!(browser.text("#read").await.unwrap(), "7 lines read: 6 items are in this catalogue.");
        // A Windows encoding, semicolons, days first; then the same records by
        // hand.
        let name = catalog["items"][5]["name"].as_str().unwrap();
        let odd = format!(
            "Titel;Datum;Caf\u{e9}\r\n{name};27.01.2023;x\r\n\r\nnichts;28.01.2023;y\r\nnoch;bald;z\r\nauch nichts;29.01.2023;w\r\n"
        );
        let bytes: Vec<u8> = odd.chars().map(|letter| letter as u8).collect();
        upload("e.csv", &bytes).await;
        browser.until("one pick", "return document.querySelectorAll('.deeds li').length === 1").await.unwrap();
        assert!(browser.text(".deeds li .what").await.unwrap().contains("27 Jan 2023"));
        browser.click("#bad-lines summary").await.unwrap();
        let bad = browser.text("#bad-lines li").await.unwrap();
        assert!(bad.starts_with("Line 5: ") && bad.contains("bald"), "{bad}");
        browser.picture("for-you-file").await.unwrap();

        // No record of the table was sent: neither identifier nor name, in any
        // line, header or body.
        let of_table: Vec<(String, String)> = catalog["items"].as_array().unwrap()[5..11]
            .iter()
            .map(|item| (item["id"].as_str().unwrap().to_owned(), item["name"].as_str().unwrap().to_owned()))
            .collect();
        for asked in shop.proxy.asked() {
            assert!(asked.line.starts_with("GET "), "a visitor sends nothing: {}", asked.line);
            for (id, name) in picked.iter().chain(&of_table) {
                let text = format!("{}{}", asked.line, asked.rest);
                assert!(!text.contains(name.as_str()) && !asked.line.contains(&format!("={id}")), "{text}");
            }
        }
        // Only now the test itself, not the browser, asks the server for the
        // same list.
        let items: Vec<&str> = picked.iter().map(|(id, _)| id.as_str()).collect();
        assert_same(&here, &post(&shop, "/api/v1/recommendations", &shop.admin, &json!({ "items": items })));
        browser.close().await.unwrap();
    });
}

#[test]
fn long_lists_are_drawn_in_portions() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        sign_in(&shop, &browser).await;
        // The largest change by one task of the page: a limit on its work that
        // does not depend on a clock.
        let watch = "window.most = 0;
            new MutationObserver((changes) => {
              const rows = (node) => node.nodeName === 'LI' ? 1 : node.querySelectorAll?.('li').length ?? 0;
              const added = changes.flatMap((change) => [...change.addedNodes]).map(rows);
              window.most = Math.max(window.most, added.reduce((sum, rows) => sum + rows, 0));
            }).observe(document.querySelector('#main'), { childList: true, subtree: true });";
        browser.run(watch).await.unwrap();
        browser.click(".deeds > .btn").await.unwrap();
        let all = "const all = Number(document.querySelector('.deeds .head .num').innerText.replace(',', ''));
            return document.querySelectorAll('.deeds li').length === all && all";
        let all = browser.until("every purchase", all).await.unwrap().as_u64().unwrap();
        browser.click(".rest summary").await.unwrap();
        browser
            .until(
                "the whole history",
                &format!("return document.querySelectorAll('.tuning .set li').length === {all}"),
            )
            .await
            .unwrap();
        let most = browser.run("return window.most").await.unwrap().as_u64().unwrap();
        assert!(all > 200 && most > 0 && most <= 60, "{most} of {all} rows in one task");
        browser.close().await.unwrap();
    });
}

#[test]
fn deleting_the_account_says_before_what_retrains() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        let (_, token) = sign_in(&shop, &browser).await;
        let earlier = versions(&get(&shop, "/api/v1/manifest"));
        browser.click("#account").await.unwrap();
        browser.click("#delete-account").await.unwrap();
        browser.until("the question", "return !!document.querySelector('.confirm')").await.unwrap();
        let asked = browser.text(".confirm p").await.unwrap();
        assert!(asked.contains("in all eight shards") && asked.contains("All eight retrain"), "{asked}");
        browser.click("#confirm").await.unwrap();
        browser
            .until("it is gone", "return document.querySelector('h1').innerText.startsWith('Your account is gone')")
            .await
            .unwrap();
        browser
            .until("every shard out", "return document.querySelectorAll('.you .piece.lift').length > 0")
            .await
            .unwrap();
        browser.picture("for-you-account").await.unwrap();
        shop.retrain();
        browser.until("the receipt", SETTLED).await.unwrap();
        assert_eq!(browser.text("h1").await.unwrap(), "Your account is gone. The models are new.");
        let later = versions(&get(&shop, "/api/v1/manifest"));
        assert!(earlier.iter().zip(&later).all(|(a, b)| a < b), "{earlier:?} {later:?}");
        let (status, _) = aside(|| shop.process.get("/api/v1/whoami", &token).unwrap());
        assert_eq!(status, 401, "the token ended with the account");
        assert_eq!(browser.run("return !!document.querySelector('#account')").await.unwrap(), false, "signed out");
        browser.close().await.unwrap();
    });
}

#[test]
fn an_operator_sees_shards_queue_and_log() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        let enter = async |token: &str| {
            browser.until("the field", "return !!document.querySelector('#operator')").await.unwrap();
            let field = browser.client.find(fantoccini::Locator::Css("#operator")).await.unwrap();
            field.clear().await.unwrap();
            field.send_keys(token).await.unwrap();
            browser.click(".token button").await.unwrap();
        };
        browser.open("#operate").await.unwrap();
        enter("eemu_nonsense").await;
        browser
            .until(
                "a refusal",
                "return document.querySelector('.trouble p')?.innerText.includes('does not know this token')",
            )
            .await
            .unwrap();
        let households = get(&shop, "/api/v1/demo");
        let subject = households[0]["token"].as_str().unwrap().to_owned();
        enter(&subject).await;
        browser
            .until("another", "return document.querySelector('.trouble p')?.innerText.includes('belongs to a person')")
            .await
            .unwrap();
        enter(&shop.operator).await;
        browser
            .until(
                "the shards",
                "return !!document.querySelector('#leave') && document.querySelectorAll('#shard-rows tr').length === 8",
            )
            .await
            .unwrap();
        assert_eq!(browser.text("h1").await.unwrap(), "All eight shards serve.");
        assert!(browser.text("#whole").await.unwrap().contains("The log is whole"));
        let entries = browser.run("return document.querySelectorAll('#entries tr').length").await.unwrap();

        // A deletion from elsewhere is shown as it happens.
        let own = post(&shop, "/api/v1/interactions/list", &subject, &json!({}));
        let item = own["interactions"][0]["item"].as_str().unwrap().to_owned();
        post(&shop, "/api/v1/interactions/delete", &subject, &json!({ "items": [item] }));
        browser
            .until(
                "a shard out of the mean",
                "return document.querySelector('h1').innerText.startsWith('Seven of eight')",
            )
            .await
            .unwrap();
        browser.picture("operate-retraining").await.unwrap();
        // The shards retrain in an hour, or when the operator asks.
        browser.click("#hurry").await.unwrap();
        browser.until("its receipt", "return !!document.querySelector('#entries tr.receipt')").await.unwrap();
        browser
            .until("all back", "return document.querySelector('h1').innerText === 'All eight shards serve.'")
            .await
            .unwrap();
        let now = browser.run("return document.querySelectorAll('#entries tr').length").await.unwrap();
        assert!(now.as_u64() > entries.as_u64());
        browser.close().await.unwrap();
    });
}

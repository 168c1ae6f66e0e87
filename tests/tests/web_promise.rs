//! The page's promises about a deletion, against a lying server and beside
//! other tabs. A receipt that does not answer the request is detected. Once one
//! tab receives the acknowledgement, no tab uses the record or a model that was
//! trained on it.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive};
use eemu_tests::shop::{self, LIST, Shop, aside};
use serde_json::{Value, json};

fn post(shop: &Shop, path: &str, token: &str, body: &Value) -> Value {
    aside(|| shop.process.post(path, token, body).unwrap().1)
}

fn ask(shop: &Shop, path: &str, token: &str) -> Value {
    aside(|| shop.process.json(path, token).unwrap())
}

/// A household of the demonstration: its name and token.
fn household(shop: &Shop, place: usize) -> (String, String) {
    let all = ask(shop, "/api/v1/demo", "");
    (all[place]["user"].as_str().unwrap().to_owned(), all[place]["token"].as_str().unwrap().to_owned())
}

/// The records of a user, with their shards.
fn history(shop: &Shop, token: &str) -> Vec<(String, u64)> {
    let own = post(shop, "/api/v1/interactions/list", token, &json!({}));
    let deed = |deed: &Value| Some((deed["item"].as_str()?.to_owned(), deed["shard"].as_u64()?));
    own["interactions"].as_array().unwrap().iter().filter_map(deed).collect()
}

/// A finished deletion: its status and its receipt.
fn deletion(shop: &Shop, token: &str, items: &[&str]) -> (Value, Value) {
    let id = post(shop, "/api/v1/interactions/delete", token, &json!({ "items": items }))["id"].clone();
    let path = format!("/api/v1/unlearning/{}", id.as_str().unwrap());
    let standing = loop {
        let standing = ask(shop, &path, token);
        if standing["phase"] == "done" {
            break standing;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let receipt = ask(shop, &format!("{path}/receipt"), token);
    (standing, receipt)
}

/// From now on the server changes nothing, and answers with these.
fn pretend(shop: &Shop, standing: &Value, receipt: Option<&Value>) {
    let id = standing["id"].as_str().unwrap();
    shop.proxy.answer("POST /api/v1/interactions/delete", 200, &standing.to_string());
    shop.proxy.answer(&format!("/unlearning/{id}/events"), 200, &format!("event: done\ndata: {standing}\n\n"));
    match receipt {
        Some(receipt) => shop.proxy.answer(&format!("/unlearning/{id}/receipt"), 200, &receipt.to_string()),
        None => {
            let problem = r#"{"code":"not_found","message":"there is no receipt yet"}"#;
            shop.proxy.answer(&format!("/unlearning/{id}/receipt"), 404, problem);
        }
    }
}

fn row(item: &str) -> String {
    format!("#deed-{}", item.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Deletes one of the user's records on the page, without the time to undo it.
async fn forget(browser: &Browser, item: &str) {
    browser.run("document.querySelector('.deeds > .btn')?.click()").await.unwrap();
    browser.click(&row(item)).await.unwrap();
    browser.click("#confirm").await.unwrap();
    browser.click("#now").await.unwrap();
}

/// Waits until the page says that a receipt is invalid, and returns the reason.
async fn caught(browser: &Browser, headline: &str) -> String {
    let said = format!("return document.querySelector('h1').innerText === '{headline}'");
    browser.until(headline, &said).await.unwrap();
    assert_eq!(browser.run("return document.querySelectorAll('#checks .bad').length").await.unwrap(), 1);
    browser.text("#checks .bad").await.unwrap()
}

const FAILS: &str = "The receipt does not hold.";

#[test]
fn a_receipt_that_does_not_answer_what_was_asked_is_found_out() {
    let shop = Shop::open().unwrap();
    drive(async {
        let (_, own) = household(&shop, 0);
        let (_, other) = household(&shop, 1);
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let mine = history(&shop, &own);

        // Another user's new receipt from the same shard: only the commitment
        // differs.
        let (item, shard) = history(&shop, &other)[0].clone();
        let (standing, receipt) = deletion(&shop, &other, &[&item]);
        let elsewhere = mine.iter().find(|(_, at)| *at != shard).unwrap();
        let beside = mine.iter().find(|(_, at)| *at == shard).unwrap();
        pretend(&shop, &standing, Some(&receipt));
        forget(&browser, &beside.0).await;
        let why = caught(&browser, FAILS).await;
        assert!(why.contains("something else than you asked for"), "{why}");

        // The receipt is from another shard, which reveals it.
        shop.proxy.answer_nothing();
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        pretend(&shop, &standing, Some(&receipt));
        forget(&browser, &elsewhere.0).await;
        let why = caught(&browser, FAILS).await;
        assert!(why.contains("It names shard"), "{why}");
        browser.picture("promise-another-shard").await.unwrap();
        // The record's shard stays out of the lists here, whatever the server
        // says.
        let piece = format!(".piece.shard-{}", char::from(b'A' + elsewhere.1 as u8));
        browser
            .until(
                "left out",
                &format!("return document.querySelector('{piece}').innerText.includes('out of the mean')"),
            )
            .await
            .unwrap();

        // There is no receipt at all.
        shop.proxy.answer_nothing();
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        let none = mine.iter().find(|(item, _)| *item != elsewhere.0 && *item != beside.0).unwrap();
        let mut standing = standing.clone();
        standing["id"] = json!("0123456789abcdef0123456789abcdef");
        pretend(&shop, &standing, None);
        forget(&browser, &none.0).await;
        let why = caught(&browser, "There is no receipt.").await;
        assert!(why.contains("says that it is done, and shows no receipt"), "{why}");
        browser.close().await.unwrap();
    });
}

#[test]
fn an_old_receipt_and_one_of_fewer_records_are_found_out() {
    let shop = Shop::open().unwrap();
    drive(async {
        let (_, own) = household(&shop, 0);
        let (item, _) = history(&shop, &own)[0].clone();
        // The same record was deleted before and added again.
        let (standing, receipt) = deletion(&shop, &own, &[&item]);
        post(&shop, "/api/v1/interactions/add", &own, &json!({ "interactions": [{ "item": item }] }));
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let again = history(&shop, &own).iter().any(|(known, _)| *known == item);
        assert!(again, "it is there again");
        pretend(&shop, &standing, Some(&receipt));
        forget(&browser, &item).await;
        let why = caught(&browser, FAILS).await;
        assert!(why.contains("it is an old one"), "{why}");
        browser.picture("promise-old").await.unwrap();

        // The request was for all records; only one was deleted.
        shop.proxy.answer_nothing();
        let (other, _) = history(&shop, &own).into_iter().find(|(known, _)| *known != item).unwrap();
        let (standing, receipt) = deletion(&shop, &own, &[&other]);
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        pretend(&shop, &standing, Some(&receipt));
        browser.click("#account").await.unwrap();
        browser.click("#forget-all").await.unwrap();
        browser.click("#confirm").await.unwrap();
        let why = caught(&browser, FAILS).await;
        assert!(why.contains("It says that 1 record went; you asked for "), "{why}");
        // The unverified receipt is kept with the others, marked, and can be
        // checked again.
        assert_eq!(browser.run("return document.querySelectorAll('.receipts li .bad').length").await.unwrap(), 2);
        browser.close().await.unwrap();
    });
}

#[test]
fn all_tabs_and_the_next_visit_agree() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let (_, own) = household(&shop, 0);
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let first = browser.client.window().await.unwrap();
        let second = browser.client.new_window(true).await.unwrap().handle;
        browser.client.switch_to_window(second.clone()).await.unwrap();
        browser.open("").await.unwrap();
        browser.until("its list", LIST).await.unwrap();
        let count = "return Number(document.querySelector('.deeds .head .num').innerText.replace(',', ''))";
        let before = browser.run(count).await.unwrap().as_u64().unwrap();
        // From here on the second tab records each list that it shows, and the
        // state it knew then.
        browser
            .run(
                "window.shown = [];
                new MutationObserver(() => {
                  const rows = [...document.querySelectorAll('.answer:not(.outdated) #rows li')];
                  if (rows.length) shown.push([rows[0].querySelectorAll('.slot').length, Date.now()]);
                }).observe(document.querySelector('#main'), { childList: true, subtree: true, attributes: true });",
            )
            .await
            .unwrap();

        browser.client.switch_to_window(first.clone()).await.unwrap();
        let (item, shard) = history(&shop, &own)[0].clone();
        forget(&browser, &item).await;
        browser.until("it is held", "return document.querySelector('h1').innerText.startsWith('Saved')").await.unwrap();
        let heard = browser.run("return Date.now()").await.unwrap().as_f64().unwrap();
        let words = browser.text(".deeds .gone .what").await.unwrap();
        assert!(words.contains("Already left out of your list") && !words.contains("Forgotten"), "{words}");

        // The second tab: one record fewer, the shard left out, and a list
        // without it.
        browser.client.switch_to_window(second.clone()).await.unwrap();
        browser.until("one fewer", &format!("{count} === {}", before - 1)).await.unwrap();
        assert!(browser.text("h1").await.unwrap().starts_with("Saved"), "it tells of it too");
        let piece = format!(".piece.shard-{}", char::from(b'A' + shard as u8));
        browser
            .until("its shard out", &format!("return document.querySelector('{piece}').classList.contains('lift')"))
            .await
            .unwrap();
        browser
            .until(
                "a list without it",
                "return document.querySelectorAll('.answer:not(.outdated) #rows .slot').length === 10",
            )
            .await
            .unwrap();
        let shown = browser.run("return window.shown").await.unwrap();
        let late = shown.as_array().unwrap().iter().filter(|at| at[1].as_f64().unwrap() > heard && at[0] == 0);
        assert_eq!(late.count(), 0, "a list of the model that saw it was shown after the acknowledgement");

        // The second tab stores its own changes, and the first tab is closed.
        browser.run("document.querySelector('.kept').open = true").await.unwrap();
        browser.click("#half").await.unwrap();
        browser.client.switch_to_window(first).await.unwrap();
        browser.client.close_window().await.unwrap();
        browser.client.switch_to_window(second).await.unwrap();
        browser.open("").await.unwrap();
        browser
            .until("on its way still", "return document.querySelector('h1').innerText.startsWith('Saved')")
            .await
            .unwrap();
        assert_eq!(browser.run("return document.querySelector('#half').checked").await.unwrap(), true);
        shop.retrain();
        browser.until("the receipt", "return document.querySelectorAll('#checks li').length === 5").await.unwrap();
        assert_eq!(browser.run("return document.querySelectorAll('#checks .bad').length").await.unwrap(), 0);
        // The next visit lists the receipt, and checks it again.
        browser.open("").await.unwrap();
        browser.click(".receipts .again").await.unwrap();
        browser
            .until(
                "checked again",
                "return document.querySelector('.paper')?.innerText.includes('Checked again just now')",
            )
            .await
            .unwrap();
        assert_eq!(browser.run("return document.querySelectorAll('#checks .bad').length").await.unwrap(), 0);
        browser.picture("promise-kept").await.unwrap();

        // The page learns of another user's deletion, and of its end, without a
        // message.
        browser
            .until("all eight", "return document.querySelectorAll('.you .piece:not(.masked)').length === 8")
            .await
            .unwrap();
        let (_, other) = household(&shop, 1);
        let theirs = history(&shop, &other)[0].0.clone();
        post(&shop, "/api/v1/interactions/delete", &other, &json!({ "items": [theirs] }));
        browser
            .until("a shard out", "return document.querySelectorAll('.you .piece.masked').length === 1")
            .await
            .unwrap();
        shop.retrain();
        browser
            .until("it is back", "return document.querySelectorAll('.you .piece:not(.masked)').length === 8")
            .await
            .unwrap();

        // A deleted account disappears in every tab, with a message of its own.
        let third = browser.client.new_window(true).await.unwrap().handle;
        let here = browser.client.window().await.unwrap();
        browser.client.switch_to_window(third.clone()).await.unwrap();
        browser.open("").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        browser.client.switch_to_window(here).await.unwrap();
        browser.click("#account").await.unwrap();
        browser.click("#delete-account").await.unwrap();
        browser.until("the focus", "return document.activeElement.id === 'keep'").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser
            .until("gone", "return document.querySelector('h1').innerText === 'Your account is gone.'")
            .await
            .unwrap();
        browser.client.switch_to_window(third).await.unwrap();
        browser
            .until(
                "gone there",
                "return !document.querySelector('#account') && document.querySelectorAll('#rows li').length === 0",
            )
            .await
            .unwrap();
        shop.retrain();
        browser.until("its receipt", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        assert_eq!(browser.text("h1").await.unwrap(), "Your account is gone. The models are new.");
        browser.picture("promise-account").await.unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn below_a_path_everything_works_and_plain_http_is_named() {
    let shop = Shop::open().unwrap();
    drive(async {
        shop.proxy.below("/apps/eemu");
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("apps/eemu/").await.unwrap();
        browser.click("#households button").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        let outside: Vec<String> = shop
            .proxy
            .asked()
            .into_iter()
            .map(|asked| asked.line)
            .filter(|line| !line.contains(" /apps/eemu/") && !line.contains("favicon"))
            .collect();
        assert!(outside.is_empty(), "asked outside its path: {outside:?}");
        let places = browser.run("return caches.keys()").await.unwrap();
        let apart = |name: &Value| name.as_str().is_some_and(|name| name.contains("/apps/eemu"));
        assert!(places.as_array().unwrap().iter().all(apart), "{places}");
        browser.open("apps/eemu/#operate").await.unwrap();
        browser.until("the field", "return !!document.querySelector('#operator')").await.unwrap();
        browser.close().await.unwrap();

        // A browser stores nothing for a host name over plain HTTP, and the
        // page says so.
        shop.proxy.below("");
        let port = shop.proxy.address.rsplit(':').next().unwrap().to_owned();
        let named = format!("http://eemu.test:{port}");
        let browser = Browser::at_with(&named, &["--host-resolver-rules=MAP eemu.test 127.0.0.1"]).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        browser
            .until("the cause", "return document.querySelector('.trouble p')?.innerText.includes('plain http')")
            .await
            .unwrap();
        let said = browser.text(".trouble p").await.unwrap();
        assert!(said.contains("your token travels unprotected") && !said.contains("no room"), "{said}");
        browser.close().await.unwrap();
    });
}

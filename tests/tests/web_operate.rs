//! The page Operate: an example first; then requests with their age, the log
//! with search, filter and export, and the administrators' work.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive};
use eemu_tests::shop::{Shop, aside};
use serde_json::{Value, json};

async fn enter(browser: &Browser, token: &str) {
    browser.until("the field", "return !!document.querySelector('#operator')").await.unwrap();
    let field = browser.client.find(fantoccini::Locator::Css("#operator")).await.unwrap();
    field.send_keys(token).await.unwrap();
    browser.click(".token button").await.unwrap();
    browser.until("the service", "return !!document.querySelector('#leave')").await.unwrap();
}

async fn write(browser: &Browser, selector: &str, text: &str) {
    let script = format!(
        "const e = document.querySelector({selector:?}); e.focus(); e.value = {text:?};
         e.dispatchEvent(new Event('input', {{ bubbles: true }})); e.dispatchEvent(new Event('change', {{ bubbles: true }}))"
    );
    browser.run(&script).await.unwrap();
}

/// Keeps files that the page saves, instead of saving them.
const CATCH: &str = "window.saved = []; const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved.push(text)); return make(blob) };";

fn post(shop: &Shop, path: &str, token: &str, body: &Value) -> Value {
    let (status, answer) = aside(|| shop.process.post(path, token, body).unwrap());
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

/// A visitor without a token sees an example of a whole service, marked as
/// such, and understandable from the first screen.
#[test]
fn without_a_token_an_example_stands_there() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("#operate").await.unwrap();
        browser.until("the example", "return document.querySelectorAll('#shard-rows tr').length === 8").await.unwrap();
        assert_eq!(browser.text(".service .tag").await.unwrap(), "Example");
        assert!(browser.text(".service").await.unwrap().contains("figures are made up"));
        let counts = "return ['#requests + .scroll tr', '#entries tr', '.counts dd'].map((s) => document.querySelectorAll(s).length > 1)";
        assert_eq!(browser.run(counts).await.unwrap(), json!([true, true, true]));
        // Controls that cannot be used are absent.
        let offered =
            "return ['#hurry', '#export-log', '#look-up', '#find-person'].map((s) => !!document.querySelector(s))";
        assert_eq!(browser.run(offered).await.unwrap(), json!([false, false, false, false]));
        for (width, height) in [(1440, 900), (360, 740)] {
            browser.look(width, height, false).await.unwrap();
            browser.picture(&format!("operate-example-{width}")).await.unwrap();
        }
        browser.close().await.unwrap();
    });
}

/// A deletion from request to receipt: age and deadline are shown, pane and
/// table agree, it is found by its name, and no row grows.
#[test]
fn a_deletion_is_followed_looked_up_and_saved() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("#operate").await.unwrap();
        enter(&browser, &shop.operator).await;
        browser.run(CATCH).await.unwrap();
        assert!(browser.text("#requests ~ p").await.unwrap().starts_with("None."));
        assert_eq!(browser.run("return document.querySelector('#hurry').disabled").await.unwrap(), true);
        assert!(browser.text(".hurry").await.unwrap().contains("No shard waits."));
        assert!(browser.text("#quality-said").await.unwrap().starts_with("Not measured"));

        let households = aside(|| shop.process.json("/api/v1/demo", "").unwrap());
        let subject = households[0]["token"].as_str().unwrap();
        let own = post(&shop, "/api/v1/interactions/list", subject, &json!({}));
        let items = json!({ "items": [own["interactions"][0]["item"]] });
        let request = post(&shop, "/api/v1/interactions/delete", subject, &items);
        let name = request["id"].as_str().unwrap();
        browser
            .until("the request", "return document.querySelectorAll('.requests tbody tr').length === 1")
            .await
            .unwrap();
        let row = browser.text(".requests tbody tr").await.unwrap();
        assert!(row.contains("Held; its shards collect more") && row.contains("in 30 days"), "{row}");
        assert!(browser.text(".lead p").await.unwrap().contains("no answer uses its records"));
        // The pane and the table show the same state, and until when it lasts.
        let states = "
            const out = [...document.querySelectorAll('#shard-rows .says')].filter((td) => td.innerText.startsWith('Out of the mean'));
            const pane = [...document.querySelectorAll('.pane .st')].filter((e) => e.innerText.startsWith('out, collects'));
            return out.length === pane.length && out.length > 0 && out.every((td) => /collects changes for 5[0-9] min more/.test(td.innerText));
        ";
        browser.until("both say so", states).await.unwrap();
        let heights = "return [...document.querySelectorAll('#shard-rows tr')].map((tr) => tr.offsetHeight)";
        let before = browser.run(heights).await.unwrap();
        browser.picture("operate-deletion").await.unwrap();

        // Found by its name before it has a receipt.
        write(&browser, "#look-up", name).await;
        browser
            .until("no receipt yet", "return document.querySelector('#found').innerText.includes('No receipt yet')")
            .await
            .unwrap();
        browser.click("#hurry").await.unwrap();
        browser
            .until(
                "its receipt",
                "return document.querySelector('#found').innerText.includes('Receipt: 1 record removed')",
            )
            .await
            .unwrap();
        browser
            .until("all back", "return document.querySelector('h1').innerText === 'All eight shards serve.'")
            .await
            .unwrap();
        assert_eq!(browser.run(heights).await.unwrap(), before, "rows moved");
        let number = browser.text("#entries tr.receipt th").await.unwrap();
        write(&browser, "#look-up", &number).await;
        browser
            .until(
                "by its number",
                &format!("return document.querySelector('#found').innerText.startsWith('Entry {number}:')"),
            )
            .await
            .unwrap();
        write(&browser, "#look-up", "9999").await;
        browser
            .until("no such thing", "return document.querySelector('#found').innerText.includes('Neither the log')")
            .await
            .unwrap();

        // One training, whatever the version number.
        let trained = "return [...document.querySelectorAll('#shard-rows tr')].map((tr) => tr.children[4].innerText)";
        let trained: Vec<String> = serde_json::from_value(browser.run(trained).await.unwrap()).unwrap();
        let twice = trained.iter().filter(|times| *times == "2 times").count() as u64;
        assert_eq!(twice, request["shards"].as_u64().unwrap(), "{trained:?}");

        // The saved file contains the filtered entries.
        write(&browser, "#log-kind", "receipts").await;
        browser
            .until("receipts alone", "return [...document.querySelectorAll('#entries tr')].length === 1")
            .await
            .unwrap();
        browser.click("#export-log").await.unwrap();
        browser.until("saved", "return window.saved.length === 1").await.unwrap();
        let saved = browser.run("return window.saved[0]").await.unwrap();
        let lines: Vec<Value> =
            saved.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[0]["kind"], &lines[0]["removed"]), (1, &json!("receipt"), &json!(1)));
        assert_eq!(lines[0]["number"].to_string(), number);
        browser.close().await.unwrap();
    });
}

/// An administrator finds a user by the exact identifier, saves and deletes
/// their data, and manages tokens; an operator sees no controls for this.
#[test]
fn an_administrator_finds_a_person_and_manages_tokens() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("#operate").await.unwrap();
        enter(&browser, &shop.operator).await;
        browser.until("backups", "return !!document.querySelector('#backups')").await.unwrap();
        assert_eq!(browser.run("return !!document.querySelector('.office')").await.unwrap(), false);
        browser.click("#leave").await.unwrap();
        enter(&browser, &shop.admin).await;
        browser.run(CATCH).await.unwrap();
        browser.until("tokens", "return document.querySelectorAll('#token-rows li').length >= 2").await.unwrap();

        write(&browser, "#find-person", "nobody of this name").await;
        browser.click(".office .token button").await.unwrap();
        browser
            .until("nobody", "return document.querySelector('#office-said')?.innerText.includes('there is no user')")
            .await
            .unwrap();
        let households = aside(|| shop.process.json("/api/v1/demo", "").unwrap());
        let user = households[2]["user"].as_str().unwrap();
        let known = post(&shop, "/api/v1/interactions/list", &shop.admin, &json!({ "user": user }));
        let records = known["interactions"].as_array().unwrap().len();
        write(&browser, "#find-person", user).await;
        browser.click(".office .token button").await.unwrap();
        browser
            .until("the person", &format!("return document.querySelector('#found-person h3')?.innerText === {user:?}"))
            .await
            .unwrap();
        assert!(browser.text("#found-person .num").await.unwrap().starts_with(&records.to_string()));
        browser.click("#export-person").await.unwrap();
        browser.until("saved", "return window.saved.length === 1").await.unwrap();
        let saved = browser.run("return JSON.parse(window.saved[0])").await.unwrap();
        assert_eq!((saved["user"].as_str(), saved["records"].as_array().unwrap().len()), (Some(user), records));

        // The page asks first, and Keep has the focus.
        browser.click("#found-person .rows .btn").await.unwrap();
        browser.until("it asks", "return document.activeElement.id === 'spare'").await.unwrap();
        browser.picture("operate-admin").await.unwrap();
        browser.click("#sure").await.unwrap();
        browser
            .until("done", "return document.querySelector('#office-said')?.innerText.startsWith('Deleted: 1 record')")
            .await
            .unwrap();
        let left =
            format!("return document.querySelector('#found-person .num')?.innerText.startsWith('{}')", records - 1);
        browser.until("one fewer", &left).await.unwrap();
        // The request's name stays on the page.
        assert!(browser.text("#office-said").await.unwrap().contains("name is"));

        // A lifetime that cannot be parsed creates no token.
        write(&browser, "#token-days", "1e2").await;
        browser.click("#make-token").await.unwrap();
        browser
            .until("it is refused", "return document.querySelector('#office-said')?.innerText.startsWith('Days:')")
            .await
            .unwrap();
        write(&browser, "#token-days", "90").await;

        // A token is created, used and revoked here.
        browser.click("#make-token").await.unwrap();
        browser.until("the token", "return !!document.querySelector('#made-token')").await.unwrap();
        let token = browser.text("#made-token .token-text").await.unwrap();
        let role = |token: &str| aside(|| shop.process.get("/api/v1/whoami", token).unwrap().0);
        assert_eq!(role(&token), 200);
        let count = browser.run("return document.querySelectorAll('#token-rows li').length").await.unwrap();
        browser.run("document.querySelector('#token-rows li:last-child .revoke').click()").await.unwrap();
        browser
            .until("it ended", "return document.querySelector('#office-said')?.innerText.includes('ended')")
            .await
            .unwrap();
        browser
            .until("one fewer", &format!("return document.querySelectorAll('#token-rows li').length === {count} - 1"))
            .await
            .unwrap();
        assert_eq!(role(&token), 401);

        // The audit log names the administrator. It is written within a second.
        let who = "const rows = document.querySelector('#audit-rows');
            if (rows?.innerText.includes('make a token')) return true;
            if (Date.now() - (window.asked ?? 0) > 500) {
              window.asked = Date.now();
              document.querySelector('#read-audit').click();
            }
            return false";
        browser.until("who", who).await.unwrap();
        let log = browser.text("#audit-rows").await.unwrap();
        assert!(log.contains("delete records") && log.contains("export a person") && !log.contains(user), "{log}");
        // None of these data stay after signing out.
        browser.click("#leave").await.unwrap();
        browser.until("the example", "return !!document.querySelector('#operator')").await.unwrap();
        assert!(!browser.text("main").await.unwrap().contains(user));
        browser.close().await.unwrap();
    });
}

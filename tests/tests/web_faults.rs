//! Earlier faults of the page, by kind: error messages disappear with their
//! cause, users can always continue, and controls are where they can be used.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, dist, drive};
use eemu_tests::shop::{self, LIST, Shop, aside};
use serde_json::{Value, json};

/// A message about disabled shards or the network disappears with its cause. A
/// deletion meanwhile says in its row that nothing was deleted.
#[test]
fn sentences_end_with_their_cause() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let press = "document.querySelectorAll('.pane button').forEach((button) => button.click())";
        browser.run(press).await.unwrap();
        let off =
            "return document.querySelector('.trouble p')?.innerText.includes('Every shard is switched off') === true";
        browser.until("all are off", off).await.unwrap();
        browser.run("document.querySelector('.pane button').click()").await.unwrap();
        browser.until("the sentence goes", "return !document.querySelector('.trouble')").await.unwrap();
        browser.click("#usual").await.unwrap();
        browser.until("a list", LIST).await.unwrap();

        shop.proxy.cut(true);
        browser.run("dispatchEvent(new Event('online'))").await.unwrap();
        let offline = "return document.querySelector('.trouble p')?.innerText.includes('No connection') === true";
        browser.until("no network", offline).await.unwrap();
        browser.click(".deeds li .btn").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.click("#now").await.unwrap();
        browser.until("its row says so", "return !!document.querySelector('.deeds li .what .bad')").await.unwrap();
        assert_eq!(browser.run("return document.querySelectorAll('.deeds .gone').length").await.unwrap(), 0);
        shop.proxy.cut(false);
        browser.run("dispatchEvent(new Event('online'))").await.unwrap();
        browser.until("the network is back", "return !document.querySelector('.trouble')").await.unwrap();
        browser.close().await.unwrap();
    });
}

/// A signed-in user without records can add one, and the list then uses it. No
/// message names a picker that is absent.
#[test]
fn who_is_signed_in_can_add_a_record() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let token = aside(|| shop.process.json("/api/v1/demo", "").unwrap())[0]["token"].as_str().unwrap().to_owned();
        let own = || -> Vec<String> {
            let (_, list): (u16, Value) =
                aside(|| shop.process.post("/api/v1/interactions/list", &token, &json!({})).unwrap());
            list["interactions"].as_array().unwrap().iter().map(|r| r["item"].as_str().unwrap().to_owned()).collect()
        };
        let before = own();
        browser.run("document.querySelector('.adding summary').click()").await.unwrap();
        let field = browser.client.find(fantoccini::Locator::Css("#add")).await.unwrap();
        field.send_keys("a").await.unwrap();
        browser.until("matches", "return document.querySelectorAll('#add-matches button').length > 0").await.unwrap();
        let name = browser.text("#add-matches button").await.unwrap();
        let name = name.trim_start_matches("Add").trim().to_owned();
        browser.click("#add-matches button").await.unwrap();
        let there = format!(
            "return [...document.querySelectorAll('.deeds li .what')].some((li) => li.innerText.startsWith({name:?}))"
        );
        browser.until("it is there", &there).await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        assert_eq!(own().len(), before.len() + 1);

        // With no record left, one can be added again, and the page's text is
        // correct.
        browser.click("#account").await.unwrap();
        browser.click("#forget-all").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.until("nothing is left", "return !!document.querySelector('.deeds .empty')").await.unwrap();
        let said = browser.text(".deeds .empty").await.unwrap();
        assert!(!said.contains("Pick") && said.contains("holds nothing"), "{said}");
        assert_eq!(browser.run("return !!document.querySelector('.adding')").await.unwrap(), true);
        browser.close().await.unwrap();
    });
}

/// "Empty it" asks first and confirms afterwards, and the line below shows the
/// remaining data. A search without a hit says so.
#[test]
fn emptying_and_searching_say_what_came_of_it() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let field = browser.client.find(fantoccini::Locator::Css("#find")).await.unwrap();
        field.send_keys("no such purchase").await.unwrap();
        browser.until("no hit", "return !!document.querySelector('#no-hit')").await.unwrap();
        assert!(browser.text("#no-hit").await.unwrap().contains("no such purchase"));

        browser.run("document.querySelector('.tries .kept').open = true").await.unwrap();
        assert!(browser.text(".tries .kept p").await.unwrap().starts_with("Models ("));
        browser.click("#clear").await.unwrap();
        let asks = browser.text(".tries .kept .confirm").await.unwrap();
        assert!(asks.contains("your sign-in") && asks.contains("key seen first"), "{asks}");
        browser.click("#clear-yes").await.unwrap();
        browser
            .until("it is said", "return document.querySelector('#said').innerText.startsWith('Emptied')")
            .await
            .unwrap();
        browser
            .until(
                "the line follows",
                // The page is drawn anew then, so the line is away for a moment.
                "const line = document.querySelector('.tries .kept p'); \
                 return !!line && !line.innerText.startsWith('Models (')",
            )
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

/// Without WebAssembly, and with forced colours.
#[test]
fn without_webassembly_a_sentence_and_with_forced_colours_a_mark() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        let none = json!({ "source": "delete globalThis.WebAssembly" });
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", none).await.unwrap();
        browser.open("").await.unwrap();
        browser
            .until("a sentence", "return document.querySelector('h1').innerText === 'This browser cannot open eemu.'")
            .await
            .unwrap();
        assert!(browser.text("main p").await.unwrap().contains("WebAssembly"));
        browser.close().await.unwrap();

        let browser = Browser::start(&dist()).await.unwrap();
        let features = json!([{ "name": "forced-colors", "value": "active" }]);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await.unwrap();
        browser.open("#v=1&step=3").await.unwrap();
        browser.until("the rail", "return !!document.querySelector('.rail a[aria-current]')").await.unwrap();
        let outlined = |selector: &str| {
            format!(
                "const e = document.querySelector({selector:?}); return getComputedStyle(e).outlineStyle === 'solid'"
            )
        };
        for (selector, is) in [
            (".rail a[aria-current]", true),
            (".rail a:not([aria-current])", false),
            (".nav a[aria-current]", true),
            (".nav a:not([aria-current])", false),
        ] {
            assert_eq!(browser.run(&outlined(selector)).await.unwrap(), is, "{selector}");
        }
        browser.close().await.unwrap();
    });
}

/// Names break only between words.
#[test]
fn words_stay_whole() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        for (width, height) in [(1440, 900), (1220, 900), (360, 740)] {
            browser.look(width, height, false).await.unwrap();
            browser.open("").await.unwrap();
            browser.run("localStorage.clear(); return caches.keys().then((all) => Promise.all(all.map((k) => caches.delete(k))))").await.unwrap();
            browser.open("").await.unwrap();
            browser
                .until("the households", "return document.querySelectorAll('#households button').length === 3")
                .await
                .unwrap();
            browser.click("#households button").await.unwrap();
            browser.until("a list", LIST).await.unwrap();

            let broken = "
                const broken = [];
                for (const span of document.querySelectorAll('.tuning .set li > span:first-child')) {
                  const text = span.firstChild;
                  if (text?.nodeType !== 3) continue;
                  for (const word of text.data.matchAll(/[\\p{L}\\d]+/gu)) {
                    const range = document.createRange();
                    range.setStart(text, word.index);
                    range.setEnd(text, word.index + word[0].length);
                    if (range.getClientRects().length > 1) broken.push(word[0]);
                  }
                }
                return broken;
            ";
            assert_eq!(browser.run(broken).await.unwrap(), json!([]), "words broken at {width} px");
        }
        browser.close().await.unwrap();
    });
}

/// Shifts of the layout that nobody's hand made, added up.
const WATCH: &str = "
  window.shifts = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    const from = ({ previousRect: a, currentRect: b }) => ` (${a.y}, ${a.height} px high, to ${b.y}, ${b.height}) `;
    const moved = entry.sources.map((s) => from(s) + (s.node?.outerHTML?.slice(0, 60) ?? String(s.node?.data)));
    if (!entry.hadRecentInput) shifts.push({ value: entry.value, moved });
  })).observe({ type: 'layout-shift', buffered: true });
";

/// A page keeps what it shows in its place: at the first visit, and when
/// somebody has signed in and their list comes.
#[test]
fn nothing_jumps() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await.unwrap();
        let quiet = "return new Promise((done) => setTimeout(() => done(true), 1500))";
        for (width, height) in [(1440, 900), (900, 900), (360, 740)] {
            browser.look(width, height, false).await.unwrap();
            browser.open("").await.unwrap();
            browser.run("localStorage.clear(); return caches.keys().then((all) => Promise.all(all.map((k) => caches.delete(k))))").await.unwrap();
            browser.open("").await.unwrap();
            browser
                .until("the households", "return document.querySelectorAll('#households button').length === 3")
                .await
                .unwrap();
            for when in ["first visit", "signed in"] {
                if when == "signed in" {
                    browser.run("shifts = []").await.unwrap();
                    browser.click("#households button").await.unwrap();
                    browser.until("a list", LIST).await.unwrap();
                }
                browser.until("quiet", quiet).await.unwrap();
                let all = browser.run("return shifts").await.unwrap();
                let sum: f64 = all.as_array().unwrap().iter().map(|shift| shift["value"].as_f64().unwrap()).sum();
                assert!(sum < 0.05, "{when} at {width} px: {sum:.3}, {all}");
            }
        }
        browser.close().await.unwrap();
    });
}

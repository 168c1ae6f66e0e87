//! Accessibility of For you and Operate: axe-core in both themes and three
//! widths, no horizontal scrolling, the keyboard alone.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive, root};
use eemu_tests::shop::{LIST, Shop};

const WIDTHS: [(u32, u32); 3] = [(360, 800), (900, 1000), (1440, 900)];
/// Runs axe-core and checks the width, at every width and in both themes.
async fn look(browser: &Browser, axe: &str, page: &str, found: &mut Vec<String>) {
    for dark in [false, true] {
        for (width, height) in WIDTHS {
            let name = format!("{page}-{width}-{}", if dark { "dark" } else { "light" });
            browser.look(width, height, dark).await.unwrap();
            browser.run(axe).await.unwrap();
            let script = "
                const done = arguments[0];
                axe.run().then(({ violations }) => done(violations.flatMap((v) =>
                  v.nodes.map((n) => `${v.id}: ${n.target} ${n.failureSummary}`))), (e) => done([String(e)]));
            ";
            let violations = browser.client.execute_async(script, vec![]).await.unwrap();
            found.extend(violations.as_array().unwrap().iter().map(|violation| format!("{name}: {violation}")));
            let sideways = browser.run("return document.documentElement.scrollWidth - innerWidth").await.unwrap();
            if sideways.as_i64().unwrap() > 0 {
                found.push(format!("{name}: scrolls sideways by {sideways} px"));
            }
            browser.picture(&name).await.unwrap();
        }
    }
}

#[test]
fn axe_finds_nothing() {
    let shop = Shop::open().unwrap();
    drive(async {
        let axe = std::fs::read_to_string(root().join("tests/vendor/axe-core/axe.min.js")).unwrap();
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        let mut found = Vec::new();
        browser.open("").await.unwrap();
        browser
            .until("the households", "return document.querySelectorAll('#households button').length === 3")
            .await
            .unwrap();
        look(&browser, &axe, "for-you-example", &mut found).await;
        browser.click("#households button").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        look(&browser, &axe, "for-you-list", &mut found).await;
        browser.click(".deeds li .btn").await.unwrap();
        browser.until("the question", "return !!document.querySelector('.confirm')").await.unwrap();
        look(&browser, &axe, "for-you-asking", &mut found).await;
        browser.click("#confirm").await.unwrap();
        let settled = "return document.querySelectorAll('#checks li').length === 5 && document.querySelectorAll('#rows li').length === 10";
        browser.until("the receipt", settled).await.unwrap();
        look(&browser, &axe, "for-you-receipt", &mut found).await;
        browser.open("#operate").await.unwrap();
        browser.until("the field", "return !!document.querySelector('#operator')").await.unwrap();
        look(&browser, &axe, "operate-ask", &mut found).await;
        let field = browser.client.find(fantoccini::Locator::Css("#operator")).await.unwrap();
        field.send_keys(&shop.operator).await.unwrap();
        browser.click(".token button").await.unwrap();
        browser.until("the log", "return !!document.querySelector('#leave')").await.unwrap();
        look(&browser, &axe, "operate", &mut found).await;
        browser.click("#leave").await.unwrap();
        browser.until("the field", "return !!document.querySelector('#operator')").await.unwrap();
        let field = browser.client.find(fantoccini::Locator::Css("#operator")).await.unwrap();
        field.send_keys(&shop.admin).await.unwrap();
        browser.click(".token button").await.unwrap();
        browser.until("an administrator's part", "return !!document.querySelector('#token-rows li')").await.unwrap();
        let households = eemu_tests::shop::aside(|| shop.process.json("/api/v1/demo", "").unwrap());
        let field = browser.client.find(fantoccini::Locator::Css("#find-person")).await.unwrap();
        field.send_keys(households[1]["user"].as_str().unwrap()).await.unwrap();
        browser.click(".office .token button").await.unwrap();
        browser.click("#found-person .rows .btn").await.unwrap();
        browser.click("#read-audit").await.unwrap();
        browser.until("the audit log", "return !!document.querySelector('#audit-rows tr')").await.unwrap();
        look(&browser, &axe, "operate-admin", &mut found).await;
        assert!(found.is_empty(), "{}", found.join("\n"));
        browser.close().await.unwrap();
    });
}

#[test]
fn the_keyboard_alone_forgets() {
    const TAB: &str = "\u{E004}";
    const ENTER: &str = "\u{E007}";
    const DELETE: &str = "\u{E017}";
    const ESCAPE: &str = "\u{E00C}";
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("").await.unwrap();
        browser
            .until("the households", "return document.querySelectorAll('#households button').length === 3")
            .await
            .unwrap();
        let tab_to = async |selector: &str| {
            let there = format!("return !!document.activeElement.matches({selector:?})");
            for _ in 0..60 {
                if browser.run(&there).await.unwrap() == true {
                    return;
                }
                browser.keys(&[TAB]).await.unwrap();
            }
            panic!("no tab stop at {selector}");
        };
        tab_to("#households button").await;
        browser.keys(&[ENTER]).await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        // In the pane: arrows, and a digit that acts only there.
        tab_to(".pane button").await;
        browser.keys(&["\u{E014}", "\u{E014}"]).await.unwrap();
        assert_eq!(
            browser.run("return document.activeElement.closest('li').className.includes('shard-C')").await.unwrap(),
            true
        );
        browser.keys(&["2"]).await.unwrap();
        browser.until("B is off", "return document.querySelectorAll('#rows .slot').length === 10").await.unwrap();
        browser.keys(&["2"]).await.unwrap();
        browser.until("B is on", "return document.querySelectorAll('#rows .slot').length === 0").await.unwrap();
        // Delete asks, Escape cancels, and the focus returns.
        tab_to(".deeds li .btn").await;
        browser.keys(&[DELETE]).await.unwrap();
        browser.until("the question", "return document.activeElement.id === 'confirm'").await.unwrap();
        browser.keys(&[ESCAPE]).await.unwrap();
        browser
            .until(
                "it is kept",
                "return !document.querySelector('.confirm') && document.activeElement.matches('.deeds li .btn')",
            )
            .await
            .unwrap();
        browser.keys(&[DELETE]).await.unwrap();
        browser.until("the question", "return document.activeElement.id === 'confirm'").await.unwrap();
        browser.keys(&[ENTER]).await.unwrap();
        browser
            .until(
                "the receipt",
                "return document.querySelectorAll('#checks .ok').length === 5 && !document.querySelector('.lead .tag')",
            )
            .await
            .unwrap();
        browser.until("it is said", "return document.querySelector('#said').innerText !== ''").await.unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn the_page_stays_at_hand_while_the_worker_computes() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("").await.unwrap();
        browser.click("#households button").await.unwrap();
        browser.until("a list", LIST).await.unwrap();
        // Until the worker is asked, the page paints and has no new list;
        // afterwards it has one. The test counts frames, not time.
        let change = "
            const done = arguments[0];
            const post = Worker.prototype.postMessage;
            const held = [];
            Worker.prototype.postMessage = function (...question) { held.push([this, question]); };
            const drawn = () => document.querySelector('.tuning > .tiny')?.innerText.startsWith('60 drawn') === true;
            const slider = document.querySelector('#slide-n');
            slider.value = 60;
            slider.dispatchEvent(new Event('input', { bubbles: true }));
            let frames = 0, early = null;
            const tick = () => {
                frames += 1;
                if (frames >= 10 && held.length > 0 && early === null) {
                    early = drawn();
                    Worker.prototype.postMessage = post;
                    for (const [worker, question] of held) worker.postMessage(...question);
                }
                if (early === null || !drawn()) requestAnimationFrame(tick);
                else done(early);
            };
            requestAnimationFrame(tick);
        ";
        let early = browser.client.execute_async(change, vec![]).await.unwrap();
        assert_eq!(early, false, "the page made a list by itself");
        browser.close().await.unwrap();
    });
}

//! The Lab in a real browser, from a cold start to equal hashes, and with each
//! mistake to different ones.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, dist, drive};

/// The eight hashes on the page, and the results of their comparisons.
async fn mirrors(browser: &Browser) -> (Vec<String>, Vec<String>) {
    let list = |value: serde_json::Value| -> Vec<String> { serde_json::from_value(value).unwrap() };
    let hashes = browser.run("return [...document.querySelectorAll('.cmp .hx')].map((e) => e.textContent)").await;
    let says = browser
        .run("return [...document.querySelectorAll('.cmp .mirror')].map((e) => e.getAttribute('aria-label'))")
        .await;
    (list(hashes.unwrap()), list(says.unwrap()))
}

async fn no_example(browser: &Browser) {
    browser
        .until(
            "a result of one's own",
            "return !document.querySelector('.tag') && !document.querySelector('.progress')",
        )
        .await
        .unwrap();
}

#[test]
fn from_the_first_dot_to_equal_hashes() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("").await.unwrap();
        // The page first shows a finished example, before the worker has
        // started.
        browser.until("the world", "return document.querySelectorAll('.dot').length > 100").await.unwrap();
        browser.click("#next").await.unwrap();
        browser.until("the trays", "return document.querySelectorAll('.tray').length === 8").await.unwrap();
        browser.click("#next").await.unwrap();
        browser.until("the example", "return !!document.querySelector('.tag')").await.unwrap();
        browser.click("#play").await.unwrap();
        no_example(&browser).await;
        let hash = "return /[0-9a-f]{4}…[0-9a-f]{4}$/.test(document.querySelector('.piece .cap').textContent)";
        assert_eq!(browser.run(hash).await.unwrap(), true);
        browser.click("#next").await.unwrap();
        browser.click("#play").await.unwrap();
        no_example(&browser).await;
        assert_eq!(browser.run("return document.querySelectorAll('.list li').length").await.unwrap(), 10);
        browser.click("#next").await.unwrap();
        browser.click("#play").await.unwrap();
        no_example(&browser).await;
        assert!(browser.text(".verdict").await.unwrap().contains("1 model rebuilt, 7 untouched"));
        browser.click("#next").await.unwrap();
        browser.click("#play").await.unwrap();
        no_example(&browser).await;
        assert_eq!(browser.text(".verdict").await.unwrap(), "8 of 8 hashes equal, byte for byte");
        let (hashes, says) = mirrors(&browser).await;
        assert_eq!(hashes.len(), 8);
        assert!(says.iter().all(|says| says == "equal, 32 of 32 bytes"), "{says:?}");

        // A second visit with a new worker, both in CPU WebAssembly, gives the
        // same bytes.
        browser.open("#v=1&step=6&play=1").await.unwrap();
        browser.until("the twin", "return document.querySelectorAll('.eq.equal').length === 8").await.unwrap();
        no_example(&browser).await;
        assert_eq!(mirrors(&browser).await.0, hashes);

        // Only the app's own files were requested, and no history was sent.
        for path in browser.served().requests() {
            assert!(!path.contains('?') && !path.contains("del") && !path.contains("csv"), "{path}");
        }
        browser.close().await.unwrap();
    });
}

#[test]
fn each_mistake_breaks_the_mirrors() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=7").await.unwrap();
        for (lesson, differing) in [("negatives", 1), ("aggregator", 1), ("order", 2), ("epoch", 1)] {
            browser.click(&format!("#lesson-{lesson}")).await.unwrap();
            // No result is shown until the user has predicted or skipped the
            // prediction.
            browser.until("the question", "return !!document.querySelector('#predict-skip')").await.unwrap();
            assert_eq!(browser.run("return document.querySelectorAll('.cmp .mirror').length").await.unwrap(), 0);
            browser.click("#predict-skip").await.unwrap();
            no_example(&browser).await;
            browser
                .until("the outcome", "return document.querySelectorAll('.cmp .mirror').length === 8")
                .await
                .unwrap();
            let bad = "return document.querySelectorAll('.cmp .mirror.differs, .ninth .mirror.differs').length";
            let found = browser.run(bad).await.unwrap().as_u64().unwrap();
            assert!(found >= differing, "{lesson}: {found} mirrors differ");
            if lesson == "aggregator" {
                // The eight shards agree: only the blend contains the deleted
                // record.
                assert_eq!(
                    browser.run("return document.querySelectorAll('.cmp .mirror.differs').length").await.unwrap(),
                    0
                );
            }
            let verdict = browser.text(".verdict").await.unwrap();
            assert!(verdict.contains("hashes differ"), "{lesson}: {verdict}");
        }
        browser.close().await.unwrap();
    });
}

#[test]
fn a_dot_without_a_trace_gets_one_that_has() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        // The latest purchase of the last household: no later record moves.
        browser.open("#v=1&step=7&del=12.9&hide=predict").await.unwrap();
        browser.until("the dot", "return document.querySelector('.dotline b')?.innerText").await.unwrap();
        browser.click("#lesson-order").await.unwrap();
        no_example(&browser).await;
        browser.until("an offer", "return !!document.querySelector('#another')").await.unwrap();
        assert!(browser.text(".verdict").await.unwrap().contains("No difference this time"));
        browser.click("#another").await.unwrap();
        browser
            .until("a dot that shows it", "return document.querySelectorAll('.cmp .mirror.differs').length > 0")
            .await
            .unwrap();
        let link = browser.run("return location.hash").await.unwrap();
        assert!(!link.as_str().unwrap().contains("del=12.9"), "{link}");
        browser.close().await.unwrap();
    });
}

#[test]
fn the_fragment_restores_a_state_and_hides_controls() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&seed=9&s=4&step=2&hide=shards,link&later=1").await.unwrap();
        browser.until("four trays", "return document.querySelectorAll('.tray').length === 4").await.unwrap();
        assert_eq!(browser.run("return document.querySelector('#seed').value").await.unwrap(), "9");
        assert_eq!(browser.run("return document.querySelectorAll('#shards, .seed').length").await.unwrap(), 0);
        browser.click("#next").await.unwrap();
        let link =
            browser.until("the next step", "return location.hash.includes('step=3') && location.hash").await.unwrap();
        assert_eq!(link, "#v=1&seed=9&s=4&step=3&hide=shards,link&later=1");
        browser.client.back().await.unwrap();
        browser
            .until("the step before", "return document.querySelector('h1').innerText === 'Cut it into shards'")
            .await
            .unwrap();
        // An unusable value is replaced by the default, with a message.
        browser.open("#v=1&s=99").await.unwrap();
        browser
            .until("a sentence", "return document.querySelector('.trouble')?.innerText.includes('s=99')")
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn a_table_of_ones_own_good_and_hostile() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("table.csv");
        let mut lines: Vec<String> = (0..60).map(|n| format!("P{},<b>item {}</b>,{n}", n % 6, n % 11)).collect();
        lines.insert(0, "who,what,when".into());
        lines[40] = "P1,item,3,4,5".into();
        std::fs::write(&file, lines.join("\n")).unwrap();
        let upload = async || {
            let input = browser.client.find(fantoccini::Locator::Css("#csv")).await.unwrap();
            input.send_keys(file.to_str().unwrap()).await.unwrap();
        };
        browser.open("").await.unwrap();
        browser.until("the file field", "return !!document.querySelector('#csv')").await.unwrap();
        upload().await;
        browser.until("the sentence", "return !!document.querySelector('.trouble')").await.unwrap();
        let said = browser.text(".trouble p").await.unwrap();
        assert_eq!(said, "Line 41: 5 fields where 3 belong. Nothing was imported. Fix the line, or skip it.");
        browser.click("#skip-lines").await.unwrap();
        browser.until("the table", "return location.hash.includes('world=csv-')").await.unwrap();
        browser
            .until("its names", "return document.querySelector('.names')?.innerText.includes('<b>item')")
            .await
            .unwrap();
        assert_eq!(browser.run("return document.querySelectorAll('.names b').length").await.unwrap(), 0);

        // All steps with this file.
        for _ in 0..5 {
            browser.click("#next").await.unwrap();
        }
        browser.click("#play").await.unwrap();
        browser.until("equal hashes", "return document.querySelectorAll('.eq.equal').length === 8").await.unwrap();

        // Its link contains a hash and asks for the file; none of its records
        // were sent.
        let link = browser.run("return location.hash").await.unwrap().as_str().unwrap().to_owned();
        browser.open(&link).await.unwrap();
        browser
            .until(
                "a request for the file",
                "return document.querySelector('.trouble')?.innerText.includes('Open the same file')",
            )
            .await
            .unwrap();
        // The page has the field for the file, and no button without an effect.
        assert_eq!(browser.run("return document.querySelectorAll('#missing #csv').length").await.unwrap(), 1);
        assert_eq!(browser.run("return document.querySelectorAll('#play, #again, .dotline').length").await.unwrap(), 0);
        upload().await;
        browser.click("#skip-lines").await.unwrap();
        browser.until("the world", "return document.querySelectorAll('.worlds .dot').length > 20").await.unwrap();
        assert_eq!(browser.text("h1").await.unwrap(), "The twin world");
        browser.click("#play").await.unwrap();
        browser.until("equal again", "return document.querySelectorAll('.eq.equal').length === 8").await.unwrap();
        assert!(browser.served().requests().iter().all(|path| !path.contains("csv")));
        browser.close().await.unwrap();
    });
}

#[test]
fn stopping_keeps_the_page_at_hand() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=8").await.unwrap();
        browser.click("#play").await.unwrap();
        browser
            .until("progress", "return Number(document.querySelector('[role=progressbar]')?.ariaValueNow) > 5")
            .await
            .unwrap();
        // The page continues to paint while the worker measures. The test
        // counts frames, not time: a page that computed in its own thread would
        // paint none before the end.
        let paint = "
            const done = arguments[0];
            let frames = 0;
            const tick = () => (++frames < 20 ? requestAnimationFrame(tick) : done(true));
            requestAnimationFrame(tick);
        ";
        browser.client.execute_async(paint, vec![]).await.unwrap();
        assert_eq!(browser.run("return !!document.querySelector('.progress')").await.unwrap(), true, "it is over");
        browser.click("#stop").await.unwrap();
        browser.until("the end", "return !document.querySelector('.progress')").await.unwrap();
        browser.until("words", "return document.querySelector('#said').innerText.includes('Stopped')").await.unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn the_second_visit_needs_no_network() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("").await.unwrap();
        browser.until("the service worker", "return navigator.serviceWorker.controller !== null").await.unwrap();
        browser.served().go_down();
        browser.open("#v=1&step=6&play=1").await.unwrap();
        browser
            .until(
                "equal hashes",
                "return document.querySelectorAll('.eq.equal').length === 8 && !document.querySelector('.tag')",
            )
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

/// Counts animations, so that the test sees them after they have ended.
const COUNT_MOVES: &str = "window.moves = 0; const animate = Element.prototype.animate;
    Element.prototype.animate = function (...how) { window.moves += 1; return animate.apply(this, how); }";

/// Records when the list last changed.
const NOTE_CHANGES: &str = "window.changed = Date.now();
    new MutationObserver(() => { window.changed = Date.now(); })
        .observe(document.querySelector('main'), {childList: true, characterData: true, attributes: true, subtree: true})";

/// Waits until the list is at rest: rows that change again soon jump without an
/// animation, as while a slider is dragged.
async fn rested(browser: &Browser) {
    browser.until("a list at rest", "return Date.now() - window.changed > 200").await.unwrap();
}

#[test]
fn rows_glide_and_keys_switch_pieces() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=4").await.unwrap();
        browser.run(COUNT_MOVES).await.unwrap();
        browser.run(NOTE_CHANGES).await.unwrap();
        browser.click("#play").await.unwrap();
        no_example(&browser).await;
        rested(&browser).await;
        let order = "return [...document.querySelectorAll('#lab-list li')].map((row) => row.dataset.item).join()";
        let before = browser.run(order).await.unwrap();
        // A digit key acts only while the pane has the focus.
        browser.run("document.querySelector('#headline').focus()").await.unwrap();
        browser.keys(&["3"]).await.unwrap();
        assert_eq!(browser.run("return location.hash.includes('off')").await.unwrap(), false);
        browser.run("document.querySelector('.piece.shard-C button').focus()").await.unwrap();
        browser.keys(&["3"]).await.unwrap();
        browser.until("C is out", "return document.querySelectorAll('#lab-list .slot').length === 10").await.unwrap();
        assert_eq!(browser.run("return !!document.querySelector('.piece.shard-C.masked')").await.unwrap(), true);
        // Switches shards off and on until the order changes, and so rows have
        // moved.
        for digit in ["1", "2", "4", "5", "6", "7"] {
            if browser.run(order).await.unwrap() != before {
                break;
            }
            let slots = browser.run("return document.querySelectorAll('#lab-list .slot').length").await.unwrap();
            rested(&browser).await;
            browser.keys(&[digit]).await.unwrap();
            let more = format!("return document.querySelectorAll('#lab-list .slot').length > {slots}");
            browser.until("another is out", &more).await.unwrap();
        }
        assert_ne!(browser.run(order).await.unwrap(), before, "no shard has a say");
        browser.until("rows moved", "return window.moves > 0").await.unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn without_motion_next_computes_what_it_opens() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.look(1440, 900, false).await.unwrap();
        browser.open("#v=1&step=2").await.unwrap();
        browser.run(COUNT_MOVES).await.unwrap();
        browser.until("the worker", "return document.querySelectorAll('.tray').length === 8").await.unwrap();
        // The example stays until the user asks for a computation, as Next
        // does.
        browser.until("it listens", "return !document.querySelector('.progress')").await.unwrap();
        browser.click("#next").await.unwrap();
        browser
            .until("step 3", "return document.querySelector('h1').innerText === 'Train eight models'")
            .await
            .unwrap();
        for step in 3..6 {
            no_example(&browser).await;
            let primary = browser.text(".go .primary").await.unwrap();
            assert!(primary.starts_with("Next: "), "step {step}: {primary}");
            browser.click("#next").await.unwrap();
            // A result to be predicted is computed after the prediction.
            if step >= 4 {
                browser.click(".predict .option").await.unwrap();
            }
        }
        no_example(&browser).await;
        browser.until("the twin", "return document.querySelectorAll('.eq.equal').length === 8").await.unwrap();
        assert_eq!(browser.text(".verdict").await.unwrap(), "8 of 8 hashes equal, byte for byte");
        assert_eq!(browser.run("return window.moves").await.unwrap(), 0, "something moves");
        browser.close().await.unwrap();
    });
}

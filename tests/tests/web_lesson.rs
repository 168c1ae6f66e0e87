//! The Lab as a lesson in a real browser: predictions before results, reasons
//! for the effect of each mistake, settings beside results, an attack, figures
//! to save, and files from other programs.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use eemu_tests::browser::{Browser, dist, drive};

async fn idle(browser: &Browser) {
    browser
        .until(
            "a result of one's own",
            "return !document.querySelector('.tag') && !document.querySelector('.progress')",
        )
        .await
        .unwrap();
}

async fn count(browser: &Browser, selector: &str) -> u64 {
    let script = format!("return document.querySelectorAll({}).length", serde_json::to_string(selector).unwrap());
    browser.run(&script).await.unwrap().as_u64().unwrap()
}

#[test]
fn a_result_waits_for_its_prediction_and_is_held_against_it() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=5").await.unwrap();
        browser
            .until("the question", "return document.querySelectorAll('.predict .option').length === 3")
            .await
            .unwrap();
        browser.until("the worker", "return document.querySelector('#play')?.disabled === false").await.unwrap();
        // The example is shown without its results.
        let shown = browser.text("main").await.unwrap();
        for gives_away in ["rebuilt", "unchanged", "Only this shard", "never saw it"] {
            assert!(!shown.contains(gives_away), "{shown}");
        }
        assert_eq!(count(&browser, ".verdict, .tag, #account").await, 0);
        browser.picture("lesson-predict").await.unwrap();

        // By keyboard: the last answer, which is wrong.
        browser.run("document.querySelector('.option[data-guess=all]').focus()").await.unwrap();
        browser.keys(&["\u{E007}"]).await.unwrap();
        idle(&browser).await;
        let says = browser.text("#compared").await.unwrap();
        assert!(says.contains("You said: “All of them”. It came out otherwise. 1 of 8 hashes changed"), "{says}");
        assert_eq!(browser.run("return document.activeElement.id").await.unwrap(), "compared");
        assert!(browser.text(".verdict").await.unwrap().contains("1 model rebuilt, 7 untouched"));
        let account = browser.text("#account").await.unwrap();
        assert!(account.contains("of 8 shards") && account.contains("Cut by people it would be 1."), "{account}");
        browser.picture("lesson-predicted").await.unwrap();

        // The link restores the prediction in a browser that computed nothing.
        let link = browser.run("return location.hash").await.unwrap().as_str().unwrap().to_owned();
        assert!(link.contains("guess=forget.all"), "{link}");
        browser.open(&link).await.unwrap();
        browser
            .until("the sentence", "return document.querySelector('#compared')?.innerText.includes('All of them')")
            .await
            .unwrap();

        // The user can predict again, or see the result without a prediction.
        browser.click("#predict-again").await.unwrap();
        browser
            .until("the question", "return document.querySelectorAll('.predict .option').length === 3")
            .await
            .unwrap();
        assert_eq!(count(&browser, ".verdict").await, 0);
        browser.click("#predict-skip").await.unwrap();
        browser.until("the result", "return !!document.querySelector('.verdict')").await.unwrap();
        assert!(browser.text("#compared").await.unwrap().starts_with("1 of 8"));

        // A teacher can switch predictions off.
        browser.open("#v=1&step=6&hide=predict").await.unwrap();
        browser.until("the example", "return !!document.querySelector('.verdict')").await.unwrap();
        assert_eq!(count(&browser, ".predict").await, 0);
        browser.close().await.unwrap();
    });
}

#[test]
fn mistakes_say_why_and_stand_side_by_side() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=7").await.unwrap();
        let row = |place: usize| format!("#four tbody tr:nth-child({place})");
        browser.until("the table", "return document.querySelectorAll('#four tbody tr').length === 4").await.unwrap();
        assert!(browser.text(&row(1)).await.unwrap().contains("predict first"));
        for (place, (lesson, guess, why)) in [
            ("negatives", "own", "as a bad example of"),
            ("aggregator", "blend", "weights are others, the largest by 0."),
            ("order", "others", "other records are in another shard once it is gone"),
            ("epoch", "others", "the others still stand at"),
        ]
        .into_iter()
        .enumerate()
        {
            browser.click(&format!("#lesson-{lesson}")).await.unwrap();
            browser.click(&format!(".option[data-guess={guess}]")).await.unwrap();
            idle(&browser).await;
            browser.until("why", "return !!document.querySelector('#why')").await.unwrap();
            let says = browser.text("#why").await.unwrap();
            assert!(says.contains(why), "{says}");
            let cells = browser.text(&row(place + 1)).await.unwrap();
            assert!(cells.contains(" of ") && !cells.contains("not tried"), "{cells}");
            let compared = browser.text("#compared").await.unwrap();
            assert_eq!(compared.contains("So it is."), lesson != "negatives", "{compared}");
            // The label of the dot names the retrained shard.
            let chip = browser.run("return document.querySelector('.dotline .mark').getAttribute('aria-label')").await;
            let hot = browser.run("return document.querySelector('.sc.hot .mark').getAttribute('aria-label')").await;
            assert_eq!(chip.unwrap(), hot.unwrap(), "{lesson}");
        }
        // All four rows stay.
        assert_eq!(count(&browser, "#four .muted").await, 0);
        assert!(browser.text(&row(2)).await.unwrap().contains("the blend"));
        browser.picture("lesson-mistakes").await.unwrap();

        // With sharding by user, the first mistake has no other shard to read.
        browser.open("#v=1&step=7&by=people&mistake=neg&guess=neg.none&play=1").await.unwrap();
        idle(&browser).await;
        browser
            .until("why", "return document.querySelector('#why')?.innerText.includes('does no harm')")
            .await
            .unwrap();
        assert!(browser.text("#compared").await.unwrap().contains("So it is."));
        assert_eq!(count(&browser, "#another").await, 0);
        browser.close().await.unwrap();
    });
}

#[test]
fn knobs_are_at_hand_and_results_follow() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=6&guess=twin.none&play=1").await.unwrap();
        browser.until("the twin", "return document.querySelectorAll('.eq.equal').length === 8").await.unwrap();
        idle(&browser).await;
        let turn = async |id: &str, value: &str| {
            let script = format!(
                "const e = document.querySelector('#{id}'); e.value = '{value}'; e.dispatchEvent(new Event('change', {{ bubbles: true }}))"
            );
            browser.run(&script).await.unwrap();
        };
        turn("shards", "4").await;
        browser.until("four", "return document.querySelectorAll('.eq.equal').length === 4").await.unwrap();
        turn("seed", "3").await;
        browser.until("a seed", "return location.hash.includes('seed=3')").await.unwrap();
        idle(&browser).await;
        browser.until("four again", "return document.querySelectorAll('.eq.equal').length === 4").await.unwrap();
        turn("cut", "people").await;
        browser.until("by people", "return location.hash.includes('by=people')").await.unwrap();
        idle(&browser).await;
        browser.until("equal by people", "return document.querySelectorAll('.eq.equal').length === 4").await.unwrap();
        browser.run("document.querySelector('#pick-who').focus()").await.unwrap();
        turn("pick-who", "2").await;
        browser.until("another dot", "return location.hash.includes('del=3.')").await.unwrap();
        idle(&browser).await;
        assert_eq!(browser.run("return document.activeElement.id").await.unwrap(), "pick-who", "the focus was lost");
        browser.until("its twin", "return document.querySelectorAll('.eq.equal').length === 4").await.unwrap();
        // An account lies in one shard now.
        browser
            .run("location.hash = location.hash.replace('step=6', 'step=5').replace('twin.none', 'forget.own')")
            .await
            .unwrap();
        browser
            .until(
                "the account",
                "return document.querySelector('#account')?.innerText.includes('in 1 of 4 shards: 1 model')",
            )
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn an_attack_sees_no_more_than_a_coin_after_forgetting() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=6&guess=twin.none").await.unwrap();
        browser.until("the example", "return !!document.querySelector('#attack-example')").await.unwrap();
        browser.click("#attack").await.unwrap();
        browser
            .until("its own figures", "return !document.querySelector('#attack-example') && !document.querySelector('.progress') && !!document.querySelector('#attacked')")
            .await
            .unwrap();
        let after = browser
            .run("return [...document.querySelectorAll('#attacked tbody tr')].map((row) => row.children[2].innerText)")
            .await
            .unwrap();
        assert_eq!(after, serde_json::json!(["24 of 48 (50 %)", "24 of 48 (50 %)"]));
        let says = browser.text("#attack-says").await.unwrap();
        assert!(says.contains("byte for byte, in 24 of 24"), "{says}");
        assert_eq!(count(&browser, ".strip circle").await, 72);
        browser.picture("lesson-attack").await.unwrap();
        browser.close().await.unwrap();
    });
}

/// The layout shift so far, as the browser measures it.
const MOVED: &str = "const done = arguments[0];
    new PerformanceObserver((list) => done(list.getEntries().reduce(
        (sum, entry) => sum + (entry.hadRecentInput ? 0 : entry.value), 0)))
        .observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => done(0), 500)";

#[test]
fn nothing_jumps_while_one_predicts_and_looks() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        for (width, height) in [(1440, 900), (360, 740)] {
            browser.look(width, height, false).await.unwrap();
            for step in [5, 6] {
                browser.open(&format!("#v=1&step={step}")).await.unwrap();
                browser
                    .until("the worker", "return document.querySelector('#play')?.disabled === false")
                    .await
                    .unwrap();
                let option = browser.client.find(fantoccini::Locator::Css(".predict .option")).await.unwrap();
                option.click().await.unwrap();
                idle(&browser).await;
                browser.until("the result", "return !!document.querySelector('.verdict.ok')").await.unwrap();
                let moved = browser.client.execute_async(MOVED, vec![]).await.unwrap();
                assert!(moved.as_f64().unwrap() < 0.05, "step {step} at {width} px: {moved}");
                let sideways = browser.run("return document.documentElement.scrollWidth - innerWidth").await.unwrap();
                assert!(sideways.as_i64().unwrap() <= 0, "step {step} at {width} px scrolls sideways by {sideways}");
            }
        }
        browser.close().await.unwrap();
    });
}

/// Keeps the files that the page offers for saving.
const KEEP_FILES: &str = "window.files = [];
    const made = URL.createObjectURL;
    URL.createObjectURL = (blob) => { blob.text().then((text) => window.files.push(text)); return made.call(URL, blob); }";

#[test]
fn every_figure_can_be_taken_away() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        for step in 1..=8 {
            browser
                .open(&format!("#v=1&step={step}&mistake=neg&guess=forget.own,twin.none,neg.others,cost.middle"))
                .await
                .unwrap();
            browser.until("the figure", "return !!document.querySelector('#save-picture')").await.unwrap();
            browser.run(KEEP_FILES).await.unwrap();
            browser.click("#save-picture").await.unwrap();
            browser.click("#save-numbers").await.unwrap();
            browser.until("both files", "return window.files.length === 2").await.unwrap();
            let drawing = "const text = window.files.find((text) => text.startsWith('<svg'));
                const tree = new DOMParser().parseFromString(text, 'image/svg+xml');
                if (tree.querySelector('parsererror')) return tree.querySelector('parsererror').textContent;
                const plain = (text) => text.replace(/\\s/g, '');
                const words = plain([...tree.querySelectorAll('text')].map((text) => text.textContent).join(''));
                return words.includes(plain(document.querySelector('.fig h2').innerText)) && tree.querySelectorAll('path, rect, circle').length > 20";
            assert_eq!(browser.run(drawing).await.unwrap(), true, "step {step}");
            let lines = "return window.files.find((text) => !text.startsWith('<svg')).trim().split('\\n').length";
            assert!(browser.run(lines).await.unwrap().as_u64().unwrap() > 6, "step {step}");
        }
        browser.close().await.unwrap();
    });
}

#[test]
fn dots_have_names_for_mouse_and_keyboard() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=1").await.unwrap();
        browser.until("the world", "return document.querySelectorAll('.dot').length > 100").await.unwrap();
        let over = "const dot = document.querySelectorAll('.dot')[7];
            dot.querySelector('path').dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
            return dot.querySelector('title').textContent";
        let name = browser.run(over).await.unwrap().as_str().unwrap().to_owned();
        assert!(name.starts_with("Household 1, "), "{name}");
        let shown =
            format!("return document.querySelector('.named').innerText === {}", serde_json::to_string(&name).unwrap());
        browser.until("its name", &shown).await.unwrap();
        browser.open("#v=1&step=5").await.unwrap();
        browser.until("the grid", "return document.querySelectorAll('.dot').length > 100").await.unwrap();
        browser.run("document.querySelector('.dot[tabindex=\"0\"]').focus()").await.unwrap();
        browser
            .until("the name in words", "return document.querySelector('.named').innerText.includes('shard')")
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

/// Sixty purchases with an accent and a date, in the format of another program.
fn table() -> String {
    let line = |n: usize| format!("Zoé {};Crème {};{:02}.06.2022\r\n", n % 6, n % 11, n % 28 + 1);
    std::iter::once("who;what;when\r\n".to_owned()).chain((0..60).map(line)).collect()
}

#[test]
fn files_in_any_usual_encoding_and_packed_ones_open() {
    let text = table();
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let mut packed = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    packed.start_file("export/history.csv", zip::write::SimpleFileOptions::default()).unwrap();
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap().into_inner();
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("latin.csv", latin), ("wide.csv", wide), ("packed.zip", packed)] {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).unwrap();
            browser.open("").await.unwrap();
            browser.until("the file field", "return !!document.querySelector('#csv')").await.unwrap();
            let input = browser.client.find(fantoccini::Locator::Css("#csv")).await.unwrap();
            input.send_keys(file.to_str().unwrap()).await.unwrap();
            browser.until(name, "return location.hash.includes('world=csv-')").await.unwrap();
            browser
                .until("its names", "return document.querySelector('.names')?.innerText.includes('Crème')")
                .await
                .unwrap();
        }
        let broken = folder.path().join("empty.zip");
        std::fs::write(&broken, b"PK\x03\x04 and no more").unwrap();
        let input = browser.client.find(fantoccini::Locator::Css("#csv")).await.unwrap();
        input.send_keys(broken.to_str().unwrap()).await.unwrap();
        browser
            .until("a sentence", "return document.querySelector('.trouble')?.innerText.includes('zip is damaged')")
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

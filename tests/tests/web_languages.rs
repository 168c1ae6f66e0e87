//! The pages speak the browser's language, or the one that is chosen or named
//! in the address: words, numbers, `lang`, and nothing overflows in German.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, dist, drive};
use eemu_tests::shop::{self, LIST, Shop};

const PLACES: [&str; 3] = ["#for-you", "#v=1&step=5", "#operate"];

/// What the head's three links say.
const NAMES: [(&str, &str); 4] = [
    ("en", "For you Lab Operate"),
    ("de", "Für Sie Labor Betrieb"),
    ("fr", "Pour vous Labo Exploitation"),
    ("es", "Para usted Laboratorio Operación"),
];

async fn spoken(browser: &Browser, code: &str, names: &str) {
    let there = format!(
        "return document.documentElement.lang === '{code}'
          && [...document.querySelectorAll('.nav a')].map((a) => a.innerText).join(' ') === '{names}'
          && document.querySelector('#language').value === '{code}' && document.title.endsWith('eemu')"
    );
    browser.until(&format!("the page in {code}"), &there).await.unwrap();
}

async fn choose(browser: &Browser, code: &str) {
    browser.until("the choice", "return !!document.querySelector('#language')").await.unwrap();
    let script = format!(
        "const s = document.querySelector('#language'); s.focus(); s.value = '{code}';
         s.dispatchEvent(new Event('change', {{ bubbles: true }}))"
    );
    browser.run(&script).await.unwrap();
}

/// English words that must be gone once a page speaks German.
const ENGLISH: &str = "
  const text = document.body.innerText + [...document.querySelectorAll('[aria-label],[placeholder],[title]')]
    .map((e) => [e.ariaLabel, e.placeholder, e.title].join(' ')).join(' ');
  // The Lab's data name their households so.
  return text.replace(/Household \\d+/g, '').match(/\\b(the|and|with|which|this|your|forget|household|purchase|deleted|nothing|every|tried|rare|uncommon|faster)\\b/gi) ?? [];
";

#[test]
fn each_page_changes_its_language() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        for place in PLACES {
            browser.open(place).await.unwrap();
            for (code, names) in NAMES {
                choose(&browser, code).await;
                spoken(&browser, code, names).await;
                browser.until("the focus stays", "return document.activeElement?.id === 'language'").await.unwrap();
                browser.picture(&format!("{code}-{}", place.trim_start_matches('#'))).await.unwrap();
            }
            // What is chosen is remembered, by every place.
            choose(&browser, "de").await;
            spoken(&browser, "de", NAMES[1].1).await;
            browser.open(place).await.unwrap();
            spoken(&browser, "de", NAMES[1].1).await;
            let rest = browser.run(ENGLISH).await.unwrap();
            let rest: Vec<_> = rest.as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
            // Titles of the data stay as the data has them.
            assert!(rest.len() < 4, "{place} in German says {rest:?}");
        }
        // Choosing again brings English back, and the address may name another.
        browser.open("?lang=fr#v=1&step=2").await.unwrap();
        spoken(&browser, "fr", NAMES[2].1).await;
        browser.open("#v=1&step=2&lang=es").await.unwrap();
        spoken(&browser, "es", NAMES[3].1).await;
        choose(&browser, "en").await;
        spoken(&browser, "en", NAMES[0].1).await;
        let hash = browser.run("return location.hash").await.unwrap();
        assert!(!hash.as_str().unwrap().contains("lang="), "{hash}");
        browser.close().await.unwrap();
    });
}

#[test]
fn numbers_dates_and_the_worker_follow() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        choose(&browser, "de").await;
        spoken(&browser, "de", NAMES[1].1).await;
        browser.until("a list", LIST).await.unwrap();
        let score = browser.text("#rows .score").await.unwrap();
        assert!(score.contains(',') && !score.contains('.'), "{score}");
        // A deletion down to its receipt: what the worker says is German too.
        browser.click(".deeds li .btn").await.unwrap();
        assert!(browser.text(".deeds .confirm").await.unwrap().contains("vergessen?"));
        browser.click("#confirm").await.unwrap();
        browser.click("#now").await.unwrap();
        browser.until("its receipt", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        browser
            .until("the headline", "return document.querySelector('h1').innerText.startsWith('Vergessen.')")
            .await
            .unwrap();
        let steps = browser.text("#checks").await.unwrap();
        assert!(steps.contains("Unterschrieben mit dem Schlüssel dieses Servers"), "{steps}");
        browser.picture("de-receipt").await.unwrap();
        browser.close().await.unwrap();
    });
}

/// A browser that asks for French gets it without a choice.
#[test]
fn the_browsers_language_is_spoken() {
    drive(async {
        let browser = Browser::start_with(&dist(), &["--lang=fr", "--accept-lang=fr-CA,fr,en"]).await.unwrap();
        browser.open("#v=1").await.unwrap();
        spoken(&browser, "fr", NAMES[2].1).await;
        browser.close().await.unwrap();
    });
}

#[test]
fn nothing_overflows_on_a_phone() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.look(360, 800, false).await.unwrap();
        let mut found = Vec::new();
        for code in ["de", "fr", "es"] {
            let steps = (1..=8)
                .map(|step| format!("#v=1&step={step}&mistake=neg&guess=forget.own,twin.none,neg.own,cost.little"));
            for place in ["#for-you", "#operate"].map(str::to_owned).into_iter().chain(steps) {
                browser.open(&format!("?lang={code}{place}")).await.unwrap();
                browser
                    .until("the page", &format!("return document.documentElement.lang === '{code}' && !!document.querySelector('h1#headline')"))
                    .await
                    .unwrap();
                browser
                    .until("all of it", "return new Promise((done) => setTimeout(() => done(true), 400))")
                    .await
                    .unwrap();
                let sideways = browser.run("return document.documentElement.scrollWidth - innerWidth").await.unwrap();
                if sideways.as_i64().unwrap() > 0 {
                    let wide = "return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1
                      && !e.closest('.scroll')).slice(0, 4).map((e) => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`)";
                    let wide = browser.run(wide).await.unwrap();
                    found.push(format!("{code} {place}: {sideways} px, {wide}"));
                }
                browser
                    .picture(&format!("phone-{code}-{}", place.trim_start_matches('#').replace(['&', '=', ','], "-")))
                    .await
                    .unwrap();
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
        browser.close().await.unwrap();
    });
}

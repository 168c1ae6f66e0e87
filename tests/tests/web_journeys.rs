//! The main journeys in the browser that `EEMU_BROWSER` names: signing in, a
//! list, a deletion followed to its verified receipt, the Lab's third step, and
//! the operator's overview. They use only WebDriver, so they run in Chromium
//! and in Firefox (`cargo xtask test --all`).

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, Engine, dist, drive};
use eemu_tests::shop::{self, LIST, Shop};

/// Checks that the browser is the requested one.
async fn assert_engine(browser: &Browser) {
    let agent = browser.run("return navigator.userAgent").await.unwrap();
    let firefox = agent.as_str().unwrap().contains("Firefox/");
    assert_eq!(firefox, Engine::chosen().unwrap() == Engine::Firefox, "{agent}");
}

#[test]
fn somebody_signs_in_gets_a_list_and_forgets() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        assert_engine(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        let items = "return document.querySelectorAll('.deeds li').length";
        let before = browser.run(items).await.unwrap().as_u64().unwrap();
        assert!(before > 0);
        browser.click(".deeds li .btn").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.click("#now").await.unwrap();
        browser.until("it is held", "return document.querySelectorAll('.deeds .gone').length === 1").await.unwrap();
        browser.until("its receipt", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        browser
            .until("the headline", "return document.querySelector('h1').innerText.startsWith('Forgotten.')")
            .await
            .unwrap();
        browser.until("a list without it", LIST).await.unwrap();
        // The next visit still knows the user, and has the receipt.
        browser.open("").await.unwrap();
        browser.until("a list again", LIST).await.unwrap();
        browser
            .until("the receipt is kept", "return document.querySelectorAll('.receipts li').length === 1")
            .await
            .unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn the_labs_third_step_trains() {
    drive(async {
        let browser = Browser::start(&dist()).await.unwrap();
        browser.open("#v=1&step=3").await.unwrap();
        assert_engine(&browser).await;
        browser
            .until("the worker", "const b = document.querySelector('#play'); return !!b && !b.disabled")
            .await
            .unwrap();
        browser.click("#play").await.unwrap();
        let own = "return !document.querySelector('.stage .tag') && !document.querySelector('.progress')
            && document.querySelectorAll('.curves .cv').length === 8";
        browser.until("eight models of one's own", own).await.unwrap();
        browser.close().await.unwrap();
    });
}

#[test]
fn an_operator_looks() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("#operate").await.unwrap();
        browser.until("the example", "return document.querySelectorAll('#shard-rows tr').length === 8").await.unwrap();
        let field = browser.client.find(fantoccini::Locator::Css("#operator")).await.unwrap();
        field.send_keys(&shop.operator).await.unwrap();
        browser.click(".token button").await.unwrap();
        browser
            .until("the log", "return document.querySelector('#whole')?.innerText.startsWith('The log is whole')")
            .await
            .unwrap();
        assert_eq!(browser.text("h1").await.unwrap(), "All eight shards serve.");
        browser.close().await.unwrap();
    });
}

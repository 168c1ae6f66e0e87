//! The first minute of a visitor without an account: the text of each page, the
//! example with its deletion, the reasons for an item, and the menu on a phone.

#![allow(clippy::unwrap_used)]

use eemu_tests::browser::{Browser, drive};
use eemu_tests::shop::{self, Goods, LIST, Shop, aside};

#[test]
fn the_example_forgets_for_real_and_proves_it() {
    let shop = Shop::open().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("").await.unwrap();
        browser.until("the example", "return document.querySelectorAll('.deeds li .btn').length > 5").await.unwrap();
        assert_eq!(browser.text("h1").await.unwrap(), "A recommender that forgets exactly.");
        browser.picture("first-for-you").await.unwrap();
        let rows = "return JSON.stringify([...document.querySelectorAll('#rows li')].map((r) => r.dataset.score))";
        let before = browser.run(rows).await.unwrap();
        browser.click(".deeds li .btn").await.unwrap();
        browser.until("the proof", "return document.querySelectorAll('.hashes li').length === 8").await.unwrap();
        let proof = browser.text(".paper").await.unwrap();
        assert!(proof.contains("8 of 8 equal") && proof.contains("not one byte"), "{proof}");
        assert_eq!(browser.text("h1").await.unwrap(), "Forgotten, and proved, in this browser.");
        // One shard changed, the list was computed anew, and no request was
        // sent.
        assert_eq!(browser.run("return document.querySelectorAll('.you .piece.lift').length").await.unwrap(), 1);
        assert_ne!(browser.run(rows).await.unwrap(), before);
        assert!(browser.text(".answer .head:has(#list)").await.unwrap().contains("after forgetting"));
        browser.picture("first-for-you-forgotten").await.unwrap();
        assert!(shop.proxy.asked().iter().all(|asked| asked.line.starts_with("GET ")));
        assert_eq!(shop.proxy.downloads(), 0);
        browser.click("#trial-again").await.unwrap();
        browser.until("it is back", "return !document.querySelector('#proof')").await.unwrap();

        // Operate shows an example.
        browser.open("#operate").await.unwrap();
        browser.until("its example", "return document.querySelectorAll('.operate .piece').length === 8").await.unwrap();
        assert_eq!(browser.text(".operate section .tag").await.unwrap(), "Example");
        browser.picture("first-operate").await.unwrap();
        browser.open("#v=1").await.unwrap();
        browser.until("the Lab", "return document.querySelector('h1').innerText === 'A small world'").await.unwrap();
        assert!(browser.text("main").await.unwrap().contains("See a recommender forget one purchase"));
        browser.picture("first-lab").await.unwrap();
        // Its picture has no tab stops: a dot that cannot be chosen cannot have
        // the focus.
        let stops = "return [...document.querySelectorAll('svg.mx g')].filter((dot) => {
            dot.focus?.(); return document.activeElement === dot }).length";
        assert_eq!(browser.run(stops).await.unwrap(), 0);
        browser.close().await.unwrap();
    });
}

#[test]
fn why_an_item_is_there_is_what_leaving_out_does() {
    let shop = Shop::selling(Goods::Items).unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        browser.open("").await.unwrap();
        browser.until("the search", "return !!document.querySelector('#search')").await.unwrap();
        let catalog = aside(|| shop.process.json("/api/v1/catalog/items?offset=0&limit=40", "").unwrap());
        for (count, place) in [3, 17, 29].into_iter().enumerate() {
            let name = catalog["items"][place]["name"].as_str().unwrap();
            let find = browser.client.find(fantoccini::Locator::Css("#search")).await.unwrap();
            find.send_keys(name).await.unwrap();
            browser.click("#matches button").await.unwrap();
            browser
                .until("the pick", &format!("return document.querySelectorAll('.deeds li').length === {}", count + 1))
                .await
                .unwrap();
        }
        browser.until("a list", LIST).await.unwrap();
        browser
            .until("all of them count", "return document.querySelectorAll('.tuning .set li').length === 3")
            .await
            .unwrap();
        browser.click("#rows .why").await.unwrap();
        browser.until("the reasons", "return document.querySelectorAll('.reasons b').length > 0").await.unwrap();
        browser.picture("why").await.unwrap();
        let item = browser.run("return document.querySelector('#rows li').dataset.item").await.unwrap();
        let reason = browser.text(".reasons span").await.unwrap();
        let (record, place) = reason.split_once(": ").unwrap();
        let place: usize = place.trim_end_matches('.').rsplit(' ').next().unwrap().parse().unwrap();
        // Without that record the item has this rank.
        let remove = format!(
            "[...document.querySelectorAll('.deeds li')].find((row) => row.innerText.startsWith({})).querySelector('.btn').click()",
            serde_json::to_string(record).unwrap()
        );
        browser.run(&remove).await.unwrap();
        browser
            .until("one fewer counts", "return document.querySelectorAll('.tuning .set li').length === 2")
            .await
            .unwrap();
        let now = format!(
            "return [...document.querySelectorAll('#rows li')].findIndex((row) => row.dataset.item === '{}') + 1",
            item.as_str().unwrap()
        );
        let now = browser.run(&now).await.unwrap().as_u64().unwrap() as usize;
        assert_eq!(now, if place <= 10 { place } else { 0 }, "{reason}");
        browser.close().await.unwrap();
    });
}

#[test]
fn on_a_phone_the_menu_is_whole_and_several_are_taken_back() {
    let shop = Shop::patient().unwrap();
    drive(async {
        let browser = Browser::at(&shop.proxy.address).await.unwrap();
        shop::sign_in(&browser).await;
        browser.until("a list", LIST).await.unwrap();
        browser.look(360, 740, false).await.unwrap();
        browser.click("#account").await.unwrap();
        let within = "const box = document.querySelector('.menu[open] .card').getBoundingClientRect();
            return box.left >= 0 && box.right <= 360 && document.documentElement.scrollWidth <= 360";
        assert_eq!(browser.run(within).await.unwrap(), true);
        browser.picture("phone-menu").await.unwrap();
        browser.client.active_element().await.unwrap().send_keys("\u{E00C}").await.unwrap();
        browser.until("closed by Escape", "return !document.querySelector('.menu[open]')").await.unwrap();

        // Three deletions at once, undone before a request is sent.
        let sent = || shop.proxy.asked().iter().filter(|asked| asked.line.contains("/interactions/delete")).count();
        browser.click("#several").await.unwrap();
        let choose = "const all = [...document.querySelectorAll('.choose input')].slice(0, 3); all.forEach((box) => box.click());
            return all.length";
        assert_eq!(browser.run(choose).await.unwrap(), 3);
        browser.click("#forget-several").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.until("the seconds", "return document.activeElement.id === 'undo'").await.unwrap();
        browser.picture("phone-undo").await.unwrap();
        browser.click("#undo").await.unwrap();
        browser.until("taken back", "return !document.querySelector('.waiting')").await.unwrap();
        assert_eq!(sent(), 0);
        // Again without undoing: one request for all three.
        browser.click("#several").await.unwrap();
        browser.run(choose).await.unwrap();
        browser.click("#forget-several").await.unwrap();
        browser.click("#confirm").await.unwrap();
        browser.click("#now").await.unwrap();
        browser.until("held", "return document.querySelectorAll('.deeds .gone').length === 3").await.unwrap();
        assert_eq!(sent(), 1);
        shop.retrain();
        browser.until("forgotten", "return document.querySelectorAll('#checks .ok').length === 5").await.unwrap();
        assert!(browser.text(".paper").await.unwrap().contains("3 records"));
        browser.picture("phone-forgotten").await.unwrap();
        browser.close().await.unwrap();
    });
}

//! Export files of other services, opened in "For you": columns, timestamps and
//! names are recognised, and an unusable line is named.

#![allow(clippy::unwrap_used)]

use eemu_app::for_you::opened::{Choice, Reading, read};
use eemu_app::for_you::titles::Titles;
use eemu_core::data::Entities;

/// A catalogue of films, books and songs.
fn catalogue() -> Entities {
    let names = [
        "Glass Harbour (1999)",
        "The Orchard",
        "Numbers: 7,5",
        "Amélie",
        "Quiet",
        "Slow; Fast",
        "Wo ist der Weg doch für mich",
        "Half-Life 2",
        "The Left Hand of Darkness",
        "Heat (1995)",
    ];
    let ids = (0..names.len()).map(|number| format!("f{number}")).collect();
    Entities::new(ids, names.map(str::to_owned).to_vec(), Vec::new()).unwrap()
}

fn opened(text: &str, choice: &Choice) -> Reading {
    let items = catalogue();
    read(text, choice, &Titles::new(&items)).unwrap()
}

/// The items found with their timestamps, in the order of the catalogue.
fn found(reading: &Reading) -> Vec<(&str, Option<f64>)> {
    let mut found: Vec<_> = reading.picks.iter().map(|pick| (pick.item.as_str(), pick.when)).collect();
    found.sort_by_key(|(item, _)| *item);
    found
}

const DAY: f64 = 86_400.0;

#[test]
fn known_exports_are_read_without_a_question() {
    let exports: [(&str, &str, &[&str]); 12] = [
        (
            "Netflix, German",
            "Title,Date\n\"The Orchard: Season 1: \"\"Pilot, Part 2\"\"\",\"27.01.23\"\n\"Glass Harbour\",\"15.01.23\"\n\"Numbers: 7,5\",\"31.12.22\"\n",
            &["f0", "f1", "f2"],
        ),
        (
            "Netflix, one profile of several",
            "Profile Name,Start Time,Duration,Attributes,Title\nBrum,2022-09-05 21:17:00,00:31:05,,Glass Harbour\nBrum,2022-09-04 21:17:00,00:31:05,,Quiet: Season 3: \"...\" (Episode 2)\nCeto,2022-09-05 12:17:00,00:31:05,,Amélie\n",
            &["f0", "f4"],
        ),
        (
            "Goodreads",
            "Book Id,Title,Author,My Rating,Average Rating,Date Read,Date Added\n1,The Left Hand of Darkness,Ursula K. Le Guin,5,4.1,2020/03/05,2020/01/02\n2,Heat,Bill Buford,2,3.9,2020/05/05,2020/04/02\n",
            &["f8"],
        ),
        (
            "Letterboxd",
            "Date,Name,Year,Letterboxd URI,Rating\n2021-02-03,Glass Harbour,1999,https://boxd.it/a,4.5\n2021-02-04,Amelie,2001,https://boxd.it/b,1\n",
            &["f0"],
        ),
        (
            "Last.fm",
            "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n\"1268200240\",\"10 Mar 2010, 05:50\",\"Die Waage\",\"\",\"\",\"\",\"Wo ist der Weg doch für mich\",\"\"\n\"1268200480\",\"10 Mar 2010, 05:54\",\"Pilot, Co.\",\"\",\"\",\"\",\"Slow; Fast\",\"\"\n",
            &["f5", "f6"],
        ),
        (
            "Spotify",
            "[{\"endTime\":\"2021-03-04 10:11\",\"artistName\":\"Die Waage\",\"trackName\":\"Wo ist der Weg doch für mich\",\"msPlayed\":200000}]",
            &["f6"],
        ),
        (
            "Trakt",
            "[{\"watched_at\":\"2021-03-04T10:11:12.000Z\",\"type\":\"movie\",\"movie\":{\"title\":\"Heat\",\"year\":1995,\"ids\":{\"imdb\":\"tt0113277\"}}}]",
            &["f9"],
        ),
        (
            "IMDb",
            "Const,Your Rating,Date Rated,Title,URL,Title Type,IMDb Rating\ntt01,9,2021-01-02,Heat,https://x,Movie,8.3\ntt02,2,2021-01-03,Quiet,https://y,Movie,5.0\n",
            &["f9"],
        ),
        ("MovieLens", "userId,movieId,rating,timestamp\n7,f0,4.0,964982703\n7,f3,1.0,964981247\n", &["f0"]),
        (
            "Amazon orders",
            "Order Date;Order ID;Title;Quantity\n2021-05-06T07:08:09Z;1;The Left Hand of Darkness;1\n2021-05-07T07:08:09Z;2;Socks;2\n",
            &["f8"],
        ),
        (
            "Steam",
            "{\"response\":{\"games\":[{\"appid\":220,\"name\":\"Half-Life 2\",\"playtime_forever\":90}]}}",
            &["f7"],
        ),
        (
            "LibraryThing",
            "Book Id\tTitle\tPrimary Author\tRating\tEntry Date\n1\tThe Left Hand of Darkness\tLe Guin\t4\t[2020-01-02]\n",
            &["f8"],
        ),
    ];
    for (name, text, expected) in exports {
        let reading = opened(text, &Choice::default());
        let items: Vec<&str> = found(&reading).iter().map(|(item, _)| *item).collect();
        assert_eq!(items, expected, "{name}: {reading:#?}");
        assert!(reading.question.is_none(), "{name}");
    }
    // Dates in brackets are not understood: no time column is chosen, and the
    // page shows that.
    assert_eq!(opened(exports[11].1, &Choice::default()).time, None);
}

#[test]
fn times_count_whatever_way_they_are_written() {
    let first = |text: &str| found(&opened(text, &Choice::default()))[0].1.unwrap();
    let day = 19_384.0 * DAY; // 27 January 2023
    assert_eq!(first("Title,Date\nQuiet,27.01.23\n"), day);
    assert_eq!(first("Title;Date\nQuiet;27/01/2023\n"), day);
    assert_eq!(first("Title,Date\nQuiet,1/27/23\n"), day);
    assert_eq!(first("Title,Date\nQuiet,2023-01-27\n"), day);
    assert_eq!(first("Title,Date\nQuiet,2023-01-27T00:00:00Z\n"), day);
    assert_eq!(first(&format!("what,when\nQuiet,{day}\n")), day);
    assert_eq!(first(&format!("what,when\nQuiet,{}\n", day * 1000.0)), day);
}

#[test]
fn an_order_that_nothing_decides_is_asked_about_once() {
    let text = "Title,Date\nQuiet,3/4/2022\nHeat,5/6/2022\n";
    let reading = opened(text, &Choice::default());
    let (wrote, day, month) = reading.question.clone().unwrap();
    assert_eq!((wrote.as_str(), day.as_str(), month.as_str()), ("3/4/2022", "3 April 2022", "4 March 2022"));
    let month_first = opened(text, &Choice { day_first: Some(false), ..Choice::default() });
    assert!(month_first.question.is_none());
    assert_ne!(found(&month_first), found(&reading));
}

#[test]
fn each_line_that_cannot_be_used_is_named_and_no_heading_is_no_loss() {
    let text = "what,when\r\nQuiet,2023-01-27\r\nHeat,soon\r\n,2023-01-28\r\nNobody knows this,2023-01-29\r\nQuiet,2023-01-30,more,yet\r\n";
    let reading = opened(text, &Choice::default());
    let lines: Vec<u64> = reading.bad.iter().map(|(line, _)| *line).collect();
    assert_eq!((lines, reading.bad_count), (vec![6, 3, 4], 3), "{reading:#?}");
    assert_eq!(reading.missing, [("Nobody knows this".to_owned(), 1)]);
    // The first line contains data.
    let reading = opened("Quiet\nHeat\nAmelie\n", &Choice::default());
    assert_eq!((reading.taken, reading.lines), (3, 3), "{reading:#?}");
    let reading = opened("Quiet,2023-01-27\nHeat,2023-01-28\n", &Choice::default());
    assert_eq!((reading.taken, reading.lines), (2, 2), "{reading:#?}");
    // A first line with column names contains no data.
    let reading = opened("Title\nQuiet\n", &Choice::default());
    assert_eq!((reading.taken, reading.lines, reading.columns[0].as_str()), (1, 1, "Title"));
    // JSON Lines, with one line that is not JSON.
    let reading = opened("{\"name\":\"Quiet\"}\nnothing\n{\"name\":\"Heat\"}\n", &Choice::default());
    assert_eq!((reading.taken, reading.bad_count, reading.bad[0].0), (2, 1, 2), "{reading:#?}");
}

#[test]
fn the_reader_has_the_last_word() {
    let text = "a,b,Rating\nHeat,Quiet,5\nQuiet,Heat,2\n";
    let usual = opened(text, &Choice::default());
    assert_eq!((usual.item, usual.rating, usual.taken, usual.below), (0, Some(2), 1, 1), "{usual:#?}");
    let other = opened(text, &Choice { item: Some(1), rating: Some(None), ..Choice::default() });
    assert_eq!((other.item, other.taken, other.below), (1, 2, 0));
    let all = opened(text, &Choice { least: Some(1.0), ..Choice::default() });
    assert_eq!((all.taken, all.below), (2, 0));
    // A column that does not exist is ignored.
    let none =
        opened(text, &Choice { item: Some(99), time: Some(Some(98)), rating: Some(Some(97)), ..Choice::default() });
    assert_eq!(none.item, 0);
}

#[test]
fn numbers_of_other_columns_are_not_taken_for_items() {
    let names: Vec<String> = (0..50).map(|number| format!("Film number {number}")).collect();
    let ids = (0..50).map(|number| number.to_string()).collect();
    let items = Entities::new(ids, names, Vec::new()).unwrap();
    let titles = Titles::new(&items);
    let reading = read("what,when\nno such film,1\n", &Choice::default(), &titles).unwrap();
    assert_eq!((reading.item, reading.taken, reading.missing.len()), (0, 0, 1), "{reading:#?}");
    let text = "userId,movieId,rating,timestamp\n7,31,4.0,964982703\n7,32,5.0,964981247\n";
    let reading = read(text, &Choice::default(), &titles).unwrap();
    assert_eq!((reading.item, reading.taken), (1, 2), "{reading:#?}");
    let reading = read("Book Id,Title\n3,Film number 9\n", &Choice::default(), &titles).unwrap();
    assert_eq!((reading.item, found(&reading)[0].0), (1, "9"));
}

#[test]
fn what_is_no_table_gets_a_sentence() {
    let items = catalogue();
    let titles = Titles::new(&items);
    for text in ["", "\n\n", "\0\u{1}", "{}", "{\"a\":{\"b\":1}}", "[1,2", "Title,Date\n"] {
        let why = read(text, &Choice::default(), &titles).unwrap_err();
        assert!(why.ends_with('.') && why.len() > 20, "{text:?}: {why}");
    }
}

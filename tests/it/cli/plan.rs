//! `plan` against `run`: exact prices equal the number of calls, and ranges contain it, over streams,
//! classes of apps, and runs that are the first, unchanged or changed.

use std::collections::BTreeMap;

use serde_json::Value;
use spotify_sandbox::{PlaylistEdit, fixtures};

use crate::limits::quota::{development, ids, said_to_be, track_ids, tracks};
use crate::support::snapshot::assert_output;
use crate::support::world::{World, by_ids, fetch};
use crate::sync::users::{everything, signed_in};

/// A price in the output of `plan --json`.
#[derive(Debug, Clone)]
struct Price {
    least: u64,
    most: Option<u64>,
    exact: bool,
    reasons: usize,
}

impl Price {
    fn of(value: &Value) -> Price {
        Price {
            least: value["calls"]["least"].as_u64().unwrap(),
            most: value["calls"]["most"].as_u64(),
            exact: value["exact"].as_bool().unwrap(),
            reasons: value["reasons"].as_array().map_or(0, Vec::len),
        }
    }

    #[track_caller]
    fn holds(&self, bill: u64, what: &str) {
        assert!(
            self.least <= bill && self.most.is_none_or(|most| bill <= most),
            "{what}: {bill} calls, priced {self:?}"
        );
        assert!(!self.exact || bill == self.least, "{what}: {bill} calls, exactly {self:?}");
        // A range has a reason.
        assert!(self.exact || self.reasons > 0 || what.ends_with("the job"), "{what}: {self:?} without a reason");
    }
}

/// Prices of a plan, by fetch and user. The price of the whole job has the empty name.
fn plan(world: &World, args: &[&str]) -> (BTreeMap<String, Price>, Value) {
    let shown = world.cli(&[&["plan", "--json"], args].concat()).exits(0).json();
    let job = &shown["jobs"][0];
    let mut prices = BTreeMap::from([(String::new(), Price::of(job))]);
    for fetch in job["fetches"].as_array().unwrap() {
        prices.insert(name(fetch), Price::of(fetch));
    }
    (prices, shown)
}

fn name(fetch: &Value) -> String {
    format!("{} {}", fetch["fetch"].as_str().unwrap(), fetch["user"].as_str().unwrap_or(""))
}

/// Plans in all three ways, runs, and compares the plans with the calls of each fetch. Returns the share of
/// fetches with an exact price under `--probe`.
#[track_caller]
pub fn plan_and_run(world: &World, label: &str) -> f64 {
    world.sandbox.clear_log();
    let offline = plan(world, &["--offline"]);
    assert_eq!(world.sandbox.log().len(), 0, "{label}: --offline asks nothing");
    let usual = plan(world, &[]);
    let asked = world.new_calls().len();
    assert!(asked <= 10, "{label}: {asked} calls");
    assert_eq!(usual.1["asked"], asked, "{label}: it says how many");
    let probed = plan(world, &["--probe"]);
    assert_eq!(probed.1["asked"], world.new_calls().len(), "{label}");
    let rows = |sql| if world.database().exists() { world.one(sql) } else { "0".to_owned() };
    let before = rows("SELECT count(*) FROM runs");
    assert_eq!(rows("SELECT count(*) FROM runs"), before, "a plan is no run");
    let ran = world.run(&["--json"]).json();
    let run = &ran["runs"][0];
    let total = run["calls"].as_u64().unwrap();
    for (way, (prices, _)) in [("offline", &offline), ("plan", &usual), ("probe", &probed)] {
        for fetch in run["fetches"].as_array().unwrap() {
            let name = name(fetch);
            prices[&name].holds(fetch["calls"].as_u64().unwrap(), &format!("{label}, {way}, {name}"));
        }
        prices[""].holds(total, &format!("{label}, {way}, the job"));
    }
    assert_eq!(world.new_calls().len() as u64, total, "{label}");
    let exact = probed.0.iter().filter(|(name, price)| !name.is_empty() && price.exact).count();
    exact as f64 / (probed.0.len() - 1) as f64
}

const BY_ID: &str = r#"
[[fetch]]
stream = "artists"
ids = ["0SandboxBusyArtist0000", "0SandboxSemiArtist0000"]
[[fetch]]
stream = "albums"
ids = ["0SandboxOddAlbum000000", "0SandboxLongAlbum00000"]
[[fetch]]
stream = "album_tracks"
ids = ["0SandboxLongAlbum00000"]
[[fetch]]
stream = "artist_albums"
ids = ["0SandboxBusyArtist0000", "0SandboxSemiArtist0000"]
[[fetch]]
stream = "shows"
ids = ["0SandboxShow0000000000"]
market = "DE"
[[fetch]]
stream = "show_episodes"
ids = ["0SandboxShow0000000000"]
market = "DE"
[[fetch]]
stream = "audiobooks"
ids = ["0SandboxAudiobook00000"]
market = "DE"
[[fetch]]
stream = "audiobook_chapters"
ids = ["0SandboxAudiobook00000"]
market = "DE"
[[fetch]]
stream = "search"
query = "signal"
max_results = 30
"#;

#[test]
fn plan_is_exact_for_ids_and_searches() {
    for (class, world) in [
        ("development", World::development()),
        ("extended", World::extended()),
        ("auto", World::development()),
        ("auto", World::extended()),
    ] {
        let world = if class == "auto" { world } else { said_to_be(class, world) }.job(BY_ID);
        let label = |what: &str| format!("{class}, {what}");
        let first = plan_and_run(&world, &label("first"));
        assert!(class == "auto" || first >= 0.7, "{class}: {first} of the first prices are exact");
        plan_and_run(&world, &label("again"));
        plan_and_run(&world, &label("a third time"));
    }
}

#[test]
fn plan_is_exact_for_playlists() {
    for class in ["development", "extended"] {
        let world = match class {
            "development" => development(),
            _ => said_to_be("extended", World::extended()),
        };
        let world = signed_in(world, &[("home", fixtures::HOME_USER)]);
        let lists = [fixtures::HOME_PLAYLIST, fixtures::EMPTY_PLAYLIST, fixtures::SHARED_PLAYLIST];
        let world = world.job(&format!("user = \"home\"\n{}", by_ids("playlist_items", &lists)));
        let exact = plan_and_run(&world, &format!("{class}, first"));
        assert!(exact > 0.9, "{class}: {exact}");
        plan_and_run(&world, &format!("{class}, unchanged"));
        let insert = |playlist: &str, items: usize| PlaylistEdit::Insert {
            playlist: playlist.to_owned(),
            position: 0,
            items: vec![Some(fixtures::PLAIN_TRACK.to_owned()); items],
        };
        world.sandbox.catalog().edit(insert(fixtures::HOME_PLAYLIST, 3)).unwrap();
        plan_and_run(&world, &format!("{class}, one changed"));
        world.sandbox.catalog().edit(insert(fixtures::EMPTY_PLAYLIST, 2)).unwrap();
        plan_and_run(&world, &format!("{class}, another changed"));
    }
}

#[test]
fn plan_is_exact_for_user_libraries() {
    for (class, world) in [("development", development()), ("extended", said_to_be("extended", World::extended()))] {
        let world = signed_in(world, &[("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)]);
        // It takes a thousand calls.
        world.delete_large_playlist();
        // One call for each user finds the account.
        world.project.write("jobs/x.toml", "users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"me\"\n");
        world.run(&[]).exits(0);
        world.project.write("jobs/x.toml", everything());
        let exact = plan_and_run(&world, &format!("{class}, first"));
        assert!(exact > 0.8, "{class}: {exact} of the first prices are exact");
        plan_and_run(&world, &format!("{class}, unchanged"));
        let playlist = fixtures::HOME_PLAYLIST.to_owned();
        world.sandbox.catalog().edit(PlaylistEdit::Remove { playlist, position: 2, count: 1 }).unwrap();
        plan_and_run(&world, &format!("{class}, changed"));
    }
}

#[test]
fn dependent_fetch_is_planned_as_a_range() {
    let parent = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let child = "[[fetch]]\nstream = \"artists\"\nfrom = \"playlist_items\"\nwhere = \"position < 20\"\n";
    let world = signed_in(development(), &[("home", fixtures::HOME_USER)]);
    let world = world.job(&format!("user = \"home\"\n{parent}{child}"));
    let (prices, _) = plan(&world, &["--probe"]);
    assert!(!prices["artists home"].exact && prices["artists home"].most.is_none());
    plan_and_run(&world, "first");
    plan_and_run(&world, "again");
    // This run has already found the parent unchanged, so its rows count.
    let fresh = format!(
        "{}[[fetch]]\nname = \"twice\"\nstream = \"artists\"\nids = [\"{}\"]\n",
        tracks(&world, 3),
        fixtures::BUSY_ARTIST
    );
    world.project.write(
        "jobs/x.toml",
        format!("user = \"home\"\n{fresh}[[fetch]]\nname = \"of\"\nstream = \"artists\"\nfrom = \"tracks\"\n"),
    );
    plan_and_run(&world, "by id, first");
    let (prices, shown) = plan(&world, &["--offline"]);
    assert!(prices.values().all(|price| price.exact && price.least == 0), "{shown}");
    plan_and_run(&world, "by id, again");
}

#[test]
fn plan_is_exact_for_codes_and_refused_ids() {
    let rows = development().sandbox.catalog().expected_rows(fixtures::HOME_PLAYLIST).unwrap();
    let isrcs: Vec<String> =
        rows.iter().filter_map(|row| Some(format!("isrc:{}", row.isrc.as_ref()?))).take(4).collect();
    let mut ids: Vec<&str> = isrcs.iter().map(String::as_str).collect();
    ids.extend(["isrc:QZXXX9900001", fixtures::PLAIN_TRACK, "0000000000000000000000"]);
    for world in [development(), said_to_be("extended", World::extended())] {
        let world = world.job(&by_ids("tracks", &ids));
        world.sandbox.clear_log();
        let (offline, _) = plan(&world, &["--offline"]);
        let ran = world.run(&["--json"]).exits(3).json();
        offline["tracks "].holds(ran["calls"].as_u64().unwrap(), "codes, first");
        let (again, _) = plan(&world, &["--offline"]);
        let ran = world.run(&["--json"]).exits(0).json();
        again["tracks "].holds(ran["calls"].as_u64().unwrap(), "codes, again");
        assert_eq!((ran["calls"].as_u64(), again["tracks "].exact), (Some(0), true));
    }
}

#[test]
fn stopped_run_costs_what_is_left() {
    let world = development().settings("calls_per_day = 1000").job("");
    let list = track_ids(&world, 30);
    world.project.write("jobs/x.toml", by_ids("tracks", &list.iter().map(String::as_str).collect::<Vec<_>>()));
    world.run(&["--max-calls", "12"]).exits(75);
    let (prices, _) = plan(&world, &["--offline"]);
    assert!(prices[""].exact);
    assert_eq!(prices[""].least, 18);
    world.run(&[]).exits(0);
    assert_eq!(plan(&world, &["--offline"]).0[""].least, 0);
}

#[test]
fn stopped_first_read_has_its_rest_in_the_plan() {
    let fetch = fetch("playlist_items", &format!("ids = [\"{}\"]", fixtures::LARGE_PLAYLIST));
    let world = signed_in(development().job(""), &[("home", fixtures::HOME_USER)]);
    let cut = PlaylistEdit::Remove { playlist: fixtures::LARGE_PLAYLIST.to_owned(), position: 0, count: 48_000 };
    world.sandbox.catalog().edit(cut).unwrap();
    world.project.write("jobs/x.toml", format!("user = \"home\"\n{fetch}"));
    world.run(&["--max-calls", "6"]).exits(75);
    let before = plan(&world, &["--offline"]).0[""].clone();
    let planned = world.cli(&["plan", "--offline"]).exits(0).stdout;
    let calls = world.run(&["--json"]).exits(0).json()["calls"].as_u64().unwrap();
    assert!(calls > 10, "{calls}");
    before.holds(calls, "the rest: the job");
    let about: u64 = planned.split_once("about ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!((calls..2 * calls).contains(&about), "{calls} calls: {before:?}\n{planned}");
}

#[test]
fn plan_shows_its_share_of_today() {
    let world = development().settings("calls_per_day = 40\ncalls_per_family = 40\nreserve = \"0%\"").job("");
    let list = track_ids(&world, 50);
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    world.project.write("jobs/x.toml", by_ids("tracks", &list));
    world.project.write("jobs/small.toml", by_ids("artists", &[fixtures::BUSY_ARTIST]));
    let shown = world.cli(&["plan", "--offline", "--json"]).exits(0).json();
    assert_eq!(shown["left_today"], 40);
    assert_eq!(shown["order"], serde_json::json!(["small", "x"]), "jobs that fit go first");
    let jobs = shown["jobs"].as_array().unwrap();
    let x = jobs.iter().find(|job| job["job"] == "x").unwrap();
    assert_eq!((&x["fits"], &x["left"]), (&false.into(), &20.into()), "half of a day is left for it");
    assert_eq!((&x["first"][0]["calls"], &x["first"][0]["of"]["most"]), (&20.into(), &50.into()));
    assert_eq!(x["share_of_left"], 1.25);
    assert_eq!(x["seconds"]["most"], 0.48, "48 of them at 100 a second");
    let small = jobs.iter().find(|job| job["job"] == "small").unwrap();
    assert_eq!((&small["fits"], &small["first"]), (&true.into(), &Value::Null));
    let text = world.cli(&["plan", "--offline"]).exits(0).stdout;
    assert_output("plan_shows_its_share_of_today", &text);
    // The run does as planned: the small job is complete, and the large one has used its half.
    world.run(&[]).exits(75);
    let calls = world.new_calls();
    assert_eq!(calls.len(), 21);
    assert!(calls[0].starts_with("/artists"), "{calls:?}");
}

#[test]
fn plan_knows_the_used_share_of_a_family() {
    let world = development().settings("calls_per_day = 200\ncalls_per_family = 40\nreserve = \"0%\"").job("");
    let list = track_ids(&world, 30);
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    world.project.write("jobs/x.toml", by_ids("tracks", &list));
    // The job may send half of a day's calls to the family.
    world.run(&["x"]).exits(75);
    assert_eq!(world.new_calls().len(), 20);
    let shown = world.cli(&["plan", "--offline", "--json"]).exits(0).json();
    let job = &shown["jobs"][0];
    assert_eq!((&job["fits"], &job["calls"]["likely"]), (&false.into(), &10.into()), "{job}");
    assert_eq!(job["first"][0]["calls"], 0, "{job}");
    let text = world.cli(&["plan", "--offline", "x"]).exits(0).stdout;
    assert!(text.contains("does not fit"), "{text}");
    world.run(&["x"]).exits(75);
    assert_eq!(world.new_calls().len(), 0);
    // Another job has a share of its own.
    world.project.write("jobs/y.toml", by_ids("tracks", &list[20..]));
    let shown = world.cli(&["plan", "--offline", "--json", "y"]).exits(0).json();
    assert_eq!(shown["jobs"][0]["fits"], true, "{shown}");
}

#[test]
fn plan_without_a_store_creates_none() {
    let world = development();
    let world = {
        let job = tracks(&world, 3);
        world.job(&job)
    };
    let mut command = world.project.command(&["plan", "--offline"]);
    command.env("SPOTIFY_CLIENT_ID", "sandbox-client");
    crate::support::world::ran(&mut command).exits(0);
    assert!(!world.database().exists());
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn plan_names_refusals_and_deferrals() {
    let world = World::development();
    let world = world.job(&format!("{}{}", by_ids("artists", &[fixtures::BUSY_ARTIST]), fetch("markets", "")));
    world.run(&[]).exits(3);
    let text = world.cli(&["plan", "--offline"]).exits(0).stdout;
    assert_output("plan_names_refusals_and_deferrals", &text);
    let world = World::extended().job(&by_ids("artists", &[fixtures::BUSY_ARTIST]));
    world.sandbox.ban(std::time::Duration::from_secs(80_000));
    world.run(&[]).exits(75);
    world.new_calls();
    let shown = world.cli(&["plan", "--json"]).exits(0).json();
    let fetch = &shown["jobs"][0]["fetches"][0];
    assert!(fetch["note"].as_str().unwrap().contains("holds calls of this client id back"), "{fetch}");
    assert!(fetch["not_before"].is_string());
    assert_eq!(world.sandbox.log().len(), 0, "plans respect a ban, too");
}

#[test]
fn history_shows_planned_and_spent_calls() {
    let world = development();
    let world = {
        let job = format!("{}{}", tracks(&world, 5), fetch("search", "query = \"a\"\nmax_results = 30"));
        world.job(&job)
    };
    world.run(&[]).exits(0);
    let runs = world.cli(&["history", "--json"]).exits(0).json();
    let run = &runs["runs"][0];
    let (least, most, spent) =
        (run["planned"]["least"].as_u64(), run["planned"]["most"].as_u64(), run["calls"].as_u64());
    assert_eq!((least, most), (Some(6), Some(8)));
    assert!(least <= spent && spent <= most, "{run}");
    let text = world.cli(&["history"]).exits(0).stdout;
    assert_output("history_shows_planned_and_spent_calls", &text);
    assert_eq!(
        world.rows("SELECT fetch, planned_least, planned_most FROM run_fetches ORDER BY fetch"),
        [["search", "1", "3"], ["tracks", "5", "5"]]
    );
}

#[test]
fn chain_is_bounded_by_its_parent() {
    let albums = "[[fetch]]\nstream = \"albums\"\nfrom = \"artist_albums\"\n";
    let world = development().job(&format!("{}{albums}", by_ids("artist_albums", &[fixtures::BUSY_ARTIST])));
    // First run: one page shows the number of releases, and each album costs at most one call.
    let (prices, shown) = plan(&world, &["--probe"]);
    let albums = &prices["albums "];
    let most = albums.most.expect("bounded");
    assert!(shown.to_string().contains("which is read first and may bring up to"), "{shown}");
    world.run(&[]).exits(0);
    let spent = world.one("SELECT calls FROM run_fetches WHERE fetch = 'albums'").parse().unwrap();
    albums.holds(spent, "albums, never read");
    assert!(most <= 2 * spent, "{most} against {spent}: the groups share no album");
    // Nothing changed: the page shows that, and the price of the whole chain is exact.
    let (prices, _) = plan(&world, &["--probe"]);
    assert!(prices["artist_albums "].exact && prices["albums "].exact, "{prices:?}");
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len() as u64, prices[""].least);
}

#[test]
fn probe_takes_a_quarter_of_what_is_left() {
    let world = development().settings("calls_per_day = 120\nreserve = \"0%\"").job("");
    let artists = ids(&world, "artists", 22);
    world
        .project
        .write("jobs/x.toml", by_ids("artist_albums", &artists.iter().map(String::as_str).collect::<Vec<_>>()));
    let shown = world.cli(&["plan", "--offline", "--json"]).exits(0).json();
    assert!(shown["jobs"][0]["fits"].is_null(), "unknown without a call: {shown}");
    let shown = world.cli(&["plan", "--probe", "--json"]).exits(0).json();
    assert_eq!(world.new_calls().len(), 30);
    assert_eq!(shown["asked"], 30);
    assert!(shown["asked_no_more_because"].as_str().unwrap().contains("a quarter of what is left today"), "{shown}");
}

#[test]
fn plan_beyond_today_does_not_fit() {
    // There is room for each of them, but not for all three.
    let world = development().settings("calls_per_day = 20\ncalls_per_family = 20\nreserve = \"0%\"").job("");
    let list = track_ids(&world, 24);
    for (job, ids) in ["x", "y", "z"].into_iter().zip(list.chunks(8)) {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        world.project.write(format!("jobs/{job}.toml").as_str(), by_ids("tracks", &ids));
    }
    let fits = |world: &World| {
        let shown = world.cli(&["plan", "--offline", "--json"]).exits(0).json();
        shown["jobs"].as_array().unwrap().iter().map(|job| job["fits"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(fits(&world), [true, true, false].map(Value::from));
    world.sandbox.ban(std::time::Duration::from_secs(80_000));
    world.run(&["x"]).exits(75);
    let shown = world.cli(&["plan", "x", "--json"]).exits(0).json();
    let job = &shown["jobs"][0];
    assert_eq!(job["fits"], false, "{job}");
    assert!(job["not_before"].is_string(), "{job}");
    assert!(world.cli(&["plan", "x"]).exits(0).stdout.contains("; held back until "));
    let books = world.cli(&["quota", "--json"]).exits(0).json();
    assert_eq!(books["account"]["held_until"], job["not_before"], "{books}");
    assert!(world.cli(&["quota"]).exits(0).stdout.contains("none now"));
}

#[test]
fn dependent_fetch_is_estimated_from_what_is_read() {
    let world = World::extended();
    let artists = ids(&world, "artists", 6);
    let names: Vec<&str> = artists.iter().map(String::as_str).collect();
    let job =
        by_ids("artist_albums", &names) + "name = \"albums_of\"\n" + &fetch("album_tracks", "from = \"albums_of\"\n");
    let world = world.job(&job);
    world.run(&["--max-calls", "3"]).exits(75);
    let (_, shown) = plan(&world, &["x", "--offline"]);
    let reasons = shown["jobs"][0]["fetches"][1]["reasons"].to_string();
    assert!(reasons.contains(" are read so far; if the others are alike, it takes about "), "{shown}");
    let calls = &shown["jobs"][0]["fetches"][1]["calls"];
    assert!(calls["likely"].as_u64().unwrap() > 0 && calls["most"].is_null(), "{shown}");
    // A day that has room for a part of it says how many such days it takes.
    let world = world.settings("calls_per_day = 20");
    let told = world.cli(&["plan", "x", "--offline"]).exits(0).stdout;
    assert!(told.contains("days in all"), "{told}");
}

//! Compares every stream that needs no user with the sandbox's own data, in both app classes, and
//! counts the calls that it costs.

use spotify_sandbox::fixtures;

use crate::support::snapshot::Shows as _;
use crate::support::world::{Ran, World, by_ids, fetch};

const CLASSES: [fn() -> World; 2] = [World::extended, World::development];

fn runs(world: World, job: &str) -> (World, Ran) {
    let world = world.job(job);
    let ran = world.run(&[]).exits(0);
    (world, ran)
}

fn ids_of(world: &World, kind: &str) -> Vec<String> {
    let ids = world.sandbox.catalog().ids();
    ids[kind]
        .as_array()
        .unwrap_or_else(|| panic!("{kind} in {ids}"))
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn album_tracks_keep_their_order() {
    for (n, class) in CLASSES.iter().enumerate() {
        let albums = [fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM];
        let (world, _) = runs(class(), &by_ids("album_tracks", &albums));
        let truth: Vec<String> = albums.iter().flat_map(|id| world.true_ids("albums", id, "tracks")).collect();
        assert_eq!(world.column("album_tracks.csv", "track_id"), truth);
        assert_eq!(world.column("album_tracks.csv", "position")[119], "119");
        // An extended app needs one batch and two pages; another app tries a batch, then two albums and two pages.
        let calls = world.new_calls();
        assert_eq!(calls.len(), [3, 5][n], "{calls:?}");
        assert!(calls.last().unwrap().contains("limit=50&offset=100"), "{calls:?}");
        assert_eq!(world.one("SELECT count(*) FROM checkpoints"), "0");
        assert_eq!(world.one("SELECT count(*) FROM staged_items"), "0");
    }
}

#[test]
fn albums_are_read_by_class() {
    for (n, class) in CLASSES.iter().enumerate() {
        let world = class();
        let ids: Vec<String> = ids_of(&world, "albums").into_iter().take(25).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let (world, _) = runs(world, &by_ids("albums", &ids));
        assert_eq!(world.column("albums.csv", "album_id"), ids, "in the job's order");
        let calls = world.new_calls().len();
        assert_eq!(calls, [ids.len().div_ceil(20), 1 + ids.len()][n]);
        let labels = world.column("albums.csv", "label").iter().filter(|label| !label.is_empty()).count();
        assert_eq!(labels, [ids.len(), 0][n]);
        for row in world.csv("albums.csv") {
            let truth = world.truth("albums", &row["album_id"]);
            assert_eq!((&row["album_name"], &row["upc"]), (&text(&truth["name"]), &text(&truth["upc"])));
        }
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls().len(), 0, "albums are fresh for a while");
        world.run(&["--full"]).exits(0);
        assert_eq!(world.new_calls().len(), [ids.len().div_ceil(20), ids.len()][n], "no batch is tried again");
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn fresh_artists_are_not_read_again() {
    for class in CLASSES {
        let ids = [fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST];
        let job = fetch("artists", &format!("ids = {ids:?}\nrefresh_after = \"7d\""));
        let (world, _) = runs(class(), &job);
        for (row, id) in world.csv("artists.csv").iter().zip(ids) {
            assert_eq!(
                (&row["artist_id"], &row["artist_name"]),
                (&id.to_owned(), &text(&world.truth("artists", id)["name"]))
            );
        }
        world.new_calls();
        world.run(&[]).exits(0).shows("fresh_artists_are_not_read_again");
        assert_eq!(world.new_calls().len(), 0);
        world.run(&["--full"]).exits(0);
        assert_ne!(world.new_calls().len(), 0);
    }
}

#[test]
fn repeated_id_is_read_once() {
    for class in CLASSES {
        let id = fixtures::PLAIN_TRACK;
        let job = fetch("tracks", &format!("ids = [\"{id}\", \"spotify:track:{id}\"]"));
        let (world, _) = runs(class(), &job);
        assert_eq!(world.new_calls().len(), 1);
        assert_eq!(world.csv("tracks.csv").len(), 1);
    }
}

#[test]
fn discography_is_whole_in_each_group() {
    for (n, class) in CLASSES.iter().enumerate() {
        let groups = ["album", "single", "compilation", "appears_on"];
        let job =
            fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = {groups:?}", fixtures::BUSY_ARTIST));
        let (world, _) = runs(class(), &job);
        let rows = world.csv("artist_albums.csv");
        for group in groups {
            let got: Vec<String> =
                rows.iter().filter(|r| r["album_group"] == group).map(|r| r["album_id"].clone()).collect();
            assert_eq!(got, world.true_ids("artists", fixtures::BUSY_ARTIST, group), "{group}");
        }
        let page = [50, 10][n];
        let pages: usize = groups
            .iter()
            .map(|g| world.true_ids("artists", fixtures::BUSY_ARTIST, g).len().div_ceil(page).max(1))
            .sum();
        let calls = world.new_calls();
        let refused = calls.iter().filter(|c| n == 1 && c.contains("limit=50")).count();
        assert!(refused <= 1, "a page of 50 is tried once: {calls:?}");
        assert_eq!(calls.len() - refused, pages, "{calls:?}");
    }
}

#[test]
fn top_tracks_have_ranks() {
    let job = by_ids("artist_top_tracks", &[fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST]);
    let (world, _) = runs(World::extended(), &job);
    assert_eq!(world.new_calls().len(), 2);
    let ranks = world.column("artist_top_tracks.csv", "rank");
    assert_eq!(ranks.first().map(String::as_str), Some("1"));
    assert!(world.csv("artist_top_tracks.csv").iter().any(|row| row["artist_id"] == fixtures::SEMICOLON_ARTIST));
    let more = format!("{job}\n{}", by_ids("artists", &[fixtures::BUSY_ARTIST]));
    let world = World::development().job(&more);
    world.run(&[]).exits(3).shows("top_tracks_have_ranks");
    let calls = world.new_calls();
    assert_eq!(calls.len(), 2, "one fetch is refused and the other continues: {calls:?}");
    assert_eq!(world.csv("artists.csv").len(), 1);
    world.run(&[]).exits(3).shows("top_tracks_have_ranks_2");
    assert_eq!(world.new_calls().len(), 0, "the refusal is remembered, so no call is made");
}

#[test]
fn tracks_have_their_isrc_in_both_classes() {
    for class in CLASSES {
        let world = class();
        let ids: Vec<String> = ids_of(&world, "tracks").into_iter().take(5).collect();
        let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        ids.insert(0, fixtures::PLAIN_TRACK);
        ids.dedup();
        let (world, _) = runs(world, &by_ids("tracks", &ids));
        assert_eq!(world.column("tracks.csv", "track_id"), ids);
        assert_eq!(world.csv("tracks.csv")[0]["isrc"], "QZSBX2600001");
    }
}

#[test]
fn relinked_track_is_read_once() {
    for class in CLASSES {
        let ids = [fixtures::RELINKED_TRACK, fixtures::PLAIN_TRACK];
        let job = format!("market = \"DE\"\n{}", fetch("tracks", &format!("ids = {ids:?}\nrefresh_after = \"7d\"")));
        let (world, _) = runs(class(), &job);
        let shown = world.column("tracks.csv", "track_id");
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert_ne!(shown[0], fixtures::RELINKED_TRACK);
        assert_eq!(shown[1], fixtures::PLAIN_TRACK);
        let origin = format!("SELECT linked_from FROM track_markets WHERE track_id = '{}'", shown[0]);
        assert_eq!(world.one(&origin), fixtures::RELINKED_TRACK);
        world.new_calls();
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls().len(), 0);
        assert_eq!(world.column("tracks.csv", "track_id"), shown);
    }
}

#[test]
fn playlists_and_shows_are_read_by_id() {
    for class in CLASSES {
        let job = [
            "market = \"US\"\n".to_owned(),
            by_ids("playlists", &[fixtures::EDGE_CASE_PLAYLIST, fixtures::HOME_PLAYLIST]),
            by_ids("shows", &[fixtures::SHOW]),
            by_ids("episodes", &[fixtures::EPISODE]),
            by_ids("audiobooks", &[fixtures::AUDIOBOOK]),
        ];
        let (world, _) = runs(class(), &job.concat());
        assert_eq!(
            world.column("playlists.csv", "playlist_id"),
            [fixtures::EDGE_CASE_PLAYLIST, fixtures::HOME_PLAYLIST]
        );
        assert_eq!(world.csv("shows.csv")[0]["show_name"], text(&world.truth("shows", fixtures::SHOW)["name"]));
        assert_eq!(world.csv("episodes.csv")[0]["show_id"], fixtures::SHOW);
        assert_eq!(
            world.csv("audiobooks.csv")[0]["audiobook_name"],
            text(&world.truth("audiobooks", fixtures::AUDIOBOOK)["name"])
        );
        assert_eq!(world.new_calls().len(), 5);
    }
}

#[test]
fn episodes_and_chapters_are_complete() {
    for class in CLASSES {
        let job = [
            "market = \"US\"\n".to_owned(),
            by_ids("show_episodes", &[fixtures::SHOW]),
            by_ids("audiobook_chapters", &[fixtures::AUDIOBOOK]),
        ];
        let (world, _) = runs(class(), &job.concat());
        let truth = world.truth("shows", fixtures::SHOW);
        let truth = truth["episodes"].as_array().unwrap();
        let there: Vec<(String, String)> =
            truth.iter().enumerate().filter_map(|(n, id)| Some((n.to_string(), id.as_str()?.to_owned()))).collect();
        let rows = world.csv("show_episodes.csv");
        let got: Vec<(String, String)> =
            rows.iter().map(|r| (r["position"].clone(), r["episode_id"].clone())).collect();
        assert_eq!(got, there);
        let null = truth.iter().position(|id| id.is_null()).unwrap();
        assert_eq!(
            world.rows("SELECT parent_id, position, reason FROM skipped_items"),
            [[fixtures::SHOW.to_owned(), null.to_string(), "null_item".to_owned()]]
        );
        let chapters = world.true_ids("audiobooks", fixtures::AUDIOBOOK, "chapters");
        assert_eq!(world.column("audiobook_chapters.csv", "chapter_id"), chapters);
        assert_eq!(world.new_calls().len(), 6, "two pages each, and the names of the show and the audiobook");
    }
}

#[test]
fn gap_is_limited_to_its_market() {
    let world = World::development().job(&by_ids("shows", &[fixtures::SHOW]));
    world.run(&[]).exits(3).shows("gap_is_limited_to_its_market");
    let world = world.job(&format!("market = \"DE\"\n{}", by_ids("shows", &[fixtures::SHOW])));
    world.run(&[]).exits(0);
    assert_eq!(world.csv("shows.csv").len(), 1);
}

#[test]
fn browse_lists_are_complete() {
    let job = [fetch("new_releases", ""), fetch("categories", ""), fetch("markets", "")].concat();
    let (world, _) = runs(World::extended(), &job);
    assert_eq!(world.csv("new_releases.csv").len(), 100);
    let positions: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(world.column("new_releases.csv", "position"), positions);
    assert!(!world.csv("categories.csv").is_empty());
    assert!(world.column("markets.csv", "market").contains(&"DE".to_owned()));
    let calls = world.new_calls();
    let categories = world.csv("categories.csv").len();
    assert_eq!(calls.len(), 2 + categories.div_ceil(50) + 1, "{calls:?}");
}

#[test]
fn user_playlists_are_listed() {
    let job = by_ids("user_playlists", &[fixtures::CURATOR_USER, "no-such-user"]);
    let world = World::extended().job(&job);
    world.run(&[]).exits(3).shows("user_playlists_are_listed");
    assert!(!world.csv("user_playlists.csv").is_empty());
    assert!(world.column("user_playlists.csv", "profile_id").iter().all(|id| id == fixtures::CURATOR_USER));
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 1, "the unknown user is not requested again within a week");
    assert_eq!(world.one("SELECT count(*) FROM users WHERE id = 'no-such-user'"), "0", "and has no row");
}

#[test]
fn search_results_are_a_log() {
    for (n, class) in CLASSES.iter().enumerate() {
        let job = fetch(
            "search",
            "queries = [\"isrc:QZSBX2600001\", \"year:1990-1999\"]\ntypes = [\"track\"]\nmax_results = 30",
        );
        let (world, _) = runs(class(), &job);
        let rows = world.csv("search.csv");
        assert_eq!(rows[0]["id"], fixtures::PLAIN_TRACK);
        let nineties: Vec<String> =
            rows.iter().filter(|r| r["query"].starts_with("year")).map(|r| r["rank"].clone()).collect();
        assert_eq!(nineties, (1..=30).map(|n| n.to_string()).collect::<Vec<_>>());
        let calls = world.new_calls();
        let refused = calls.iter().filter(|c| n == 1 && !c.contains("limit=10")).count();
        assert!(refused <= 1, "{calls:?}");
        assert_eq!(calls.len() - refused, [2, 4][n], "{calls:?}");
        world.run(&[]).exits(0);
        assert_eq!(world.csv("search.csv").len(), rows.len() * 2, "the log keeps the hits of the first search");
    }
}

#[test]
fn search_ranks_each_type_separately() {
    let job = fetch("search", "query = \"sandbox\"\ntypes = [\"playlist\", \"artist\", \"show\"]\nmax_results = 5");
    let (world, _) = runs(World::extended(), &job);
    for kind in ["playlist", "artist", "show"] {
        let rows = world.csv("search.csv");
        let ranks: Vec<&str> = rows.iter().filter(|r| r["kind"] == kind).map(|r| r["rank"].as_str()).collect();
        let wanted: Vec<String> = (1..=ranks.len()).map(|n| n.to_string()).collect();
        assert_eq!(ranks, wanted, "{kind}");
    }
}

#[test]
fn codes_resolve_to_tracks_and_albums() {
    for class in CLASSES {
        let job = [
            fetch("tracks", "ids = [\"isrc:QZSBX2600001\", \"isrc:ZZZZZ0000000\"]\nrefresh_after = \"30d\""),
            fetch("albums", "ids = [\"upc:0602445790098\"]\nrefresh_after = \"30d\""),
        ];
        let world = class().job(&job.concat());
        world.run(&[]).exits(3).shows("codes_resolve_to_tracks_and_albums");
        assert_eq!(world.column("tracks.csv", "track_id"), [fixtures::PLAIN_TRACK]);
        assert_eq!(world.csv("albums.csv")[0]["upc"], "0602445790098");
        world.new_calls();
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls(), [""; 0], "the ids of the codes are known");
        assert_eq!(world.column("tracks.csv", "track_id"), [fixtures::PLAIN_TRACK]);
    }
}

#[test]
fn dependent_fetch_reads_unknown_rows() {
    for class in CLASSES {
        let job = [
            fetch(
                "artist_albums",
                &format!("name = \"releases\"\nids = [\"{}\"]\ninclude_groups = [\"single\"]", fixtures::BUSY_ARTIST),
            ),
            fetch("albums", "from = \"releases\"\nwhere = \"release_date >= '2010'\""),
            fetch("album_tracks", "from = \"albums\""),
        ];
        let (world, _) = runs(class(), &job.concat());
        let all = world.csv("releases.csv");
        let wanted: Vec<String> =
            all.iter().filter(|r| r["release_date"].as_str() >= "2010").map(|r| r["album_id"].clone()).collect();
        assert!(!wanted.is_empty() && wanted.len() < all.len());
        assert_eq!(world.column("albums.csv", "album_id"), wanted);
        let tracks: Vec<String> = wanted.iter().flat_map(|id| world.true_ids("albums", id, "tracks")).collect();
        assert_eq!(world.column("album_tracks.csv", "track_id"), tracks);
        // The answers about the albums already contained their tracks.
        let calls = world.new_calls();
        assert!(!calls.iter().any(|c| c.contains("/tracks")), "{calls:?}");
        let albums = calls.iter().filter(|c| c.starts_with("/albums/") || c.starts_with("/albums?")).count();
        assert!(albums <= wanted.len() + 1, "{calls:?}");
    }
}

#[test]
fn since_is_the_last_good_start() {
    let job = [
        fetch("artist_albums", &format!("name = \"releases\"\nids = [\"{}\"]", fixtures::BUSY_ARTIST)),
        fetch("albums", "from = \"releases\"\nwhere = \"first_seen_at >= :since\""),
        "[[query]]\ncsv = \"when.csv\"\nsql = \"SELECT :since AS since, :last_run_at AS last, :job AS job\"\n"
            .to_owned(),
    ];
    let (world, _) = runs(World::extended(), &job.concat());
    assert_eq!(world.csv("when.csv")[0]["since"], "1970-01-01T00:00:00.000Z");
    assert!(!world.csv("albums.csv").is_empty());
    world.run(&[]).exits(0);
    let began = world.one("SELECT started_at FROM runs WHERE id = 1");
    let row = &world.csv("when.csv")[0];
    assert_eq!((&row["since"], &row["last"], row["job"].as_str()), (&began, &began, "x"));
}

#[test]
fn query_sees_fetches_as_tables() {
    let job = [
        fetch("playlist_items", &format!("name = \"items\"\nids = [\"{}\"]", fixtures::EDGE_CASE_PLAYLIST)),
        "[[query]]\ncsv = \"kinds.csv\"\nsql = \"SELECT kind, count(*) AS n FROM items GROUP BY kind ORDER BY kind\"\n"
            .to_owned(),
    ];
    let (world, _) = runs(World::extended(), &job.concat());
    let rows = world.sandbox.catalog().expected_rows(fixtures::EDGE_CASE_PLAYLIST).unwrap();
    for row in world.csv("kinds.csv") {
        assert_eq!(row["n"], rows.iter().filter(|r| r.kind == row["kind"]).count().to_string());
    }
}

#[test]
fn ids_come_from_spreadsheets() {
    let world = World::extended();
    let file = format!("\u{feff}name;uri\r\nPlain;spotify:track:{}\r\n", fixtures::PLAIN_TRACK);
    world.project.write("jobs/list.csv", file);
    let (world, _) = runs(world, &fetch("tracks", "ids_file = \"list.csv\""));
    assert_eq!(world.column("tracks.csv", "track_id"), [fixtures::PLAIN_TRACK]);
}

#[test]
fn unknown_id_becomes_a_known_gap() {
    for class in CLASSES {
        let unknown = "0000000000000000000000";
        let world = class().job(&by_ids("albums", &[fixtures::EDGE_CASE_ALBUM, unknown]));
        world.run(&[]).exits(3).shows("unknown_id_becomes_a_known_gap");
        assert_eq!(world.csv("albums.csv").len(), 1);
        assert_eq!(world.one("SELECT reason FROM known_gaps"), "not_found");
        world.new_calls();
        world.run(&[]).exits(0).shows("unknown_id_becomes_a_known_gap_2");
        assert!(!world.new_calls().iter().any(|call| call.contains(unknown)));
        assert_eq!(world.one("SELECT count(*) FROM skipped_items WHERE run_id = 2 AND known_gap = 1"), "1");
        let week = "UPDATE known_gaps SET checked_at = '2020-01-01T00:00:00.000Z'";
        rusqlite::Connection::open(world.database()).unwrap().execute_batch(week).unwrap();
        world.run(&[]).exits(0);
        assert!(
            world.new_calls().iter().any(|call| call.contains(unknown)),
            "the unknown id is requested again after a week"
        );
    }
}

//! Every stream that needs no user, in both app classes, against the sandbox's own truth, and the
//! calls that it costs.

use spotify_sandbox::known;

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
fn the_tracks_of_an_album_are_those_of_the_album_in_order() {
    for (n, class) in CLASSES.iter().enumerate() {
        let albums = [known::LONG_ALBUM, known::ODD_ALBUM];
        let (world, _) = runs(class(), &by_ids("album_tracks", &albums));
        let truth: Vec<String> = albums.iter().flat_map(|id| world.true_ids("albums", id, "tracks")).collect();
        assert_eq!(world.column("album_tracks.csv", "track_id"), truth);
        assert_eq!(world.column("album_tracks.csv", "position")[119], "119");
        // Extended: one batch and two pages; else a try at a batch, two albums, two pages.
        let calls = world.new_calls();
        assert_eq!(calls.len(), [3, 5][n], "{calls:?}");
        assert!(calls.last().unwrap().contains("limit=50&offset=100"), "{calls:?}");
        assert_eq!(world.one("SELECT count(*) FROM checkpoints"), "0");
        assert_eq!(world.one("SELECT count(*) FROM staged_items"), "0");
    }
}

#[test]
fn albums_come_in_batches_or_one_by_one_with_what_the_class_sees() {
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
fn artists_are_read_and_fresh_ones_are_not_read_again() {
    for class in CLASSES {
        let ids = [known::BUSY_ARTIST, known::SEMICOLON_ARTIST];
        let job = fetch("artists", &format!("ids = {ids:?}\nrefresh_after = \"7d\""));
        let (world, _) = runs(class(), &job);
        for (row, id) in world.csv("artists.csv").iter().zip(ids) {
            assert_eq!(
                (&row["artist_id"], &row["artist_name"]),
                (&id.to_owned(), &text(&world.truth("artists", id)["name"]))
            );
        }
        world.new_calls();
        world.run(&[]).exits(0).says("0 of 2 read");
        assert_eq!(world.new_calls().len(), 0);
        world.run(&["--full"]).exits(0);
        assert_ne!(world.new_calls().len(), 0);
    }
}

#[test]
fn an_id_that_is_named_twice_is_read_and_shown_once() {
    for class in CLASSES {
        let id = known::PLAIN_TRACK;
        let job = fetch("tracks", &format!("ids = [\"{id}\", \"spotify:track:{id}\"]"));
        let (world, _) = runs(class(), &job);
        assert_eq!(world.new_calls().len(), 1);
        assert_eq!(world.csv("tracks.csv").len(), 1);
    }
}

#[test]
fn a_discography_is_whole_in_each_group_and_knows_the_group_in_either_class() {
    for (n, class) in CLASSES.iter().enumerate() {
        let groups = ["album", "single", "compilation", "appears_on"];
        let job = fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = {groups:?}", known::BUSY_ARTIST));
        let (world, _) = runs(class(), &job);
        let rows = world.csv("artist_albums.csv");
        for group in groups {
            let got: Vec<String> =
                rows.iter().filter(|r| r["album_group"] == group).map(|r| r["album_id"].clone()).collect();
            assert_eq!(got, world.true_ids("artists", known::BUSY_ARTIST, group), "{group}");
        }
        let page = [50, 10][n];
        let pages: usize =
            groups.iter().map(|g| world.true_ids("artists", known::BUSY_ARTIST, g).len().div_ceil(page).max(1)).sum();
        let calls = world.new_calls();
        let refused = calls.iter().filter(|c| n == 1 && c.contains("limit=50")).count();
        assert!(refused <= 1, "a page of 50 is tried once: {calls:?}");
        assert_eq!(calls.len() - refused, pages, "{calls:?}");
    }
}

#[test]
fn top_tracks_come_with_their_rank_in_extended_quota_and_cost_one_call_in_development_mode() {
    let job = by_ids("artist_top_tracks", &[known::BUSY_ARTIST, known::SEMICOLON_ARTIST]);
    let (world, _) = runs(World::extended(), &job);
    assert_eq!(world.new_calls().len(), 2);
    let ranks = world.column("artist_top_tracks.csv", "rank");
    assert_eq!(ranks.first().map(String::as_str), Some("1"));
    assert!(world.csv("artist_top_tracks.csv").iter().any(|row| row["artist_id"] == known::SEMICOLON_ARTIST));
    let more = format!("{job}\n{}", by_ids("artists", &[known::BUSY_ARTIST]));
    let world = World::development().job(&more);
    world.run(&[]).exits(3).says("this class of app does not have the endpoint").says("Forbidden");
    let calls = world.new_calls();
    assert_eq!(calls.len(), 2, "one refusal, and the other fetch goes on: {calls:?}");
    assert_eq!(world.csv("artists.csv").len(), 1);
    world.run(&[]).exits(3).says("nothing was sent");
    assert_eq!(world.new_calls().len(), 0, "what was learned costs no call");
}

#[test]
fn tracks_by_id_have_their_isrc_in_either_class() {
    for class in CLASSES {
        let world = class();
        let ids: Vec<String> = ids_of(&world, "tracks").into_iter().take(5).collect();
        let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        ids.insert(0, known::PLAIN_TRACK);
        ids.dedup();
        let (world, _) = runs(world, &by_ids("tracks", &ids));
        assert_eq!(world.column("tracks.csv", "track_id"), ids);
        assert_eq!(world.csv("tracks.csv")[0]["isrc"], "QZSBX2600001");
    }
}

#[test]
fn a_track_that_answers_under_another_id_is_in_the_csv_and_is_not_asked_for_again() {
    for class in CLASSES {
        let ids = [known::RELINKED_TRACK, known::PLAIN_TRACK];
        let job = format!("market = \"DE\"\n{}", fetch("tracks", &format!("ids = {ids:?}\nrefresh_after = \"7d\"")));
        let (world, _) = runs(class(), &job);
        let shown = world.column("tracks.csv", "track_id");
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert_ne!(shown[0], known::RELINKED_TRACK);
        assert_eq!(shown[1], known::PLAIN_TRACK);
        let origin = format!("SELECT linked_from FROM track_markets WHERE track_id = '{}'", shown[0]);
        assert_eq!(world.one(&origin), known::RELINKED_TRACK);
        world.new_calls();
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls().len(), 0);
        assert_eq!(world.column("tracks.csv", "track_id"), shown);
    }
}

#[test]
fn playlists_shows_episodes_audiobooks_come_by_id() {
    for class in CLASSES {
        let job = [
            "market = \"US\"\n".to_owned(),
            by_ids("playlists", &[known::ODD_PLAYLIST, known::HOME_PLAYLIST]),
            by_ids("shows", &[known::SHOW]),
            by_ids("episodes", &[known::EPISODE]),
            by_ids("audiobooks", &[known::AUDIOBOOK]),
        ];
        let (world, _) = runs(class(), &job.concat());
        assert_eq!(world.column("playlists.csv", "playlist_id"), [known::ODD_PLAYLIST, known::HOME_PLAYLIST]);
        assert_eq!(world.csv("shows.csv")[0]["show_name"], text(&world.truth("shows", known::SHOW)["name"]));
        assert_eq!(world.csv("episodes.csv")[0]["show_id"], known::SHOW);
        assert_eq!(
            world.csv("audiobooks.csv")[0]["audiobook_name"],
            text(&world.truth("audiobooks", known::AUDIOBOOK)["name"])
        );
        assert_eq!(world.new_calls().len(), 5);
    }
}

#[test]
fn episodes_of_a_show_and_chapters_of_a_book_are_whole_and_a_null_one_is_noted() {
    for class in CLASSES {
        let job = [
            "market = \"US\"\n".to_owned(),
            by_ids("show_episodes", &[known::SHOW]),
            by_ids("audiobook_chapters", &[known::AUDIOBOOK]),
        ];
        let (world, _) = runs(class(), &job.concat());
        let truth = world.truth("shows", known::SHOW);
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
            [[known::SHOW.to_owned(), null.to_string(), "null_item".to_owned()]]
        );
        let chapters = world.true_ids("audiobooks", known::AUDIOBOOK, "chapters");
        assert_eq!(world.column("audiobook_chapters.csv", "chapter_id"), chapters);
        assert_eq!(world.new_calls().len(), 4);
    }
}

#[test]
fn a_gap_in_one_market_is_none_in_another() {
    let world = World::development().job(&by_ids("shows", &[known::SHOW]));
    world.run(&[]).exits(3).says(known::SHOW).says("not found");
    let world = world.job(&format!("market = \"DE\"\n{}", by_ids("shows", &[known::SHOW])));
    world.run(&[]).exits(0);
    assert_eq!(world.csv("shows.csv").len(), 1);
}

#[test]
fn browse_lists_are_whole_in_extended_quota() {
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
fn the_playlists_of_a_user_are_listed_and_an_unknown_user_is_a_gap() {
    let job = by_ids("user_playlists", &[known::CURATOR, "nobody-of-this-name"]);
    let world = World::extended().job(&job);
    world.run(&[]).exits(3).says("nobody-of-this-name: user_playlists: not found");
    assert!(!world.csv("user_playlists.csv").is_empty());
    assert!(world.column("user_playlists.csv", "profile_id").iter().all(|id| id == known::CURATOR));
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 1, "the unknown user is not asked for within a week");
    assert_eq!(world.one("SELECT count(*) FROM users WHERE id = 'nobody-of-this-name'"), "0", "and has no row");
}

#[test]
fn a_search_is_a_log_and_finds_what_the_catalog_holds() {
    for (n, class) in CLASSES.iter().enumerate() {
        let job = fetch(
            "search",
            "queries = [\"isrc:QZSBX2600001\", \"year:1990-1999\"]\ntypes = [\"track\"]\nmax_results = 30",
        );
        let (world, _) = runs(class(), &job);
        let rows = world.csv("search.csv");
        assert_eq!(rows[0]["id"], known::PLAIN_TRACK);
        let nineties: Vec<String> =
            rows.iter().filter(|r| r["query"].starts_with("year")).map(|r| r["rank"].clone()).collect();
        assert_eq!(nineties, (1..=30).map(|n| n.to_string()).collect::<Vec<_>>());
        let calls = world.new_calls();
        let refused = calls.iter().filter(|c| n == 1 && !c.contains("limit=10")).count();
        assert!(refused <= 1, "{calls:?}");
        assert_eq!(calls.len() - refused, [2, 4][n], "{calls:?}");
        world.run(&[]).exits(0);
        assert_eq!(world.csv("search.csv").len(), rows.len() * 2, "a log keeps what was found before");
    }
}

#[test]
fn a_search_for_several_types_ranks_each_by_itself() {
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
fn codes_mean_tracks_and_albums_and_an_unknown_code_is_a_gap_with_its_name() {
    for class in CLASSES {
        let job = [
            fetch("tracks", "ids = [\"isrc:QZSBX2600001\", \"isrc:ZZZZZ0000000\"]\nrefresh_after = \"30d\""),
            fetch("albums", "ids = [\"upc:0602445790098\"]\nrefresh_after = \"30d\""),
        ];
        let world = class().job(&job.concat());
        world.run(&[]).exits(3).says("isrc:ZZZZZ0000000");
        assert_eq!(world.column("tracks.csv", "track_id"), [known::PLAIN_TRACK]);
        assert_eq!(world.csv("albums.csv")[0]["upc"], "0602445790098");
        world.new_calls();
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls(), [""; 0], "what a code means is known");
        assert_eq!(world.column("tracks.csv", "track_id"), [known::PLAIN_TRACK]);
    }
}

#[test]
fn a_fetch_goes_by_the_rows_of_another_and_asks_for_what_it_does_not_know() {
    for class in CLASSES {
        let job = [
            fetch(
                "artist_albums",
                &format!("name = \"releases\"\nids = [\"{}\"]\ninclude_groups = [\"single\"]", known::BUSY_ARTIST),
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
        // The answers about the albums held their tracks too.
        let calls = world.new_calls();
        assert!(!calls.iter().any(|c| c.contains("/tracks")), "{calls:?}");
        let albums = calls.iter().filter(|c| c.starts_with("/albums/") || c.starts_with("/albums?")).count();
        assert!(albums <= wanted.len() + 1, "{calls:?}");
    }
}

#[test]
fn since_is_the_start_of_the_last_good_run() {
    let job = [
        fetch("artist_albums", &format!("name = \"releases\"\nids = [\"{}\"]", known::BUSY_ARTIST)),
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
fn a_query_sees_the_fetches_of_its_job_as_tables() {
    let job = [
        fetch("playlist_items", &format!("name = \"items\"\nids = [\"{}\"]", known::ODD_PLAYLIST)),
        "[[query]]\ncsv = \"kinds.csv\"\nsql = \"SELECT kind, count(*) AS n FROM items GROUP BY kind ORDER BY kind\"\n"
            .to_owned(),
    ];
    let (world, _) = runs(World::extended(), &job.concat());
    let rows = world.sandbox.catalog().playlist_rows(known::ODD_PLAYLIST).unwrap();
    for row in world.csv("kinds.csv") {
        assert_eq!(row["n"], rows.iter().filter(|r| r.kind == row["kind"]).count().to_string());
    }
}

#[test]
fn ids_come_from_what_spreadsheets_write() {
    let world = World::extended();
    let file = format!("\u{feff}name;uri\r\nPlain;spotify:track:{}\r\n", known::PLAIN_TRACK);
    world.project.write("jobs/list.csv", file);
    let (world, _) = runs(world, &fetch("tracks", "ids_file = \"list.csv\""));
    assert_eq!(world.column("tracks.csv", "track_id"), [known::PLAIN_TRACK]);
}

#[test]
fn an_unknown_id_is_partial_once_then_a_known_gap_and_looked_at_again_weekly() {
    for class in CLASSES {
        let unknown = "0000000000000000000000";
        let world = class().job(&by_ids("albums", &[known::ODD_ALBUM, unknown]));
        world.run(&[]).exits(3).says(unknown).says("not found");
        assert_eq!(world.csv("albums.csv").len(), 1);
        assert_eq!(world.one("SELECT reason FROM known_gaps"), "not_found");
        world.new_calls();
        world.run(&[]).exits(0).says("1 noted in skipped_items");
        assert!(!world.new_calls().iter().any(|call| call.contains(unknown)));
        assert_eq!(world.one("SELECT count(*) FROM skipped_items WHERE run_id = 2 AND known_gap = 1"), "1");
        let week = "UPDATE known_gaps SET checked_at = '2020-01-01T00:00:00.000Z'";
        rusqlite::Connection::open(world.database()).unwrap().execute_batch(week).unwrap();
        world.run(&[]).exits(0);
        assert!(world.new_calls().iter().any(|call| call.contains(unknown)), "looked at again after a week");
    }
}

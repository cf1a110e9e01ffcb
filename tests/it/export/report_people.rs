//! Pages of jobs with users, and sections that need asking or a market.

use rusqlite::Connection;
use spotify_sandbox::fixtures;

use super::report_pages::text;
use crate::support::world::{World, by_ids, fetch};
use crate::sync::users::signed_in;

fn page(world: &World, name: &str) -> String {
    String::from_utf8(world.csv_bytes(name)).unwrap()
}

fn sections(page: &str) -> Vec<&str> {
    page.split("<section id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect()
}

const USERS: [(&str, &str); 2] = [("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)];

#[test]
fn each_user_has_a_page() {
    let query = "[[query]]\ncsv = \"mine-{user}.csv\"\nsql = \"SELECT track_name FROM saved_tracks WHERE :user_id IS NOT NULL ORDER BY 1\"\n";
    let chart = "[[chart]]\ntitle = \"Saved\"\nkind = \"table\"\nsql = \"SELECT count(*) AS y, 'all' AS x FROM saved_tracks ORDER BY 1\"\n";
    let job = "users = [\"home\", \"studio\"]\n".to_owned()
        + &fetch("saved_tracks", "")
        + &fetch("my_playlists", "")
        + query
        + "[report]\n"
        + chart;
    let world = signed_in(World::extended().job(&job), &USERS);
    world.run(&[]).exits(0);
    assert!(!world.csv_path("report.html").exists());
    for (name, id) in USERS {
        let page = page(&world, &format!("report-{name}.html"));
        assert!(page.contains(&format!("with data of the user {name}")), "{}", text(&page));
        assert_eq!(sections(&page), ["chart-1", "codes", "fetches", "queries"]);
        assert!(page.contains(&format!("mine-{name}.csv")) && !page.contains("mine-{user}"));
        let saved = "SELECT count(*) FROM saved_tracks s JOIN lists l ON l.id = s.list_id";
        let tracks = world.one(&format!("{saved} WHERE l.audience = '{id}' AND s.removed_at IS NULL"));
        assert!(text(&page).contains(&format!("| all | {tracks} |")), "{tracks}: {}", text(&page));
        let other = USERS.iter().find(|(other, _)| *other != name).unwrap();
        assert!(!page.contains(other.1) && !page.contains(&format!(" {}", other.0)), "{}", text(&page));
    }
    let overview = std::fs::read_to_string(world.project.root().join("output/csv/index.html")).unwrap();
    assert!(!overview.contains("studio") && !overview.contains("report-"), "{}", text(&overview));
    world.cli(&["verify"]).exits(0);
    world.cli(&["auth", "logout", "studio", "--purge"]);
    assert!(!world.csv_path("report-studio.html").exists() && world.csv_path("report-home.html").exists());
    world.cli(&["verify"]).exits(0);
}

#[test]
fn page_of_one_user_goes_when_others_join() {
    let job = |users: &str| format!("{users}\n{}[report]\n", fetch("saved_tracks", ""));
    let world = signed_in(World::extended().job(&job("user = \"home\"")), &USERS);
    world.run(&[]).exits(0);
    assert!(world.csv_path("report.html").exists());
    world.project.write("jobs/x.toml", job("users = [\"home\", \"studio\"]"));
    world.run(&[]).exits(0);
    assert!(!world.csv_path("report.html").exists(), "it shows the rows of both");
    assert!(world.csv_path("report-home.html").exists() && world.csv_path("report-studio.html").exists());
    world.cli(&["verify"]).exits(0);
    world.project.write("jobs/x.toml", job("user = \"home\""));
    world.run(&[]).exits(0);
    assert!(world.csv_path("report.html").exists() && !world.csv_path("report-studio.html").exists());
    world.cli(&["verify"]).exits(0);
}

#[test]
fn requested_page_of_one_user_goes_when_others_join() {
    let job = |users: &str| format!("{users}\n{}", fetch("saved_tracks", ""));
    let world = signed_in(World::extended().job(&job("user = \"home\"")), &USERS);
    world.run(&[]).exits(0);
    world.cli(&["report", "x"]).exits(0);
    world.run(&[]).exits(0);
    assert!(world.csv_path("report.html").exists(), "runs leave a page that was asked for");
    world.project.write("jobs/x.toml", job("users = [\"home\", \"studio\"]"));
    world.run(&[]).exits(0);
    assert!(!world.csv_path("report.html").exists(), "it shows the rows of one user as those of the job");
    world.cli(&["report", "x"]).exits(0);
    world.run(&[]).exits(0);
    assert!(world.csv_path("report-home.html").exists() && world.csv_path("report-studio.html").exists());
    world.cli(&["verify"]).exits(0);
}

#[test]
fn people_are_named_on_request() {
    let job =
        |more: &str| format!("user = \"studio\"\n{}[report]\nsince = \"30d\"\n{more}", fetch("my_playlist_items", ""));
    let world = signed_in(World::extended().job(&job("")), &USERS[1..]);
    world.run(&[]).exits(0);
    let playlist = &world.column("my_playlist_items.csv", "playlist_id")[0];
    let remove = serde_json::json!({"do": "remove", "playlist": playlist, "position": 1, "count": 2});
    world.sandbox.catalog().edit(serde_json::from_value(remove).unwrap()).unwrap();
    world.run(&[]).exits(0);
    let owners = world.rows(
        "SELECT DISTINCT coalesce(u.display_name, p.owner_id) FROM playlists p LEFT JOIN users u ON u.id = p.owner_id
        JOIN my_playlists m ON m.playlist_id = p.id",
    );
    let overview = || std::fs::read_to_string(world.project.root().join("output/csv/index.html")).unwrap();
    let shown = text(&page(&world, "report.html"));
    assert!(!shown.contains("owner") && !shown.contains("added by") && !overview().contains("studio"), "{shown}");
    world.project.write("jobs/x.toml", job("people = true\n"));
    world.cli(&["export"]).exits(0);
    let shown = text(&page(&world, "report.html"));
    assert!(shown.contains("| versions | owner |"), "{shown}");
    assert!(owners.iter().all(|owner| shown.contains(&owner[0].replace('"', "&#34;"))), "{owners:?}: {shown}");
    assert!(overview().contains(">studio<"), "{}", text(&overview()));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn markets_are_those_of_the_job() {
    let list = by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]);
    let world = World::extended().job(&format!("market = \"DE\"\n{list}[report]\n"));
    world.run(&[]);
    let count = |playable: &str| {
        let sql =
            "SELECT count(DISTINCT i.track_id) FROM playlist_items i JOIN track_markets m ON m.track_id = i.track_id";
        world.one(&format!("{sql} WHERE m.market = 'DE' AND m.is_playable IS {playable}"))
    };
    let shown = text(&page(&world, "report.html"));
    let row = format!("| DE | {} | {} | {} |", count("1"), count("0"), count("NULL"));
    assert!(shown.contains(&row), "{row}: {shown}");
    // Without a market there is nothing to say.
    world.project.write("jobs/x.toml", format!("{list}[report]\n"));
    world.run(&[]);
    assert!(!sections(&page(&world, "report.html")).contains(&"markets"));
}

#[test]
fn metrics_are_drawn_over_time() {
    let world = World::extended().job(&(by_ids("artists", &[fixtures::SEMICOLON_ARTIST]) + "[report]\n"));
    world.run(&[]).exits(0);
    let shown = text(&page(&world, "report.html"));
    assert!(shown.contains("Nothing has changed for 1 item."), "{shown}");
    let followers: i64 = world.one("SELECT followers FROM metrics").parse().unwrap();
    let store = Connection::open(world.database()).unwrap();
    for (day, less) in [("2025-01-01", 30), ("2025-02-01", 10)] {
        let sql = "INSERT INTO metrics (kind, id, day, followers, popularity) SELECT kind, id, ?1, followers - ?2, popularity FROM metrics WHERE day > '2026'";
        assert_eq!(store.execute(sql, rusqlite::params![day, less]).unwrap(), 1);
    }
    drop(store);
    std::fs::remove_file(world.csv_path("report.html")).unwrap();
    world.cli(&["report"]).exits(0);
    let found = page(&world, "report.html");
    assert!(text(&found).contains("1 of 1 item changed."), "{}", text(&found));
    assert!(text(&found).contains("| +30 |"), "{}", text(&found));
    assert_eq!(found.matches("class=\"line\"").count(), 1);
    assert!(followers > 30);
}

#[test]
fn ranks_are_shown_only_if_named() {
    let job = |more: &str| format!("user = \"studio\"\n{}[report]\n{more}", fetch("top_artists", ""));
    let world = signed_in(World::extended().job(&job("")), &USERS[1..]);
    world.run(&[]).exits(0);
    assert!(!sections(&page(&world, "report.html")).contains(&"tops"));
    world.project.write("jobs/x.toml", job("sections = [\"tops\"]\n"));
    world.cli(&["export"]).exits(0);
    let found = page(&world, "report.html");
    assert_eq!(sections(&found), ["tops"]);
    let first = world.one("SELECT a.name FROM top_items t JOIN artists a ON a.id = t.item_id WHERE t.rank = 1 LIMIT 1");
    assert!(text(&found).contains(&format!("{first} | 1 |")), "{first}: {}", text(&found));
}

#[test]
fn logo_is_embedded_unchanged() {
    let world = World::extended().job(&(by_ids("artists", &[fixtures::SEMICOLON_ARTIST]) + "[report]\n"));
    world.cli(&["check"]).exits(0);
    let said = world.cli(&["check"]).exits(0).stdout;
    assert!(said.contains("set `report.logo` to show its logo"), "{said}");
    let world = world.settings("[report]\nlogo = \"brand/logo.svg\"\nlogo_dark = \"brand/dark.txt\"");
    world.project.write("brand/dark.txt", "no image");
    let line = std::fs::read_to_string(world.project.root().join("config/cratedigger.toml")).unwrap();
    let line = line.lines().position(|line| line.starts_with("logo =")).unwrap() + 1;
    let checked = world.cli(&["check"]).exits(2);
    assert!(checked.stderr.contains(&format!("config/cratedigger.toml:{line}")), "{}", checked.stderr);
    assert!(checked.stderr.contains("it is neither an SVG nor a PNG"), "{}", checked.stderr);
    world.run(&[]).exits(0).says("brand/logo.svg").says("the pages are written without it");
    assert!(!page(&world, "report.html").contains("<img"));
    world.project.write("brand/logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    world.project.write("brand/dark.txt", "<svg xmlns=\"http://www.w3.org/2000/svg\"><g/></svg>");
    world.cli(&["check"]).exits(0);
    world.cli(&["export"]).exits(0);
    let found = page(&world, "report.html");
    assert!(found.contains("img-src data:;") && found.matches("src=\"data:image/svg+xml;base64,").count() == 2);
    assert!(found.contains("Data from <a href=\"https://open.spotify.com/\""));
    world.cli(&["verify"]).exits(0);
}

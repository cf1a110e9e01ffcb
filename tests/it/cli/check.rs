//! What `check` reports about wrong job files and correct ones.

use crate::support::project::{Project, stderr, stdout};
use crate::support::snapshot::{Cases, assert_text};
use cratedigger::document::KeySpec;
use cratedigger::job::keys;

const ARTIST: &str = "4Z8W4fKeB5YxbbsqsVdVSj";

#[test]
fn error_shows_place_and_nearest_name() {
    let project = Project::with_job(
        "shedule = \"15 6 * * *\"\n\n[[fetch]]\nstream = \"artist\"\nids = [\"spotify:track:4aawyAB9vmqN3uQ7FjRGTy\"]\n",
    );
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert_text("misspelt_names", &said);
}

/// A key with two letters swapped. Where that changes nothing, the last letter is left out.
fn misspelt(key: &str) -> String {
    let mut letters: Vec<char> = key.chars().collect();
    let at = letters.len() - 2;
    letters.swap(at, at + 1);
    let swapped: String = letters.iter().collect();
    if swapped == key { key[..key.len() - 1].to_owned() } else { swapped }
}

fn each_misspelt(head: &str, keys: &[KeySpec]) {
    // Only the first 20 problems of a file are listed.
    for keys in keys.chunks(15) {
        let mut text = head.to_owned();
        let first = text.lines().count() + 1;
        for key in keys {
            text.push_str(&format!("  {} = 1\n", misspelt(key.name)));
        }
        let project = Project::with_job(&text);
        let (exit, said) = project.check();
        assert_eq!(exit, 2);
        for (at, key) in keys.iter().enumerate() {
            let line = first + at;
            let place = format!("jobs/x.toml:{line}:3\n");
            let report = said
                .split("\n\n")
                .find(|r| r.contains(&place))
                .unwrap_or_else(|| panic!("{}: nothing at {place}: {said}", key.name));
            assert!(report.contains(&format!("unknown key `{}`", misspelt(key.name))), "{report}");
            assert!(report.contains("did you mean") && report.contains(&format!("`{}`", key.name)), "{report}");
        }
    }
}

#[test]
fn each_misspelt_key_gets_the_right_name() {
    each_misspelt("", keys::JOB);
    each_misspelt(&format!("[[fetch]]\nstream = \"artists\"\nids = [\"{ARTIST}\"]\n"), keys::FETCH);
    each_misspelt("[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT 1 ORDER BY 1\"\n", keys::QUERY);
    each_misspelt("[csv_options]\n", cratedigger::settings::keys::CSV);
}

/// Wrong job files, named after their problem.
const WRONG: &[(&str, &str)] = &[
    ("the job file is empty", ""),
    ("the job file is empty 2", "# only a comment\n"),
    ("neither fetches nor asks anything", "description = \"x\"\n"),
    ("invalid basic string", "description = \"x\n"),
    ("duplicate key", "a = 1\na = 2\n"),
    ("a is listed twice", "users = [\"a\", \"a\"]\n"),
    ("write users home", "users = \"home\"\n"),
    ("both user and users", "user = \"a\"\nusers = [\"b\"]\n"),
    ("users", "user = \"*\"\n"),
    ("write 50 without quotes", "max_calls = \"50\"\n"),
    ("found a number with a", "max_calls = 5.0\n"),
    ("found true", "max_calls = true\n"),
    ("1 is out of range", "max_calls = -1\n"),
    ("out of range", "max_calls = 99999999999999999999\n"),
    ("did you mean 15 6", "schedule = \"0 15 6 * * *\"\n"),
    ("is in no calendar", "schedule = \"0 0 30 2 *\"\n"),
    ("europe berlin", "timezone = \"Europe/Berln\"\n"),
    ("write it in capitals de", "market = \"de\"\n"),
    ("neither a length of time", "since = \"yesterday\"\n"),
    ("is no length of time", "grace = \"1h30m\"\n"),
    ("expected a table", "csv_options = 3\n"),
    ("double brackets", "[fetch]\nstream = \"markets\"\n"),
    ("excel", "[csv_options]\nprofile = \"exel\"\n"),
    ("cannot separate cells", "[csv_options]\ndelimiter = \"ab\"\n"),
    ("has no stream", "[[fetch]]\nname = \"x\"\n"),
    ("artists needs ids of artists", "[[fetch]]\nstream = \"artists\"\n"),
    ("needs something to search for", "[[fetch]]\nstream = \"search\"\n"),
    ("needs a signed in user", "[[fetch]]\nstream = \"saved_tracks\"\n"),
    ("markets takes no ids", "[[fetch]]\nstream = \"markets\"\nids = [\"x\"]\n"),
    ("where without from", "[[fetch]]\nstream = \"markets\"\nwhere = \"1\"\n"),
    ("types is no key of", "[[fetch]]\nstream = \"markets\"\ntypes = [\"track\"]\n"),
    ("did you mean market", "[[fetch]]\nstream = \"markets\"\ncolumns = [\"markte\"]\n"),
    ("album tracks has one", "[[fetch]]\nstream = \"markets\"\ncolumns = [\"isrc\"]\n"),
    ("is listed twice", "[[fetch]]\nstream = \"markets\"\ncolumns = [\"market\", \"market\"]\n"),
    ("the list is empty", "[[fetch]]\nstream = \"markets\"\ncolumns = []\n"),
    ("leads out of the job", "[[fetch]]\nstream = \"markets\"\ncsv = \"../m.csv\"\n"),
    ("leads out of the job 2", "[[fetch]]\nstream = \"markets\"\ncsv = \"/etc/m.csv\"\n"),
    ("windows reserves", "[[fetch]]\nstream = \"markets\"\ncsv = \"NUL.csv\"\n"),
    ("expected a file name", "[[fetch]]\nstream = \"markets\"\ncsv = true\n"),
    ("has no meaning here", "[[fetch]]\nstream = \"markets\"\ncsv = \"{user}.csv\"\n"),
    ("did you mean date", "[[fetch]]\nstream = \"markets\"\ncsv = \"{dat}.csv\"\n"),
    ("begins like a view", "[[fetch]]\nstream = \"markets\"\nname = \"csv_x\"\n"),
    ("a second fetch named markets", "[[fetch]]\nstream = \"markets\"\n[[fetch]]\nstream = \"markets\"\n"),
    (
        "also written by fetch markets",
        "[[fetch]]\nstream = \"markets\"\n[[fetch]]\nstream = \"categories\"\ncsv = \"Markets.csv\"\n",
    ),
    (
        "also written by fetch markets 2",
        "[[fetch]]\nstream = \"markets\"\n[[query]]\ncsv = \"markets.csv\"\nsql = \"SELECT 1 ORDER BY 1\"\n",
    ),
    ("takes from itself", "[[fetch]]\nstream = \"albums\"\nfrom = \"albums\"\n"),
    (
        "rel is defined below",
        "[[fetch]]\nstream = \"albums\"\nfrom = \"rel\"\n[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n",
    ),
    (
        "did you mean rel",
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"albums\"\nfrom = \"rell\"\n",
    ),
    (
        "the rows of new releases",
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"shows\"\nfrom = \"rel\"\n",
    ),
    (
        "did you mean release date",
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"albums\"\nfrom = \"rel\"\nwhere = \"relese_date > 1\"\n",
    ),
    (
        "what follows where",
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"albums\"\nfrom = \"rel\"\nwhere = \"WHERE 1\"\n",
    ),
    ("21 characters where an id", "[[fetch]]\nstream = \"artists\"\nids = [\"4Z8W4fKeB5YxbbsqsVdVS\"]\n"),
    (
        "this is an album not",
        "[[fetch]]\nstream = \"artists\"\nids = [\"https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy\"]\n",
    ),
    ("cannot be read", "[[fetch]]\nstream = \"artists\"\nids_file = \"gone.csv\"\n"),
    ("has no sql", "[[query]]\ncsv = \"a.csv\"\n"),
    ("not a select", "[[query]]\ncsv = \"a.csv\"\nsql = \"DELETE FROM tracks\"\n"),
    ("one statement only", "[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT 1; SELECT 2\"\n"),
    ("did you mean since", "[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT :sinc\"\n"),
    ("the text is empty", "[[query]]\ncsv = \"a.csv\"\nsql = \"\"\n"),
];

#[test]
fn wrong_job_files_are_reported_in_place() {
    let project = Project::new();
    let mut cases = Cases::new();
    for (at, (name, text)) in WRONG.iter().enumerate() {
        project.write(&format!("p{at}/jobs/x.toml"), text);
        let output = project.run(&["check", "--project", &format!("p{at}")]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        cases.add(name, &stderr(&output).replace(&format!("p{at}/"), ""));
    }
    cases.assert_text("wrong_job_files");
}

#[test]
fn all_problems_are_reported_at_once() {
    let project =
        Project::with_job("shedule = 1\n[[fetch]]\nstream = \"artists\"\nids = [\"x\", \"y\"]\ncolums = []\n");
    project.write("jobs/y.toml", "[[query]]\n");
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert_text("all_problems", &said);
}

#[test]
fn broken_syntax_hides_no_other_problem() {
    let (_, said) = Project::with_job("shedule = \"@daily\"\nmarket = DE\n[[fetch]]\nstream = \"artits\"\n").check();
    assert_text("broken_syntax", &said);
}

#[test]
fn secret_in_a_job_is_refused_and_hidden() {
    let secret = "0123456789abcdef0123456789abcdef";
    let project = Project::with_job(&format!(
        "client_secret = \"{secret}\"\ndescription = \"{secret}\" x\nmarket = \"{secret}\"\n"
    ));
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert!(!said.contains("0123"), "{said}");
    assert_text("secret_in_a_job", &said);
    let json = stdout(&project.run(&["check", "--json"]));
    assert!(!json.contains("0123"), "{json}");
}

#[test]
fn escape_sequences_are_not_printed() {
    let (_, said) = Project::with_job("market = \"\\u001b[31mX\"\n# \u{1b}[2J\n\"\\u001b[0m\" = 1\n").check();
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn colours_need_a_terminal() {
    let (_, said) = Project::with_job("x = 1\n").check();
    assert!(!said.contains('\u{1b}'));
}

#[test]
fn only_named_jobs_are_read() {
    let project = Project::with_job("broken = 1\n");
    project.write("jobs/good.toml", "[[fetch]]\nstream = \"markets\"\n");
    let output = project.run(&["check", "good"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_text("named_job", &stdout(&output));
    let output = project.run(&["check", "jobs/good.toml"]);
    assert_eq!(output.status.code(), Some(0));
    let output = project.run(&["check", "god"]);
    assert_eq!(output.status.code(), Some(2));
    assert_text("unknown_job", &stderr(&output));
}

#[test]
fn names_must_differ_in_more_than_case() {
    let project = Project::with_job("[[fetch]]\nstream = \"markets\"\n");
    project.write("jobs/X.toml", "[[fetch]]\nstream = \"markets\"\n");
    project.write("jobs/-odd.toml", "[[fetch]]\nstream = \"markets\"\n");
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert_text("job_names", &said);
}

#[test]
fn json_has_problems_with_places() {
    let output = Project::with_job("shedule = 1\n").run(&["--json", "check"]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("json");
    let problem = &value["problems"][0];
    assert_eq!(
        (&problem["file"], &problem["line"], &problem["column"], &problem["key"], &problem["severity"]),
        (&"jobs/x.toml".into(), &1.into(), &1.into(), &"shedule".into(), &"error".into())
    );
    assert_eq!((&value["ok"], &value["broken"][0]), (&false.into(), &"x".into()));
}

#[test]
fn query_without_order_is_a_warning() {
    let (exit, said) = Project::with_job("[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT id FROM tracks\"\n").check();
    assert_eq!(exit, 0);
    assert_text("query_without_order", &said);
    let inner = "[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT * FROM (SELECT id FROM tracks ORDER BY 1)\"\n";
    assert_text("query_with_inner_order", &Project::with_job(inner).check().1);
}

#[test]
fn playlist_for_two_markets_is_a_warning() {
    let project = Project::with_job("[[fetch]]\nstream = \"playlist_items\"\nids = [\"0SandboxHomePlaylist00\"]\n");
    assert_eq!(project.check().1, project.check().1.replace("warning", ""));
    project.write(
        "jobs/us.toml",
        "market = \"US\"\n[[fetch]]\nstream = \"playlist_items\"\nids = [\"0SandboxHomePlaylist00\"]\n",
    );
    let (exit, said) = project.check();
    assert_eq!(exit, 0, "{said}");
    assert_text("playlist_for_two_markets", &said);
}

#[test]
fn profile_without_columns_is_refused() {
    let job = |head: &str, more: &str| {
        format!("{head}[[fetch]]\nstream = \"saved_tracks\"\n[[fetch]]\nstream = \"markets\"\n{more}")
    };
    let (own, other) = ("user = \"me\"\n[csv_options]\nprofile = \"exportify\"\n", "user = \"me\"\n");
    let said = Project::with_job(&job(own, "")).check();
    assert_eq!(said.0, 2, "{}", said.1);
    assert_text("profile_without_columns", &said.1);
    assert_eq!(Project::with_job(&job(own, "csv = false\n")).check().0, 0);
    let set = |job: &str| {
        let project = Project::with_job(job);
        project.write("config/cratedigger.toml", "[csv]\nprofile = \"exportify\"\n");
        project.check().0
    };
    assert_eq!(set(&job(other, "")), 2);
    assert_eq!(set(&job("user = \"me\"\n[csv_options]\nprofile = \"excel\"\n", "")), 0);
}

#[test]
fn spreadsheet_files_are_read() {
    let other = "0k17h0D3J5VfsdmQ1iZtE9";
    for file in [
        format!("\u{feff}name;id\r\nRadiohead;{ARTIST}\r\n\"Pink; Floyd\";\"{other}\"\r\n;;\r\n"),
        format!("name\turi\nRadiohead\tspotify:artist:{ARTIST}\nPink, Floyd\t spotify:artist:{other} \n"),
        format!(
            "sep=,\r\nURL,name\r\nhttps://open.spotify.com/intl-de/artist/{ARTIST}?si=1,a\r\nhttps://open.spotify.com/artist/{other},b\r\n"
        ),
        format!("{ARTIST}\n\n{other}\n"),
        format!("artist\n{ARTIST}\n{other}"),
        format!("position,artist_id\n0,{ARTIST}\n1,{other}\n"),
    ] {
        let project = Project::with_job("[[fetch]]\nstream = \"artists\"\nids_file = \"a.csv\"\n");
        project.write("jobs/a.csv", &file);
        let job = load(&project);
        let cratedigger::job::FetchSource::Ids(ids) = &job.fetches[0].source else { panic!("ids") };
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(ids, [ARTIST, other], "{file:?}");
    }
}

#[test]
fn id_file_errors_have_file_and_line() {
    let project = Project::with_job("[[fetch]]\nstream = \"artists\"\nids_file = \"a.csv\"\n");
    project.write("jobs/a.csv", format!("id\n{ARTIST}\n\nspotify:track:{ARTIST}\n{ARTIST}\n"));
    let (exit, said) = project.check();
    assert_eq!(exit, 0, "the other rows are read");
    let mut cases = Cases::new();
    cases.add("wrong kind and a repetition", &said);
    let mut case = |name: &str, file: Vec<u8>| {
        project.write("jobs/a.csv", file);
        let (exit, said) = project.check();
        assert_eq!(exit, 2, "{name}: {said}");
        cases.add(name, &said);
    };
    // In a file without a header, a broken id in the first row must not be skipped as a header.
    case("broken ids", format!("{ARTIST}x\nspotify:local:a:b:c:1\n").into());
    case("empty", Vec::new());
    case("header only", b"id\n".to_vec());
    case("reversed byte order mark", "\u{fffe}".into());
    case("UTF-16", b"\xff\xfei\0d\0".to_vec());
    cases.assert_text("wrong_files_of_ids");
}

#[test]
fn searches_come_from_a_template() {
    let text = "[[fetch]]\nstream = \"search\"\nqueries_file = \"q.csv\"\nquery = \"isrc:{isrc} {Title}\"\n";
    let project = Project::with_job(text);
    project.write("jobs/q.csv", "Isrc;title\nAA;x y\nBB;\nAA;x y\nCC;z\n");
    let job = load(&project);
    let cratedigger::job::FetchSource::Searches(found) = &job.fetches[0].source else { panic!("searches") };
    assert_eq!(found, &["isrc:AA x y", "isrc:CC z"]);
    project.write("jobs/q.csv", "irsc,title\nAA,x\n");
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert_text("search_column_missing", &said);
}

pub fn load(project: &Project) -> cratedigger::job::Job {
    use cratedigger::settings::{Project as Folder, Settings};
    let mut loaded = cratedigger::job::load(&Folder::at(project.root()), &Settings::built_in(), &[]);
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    loaded.jobs.remove(0)
}

//! What `check` says about job files that are wrong, and about those that are right.

use crate::support::project::{Project, stderr, stdout};
use cratedigger::document::Key;
use cratedigger::job::keys;

const ARTIST: &str = "4Z8W4fKeB5YxbbsqsVdVSj";

#[test]
fn an_error_is_shown_with_line_column_caret_and_the_nearest_name() {
    let project = Project::with_job(
        "shedule = \"15 6 * * *\"\n\n[[fetch]]\nstream = \"artist\"\nids = [\"spotify:track:4aawyAB9vmqN3uQ7FjRGTy\"]\n",
    );
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    let expected = "\
error: unknown key `shedule`
 --> jobs/x.toml:1:1
  |
1 | shedule = \"15 6 * * *\"
  | ^^^^^^^
  |
  = hint: did you mean `schedule`?

error: `artist` is not known here
 --> jobs/x.toml:4:10
  |
4 | stream = \"artist\"
  |          ^^^^^^^^
  |
  = hint: did you mean `artists`?

2 errors
";
    assert_eq!(said, expected);
}

/// Each key with two letters changed places; where that makes no difference, one is left out.
fn misspelt(key: &str) -> String {
    let mut letters: Vec<char> = key.chars().collect();
    let at = letters.len() - 2;
    letters.swap(at, at + 1);
    let swapped: String = letters.iter().collect();
    if swapped == key { key[..key.len() - 1].to_owned() } else { swapped }
}

fn each_misspelt(head: &str, keys: &[Key]) {
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

#[test]
fn each_misspelt_key_is_reported_in_its_place_with_the_right_name() {
    each_misspelt("", keys::JOB);
    each_misspelt(&format!("[[fetch]]\nstream = \"artists\"\nids = [\"{ARTIST}\"]\n"), keys::FETCH);
    each_misspelt("[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT 1 ORDER BY 1\"\n", keys::QUERY);
    each_misspelt("[csv_options]\n", cratedigger::settings::keys::CSV);
}

/// Job text, and what must be said of it: place and words.
const WRONG: &[(&str, &str, &str)] = &[
    ("", "jobs/x.toml\n", "the job file is empty"),
    ("# only a comment\n", "jobs/x.toml\n", "the job file is empty"),
    ("description = \"x\"\n", "jobs/x.toml\n", "neither fetches nor asks anything"),
    ("description = \"x\n", "jobs/x.toml:1:", "invalid basic string"),
    ("a = 1\na = 2\n", "jobs/x.toml:2:1", "duplicate key"),
    ("users = [\"a\", \"a\"]\n", "jobs/x.toml:1:15", "`a` stands twice"),
    ("users = \"home\"\n", "jobs/x.toml:1:9", "write users = [\"home\"]"),
    ("user = \"a\"\nusers = [\"b\"]\n", "jobs/x.toml:2:1", "both `user` and `users`"),
    ("user = \"*\"\n", "jobs/x.toml:1:8", "users = \"*\""),
    ("max_calls = \"50\"\n", "jobs/x.toml:1:13", "write 50 without quotes"),
    ("max_calls = 5.0\n", "jobs/x.toml:1:13", "found a number with a point"),
    ("max_calls = true\n", "jobs/x.toml:1:13", "found `true`"),
    ("max_calls = -1\n", "jobs/x.toml:1:13", "-1 is out of range"),
    ("max_calls = 99999999999999999999\n", "jobs/x.toml:1:13", "out of range"),
    ("schedule = \"0 15 6 * * *\"\n", "jobs/x.toml:1:12", "did you mean \"15 6 * * *\"?"),
    ("schedule = \"0 0 30 2 *\"\n", "jobs/x.toml:1:12", "is in no calendar"),
    ("timezone = \"Europe/Berln\"\n", "jobs/x.toml:1:12", "`Europe/Berlin`"),
    ("market = \"de\"\n", "jobs/x.toml:1:10", "write it in capitals: \"DE\""),
    ("since = \"yesterday\"\n", "jobs/x.toml:1:9", "neither a length of time nor a date"),
    ("grace = \"1h30m\"\n", "jobs/x.toml:1:9", "is no length of time"),
    ("csv_options = 3\n", "jobs/x.toml:1:15", "expected a table"),
    ("[fetch]\nstream = \"markets\"\n", "jobs/x.toml:1:1", "double brackets"),
    ("[csv_options]\nprofile = \"exel\"\n", "jobs/x.toml:2:11", "`excel`"),
    ("[csv_options]\ndelimiter = \"ab\"\n", "jobs/x.toml:2:13", "cannot separate cells"),
    ("[[fetch]]\nname = \"x\"\n", "jobs/x.toml:1:1", "has no `stream`"),
    ("[[fetch]]\nstream = \"artists\"\n", "jobs/x.toml:2:10", "`artists` needs ids of artists"),
    ("[[fetch]]\nstream = \"search\"\n", "jobs/x.toml:2:10", "needs something to search for"),
    ("[[fetch]]\nstream = \"saved_tracks\"\n", "jobs/x.toml:2:10", "needs a signed-in user"),
    ("[[fetch]]\nstream = \"markets\"\nids = [\"x\"]\n", "jobs/x.toml:3:1", "`markets` takes no `ids`"),
    ("[[fetch]]\nstream = \"markets\"\nwhere = \"1\"\n", "jobs/x.toml:3:1", "`where` without `from`"),
    ("[[fetch]]\nstream = \"markets\"\ntypes = [\"track\"]\n", "jobs/x.toml:3:1", "`types` is no key of `markets`"),
    ("[[fetch]]\nstream = \"markets\"\ncolumns = [\"markte\"]\n", "jobs/x.toml:3:12", "did you mean `market`?"),
    ("[[fetch]]\nstream = \"markets\"\ncolumns = [\"isrc\"]\n", "jobs/x.toml:3:12", "`album_tracks` has one"),
    ("[[fetch]]\nstream = \"markets\"\ncolumns = [\"market\", \"market\"]\n", "jobs/x.toml:3:22", "stands twice"),
    ("[[fetch]]\nstream = \"markets\"\ncolumns = []\n", "jobs/x.toml:3:11", "the list is empty"),
    ("[[fetch]]\nstream = \"markets\"\ncsv = \"../m.csv\"\n", "jobs/x.toml:3:7", "leads out of the job's folder"),
    ("[[fetch]]\nstream = \"markets\"\ncsv = \"/etc/m.csv\"\n", "jobs/x.toml:3:7", "leads out of the job's folder"),
    ("[[fetch]]\nstream = \"markets\"\ncsv = \"NUL.csv\"\n", "jobs/x.toml:3:7", "Windows reserves"),
    ("[[fetch]]\nstream = \"markets\"\ncsv = true\n", "jobs/x.toml:3:7", "expected a file name"),
    ("[[fetch]]\nstream = \"markets\"\ncsv = \"{user}.csv\"\n", "jobs/x.toml:3:7", "has no meaning here"),
    ("[[fetch]]\nstream = \"markets\"\ncsv = \"{dat}.csv\"\n", "jobs/x.toml:3:7", "did you mean `date`?"),
    ("[[fetch]]\nstream = \"markets\"\nname = \"csv_x\"\n", "jobs/x.toml:3:8", "begins like a view"),
    (
        "[[fetch]]\nstream = \"markets\"\n[[fetch]]\nstream = \"markets\"\n",
        "jobs/x.toml:4:10",
        "a second fetch named `markets`; the first is in line 1",
    ),
    (
        "[[fetch]]\nstream = \"markets\"\n[[fetch]]\nstream = \"categories\"\ncsv = \"Markets.csv\"\n",
        "jobs/x.toml:5:7",
        "also written by fetch `markets`",
    ),
    (
        "[[fetch]]\nstream = \"markets\"\n[[query]]\ncsv = \"markets.csv\"\nsql = \"SELECT 1 ORDER BY 1\"\n",
        "jobs/x.toml:4:7",
        "also written by fetch `markets`",
    ),
    ("[[fetch]]\nstream = \"albums\"\nfrom = \"albums\"\n", "jobs/x.toml:3:8", "takes from itself"),
    (
        "[[fetch]]\nstream = \"albums\"\nfrom = \"rel\"\n[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n",
        "jobs/x.toml:3:8",
        "`rel` stands below",
    ),
    (
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"albums\"\nfrom = \"rell\"\n",
        "jobs/x.toml:6:8",
        "did you mean `rel`?",
    ),
    (
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"shows\"\nfrom = \"rel\"\n",
        "jobs/x.toml:6:8",
        "the rows of `new_releases` name no shows",
    ),
    (
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"albums\"\nfrom = \"rel\"\nwhere = \"relese_date > 1\"\n",
        "jobs/x.toml:7:9",
        "did you mean `release_date`?",
    ),
    (
        "[[fetch]]\nname = \"rel\"\nstream = \"new_releases\"\n[[fetch]]\nstream = \"albums\"\nfrom = \"rel\"\nwhere = \"WHERE 1\"\n",
        "jobs/x.toml:7:9",
        "what follows WHERE",
    ),
    (
        "[[fetch]]\nstream = \"artists\"\nids = [\"4Z8W4fKeB5YxbbsqsVdVS\"]\n",
        "jobs/x.toml:3:8",
        "21 characters, where an id has 22",
    ),
    (
        "[[fetch]]\nstream = \"artists\"\nids = [\"https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy\"]\n",
        "jobs/x.toml:3:8",
        "this is an album, not an artist",
    ),
    ("[[fetch]]\nstream = \"artists\"\nids_file = \"gone.csv\"\n", "jobs/x.toml:3:12", "cannot be read"),
    ("[[query]]\ncsv = \"a.csv\"\n", "jobs/x.toml:1:1", "has no `sql`"),
    ("[[query]]\ncsv = \"a.csv\"\nsql = \"DELETE FROM tracks\"\n", "jobs/x.toml:3:7", "not a SELECT"),
    ("[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT 1; SELECT 2\"\n", "jobs/x.toml:3:7", "one statement only"),
    ("[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT :sinc\"\n", "jobs/x.toml:3:7", "did you mean `:since`?"),
    ("[[query]]\ncsv = \"a.csv\"\nsql = \"\"\n", "jobs/x.toml:3:7", "the text is empty"),
];

#[test]
fn whatever_is_wrong_is_said_in_its_place() {
    let project = Project::new();
    for (at, (text, ..)) in WRONG.iter().enumerate() {
        project.write(&format!("p{at}/jobs/x.toml"), text);
    }
    for (at, (text, place, words)) in WRONG.iter().enumerate() {
        let output = project.run(&["check", "--project", &format!("p{at}")]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        let report = said.split("\n\n").find(|r| r.contains(words));
        let report = report.unwrap_or_else(|| panic!("{text}\nsays nothing of {words}: {said}"));
        assert!(format!("{report}\n").contains(place), "{text}\nnot at {place}: {report}");
    }
}

#[test]
fn all_problems_of_all_files_are_reported_at_once() {
    let project =
        Project::with_job("shedule = 1\n[[fetch]]\nstream = \"artists\"\nids = [\"x\", \"y\"]\ncolums = []\n");
    project.write("jobs/y.toml", "[[query]]\n");
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    for place in ["x.toml:1:1", "x.toml:4:8", "x.toml:4:13", "x.toml:5:1", "y.toml:1:1"] {
        assert!(said.contains(place), "{place}: {said}");
    }
    assert!(said.ends_with("6 errors\n"), "{said}");
}

#[test]
fn broken_syntax_does_not_hide_the_other_problems() {
    let (_, said) = Project::with_job("shedule = \"@daily\"\nmarket = DE\n[[fetch]]\nstream = \"artits\"\n").check();
    for place in ["x.toml:1:1", "x.toml:2:10", "x.toml:4:10"] {
        assert!(said.contains(place), "{place}: {said}");
    }
}

#[test]
fn a_secret_in_a_job_is_refused_and_never_shown() {
    let secret = "0123456789abcdef0123456789abcdef";
    let project = Project::with_job(&format!(
        "client_secret = \"{secret}\"\ndescription = \"{secret}\" x\nmarket = \"{secret}\"\n"
    ));
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert!(!said.contains("0123"), "{said}");
    assert!(said.contains("credentials never stand in a file of the project"), "{said}");
    let json = stdout(&project.run(&["check", "--json"]));
    assert!(!json.contains("0123"), "{json}");
}

#[test]
fn escape_sequences_in_a_file_do_not_reach_the_terminal() {
    let (_, said) = Project::with_job("market = \"\\u001b[31mX\"\n# \u{1b}[2J\n\"\\u001b[0m\" = 1\n").check();
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn colours_need_a_terminal() {
    let (_, said) = Project::with_job("x = 1\n").check();
    assert!(!said.contains('\u{1b}'));
}

#[test]
fn named_jobs_only_are_read() {
    let project = Project::with_job("broken = 1\n");
    project.write("jobs/good.toml", "[[fetch]]\nstream = \"markets\"\n");
    let output = project.run(&["check", "good"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("jobs/good.toml: ok, 1 fetch, 0 queries\n"), "{}", stdout(&output));
    let output = project.run(&["check", "jobs/good.toml"]);
    assert_eq!(output.status.code(), Some(0));
    let output = project.run(&["check", "god"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `good`?"), "{}", stderr(&output));
}

#[test]
fn names_that_differ_in_case_only_would_share_a_folder() {
    let project = Project::with_job("[[fetch]]\nstream = \"markets\"\n");
    project.write("jobs/X.toml", "[[fetch]]\nstream = \"markets\"\n");
    project.write("jobs/-odd.toml", "[[fetch]]\nstream = \"markets\"\n");
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert!(said.contains("would write into the folder of jobs/X.toml"), "{said}");
    assert!(said.contains("a job is named after its file"), "{said}");
}

#[test]
fn json_holds_the_problems_with_their_places() {
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
fn a_query_without_order_is_warned_of_and_runs() {
    let (exit, said) = Project::with_job("[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT 1\"\n").check();
    assert_eq!(exit, 0);
    assert!(said.starts_with("warning: the query has no ORDER BY"), "{said}");
    let inner = "[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT * FROM (SELECT 1 ORDER BY 1)\"\n";
    assert!(Project::with_job(inner).check().1.starts_with("warning: the query has no ORDER BY"));
}

#[test]
fn a_playlist_that_is_read_for_two_markets_is_warned_of() {
    let project = Project::with_job("[[fetch]]\nstream = \"playlist_items\"\nids = [\"0SandboxHomePlaylist00\"]\n");
    assert_eq!(project.check().1, project.check().1.replace("warning", ""));
    project.write(
        "jobs/us.toml",
        "market = \"US\"\n[[fetch]]\nstream = \"playlist_items\"\nids = [\"0SandboxHomePlaylist00\"]\n",
    );
    let (exit, said) = project.check();
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("reads playlist 0SandboxHomePlaylist00 for "), "{said}");
    assert!(said.contains("puts its tracks in place of the other's"), "{said}");
}

#[test]
fn a_profile_without_columns_for_a_stream_is_refused_before_anything_is_asked() {
    let job = |head: &str, more: &str| {
        format!("{head}[[fetch]]\nstream = \"saved_tracks\"\n[[fetch]]\nstream = \"markets\"\n{more}")
    };
    let (own, other) = ("user = \"me\"\n[csv_options]\nprofile = \"exportify\"\n", "user = \"me\"\n");
    let said = Project::with_job(&job(own, "")).check();
    assert_eq!(said.0, 2, "{}", said.1);
    assert!(said.1.contains("has no columns for `markets`") && said.1.contains("x.toml:6:"), "{}", said.1);
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
fn what_spreadsheets_write_is_read() {
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
        let cratedigger::job::Source::Ids(ids) = &job.fetches[0].source else { panic!("ids") };
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(ids, [ARTIST, other], "{file:?}");
    }
}

#[test]
fn errors_in_a_file_of_ids_name_file_and_line() {
    let project = Project::with_job("[[fetch]]\nstream = \"artists\"\nids_file = \"a.csv\"\n");
    project.write("jobs/a.csv", format!("id\n{ARTIST}\n\nspotify:track:{ARTIST}\n{ARTIST}\n"));
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert!(said.contains("this is a track, not an artist\n--> jobs/a.csv:4"), "{said}");
    assert!(said.contains("warning: an id stands twice\n--> jobs/a.csv:5"), "{said}");
    // A headerless file whose first id is broken must not pass it over as a header.
    project.write("jobs/a.csv", format!("{ARTIST}x\n{ARTIST}\n"));
    let (_, said) = project.check();
    assert!(said.contains("jobs/a.csv:1"), "{said}");
    for (text, words) in [("", "is empty"), ("id\n", "holds a header and no ids"), ("\u{fffe}", "")] {
        project.write("jobs/a.csv", text);
        let (exit, said) = project.check();
        assert!(exit == 2 && said.contains(words), "{text}: {said}");
    }
    project.write("jobs/a.csv", b"\xff\xfei\0d\0");
    assert!(project.check().1.contains("UTF-16"));
    project.write("jobs/a.csv", [format!("id\n{ARTIST}\n").as_bytes(), b"Bj\xf6rk\n"].concat());
    let (exit, said) = project.check();
    assert!(exit == 2 && said.contains("jobs/a.csv:3") && said.contains("is not UTF-8"), "{said}");
}

#[test]
fn searches_come_from_rows_by_a_template() {
    let text = "[[fetch]]\nstream = \"search\"\nqueries_file = \"q.csv\"\nquery = \"isrc:{isrc} {Title}\"\n";
    let project = Project::with_job(text);
    project.write("jobs/q.csv", "Isrc;title\nAA;x y\nBB;\nAA;x y\nCC;z\n");
    let job = load(&project);
    let cratedigger::job::Source::Searches(found) = &job.fetches[0].source else { panic!("searches") };
    assert_eq!(found, &["isrc:AA x y", "isrc:CC z"]);
    project.write("jobs/q.csv", "irsc,title\nAA,x\n");
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert!(said.contains("the file has no column `isrc`") && said.contains("`irsc`"), "{said}");
}

fn load(project: &Project) -> cratedigger::job::Job {
    use cratedigger::settings::{Project as Folder, Settings};
    let mut loaded = cratedigger::job::load(&Folder::at(project.root()), &Settings::built_in(), &[]);
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    loaded.jobs.remove(0)
}

use super::*;
use crate::export::PackageRunState;
use crate::export::render::{CsvWriter, FileStats, FragmentCaches};
use crate::settings::{CsvProfile, FormulaGuard};
use crate::store::query::{QueryBudget, QueryFetch, QueryParameters, QueryReader};
use crate::store::views::tests::{fill, fill_schema};
use crate::stream;
use std::time::Duration;

/// A store on disk with odd rows, and a folder for CSVs.
struct Place {
    top: tempfile::TempDir,
    store: Connection,
}

impl Place {
    fn new() -> Place {
        let top = tempfile::tempdir().unwrap();
        let store = Connection::open(top.path().join("store.db")).unwrap();
        fill_schema(&store);
        fill(&store);
        Place { top, store }
    }

    fn target(&self) -> ExportTarget {
        ExportTarget { csv_dir: self.top.path().join("csv"), access: store::FileAccess::from_mode(0o644) }
    }

    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.target().csv_dir.join("j").join(path)).unwrap()
    }

    fn package(&self) -> serde_json::Value {
        serde_json::from_str(&self.file("datapackage.json")).unwrap()
    }

    fn export(&self, style: &CsvStyle, sheets: &[OutputFile<'_>], run: i64) -> Result<ExportOutcome, ExportError> {
        let info = RunInfo {
            job: "j".into(),
            description: None,
            id: run,
            state: PackageRunState::Complete,
            reasons: Vec::new(),
            created_at: format!("2026-01-0{run}T00:00:00Z"),
            outdated: Vec::new(),
        };
        publish(&self.store, &self.target(), style, sheets, &info)
    }
}

fn fetched(name: &str, stream: &str) -> QueryFetch {
    QueryFetch {
        name: name.into(),
        stream: stream::find(stream).unwrap(),
        market: String::new(),
        user_id: None,
        since: None,
        inputs: None,
    }
}

fn sheet<'a>(path: &str, source: RowSource<'a>, inputs: &str) -> OutputFile<'a> {
    OutputFile {
        path: path.into(),
        name: path.into(),
        title: "rows".into(),
        source,
        inputs: inputs.into(),
        version: None,
        force: false,
    }
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(ToString::to_string).collect()
}

fn changes(outcome: &ExportOutcome) -> Vec<FileChange> {
    outcome.files.iter().map(|file| file.change).collect()
}

#[test]
fn every_kind_of_item_is_written_as_documented() {
    let place = Place::new();
    let items = fetched("items", "playlist_items");
    let columns = names(&["playlist_name", "position", "kind", "added_at", "track_name", "artist_names", "explicit"]);
    let style = CsvStyle::default();
    let source = RowSource::from_fetch("j", &items, Some(&columns), &style).unwrap();
    let outcome = place.export(&style, &[sheet("items.csv", source, "1")], 1).unwrap();
    let expected = concat!(
        "\"playlist_name\",\"position\",\"kind\",\"added_at\",\"track_name\",\"artist_names\",\"explicit\"\n",
        "\"\u{fffd}NUL \"\"quoted\"\"\",0,\"track\",\"2024-05-01T12:00:00Z\",\"'=cmd|'/c calc'!A1\",\"+44\",true\n",
        "\"Mix\ntape\",0,\"track\",\"2024-05-01T12:00:00Z\",\"One\",\"A, B; C\",false\n",
        "\"Mix\ntape\",1,\"episode\",\"2024-05-02T12:00:00Z\",,,true\n",
        "\"Mix\ntape\",2,\"local\",,\"Tape\",\"Me; You\",\n",
        "\"Mix\ntape\",3,\"unavailable\",,,,\n",
        "\"Mix\ntape\",4,\"track\",\"2024-05-01T12:00:00Z\",\"One\",\"A, B; C\",false\n",
    );
    assert_eq!(place.file("items.csv"), expected);
    assert_eq!((outcome.files[0].rows, outcome.files[0].guarded), (6, 1));
    let resource = &place.package()["resources"][0];
    assert_eq!(resource["formulaGuard"]["cells"]["track_name"], 1);
    assert_eq!(resource["nulReplaced"]["cells"]["playlist_name"], 1);
}

#[test]
fn unchanged_inputs_and_bytes_are_not_written() {
    let place = Place::new();
    let items = fetched("items", "playlist_items");
    let style = CsvStyle::default();
    let export = |inputs: &str, run| {
        let source = RowSource::from_fetch("j", &items, None, &style).unwrap();
        changes(&place.export(&style, &[sheet("items.csv", source, inputs)], run).unwrap())
    };
    assert_eq!(export("1", 1), [FileChange::Written]);
    let (file, package) = (place.file("items.csv"), place.file("datapackage.json"));
    assert_eq!(export("1", 2), [FileChange::Unchanged]);
    assert_eq!(export("2", 3), [FileChange::Same]);
    assert_eq!(export("2", 4), [FileChange::Unchanged]);
    assert_eq!((place.file("items.csv"), place.file("datapackage.json")), (file, package));
    std::fs::write(place.target().csv_dir.join("j/items.csv"), "spoilt").unwrap();
    assert_eq!(export("2", 5), [FileChange::Written]);
    std::fs::remove_file(place.target().csv_dir.join("j/datapackage.json")).unwrap();
    assert_eq!(export("2", 6), [FileChange::Same]);
}

#[test]
fn unfinished_fetch_keeps_its_file() {
    let place = Place::new();
    let items = fetched("items", "playlist_items");
    let style = CsvStyle::default();
    let source = RowSource::from_fetch("j", &items, None, &style).unwrap();
    place.export(&style, &[sheet("items.csv", source, "1")], 1).unwrap();
    let before = place.package();
    let kept = [sheet("items.csv", RowSource::Kept, ""), sheet("new.csv", RowSource::Kept, "")];
    let outcome = place.export(&style, &kept, 2).unwrap();
    assert_eq!(changes(&outcome), [FileChange::Kept, FileChange::Missing]);
    assert_eq!(outcome.files[0].rows, 6);
    assert_eq!(place.package(), before);
}

#[test]
fn existing_files_of_earlier_days_are_described() {
    let place = Place::new();
    let items = fetched("items", "playlist_items");
    let style = CsvStyle::default();
    for (run, path) in ["a/1.csv", "a/2.csv"].into_iter().enumerate() {
        let source = RowSource::from_fetch("j", &items, None, &style).unwrap();
        place.export(&style, &[sheet(path, source, "1")], 1 + i64::try_from(run).unwrap()).unwrap();
    }
    let described = || {
        let package = place.package();
        let resources = package["resources"].as_array().unwrap();
        resources.iter().map(|r| r["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(described(), ["a/2.csv", "a/1.csv"]);
    std::fs::remove_file(place.target().csv_dir.join("j/a/1.csv")).unwrap();
    let source = RowSource::from_fetch("j", &items, None, &style).unwrap();
    place.export(&style, &[sheet("a/3.csv", source, "1")], 3).unwrap();
    assert_eq!(described(), ["a/3.csv", "a/2.csv"]);
}

#[test]
fn bad_query_affects_only_its_own_file() {
    let place = Place::new();
    let reader = QueryReader::open(
        &place.top.path().join("store.db"),
        "j",
        vec![fetched("items", "playlist_items")],
        QueryBudget::with_time(Duration::from_secs(5)),
    )
    .unwrap();
    let bound = QueryParameters::default();
    let query = |path, sql| sheet(path, RowSource::Query { reader: &reader, sql, bound: &bound }, "1");
    let good = "SELECT kind, count(*) AS n, avg(position) AS mean, NULL AS none FROM items GROUP BY kind ORDER BY kind";
    let outcome = place
        .export(&CsvStyle::default(), &[query("bad.csv", "SELECT nope FROM items"), query("good.csv", good)], 1)
        .unwrap();
    assert_eq!(outcome.failed.len(), 1, "{:?}", outcome.failed);
    assert_eq!(
        place.file("good.csv"),
        "\"kind\",\"n\",\"mean\",\"none\"\n\"episode\",1,1,\n\"local\",1,2,\n\"track\",3,1.3333333333333333,\n\"unavailable\",1,3,\n"
    );
    let package = place.package();
    let types: Vec<_> =
        package["resources"][0]["schema"]["fields"].as_array().unwrap().iter().map(|f| f["type"].clone()).collect();
    assert_eq!(types, ["string", "integer", "number", "string"]);
    assert!(matches!(&outcome.failed[..], [error @ ExportError::Query { .. }] if !error.is_storage()));
    assert!(!place.target().csv_dir.join("j/bad.csv").exists());
}

#[test]
fn query_is_rendered_after_a_rename_or_with_a_clock() {
    let place = Place::new();
    let reader = QueryReader::open(
        &place.top.path().join("store.db"),
        "j",
        Vec::new(),
        QueryBudget::with_time(Duration::from_secs(5)),
    )
    .unwrap();
    let export = |sql, since: &str| {
        let bound = QueryParameters { since: Some(since.into()), ..QueryParameters::default() };
        let source = RowSource::Query { reader: &reader, sql, bound: &bound };
        changes(&place.export(&CsvStyle::default(), &[sheet("q.csv", source, "1")], 1).unwrap())
    };
    assert_eq!(export("SELECT 1 AS a", "2025"), [FileChange::Written]);
    assert_eq!(export("SELECT 1 AS a", "2026"), [FileChange::Unchanged]);
    assert_eq!(export("SELECT :since AS a", "2025"), [FileChange::Written]);
    assert_eq!(export("SELECT :since AS a", "2026"), [FileChange::Written]);
    assert_eq!(export("SELECT date('now') > 'x' AS a", "2026"), [FileChange::Written]);
    assert_eq!(export("SELECT date('now') > 'x' AS a", "2026"), [FileChange::Same]);
}

#[test]
fn column_of_nulls_has_all_rows() {
    let place = Place::new();
    let items = fetched("items", "playlist_items");
    let style = CsvStyle::default();
    let columns = names(&["episode_name"]);
    let source = RowSource::from_fetch("j", &items, Some(&columns), &style).unwrap();
    place.export(&style, &[sheet("one.csv", source, "1")], 1).unwrap();
    assert_eq!(place.file("one.csv"), "\"episode_name\"\n\"\"\n\"\"\n\"Talk\"\n\"\"\n\"\"\n\"\"\n");
}

#[test]
fn excel_file_has_mark_times_and_no_formulas() {
    let place = Place::new();
    let items = fetched("items", "playlist_items");
    let style = CsvStyle::for_profile(CsvProfile::ExcelSemicolon);
    let columns = names(&["position", "added_at", "artist_names"]);
    let source = RowSource::from_fetch("j", &items, Some(&columns), &style).unwrap();
    place.export(&style, &[sheet("x.csv", source, "1")], 1).unwrap();
    let text = place.file("x.csv");
    assert!(
        text.starts_with(
            "\u{feff}\"position\";\"added_at\";\"artist_names\"\r\n0;\"2024-05-01 12:00:00\";\"'+44\"\r\n"
        ),
        "{text}"
    );
}

#[test]
fn exportify_columns_are_for_playlists_and_tracks() {
    let place = Place::new();
    let style = CsvStyle::for_profile(CsvProfile::Exportify);
    let (items, saved, artists) =
        (fetched("items", "playlist_items"), fetched("saved_tracks", "saved_tracks"), fetched("a", "artists"));
    let source = RowSource::from_fetch("j", &items, None, &style).unwrap();
    let library = RowSource::from_fetch("j", &saved, None, &style).unwrap();
    place.export(&style, &[sheet("x.csv", source, "1"), sheet("saved.csv", library, "1")], 1).unwrap();
    let text = place.file("x.csv");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("\"Track URI\",\"Track Name\",\"Artist URI(s)\",\"Artist Name(s)\",\"Album URI\""),
        "{text}"
    );
    assert!(lines[0].ends_with("\"Explicit\",\"Popularity\",\"ISRC\",\"Added By\",\"Added At\""), "{text}");
    assert_eq!(
        lines[2],
        "\"spotify:track:T1\",\"One\",\"spotify:artist:A1, spotify:artist:A2\",\"A\\, B, C\",\"spotify:album:L1\",\"First\",\
         \"spotify:artist:A1\",\"A\\, B\",\"1999\",\"https://i.example/l1\",1,1,1000,,false,,\"DEA000000001\",\
         \"spotify:user:U1\",\"2024-05-01T12:00:00Z\""
    );
    assert_eq!(lines.len(), 1 + 5, "{text}");
    assert_eq!(place.file("saved.csv").lines().count(), 2);
    assert!(matches!(RowSource::from_fetch("j", &artists, None, &style), Err(ExportError::NoExportify { .. })));
}

#[test]
fn cached_cells_equal_those_of_the_view() {
    let place = Place::new();
    let mut random = 7_usize;
    for stream in stream::all() {
        let fetch = QueryFetch {
            name: stream.name.replace("playlist_items", "items").replace("my_items", "my_playlist_items"),
            stream,
            market: String::new(),
            user_id: None,
            since: None,
            inputs: None,
        };
        for profile in [CsvProfile::Plain, CsvProfile::ExcelSemicolon] {
            let mut columns: Vec<String> = stream.columns().map(|c| c.name.to_owned()).collect();
            for n in (1..columns.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                columns.swap(n, (random >> 33) % (n + 1));
            }
            let style = CsvStyle::for_profile(profile);
            let RowSource::Fetch(rows) = RowSource::from_fetch("j", &fetch, Some(&columns), &style).unwrap() else {
                panic!()
            };
            let mut page = CsvWriter::new(Vec::new(), &style).unwrap();
            page.write_fetch(&place.store, &rows, &mut FragmentCaches::default()).unwrap();
            let (fast, tally) = page.finish().unwrap();
            let mut page = CsvWriter::new(Vec::new(), &style).unwrap();
            page.write_whole_rows(&place.store, &rows).unwrap();
            let (slow, expected) = page.finish().unwrap();
            assert_eq!(String::from_utf8(fast).unwrap(), String::from_utf8(slow).unwrap());
            let counts = |t: &FileStats| t.columns.iter().map(|c| (c.guarded, c.nul, c.long)).collect::<Vec<_>>();
            assert_eq!(counts(&tally), counts(&expected));
        }
    }
}

#[test]
fn wrong_options_are_no_storage_error() {
    let place = Place::new();
    let items = fetched("items", "playlist_items");
    let style = CsvStyle { formula_guard: FormulaGuard::Off, ..CsvStyle::default() };
    for path in ["../x.csv", "/x.csv", "datapackage.json"] {
        let source = RowSource::from_fetch("j", &items, None, &style).unwrap();
        let error = place.export(&style, &[sheet(path, source, "1")], 1).unwrap_err();
        assert!(matches!(error, ExportError::Name { .. }) && !error.is_storage(), "{path}");
    }
    let columns = names(&["nope"]);
    assert!(matches!(RowSource::from_fetch("j", &items, Some(&columns), &style), Err(ExportError::NoColumn { .. })));
}

/// Names in the job's folder.
fn listed(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.target().csv_dir.join("j")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn link_in_place_of_a_file_affects_only_it() {
    let place = Place::new();
    let (items, tracks) = (fetched("items", "playlist_items"), fetched("tracks", "tracks"));
    let style = CsvStyle::default();
    let sheets = |inputs: &str| {
        let source = |rows| RowSource::from_fetch("j", rows, None, &style).unwrap();
        vec![sheet("a.csv", source(&items), inputs), sheet("b.csv", source(&tracks), inputs)]
    };
    std::fs::create_dir_all(place.target().csv_dir.join("j")).unwrap();
    let a = place.target().csv_dir.join("j/a.csv");
    for other in ["a link", "a folder"] {
        match other {
            "a link" => std::os::unix::fs::symlink("/dev/null", &a).unwrap(),
            _ => std::fs::create_dir(&a).unwrap(),
        }
        let outcome = place.export(&style, &sheets(other), 1).unwrap();
        assert!(matches!(&outcome.failed[..], [error] if error.is_storage()), "{other}: {:?}", outcome.failed);
        assert_eq!(outcome.files.len(), 1, "{other}");
        let described = place.package();
        assert_eq!(described["resources"].as_array().unwrap().len(), 1, "{other}");
        assert_eq!(described["resources"][0]["path"], "b.csv", "{other}");
        assert_eq!(listed(&place), ["a.csv", "b.csv", "datapackage.json"], "{other}: no journal is left");
        if other == "a link" {
            std::fs::remove_file(&a).unwrap();
        }
    }
}

#[test]
fn failed_export_records_its_written_files() {
    let place = Place::new();
    let (items, tracks) = (fetched("items", "playlist_items"), fetched("tracks", "tracks"));
    let style = CsvStyle::default();
    let source = |rows| RowSource::from_fetch("j", rows, None, &style).unwrap();
    let sheets = |inputs: &str| {
        vec![
            sheet("a.csv", source(&items), inputs),
            sheet("sub/b.csv", source(&tracks), inputs),
            sheet("c.csv", source(&tracks), inputs),
        ]
    };
    place.export(&style, &sheets("1"), 1).unwrap();
    let sub = place.target().csv_dir.join("j/sub");
    std::fs::remove_dir_all(&sub).unwrap();
    std::fs::write(&sub, "a file where a folder was").unwrap();
    place.store.execute("UPDATE tracks SET name = 'another' || name", []).unwrap();
    let c = place.file("c.csv");
    let error = place.export(&style, &sheets("2"), 2).unwrap_err();
    assert!(matches!(error, ExportError::Write { .. }), "{error}");
    let known = store::known_file(&place.store, "j/a.csv").unwrap().unwrap();
    let package = place.package();
    let of = |path: &str| package["resources"].as_array().unwrap().iter().find(|r| r["path"] == path).cloned().unwrap();
    assert_eq!(of("a.csv")["hash"], format!("sha256:{}", known.sha256));
    assert!(place.file("a.csv").contains("another"), "it is the new one");
    assert_eq!(place.file("c.csv"), c, "what comes later is as it was");
    assert_eq!(listed(&place), ["a.csv", "c.csv", "datapackage.json", "sub"], "no journal is left");
}

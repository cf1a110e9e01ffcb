//! Arbitrary answers, cursors and job files: nothing panics, nothing wrong is stored, and rows that
//! cannot be stored are counted. (For Retry-After see `retry`, for ids and links `spotify::id`, for CSVs in another
//! reader: `export::render`.)

use bytes::Bytes;
use cratedigger::ingest::{IngestContext, ensure_row, stage_entries};
use cratedigger::store::lists;
use cratedigger::store::{FileAccess, ListKey, Store, StoreIdentity};
use cratedigger::stream::EntryKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use spotify_client::EntityKind;
use spotify_client::client::{ApiCaller, ApiRequest, ApiResponse};
use spotify_client::family::EndpointFamily;
use spotify_client::page::{Envelope, RawPage};
use url::Url;

use crate::limits::api_calls::Desk;
use crate::support::http_server::reply;
use crate::support::random_cases;

/// Position, kind, id, URI and date of a staged row.
type StagedRow = (i64, String, Option<String>, Option<String>, Option<String>);

/// Keys that Spotify uses where they matter, so that random objects come close to real ones.
const KEYS: [&str; 26] = [
    "id",
    "uri",
    "type",
    "name",
    "track",
    "item",
    "is_local",
    "added_at",
    "added_by",
    "album",
    "artists",
    "images",
    "explicit",
    "duration_ms",
    "external_ids",
    "isrc",
    "owner",
    "snapshot_id",
    "show",
    "release_date",
    "restrictions",
    "reason",
    "linked_from",
    "is_playable",
    "href",
    "total",
];

fn leaf() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| serde_json::Number::from_f64(n).map_or(Value::Null, Value::Number)),
        any::<String>().prop_map(Value::from),
        prop_oneof![
            Just("track"),
            Just("episode"),
            Just("spotify:track:4aawyAB9vmqN3uQ7FjRGTy"),
            Just("4aawyAB9vmqN3uQ7FjRGTy"),
            Just("spotify:local:a:b:c:10"),
            Just("2026-11-23T09:00:00Z"),
            Just("")
        ]
        .prop_map(Value::from),
    ]
    .boxed()
}

fn anything() -> BoxedStrategy<Value> {
    leaf()
        .prop_recursive(4, 40, 8, |inner| {
            let key = prop_oneof![4 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned), 1 => any::<String>()];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
        .boxed()
}

fn answer(body: impl Into<Bytes>) -> ApiResponse {
    ApiResponse { status: 200, body: body.into(), etag: None }
}

proptest! {
    #![proptest_config(Config::with_cases(random_cases(600)))]

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for wrapping in [Envelope::Bare, Envelope::Key("artists"), Envelope::InPlaylist, Envelope::Array("tracks")] {
            drop(RawPage::read(&answer(body.clone()), wrapping));
        }
    }

    #[test]
    fn page_entries_keep_their_order(entries in prop::collection::vec(anything(), 0..8), rest in anything()) {
        let body = json!({ "items": entries, "total": rest, "next": rest, "offset": rest, "limit": rest }).to_string();
        if let Ok(Some(page)) = RawPage::read(&answer(body), Envelope::Bare) {
            let read: Vec<Value> = page.entries().into_iter().map(|entry| entry.map_or(Value::Null, |text| serde_json::from_str(text).unwrap())).collect();
            prop_assert_eq!(read, entries);
        }
    }

    #[test]
    fn cursor_is_kept_exactly_or_refused(after in anything()) {
        let body = json!({ "items": [], "next": "x", "cursors": { "after": after } }).to_string();
        if let Ok(Some(page)) = RawPage::read(&answer(body), Envelope::Bare) {
            prop_assert_eq!(page.after, text_of(&after));
        }
    }
}

/// A value as text, the way that the client reads it: whole numbers are converted.
fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|number| number.to_string()))
}

/// Whether a stored time is the one that was sent: as it was sent, as the count of seconds or milliseconds that was
/// sent, or in another form with the same digits, but for zeros.
fn is_same_time(stored: &str, sent: &Value) -> bool {
    let Some(sent) = text_of(sent) else { return false };
    if stored == sent {
        return true;
    }
    let Ok(at) = chrono::DateTime::parse_from_rfc3339(stored) else { return false };
    if let Ok(number) = sent.trim().parse::<i64>() {
        return number > 900_000_000 && (number == at.timestamp() || number == at.timestamp_millis());
    }
    let digits = |text: &str| text.chars().filter(|c| matches!(c, '1'..='9')).collect::<String>();
    digits(stored) == digits(&sent)
}

/// A store to write pages to.
struct Shelf {
    _folder: tempfile::TempDir,
    store: Store,
    runtime: tokio::runtime::Runtime,
}

/// The kind and URI of a playlist's entry, as far as the JSON shows it.
fn held(entry: &Value) -> &Value {
    if entry["item"].is_null() { &entry["track"] } else { &entry["item"] }
}

impl Shelf {
    fn new() -> Shelf {
        let folder = tempfile::tempdir().unwrap();
        let identity = StoreIdentity { host: "test".into(), state_id: "test".into(), state_folder: "test".into() };
        let store = Store::open(&folder.path().join("store.db"), FileAccess::from_mode(0o600), &identity).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Shelf { _folder: folder, store, runtime }
    }

    /// Stages a page of entries that no `Value` could hold.
    fn stages(&self, shape: EntryKind, kind: &'static str, texts: Vec<Option<String>>) {
        let asked = IngestContext::new("2026-11-23T09:00:00.000Z".into(), String::new(), None);
        let work = self.store.write(move |s| {
            for parent in [EntityKind::Playlist, EntityKind::Artist, EntityKind::Show] {
                ensure_row(s, parent, "parent", &asked)?;
            }
            let (parent_id, audience) = ("parent".into(), "app".into());
            let key = ListKey { kind, parent_id, audience, market: String::new(), variant: String::new() };
            let list = lists::open(s, &key)?.id;
            lists::discard_checkpoint(s, list)?;
            let entries: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            stage_entries(s, list, shape, "parent", 0, &entries, &asked).map(drop)
        });
        self.runtime.block_on(work).unwrap();
    }

    /// Stages a page and compares the staged rows with the page.
    fn takes(&self, shape: EntryKind, kind: &'static str, texts: Vec<Option<String>>) -> Result<(), TestCaseError> {
        // Half a surrogate pair in a field that we do not read is no reason to lose the page. A `Value` cannot hold it.
        let entries: Vec<Option<Value>> = texts
            .iter()
            .map(|text| text.as_ref().map_or(Some(Value::Null), |text| serde_json::from_str(text).ok()))
            .collect();
        let asked = IngestContext::new("2026-11-23T09:00:00.000Z".into(), String::new(), None);
        let work = self.store.write(move |s| {
            for parent in [EntityKind::Playlist, EntityKind::Artist, EntityKind::Show] {
                ensure_row(s, parent, "parent", &asked)?;
            }
            let key = ListKey {
                kind,
                parent_id: "parent".into(),
                audience: "app".into(),
                market: String::new(),
                variant: String::new(),
            };
            let list = lists::open(s, &key)?.id;
            lists::discard_checkpoint(s, list)?;
            let entries: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            let staged = stage_entries(s, list, shape, "parent", 0, &entries, &asked)?;
            let sql =
                "SELECT position, kind, item_id, uri, added_at FROM staged_items WHERE list_id = ?1 ORDER BY position";
            let mut statement = s.conn().prepare(sql).unwrap();
            let rows: Vec<StagedRow> = statement
                .query_map([list], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let broken =
                s.conn().query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| r.get::<_, i64>(0));
            Ok((rows, staged.unstored.len(), broken.unwrap()))
        });
        let (rows, gaps, broken) = self.runtime.block_on(work).unwrap();
        prop_assert_eq!(broken, 0, "every reference has its row");
        let whole = rows.iter().filter(|row| row.1 != "unavailable").count();
        prop_assert_eq!(whole + gaps, entries.len(), "{}: each is stored or counted: {:?}", kind, rows);
        if shape == EntryKind::PlaylistItems {
            prop_assert_eq!(rows.len(), entries.len(), "each position has a row");
            for (position, kind, item_id, uri, added_at) in &rows {
                let Some(entry) = &entries[usize::try_from(*position).unwrap()] else { continue };
                let thing = held(entry);
                if kind != "unavailable" {
                    // Each of the two is derived from the other where it is missing.
                    let full = |key: &str| text_of(&thing[key]).filter(|text| !text.trim().is_empty());
                    let (sent_uri, sent_id) = (full("uri"), full("id"));
                    let made = item_id.as_ref().is_some_and(|id| uri.as_ref().is_some_and(|uri| uri.ends_with(id)));
                    // What is no URI of Spotify is left out, too.
                    let is_kept = |sent: &String| uri.as_ref() == Some(sent) || made && !sent.starts_with("spotify:");
                    prop_assert!(uri.is_some() && sent_uri.as_ref().is_none_or(is_kept), "{}", entry);
                    prop_assert!(item_id.is_none() || *item_id == sent_id || made, "{}", entry);
                }
                let is_sent = |at: &String| is_same_time(at, &entry["added_at"]);
                prop_assert!(added_at.as_ref().is_none_or(is_sent), "{:?}: {}", added_at, entry);
            }
        }
        Ok(())
    }
}

#[test]
fn any_json_item_is_stored_or_counted() {
    let shelf = Shelf::new();
    let shapes = [
        (EntryKind::PlaylistItems, "playlist_items"),
        (EntryKind::Saved(EntityKind::Track), "saved_tracks"),
        (EntryKind::Albums, "artist_albums"),
        (EntryKind::Episodes, "show_episodes"),
        (EntryKind::Playlists, "my_playlists"),
    ];
    let mut runner =
        TestRunner::new(Config { cases: random_cases(250), failure_persistence: None, ..Config::default() });
    let pages = prop::collection::vec(anything(), 1..6);
    let done = runner.run(&pages, |entries| {
        for (shape, kind) in shapes {
            let texts = entries.iter().map(|e| (!e.is_null()).then(|| e.to_string())).collect();
            shelf.takes(shape, kind, texts)?;
        }
        Ok(())
    });
    done.unwrap();
    shelf.store.close();
}

#[test]
fn deep_json_is_stored_or_counted() {
    let shelf = Shelf::new();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let entries = [
            deep.clone(),
            format!("{{\"id\":\"4aawyAB9vmqN3uQ7FjRGTy\",\"name\":\"a\",\"x\":{deep}}}"),
            format!("{{\"added_at\":{deep},\"track\":{{\"id\":\"4aawyAB9vmqN3uQ7FjRGTy\",\"name\":{deep}}}}}"),
        ];
        let body = format!("{{\"items\":[{}],\"total\":3}}", entries.join(","));
        drop(RawPage::read(&answer(body.clone()), Envelope::Bare));
        drop(RawPage::read(&answer(deep.clone()), Envelope::Key("artists")));
        drop(serde_json::from_str::<spotify_client::wire::Playlist<'_>>(&deep));
        for (shape, kind) in [
            (EntryKind::PlaylistItems, "playlist_items"),
            (EntryKind::Saved(EntityKind::Track), "saved_tracks"),
            (EntryKind::Albums, "artist_albums"),
            (EntryKind::Episodes, "show_episodes"),
        ] {
            shelf.stages(shape, kind, entries.iter().cloned().map(Some).collect());
        }
    }
    shelf.store.close();
}

/// A page as Spotify sends it: the same track twice, and a null.
fn page_of_a_playlist() -> String {
    let track = include_str!("../../fixtures/sandbox/track.extended.json").trim();
    let entry = |track: &str| {
        let by = r#"{"id":"u","type":"user","uri":"spotify:user:u","href":"http://api/users/u"}"#;
        format!(r#"{{"added_at":"2026-01-01T00:00:00Z","added_by":{by},"is_local":false,"track":{track}}}"#)
    };
    format!(r#"{{"items":[{},{},{}],"total":3,"offset":0,"next":null}}"#, entry(track), entry("null"), entry(track))
}

#[test]
fn damaged_page_is_refused_or_stored_exactly() {
    let shelf = Shelf::new();
    let page = page_of_a_playlist();
    // Position, number of bytes to remove, and what replaces them: bytes, or a part of the page itself.
    let inserted = prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(vec![
            "null",
            "{}",
            "[]",
            "\"",
            ",",
            ":",
            "-1",
            "1e999",
            "\\ud83d",
            "\"uri\":\"x\",",
            "\"id\":7,"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        (0..page.len(), 0..200_usize).prop_map(|(from, len)| page_of_a_playlist()
            .as_bytes()
            .iter()
            .skip(from)
            .take(len)
            .copied()
            .collect()),
    ];
    let damage = (0..page.len(), prop_oneof![Just(0), Just(1), 0..300_usize], inserted);
    let mut runner =
        TestRunner::new(Config { cases: random_cases(3_000), failure_persistence: None, ..Config::default() });
    let (read, refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let done = runner.run(&prop::collection::vec(damage, 1..3), |damages| {
        let mut body = page.clone().into_bytes();
        for (at, len, inserted) in damages {
            let at = at.min(body.len());
            body.splice(at..(at + len).min(body.len()), inserted);
        }
        let Ok(Some(page)) = RawPage::read(&answer(body), Envelope::Bare) else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        read.set(read.get() + 1);
        let texts = page.entries().into_iter().map(|entry| entry.map(str::to_owned)).collect();
        shelf.takes(EntryKind::PlaylistItems, "playlist_items", texts)
    });
    done.unwrap();
    shelf.store.close();
    assert!(read.get() > 100 && refused.get() > 100, "{} read, {} refused", read.get(), refused.get());
}

#[test]
fn any_cursor_is_sent_back_exactly() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::with(|_| reply(200, "", "{}")));
    let mut runner =
        TestRunner::new(Config { cases: random_cases(200), failure_persistence: None, ..Config::default() });
    let cursors = prop_oneof!["[a-z&=?#/%+;@. \r\n-]{0,12}", any::<String>()];
    let done = runner.run(&cursors, |cursor| {
        let path = "/me/following";
        let request = ApiRequest::new(EndpointFamily::FOLLOWED_ARTISTS, path)
            .with_query("type", "artist")
            .with_query("after", cursor.clone());
        runtime.block_on(desk.api.get(&ApiCaller::App, &request)).unwrap();
        let line = desk.server.lines().pop().unwrap();
        let sent = Url::parse("http://api.example").unwrap().join(line.split(' ').nth(1).unwrap()).unwrap();
        prop_assert!(sent.path().ends_with(path), "{}", line);
        let query: Vec<(String, String)> = sent.query_pairs().into_owned().collect();
        prop_assert_eq!(query, [("type".to_owned(), "artist".to_owned()), ("after".to_owned(), cursor)]);
        Ok(())
    });
    done.unwrap();
}

//! Playlists of the sandbox: stable, changing and odd.

use reqwest::StatusCode;
use serde_json::{Value, json};
use spotify_sandbox::{PlaylistEdit, SandboxOptions, fixtures};

use super::answers::{development, extended, visit};

#[tokio::test]
async fn list_read_by_links_equals_the_catalog() {
    let visit = visit(SandboxOptions { playlists: 2, playlist_items: 731, ..extended() }).await;
    let lists = visit.sandbox.catalog().playlist_ids();
    let id = lists.last().unwrap();
    for (path, size) in [("items", 50), ("tracks", 100)] {
        let items = visit.walk(&format!("/playlists/{id}/{path}?limit={size}&market=US")).await;
        let truth = visit.sandbox.catalog().expected_rows(id).unwrap();
        assert_eq!(items.len(), 731);
        for (item, row) in items.iter().zip(&truth) {
            assert_eq!(item["track"]["id"].as_str(), row.id.as_deref());
            assert_eq!(item["added_at"].as_str(), row.added_at.as_deref());
            assert_eq!(item["track"]["duration_ms"].as_u64(), row.duration_ms);
        }
    }
    let log = visit.sandbox.log();
    let asked: Vec<&str> =
        log.iter().filter(|seen| seen.family == "/playlists/{id}/items").map(|seen| seen.query.as_str()).collect();
    assert_eq!(asked.len(), 15);
    assert_eq!(asked[1], "offset=50&limit=50&market=US");
    let page = visit.ok(&format!("/playlists/{id}/items?limit=20&offset=10")).await;
    let base = format!("{}/playlists/{id}/items", visit.sandbox.api_url());
    assert_eq!(page["previous"], format!("{base}?offset=0&limit=20"));
    assert_eq!(page["next"], format!("{base}?offset=30&limit=20"));
}

#[tokio::test]
async fn filter_etag_and_episodes_are_served() {
    let visit = visit(extended()).await;
    let path = format!("/playlists/{}", fixtures::HOME_PLAYLIST);
    let some =
        visit.ok(&format!("{path}/items?limit=1&fields=total,next,items(added_at,item(id),track(name,!album))")).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&some), ["items", "next", "total"]);
    assert_eq!(keys(&some["items"][0]), ["added_at", "track"]);
    assert_eq!(visit.ok(&format!("{path}?fields=snapshot_id")).await.as_object().unwrap().len(), 1);
    let first = visit.send(&path).await.unwrap();
    let etag = first.headers()["etag"].clone();
    let url = format!("{}{path}", visit.sandbox.api_url());
    let again = || visit.client.get(&url).bearer_auth(&visit.token).header("if-none-match", &etag).send();
    assert_eq!(again().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    let playlist = fixtures::HOME_PLAYLIST.to_owned();
    visit.sandbox.catalog().edit(PlaylistEdit::Rename { playlist, name: "New".to_owned() }).unwrap();
    assert_eq!(again().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn snapshot_id_shows_a_moving_list() {
    let visit = visit(extended()).await;
    let (id, catalog) = (fixtures::HOME_PLAYLIST, visit.sandbox.catalog());
    let before = (catalog.snapshot_id(id), catalog.expected_rows(id).unwrap());
    let remove = PlaylistEdit::Remove { playlist: id.to_owned(), position: 0, count: 1 };
    catalog
        .edit(PlaylistEdit::WhenServed { playlist: id.to_owned(), page: 0, times: 1, edit: Box::new(remove) })
        .unwrap();
    let items = visit.walk(&format!("/playlists/{id}/items?limit=50")).await;
    assert_eq!(items.len(), 119, "one row was missed between the first page and the second");
    assert_eq!(items[50]["track"]["id"].as_str(), before.1[51].id.as_deref());
    assert_ne!(catalog.snapshot_id(id), before.0);
    let truth = catalog.expected_rows(id).unwrap();
    assert_eq!(truth.len(), 119);
    let insert = PlaylistEdit::Insert {
        playlist: id.to_owned(),
        position: 3,
        items: vec![Some(fixtures::PLAIN_TRACK.to_owned()), None, Some(fixtures::EPISODE.to_owned())],
    };
    catalog.edit(insert).unwrap();
    catalog.edit(PlaylistEdit::Move { playlist: id.to_owned(), from: 3, count: 1, to: 0 }).unwrap();
    let kinds: Vec<String> = catalog.expected_rows(id).unwrap().into_iter().map(|row| row.kind).take(6).collect();
    assert_eq!(kinds, ["track", "track", "track", "track", "unavailable", "episode"]);
    assert_eq!(catalog.expected_rows(id).unwrap()[0].id.as_deref(), Some(fixtures::PLAIN_TRACK));
    assert!(catalog.edit(PlaylistEdit::Delete { playlist: "nothing".to_owned() }).is_err());
}

#[tokio::test]
async fn odd_playlist_equals_the_catalog() {
    let visit = visit(extended()).await;
    let id = fixtures::EDGE_CASE_PLAYLIST;
    let whole = visit.ok(&format!("/playlists/{id}?additional_types=track,episode")).await;
    assert!(whole["images"].is_null() && whole["public"].is_null());
    assert_eq!(whole["items"], whole["tracks"], "both names at once");
    assert!(whole["description"].as_str().unwrap().chars().count() > 32_767);
    let truth = visit.sandbox.catalog().expected_rows(id).unwrap();
    assert!(whole["tracks"]["total"].as_u64().unwrap() as usize > truth.len());
    let last = visit.ok(&format!("/playlists/{id}/items?offset=500")).await;
    assert_eq!(last["items"], json!([]));
    assert!(last["next"].is_string(), "an empty page that names a next one");
    let items = visit.walk(&format!("/playlists/{id}/items?additional_types=track,episode")).await;
    assert_eq!(items.len(), truth.len());
    let (usual, odd) = items.split_at(items.len() - 7);
    for (item, row) in usual.iter().zip(&truth) {
        let track = &item["track"];
        assert_eq!(item["added_at"].as_str(), row.added_at.as_deref());
        assert_eq!(item["added_by"]["id"].as_str(), row.added_by.as_deref());
        assert_eq!(track["name"].as_str(), row.name.as_deref());
        assert_eq!(track["uri"].as_str(), row.uri.as_deref());
        assert_eq!(track["duration_ms"].as_f64(), row.duration_ms.map(|ms| ms as f64));
        assert_eq!(track["album"]["name"].as_str(), row.album_name.as_deref());
        assert_eq!(track["external_ids"]["isrc"].as_str(), row.isrc.as_deref());
    }
    let shapes = [
        "/duration_ms/totalMilliseconds",
        "/artists/1",
        "/album/images/0",
        "/explicit",
        "/type",
        "/name",
        "/album/type",
    ];
    let values = [json!(187_000), Value::Null, Value::Null, json!("false"), json!("clip"), json!(""), json!("show")];
    for ((item, shape), value) in odd.iter().zip(shapes).zip(values) {
        let sent = item["track"].pointer(shape);
        let is_sent =
            sent.is_some() && (sent == Some(&value) || shape == "/explicit" && sent.is_some_and(Value::is_string));
        assert!(is_sent, "{shape}: {item}");
    }
    let has = |what: &dyn Fn(&Value) -> bool| items.iter().any(what);
    assert!(has(&|item| item["track"].is_null()));
    assert!(has(&|item| item["added_at"].is_null()));
    assert!(has(&|item| item["added_by"].is_null()));
    assert!(has(&|item| item["added_by"]["id"] == ""));
    assert!(has(&|item| item["added_at"] == "1970-01-01T00:00:00Z"));
    assert!(has(&|item| item.get("item").is_some() && item.get("track").is_some()));
    assert!(has(&|item| item["track"]["type"] == "episode"));
    assert!(has(&|item| item["is_local"] == true && item["track"]["album"].is_null()));
    assert!(has(&|item| item["track"]["artists"] == json!([])));
    assert!(has(&|item| item["track"]["album"]["images"].is_null() && item["track"]["album"].is_object()));
    for date in ["0000", "1981", "1981-12", "1970-01-01"] {
        assert!(has(&|item| item["track"]["album"]["release_date"] == date), "{date}");
    }
    for text in ["\u{0}", "\"", "\n", "\r", "\t", "🎉", "\u{301}", "NULL", "007", "1e5", "=1+1"] {
        assert!(has(&|item| item["track"]["name"].as_str().is_some_and(|name| name.contains(text))), "{text:?}");
    }
    let raw = visit.send(&format!("/playlists/{id}/items?limit=50")).await.unwrap().text().await.unwrap();
    assert!(raw.contains("200040.0") && raw.contains("4.9022656E7"));
    let local = truth.iter().find(|row| row.kind == "local").unwrap();
    assert_eq!(local.uri.as_deref(), Some("spotify:local:Salt+%26+Pepper:Home+tapes:Rain%3A+take+1%2B2:187"));
}

#[tokio::test]
async fn large_playlist_ends_in_twenty_odd_rows() {
    let visit = visit(extended()).await;
    let id = fixtures::LARGE_PLAYLIST;
    let truth = visit.sandbox.catalog().expected_rows(id).unwrap();
    assert_eq!(truth.len(), fixtures::LARGE_PLAYLIST_ITEMS);
    let page = visit.ok(&format!("/playlists/{id}/tracks?offset=50000&limit=100")).await;
    assert!(page["next"].is_null());
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 20);
    assert!(items.iter().any(|item| item["track"].is_null()));
    assert!(items.iter().any(|item| { item["track"]["name"].as_str().is_some_and(|name| name.contains('\n')) }));
}

#[tokio::test]
async fn odd_playlist_in_development_mode() {
    let mut visit = visit(development()).await;
    visit.token = visit.sandbox.sign_in(fixtures::HOME_USER, &["playlist-read-private"], true).access_token;
    let items = visit.walk(&format!("/playlists/{}/items?limit=7", fixtures::EDGE_CASE_PLAYLIST)).await;
    let truth = visit.sandbox.catalog().expected_rows(fixtures::EDGE_CASE_PLAYLIST).unwrap();
    assert_eq!(items.len(), truth.len());
    for (item, row) in items.iter().zip(&truth) {
        assert_eq!(item["item"]["uri"].as_str(), row.uri.as_deref());
        assert!(item["item"].get("popularity").is_none());
    }
    let unavailable = items.iter().find(|item| item["item"]["id"] == fixtures::UNAVAILABLE_TRACK);
    let unavailable = &unavailable.unwrap()["item"];
    assert_eq!(unavailable["is_playable"], false);
    assert_eq!(unavailable["restrictions"]["reason"], "market");
    let episode = items.iter().find(|item| item["item"]["episode"] == true);
    assert!(episode.unwrap()["item"].get("show").is_none(), "a reader of tracks gets it as one");
}

#[tokio::test]
async fn full_last_page_has_no_next_link() {
    let visit = visit(extended()).await;
    let path = format!("/playlists/{}/items?limit=50", fixtures::FOREIGN_PLAYLIST);
    assert!(visit.ok(&format!("{path}&offset=49")).await["next"].is_string());
    let last = visit.ok(&format!("{path}&offset=50")).await;
    assert_eq!(last["items"].as_array().unwrap().len(), 50);
    assert!(last["next"].is_null());
    let beyond = visit.ok(&format!("{path}&offset=100")).await;
    assert_eq!((&beyond["items"], &beyond["next"]), (&json!([]), &Value::Null));
}

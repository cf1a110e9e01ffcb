//! Answers of the sandbox about albums, artists, tracks, shows and audiobooks, in both classes.

use serde_json::{Value, json};
use spotify_sandbox::fixtures;

use super::answers::{development, extended, visit};

#[tokio::test]
async fn impossible_ids_and_limits_are_refused() {
    let visit = visit(development()).await;
    let unknown = "0000000000000000000000";
    for (path, status, message) in [
        ("/tracks/short".to_owned(), 400, "Invalid base62 id"),
        ("/tracks/000000000000000000000-".to_owned(), 400, "Invalid base62 id"),
        (format!("/tracks/{unknown}"), 404, "Resource not found"),
        (format!("/playlists/{unknown}"), 404, "Resource not found"),
        (format!("/playlists/{}", fixtures::SPOTIFY_PLAYLIST), 404, "Resource not found"),
        (format!("/albums/{}/tracks?limit=51", fixtures::LONG_ALBUM), 400, "Invalid limit"),
        (format!("/albums/{}/tracks?limit=0", fixtures::LONG_ALBUM), 400, "Invalid limit"),
        (format!("/artists/{}/albums?limit=11", fixtures::BUSY_ARTIST), 400, "Invalid limit"),
        ("/search?q=a&type=track&limit=11".to_owned(), 400, "Invalid limit"),
        (format!("/albums/{}?market=XX", fixtures::LONG_ALBUM), 400, "Invalid market code"),
    ] {
        let error = json!({"error": {"status": status, "message": message}});
        assert_eq!(visit.get(&path).await, (status, error), "{path}");
    }
}

#[tokio::test]
async fn development_mode_lacks_removed_endpoints() {
    let visit = visit(development()).await;
    for path in [
        "/albums?ids=x",
        "/artists?ids=x",
        "/tracks?ids=x",
        "/shows?ids=x",
        "/episodes?ids=x",
        "/audiobooks?ids=x",
        "/chapters?ids=x",
        "/markets",
        "/browse/new-releases",
        "/browse/categories",
        "/browse/categories/x",
        "/users/x",
        "/users/x/playlists",
        &format!("/artists/{}/top-tracks", fixtures::BUSY_ARTIST),
        &format!("/playlists/{}/tracks", fixtures::HOME_PLAYLIST),
        &format!("/playlists/{}/items", fixtures::FOREIGN_PLAYLIST),
        "/recommendations",
    ] {
        let forbidden = json!({"error": {"status": 403, "message": "Forbidden"}});
        assert_eq!(visit.get(path).await, (403, forbidden), "{path}");
    }
    let track = visit.ok(&format!("/tracks/{}", fixtures::PLAIN_TRACK)).await;
    let album = visit.ok(&format!("/albums/{}", fixtures::LONG_ALBUM)).await;
    let artist = visit.ok(&format!("/artists/{}", fixtures::BUSY_ARTIST)).await;
    let show = visit.ok(&format!("/shows/{}?market=DE", fixtures::SHOW)).await;
    for (value, gone) in [
        (&track, &["available_markets", "linked_from", "popularity"][..]),
        (&track["album"], &["available_markets", "album_group"]),
        (&album, &["available_markets", "label", "popularity", "album_group"]),
        (&artist, &["followers", "popularity"]),
        (&show, &["available_markets", "publisher"]),
    ] {
        for key in gone {
            assert!(value.get(*key).is_none(), "{key} in {value}");
        }
    }
    assert_eq!(track["external_ids"]["isrc"], "QZSBX2600001");
    let foreign = visit.ok(&format!("/playlists/{}", fixtures::FOREIGN_PLAYLIST)).await;
    assert!(foreign.get("items").is_none() && foreign.get("tracks").is_none());
    assert_eq!(foreign["owner"]["id"], fixtures::CURATOR_USER);
}

#[tokio::test]
async fn extended_quota_keeps_the_old_names() {
    let visit = visit(extended()).await;
    let track = visit.ok(&format!("/tracks/{}", fixtures::PLAIN_TRACK)).await;
    assert_eq!(track["available_markets"].as_array().unwrap().len(), 184);
    assert!(track["popularity"].is_u64());
    let size = track.to_string().len();
    assert!((2_500..5_000).contains(&size), "a track of {size} bytes is not like Spotify's");
    let album = visit.ok(&format!("/albums/{}", fixtures::LONG_ALBUM)).await;
    assert!(album["label"].is_string());
    assert_eq!(album["tracks"]["total"], 120);
    assert_eq!(album["tracks"]["items"].as_array().unwrap().len(), 50);
    let list = visit.ok(&format!("/playlists/{}", fixtures::FOREIGN_PLAYLIST)).await;
    assert_eq!(list["tracks"]["items"].as_array().unwrap().len(), 100);
    assert!(list["tracks"]["items"][0]["track"]["name"].is_string());
    assert!(list.get("items").is_none());
    let ids = format!("{},0000000000000000000000", fixtures::PLAIN_TRACK);
    let batch = visit.ok(&format!("/tracks?ids={ids}")).await;
    assert_eq!(batch["tracks"][0]["id"], fixtures::PLAIN_TRACK);
    assert!(batch["tracks"][1].is_null());
    let top = visit.ok(&format!("/artists/{}/top-tracks", fixtures::BUSY_ARTIST)).await;
    assert_eq!(top["tracks"].as_array().unwrap().len(), 10);
    assert_eq!(visit.ok("/markets").await["markets"].as_array().unwrap().len(), 184);
    assert_eq!(visit.ok("/browse/new-releases?limit=50").await["albums"]["total"], 100);
    let categories = visit.ok("/browse/categories").await;
    let id = categories["categories"]["items"][0]["id"].as_str().unwrap();
    assert_eq!(visit.ok(&format!("/browse/categories/{id}")).await["id"], id);
    assert_eq!(visit.ok(&format!("/users/{}", fixtures::HOME_USER)).await["display_name"], "Home Listening");
    let lists = visit.ok(&format!("/users/{}/playlists", fixtures::HOME_USER)).await;
    assert!(lists["items"].as_array().unwrap().iter().all(|list| list["owner"]["id"] == fixtures::HOME_USER));
}

#[tokio::test]
async fn discographies_use_class_page_sizes() {
    let dev = visit(development()).await;
    let path = format!("/artists/{}/albums", fixtures::BUSY_ARTIST);
    assert_eq!(dev.ok(&path).await["limit"], 5);
    let all = dev.walk(&format!("{path}?limit=10")).await;
    let singles = dev.walk(&format!("{path}?limit=10&include_groups=single")).await;
    assert!(singles.iter().all(|album| album["album_type"] == "single"));
    assert!(singles.len() > 10 && all.len() > singles.len() + 20);
    let ext = visit(extended()).await;
    let guest = ext.walk(&format!("{path}?limit=50&include_groups=appears_on")).await;
    assert!(!guest.is_empty());
    assert!(guest.iter().all(|album| album["album_group"] == "appears_on"));
    assert_eq!(ext.get(&format!("{path}?include_groups=odd")).await.0, 400);
}

#[tokio::test]
async fn search_finds_by_code_field_and_word() {
    let visit = visit(extended()).await;
    let found = visit.ok("/search?q=isrc%3AQZSBX2600001&type=track").await;
    assert_eq!(found["tracks"]["items"][0]["id"], fixtures::PLAIN_TRACK);
    let found = visit.ok("/search?q=upc:0602445790098&type=album").await;
    assert_eq!(found["albums"]["total"], 1);
    let found = visit.ok("/search?q=artist:%22busy%20hands%22&type=track,artist&limit=50").await;
    assert_eq!(found["artists"]["items"][0]["id"], fixtures::BUSY_ARTIST);
    assert!(found["tracks"]["total"].as_u64().unwrap() > 100);
    let page = visit.ok(found["tracks"]["next"].as_str().unwrap()).await;
    assert_eq!(page["tracks"]["offset"], 50);
    let found = visit.ok("/search?q=crate&type=playlist").await;
    assert!(found["playlists"]["items"][1].is_null(), "Spotify's own playlists are null");
    for (path, message) in [
        ("/search?type=track", "No search query"),
        ("/search?q=a", "Missing parameter type"),
        ("/search?q=a&type=song", "Bad search type field song"),
        ("/search?q=a&type=track&offset=1001", "Invalid offset"),
    ] {
        assert_eq!(visit.get(path).await.1["error"]["message"], message);
    }
}

#[tokio::test]
async fn shows_depend_on_the_market() {
    let visit = visit(extended()).await;
    let (show, book) = (fixtures::SHOW, fixtures::AUDIOBOOK);
    assert_eq!(visit.get(&format!("/shows/{show}")).await.0, 404, "an app's token needs a market");
    let episodes = visit.walk(&format!("/shows/{show}/episodes?market=DE&limit=50")).await;
    assert_eq!(episodes.len(), 64);
    assert_eq!(episodes.iter().filter(|episode| episode.is_null()).count(), 1);
    assert_eq!(episodes[0]["id"], fixtures::EPISODE);
    let episode = visit.ok(&format!("/episodes/{}?market=DE", fixtures::EPISODE)).await;
    assert_eq!(episode["show"]["id"], show);
    assert_eq!(visit.get(&format!("/audiobooks/{book}?market=DE")).await.0, 404);
    let whole = visit.ok(&format!("/audiobooks/{book}?market=GB")).await;
    assert_eq!(whole["chapters"]["total"], 55);
    assert_eq!(whole["authors"].as_array().unwrap().len(), 1);
    let chapters = visit.walk(&format!("/audiobooks/{book}/chapters?market=GB")).await;
    assert_eq!(chapters[0]["id"], fixtures::CHAPTER);
    assert_eq!(chapters[0]["type"], "episode");
    let chapter = visit.ok(&format!("/chapters/{}?market=GB", fixtures::CHAPTER)).await;
    assert_eq!(chapter["audiobook"]["id"], book);
}

#[tokio::test]
async fn market_changes_playability_and_ids() {
    let visit = visit(extended()).await;
    let track = visit.ok(&format!("/tracks/{}?market=DE", fixtures::PLAIN_TRACK)).await;
    assert_eq!(track["is_playable"], true);
    assert!(track.get("available_markets").is_none());
    let track = visit.ok(&format!("/tracks/{}?market=DE", fixtures::UNAVAILABLE_TRACK)).await;
    assert_eq!(track["is_playable"], false);
    assert_eq!(track["restrictions"]["reason"], "market");
    let track = visit.ok(&format!("/tracks/{}?market=DE", fixtures::RELINKED_TRACK)).await;
    assert_ne!(track["id"], fixtures::RELINKED_TRACK);
    assert_eq!(track["linked_from"]["id"], fixtures::RELINKED_TRACK);
}

#[tokio::test]
async fn album_and_show_lists_equal_the_catalog() {
    let visit = visit(extended()).await;
    let truth = |kind: &str, id: &str| visit.sandbox.catalog().expected_ids(kind, id).unwrap();
    for (path, list) in [
        (format!("/albums/{}/tracks?limit=50", fixtures::LONG_ALBUM), &truth("albums", fixtures::LONG_ALBUM)["tracks"]),
        (
            format!("/artists/{}/albums?include_groups=single", fixtures::BUSY_ARTIST),
            &truth("artists", fixtures::BUSY_ARTIST)["single"],
        ),
        (
            format!("/artists/{}/albums?include_groups=appears_on", fixtures::BUSY_ARTIST),
            &truth("artists", fixtures::BUSY_ARTIST)["appears_on"],
        ),
        (format!("/shows/{}/episodes?market=DE", fixtures::SHOW), &truth("shows", fixtures::SHOW)["episodes"]),
        (
            format!("/audiobooks/{}/chapters", fixtures::AUDIOBOOK),
            &truth("audiobooks", fixtures::AUDIOBOOK)["chapters"],
        ),
    ] {
        let ids: Vec<Value> = visit.walk(&path).await.iter().map(|item| item["id"].clone()).collect();
        assert_eq!(&Value::from(ids), list, "{path}");
    }
    assert!(visit.sandbox.catalog().expected_ids("albums", "nothing").is_none());
}

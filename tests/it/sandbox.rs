//! The sandbox answers as Spotify is documented to answer, in both app classes.

use std::time::Duration;

use cratedigger::sandbox::{self, Edit, Mode, Options, Sandbox, known};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// A sandbox, a client and the app's token.
pub(crate) struct Visit {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) token: String,
}

pub(crate) async fn visit(options: Options) -> Visit {
    let sandbox = sandbox::start(options).await.unwrap();
    let client = Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap();
    let mut visit = Visit {
        sandbox,
        client,
        token: String::new(),
    };
    let (status, body) = visit
        .ask_token(
            "sandbox-client",
            "sandbox-secret",
            &[("grant_type", "client_credentials")],
        )
        .await;
    assert_eq!(status, 200, "{body}");
    visit.token = body["access_token"].as_str().unwrap().to_owned();
    visit
}

pub(crate) fn extended() -> Options {
    Options {
        mode: Mode::Extended,
        tracks: 300,
        ..Options::default()
    }
}

pub(crate) fn development() -> Options {
    Options {
        tracks: 300,
        ..Options::default()
    }
}

async fn json_of(response: reqwest::Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

impl Visit {
    pub(crate) async fn ask_token(
        &self,
        id: &str,
        secret: &str,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        let url = format!("{}/api/token", self.sandbox.accounts_url());
        let request = self
            .client
            .post(url)
            .basic_auth(id, Some(secret))
            .form(form);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), json_of(response).await)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.send(path).await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"));
        (status, value)
    }

    pub(crate) async fn ok(&self, path: &str) -> Value {
        let (status, value) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub(crate) async fn send(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.sandbox.api_url())
        };
        self.client.get(url).bearer_auth(&self.token).send().await
    }

    /// Every item of a list, read page by page along `next`.
    pub(crate) async fn walk(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.ok(&path).await;
            let here = page["items"].as_array().unwrap().clone();
            next = page["next"]
                .as_str()
                .map(str::to_owned)
                .filter(|_| !here.is_empty());
            items.extend(here);
        }
        items
    }
}

#[tokio::test]
async fn a_token_is_given_for_the_right_credentials_only() {
    let visit = visit(development()).await;
    let grant = [("grant_type", "client_credentials")];
    let (status, body) = visit
        .ask_token("sandbox-client", "sandbox-secret", &grant)
        .await;
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert!(body.get("refresh_token").is_none() && body.get("scope").is_none());
    let (status, body) = visit.ask_token("sandbox-client", "wrong", &grant).await;
    assert_eq!(status, 400);
    assert_eq!(
        body,
        json!({"error": "invalid_client", "error_description": "Invalid client secret"})
    );
    let (status, body) = visit.ask_token("nobody", "sandbox-secret", &grant).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client")));
    let (status, body) = visit
        .ask_token(
            "sandbox-client",
            "sandbox-secret",
            &[("grant_type", "password")],
        )
        .await;
    assert_eq!(
        (status, &body["error"]),
        (400, &json!("unsupported_grant_type"))
    );
}

#[tokio::test]
async fn a_token_that_is_missing_unknown_or_too_old_gets_401_in_spotifys_words() {
    let mut visit = visit(Options {
        token_ttl_secs: 60,
        ..development()
    })
    .await;
    let path = format!("/tracks/{}", known::PLAIN_TRACK);
    visit.ok(&path).await;
    visit.sandbox.advance(Duration::from_secs(61));
    let expired = json!({"error": {"status": 401, "message": "The access token expired"}});
    assert_eq!(visit.get(&path).await, (401, expired));
    visit.token = "BQmadeup".to_owned();
    assert_eq!(
        visit.get(&path).await.1["error"]["message"],
        "Invalid access token"
    );
    let url = format!("{}{path}", visit.sandbox.api_url());
    let body = json_of(visit.client.get(url).send().await.unwrap()).await;
    assert_eq!(
        body,
        json!({"error": {"status": 401, "message": "No token provided"}})
    );
}

#[tokio::test]
async fn ids_and_limits_that_cannot_be_are_refused_and_not_mended() {
    let visit = visit(development()).await;
    let unknown = "0000000000000000000000";
    for (path, status, message) in [
        ("/tracks/short".to_owned(), 400, "Invalid base62 id"),
        (
            "/tracks/000000000000000000000-".to_owned(),
            400,
            "Invalid base62 id",
        ),
        (format!("/tracks/{unknown}"), 404, "Resource not found"),
        (format!("/playlists/{unknown}"), 404, "Resource not found"),
        (
            format!("/playlists/{}", known::SPOTIFY_PLAYLIST),
            404,
            "Resource not found",
        ),
        (
            format!("/albums/{}/tracks?limit=51", known::LONG_ALBUM),
            400,
            "Invalid limit",
        ),
        (
            format!("/albums/{}/tracks?limit=0", known::LONG_ALBUM),
            400,
            "Invalid limit",
        ),
        (
            format!("/artists/{}/albums?limit=11", known::BUSY_ARTIST),
            400,
            "Invalid limit",
        ),
        (
            "/search?q=a&type=track&limit=11".to_owned(),
            400,
            "Invalid limit",
        ),
        (
            format!("/albums/{}?market=XX", known::LONG_ALBUM),
            400,
            "Invalid market code",
        ),
    ] {
        let error = json!({"error": {"status": status, "message": message}});
        assert_eq!(visit.get(&path).await, (status, error), "{path}");
    }
}

#[tokio::test]
async fn development_mode_lacks_what_february_2026_took() {
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
        &format!("/artists/{}/top-tracks", known::BUSY_ARTIST),
        &format!("/playlists/{}/tracks", known::HOME_PLAYLIST),
        &format!("/playlists/{}/items", known::FOREIGN_PLAYLIST),
        "/recommendations",
    ] {
        let forbidden = json!({"error": {"status": 403, "message": "Forbidden"}});
        assert_eq!(visit.get(path).await, (403, forbidden), "{path}");
    }
    let track = visit.ok(&format!("/tracks/{}", known::PLAIN_TRACK)).await;
    let album = visit.ok(&format!("/albums/{}", known::LONG_ALBUM)).await;
    let artist = visit.ok(&format!("/artists/{}", known::BUSY_ARTIST)).await;
    let show = visit.ok(&format!("/shows/{}?market=DE", known::SHOW)).await;
    for (value, gone) in [
        (
            &track,
            &["available_markets", "linked_from", "popularity"][..],
        ),
        (&track["album"], &["available_markets", "album_group"]),
        (
            &album,
            &["available_markets", "label", "popularity", "album_group"],
        ),
        (&artist, &["followers", "popularity"]),
        (&show, &["available_markets", "publisher"]),
    ] {
        for key in gone {
            assert!(value.get(*key).is_none(), "{key} in {value}");
        }
    }
    assert_eq!(track["external_ids"]["isrc"], "QZSBX2600001");
    let foreign = visit
        .ok(&format!("/playlists/{}", known::FOREIGN_PLAYLIST))
        .await;
    assert!(foreign.get("items").is_none() && foreign.get("tracks").is_none());
    assert_eq!(foreign["owner"]["id"], known::CURATOR);
}

#[tokio::test]
async fn extended_quota_mode_keeps_the_old_names_fields_and_endpoints() {
    let visit = visit(extended()).await;
    let track = visit.ok(&format!("/tracks/{}", known::PLAIN_TRACK)).await;
    assert_eq!(track["available_markets"].as_array().unwrap().len(), 184);
    assert!(track["popularity"].is_u64());
    let size = track.to_string().len();
    assert!(
        (2_500..5_000).contains(&size),
        "a track of {size} bytes is not like Spotify's"
    );
    let album = visit.ok(&format!("/albums/{}", known::LONG_ALBUM)).await;
    assert!(album["label"].is_string());
    assert_eq!(album["tracks"]["total"], 120);
    assert_eq!(album["tracks"]["items"].as_array().unwrap().len(), 50);
    let list = visit
        .ok(&format!("/playlists/{}", known::FOREIGN_PLAYLIST))
        .await;
    assert_eq!(list["tracks"]["items"].as_array().unwrap().len(), 100);
    assert!(list["tracks"]["items"][0]["track"]["name"].is_string());
    assert!(list.get("items").is_none());
    let ids = format!("{},0000000000000000000000", known::PLAIN_TRACK);
    let batch = visit.ok(&format!("/tracks?ids={ids}")).await;
    assert_eq!(batch["tracks"][0]["id"], known::PLAIN_TRACK);
    assert!(batch["tracks"][1].is_null());
    let top = visit
        .ok(&format!("/artists/{}/top-tracks", known::BUSY_ARTIST))
        .await;
    assert_eq!(top["tracks"].as_array().unwrap().len(), 10);
    assert_eq!(
        visit.ok("/markets").await["markets"]
            .as_array()
            .unwrap()
            .len(),
        184
    );
    assert_eq!(
        visit.ok("/browse/new-releases?limit=50").await["albums"]["total"],
        100
    );
    let categories = visit.ok("/browse/categories").await;
    let id = categories["categories"]["items"][0]["id"].as_str().unwrap();
    assert_eq!(
        visit.ok(&format!("/browse/categories/{id}")).await["id"],
        id
    );
    assert_eq!(
        visit.ok(&format!("/users/{}", known::HOME)).await["display_name"],
        "Home Listening"
    );
    let lists = visit.ok(&format!("/users/{}/playlists", known::HOME)).await;
    assert!(
        lists["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|list| list["owner"]["id"] == known::HOME)
    );
}

#[tokio::test]
async fn a_whole_list_is_read_along_its_links_and_equals_the_truth() {
    let visit = visit(Options {
        playlists: 2,
        playlist_items: 731,
        ..extended()
    })
    .await;
    let lists = visit.sandbox.catalog().playlist_ids();
    let id = lists.last().unwrap();
    for (path, size) in [("items", 50), ("tracks", 100)] {
        let items = visit
            .walk(&format!("/playlists/{id}/{path}?limit={size}&market=US"))
            .await;
        let truth = visit.sandbox.catalog().playlist_rows(id).unwrap();
        assert_eq!(items.len(), 731);
        for (item, row) in items.iter().zip(&truth) {
            assert_eq!(item["track"]["id"].as_str(), row.id.as_deref());
            assert_eq!(item["added_at"].as_str(), row.added_at.as_deref());
            assert_eq!(item["track"]["duration_ms"].as_u64(), row.duration_ms);
        }
    }
    let log = visit.sandbox.log();
    let asked: Vec<&str> = log
        .iter()
        .filter(|seen| seen.family == "/playlists/{id}/items")
        .map(|seen| seen.query.as_str())
        .collect();
    assert_eq!(asked.len(), 15);
    assert_eq!(asked[1], "offset=50&limit=50&market=US");
    let page = visit
        .ok(&format!("/playlists/{id}/items?limit=20&offset=10"))
        .await;
    let base = format!("{}/playlists/{id}/items", visit.sandbox.api_url());
    assert_eq!(page["previous"], format!("{base}?offset=0&limit=20"));
    assert_eq!(page["next"], format!("{base}?offset=30&limit=20"));
}

#[tokio::test]
async fn discographies_come_by_group_with_the_page_sizes_of_the_class() {
    let dev = visit(development()).await;
    let path = format!("/artists/{}/albums", known::BUSY_ARTIST);
    assert_eq!(dev.ok(&path).await["limit"], 5);
    let all = dev.walk(&format!("{path}?limit=10")).await;
    let singles = dev
        .walk(&format!("{path}?limit=10&include_groups=single"))
        .await;
    assert!(singles.iter().all(|album| album["album_type"] == "single"));
    assert!(singles.len() > 10 && all.len() > singles.len() + 20);
    let ext = visit(extended()).await;
    let guest = ext
        .walk(&format!("{path}?limit=50&include_groups=appears_on"))
        .await;
    assert!(!guest.is_empty());
    assert!(
        guest
            .iter()
            .all(|album| album["album_group"] == "appears_on")
    );
    assert_eq!(ext.get(&format!("{path}?include_groups=odd")).await.0, 400);
}

#[tokio::test]
async fn search_finds_by_code_by_field_and_by_word() {
    let visit = visit(extended()).await;
    let found = visit.ok("/search?q=isrc%3AQZSBX2600001&type=track").await;
    assert_eq!(found["tracks"]["items"][0]["id"], known::PLAIN_TRACK);
    let found = visit.ok("/search?q=upc:0602445790098&type=album").await;
    assert_eq!(found["albums"]["total"], 1);
    let found = visit
        .ok("/search?q=artist:%22busy%20hands%22&type=track,artist&limit=50")
        .await;
    assert_eq!(found["artists"]["items"][0]["id"], known::BUSY_ARTIST);
    assert!(found["tracks"]["total"].as_u64().unwrap() > 100);
    let page = visit.ok(found["tracks"]["next"].as_str().unwrap()).await;
    assert_eq!(page["tracks"]["offset"], 50);
    let found = visit.ok("/search?q=crate&type=playlist").await;
    assert!(
        found["playlists"]["items"][1].is_null(),
        "Spotify's own playlists are null"
    );
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
async fn spoken_word_depends_on_the_market() {
    let visit = visit(extended()).await;
    let (show, book) = (known::SHOW, known::AUDIOBOOK);
    assert_eq!(
        visit.get(&format!("/shows/{show}")).await.0,
        404,
        "an app's token needs a market"
    );
    let episodes = visit
        .walk(&format!("/shows/{show}/episodes?market=DE&limit=50"))
        .await;
    assert_eq!(episodes.len(), 64);
    assert_eq!(
        episodes.iter().filter(|episode| episode.is_null()).count(),
        1
    );
    assert_eq!(episodes[0]["id"], known::EPISODE);
    let episode = visit
        .ok(&format!("/episodes/{}?market=DE", known::EPISODE))
        .await;
    assert_eq!(episode["show"]["id"], show);
    assert_eq!(
        visit.get(&format!("/audiobooks/{book}?market=DE")).await.0,
        404
    );
    let whole = visit.ok(&format!("/audiobooks/{book}?market=GB")).await;
    assert_eq!(whole["chapters"]["total"], 55);
    assert_eq!(whole["authors"].as_array().unwrap().len(), 1);
    let chapters = visit
        .walk(&format!("/audiobooks/{book}/chapters?market=GB"))
        .await;
    assert_eq!(chapters[0]["id"], known::CHAPTER);
    assert_eq!(chapters[0]["type"], "episode");
    let chapter = visit
        .ok(&format!("/chapters/{}?market=GB", known::CHAPTER))
        .await;
    assert_eq!(chapter["audiobook"]["id"], book);
}

#[tokio::test]
async fn a_market_makes_things_playable_unplayable_or_somebody_elses_id() {
    let visit = visit(extended()).await;
    let track = visit
        .ok(&format!("/tracks/{}?market=DE", known::PLAIN_TRACK))
        .await;
    assert_eq!(track["is_playable"], true);
    assert!(track.get("available_markets").is_none());
    let track = visit
        .ok(&format!("/tracks/{}?market=DE", known::UNAVAILABLE_TRACK))
        .await;
    assert_eq!(track["is_playable"], false);
    assert_eq!(track["restrictions"]["reason"], "market");
    let track = visit
        .ok(&format!("/tracks/{}?market=DE", known::RELINKED_TRACK))
        .await;
    assert_ne!(track["id"], known::RELINKED_TRACK);
    assert_eq!(track["linked_from"]["id"], known::RELINKED_TRACK);
}

#[tokio::test]
async fn a_filter_an_etag_and_episodes_are_served_as_asked_for() {
    let visit = visit(extended()).await;
    let path = format!("/playlists/{}", known::HOME_PLAYLIST);
    let some = visit
        .ok(&format!(
            "{path}/items?limit=1&fields=total,next,items(added_at,item(id),track(name,!album))"
        ))
        .await;
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&some), ["items", "next", "total"]);
    assert_eq!(keys(&some["items"][0]), ["added_at", "track"]);
    assert_eq!(
        visit
            .ok(&format!("{path}?fields=snapshot_id"))
            .await
            .as_object()
            .unwrap()
            .len(),
        1
    );
    let first = visit.send(&path).await.unwrap();
    let etag = first.headers()["etag"].clone();
    let url = format!("{}{path}", visit.sandbox.api_url());
    let again = || {
        visit
            .client
            .get(&url)
            .bearer_auth(&visit.token)
            .header("if-none-match", &etag)
            .send()
    };
    assert_eq!(again().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    let playlist = known::HOME_PLAYLIST.to_owned();
    visit
        .sandbox
        .catalog()
        .edit(Edit::Rename {
            playlist,
            name: "New".to_owned(),
        })
        .unwrap();
    assert_eq!(again().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_list_moves_while_it_is_read_and_its_snapshot_id_tells() {
    let visit = visit(extended()).await;
    let (id, catalog) = (known::HOME_PLAYLIST, visit.sandbox.catalog());
    let before = (catalog.snapshot_id(id), catalog.playlist_rows(id).unwrap());
    let remove = Edit::Remove {
        playlist: id.to_owned(),
        position: 0,
        count: 1,
    };
    catalog
        .edit(Edit::WhenServed {
            playlist: id.to_owned(),
            page: 0,
            times: 1,
            edit: Box::new(remove),
        })
        .unwrap();
    let items = visit.walk(&format!("/playlists/{id}/items?limit=50")).await;
    assert_eq!(
        items.len(),
        119,
        "one row slipped through between the first page and the second"
    );
    assert_eq!(
        items[50]["track"]["id"].as_str(),
        before.1[51].id.as_deref()
    );
    assert_ne!(catalog.snapshot_id(id), before.0);
    let truth = catalog.playlist_rows(id).unwrap();
    assert_eq!(truth.len(), 119);
    let insert = Edit::Insert {
        playlist: id.to_owned(),
        position: 3,
        items: vec![
            Some(known::PLAIN_TRACK.to_owned()),
            None,
            Some(known::EPISODE.to_owned()),
        ],
    };
    catalog.edit(insert).unwrap();
    catalog
        .edit(Edit::Move {
            playlist: id.to_owned(),
            from: 3,
            count: 1,
            to: 0,
        })
        .unwrap();
    let kinds: Vec<String> = catalog
        .playlist_rows(id)
        .unwrap()
        .into_iter()
        .map(|row| row.kind)
        .take(6)
        .collect();
    assert_eq!(
        kinds,
        ["track", "track", "track", "track", "unavailable", "episode"]
    );
    assert_eq!(
        catalog.playlist_rows(id).unwrap()[0].id.as_deref(),
        Some(known::PLAIN_TRACK)
    );
    assert!(
        catalog
            .edit(Edit::Delete {
                playlist: "nothing".to_owned()
            })
            .is_err()
    );
}

#[tokio::test]
async fn the_odd_playlist_holds_all_that_is_odd_and_agrees_with_the_truth() {
    let visit = visit(extended()).await;
    let id = known::ODD_PLAYLIST;
    let whole = visit
        .ok(&format!("/playlists/{id}?additional_types=track,episode"))
        .await;
    assert!(whole["images"].is_null() && whole["public"].is_null());
    assert_eq!(whole["items"], whole["tracks"], "both names at once");
    assert!(whole["description"].as_str().unwrap().chars().count() > 32_767);
    let truth = visit.sandbox.catalog().playlist_rows(id).unwrap();
    assert!(whole["tracks"]["total"].as_u64().unwrap() as usize > truth.len());
    let last = visit.ok(&format!("/playlists/{id}/items?offset=500")).await;
    assert_eq!(last["items"], json!([]));
    assert!(
        last["next"].is_string(),
        "an empty page that names a next one"
    );
    let items = visit
        .walk(&format!(
            "/playlists/{id}/items?additional_types=track,episode"
        ))
        .await;
    assert_eq!(items.len(), truth.len());
    for (item, row) in items.iter().zip(&truth) {
        let track = &item["track"];
        assert_eq!(item["added_at"].as_str(), row.added_at.as_deref());
        assert_eq!(item["added_by"]["id"].as_str(), row.added_by.as_deref());
        assert_eq!(track["name"].as_str(), row.name.as_deref());
        assert_eq!(track["uri"].as_str(), row.uri.as_deref());
        assert_eq!(
            track["duration_ms"].as_f64(),
            row.duration_ms.map(|ms| ms as f64)
        );
        assert_eq!(track["album"]["name"].as_str(), row.album_name.as_deref());
        assert_eq!(track["external_ids"]["isrc"].as_str(), row.isrc.as_deref());
    }
    let has = |what: &dyn Fn(&Value) -> bool| items.iter().any(what);
    assert!(has(&|item| item["track"].is_null()));
    assert!(has(&|item| item["added_at"].is_null()));
    assert!(has(&|item| item["added_by"].is_null()));
    assert!(has(&|item| item["added_by"]["id"] == ""));
    assert!(has(&|item| item["added_at"] == "1970-01-01T00:00:00Z"));
    assert!(has(
        &|item| item.get("item").is_some() && item.get("track").is_some()
    ));
    assert!(has(&|item| item["track"]["type"] == "episode"));
    assert!(has(
        &|item| item["is_local"] == true && item["track"]["album"].is_null()
    ));
    assert!(has(&|item| item["track"]["artists"] == json!([])));
    assert!(has(
        &|item| item["track"]["album"]["images"].is_null() && item["track"]["album"].is_object()
    ));
    for date in ["0000", "1981", "1981-12", "1970-01-01"] {
        assert!(
            has(&|item| item["track"]["album"]["release_date"] == date),
            "{date}"
        );
    }
    for text in [
        "\u{0}", "\"", "\n", "\r", "\t", "🎉", "\u{301}", "NULL", "007", "1e5", "=1+1",
    ] {
        assert!(
            has(&|item| item["track"]["name"]
                .as_str()
                .is_some_and(|name| name.contains(text))),
            "{text:?}"
        );
    }
    let raw = visit
        .send(&format!("/playlists/{id}/items?limit=50"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(raw.contains("200040.0") && raw.contains("4.9022656E7"));
    let local = truth.iter().find(|row| row.kind == "local").unwrap();
    assert_eq!(
        local.uri.as_deref(),
        Some("spotify:local:Salt+%26+Pepper:Home+tapes:Rain%3A+take+1%2B2:187")
    );
}

#[tokio::test]
async fn the_large_playlist_ends_in_twenty_odd_rows() {
    let visit = visit(extended()).await;
    let id = known::LARGE_PLAYLIST;
    let truth = visit.sandbox.catalog().playlist_rows(id).unwrap();
    assert_eq!(truth.len(), known::LARGE_PLAYLIST_ITEMS);
    let page = visit
        .ok(&format!("/playlists/{id}/tracks?offset=50000&limit=100"))
        .await;
    assert!(page["next"].is_null());
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 20);
    assert!(items.iter().any(|item| item["track"].is_null()));
    assert!(items.iter().any(|item| {
        item["track"]["name"]
            .as_str()
            .is_some_and(|name| name.contains('\n'))
    }));
}

#[tokio::test]
async fn limits_answer_429_and_free_themselves_as_time_passes() {
    let visit = visit(Options {
        rate_limit: Some(2),
        calls_per_family_per_day: Some(3),
        ..development()
    })
    .await;
    let path = format!("/tracks/{}", known::PLAIN_TRACK);
    visit.ok(&path).await;
    visit.ok(&path).await;
    let refused = visit.send(&path).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(
        (29..=30).contains(
            &refused.headers()["retry-after"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        )
    );
    let body = json_of(refused).await;
    assert_eq!(
        body,
        json!({"error": {"status": 429, "message": "API rate limit exceeded"}})
    );
    visit.sandbox.advance(Duration::from_secs(30));
    visit.ok(&path).await;
    let refused = visit.send(&path).await.unwrap();
    assert!(
        refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 80_000
    );
    let body = json_of(refused).await;
    assert_eq!(body["error"]["reason"], "QUOTA_EXCEEDED");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answers_and_another_seed_others() {
    let (one, two) = (visit(extended()).await, visit(extended()).await);
    let other = visit(Options {
        seed: 2,
        ..extended()
    })
    .await;
    let port = |visit: &Visit, text: String| text.replace(&visit.sandbox.accounts_url(), "");
    let path = format!("/playlists/{}/items?limit=50", known::HOME_PLAYLIST);
    let text = async |visit: &Visit| {
        port(
            visit,
            visit.send(&path).await.unwrap().text().await.unwrap(),
        )
    };
    assert_eq!(text(&one).await, text(&two).await);
    assert_ne!(text(&one).await, text(&other).await);
}

#[tokio::test]
async fn the_log_holds_every_call_and_no_token() {
    let visit = visit(development()).await;
    visit
        .ok(&format!("/albums/{}?market=DE", known::LONG_ALBUM))
        .await;
    let log = visit.sandbox.log();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].grant_type.as_deref(), Some("client_credentials"));
    assert_eq!(
        (log[1].family.as_str(), log[1].status, log[1].bearer),
        ("/albums/{id}", 200, true)
    );
    assert_eq!(log[1].on_behalf_of.as_deref(), Some("app"));
    let url = format!("{}/_sandbox/log", visit.sandbox.accounts_url());
    let text = visit
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(!text.contains(&visit.token) && !text.contains("sandbox-secret"));
    assert_eq!(
        serde_json::from_str::<Value>(&text)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    visit.sandbox.clear_log();
    assert!(visit.sandbox.log().is_empty());
}

#[tokio::test]
async fn the_controls_work_over_http_too() {
    let visit = visit(extended()).await;
    let url = |path: &str| format!("{}/_sandbox{path}", visit.sandbox.accounts_url());
    let post = async |path: &str, body: Value| {
        let request = visit.client.post(url(path)).body(body.to_string());
        request.send().await.unwrap().status().as_u16()
    };
    let list = known::HOME_PLAYLIST;
    assert_eq!(
        post(
            "/edit",
            json!({"do": "rename", "playlist": list, "name": "Changed"})
        )
        .await,
        204
    );
    assert_eq!(
        visit.ok(&format!("/playlists/{list}")).await["name"],
        "Changed"
    );
    assert_eq!(
        post(
            "/edit",
            json!({"do": "rename", "playlist": "x", "name": ""})
        )
        .await,
        404
    );
    assert_eq!(
        post(
            "/faults",
            json!({"path": "/v1/*", "times": 1, "action": {"do": "status", "code": 502}})
        )
        .await,
        204
    );
    assert_eq!(visit.get("/markets").await.0, 502);
    assert_eq!(visit.get("/markets").await.0, 200);
    assert_eq!(
        post("/faults", json!({"action": {"do": "explode"}})).await,
        400
    );
    assert_eq!(post("/advance", json!({"seconds": 3601})).await, 204);
    assert_eq!(visit.get("/markets").await.0, 401);
    let truth = json_of(
        visit
            .client
            .get(url(&format!("/truth/playlists/{list}")))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(truth["rows"].as_array().unwrap().len(), 120);
    let ids = json_of(visit.client.get(url("/ids")).send().await.unwrap()).await;
    assert_eq!(ids["tracks"][0], known::PLAIN_TRACK);
    let overview = url("");
    let Visit {
        sandbox, client, ..
    } = visit;
    sandbox.shutdown().await;
    assert!(
        client.get(overview).send().await.is_err(),
        "nobody is there any more"
    );
}

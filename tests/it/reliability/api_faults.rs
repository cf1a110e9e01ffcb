//! Servers that misbehave: truncated, endless, huge and wrong answers, and redirects. No error and no
//! debug output contains a secret.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use spotify_client::client::{ApiCaller, ApiRequest, SpotifyClient, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::http::observer::NoopObserver;
use tempfile::TempDir;

use crate::limits::api_calls::{Desk, SECRET, TOKEN, config, get};
use crate::limits::limiter::open;
use crate::support::http_server::{Answering, Reply, reply};

#[tokio::test]
async fn two_failures_then_success() {
    for fault in ["500", "503", "408", "cut", "hangup", "html", "empty", "204"] {
        let sent = AtomicUsize::new(0);
        let desk = Desk::with(move |_| {
            if sent.fetch_add(1, Ordering::SeqCst) >= 2 {
                return reply(200, "", "{}");
            }
            match fault {
                "cut" => Reply::Bytes(b"HTTP/1.1 200 X\r\ncontent-length: 90\r\n\r\n{\"a\":".to_vec()),
                "hangup" => Reply::Hangup,
                "html" => reply(200, "content-type: text/html\r\n", "<html>Sign in to the wifi</html>"),
                "empty" => reply(200, "", ""),
                status => reply(status.parse().unwrap(), "", ""),
            }
        })
        .await;
        desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap();
        assert_eq!(desk.server.count("GET"), 3, "{fault}");
    }
}

#[tokio::test]
async fn unusable_page_is_dropped_after_five_tries() {
    for (body, word) in [("<html>", "HTML"), ("{\"items\":[", "cut short"), ("", "empty")] {
        let desk = Desk::with(move |_| reply(200, "", body)).await;
        let failed = desk.get(EndpointFamily::PLAYLIST_ITEMS, "/playlists/1/items").await.unwrap_err();
        let ApiError::Unusable { what, attempts: 5, .. } = &failed else {
            panic!("{failed}");
        };
        assert!(what.contains(word), "{what}");
        assert_eq!(desk.server.count("GET"), 5);
    }
}

#[tokio::test]
async fn answer_rejected_by_the_caller_is_retried() {
    let sent = AtomicUsize::new(0);
    let desk = Desk::with(move |_| {
        let n = sent.fetch_add(1, Ordering::SeqCst);
        reply(200, "", format!("{{\"total\":{n}}}"))
    })
    .await;
    let request = ApiRequest::new(EndpointFamily::ALBUMS, "/albums/1");
    let checked = desk.api.get_checked(&ApiCaller::App, &request, |answer| match answer.body.as_ref() {
        b"{\"total\":3}" => Ok("three"),
        _ => Err(UnusableResponse::new("the total is not three")),
    });
    assert_eq!(checked.await.unwrap(), "three");
    let never = desk.api.get_checked::<()>(&ApiCaller::App, &request, |_| Err(UnusableResponse::new("no")));
    assert!(matches!(never.await, Err(ApiError::Unusable { attempts: 5, .. })));
}

#[tokio::test]
async fn server_that_is_down_is_unreachable() {
    let desk = Desk::with(|_| reply(502, "", "bad gateway")).await;
    // One resource may have a problem of its own. Three in a row before any answer mean an outage.
    for n in 1..=3 {
        let failed = desk.get(EndpointFamily::ALBUMS, &format!("/albums/{n}")).await.unwrap_err();
        let is_unreachable = matches!(failed, ApiError::Unreachable { attempts: 5, .. });
        assert_eq!(is_unreachable, n == 3, "{failed}");
        assert_eq!(desk.server.count("GET"), 5 * n);
    }
}

#[tokio::test]
async fn run_stays_within_its_retry_budget() {
    let desk = Desk::with(|_| reply(200, "", "<html>")).await;
    let mut spent = 0;
    for n in 0..12 {
        match desk.get(EndpointFamily::ALBUMS, &format!("/albums/{n}")).await.unwrap_err() {
            ApiError::Unusable { what, .. } => spent += usize::from(what.contains("retries of this run are spent")),
            other => panic!("{other}"),
        }
    }
    assert!(spent > 0);
    // 12 calls, and 20 retries plus one for every ten calls sent.
    assert!(desk.server.count("GET") <= 12 + 20 + 4);
}

#[tokio::test]
async fn endless_drip_ends_at_the_total_limit() {
    let desk = Desk::with_config(
        |_| Reply::Drip(b"HTTP/1.1 200 X\r\ncontent-length: 9999999\r\n\r\n{".to_vec(), b' '),
        |config| config.timings.retry.attempts = 2,
    )
    .await;
    // The point is that it ends at all: the slow body never does.
    let failed = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(matches!(failed, ApiError::NoAnswer { .. }), "{failed}");
}

#[tokio::test]
async fn oversized_body_is_refused_when_packed_too() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b' '; 8 * 1024 * 1024]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 64 * 1024);
    let desk = Desk::with(move |asked| match asked.line().contains("packed") {
        true => reply(200, "content-encoding: gzip\r\n", &packed),
        false => reply(200, "", vec![b' '; 70 * 1024]),
    })
    .await;
    for path in ["/albums/packed", "/albums/plain"] {
        let failed = desk.get(EndpointFamily::ALBUMS, path).await.unwrap_err();
        assert!(failed.to_string().contains("larger than 65536 bytes"), "{failed}");
    }
}

#[tokio::test]
async fn redirect_is_an_error_and_not_followed() {
    let other = Answering::with(|_| reply(200, "", "{}")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://{}/v1/albums/1\r\n", other.address);
        let desk = Desk::with(move |_| reply(status, &location, "")).await;
        let failed = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
        assert!(matches!(failed, ApiError::Unexpected { status: got, .. } if got == status));
        assert_eq!(desk.server.count("GET"), 1);
    }
    let location = format!("location: http://{}/api/token\r\n", other.address);
    let accounts = Answering::with(move |_| reply(307, &location, "")).await;
    let folder = TempDir::new().unwrap();
    let api = SpotifyClient::new(config(accounts.url()), open(&folder), Arc::new(NoopObserver)).unwrap();
    get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert_eq!(other.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn path_to_another_host_is_not_sent() {
    let desk = Desk::with(|_| reply(200, "", "{}")).await;
    for path in [
        "albums/1",
        "//other.example/v1",
        "/albums/../me",
        "/albums/%2e%2E/me",
        "/albums/./1",
        "/albums//1",
        "/albums/1?market=DE",
        "/albums/1#x",
        "/albums\\..\\me",
        "/albums/1 2",
        "@other.example/",
        "/albums/1\r\nX: y",
        "",
    ] {
        let failed = desk.get(EndpointFamily::ALBUMS, path).await.unwrap_err();
        assert!(matches!(failed, ApiError::BadRequest { .. }), "{path}: {failed}");
    }
    assert_eq!(desk.server.lines().len(), 0);
}

#[tokio::test]
async fn unreachable_server_costs_five_attempts() {
    let server = Answering::with(|_| Reply::Hangup).await;
    let url = server.url();
    drop(server);
    let folder = TempDir::new().unwrap();
    let api = SpotifyClient::new(config(url), open(&folder), Arc::new(NoopObserver)).unwrap();
    let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(matches!(failed, ApiError::Unreachable { attempts: 3, .. }), "{failed}");
}

#[tokio::test]
async fn no_secret_in_errors_dumps_or_ledger() {
    // A server that echoes every request, in every way that fails.
    let desk = Desk::with(|asked| {
        let echo = asked.text.replace(['\r', '\n', '"'], " ");
        let json = format!(r#"{{"error":{{"status":1,"message":"{echo}"}}}}"#);
        match asked.line().split('/').nth(3).unwrap_or("").get(..3).unwrap_or("") {
            "200" => reply(200, "", asked.text.clone()),
            "cut" => Reply::Bytes(b"HTTP/1.1 200 X\r\ncontent-length: 90\r\n\r\n{".to_vec()),
            "bad" => Reply::Bytes(asked.text.clone().into_bytes()),
            "hup" => Reply::Hangup,
            "raw" => reply(400, "", asked.text.clone()),
            status => reply(status.parse().unwrap(), "retry-after: 4000\r\n", json),
        }
    })
    .await;
    let mut seen = format!("{:?}", desk.api);
    for path in ["200", "cut", "bad", "hup", "raw", "400", "401", "403", "404", "500", "302", "429"] {
        let request =
            ApiRequest::new(EndpointFamily::SEARCH, format!("/search/{path}")).with_query("q", "hidden-query");
        let failed = desk.api.get(&ApiCaller::App, &request).await.unwrap_err();
        seen.push_str(&format!("{failed} {failed:?} {:?}\n", failed.hint()));
        let mut cause: &dyn std::error::Error = &failed;
        while let Some(inner) = cause.source() {
            seen.push_str(&inner.to_string());
            cause = inner;
        }
        // Each in a run of its own, so that the breaker starts closed.
        tokio::time::sleep(Duration::from_millis(210)).await;
    }
    seen.push_str(&format!("{:?}", config(desk.server.url())));
    let Desk { api, folder, .. } = desk;
    drop(api);
    for entry in std::fs::read_dir(folder.path().join("state")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        seen.push_str(&String::from_utf8_lossy(&bytes));
    }
    let basic = "YXBwOmNhbmFyeS1zZWNyZXQtNWYxYw";
    for secret in [SECRET, TOKEN, basic] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
    assert!(!seen.contains("127.0.0.1/v1"), "{seen}");
}

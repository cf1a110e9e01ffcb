//! Each fault as it appears on the wire.
#![expect(clippy::unwrap_used, reason = "helpers of tests may stop a test")]

use std::time::{Duration, Instant};

use serde_json::Value;
use spotify_sandbox::{ErrorBodyFormat, Fault, FaultAction, RetryAfterHeader, fixtures};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answers::{Visit, extended, visit};

fn list() -> String {
    format!("/playlists/{}/items?limit=20", fixtures::HOME_PLAYLIST)
}

/// All bytes that arrive for one request, and how the connection ended.
async fn raw(visit: &Visit, path: &str) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    // A large answer takes time to make.
    raw_after(visit, path, Duration::from_secs(20)).await
}

/// As [`raw`], with the time to wait for the first byte.
async fn raw_after(visit: &Visit, path: &str, first: Duration) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let address = visit.sandbox.accounts_url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET /v1{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        visit.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 65_536]);
    loop {
        let wait = if bytes.is_empty() { first } else { Duration::from_millis(700) };
        match tokio::time::timeout(wait, stream.read(&mut chunk)).await {
            Err(_) => return (bytes, Some(std::io::ErrorKind::TimedOut)),
            Ok(Err(err)) => return (bytes, Some(err.kind())),
            Ok(Ok(0)) => return (bytes, None),
            Ok(Ok(n)) => bytes.extend_from_slice(&chunk[..n]),
        }
        if bytes.len() > 4 << 20 {
            return (bytes, None);
        }
    }
}

fn split(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase(), &bytes[end + 4..])
}

fn length(head: &str) -> Option<usize> {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    line.parse().ok()
}

async fn struck(action: FaultAction) -> (Visit, Vec<u8>, Option<std::io::ErrorKind>) {
    let visit = visit(extended()).await;
    visit.sandbox.inject(Fault::on_path("/v1/playlists/*", action.clone()).times(1));
    let wait = if matches!(action, FaultAction::Stall) { 700 } else { 20_000 };
    let (bytes, end) = raw_after(&visit, &list(), Duration::from_millis(wait)).await;
    let log = visit.sandbox.log();
    assert_eq!(log.last().unwrap().fault, Some(action.name()));
    visit.ok(&list()).await;
    (visit, bytes, end)
}

#[tokio::test]
async fn status_has_its_body_and_header() {
    let refusal = |body, retry_after| FaultAction::Status { code: 429, body, retry_after, message: None, reason: None };
    let seconds = |n| RetryAfterHeader::Seconds(n);
    for (action, header, body) in [
        (
            FaultAction::rate_limited(seconds(5)),
            Some("retry-after: 5"),
            r#"{"error":{"status":429,"message":"API rate limit exceeded"}}"#,
        ),
        (
            FaultAction::quota_exceeded(86_400),
            Some("retry-after: 86400"),
            r#"{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}"#,
        ),
        (refusal(ErrorBodyFormat::Text, RetryAfterHeader::None), None, "API rate limit exceeded"),
        (refusal(ErrorBodyFormat::Empty, RetryAfterHeader::Text("soon".to_owned())), Some("retry-after: soon"), ""),
        (refusal(ErrorBodyFormat::Empty, RetryAfterHeader::Text("-5".to_owned())), Some("retry-after: -5"), ""),
        (
            refusal(ErrorBodyFormat::Html, RetryAfterHeader::DateIn(60)),
            Some(" gmt"),
            "<html><body><h1>Error</h1></body></html>\n",
        ),
    ] {
        let (_visit, bytes, end) = struck(action).await;
        let (head, got) = split(&bytes);
        assert!(head.starts_with("http/1.1 429"), "{head}");
        assert_eq!(head.lines().any(|line| line.starts_with("retry-after")), header.is_some(), "{head}");
        assert!(header.is_none_or(|header| head.contains(header)), "{head}");
        assert_eq!(String::from_utf8_lossy(got), body);
        assert_eq!(end, None);
    }
}

#[tokio::test]
async fn reset_and_close_send_no_byte() {
    let (_, bytes, end) = struck(FaultAction::Reset).await;
    assert_eq!((bytes.len(), end), (0, Some(std::io::ErrorKind::ConnectionReset)));
    let (_, bytes, end) = struck(FaultAction::CloseBeforeHeaders).await;
    assert_eq!((bytes.len(), end), (0, None));
}

#[tokio::test]
async fn content_lengths_are_wrong_in_every_way() {
    let (visit, bytes, _) = struck(FaultAction::CutBody).await;
    let (head, body) = split(&bytes);
    let whole = visit.send(&list()).await.unwrap().text().await.unwrap().len();
    assert_eq!((length(&head), body.len()), (Some(whole), whole / 2));
    let (_, bytes, _) = struck(FaultAction::ShortLength).await;
    let (head, body) = split(&bytes);
    assert_eq!((length(&head), body.len()), (Some(whole / 2), whole));
    let (_, bytes, end) = struck(FaultAction::NoLength).await;
    let (head, body) = split(&bytes);
    assert_eq!((length(&head), body.len(), end), (None, whole / 2, None));
    let (_, bytes, end) = struck(FaultAction::CutChunks).await;
    let (head, body) = split(&bytes);
    assert!(head.contains("transfer-encoding: chunked") && !body.ends_with(b"0\r\n\r\n"));
    assert_eq!(end, None);
}

#[tokio::test]
async fn body_can_be_invalid_json_or_utf8() {
    for (action, utf8) in [
        (FaultAction::MalformedJson, true),
        (FaultAction::InvalidUtf8, false),
        (FaultAction::LoneSurrogate, true),
        (FaultAction::Html200, true),
    ] {
        let (_, bytes, _) = struck(action.clone()).await;
        let (head, body) = split(&bytes);
        assert!(head.starts_with("http/1.1 200"));
        assert_eq!(length(&head), Some(body.len()));
        assert!(serde_json::from_slice::<Value>(body).is_err(), "{action:?}");
        assert_eq!(std::str::from_utf8(body).is_ok(), utf8, "{action:?}");
    }
}

#[tokio::test]
async fn bodies_drip_never_end_or_stall() {
    let start = Instant::now();
    let (_, bytes, end) = struck(FaultAction::Latency { ms: 300 }).await;
    assert!(start.elapsed() > Duration::from_millis(300) && end.is_none() && !bytes.is_empty());
    let (_, bytes, end) = struck(FaultAction::Stall).await;
    assert_eq!((bytes.len(), end), (0, Some(std::io::ErrorKind::TimedOut)));
    let (_, bytes, _) = struck(FaultAction::EndlessBody).await;
    assert!(bytes.len() > 4 << 20);
    let visit = visit(extended()).await;
    visit.sandbox.inject(Fault::on_path("*", FaultAction::Drip { every_ms: 1 }));
    let (bytes, end) = raw(&visit, "/markets").await;
    assert!(serde_json::from_slice::<Value>(split(&bytes).1).is_ok() && end.is_none());
}

#[tokio::test]
async fn small_body_unpacks_to_a_large_one() {
    let (_, bytes, _) = struck(FaultAction::GzipBomb { mib: 50 }).await;
    let (head, body) = split(&bytes);
    assert!(head.contains("content-encoding: gzip") && body.len() < 1 << 20);
    let mut unpacked = flate2::read::GzDecoder::new(body);
    assert_eq!(std::io::copy(&mut unpacked, &mut std::io::sink()).unwrap(), 50 << 20);
}

#[tokio::test]
async fn garbage_and_redirects_replace_an_answer() {
    let (_, bytes, _) = struck(FaultAction::GarbageStatusLine).await;
    assert!(bytes.starts_with(b"SSH-2.0"));
    let to = "http://127.0.0.1:9/elsewhere".to_owned();
    let (_, bytes, _) = struck(FaultAction::Redirect { code: 307, to }).await;
    let (head, _) = split(&bytes);
    assert!(head.starts_with("http/1.1 307") && head.contains("location: http://127.0.0.1:9/elsewhere"));
}

#[tokio::test]
async fn page_repeats_lacks_items_or_misleads() {
    let visit = visit(extended()).await;
    let path = format!("/playlists/{}/items?limit=20&offset=20", fixtures::HOME_PLAYLIST);
    let good = visit.ok(&path).await;
    let first = visit.ok(&list()).await;
    let page = async |action| {
        visit.sandbox.inject(Fault::on_path("*", action).times(1));
        visit.ok(&path).await
    };
    let astray = page(FaultAction::ForeignNext { host: "http://127.0.0.1:9".to_owned() }).await;
    assert!(astray["next"].as_str().unwrap().starts_with("http://127.0.0.1:9/v1/playlists/"));
    let again = page(FaultAction::RepeatPage).await;
    assert_eq!((&again["items"], &again["offset"]), (&first["items"], &good["offset"]));
    let short = page(FaultAction::ShortPage).await;
    assert_eq!(short["items"].as_array().unwrap().len(), 10);
    assert_eq!((&short["next"], &short["total"]), (&good["next"], &good["total"]));
    let empty = page(FaultAction::EmptyPage).await;
    assert_eq!(empty["items"].as_array().unwrap().len(), 0);
    assert_eq!(empty["next"], good["next"]);
}

#[tokio::test]
async fn endless_pages_continue_past_the_end() {
    let visit = visit(extended()).await;
    visit.sandbox.inject(Fault::on_path("/v1/playlists/*", FaultAction::EndlessPages));
    let mut path = list();
    for n in 0..12 {
        let page = visit.ok(&path).await;
        assert_eq!(page["offset"], n * 20);
        assert_eq!(page["items"].as_array().unwrap().len(), 20);
        path = page["next"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn accounts_service_has_its_own_error_shape() {
    let visit = visit(extended()).await;
    let grant = [("grant_type", "client_credentials")];
    visit.sandbox.inject(Fault::on_path("/api/token", FaultAction::invalid_grant("Refresh token revoked")).times(1));
    let (status, body) = visit.ask_token("sandbox-client", "sandbox-secret", &grant).await;
    assert_eq!(status, 400);
    assert_eq!(body, serde_json::json!({"error": "invalid_grant", "error_description": "Refresh token revoked"}));
    assert_eq!(visit.ask_token("sandbox-client", "sandbox-secret", &grant).await.0, 200);
}

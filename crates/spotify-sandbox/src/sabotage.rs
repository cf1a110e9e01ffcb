//! Plays a fault: as another answer where HTTP can say it, else as bytes and pauses on the socket.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::answer::{Answer, refuse_because, refuse_token};
use super::clock::http_date;
use super::faults::{Action, Body, RetryAfter};

/// What goes down the wire.
pub(crate) enum Outcome {
    /// A proper answer, perhaps a late one.
    Answer(Answer, Duration),
    /// Whatever these steps do; the status is for the log.
    Raw(u16, Vec<Step>),
}

/// One step of a connection that is no longer HTTP's.
pub(crate) enum Step {
    Send(Bytes),
    /// One byte at a time.
    Drip(Bytes, Duration),
    /// Over and over until the reader has gone.
    Forever(Bytes),
    /// Nothing until the reader has gone.
    Stall,
    Reset,
    Close,
}

/// A page of "please sign in to this network".
const PORTAL: &str = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\
    <body><h1>Please sign in to use this network</h1></body></html>\n";

/// The answer that comes in place of the real one, for faults that don't let a request through.
pub(crate) fn instead(action: &Action, accounts: bool, now_ms: i64) -> Option<Outcome> {
    let answer = match action {
        Action::Status { code, body, retry_after, message, reason } => {
            let refusal = match body {
                Body::Json => json_refusal(accounts, *code, message.as_deref(), reason.as_deref()),
                Body::Html => Answer::new(*code, "text/html", "<html><body><h1>Error</h1></body></html>\n"),
                Body::Text => {
                    Answer::new(*code, "text/plain", message.clone().unwrap_or_else(|| usual(*code).to_owned()))
                }
                Body::Empty => Answer::empty(*code),
            };
            match retry_after {
                RetryAfter::None => refusal,
                RetryAfter::Seconds(secs) => refusal.header("retry-after", secs.to_string()),
                RetryAfter::DateIn(secs) => {
                    let ms = i64::try_from(*secs).unwrap_or(i64::MAX / 2000) * 1000;
                    refusal.header("retry-after", http_date(now_ms + ms))
                }
                RetryAfter::Text(text) => refusal.header("retry-after", text.clone()),
            }
        }
        Action::Redirect { code, to } => Answer::empty(*code).header("location", to.clone()),
        Action::Html200 => Answer::new(200, "text/html; charset=utf-8", PORTAL),
        Action::GzipBomb { mib } => {
            Answer::new(200, "application/json; charset=utf-8", bomb(*mib)).header("content-encoding", "gzip")
        }
        Action::GarbageStatusLine => {
            let garbage = Bytes::from_static(b"SSH-2.0-OpenSSH_9.2p1\r\n\x00\x01\x02 418\r\n\r\n");
            return Some(Outcome::Raw(0, vec![Step::Send(garbage), Step::Close]));
        }
        Action::EndlessBody => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"items\":[";
            let filler = Bytes::from(format!("\"{}\",", "x".repeat(16_000)));
            let steps = vec![Step::Send(Bytes::from(head)), Step::Forever(filler)];
            return Some(Outcome::Raw(200, steps));
        }
        _ => return None,
    };
    Some(Outcome::Answer(answer, Duration::ZERO))
}

/// The real answer, spoilt.
pub(crate) fn spoil(action: &Action, mut answer: Answer, date: &str) -> Outcome {
    let whole = answer.body.clone();
    let half = whole.slice(..whole.len() / 2);
    let status = answer.status;
    let head = |length: Option<usize>, more: &str| {
        let mut head = format!("HTTP/1.1 {status} OK\r\ndate: {date}\r\n");
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(length) = length {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        Step::Send(Bytes::from(format!("{head}{more}connection: close\r\n\r\n")))
    };
    let steps = match action {
        Action::Reset => return Outcome::Raw(0, vec![Step::Reset]),
        Action::CloseBeforeHeaders => return Outcome::Raw(0, vec![Step::Close]),
        Action::Stall => return Outcome::Raw(0, vec![Step::Stall]),
        Action::CutBody => vec![head(Some(whole.len()), ""), Step::Send(half), Step::Close],
        Action::ShortLength => vec![head(Some(half.len()), ""), Step::Send(whole), Step::Close],
        Action::NoLength => vec![head(None, ""), Step::Send(half), Step::Close],
        Action::CutChunks => {
            let chunk = [format!("{:x}\r\n", half.len()).as_bytes(), &half, b"\r\n"].concat();
            let chunked = head(None, "transfer-encoding: chunked\r\n");
            vec![chunked, Step::Send(Bytes::from(chunk)), Step::Close]
        }
        Action::Drip { every_ms } => {
            let every = Duration::from_millis(*every_ms);
            vec![head(Some(whole.len()), ""), Step::Drip(whole, every), Step::Close]
        }
        Action::Latency { ms } => return Outcome::Answer(answer, Duration::from_millis(*ms)),
        Action::MalformedJson => {
            answer.body = [&half[..], b",,]}oops"].concat().into();
            return Outcome::Answer(answer, Duration::ZERO);
        }
        Action::InvalidUtf8 => {
            answer.body = with_first_key(&whole, b"\"\xff\xfe\xc3(\"");
            return Outcome::Answer(answer, Duration::ZERO);
        }
        Action::LoneSurrogate => {
            answer.body = with_first_key(&whole, br#""\ud83d""#);
            return Outcome::Answer(answer, Duration::ZERO);
        }
        Action::ForeignNext { host } => {
            answer.body = foreign(&whole, host);
            return Outcome::Answer(answer, Duration::ZERO);
        }
        Action::ShortPage | Action::EmptyPage => {
            let empty = matches!(action, Action::EmptyPage);
            answer.body = on_page(&whole, |page| {
                if let Some(items) = page["items"].as_array_mut() {
                    items.truncate(if empty { 0 } else { items.len() / 2 });
                }
            });
            return Outcome::Answer(answer, Duration::ZERO);
        }
        Action::HolePage => {
            answer.body = on_page(&whole, |page| {
                if let Some(items) = page["items"].as_array_mut().filter(|items| items.len() > 2) {
                    items.remove(items.len() / 2);
                }
            });
            return Outcome::Answer(answer, Duration::ZERO);
        }
        Action::Set { at, to } => {
            answer.body = with_value(&whole, at, to);
            return Outcome::Answer(answer, Duration::ZERO);
        }
        Action::EndsAfter { items } => {
            answer.body = on_page(&whole, |page| {
                let left = items.saturating_sub(page["offset"].as_u64().unwrap_or(0));
                if let Some(entries) = page["items"].as_array_mut() {
                    entries.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                }
            });
            return Outcome::Answer(answer, Duration::ZERO);
        }
        _ => return Outcome::Answer(answer, Duration::ZERO),
    };
    Outcome::Raw(status, steps)
}

/// Changes the page in a body, be it the whole body or a part of a playlist or a search.
pub(crate) fn on_page(body: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.clone();
    };
    if value["items"].is_array() {
        change(&mut value);
    } else if let Some(object) = value.as_object_mut()
        && let Some((_, page)) = object.iter_mut().find(|(_, inner)| inner["items"].is_array())
    {
        change(page);
    }
    Bytes::from(value.to_string())
}

fn foreign(body: &Bytes, host: &str) -> Bytes {
    on_page(body, |page| {
        for key in ["next", "href"] {
            if let Some(link) = page[key].as_str()
                && let Some(path) = link.find("/v1/")
            {
                page[key] = format!("{}{}", host.trim_end_matches('/'), &link[path..]).into();
            }
        }
    })
}

/// The body with another value at a place; a key that is not there is added to the object around it.
fn with_value(body: &Bytes, at: &str, to: &Value) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.clone();
    };
    let (around, key) = at.rsplit_once('/').unwrap_or_default();
    if let Some(place) = value.pointer_mut(at) {
        *place = to.clone();
    } else if let Some(Value::Object(object)) = value.pointer_mut(around) {
        object.insert(key.to_owned(), to.clone());
    }
    Bytes::from(value.to_string())
}

fn with_first_key(body: &Bytes, value: &[u8]) -> Bytes {
    match body.split_first() {
        Some((b'{', rest)) => [b"{\"sandbox\":", value, b",", rest].concat().into(),
        _ => Bytes::copy_from_slice(value),
    }
}

fn json_refusal(accounts: bool, code: u16, message: Option<&str>, reason: Option<&str>) -> Answer {
    let message = message.unwrap_or_else(|| usual(code));
    if accounts {
        refuse_token(code, reason.unwrap_or("server_error"), message)
    } else {
        refuse_because(code, message, reason)
    }
}

fn usual(code: u16) -> &'static str {
    match code {
        400 => "Bad request",
        401 => "The access token expired",
        403 => "Forbidden",
        404 => "Resource not found",
        429 => "API rate limit exceeded",
        500 => "Server error",
        502 => "Bad gateway",
        503 => "Service unavailable",
        504 => "Gateway timeout",
        _ => "Error",
    }
}

/// Blanks, packed: a thousandth of the size they unpack to.
fn bomb(mib: u32) -> Bytes {
    let blanks = vec![b' '; 1 << 20];
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let mut filled = Ok(());
    for _ in 0..mib {
        filled = filled.and_then(|()| packed.write_all(&blanks));
    }
    let done = filled.and_then(|()| packed.finish());
    Bytes::from(done.expect("a vector takes all that is written to it"))
}

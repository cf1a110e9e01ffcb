//! Injects a fault: as another response if HTTP can express it, otherwise as bytes and pauses on the socket.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::clock::http_date;
use super::faults::{ErrorBodyFormat, FaultAction, RetryAfterHeader};
use super::response::{ServerResponse, api_error_with_reason, token_error};

/// The bytes for the client.
pub(crate) enum WireOutcome {
    /// A valid response, after a delay.
    Response(ServerResponse, Duration),
    /// The steps on the raw socket, and the status for the log.
    Raw(u16, Vec<WireStep>),
}

/// One step on a raw socket.
pub(crate) enum WireStep {
    Send(Bytes),
    /// One byte at a time.
    Drip(Bytes, Duration),
    /// The same bytes until the client closes the connection.
    Forever(Bytes),
    /// No bytes until the client closes the connection.
    Stall,
    Reset,
    Close,
}

/// The page of a captive portal.
const PORTAL_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\
    <body><h1>Please sign in to use this network</h1></body></html>\n";

/// The response of a fault that the request does not pass, or `None` if the request is carried out.
pub(crate) fn replacement_outcome(action: &FaultAction, accounts: bool, now_ms: i64) -> Option<WireOutcome> {
    let response = match action {
        FaultAction::Status { code, body, retry_after, message, reason } => {
            let refusal = match body {
                ErrorBodyFormat::Json => json_error(accounts, *code, message.as_deref(), reason.as_deref()),
                ErrorBodyFormat::Html => {
                    ServerResponse::new(*code, "text/html", "<html><body><h1>Error</h1></body></html>\n")
                }
                ErrorBodyFormat::Text => ServerResponse::new(
                    *code,
                    "text/plain",
                    message.clone().unwrap_or_else(|| default_message(*code).to_owned()),
                ),
                ErrorBodyFormat::Empty => ServerResponse::empty(*code),
            };
            match retry_after {
                RetryAfterHeader::None => refusal,
                RetryAfterHeader::Seconds(secs) => refusal.with_header("retry-after", secs.to_string()),
                RetryAfterHeader::DateIn(secs) => {
                    let ms = i64::try_from(*secs).unwrap_or(i64::MAX / 2000) * 1000;
                    refusal.with_header("retry-after", http_date(now_ms + ms))
                }
                RetryAfterHeader::Text(text) => refusal.with_header("retry-after", text.clone()),
            }
        }
        FaultAction::Answer { code, json } => {
            ServerResponse::new(*code, "application/json; charset=utf-8", json.to_string())
        }
        FaultAction::Redirect { code, to } => ServerResponse::empty(*code).with_header("location", to.clone()),
        FaultAction::Html200 => ServerResponse::new(200, "text/html; charset=utf-8", PORTAL_PAGE),
        FaultAction::GzipBomb { mib } => ServerResponse::new(200, "application/json; charset=utf-8", gzip_bomb(*mib))
            .with_header("content-encoding", "gzip"),
        FaultAction::GarbageStatusLine => {
            let garbage = Bytes::from_static(b"SSH-2.0-OpenSSH_9.2p1\r\n\x00\x01\x02 418\r\n\r\n");
            return Some(WireOutcome::Raw(0, vec![WireStep::Send(garbage), WireStep::Close]));
        }
        FaultAction::EndlessBody => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"items\":[";
            let filler = Bytes::from(format!("\"{}\",", "x".repeat(16_000)));
            let steps = vec![WireStep::Send(Bytes::from(head)), WireStep::Forever(filler)];
            return Some(WireOutcome::Raw(200, steps));
        }
        _ => return None,
    };
    Some(WireOutcome::Response(response, Duration::ZERO))
}

/// Applies a fault to the real response.
pub(crate) fn corrupt_response(action: &FaultAction, mut response: ServerResponse, date: &str) -> WireOutcome {
    let whole = response.body.clone();
    let half = whole.slice(..whole.len() / 2);
    let status = response.status;
    let head = |length: Option<usize>, more: &str| {
        let mut head = format!("HTTP/1.1 {status} OK\r\ndate: {date}\r\n");
        for (name, value) in &response.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(length) = length {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        WireStep::Send(Bytes::from(format!("{head}{more}connection: close\r\n\r\n")))
    };
    let steps = match action {
        FaultAction::Reset => return WireOutcome::Raw(0, vec![WireStep::Reset]),
        FaultAction::CloseBeforeHeaders => return WireOutcome::Raw(0, vec![WireStep::Close]),
        FaultAction::Stall => return WireOutcome::Raw(0, vec![WireStep::Stall]),
        FaultAction::CutBody => vec![head(Some(whole.len()), ""), WireStep::Send(half), WireStep::Close],
        FaultAction::ShortLength => vec![head(Some(half.len()), ""), WireStep::Send(whole), WireStep::Close],
        FaultAction::NoLength => vec![head(None, ""), WireStep::Send(half), WireStep::Close],
        FaultAction::CutChunks => {
            let chunk = [format!("{:x}\r\n", half.len()).as_bytes(), &half, b"\r\n"].concat();
            let chunked = head(None, "transfer-encoding: chunked\r\n");
            vec![chunked, WireStep::Send(Bytes::from(chunk)), WireStep::Close]
        }
        FaultAction::Drip { every_ms } => {
            let every = Duration::from_millis(*every_ms);
            vec![head(Some(whole.len()), ""), WireStep::Drip(whole, every), WireStep::Close]
        }
        FaultAction::Latency { ms } => return WireOutcome::Response(response, Duration::from_millis(*ms)),
        FaultAction::MalformedJson => {
            response.body = [&half[..], b",,]}oops"].concat().into();
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::InvalidUtf8 => {
            response.body = with_first_key(&whole, b"\"\xff\xfe\xc3(\"");
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::LoneSurrogate => {
            response.body = with_first_key(&whole, br#""\ud83d""#);
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::ForeignNext { host } => {
            response.body = with_foreign_links(&whole, host);
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::ShortPage | FaultAction::EmptyPage => {
            let empty = matches!(action, FaultAction::EmptyPage);
            response.body = edit_page(&whole, |page| {
                if let Some(items) = page["items"].as_array_mut() {
                    items.truncate(if empty { 0 } else { items.len() / 2 });
                }
            });
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::HolePage => {
            response.body = edit_page(&whole, |page| {
                if let Some(items) = page["items"].as_array_mut().filter(|items| items.len() > 2) {
                    items.remove(items.len() / 2);
                }
            });
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::Set { at, to } => {
            response.body = with_changed_values(&whole, at, Some(to));
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::Remove { at } => {
            response.body = with_changed_values(&whole, at, None);
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::MissingItems { from, count } => {
            response.body = edit_page(&whole, |page| {
                let offset = page["offset"].as_u64().unwrap_or(0);
                if let Some(entries) = page["items"].as_array_mut() {
                    let mut position = offset;
                    entries.retain(|_| {
                        position += 1;
                        !(*from..from.saturating_add(*count)).contains(&(position - 1))
                    });
                }
            });
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::FailingItems { from, count, code } => {
            let mut holds_item = false;
            edit_page(&whole, |page| {
                let offset = page["offset"].as_u64().unwrap_or(0);
                let served = page["items"].as_array().map_or(0, |items| items.len() as u64);
                holds_item = offset < from.saturating_add(*count) && *from < offset + served;
            });
            if holds_item && *code != 200 {
                response = json_error(false, *code, None, None);
            } else if holds_item {
                response.body = half;
            }
            return WireOutcome::Response(response, Duration::ZERO);
        }
        FaultAction::Several { actions } => {
            let mut late = Duration::ZERO;
            for action in actions {
                match corrupt_response(action, response, date) {
                    WireOutcome::Response(changed, more) => {
                        response = changed;
                        late += more;
                    }
                    raw @ WireOutcome::Raw(..) => return raw,
                }
            }
            return WireOutcome::Response(response, late);
        }
        FaultAction::EndsAfter { items } => {
            response.body = edit_page(&whole, |page| {
                let left = items.saturating_sub(page["offset"].as_u64().unwrap_or(0));
                if let Some(entries) = page["items"].as_array_mut() {
                    entries.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                }
            });
            return WireOutcome::Response(response, Duration::ZERO);
        }
        _ => return WireOutcome::Response(response, Duration::ZERO),
    };
    WireOutcome::Raw(status, steps)
}

/// Changes the page in a body: the body itself, or the page inside a playlist or a search result.
pub(crate) fn edit_page(body: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
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

fn with_foreign_links(body: &Bytes, host: &str) -> Bytes {
    edit_page(body, |page| {
        for key in ["next", "href"] {
            if let Some(link) = page[key].as_str()
                && let Some(path) = link.find("/v1/")
            {
                page[key] = format!("{}{}", host.trim_end_matches('/'), &link[path..]).into();
            }
        }
    })
}

/// Sets or removes the values at a JSON pointer. A missing key is added to its object.
fn with_changed_values(body: &Bytes, at: &str, to: Option<&Value>) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.clone();
    };
    let keys: Vec<String> = at.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    change_values(&mut value, &keys, to);
    Bytes::from(value.to_string())
}

fn change_values(value: &mut Value, keys: &[String], to: Option<&Value>) {
    let Some((key, rest)) = keys.split_first() else {
        *value = to.cloned().unwrap_or_default();
        return;
    };
    let is_last = rest.is_empty();
    match value {
        Value::Array(entries) if key == "*" && is_last && to.is_none() => entries.clear(),
        Value::Array(entries) if key == "*" => {
            entries.iter_mut().for_each(|entry| change_values(entry, rest, to));
        }
        Value::Array(entries) => {
            let Some(index) = key.parse().ok().filter(|index: &usize| *index < entries.len()) else { return };
            match (is_last, to) {
                (true, None) => drop(entries.remove(index)),
                _ => change_values(&mut entries[index], rest, to),
            }
        }
        Value::Object(object) if key == "*" => {
            object.values_mut().for_each(|entry| change_values(entry, rest, to));
        }
        Value::Object(object) => match (is_last, to) {
            (true, None) => drop(object.remove(key)),
            (true, Some(to)) => drop(object.insert(key.clone(), to.clone())),
            (false, _) => {
                if let Some(inner) = object.get_mut(key) {
                    change_values(inner, rest, to);
                }
            }
        },
        _ => {}
    }
}

fn with_first_key(body: &Bytes, value: &[u8]) -> Bytes {
    match body.split_first() {
        Some((b'{', rest)) => [b"{\"sandbox\":", value, b",", rest].concat().into(),
        _ => Bytes::copy_from_slice(value),
    }
}

fn json_error(accounts: bool, code: u16, message: Option<&str>, reason: Option<&str>) -> ServerResponse {
    let message = message.unwrap_or_else(|| default_message(code));
    if accounts {
        token_error(code, reason.unwrap_or("server_error"), message)
    } else {
        api_error_with_reason(code, message, reason)
    }
}

fn default_message(code: u16) -> &'static str {
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

/// Compressed spaces. The body has a thousandth of its uncompressed size.
fn gzip_bomb(mib: u32) -> Bytes {
    let blanks = vec![b' '; 1 << 20];
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let mut filled = Ok(());
    for _ in 0..mib {
        filled = filled.and_then(|()| packed.write_all(&blanks));
    }
    let done = filled.and_then(|()| packed.finish());
    Bytes::from(done.expect("writing to a vector does not fail"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn star_changes_every_entry() {
        let body = Bytes::from(json!({"items": [{"a": {"b": 1}}, null, {"a": null}, {"a": {}}]}).to_string());
        let changed = |at: &str, to: Option<Value>| -> Value {
            serde_json::from_slice(&with_changed_values(&body, at, to.as_ref())).unwrap()
        };
        let set = changed("/items/*/a/b", Some(json!("x")));
        assert_eq!(set, json!({"items": [{"a": {"b": "x"}}, null, {"a": null}, {"a": {"b": "x"}}]}));
        assert_eq!(changed("/items/*/a", None), json!({"items": [{}, null, {}, {}]}));
        assert_eq!(changed("/items/1", None)["items"].as_array().unwrap().len(), 3);
        assert_eq!(changed("/items/9", Some(json!(1))), serde_json::from_slice::<Value>(&body).unwrap());
        assert_eq!(changed("", Some(json!([]))), json!([]));
    }

    #[test]
    fn items_are_missing_at_their_place() {
        let page = |offset: u64| Bytes::from(json!({"offset": offset, "items": [0, 1, 2, 3], "total": 8}).to_string());
        let action = FaultAction::MissingItems { from: 3, count: 2 };
        let actions = FaultAction::Several { actions: vec![action, FaultAction::set("/total", json!(9))] };
        for (offset, left) in [(0, json!([0, 1, 2])), (4, json!([1, 2, 3])), (5, json!([0, 1, 2, 3]))] {
            let response = ServerResponse::new(200, "application/json", page(offset));
            let WireOutcome::Response(response, _) = corrupt_response(&actions, response, "") else { panic!() };
            let value: Value = serde_json::from_slice(&response.body).unwrap();
            assert_eq!((&value["items"], &value["total"]), (&left, &json!(9)));
        }
    }
}

//! One HTTP answer before it meets the wire, and the two shapes in which Spotify refuses.
//!
//! The accounts service puts a string into `error`, the Web API an object with `status` and
//! `message`. Which of the two a caller gets depends on the service it asked, never on the problem.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::json;

/// Status, headers and body.
#[derive(Debug, Clone)]
pub(crate) struct ServerResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl ServerResponse {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body: body.into() }
    }

    /// 200 with JSON.
    pub(crate) fn json(body: String) -> Self {
        Self::new(200, "application/json; charset=utf-8", body)
    }

    /// A body that serde writes.
    pub(crate) fn from_value(body: &impl serde::Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self::json(body),
            Err(err) => api_error(500, &err.to_string()),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// The same answer in gzip, unless it is encoded or empty already.
    pub(crate) fn gzipped(self) -> Self {
        let encoded = self.headers.iter().any(|(name, _)| *name == "content-encoding");
        if encoded || self.body.is_empty() {
            return self;
        }
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = packer.write_all(&self.body).and_then(|()| packer.finish());
        let body = packed.expect("a vector takes all that is written to it").into();
        Self { body, ..self }.with_header("content-encoding", "gzip")
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The Web API's error: `{"error":{"status":…,"message":…}}`.
pub(crate) fn api_error(status: u16, message: &str) -> ServerResponse {
    api_error_with_reason(status, message, None)
}

/// The same with the `reason` that quotas and the player give.
pub(crate) fn api_error_with_reason(status: u16, message: &str, reason: Option<&str>) -> ServerResponse {
    let mut body = String::new();
    json::object(&mut body, |o| {
        o.object("error", |o| {
            o.display("status", status);
            o.text("message", message);
            if let Some(reason) = reason {
                o.text("reason", reason);
            }
        });
    });
    ServerResponse { status, ..ServerResponse::json(body) }
}

/// The accounts service's error: `{"error":"…","error_description":"…"}`.
pub(crate) fn token_error(status: u16, error: &str, description: &str) -> ServerResponse {
    let mut body = String::new();
    json::object(&mut body, |o| {
        o.text("error", error);
        o.text("error_description", description);
    });
    ServerResponse::new(status, "application/json", body)
}

/// 404, as for any id that nothing has.
pub(crate) fn not_found() -> ServerResponse {
    api_error(404, "Resource not found")
}

/// 403, as for an endpoint that the app class lacks and for a list of someone else's.
pub(crate) fn forbidden() -> ServerResponse {
    api_error(403, "Forbidden")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_refuses_in_its_own_shape() {
        let api = api_error_with_reason(429, "Too many requests", Some("QUOTA_EXCEEDED"));
        assert_eq!(
            &api.body[..],
            br#"{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}"#
        );
        let accounts = token_error(400, "invalid_client", "Invalid client secret");
        assert_eq!(&accounts.body[..], br#"{"error":"invalid_client","error_description":"Invalid client secret"}"#);
    }
}

//! HTTP responses before they are sent, and the two forms of errors.
//!
//! In errors of the accounts service `error` is a string. In errors of the Web API it is an object with
//! `status` and `message`. The form depends on the service only, not on the problem.

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

    /// Status 200 with a JSON body.
    pub(crate) fn json(body: String) -> Self {
        Self::new(200, "application/json; charset=utf-8", body)
    }

    /// Status 200 with a value that serde serializes.
    pub(crate) fn from_value(body: &impl serde::Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self::json(body),
            Err(err) => api_error(500, &err.to_string()),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Compresses the body, unless it is empty or already encoded.
    pub(crate) fn gzipped(self) -> Self {
        let encoded = self.headers.iter().any(|(name, _)| *name == "content-encoding");
        if encoded || self.body.is_empty() {
            return self;
        }
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = packer.write_all(&self.body).and_then(|()| packer.finish());
        let body = packed.expect("writing to a vector does not fail").into();
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

/// The same with a `reason`, which quotas and the player send.
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

/// 404, as for an unknown id.
pub(crate) fn not_found() -> ServerResponse {
    api_error(404, "Resource not found")
}

/// 403, as for an endpoint that the quota mode lacks, and for the playlist of another user.
pub(crate) fn forbidden() -> ServerResponse {
    api_error(403, "Forbidden")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_error_format() {
        let api = api_error_with_reason(429, "Too many requests", Some("QUOTA_EXCEEDED"));
        assert_eq!(
            &api.body[..],
            br#"{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}"#
        );
        let accounts = token_error(400, "invalid_client", "Invalid client secret");
        assert_eq!(&accounts.body[..], br#"{"error":"invalid_client","error_description":"Invalid client secret"}"#);
    }
}

//! What an error of a bucket means.

use object_store::Error;

use crate::push::PushError;
use crate::target::{BucketAddress, CloudKind};

/// Where machines of a cloud ask for their credentials. Elsewhere nothing answers there.
const METADATA_SERVERS: [&str; 2] = ["169.254.169.254", "metadata.google.internal"];

/// Codes of S3 for credentials that it refuses with the status of a wrong request.
const CREDENTIAL_CODES: [&str; 4] =
    ["ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed", "TokenRefreshRequired"];

pub(super) fn push_error(target: &str, place: &BucketAddress, error: &Error) -> PushError {
    let target = target.to_owned();
    let whole = error.to_string();
    let why = describe(error, &whole);
    let credentials = |why: String| PushError::Credentials {
        target: target.clone(),
        why,
        hint: place.cloud.credentials_hint().replace("target_NAME", &format!("target_{target}")),
    };
    if METADATA_SERVERS.iter().any(|server| whole.contains(server)) {
        return credentials("no credentials were found".into());
    }
    let refused = |why: String, hint: Option<String>| PushError::Refused { target: target.clone(), why, hint };
    let status = status(&whole);
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => credentials(why),
        // Only some requests have errors of their own for these.
        _ if matches!(status, Some(401 | 403)) || CREDENTIAL_CODES.iter().any(|code| whole.contains(code)) => {
            credentials(why)
        }
        _ if matches!(error, Error::NotFound { .. }) || status == Some(404) => {
            let what = if place.cloud == CloudKind::Azure { "container" } else { "bucket" };
            refused(format!("there is no {what} {}", place.bucket), Some(format!("create the {what}")))
        }
        _ if status.is_some_and(|status| (300..400).contains(&status)) || whole.contains("redirect") => {
            let hint = match place.cloud {
                CloudKind::S3 => "redirects are not followed; if the bucket is in another region, set AWS_REGION",
                CloudKind::Azure | CloudKind::Gcs => "redirects are not followed: set the address of the server itself",
            };
            refused(why, Some(hint.into()))
        }
        Error::InvalidPath { .. } | Error::NotSupported { .. } | Error::NotImplemented { .. } => refused(why, None),
        _ if status.is_some_and(|status| (400..500).contains(&status) && status != 408 && status != 429) => {
            refused(why, None)
        }
        _ => PushError::Unreachable { target, why },
    }
}

/// Whether the server does not know conditions of writes.
pub(super) fn has_no_conditions(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. }) || status(&error.to_string()) == Some(501)
}

fn status(whole: &str) -> Option<u16> {
    between(whole, "status code: ", " ")?.parse().ok()
}

/// The answer of the server, or the cause on the way to it.
fn describe(error: &Error, whole: &str) -> String {
    let Some(status) = between(whole, "status code: ", ":") else { return deepest(error) };
    let of_body = ["Code", "Message"].map(|name| between(whole, &format!("<{name}>"), "<"));
    let parts = std::iter::once(Some(status)).chain(of_body).flatten();
    parts.map(|part| part.lines().next().unwrap_or_default().trim()).collect::<Vec<_>>().join(": ")
}

/// The cause of an error that has no cause itself.
pub(super) fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(rest.find(end).map_or(rest, |at| &rest[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(cloud: CloudKind, error: &Error) -> String {
        let place = BucketAddress { cloud, bucket: "music".into(), prefix: String::new() };
        match push_error("w", &place, error) {
            PushError::Unreachable { why, .. } => format!("1 {why}"),
            PushError::Refused { why, .. } => format!("74 {why}"),
            PushError::Credentials { why, .. } => format!("77 {why}"),
            other => other.to_string(),
        }
    }

    #[test]
    fn answers_have_a_meaning() {
        let generic = |text: &str| Error::Generic { store: "S3", source: text.into() };
        let status = |text: &str| {
            generic(&format!("Error performing PUT http://x/y in 1s - Server returned non-2xx status code: {text}"))
        };
        let table = [
            (
                status("503 Service Unavailable: <Code>SlowDown</Code><Message>Reduce your rate</Message>"),
                "1 503 Service Unavailable: SlowDown: Reduce your rate",
            ),
            (status("429 Too Many Requests: "), "1 429 Too Many Requests"),
            (status("400 Bad Request: <Code>ExpiredToken</Code>"), "77 400 Bad Request: ExpiredToken"),
            (status("400 Bad Request: <Code>InvalidRequest</Code>"), "74 400 Bad Request: InvalidRequest"),
            (status("301 Moved Permanently: "), "74 301 Moved Permanently"),
            (generic("Error performing PUT http://169.254.169.254/latest/api/token"), "77 no credentials were found"),
            (status("403 Forbidden: <Code>AccessDenied</Code>"), "77 403 Forbidden: AccessDenied"),
            (status("404 Not Found: <Code>NoSuchBucket</Code>"), "74 there is no bucket music"),
            (generic("connection refused"), "1 connection refused"),
            (Error::NotFound { path: "x".into(), source: "x".into() }, "74 there is no bucket music"),
        ];
        for (error, expected) in table {
            assert_eq!(meaning(CloudKind::S3, &error), expected);
        }
        let missing = Error::NotFound { path: "x".into(), source: "x".into() };
        assert_eq!(meaning(CloudKind::Azure, &missing), "74 there is no container music");
        assert!(has_no_conditions(&status("501 Not Implemented: ")));
    }
}

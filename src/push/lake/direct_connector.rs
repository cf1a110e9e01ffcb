//! The HTTP client for buckets. It follows no redirect: a redirected request would bring rows, and for some clouds the
//! token too, to a server that the target does not name.

use std::time::Duration;

use object_store::ClientConfigKey::{AllowHttp, ConnectTimeout};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector};
use reqwest::redirect;

/// How long a request may take. A file has a few megabytes.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The options that the client understands.
pub(super) fn client_options(allows_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(allows_http)
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
}

#[derive(Debug)]
pub(super) struct DirectConnector;

impl HttpConnector for DirectConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // The library changes these two where it asks the machine for credentials. It writes times as `1s`.
        let allows_http = options.get_config_value(&AllowHttp).as_deref() == Some("true");
        let connect_timeout = options.get_config_value(&ConnectTimeout);
        let seconds = connect_timeout.as_deref().and_then(|text| text.strip_suffix('s')?.parse().ok());
        // The rest is as in the library's own client. A compressed answer would have another length than its object.
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("cratedigger/", env!("CARGO_PKG_VERSION")))
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(seconds.map_or(CONNECT_TIMEOUT, Duration::from_secs))
            .http1_only()
            .no_gzip()
            .https_only(!allows_http)
            .build();
        let failed = |error| object_store::Error::Generic { store: "HTTP client", source: Box::new(error) };
        client.map(HttpClient::new).map_err(failed)
    }
}

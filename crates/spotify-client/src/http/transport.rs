//! Sends one request and brings the whole body, or says why not.
//!
//! reqwest does less and more than we want: it has no time limits, follows redirects (taking a
//! `Referer` with the full URL along), unpacks gzip without bound, repeats some requests by
//! itself, and puts the URL into its error texts. All of that is switched off here; the body is
//! counted chunk by chunk after unpacking. An error names the method and the route, never the URL.

use std::error::Error as _;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::{Host, Url};

/// Limits of one request. Tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportRules {
    /// To connect, including TLS.
    pub connect: Duration,
    /// Between two pieces of a response.
    pub idle: Duration,
    /// For the whole request. A server that sends a byte now and then never exceeds the idle limit.
    pub total: Duration,
    /// Maximum number of bytes of a body, after decompression.
    pub body: usize,
    /// The `User-Agent` header.
    pub user_agent: &'static str,
}

impl Default for TransportRules {
    fn default() -> Self {
        TransportRules {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(20),
            total: Duration::from_secs(60),
            body: 16 * 1024 * 1024,
            user_agent: concat!("spotify-client/", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// A request. It has no `Debug`, because the URL and the form may contain secrets.
pub struct HttpRequest<'a> {
    /// The address, which is never printed.
    pub url: Url,
    /// The name of the address in errors and logs.
    pub route: &'a str,
    /// The whole `Authorization` header. A public client has none.
    pub authorization: Option<&'a SecretString>,
    /// The value of `If-None-Match`.
    pub etag: Option<&'a str>,
    /// The form of a POST. Without one, the request is a GET.
    pub form: Option<&'a [(&'a str, &'a str)]>,
}

/// A response. Its `Debug` shows only the length of the body, which may contain tokens.
#[derive(Clone)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The whole body, decompressed.
    pub body: Bytes,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// `Date`, as sent.
    pub date: Option<String>,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({}, {} bytes)", self.status, self.body.len())
    }
}

/// Why there is no complete response. No message contains a URL or a header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The certificate is not accepted.
    #[error("{route}: the server's certificate is not accepted: {detail}")]
    Certificate {
        /// Method and route.
        route: String,
        /// What TLS says.
        detail: String,
    },
    /// A time limit was reached.
    #[error("{route}: no complete answer in time")]
    TimedOut {
        /// Method and route.
        route: String,
    },
    /// The body is too large.
    #[error("{route}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// Method and route.
        route: String,
        /// The limit.
        limit: usize,
    },
    /// The response broke off, or its compression is broken.
    #[error("{route}: the answer broke off: {detail}")]
    BrokenOff {
        /// Method and route.
        route: String,
        /// What the transport says.
        detail: String,
    },
    /// No connection.
    #[error("{route}: no answer: {detail}")]
    NoConnection {
        /// Method and route.
        route: String,
        /// What the transport says.
        detail: String,
    },
    /// No response on the connection.
    #[error("{route}: no answer: {detail}")]
    NoAnswer {
        /// Method and route.
        route: String,
        /// What the transport says.
        detail: String,
    },
    /// The HTTP client could not be set up.
    #[error("failed to set up the HTTP client: {detail}")]
    Setup {
        /// What reqwest says.
        detail: String,
    },
}

/// An HTTP client for a few hosts. It is set up on first use, because reading the system's certificates
/// takes longer than a run that has nothing to do.
#[derive(Debug)]
pub struct HttpTransport {
    rules: TransportRules,
    plain: bool,
    client: OnceLock<Client>,
}

/// Makes `ring` the TLS implementation of this process. Call it before any `reqwest` client is built.
///
/// reqwest's own default, `aws-lc-rs`, takes a minute and a half of CPU to compile.
pub fn use_ring() {
    // An error means that a provider is already installed, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl HttpTransport {
    /// A transport for these hosts.
    pub fn new(rules: TransportRules, hosts: &[&Url]) -> HttpTransport {
        HttpTransport {
            rules,
            plain: hosts.iter().all(|url| url.scheme() == "http" && is_loopback(url)),
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&Client, TransportError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        use_ring();
        let mut builder = Client::builder()
            .user_agent(self.rules.user_agent)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .connect_timeout(self.rules.connect)
            .read_timeout(self.rules.idle)
            .timeout(self.rules.total);
        if self.plain {
            // A sandbox on this machine: no proxy in between, and no certificates to read.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let client =
            builder.build().map_err(|error| TransportError::Setup { detail: error_chain(&error.without_url()) })?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends a request, once.
    ///
    /// # Errors
    ///
    /// Whatever prevented a complete response. A response of any status is not an error.
    pub async fn send(&self, outgoing: HttpRequest<'_>) -> Result<HttpResponse, TransportError> {
        let verb = if outgoing.form.is_some() { "POST" } else { "GET" };
        let route = format!("{verb} {}", outgoing.route);
        let client = self.client()?;
        let mut request = match outgoing.form {
            Some(form) => client.post(outgoing.url).form(form),
            None => client.get(outgoing.url),
        };
        if let Some(authorization) = outgoing.authorization {
            let header = HeaderValue::from_str(authorization.expose_secret());
            let mut header = header.map_err(|_| TransportError::Setup {
                detail: "the credentials hold characters that no header may".to_owned(),
            })?;
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(etag) = outgoing.etag {
            request = request.header("if-none-match", etag);
        }
        let mut response = request.send().await.map_err(|error| classify_error(error, &route))?;
        let headers = response.headers();
        let mut incoming = HttpResponse {
            status: response.status().as_u16(),
            body: Bytes::new(),
            etag: header_text(headers, "etag"),
            retry_after: header_text(headers, "retry-after"),
            date: header_text(headers, "date"),
            content_type: header_text(headers, "content-type"),
        };
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| classify_error(error, &route))? {
            if body.len() + chunk.len() > self.rules.body {
                return Err(TransportError::TooLarge { route, limit: self.rules.body });
            }
            body.extend_from_slice(&chunk);
        }
        incoming.body = body.freeze();
        Ok(incoming)
    }
}

fn header_text(headers: &HeaderMap, name: &'static str) -> Option<String> {
    let value = headers.get(HeaderName::from_static(name))?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn classify_error(error: reqwest::Error, route: &str) -> TransportError {
    let (timed_out, began) = (error.is_timeout(), error.is_decode() || error.is_body());
    let is_connecting = error.is_connect();
    let detail = error_chain(&error.without_url());
    let route = route.to_owned();
    // rustls reports a refused certificate as an I/O error; only its text identifies it.
    if detail.contains("certificate") {
        TransportError::Certificate { route, detail }
    } else if is_connecting {
        TransportError::NoConnection { route, detail }
    } else if timed_out {
        TransportError::TimedOut { route }
    } else if began {
        TransportError::BrokenOff { route, detail }
    } else {
        TransportError::NoAnswer { route, detail }
    }
}

/// The causes from the outermost to the innermost, each once.
fn error_chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

/// Whether a URL points to this machine by address or as `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

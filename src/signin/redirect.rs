//! The redirect URI and Spotify's rules for it.
//!
//! Since November 2025, Spotify accepts https, or plain http to a loopback address that is written as a number.
//! `localhost` is refused because it is a name. A loopback URI may be registered without a port and then be
//! used with any port. Everything else must be identical, byte by byte, in the dashboard, in the address
//! and with the code. A hyphen in a loopback path was refused in early 2026.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::SignInError;

/// The default redirect URI.
pub const DEFAULT_REDIRECT: &str = "http://127.0.0.1/callback";

/// A redirect URI that Spotify accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    url: Url,
    loopback: Option<IpAddr>,
}

impl RedirectUri {
    /// Checks a redirect URI.
    ///
    /// # Errors
    ///
    /// [`SignInError::Redirect`] with the rule that the URI breaks and what to register instead.
    pub fn parse(text: &str) -> Result<RedirectUri, SignInError> {
        let text = text.trim();
        let port = Url::parse(text).ok().and_then(|url| url.port());
        let refuse = |why| {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let instead = format!("http://127.0.0.1{port}/callback");
            Err(SignInError::Redirect { uri: text.escape_debug().take(200).collect(), why, instead })
        };
        let Ok(url) = Url::parse(text) else {
            return refuse("is not a URL");
        };
        if url.fragment().is_some() {
            return refuse("has a fragment (#), which is not allowed in a redirect URI");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("contains a user name or password");
        }
        if url.query().is_some() {
            return refuse("has a query (?), which makes it different from the registered URI");
        }
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        match (url.scheme(), address) {
            ("https", _) if url.host_str().is_some_and(|host| !host.is_empty()) => {
                return Ok(RedirectUri { text: text.to_owned(), url, loopback: None });
            }
            ("http", Some(ip)) if ip.is_loopback() => {}
            ("http", None) if url.host_str() == Some("localhost") => {
                return refuse("uses localhost, which Spotify has refused since November 2025: use 127.0.0.1 or [::1]");
            }
            ("http", _) => {
                return refuse(
                    "uses plain http to another host, which Spotify has refused since November 2025: use https or http://127.0.0.1",
                );
            }
            _ => return refuse("is neither https nor http://127.0.0.1"),
        }
        if url.path().contains('-') {
            return refuse("has a hyphen in its path, which Spotify refuses in loopback URIs");
        }
        if url.port() == Some(0) {
            return refuse("has port 0; leave the port out to use a free port");
        }
        Ok(RedirectUri { text: text.to_owned(), url, loopback: address })
    }

    /// The address to listen on; port 0 means a free port. `None` if the answer must be pasted.
    pub fn listen_on(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.loopback?, self.url.port().unwrap_or(0)))
    }

    /// The path of the redirect URI.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The URI to send to Spotify, with the actual port.
    pub fn with_port(&self, port: u16) -> String {
        match (self.loopback, self.url.port()) {
            (Some(_), None) => {
                // The rest stays identical byte by byte.
                let after_scheme = self.text.find("//").map_or(0, |at| at + 2);
                let end = self.text[after_scheme..].find('/').map_or(self.text.len(), |at| after_scheme + at);
                format!("{}:{port}{}", self.text[..end].trim_end_matches(":80"), &self.text[end..])
            }
            _ => self.text.clone(),
        }
    }

    /// The URI to register in the dashboard.
    pub fn as_registered(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (String, String) {
        let error = RedirectUri::parse(text).unwrap_err();
        (error.to_string(), error.hint().unwrap())
    }

    #[test]
    fn localhost_and_plain_http_are_refused() {
        let (said, hint) = refused("http://localhost:8888/callback");
        assert!(said.contains("uses localhost, which Spotify has refused since November 2025"), "{said}");
        assert!(hint.starts_with("register http://127.0.0.1:8888/callback at https://developer"), "{hint}");
        let (said, hint) = refused("http://example.com/callback");
        assert!(said.contains("uses plain http to another host"), "{said}");
        assert!(hint.starts_with("register http://127.0.0.1/callback at "), "{hint}");
        for odd in [
            "http://192.168.1.2/callback",
            "http://[::2]/callback",
            "ftp://127.0.0.1/",
            "callback",
            "http://127.0.0.1/call-back",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1/callback#x",
            "http://127.0.0.1/callback?x",
            "http://me@127.0.0.1/callback",
            "",
        ] {
            assert!(RedirectUri::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn only_a_missing_loopback_port_is_added() {
        let with = |text: &str| RedirectUri::parse(text).unwrap().with_port(43_210);
        assert_eq!(with(DEFAULT_REDIRECT), "http://127.0.0.1:43210/callback");
        assert_eq!(with("http://[::1]/callback"), "http://[::1]:43210/callback");
        assert_eq!(with("http://127.0.0.1"), "http://127.0.0.1:43210");
        assert_eq!(with("http://127.0.0.1:8888/"), "http://127.0.0.1:8888/");
        assert_eq!(with("https://example.com/cb"), "https://example.com/cb");
    }

    #[test]
    fn https_is_not_listened_for() {
        assert_eq!(RedirectUri::parse("https://example.com/cb").unwrap().listen_on(), None);
        let own = RedirectUri::parse("http://127.0.0.1:8888/x").unwrap();
        assert_eq!(own.listen_on().unwrap().to_string(), "127.0.0.1:8888");
        assert_eq!(own.path(), "/x");
    }
}

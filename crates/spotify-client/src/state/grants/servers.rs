//! The servers that a grant belongs to. Whoever can edit the settings must not be able to have tokens sent elsewhere.

use url::Url;

/// Where the tokens of a grant are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GrantServers(String);

impl GrantServers {
    /// Those of Spotify.
    pub(super) fn of_spotify() -> GrantServers {
        GrantServers("https://accounts.spotify.com https://api.spotify.com".to_owned())
    }

    /// An accounts service and an API, each by scheme, host and port.
    pub(super) fn new(accounts_url: &Url, api_url: &Url) -> GrantServers {
        let [accounts, api] = [accounts_url, api_url].map(|url| url.origin().ascii_serialization());
        GrantServers(format!("{accounts} {api}"))
    }

    /// As the database keeps them.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Servers from the database, as messages name them.
pub(super) fn describe(servers: &str) -> String {
    servers.replacen(' ', " and ", 1)
}

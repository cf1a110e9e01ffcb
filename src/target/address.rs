//! The address of a PostgreSQL server, as a target file has it.

use std::path::PathBuf;

use url::{Host, Url};

use crate::document::{RuleViolation, quote};

/// A server, a database and a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// A host name or address, or the folder of a socket.
    pub host: ServerHost,
    pub port: u16,
    pub database: String,
    /// None for `PGUSER` or the name of the operating system's user.
    pub user: Option<String>,
    pub tls: TlsMode,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerHost {
    Network(String),
    /// The folder with its socket.
    Socket(PathBuf),
}

/// How the connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// Not at all: it does not leave this machine.
    Disable,
    /// The certificate and the name of the server are checked, against an authority in a file or those of the system.
    VerifyFull { authority: Option<PathBuf> },
}

const PORT: u16 = 5432;

impl ServerAddress {
    /// Parses an address.
    ///
    /// # Errors
    /// If it is no address of PostgreSQL, contains a password, or would send rows unprotected through a network.
    pub fn parse(text: &str) -> Result<ServerAddress, RuleViolation> {
        // A user without a host is usual for sockets, and no URL for others.
        let has_no_host = text.contains("@/");
        let with_host = text.replacen("@/", "@socket/", 1);
        let url = Url::parse(&with_host).map_err(|error| RuleViolation::new(format!("invalid address: {error}")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(RuleViolation::new(format!("{} is no database", quote(&format!("{}://", url.scheme()))))
                .with_hint("write postgres://USER@HOST/DATABASE"));
        }
        let no_password = || {
            RuleViolation::new("the address contains a password").with_hint(
                "remove it, and set PGPASSWORD, write it to ~/.pgpass, or use the credential cratedigger_target_NAME of systemd",
            )
        };
        if url.password().is_some() || percent_decoded(url.username()).contains(':') {
            return Err(no_password());
        }
        let mut host = match url.host() {
            _ if has_no_host => None,
            None => None,
            Some(Host::Ipv6(address)) => Some(address.to_string()),
            Some(host) => Some(percent_decoded(&host.to_string())),
        };
        if url.fragment().is_some() {
            return Err(
                RuleViolation::new("the address has a part behind `#`").with_hint("write `%23` for the sign itself")
            );
        }
        let (mut sslmode, mut authority, mut port) = (None, None, url.port());
        for (name, value) in url.query_pairs() {
            match &*name {
                "host" if host.is_none() => host = Some(value.into_owned()),
                "host" => return Err(RuleViolation::new("the address has two hosts")),
                "port" if port.is_none() => {
                    port = Some(
                        value
                            .parse()
                            .ok()
                            .filter(|port| *port > 0)
                            .ok_or_else(|| RuleViolation::new(format!("{} is no port", quote(&value))))?,
                    );
                }
                "port" => return Err(RuleViolation::new("the address has two ports")),
                "sslmode" => sslmode = Some(value.into_owned()),
                "sslrootcert" => authority = Some(PathBuf::from(&*value)),
                "password" => return Err(no_password()),
                _ => {
                    return Err(RuleViolation::new(format!("unknown parameter {}", quote(&name)))
                        .with_hint("the parameters are host, port, sslmode and sslrootcert"));
                }
            }
        }
        let host = match host {
            None => {
                return Err(RuleViolation::new("the address has no host").with_hint(
                    "write postgres://USER@HOST/DATABASE, or postgres:///DATABASE?host=/var/run/postgresql for a socket",
                ));
            }
            Some(path) if path.starts_with('/') => ServerHost::Socket(path.into()),
            Some(host) => ServerHost::Network(host),
        };
        let database = percent_decoded(url.path().trim_start_matches('/'));
        if database.is_empty() || database.contains('/') {
            return Err(
                RuleViolation::new("the address has no database").with_hint("write postgres://USER@HOST/DATABASE")
            );
        }
        let tls = tls_mode(sslmode.as_deref(), authority, host.is_on_this_machine())?;
        let user = Some(percent_decoded(url.username())).filter(|user| !user.is_empty());
        if [Some(&database), user.as_ref()].into_iter().flatten().any(|name| name.contains('\0')) {
            return Err(RuleViolation::new("the address contains `%00`, which no name has"));
        }
        Ok(ServerAddress { host, port: port.unwrap_or(PORT), database, user, tls })
    }

    /// The address with paths that are relative to a folder.
    pub(super) fn beneath(mut self, folder: &std::path::Path) -> ServerAddress {
        if let TlsMode::VerifyFull { authority: Some(file) } = &mut self.tls {
            *file = folder.join(&*file);
        }
        self
    }

    /// The server and the database for messages.
    pub fn shown(&self) -> String {
        match &self.host {
            ServerHost::Network(host) if self.port == PORT => format!("{host}/{}", self.database),
            ServerHost::Network(host) => format!("{host}:{}/{}", self.port, self.database),
            ServerHost::Socket(path) => format!("{} ({})", self.database, path.display()),
        }
    }
}

impl ServerHost {
    fn is_on_this_machine(&self) -> bool {
        match self {
            ServerHost::Socket(_) => true,
            ServerHost::Network(host) => {
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

fn tls_mode(mode: Option<&str>, authority: Option<PathBuf>, is_near: bool) -> Result<TlsMode, RuleViolation> {
    match mode {
        None | Some("disable") if is_near && authority.is_none() => Ok(TlsMode::Disable),
        None | Some("verify-full") => Ok(TlsMode::VerifyFull { authority }),
        Some("disable") if is_near => Err(RuleViolation::new("`sslrootcert` is set, and sslmode=disable")),
        Some("disable") => Err(RuleViolation::new("sslmode=disable would send all rows readable through the network")
            .with_hint("leave it out, or connect through a socket or an SSH tunnel on this machine")),
        Some(mode) => Err(RuleViolation::new(format!("sslmode={mode} does not check who the server is"))
            .with_hint("leave it out, which means verify-full; sslrootcert=FILE names your own authority")),
    }
}

pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match tail {
            [high, low, after @ ..] if *first == b'%' && hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood() {
        let parse = |text: &str| ServerAddress::parse(text).unwrap();
        let far = parse("postgres://loader@db.example.com/music");
        assert_eq!(far.shown(), "db.example.com/music");
        assert_eq!((far.user.as_deref(), far.port), (Some("loader"), 5432));
        assert_eq!(far.tls, TlsMode::VerifyFull { authority: None });
        let own = parse("postgresql://db.example.com:6432/music?sslmode=verify-full&sslrootcert=/etc/ca.pem");
        assert_eq!((own.shown(), own.user), ("db.example.com:6432/music".into(), None));
        assert_eq!(own.tls, TlsMode::VerifyFull { authority: Some("/etc/ca.pem".into()) });
        let socket = parse("postgres://me@/music?host=/var/run/postgresql");
        assert_eq!((&socket.host, &socket.tls), (&ServerHost::Socket("/var/run/postgresql".into()), &TlsMode::Disable));
        assert_eq!(parse("postgres:///m?host=/run/pg&port=5433").port, 5433);
        assert_eq!(parse("postgres://%2Frun%2Fpg/a%20b").host, ServerHost::Socket("/run/pg".into()));
        assert_eq!(parse("postgres://%2Frun%2Fpg/a%20b").database, "a b");
        assert_eq!(parse("postgres://[::1]:5433/m").shown(), "::1:5433/m");
        assert_eq!(parse("postgres://127.0.0.1/m").tls, TlsMode::Disable);
        assert_eq!(parse("postgres://localhost/m?sslmode=verify-full").tls, TlsMode::VerifyFull { authority: None });
    }

    #[test]
    fn unsafe_and_unclear_addresses_are_refused() {
        let table = [
            ("postgres://me:secret@db/music", "the address contains a password"),
            ("postgres://me@db/music?password=secret", "the address contains a password"),
            ("postgres://me%3Asecret@db/music", "the address contains a password"),
            ("postgres://db/music#password=secret", "the address has a part behind `#`"),
            ("postgres://db/music?sslmode=require", "sslmode=require does not check who the server is"),
            ("postgres://db/music?sslmode=disable", "sslmode=disable would send all rows readable through the network"),
            ("postgres://db/music?sslmod=disable", "unknown parameter `sslmod`"),
            ("postgres://db", "the address has no database"),
            ("postgres://db/music%00", "the address contains `%00`, which no name has"),
            ("postgres://db:1/music?port=2", "the address has two ports"),
            ("postgres:///music?host=/run&port=0", "`0` is no port"),
            ("postgres:///music", "the address has no host"),
            ("s3://bucket/prefix", "`s3://` is no database"),
        ];
        for (text, expected) in table {
            let refused = ServerAddress::parse(text).unwrap_err();
            assert_eq!(refused.message, expected);
            assert!(!format!("{refused:?}").contains("secret"));
        }
    }
}

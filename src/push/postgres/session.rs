//! One connection, and what its errors mean.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, CopyInSink, NoTls, SimpleQueryMessage};

use super::plain_stream::{self, PlainStream};
use super::{DatabaseTarget, Watermarks, password, read_watermarks, tls, watermarks_sql};
use crate::push::PushError;
use crate::target::{ServerHost, TlsMode};

/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long it may take for one statement. Deleting and inserting millions of rows takes minutes.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(1800);

/// How long the first answer may take, which needs no work. A server that is silent must not hold up what follows.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// After this time without a sign of life the connection counts as lost.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// A longer message of a server is cut.
const MAX_MESSAGE_CHARS: usize = 500;

/// A connection to a target.
pub(super) struct Session {
    client: Client,
    target: String,
    schema: String,
    user: String,
}

impl Session {
    pub(super) async fn connect(target: DatabaseTarget<'_>) -> Result<Session, PushError> {
        let address = target.address;
        let refused = |why: String, hint: String| PushError::Credentials { target: target.name.to_owned(), why, hint };
        let user = password::user(address).ok_or_else(|| {
            refused("no user is named".into(), "write postgres://USER@HOST/DATABASE, or set PGUSER".into())
        })?;
        let mut config = Config::new();
        match &address.host {
            ServerHost::Network(host) => config.host(host),
            ServerHost::Socket(folder) => config.host_path(folder),
        };
        config
            .port(address.port)
            .dbname(&address.database)
            .user(&user)
            .application_name("cratedigger")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(SILENCE_TIMEOUT / 2)
            .keepalives_interval(Duration::from_secs(10))
            .tcp_user_timeout(SILENCE_TIMEOUT)
            .ssl_mode(SslMode::Disable);
        let secret = password::find(target.name, address, &user)
            .map_err(|why| refused(why, "check the file and who may read it".into()))?;
        if let Some(secret) = &secret {
            config.password(secret.as_bytes());
        }
        let client = match (&address.tls, &address.host) {
            (TlsMode::Disable, ServerHost::Network(host)) => {
                let stream = TcpStream::connect((host.as_str(), address.port));
                connect_plain(&config, stream, secret.is_some(), target, &user).await?
            }
            (TlsMode::Disable, ServerHost::Socket(folder)) => {
                let socket = folder.join(format!(".s.PGSQL.{}", address.port));
                plain_stream::check_socket(&socket)
                    .map_err(|why| refused(why, "use a folder in which only the server can write".into()))?;
                connect_plain(&config, UnixStream::connect(socket), secret.is_some(), target, &user).await?
            }
            (TlsMode::VerifyFull { authority }, _) => {
                let connector = tls::Connector::new(&address.host, authority.as_deref())
                    .map_err(|why| refused(why, "check `sslrootcert` in the target file".into()))?;
                config.ssl_mode(SslMode::Require);
                let (client, connection) = connect(config.connect(connector), target, &user).await?;
                tokio::spawn(connection);
                client
            }
        };
        Ok(Session { client, target: target.name.to_owned(), schema: target.schema.to_owned(), user })
    }

    /// Runs statements that return nothing.
    pub(super) async fn execute(&self, sql: &str) -> Result<(), PushError> {
        self.within(self.client.batch_execute(sql)).await
    }

    /// The rows of a query, as texts.
    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, PushError> {
        self.within(self.client.simple_query(sql)).await.map(texts)
    }

    /// What the target has of each table of this store, in one query, outside of a transaction.
    pub(super) async fn known_versions(&self, target: DatabaseTarget<'_>) -> Result<Watermarks, PushError> {
        let answer = async {
            match self.client.simple_query(&watermarks_sql(target)).await {
                // Never pushed to.
                Err(error) if matches!(error.code().map(SqlState::code), Some("42P01" | "3F000")) => Ok(Vec::new()),
                answer => answer,
            }
        };
        match tokio::time::timeout(FIRST_ANSWER_TIMEOUT, self.within(answer)).await {
            Ok(answer) => answer.map(|messages| read_watermarks(texts(messages))),
            Err(_) => Err(PushError::Unreachable { target: self.target.clone(), why: "no answer for a minute".into() }),
        }
    }

    /// Starts to copy rows.
    pub(super) async fn copy_in(&self, sql: &str) -> Result<CopyInSink<Bytes>, PushError> {
        self.within(self.client.copy_in(sql)).await
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PushError> {
        match tokio::time::timeout(STATEMENT_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| failure(&error, &self.target, &self.schema, &self.user)),
            Err(_) => {
                Err(PushError::Unreachable { target: self.target.clone(), why: "no answer for half an hour".into() })
            }
        }
    }
}

/// The rows of an answer, as texts.
fn texts(messages: Vec<SimpleQueryMessage>) -> Vec<Vec<Option<String>>> {
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect()),
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// Connects without TLS.
async fn connect_plain<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    config: &Config,
    stream: impl Future<Output = std::io::Result<S>>,
    has_password: bool,
    target: DatabaseTarget<'_>,
    user: &str,
) -> Result<Client, PushError> {
    let unreachable = |why: String| PushError::Unreachable { target: target.name.to_owned(), why };
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, stream).await;
    let stream = stream.map_err(|_| unreachable(format!("{}: no answer", target.address.shown())))?;
    let stream = stream.map_err(|error| unreachable(format!("{}: {error}", target.address.shown())))?;
    let connecting = config.connect_raw(PlainStream::new(stream, has_password), NoTls);
    let (client, connection) = connect(connecting, target, user).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect<T>(
    connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
    target: DatabaseTarget<'_>,
    user: &str,
) -> Result<T, PushError> {
    match tokio::time::timeout(CONNECT_TIMEOUT * 2, connecting).await {
        Ok(connected) => connected.map_err(|error| failure(&error, target.name, target.schema, user)),
        Err(_) => Err(PushError::Unreachable {
            target: target.name.to_owned(),
            why: format!("{}: no answer", target.address.shown()),
        }),
    }
}

/// What an error of the server or the connection means. Details of the server may contain rows, so they are left out.
fn failure(error: &tokio_postgres::Error, target: &str, schema: &str, user: &str) -> PushError {
    let target = target.to_owned();
    let Some(server) = error.as_db_error() else {
        let mut why = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            let io = error.downcast_ref::<std::io::Error>();
            if let Some(why) = io.and_then(plain_stream::refusal) {
                let hint = "the server needs scram-sha-256 in pg_hba.conf, or TLS with sslmode=verify-full";
                return PushError::Credentials { target, why, hint: hint.into() };
            }
            if let Some(tls) = io.and_then(tls::refused_certificate) {
                let hint =
                    "check the host name in the target file; sslrootcert=FILE names the authority of your own server";
                return PushError::Credentials { target, why: tls, hint: hint.into() };
            }
            cause = error.source();
        }
        if why.contains("password missing") || why.contains("invalid configuration") {
            let hint = "set PGPASSWORD, write the password to ~/.pgpass, or use the credential cratedigger_target_NAME of systemd";
            return PushError::Credentials {
                target,
                why: format!("the server wants a password for {user}"),
                hint: hint.into(),
            };
        }
        return PushError::Unreachable { target, why };
    };
    let message: String = server.message().chars().take(MAX_MESSAGE_CHARS).collect();
    let why = match (server.table(), server.column()) {
        (Some(table), Some(column)) => format!("{message} ({table}.{column})"),
        (Some(table), None) => format!("{message} ({table})"),
        _ => message,
    };
    let code = server.code();
    match code.code() {
        "42501" => PushError::Credentials {
            target,
            why,
            hint: format!(
                "an administrator can run: GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}; see docs/reach.md"
            ),
        },
        "55P03" => PushError::Busy { target },
        _ if code.code().starts_with("28") => PushError::Credentials {
            target,
            why,
            hint:
                "check the user in the target file, and PGPASSWORD, ~/.pgpass or the credential cratedigger_target_NAME"
                    .into(),
        },
        // The server stops or is overloaded, or two transactions were in each other's way.
        _ if matches!(code.code(), "40001" | "40P01" | "53300" | "57P01" | "57P02" | "57P03" | "57014")
            || code.code().starts_with("08") =>
        {
            PushError::Unreachable { target, why }
        }
        _ => {
            let hint = (*code == SqlState::UNDEFINED_COLUMN || *code == SqlState::NOT_NULL_VIOLATION)
                .then(|| "someone has altered the table; drop it, and the next push writes it again".to_owned());
            PushError::Refused { target, why, hint }
        }
    }
}

//! From what Spotify said to rows: wire shapes in, upserts out.
//!
//! One file per noun. Each function writes one thing with all that came inside it, mentions before
//! what mentions them (foreign keys hold at every statement), and returns its id. An object that
//! cannot be read is [`Trouble::Malformed`]: the caller notes it and goes on.

mod album;
mod artist;
mod audiobook;
mod cell;
mod list;
mod playlist;
mod search;
mod show;
mod track;
mod user;

pub use list::{Shape, Staged, ensure_row, stage_entries, table_of};
pub use playlist::playlist;
pub use search::{Found, Window, first_hit, stage_search, unstage_search};

use crate::store::{Session, StoreError};
use serde::Deserialize;
use spotify_client::Kind;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

/// What an answer was asked with.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When it came, as the store writes times.
    pub now: String,
    /// Market asked for; empty if none was.
    pub market: String,
    /// Spotify's id of the user whose token asked, if one did.
    pub user_id: Option<String>,
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Its JSON is not what Spotify documents.
    #[error("{0}")]
    Malformed(String),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a raw object. An array is none, although serde would take its values for an object's in their order.
fn parse<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, Trouble> {
    if !raw.trim_start().starts_with('{') {
        return Err(Trouble::Malformed("it is not an object".into()));
    }
    serde_json::from_str(raw).map_err(|e| Trouble::Malformed(e.to_string()))
}

/// The bytes of an object and what it was asked with: what is equal in both need not be written twice.
struct Fingerprint {
    key: u128,
    context: u64,
}

impl Fingerprint {
    fn of(raw: &str, whole: bool, asked: &Asked) -> Fingerprint {
        // What depends on the market or the user stands with these.
        let user = asked.user_id.as_deref().unwrap_or_default();
        let context = xxh3_64_with_seed(user.as_bytes(), xxh3_64(asked.market.as_bytes()));
        Fingerprint { key: xxh3_128(raw.as_bytes()), context: context ^ u64::from(whole) }
    }

    /// Whether this very object was written before in this run.
    fn is_known(&self, session: &Session) -> bool {
        session.was_written(self.key, self.context)
    }

    /// To be called once it is written.
    fn remember(&self, session: &mut Session) {
        session.remember(self.key, self.context);
    }
}

/// Writes one thing of a kind, read whole, and returns its id.
///
/// # Errors
/// If it is malformed, has no id, or the store cannot be written.
pub fn entity(session: &mut Session, kind: Kind, raw: &str, asked: &Asked) -> Result<String, Trouble> {
    let id = match kind {
        Kind::Album => album::album(session, &parse(raw)?, asked, true)?,
        Kind::Artist => artist::artist(session, &parse(raw)?, asked, true)?,
        Kind::Track => track::track(session, &parse(raw)?, asked, true)?,
        Kind::Playlist => Some(playlist::playlist(session, &parse(raw)?, asked, true)?),
        Kind::Show => show::show(session, &parse(raw)?, asked, true)?,
        Kind::Episode => show::episode(session, &parse(raw)?, asked, None, true)?,
        Kind::Audiobook => audiobook::audiobook(session, &parse(raw)?, asked, true)?,
        Kind::Chapter => audiobook::chapter(session, &parse(raw)?, asked, None, true)?,
        Kind::User => user::user(session, &parse(raw)?, asked, true)?,
    };
    id.ok_or_else(|| Trouble::Malformed("it has no id".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_for_one_user_or_market_is_not_known_for_another() {
        let asked = |market: &str, user: Option<&str>| Asked {
            now: "2026-01-01T00:00:00.000Z".to_owned(),
            market: market.to_owned(),
            user_id: user.map(str::to_owned),
        };
        let of = |asked: Asked| Fingerprint::of("{\"id\":\"e\"}", true, &asked).context;
        let all =
            [asked("", None), asked("", Some("a")), asked("", Some("b")), asked("DE", Some("a")), asked("a", None)];
        let contexts: std::collections::HashSet<u64> = all.map(of).into();
        assert_eq!(contexts.len(), 5);
    }
}

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

pub use list::{EntryKind, StagedPage, ensure_row, entity_table, stage_entries};
pub use playlist::write_playlist;
pub use search::{SearchWindow, StagedSearchPage, discard_search, first_hit, stage_search};

use crate::store::{StoreError, WriteTx};
use serde::Deserialize;
use spotify_client::EntityKind;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

/// What an answer was asked with.
#[derive(Debug, Clone)]
pub struct IngestContext {
    /// When it came, as the store writes times.
    pub now: String,
    /// Market asked for; empty if none was.
    pub market: String,
    /// Spotify's id of the user whose token asked, if one did.
    pub user_id: Option<String>,
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Its JSON is not what Spotify documents.
    #[error("{0}")]
    Malformed(String),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a raw object. An array is none, although serde would take its values for an object's in their order.
fn parse_object<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, IngestError> {
    if !raw.trim_start().starts_with('{') {
        return Err(IngestError::Malformed("it is not an object".into()));
    }
    serde_json::from_str(raw).map_err(|e| IngestError::Malformed(e.to_string()))
}

/// The bytes of an object and what it was asked with: what is equal in both need not be written twice.
struct Fingerprint {
    key: u128,
    context: u64,
}

impl Fingerprint {
    fn from_raw(raw: &str, whole: bool, asked: &IngestContext) -> Fingerprint {
        // What depends on the market or the user stands with these.
        let user = asked.user_id.as_deref().unwrap_or_default();
        let context = xxh3_64_with_seed(user.as_bytes(), xxh3_64(asked.market.as_bytes()));
        Fingerprint { key: xxh3_128(raw.as_bytes()), context: context ^ u64::from(whole) }
    }

    /// Whether this very object was written before in this run.
    fn was_written(&self, session: &WriteTx) -> bool {
        session.was_written(self.key, self.context)
    }

    /// To be called once it is written.
    fn remember_written(&self, session: &mut WriteTx) {
        session.remember_written(self.key, self.context);
    }
}

/// Writes one thing of a kind, read whole, and returns its id.
///
/// # Errors
/// If it is malformed, has no id, or the store cannot be written.
pub fn ingest_entity(
    session: &mut WriteTx,
    kind: EntityKind,
    raw: &str,
    asked: &IngestContext,
) -> Result<String, IngestError> {
    let id = match kind {
        EntityKind::Album => album::write_album(session, &parse_object(raw)?, asked, true)?,
        EntityKind::Artist => artist::write_artist(session, &parse_object(raw)?, asked, true)?,
        EntityKind::Track => track::write_track(session, &parse_object(raw)?, asked, true)?,
        EntityKind::Playlist => Some(playlist::write_playlist(session, &parse_object(raw)?, asked, true)?),
        EntityKind::Show => show::write_show(session, &parse_object(raw)?, asked, true)?,
        EntityKind::Episode => show::write_episode(session, &parse_object(raw)?, asked, None, true)?,
        EntityKind::Audiobook => audiobook::write_audiobook(session, &parse_object(raw)?, asked, true)?,
        EntityKind::Chapter => audiobook::write_chapter(session, &parse_object(raw)?, asked, None, true)?,
        EntityKind::User => user::write_user(session, &parse_object(raw)?, asked, true)?,
    };
    id.ok_or_else(|| IngestError::Malformed("it has no id".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_for_one_user_or_market_is_not_known_for_another() {
        let asked = |market: &str, user: Option<&str>| IngestContext {
            now: "2026-01-01T00:00:00.000Z".to_owned(),
            market: market.to_owned(),
            user_id: user.map(str::to_owned),
        };
        let of = |asked: IngestContext| Fingerprint::from_raw("{\"id\":\"e\"}", true, &asked).context;
        let all =
            [asked("", None), asked("", Some("a")), asked("", Some("b")), asked("DE", Some("a")), asked("a", None)];
        let contexts: std::collections::HashSet<u64> = all.map(of).into();
        assert_eq!(contexts.len(), 5);
    }
}

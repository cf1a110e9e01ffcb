//! Turns Spotify's responses into rows: wire types in, upserts out.
//!
//! There is one file per noun. Each function writes one entity together with everything nested in it and
//! returns its id. Nested entities are written first, because foreign keys are checked after every statement.
//! An object that cannot be parsed is [`IngestError::Malformed`]: the caller records it and continues.

mod album;
mod artist;
mod audiobook;
mod cell;
mod code;
mod flaws;
mod list;
mod playlist;
mod search;
mod show;
mod track;
mod user;

pub use code::{CodeCheck, CodeHit, SearchedCode, write_code_hit};
pub use list::{StagedPage, ensure_row, stage_entries};
pub use playlist::write_playlist;
pub use search::{SearchWindow, StagedSearchPage, discard_search, stage_search};

use crate::store::{StoreError, WriteTx};
use serde::Deserialize;
use spotify_client::EntityKind;
use spotify_client::wire::anomaly_count;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

/// What the request of a response was sent with.
#[derive(Debug, Clone)]
pub struct IngestContext {
    /// When the response arrived, in the store's time format.
    pub now: String,
    /// Requested market; empty if there was none.
    pub market: String,
    /// Spotify's id of the user whose token was used, if any.
    pub user_id: Option<String>,
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The JSON is not what Spotify documents.
    #[error("{0}")]
    Malformed(String),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Parses a raw object. Arrays are refused: serde would map their values to the fields of the object in order.
fn parse_object<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, IngestError> {
    if !raw.trim_start().starts_with('{') {
        return Err(IngestError::Malformed("it is not an object".into()));
    }
    serde_json::from_str(raw).map_err(|e| IngestError::Malformed(e.to_string()))
}

/// Identifies an object by its bytes and its request, so that equal objects are written only once.
struct Fingerprint {
    key: u128,
    context: u64,
}

impl Fingerprint {
    fn from_raw(raw: &str, whole: bool, asked: &IngestContext) -> Fingerprint {
        // Values that depend on the market or the user are stored under these.
        let user = asked.user_id.as_deref().unwrap_or_default();
        let context = xxh3_64_with_seed(user.as_bytes(), xxh3_64(asked.market.as_bytes()));
        Fingerprint { key: xxh3_128(raw.as_bytes()), context: context ^ u64::from(whole) }
    }

    /// Whether this object was already written in this run.
    fn was_written(&self, session: &WriteTx) -> bool {
        session.was_written(self.key, self.context)
    }

    /// Call this after the object is written. An object with values of unexpected types is read each time, so
    /// that they are counted in each list that has it.
    fn remember_written(&self, session: &mut WriteTx) {
        if anomaly_count() == 0 {
            session.remember_written(self.key, self.context);
        }
    }
}

/// Writes one complete entity of a kind and returns its id.
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

//! One id, list or search of a fetch, and what came of it.

use super::engine::{Engine, FetchFrame, Tally, stamp};
use super::halt::Halt;
use crate::spotify::error::ApiError;
use crate::store::{Requested, Skip};

/// What came of one id, list or search.
#[derive(Debug, Default)]
pub(super) struct UnitEnd {
    /// What it asked for, for the record of the fetch.
    pub requested: Vec<Requested>,
    /// What it came to.
    pub tally: Tally,
    /// Why it is not whole: reason and detail, unless that was known before.
    pub trouble: Option<String>,
}

impl UnitEnd {
    /// A unit that found or read everything.
    pub(super) fn whole(requested: Vec<Requested>, tally: Tally) -> UnitEnd {
        UnitEnd { requested, tally, trouble: None }
    }

    /// Adds another unit's end.
    pub(super) fn add(&mut self, other: UnitEnd) {
        self.requested.extend(other.requested);
        self.tally.add(other.tally);
        if self.trouble.is_none() {
            self.trouble = other.trouble;
        }
    }
}

/// The word for a refusal in `skipped_items`.
pub(super) fn reason(e: &ApiError) -> &'static str {
    match e {
        ApiError::Refused { .. } => "forbidden",
        ApiError::NotFound { .. } | ApiError::Gone { .. } => "not_found",
        ApiError::BadRequest { .. } => "bad_request",
        ApiError::Unusable { .. } => "unusable_answer",
        _ => "unexpected_status",
    }
}

impl Engine {
    /// Records that an id could not be had: partial the first time, a known gap from then on.
    pub(super) async fn gap(
        &self,
        frame: &FetchFrame,
        id: &str,
        requested: Vec<Requested>,
        e: &ApiError,
    ) -> Result<UnitEnd, Halt> {
        let (word, detail) = (reason(e), e.to_string());
        // What may be different at the next try is no gap that one could know.
        let lasting = matches!(word, "forbidden" | "not_found");
        let (stream, audience, now, run) = (frame.stream.name, frame.audience.clone(), stamp(self.now()), self.run);
        let (fetch, id, text, own) = (frame.fetch.clone(), id.to_owned(), detail.clone(), frame.own);
        let known = self
            .store
            .write(move |s| {
                let known = lasting && (s.note_gap(stream, &id, &audience, word, &text, &now)? || own);
                if word == "not_found" && stream.ends_with("playlist_items") {
                    s.mark_gone(&id, &now)?;
                }
                let skip = Skip {
                    fetch,
                    stream,
                    item_id: Some(id),
                    reason: word,
                    detail: Some(text),
                    known_gap: known,
                    ..Skip::default()
                };
                s.skip(run, &skip, &now)?;
                Ok(known)
            })
            .await?;
        let tally = Tally { skipped: 1, ..Tally::default() };
        Ok(UnitEnd { requested, tally, trouble: (!known).then_some(detail) })
    }

    /// Of these ids, those that were refused within a week: noted, and not asked for again.
    pub(super) async fn known_gaps(&self, frame: &FetchFrame, ids: &[String]) -> Result<Vec<bool>, Halt> {
        const LOOKED_AT_AGAIN: chrono::TimeDelta = chrono::TimeDelta::days(7);
        let since = stamp(self.fresh_since(LOOKED_AT_AGAIN));
        let (stream, audience, run, now) = (frame.stream.name, frame.audience.clone(), self.run, stamp(self.now()));
        let (fetch, ids) = (frame.fetch.clone(), ids.to_vec());
        let known = self.store.write(move |s| {
            let gaps = s.gaps(stream, &ids, &audience, &since)?;
            for (id, gap) in ids.iter().zip(&gaps) {
                let Some((reason, detail)) = gap else { continue };
                let reason = if reason == "forbidden" { "forbidden" } else { "not_found" };
                let (fetch, item_id, detail) = (fetch.clone(), Some(id.clone()), Some(detail.clone()));
                s.skip(
                    run,
                    &Skip { fetch, stream, item_id, reason, detail, known_gap: true, ..Skip::default() },
                    &now,
                )?;
            }
            Ok(gaps.iter().map(Option::is_some).collect())
        });
        Ok(known.await?)
    }

    /// Notes that an id answers (again).
    pub(super) async fn answers_again(&self, frame: &FetchFrame, id: &str) -> Result<(), Halt> {
        let (stream, audience, id) = (frame.stream.name, frame.audience.clone(), id.to_owned());
        Ok(self.store.write(move |s| s.close_gap(stream, &id, &audience)).await?)
    }
}

//! One id, list or search of a fetch, and what came of it.

use super::engine::{Engine, FetchFrame, Tally, stamp};
use super::halt::Halt;
use crate::store::{GapKey, ListKey, Requested, Skip, Span};
use spotify_client::error::ApiError;

/// An id that was refused within a week.
#[derive(Debug)]
pub(super) struct KnownGap {
    /// Why it cannot be had, where this job was not told before.
    pub trouble: Option<String>,
}

/// What came of one id, list or search.
#[derive(Debug, Default)]
pub(super) struct UnitEnd {
    /// What it asked for, for the record of the fetch.
    pub requested: Vec<Requested>,
    /// Their places in the job, where they were not asked for in its order.
    pub places: Vec<usize>,
    /// What it came to.
    pub tally: Tally,
    /// Why it is not whole: reason and detail, unless that was known before.
    pub trouble: Option<String>,
    /// How many parts of it are not whole.
    pub troubles: usize,
    /// What a person can do about that.
    pub hints: Vec<String>,
    /// What a person should know although it is whole.
    pub warnings: Vec<String>,
}

impl UnitEnd {
    /// A unit that found or read everything.
    pub(super) fn whole(requested: Vec<Requested>, tally: Tally) -> UnitEnd {
        let read = i64::from(tally.unchanged == 0);
        UnitEnd { requested, tally: Tally { read, ..tally }, ..UnitEnd::default() }
    }

    /// A unit that is not whole.
    pub(super) fn lacking(requested: Vec<Requested>, tally: Tally, trouble: String) -> UnitEnd {
        UnitEnd { requested, tally, trouble: Some(trouble), troubles: 1, ..UnitEnd::default() }
    }

    /// A unit that was refused before, so that nothing was asked. It is whole only for a job that knows.
    pub(super) fn known_gap(requested: Vec<Requested>, gap: KnownGap) -> UnitEnd {
        let tally = Tally { unchanged: 1, skipped: 1, ..Tally::default() };
        match gap.trouble {
            None => UnitEnd::whole(requested, tally),
            Some(trouble) => UnitEnd::lacking(requested, tally, trouble),
        }
    }

    /// Why it is not whole, in a line.
    pub(super) fn why(&self) -> Option<String> {
        let first = self.trouble.as_ref()?;
        Some(match self.troubles {
            0 | 1 => first.clone(),
            n => format!("{first} (and {} more, see skipped_items)", n - 1),
        })
    }

    /// Adds another unit's end.
    pub(super) fn add(&mut self, other: UnitEnd) {
        self.requested.extend(other.requested);
        self.places.extend(other.places);
        self.tally.add(other.tally);
        self.troubles += other.troubles;
        self.warnings.extend(other.warnings);
        for hint in other.hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
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
    /// Records that an id could not be had: partial until a run of the job has told of it, a known gap from
    /// then on.
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
        let (stream, key, now, run) = (frame.stream.name, frame.gap(id), stamp(self.now()), self.run);
        let (fetch, id, text, own) = (frame.fetch.clone(), id.to_owned(), detail.clone(), frame.own);
        let trouble = format!("{id}: {detail}");
        let known = self
            .store
            .write(move |s| {
                let known = lasting && ((s.note_gap(&key, word, &text, &now)? && s.was_told(run, stream, &id)?) || own);
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
        if known {
            return Ok(UnitEnd { requested, tally, ..UnitEnd::default() });
        }
        let heard = ["shows", "show_episodes", "episodes"].contains(&stream);
        let no_market = (heard && word == "not_found" && frame.market.is_empty())
            .then(|| "name a market: without one an app is shown no podcasts".to_owned());
        let hints = e.hint().or(no_market).into_iter().collect();
        Ok(UnitEnd { hints, ..UnitEnd::lacking(requested, tally, trouble) })
    }

    /// The end of an id that was refused within a week; none if it is to be asked for. What was had of its
    /// list before still stands, so the list stays among what the fetch asks for.
    pub(super) async fn known_gap(
        &self,
        frame: &FetchFrame,
        id: &str,
        key: &ListKey,
        item_id: Option<&str>,
    ) -> Result<Option<UnitEnd>, Halt> {
        let Some(gap) = self.known_gaps(frame, &[id.to_owned()]).await?.pop().flatten() else { return Ok(None) };
        let key = key.clone();
        let list = self.store.write(move |s| s.find_list(&key)).await?;
        let item_id = item_id.map(str::to_owned);
        let requested = list.map(|list| Requested { user_id: None, list_id: Some(list.id), item_id });
        Ok(Some(UnitEnd::known_gap(requested.into_iter().collect(), gap)))
    }

    /// Of these ids, those that were refused within a week: noted, and not asked for again.
    pub(super) async fn known_gaps(&self, frame: &FetchFrame, ids: &[String]) -> Result<Vec<Option<KnownGap>>, Halt> {
        let when = self.gaps_in();
        let (stream, run, now) = (frame.stream.name, self.run, stamp(self.now()));
        let (fetch, keys) = (frame.fetch.clone(), ids.iter().map(|id| frame.gap(id)).collect::<Vec<_>>());
        let known = self.store.write(move |s| {
            let mut known = Vec::with_capacity(keys.len());
            for (GapKey { id, .. }, gap) in keys.iter().zip(s.gaps(&keys, &when)?) {
                let Some((reason, detail)) = gap else {
                    known.push(None);
                    continue;
                };
                let reason = if reason == "forbidden" { "forbidden" } else { "not_found" };
                let told = s.was_told(run, stream, id)?;
                let trouble = (!told).then(|| format!("{id}: {detail}"));
                let (fetch, item_id, detail) = (fetch.clone(), Some(id.clone()), Some(detail));
                s.skip(
                    run,
                    &Skip { fetch, stream, item_id, reason, detail, known_gap: told, ..Skip::default() },
                    &now,
                )?;
                known.push(Some(KnownGap { trouble }));
            }
            Ok(known)
        });
        Ok(known.await?)
    }

    /// Whether these ids were refused within a week, without noting it.
    pub(super) async fn were_refused(&self, frame: &FetchFrame, ids: &[String]) -> Result<Vec<bool>, Halt> {
        let (when, keys) = (self.gaps_in(), ids.iter().map(|id| frame.gap(id)).collect::<Vec<_>>());
        let gaps = self.store.write(move |s| s.gaps(&keys, &when));
        Ok(gaps.await?.iter().map(Option::is_some).collect())
    }

    /// The same of one key.
    pub(super) async fn was_refused(&self, key: &GapKey) -> Result<bool, Halt> {
        let (when, keys) = (self.gaps_in(), [key.clone()]);
        Ok(self.store.write(move |s| s.gaps(&keys, &when)).await?.iter().any(Option::is_some))
    }

    /// What was refused in this time is not asked for again.
    fn gaps_in(&self) -> Span {
        const LOOKED_AT_AGAIN: chrono::TimeDelta = chrono::TimeDelta::days(7);
        self.known_in(LOOKED_AT_AGAIN)
    }

    /// Notes that an id answers (again).
    pub(super) async fn answers_again(&self, frame: &FetchFrame, id: &str) -> Result<(), Halt> {
        let key = frame.gap(id);
        Ok(self.store.write(move |s| s.close_gap(&key)).await?)
    }
}

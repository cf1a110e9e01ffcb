//! One id, list or search of a fetch, and what came of it.

use super::context::{FetchContext, RecordCounts, SyncContext, timestamp};
use super::error::SyncError;
use crate::store::{ListKey, MissingIdKey, RequestedItem, SkippedItem, TimeSpan};
use crate::store::{entity, lists, missing_ids, skipped_items};
use crate::stream::StreamTable;
use spotify_client::error::ApiError;

/// An id that was refused within a week.
#[derive(Debug)]
pub(super) struct MissingId {
    /// Why it cannot be had, where this job was not told before.
    pub new_problem: Option<String>,
}

/// What came of one id, list or search.
#[derive(Debug, Default)]
pub(super) struct WorkResult {
    /// What it asked for, for the record of the fetch.
    pub requested: Vec<RequestedItem>,
    /// Their places in the job, where they were not asked for in its order.
    pub places: Vec<usize>,
    /// What it came to.
    pub counts: RecordCounts,
    /// Why it is not whole: reason and detail, unless that was known before.
    pub problem: Option<String>,
    /// How many parts of it are not whole.
    pub problem_count: usize,
    /// What a person can do about that.
    pub hints: Vec<String>,
    /// What a person should know although it is whole.
    pub warnings: Vec<String>,
}

impl WorkResult {
    /// A unit that found or read everything.
    pub(super) fn whole(requested: Vec<RequestedItem>, tally: RecordCounts) -> WorkResult {
        let read = i64::from(tally.unchanged == 0);
        WorkResult { requested, counts: RecordCounts { read, ..tally }, ..WorkResult::default() }
    }

    /// A unit that is not whole.
    pub(super) fn incomplete(requested: Vec<RequestedItem>, counts: RecordCounts, trouble: String) -> WorkResult {
        WorkResult { requested, counts, problem: Some(trouble), problem_count: 1, ..WorkResult::default() }
    }

    /// A unit that was refused before, so that nothing was asked. It is whole only for a job that knows.
    pub(super) fn from_missing(requested: Vec<RequestedItem>, gap: MissingId) -> WorkResult {
        let tally = RecordCounts { unchanged: 1, skipped: 1, ..RecordCounts::default() };
        match gap.new_problem {
            None => WorkResult::whole(requested, tally),
            Some(trouble) => WorkResult::incomplete(requested, tally, trouble),
        }
    }

    /// Why it is not whole, in a line.
    pub(super) fn problem_summary(&self) -> Option<String> {
        let first = self.problem.as_ref()?;
        Some(match self.problem_count {
            0 | 1 => first.clone(),
            n => format!("{first} (and {} more, see skipped_items)", n - 1),
        })
    }

    /// Adds another unit's end.
    pub(super) fn add(&mut self, other: WorkResult) {
        self.requested.extend(other.requested);
        self.places.extend(other.places);
        self.counts.add(other.counts);
        self.problem_count += other.problem_count;
        self.warnings.extend(other.warnings);
        for hint in other.hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        if self.problem.is_none() {
            self.problem = other.problem;
        }
    }
}

/// The word for a refusal in `skipped_items`.
pub(super) fn skip_reason(e: &ApiError) -> &'static str {
    match e {
        ApiError::Refused { .. } => "forbidden",
        ApiError::NotFound { .. } | ApiError::Gone { .. } => "not_found",
        ApiError::BadRequest { .. } => "bad_request",
        ApiError::Unusable { .. } => "unusable_answer",
        _ => "unexpected_status",
    }
}

impl SyncContext {
    /// Records that an id could not be had: partial until a run of the job has told of it, a known gap from
    /// then on.
    pub(super) async fn record_missing(
        &self,
        frame: &FetchContext,
        id: &str,
        requested: Vec<RequestedItem>,
        e: &ApiError,
    ) -> Result<WorkResult, SyncError> {
        let (word, detail) = (skip_reason(e), e.to_string());
        // What may be different at the next try is no gap that one could know.
        let lasting = matches!(word, "forbidden" | "not_found");
        let (stream, key, now, run) = (frame.stream.name, frame.missing_key(id), timestamp(self.now()), self.run_id);
        let (fetch, id, text, own) = (frame.fetch.clone(), id.to_owned(), detail.clone(), frame.from_own_library);
        let is_playlist = frame.stream.table == StreamTable::PlaylistItems;
        let trouble = format!("{id}: {detail}");
        let known = self
            .store
            .write(move |s| {
                let known = lasting
                    && ((missing_ids::record(s, &key, word, &text, &now)?
                        && skipped_items::was_reported(s, run, stream, &id)?)
                        || own);
                if word == "not_found" && is_playlist {
                    entity::mark_playlist_gone(s, &id, &now)?;
                }
                let skip = SkippedItem {
                    fetch,
                    stream,
                    item_id: Some(id),
                    reason: word,
                    detail: Some(text),
                    already_known: known,
                    ..SkippedItem::default()
                };
                skipped_items::record(s, run, &skip, &now)?;
                Ok(known)
            })
            .await?;
        let tally = RecordCounts { skipped: 1, ..RecordCounts::default() };
        if known {
            return Ok(WorkResult { requested, counts: tally, ..WorkResult::default() });
        }
        let no_market = (frame.stream.needs_market && word == "not_found" && frame.market.is_empty())
            .then(|| "name a market: without one an app is shown no podcasts".to_owned());
        let hints = e.hint().or(no_market).into_iter().collect();
        Ok(WorkResult { hints, ..WorkResult::incomplete(requested, tally, trouble) })
    }

    /// The end of an id that was refused within a week; none if it is to be asked for. What was had of its
    /// list before still stands, so the list stays among what the fetch asks for.
    pub(super) async fn find_missing(
        &self,
        frame: &FetchContext,
        id: &str,
        key: &ListKey,
        item_id: Option<&str>,
    ) -> Result<Option<WorkResult>, SyncError> {
        let Some(gap) = self.missing_ids(frame, &[id.to_owned()]).await?.pop().flatten() else { return Ok(None) };
        let key = key.clone();
        let list = self.store.write(move |s| lists::find(s, &key)).await?;
        let item_id = item_id.map(str::to_owned);
        let requested = list.map(|list| RequestedItem { user_id: None, list_id: Some(list.id), item_id });
        Ok(Some(WorkResult::from_missing(requested.into_iter().collect(), gap)))
    }

    /// Of these ids, those that were refused within a week: noted, and not asked for again.
    pub(super) async fn missing_ids(
        &self,
        frame: &FetchContext,
        ids: &[String],
    ) -> Result<Vec<Option<MissingId>>, SyncError> {
        let when = self.missing_span();
        let (stream, run, now) = (frame.stream.name, self.run_id, timestamp(self.now()));
        let (fetch, keys) = (frame.fetch.clone(), ids.iter().map(|id| frame.missing_key(id)).collect::<Vec<_>>());
        let known = self.store.write(move |s| {
            let mut known = Vec::with_capacity(keys.len());
            for (MissingIdKey { id, .. }, gap) in keys.iter().zip(missing_ids::find(s, &keys, &when)?) {
                let Some((reason, detail)) = gap else {
                    known.push(None);
                    continue;
                };
                let reason = if reason == "forbidden" { "forbidden" } else { "not_found" };
                let told = skipped_items::was_reported(s, run, stream, id)?;
                let trouble = (!told).then(|| format!("{id}: {detail}"));
                let (fetch, item_id, detail) = (fetch.clone(), Some(id.clone()), Some(detail));
                skipped_items::record(
                    s,
                    run,
                    &SkippedItem {
                        fetch,
                        stream,
                        item_id,
                        reason,
                        detail,
                        already_known: told,
                        ..SkippedItem::default()
                    },
                    &now,
                )?;
                known.push(Some(MissingId { new_problem: trouble }));
            }
            Ok(known)
        });
        Ok(known.await?)
    }

    /// Whether these ids were refused within a week, without noting it.
    pub(super) async fn are_missing(&self, frame: &FetchContext, ids: &[String]) -> Result<Vec<bool>, SyncError> {
        let (when, keys) = (self.missing_span(), ids.iter().map(|id| frame.missing_key(id)).collect::<Vec<_>>());
        let gaps = self.store.write(move |s| missing_ids::find(s, &keys, &when));
        Ok(gaps.await?.iter().map(Option::is_some).collect())
    }

    /// The same of one key.
    pub(super) async fn is_missing(&self, key: &MissingIdKey) -> Result<bool, SyncError> {
        let (when, keys) = (self.missing_span(), [key.clone()]);
        Ok(self.store.write(move |s| missing_ids::find(s, &keys, &when)).await?.iter().any(Option::is_some))
    }

    /// What was refused in this time is not asked for again.
    fn missing_span(&self) -> TimeSpan {
        const LOOKED_AT_AGAIN: chrono::TimeDelta = chrono::TimeDelta::days(7);
        self.known_span(LOOKED_AT_AGAIN)
    }

    /// Notes that an id answers (again).
    pub(super) async fn clear_missing(&self, frame: &FetchContext, id: &str) -> Result<(), SyncError> {
        let key = frame.missing_key(id);
        Ok(self.store.write(move |s| missing_ids::clear(s, &key)).await?)
    }
}

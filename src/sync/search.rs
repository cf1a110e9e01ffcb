//! Searches: one answer holds a page for each type of hit.

use super::brake::SUSPECT_BATCH;
use super::change_detection;
use super::commit::{abandon_read, discard_checkpoint};
use super::context::FetchContext;
use super::counts::RecordCounts;
use super::error::{SyncError, is_about_one_list};
use super::estimate::{CallEstimate, CallRange, JobEstimator, RowChanges, call_count, reasons};
use super::list_reader::ListStrategy;
use super::open_list::OpenList;
use super::read_outcome::{ReadOutcome, describe_unread};
use super::search_answers::{SEARCH_PAGING, SearchAnswer, SearchReader, SearchRequest, type_list};
use super::skip_notes::SkipNotes;
use crate::ingest::{IngestContext, IngestError, SearchWindow, SearchedCode, discard_search, stage_search};
use crate::store::{
    Checkpoint, ListKey, ListProof, SkippedItem, StoreError, UnreadItem, WriteTx, list_commit, list_proof, lists, runs,
    staging,
};
use crate::stream::Paging;
use spotify_client::EntityKind;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;

/// Spotify serves no hit beyond this offset.
const MAX_SEARCH_OFFSET: i64 = 1_000;

/// An answer of a search that is to be committed.
struct SearchCommit {
    list: i64,
    key: ListKey,
    kinds: Vec<EntityKind>,
    /// How far the search was read before.
    at: Checkpoint,
    window: SearchWindow,
    /// A suspect answer came from this offset before.
    is_second_answer: bool,
    /// The search before had hits.
    had_hits: bool,
    /// Hits were missing at an earlier offset.
    missed_hits: bool,
    /// A search without readable hits is published all the same.
    accepts_batch: bool,
    /// Why the only hit of each type could not be read, if that is so.
    unread: Option<String>,
    /// Why the page is refused behind hits that came. They are published without those of the page.
    refused: Option<String>,
    notes: SkipNotes,
    asked: IngestContext,
    run: i64,
    calls: i64,
}

/// What committing an answer of a search did.
enum SearchOutcome {
    /// The hits are committed.
    Hits {
        served: i64,
        misses_hits: bool,
        next: Checkpoint,
        /// The number of published rows, if it was the last answer.
        stored: Option<i64>,
        /// Types with a page that could not be read.
        odd_kinds: Vec<EntityKind>,
    },
    /// Hits are missing, or those of the answer before are repeated. Nothing was committed, and the answer
    /// is requested once more.
    Suspect,
    /// The answer was suspect twice, and nothing can be used.
    Unproved {
        reason: &'static str,
        detail: String,
    },
    Malformed(String),
}

impl SearchCommit {
    /// Commits the hits, and how far the search is read with them.
    fn write(self, s: &mut WriteTx, body: &[u8]) -> Result<SearchOutcome, StoreError> {
        let SearchCommit {
            list,
            key,
            kinds,
            mut at,
            window,
            is_second_answer,
            had_hits,
            missed_hits,
            accepts_batch,
            unread,
            refused,
            notes,
            asked,
            run,
            calls,
        } = self;
        let text = std::str::from_utf8(body).unwrap_or_default();
        let codes = SearchedCode::in_query(&key.parent_id);
        let mut found = match stage_search(s, list, text, &kinds, (window, &codes), &asked) {
            Ok(found) => found,
            Err(IngestError::Store(e)) => return Err(e),
            Err(IngestError::Malformed(detail)) => return Ok(SearchOutcome::Malformed(detail)),
        };
        if let Some(detail) = &unread {
            (found.served, found.repeats_previous) = (0, false);
            found.staged.unstored = vec![(window.offset, "unread_item", Some(detail.clone()))];
            at.unread.push(UnreadItem { position: window.offset, detail: detail.clone() });
        }
        let has_none = window.offset == 0 && found.served == 0 && found.missing > 0;
        // Where there were hits before, one run alone does not replace them by none.
        let is_doubtful = has_none && had_hits && !list_proof::was_unproved_since_read(s, list, "short_page")?;
        let is_unreadable = |(_, reason, _): &(i64, &str, Option<String>)| matches!(*reason, "null_item" | "malformed");
        let all_unreadable = found.staged.unstored.iter().all(is_unreadable) && unread.is_none();
        let has_only_nulls = window.offset == 0 && all_unreadable && found.served > 0 && staging::count(s, list)? == 0;
        let wants_second_answer = found.missing > 0 || has_only_nulls && !accepts_batch;
        if found.repeats_previous || is_doubtful || (wants_second_answer && !is_second_answer) {
            discard_search(s, list, &kinds, window)?;
            if !is_second_answer {
                return Ok(SearchOutcome::Suspect);
            }
            return Ok(if is_doubtful {
                let detail = format!("none of the {} hits came that Spotify announces", found.announced);
                SearchOutcome::Unproved { reason: "short_page", detail }
            } else {
                let detail = format!("the answer at {} repeats the hits before it", window.offset);
                SearchOutcome::Unproved { reason: "repeated_page", detail }
            });
        }
        let is_cut = refused.is_some() || !found.odd_kinds.is_empty();
        for kind in &found.odd_kinds {
            let detail = Some(describe_odd_kind(*kind));
            let skip = SkippedItem { reason: "unusable_answer", detail, ..SkippedItem::default() };
            notes.record(s, window.offset, skip)?;
        }
        if let Some(detail) = refused {
            let skip = SkippedItem { reason: "page_refused", detail: Some(detail), ..SkippedItem::default() };
            notes.record(s, window.offset, skip)?;
        }
        // An answer that says that it is the last one lacks the hits that are announced beyond it.
        let missing = found.missing + found.left_out + if found.more { 0 } else { found.beyond };
        if missing > 0 {
            let detail = Some(format!("{missing} of the hits that were due did not come"));
            notes.record(s, window.offset, SkippedItem { reason: "missing_hits", detail, ..SkippedItem::default() })?;
        }
        notes.record_fields(s, Some(list), &found.staged.fields)?;
        for (position, reason, detail) in &found.staged.unstored {
            notes.record(s, *position, SkippedItem { reason, detail: detail.clone(), ..SkippedItem::default() })?;
        }
        for (position, id) in &found.unverified {
            let (item_id, detail) = (Some(id.clone()), Some("it is kept, and names no code".to_owned()));
            let reason = "unverified_code";
            let skip = SkippedItem { item_id, reason, detail, already_known: true, ..SkippedItem::default() };
            notes.record(s, *position, skip)?;
        }
        let unstored = i64::try_from(found.staged.unstored.len()).unwrap_or(0);
        let next = Checkpoint {
            next_offset: window.offset + found.covered,
            announced: at.announced.or((found.served > 0 || unread.is_none()).then_some(found.announced)),
            skipped: at.skipped + unstored,
            ..at
        };
        // Hits are published together with the last of them.
        let stored = if !found.more || next.next_offset >= window.max_hits {
            let served = staging::count(s, list)? + next.skipped;
            if all_unreadable && next.skipped == served && served > 0 && !accepts_batch && next.unread.is_empty() {
                let detail = format!("{served} of {served} hits are null or have no id");
                return Ok(SearchOutcome::Unproved { reason: SUSPECT_BATCH, detail });
            }
            let lacks_hits = missing > 0 || missed_hits || is_cut;
            let (announced, skipped, first_items_only) = (next.announced, next.skipped, !lacks_hits);
            let proof = ListProof { announced, served, skipped, first_items_only, ..ListProof::default() };
            let stored = list_commit::commit(s, list, &key, &proof, run, &asked.now)?.stored;
            if stored == 0 && !is_cut {
                notes.record_no_hits(s, &key.parent_id)?;
            }
            Some(stored)
        } else {
            lists::save_checkpoint(s, list, run, &next, &asked.now)?;
            None
        };
        runs::update_counts(s, run, calls, found.served)?;
        let (served, odd_kinds) = (found.served, found.odd_kinds);
        Ok(SearchOutcome::Hits { served, misses_hits: missing > 0, next, stored, odd_kinds })
    }
}

impl ListStrategy for SearchRequest {
    fn key(&self, context: &FetchContext) -> ListKey {
        ListKey {
            kind: context.stream.name,
            parent_id: self.query.clone(),
            audience: context.audience.clone(),
            market: context.market.clone(),
            variant: format!("{} {}", type_list(&self.kinds), self.max_hits),
        }
    }

    fn remembered_id(&self) -> Option<&str> {
        Some(&self.query)
    }

    async fn read(&self, open: &OpenList<'_>) -> Result<ReadOutcome, SyncError> {
        let (sync, context) = (open.sync, open.context);
        let most = self.max_hits.min(MAX_SEARCH_OFFSET);
        let mut at = resume_search(open).await?;
        let (mut counts, skipped_before) = (RecordCounts::default(), at.skipped);
        let (mut suspect_at, mut missed_hits, mut short_before) = (None, false, 0);
        // A person has accepted such a search.
        let had_only_nulls = open.row.stored == Some(0) && open.row.served.is_some_and(|served| served > 0);
        let mut reader = SearchReader::new(open, self, most);
        let mut problems: Vec<String> = Vec::new();
        loop {
            let mut refused = None;
            let SearchAnswer { body, limit, unread } = match reader.next_answer(&at).await {
                Ok(Some(answer)) => answer,
                Ok(None) => continue,
                Err(SyncError::Api(e)) if at.next_offset > 0 && is_refused_page(&e) => {
                    refused = Some(e.to_string());
                    SearchAnswer { body: body_without_hits(&self.kinds), limit: 1, unread: None }
                }
                Err(e) => return ReadOutcome::from_error(e),
            };
            problems.extend(refused.as_ref().map(|e| format!("page_refused: the page at {}: {e}", at.next_offset)));
            let asked = context.asked(sync.now());
            let is_second_answer = suspect_at == Some(at.next_offset);
            let commit = SearchCommit {
                list: open.row.id,
                key: open.key.clone(),
                kinds: self.kinds.clone(),
                at: at.clone(),
                window: SearchWindow {
                    offset: at.next_offset,
                    limit: i64::from(limit),
                    max_hits: most,
                    accepts_short_pages: is_second_answer || short_before > 0,
                    short_before,
                },
                is_second_answer,
                had_hits: open.row.stored.is_some_and(|stored| stored > 0),
                missed_hits,
                accepts_batch: open.accepts_batch() || had_only_nulls,
                unread,
                refused,
                notes: open.skip_notes(&asked),
                asked,
                run: sync.run_id,
                calls: sync.calls(),
            };
            match sync.store.write(move |s| commit.write(s, &body)).await? {
                SearchOutcome::Hits { served, misses_hits, next, stored, odd_kinds } => {
                    short_before = i64::from(limit) - (next.next_offset - at.next_offset);
                    at = next;
                    reader.record_success(&at);
                    counts.served += served;
                    counts.skipped += i64::from(misses_hits);
                    missed_hits |= misses_hits;
                    counts.announced = at.announced;
                    counts.skipped += i64::try_from(odd_kinds.len()).unwrap_or(0);
                    problems.extend(odd_kinds.into_iter().map(describe_odd_kind));
                    sync.observer.items_served(&context.fetch, served);
                    if let Some(stored) = stored {
                        counts.stored = stored;
                        counts.skipped += at.skipped - skipped_before;
                        problems.extend(describe_unread(None, &at.unread));
                        problems.dedup();
                        return Ok(match problems.is_empty() {
                            false => ReadOutcome::Incomplete { counts, detail: problems.join("; ") },
                            true => ReadOutcome::Complete(counts),
                        });
                    }
                }
                SearchOutcome::Suspect => suspect_at = Some(at.next_offset),
                SearchOutcome::Unproved { reason, detail } => {
                    abandon_read(open, &at, None, reason).await?;
                    context.progress.add_unplaced_items(counts.served);
                    return Ok(ReadOutcome::Unproved { reason, detail, reached: None });
                }
                SearchOutcome::Malformed(what) => {
                    return Ok(ReadOutcome::Refused(ApiError::Unusable {
                        family: EndpointFamily::SEARCH,
                        what,
                        attempts: 1,
                        is_json: true,
                    }));
                }
            }
        }
    }

    async fn estimate(
        &self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
    ) -> Result<CallEstimate, SyncError> {
        let key = self.key(context);
        let row = estimator.stored_row(&key).await?;
        if !estimator.lists.insert(key) || estimator.sync.is_from_this_run(row.checked_at.as_ref()) {
            return Ok(CallEstimate::for_unchanged());
        }
        let Paging::Offset { development, .. } = SEARCH_PAGING else { return Ok(CallEstimate::default()) };
        let wanted = self.max_hits.clamp(1, MAX_SEARCH_OFFSET);
        let app = &estimator.sync.app;
        let largest = app.page_size(EndpointFamily::SEARCH, "/search", SEARCH_PAGING).map_err(ApiError::from)?;
        let may_learn = estimator.may_learn_page_size(EndpointFamily::SEARCH, SEARCH_PAGING, largest)?;
        let smallest = if may_learn { development } else { largest };
        let pages = call_count(change_detection::page_count(wanted, smallest));
        let learns = may_learn && wanted > i64::from(smallest) && estimator.tried_pages.insert(EndpointFamily::SEARCH);
        let calls = CallRange::between(1, pages + u64::from(learns));
        let mut estimate = CallEstimate::for_one(EndpointFamily::SEARCH, calls);
        estimate.changes = RowChanges::UpTo(call_count(wanted));
        if learns {
            estimate.add_reason(reasons::CLASS);
        }
        if pages > 1 {
            estimate.add_reason(reasons::HITS);
        }
        Ok(estimate)
    }
}

/// Whether Spotify refuses one page of a search, which has answered before.
fn is_refused_page(e: &ApiError) -> bool {
    is_about_one_list(e) && !e.is_failure()
}

/// An answer that ends a search.
fn body_without_hits(kinds: &[EntityKind]) -> bytes::Bytes {
    let page = serde_json::json!({ "items": [], "next": null });
    let pages = kinds.iter().map(|kind| (kind.plural().to_owned(), page.clone()));
    serde_json::Value::Object(pages.collect()).to_string().into()
}

fn describe_odd_kind(kind: EntityKind) -> String {
    format!("the answer has no usable page of {}", kind.plural())
}

/// Where a search continues. The hits of an earlier run are those of another day, so it starts again.
async fn resume_search(open: &OpenList<'_>) -> Result<Checkpoint, SyncError> {
    match open.row.checkpoint.clone() {
        Some(at) if open.sync.is_from_this_run(open.row.read_started_at.as_ref()) => Ok(at),
        _ => {
            discard_checkpoint(open).await?;
            Ok(Checkpoint::default())
        }
    }
}

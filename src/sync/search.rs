//! A search: one answer holds a page for each type; codes (ISRC, UPC) are searches too.

use super::app_facts::SmallerPage;
use super::commit::SkipNotes;
use super::context::{FetchContext, RecordCounts, SyncContext};
use super::error::SyncError;
use super::page_request::is_about_the_list;
use super::work_result::WorkResult;
use crate::ingest::{self, IngestContext, IngestError, SearchWindow, discard_search, stage_search};
use crate::store::{
    Checkpoint, EntityTable, ListKey, ListProof, ListRow, RequestedItem, SkippedItem, StoreError, TimeSpan, WriteTx,
};
use crate::store::{freshness, list_commit, lists, runs, staging};
use crate::stream::Paging;
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::{Envelope, RawPage};

/// Pages of a search: 10 hits in Development Mode, 50 with Extended Quota.
pub(super) const SEARCH_PAGING: Paging = Paging::Offset { development: 10, extended: 50 };

/// Spotify serves no hit beyond this offset.
pub(super) const MAX_SEARCH_OFFSET: i64 = 1_000;

/// What is searched.
#[derive(Debug, Clone)]
pub(super) struct SearchRequest {
    pub query: String,
    pub kinds: Vec<EntityKind>,
    pub max_hits: i64,
}

/// An answer of a search that is to be committed.
struct SearchCommit {
    list: i64,
    key: ListKey,
    kinds: Vec<EntityKind>,
    /// How far the search had come.
    at: Checkpoint,
    window: SearchWindow,
    /// An odd answer came from this place before.
    is_second_try: bool,
    /// Hits that were due at an earlier place did not come.
    missed_hits: bool,
    notes: SkipNotes,
    asked: IngestContext,
    run: i64,
    calls: i64,
}

/// What one answer of a search was.
enum SearchOutcome {
    /// Hits, which are committed.
    Hits {
        served: i64,
        misses_hits: bool,
        next: Checkpoint,
        /// Rows that stand, where it was the last answer.
        stored: Option<i64>,
    },
    /// It lacks hits, or repeats the answer before: no hit is committed, and it is asked for once more.
    Suspect,
    /// It was so twice, and nothing can be made of it.
    Unproved {
        reason: &'static str,
        detail: String,
    },
    Malformed(String),
}

/// A code that Spotify finds nothing for.
pub(super) struct UnresolvedCode {
    /// What came of asking.
    pub result: WorkResult,
    /// The id that it meant at some time before.
    pub previous_id: Option<String>,
}

impl SearchRequest {
    /// The list of what it finds.
    pub(super) fn key(&self, frame: &FetchContext) -> ListKey {
        ListKey {
            kind: frame.stream.name,
            parent_id: self.query.clone(),
            audience: frame.audience.clone(),
            market: frame.market.clone(),
            variant: format!("{} {}", type_list(&self.kinds), self.max_hits),
        }
    }
}

impl SearchCommit {
    /// Commits the hits and how far the search has come with them.
    fn commit(self, s: &mut WriteTx, body: &[u8]) -> Result<SearchOutcome, StoreError> {
        let SearchCommit {
            list,
            key,
            kinds,
            at,
            window,
            is_second_try: again,
            missed_hits: lacked,
            notes,
            asked,
            run,
            calls,
        } = self;
        let text = std::str::from_utf8(body).unwrap_or_default();
        let found = match stage_search(s, list, text, &kinds, window, &asked) {
            Ok(found) => found,
            Err(IngestError::Store(e)) => return Err(e),
            Err(IngestError::Malformed(detail)) => return Ok(SearchOutcome::Malformed(detail)),
        };
        let none = window.offset == 0 && found.served == 0 && found.missing > 0;
        if found.repeats_previous || none || (found.missing > 0 && !again) {
            discard_search(s, list, &kinds, window)?;
            let detail = match none {
                true => format!("none of the {} hits came that Spotify announces", found.announced),
                false => format!("the answer at {} repeats the hits before it", window.offset),
            };
            let reason = if none { "short_page" } else { "repeated_page" };
            return Ok(if again { SearchOutcome::Unproved { reason, detail } } else { SearchOutcome::Suspect });
        }
        // An answer that says that it is the last takes with it what is announced beyond.
        let lacks = found.missing + if found.more { 0 } else { found.beyond };
        if lacks > 0 {
            let detail = Some(format!("{lacks} of the hits that were due did not come"));
            notes.record(s, window.offset, SkippedItem { reason: "short_page", detail, ..SkippedItem::default() })?;
        }
        for (position, reason, detail) in &found.staged.unstored {
            notes.record(s, *position, SkippedItem { reason, detail: detail.clone(), ..SkippedItem::default() })?;
        }
        let gaps = i64::try_from(found.staged.unstored.len()).unwrap_or(0);
        let next = Checkpoint {
            next_offset: window.offset + window.limit,
            announced: at.announced.or(Some(found.announced)),
            skipped: at.skipped + gaps,
            ..at
        };
        // Hits come in pages, and the last of them comes with the whole.
        let stored = if !found.more || next.next_offset >= window.max_hits {
            let served = staging::count(s, list)? + next.skipped;
            let (announced, skipped, beginning) = (next.announced, next.skipped, lacks == 0 && !lacked);
            let proof = ListProof { announced, served, skipped, first_items_only: beginning, ..ListProof::default() };
            Some(list_commit::commit(s, list, &key, &proof, run, &asked.now)?.stored)
        } else {
            lists::save_checkpoint(s, list, run, &next, &asked.now)?;
            None
        };
        runs::update_counts(s, run, calls, found.served)?;
        Ok(SearchOutcome::Hits { served: found.served, misses_hits: lacks > 0, next, stored })
    }
}

impl SyncContext {
    /// Searches once and appends what was found to the log.
    pub(super) async fn read_search(
        &self,
        frame: &FetchContext,
        search: &SearchRequest,
    ) -> Result<WorkResult, SyncError> {
        let key = search.key(frame);
        let _reading = self.lock_list(&key).await?;
        let known = self.open_list(&key).await?;
        let requested = vec![RequestedItem { user_id: None, list_id: Some(known.id), item_id: None }];
        if self.is_from_this_run(known.checked_at.as_ref()) {
            let tally = RecordCounts { unchanged: 1, stored: known.stored.unwrap_or(0), ..RecordCounts::default() };
            return Ok(WorkResult::whole(requested, tally));
        }
        let mut at = self.resume_search(&known).await?;
        let (mut tally, began_with) = (RecordCounts::default(), at.skipped);
        // The place whose answer is asked for once more, since the first one was odd.
        let (mut doubted, mut lacked) = (None, false);
        loop {
            let room = search.max_hits.min(MAX_SEARCH_OFFSET) - at.next_offset;
            let (body, limit) =
                match self.request_search_page(frame, &search.query, &search.kinds, at.next_offset, room).await {
                    Ok(page) => page,
                    Err(SyncError::Api(e)) if is_about_the_list(&e) => {
                        return self.record_missing(frame, &search.query, requested, &e).await;
                    }
                    Err(e) => return Err(e),
                };
            let asked = frame.asked(self.now());
            let landing = SearchCommit {
                list: known.id,
                key: key.clone(),
                kinds: search.kinds.clone(),
                at: at.clone(),
                window: SearchWindow {
                    offset: at.next_offset,
                    limit: i64::from(limit),
                    max_hits: search.max_hits.min(MAX_SEARCH_OFFSET),
                },
                is_second_try: doubted == Some(at.next_offset),
                missed_hits: lacked,
                notes: self.skip_notes(frame, &key, &asked),
                asked,
                run: self.run_id,
                calls: self.calls(),
            };
            match self.store.write(move |s| landing.commit(s, &body)).await? {
                SearchOutcome::Hits { served, misses_hits: lacks, next, stored } => {
                    at = next;
                    tally.served += served;
                    tally.skipped += i64::from(lacks);
                    lacked |= lacks;
                    tally.announced = at.announced;
                    self.observer.items_served(&frame.fetch, served);
                    if let Some(stored) = stored {
                        tally.stored = stored;
                        tally.skipped += at.skipped - began_with;
                        return Ok(WorkResult::whole(requested, tally));
                    }
                }
                SearchOutcome::Suspect => doubted = Some(at.next_offset),
                SearchOutcome::Unproved { reason, detail } => {
                    self.abandon_read(known.id, &at, None, reason).await?;
                    frame.progress.add_unplaced_items(tally.served);
                    return self.record_unproved(frame, &search.query, &known, requested, (reason, detail)).await;
                }
                SearchOutcome::Malformed(what) => {
                    let e = ApiError::Unusable { family: EndpointFamily::SEARCH, what, attempts: 1 };
                    return self.record_missing(frame, &search.query, requested, &e).await;
                }
            }
        }
    }

    /// Where a search goes on; hits of an earlier run are of another day, and it begins anew.
    async fn resume_search(&self, known: &ListRow) -> Result<Checkpoint, SyncError> {
        match known.checkpoint.clone() {
            Some(at) if self.is_from_this_run(known.read_started_at.as_ref()) => Ok(at),
            _ => {
                self.discard_checkpoint(known.id).await?;
                Ok(Checkpoint::default())
            }
        }
    }

    async fn request_search_page(
        &self,
        frame: &FetchContext,
        query: &str,
        kinds: &[EntityKind],
        offset: i64,
        room: i64,
    ) -> Result<(bytes::Bytes, u16), SyncError> {
        let types = type_list(kinds);
        let mut smaller: Option<SmallerPage> = None;
        loop {
            let largest = match &smaller {
                Some(page) => page.size,
                None => self.app.page_size(EndpointFamily::SEARCH, "/search", SEARCH_PAGING).map_err(ApiError::from)?,
            };
            let limit = u16::try_from(room.clamp(1, i64::from(largest))).unwrap_or(largest);
            let mut request = ApiRequest::new(EndpointFamily::SEARCH, "/search")
                .with_query("q", query)
                .with_query("type", types.as_str());
            request.query.extend(frame.query());
            let request = request.with_query("limit", limit.to_string()).with_query("offset", offset.to_string());
            let check = |answer: &ApiResponse| {
                // A type without its page is an answer with rows missing.
                for kind in kinds {
                    RawPage::read(answer, Envelope::Key(kind.plural()))?;
                }
                Ok(answer.body.clone())
            };
            match self.api.get_checked(&frame.bearer, &request, check).await {
                Ok(body) => {
                    if let Some(page) = &smaller {
                        self.app.record_smaller_page(&frame.bearer, (EndpointFamily::SEARCH, "/search"), page).await?;
                    }
                    return Ok((body, limit));
                }
                Err(ApiError::BadRequest { message, .. })
                    if let Some(page) = SmallerPage::from_refusal(SEARCH_PAGING, &request, limit, &message) =>
                {
                    smaller = Some(page);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The id that an ISRC or UPC was found to mean, where that is fresh.
    pub(super) async fn cached_code(&self, kind: EntityKind, code: &str) -> Result<Option<String>, SyncError> {
        let when = self.fresh_span(chrono::TimeDelta::days(30));
        let (table, text) = (EntityTable::for_kind(kind), code.to_owned());
        Ok(self.store.write(move |s| freshness::resolve_code(s, table, code_field(kind), &text, &when)).await?)
    }

    /// The id that an ISRC or UPC means: from the store where it is fresh, else by one search.
    pub(super) async fn resolve_code(
        &self,
        frame: &FetchContext,
        kind: EntityKind,
        code: &str,
    ) -> Result<Result<String, UnresolvedCode>, SyncError> {
        let field = code_field(kind);
        if let Some(id) = self.cached_code(kind, code).await? {
            return Ok(Ok(id));
        }
        let (table, text) = (EntityTable::for_kind(kind), code.to_owned());
        let before =
            self.store.write(move |s| freshness::resolve_code(s, table, field, &text, &TimeSpan::all_time())).await?;
        let meaningless = |end| Ok(Err(UnresolvedCode { result: end, previous_id: before }));
        let written = format!("{field}:{code}");
        if let Some(gap) = self.missing_ids(frame, std::slice::from_ref(&written)).await?.pop().flatten() {
            return meaningless(WorkResult::from_missing(Vec::new(), gap));
        }
        let body = match self.request_search_page(frame, &written, &[kind], 0, 1).await {
            Ok((body, _)) => body,
            Err(SyncError::Api(e)) if is_about_the_list(&e) => {
                return meaningless(self.record_missing(frame, &written, Vec::new(), &e).await?);
            }
            Err(e) => return Err(e),
        };
        let asked = frame.asked(self.now());
        let id = self.store.write(move |s| {
            let text = std::str::from_utf8(&body).unwrap_or_default();
            match ingest::first_hit(s, text, kind, &asked) {
                Ok(id) => Ok(id),
                Err(IngestError::Malformed(_)) => Ok(None),
                Err(IngestError::Store(e)) => Err(e),
            }
        });
        match id.await? {
            Some(id) => {
                self.clear_missing(frame, &written).await?;
                Ok(Ok(id))
            }
            None => {
                let message = format!("Spotify finds no {kind} with {written}");
                let e = ApiError::NotFound { family: EndpointFamily::SEARCH, message };
                meaningless(self.record_missing(frame, &written, Vec::new(), &e).await?)
            }
        }
    }
}

/// The types of a search, as the call names them.
fn type_list(kinds: &[EntityKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",")
}

/// The field of a search, and the column, that hold the code of a kind.
fn code_field(kind: EntityKind) -> &'static str {
    if kind == EntityKind::Track { "isrc" } else { "upc" }
}

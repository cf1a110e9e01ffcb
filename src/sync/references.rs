//! Resolves the references of a fetch to ids: ISRC and UPC codes cost a search each.

use std::collections::HashSet;

use chrono::TimeDelta;

use super::context::{FetchContext, SyncContext};
use super::error::{SyncError, is_about_one_list};
use super::estimate::{CallEstimate, CallRange, JobEstimator, RowChanges, reasons};
use super::missing;
use super::ordering::IndexedReference;
use super::search_answers::{SearchPage, request_search_page};
use super::work_result::WorkResult;
use crate::ingest::{self, CodeCheck, CodeHit, IngestError, SearchedCode};
use crate::store::{SkippedItem, StoreError, TimeSpan, WriteTx, code_matches, freshness};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::{EntityKind, Reference};

/// Hits of a search for a code that are looked at: the first that names the code is taken.
const CODE_HITS: i64 = 10;

/// The references of a work item as ids.
#[derive(Debug, Default)]
pub(super) struct ResolvedReferences {
    pub ids: Vec<String>,
    /// The positions of the ids in the job.
    pub places: Vec<usize>,
    /// What came of the codes without an id.
    pub result: WorkResult,
    /// Codes with a hit that named no code, and the id of the hit.
    unverified: Vec<(SearchedCode, String)>,
}

/// What a code was resolved to.
enum ResolvedCode {
    Id {
        id: String,
        is_verified: bool,
    },
    /// Spotify finds nothing for it.
    Missing {
        /// What came of the search.
        result: Box<WorkResult>,
        /// The id that the code had at some time before.
        previous_id: Option<String>,
    },
}

/// The id that the code was found to have within a span of time.
async fn stored_id(sync: &SyncContext, code: &SearchedCode, span: TimeSpan) -> Result<Option<String>, SyncError> {
    let code = code.clone();
    Ok(sync.store.write(move |s| freshness::resolve_code(s, code.kind, &code.code, &span)).await?)
}

/// The id that the code was found to have recently, and whether the thing names the code itself.
async fn cached_id(
    sync: &SyncContext,
    context: &FetchContext,
    code: &SearchedCode,
) -> Result<Option<(String, bool)>, SyncError> {
    let span = sync.fresh_span(TimeDelta::days(30));
    if let Some(id) = stored_id(sync, code, span.clone()).await? {
        return Ok(Some((id, true)));
    }
    let (query, market) = (code.query(), context.market.clone());
    let id = sync.store.write(move |s| code_matches::find(s, &query, &market, &span)).await?;
    Ok(id.map(|id| (id, false)))
}

/// The id of a code: from the store where it is fresh, otherwise by one search.
async fn resolve_code(
    sync: &SyncContext,
    context: &FetchContext,
    code: &SearchedCode,
) -> Result<ResolvedCode, SyncError> {
    if let Some((id, is_verified)) = cached_id(sync, context, code).await? {
        return Ok(ResolvedCode::Id { id, is_verified });
    }
    let previous_id = stored_id(sync, code, TimeSpan::all_time()).await?;
    let missing = |result| Ok(ResolvedCode::Missing { result: Box::new(result), previous_id });
    let query = code.query();
    if let Some(known) = missing::missing_ids(sync, context, std::slice::from_ref(&query)).await?.pop().flatten() {
        return missing(WorkResult::from_missing(known));
    }
    let page = SearchPage { query: &query, kinds: &[code.kind], offset: 0, most: CODE_HITS, max_attempts: None };
    let body = match request_search_page(sync, context, page).await {
        Ok((body, _)) => body,
        Err(SyncError::Api(e)) if is_about_one_list(&e) => {
            return missing(missing::record_missing(sync, context, &query, &e).await?);
        }
        Err(e) => return Err(e),
    };
    let (asked, searched) = (context.asked(sync.now()), code.clone());
    let hit = sync.store.write(move |s| {
        let text = std::str::from_utf8(&body).unwrap_or_default();
        let hit = match ingest::write_code_hit(s, text, &searched, &asked) {
            Ok(hit) => hit,
            Err(IngestError::Malformed(_)) => CodeHit::Nothing,
            Err(IngestError::Store(e)) => return Err(e),
        };
        // The spelling of a code that an album has as its EAN, or with blanks, is not looked up.
        let is_found = |s: &WriteTx| {
            Ok::<_, StoreError>(
                freshness::resolve_code(s, searched.kind, &searched.code, &TimeSpan::all_time())?.is_some(),
            )
        };
        if let CodeHit::Found { id, is_verified } = &hit
            && !(*is_verified && is_found(s)?)
        {
            code_matches::record(s, &searched.query(), &asked.market, id, &asked.now)?;
        }
        Ok(hit)
    });
    match hit.await? {
        CodeHit::Found { id, is_verified } => {
            missing::clear_missing(sync, context, &query).await?;
            Ok(ResolvedCode::Id { id, is_verified })
        }
        CodeHit::Different(codes) => missing(missing::record_gap(sync, context, &query, mismatch(code, &codes)).await?),
        CodeHit::Nothing => {
            let message = format!("Spotify finds no {} with {query}", code.kind);
            let e = ApiError::NotFound { family: EndpointFamily::SEARCH, message };
            missing(missing::record_missing(sync, context, &query, &e).await?)
        }
    }
}

/// Reason and detail for a code with hits that name other codes.
fn mismatch(code: &SearchedCode, codes: &[String]) -> (&'static str, String) {
    let shown = codes.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    ("code_mismatch", format!("Spotify finds no {} with this code, only with {shown}", code.kind))
}

impl ResolvedReferences {
    /// The ids of hits that named no code, if an error stops the fetch before they are compared.
    pub(super) fn unverified_ids(&self) -> HashSet<String> {
        self.unverified.iter().map(|(_, id)| id.clone()).collect()
    }

    /// Compares the codes with a hit that named no code with the stored rows. An album names its codes only in its own
    /// answer. Returns the ids that have another code after all; the others are noted as unverified.
    pub(super) async fn check_codes(
        &mut self,
        sync: &SyncContext,
        context: &FetchContext,
    ) -> Result<HashSet<String>, SyncError> {
        let mut wrong = HashSet::new();
        for (code, id) in std::mem::take(&mut self.unverified) {
            let (kind, of) = (code.kind, id.clone());
            let codes = sync.store.write(move |s| freshness::stored_codes(s, kind, &of)).await?;
            let (query, market) = (code.query(), context.market.clone());
            match code.compare(&codes) {
                CodeCheck::Unknown => {
                    let (fetch, stream) = (context.fetch.clone(), context.stream.name);
                    let detail = Some(format!("{id} is kept, which names no {}", code.field()));
                    let reason = "unverified_code";
                    sync.record_skip(SkippedItem {
                        fetch,
                        stream,
                        item_id: Some(query),
                        reason,
                        detail,
                        already_known: true,
                        ..SkippedItem::default()
                    })
                    .await?;
                    continue;
                }
                CodeCheck::Same if stored_id(sync, &code, TimeSpan::all_time()).await?.is_none() => continue,
                CodeCheck::Same => {}
                CodeCheck::Different(codes) => {
                    self.result.add(missing::record_gap(sync, context, &query, mismatch(&code, &codes)).await?);
                    wrong.insert(id);
                }
            }
            sync.store.write(move |s| code_matches::clear(s, &query, &market)).await?;
        }
        Ok(wrong)
    }
}

/// Resolves references to ids, each id once in the whole fetch.
pub(super) async fn resolve_references(
    sync: &SyncContext,
    context: &FetchContext,
    references: &[IndexedReference],
) -> Result<ResolvedReferences, SyncError> {
    let mut resolved = ResolvedReferences::default();
    for IndexedReference { place, reference } in references {
        let id = match (reference, SearchedCode::from_reference(reference)) {
            (Reference::Id(id), _) => Some(id.as_str().to_owned()),
            (_, Some(code)) => match resolve_code(sync, context, &code).await? {
                ResolvedCode::Id { id, is_verified } => {
                    if !is_verified {
                        resolved.unverified.push((code, id.clone()));
                    }
                    Some(id)
                }
                ResolvedCode::Missing { result, previous_id } => {
                    resolved.result.add(*result);
                    // The earlier hit of the code stays requested, by its id.
                    previous_id
                }
            },
            (_, None) => None,
        };
        let Some(id) = id else { continue };
        if context.progress.claim(&id, *place) {
            resolved.ids.push(id);
            resolved.places.push(*place);
        } else {
            resolved.result.counts.unchanged += 1;
            sync.observer.item_done(&context.fetch);
        }
    }
    Ok(resolved)
}

/// The ids of references as far as they are known, and what resolving the rest costs.
pub(super) async fn estimate_references(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    references: &[IndexedReference],
) -> Result<(Vec<String>, CallEstimate), SyncError> {
    let sync = estimator.sync;
    let (mut ids, mut estimate) = (Vec::with_capacity(references.len()), CallEstimate::default());
    for IndexedReference { reference, .. } in references {
        if let Reference::Id(id) = reference {
            ids.push(id.as_str().to_owned());
        }
        let Some(code) = SearchedCode::from_reference(reference) else { continue };
        if let Some((id, _)) = cached_id(sync, context, &code).await? {
            ids.push(id);
            continue;
        }
        estimate.asked += 1;
        let query = code.query();
        let is_refused = missing::are_missing(sync, context, std::slice::from_ref(&query)).await? == [true];
        if is_refused || !estimator.read.entry("codes").or_default().insert(query) {
            estimate.unchanged += 1;
            continue;
        }
        estimate.changes = estimate.changes.plus(RowChanges::UpTo(1));
        estimate.add_calls(EndpointFamily::SEARCH, CallRange::exactly(1));
        if code.kind == EntityKind::Album {
            // A search brings whole tracks, but of albums only what lists have.
            estimate.add_calls(EndpointFamily::ALBUMS, CallRange::between(0, 1));
            estimate.add_reason(reasons::CODES);
        }
    }
    Ok((ids, estimate))
}

//! Resolves the references of a fetch to ids: ISRC and UPC codes cost a search each.

use chrono::TimeDelta;

use super::context::{FetchContext, SyncContext};
use super::error::{SyncError, is_about_one_list};
use super::estimate::{CallEstimate, CallRange, JobEstimator, RowChanges, reasons};
use super::missing;
use super::ordering::IndexedReference;
use super::search::{SearchPage, request_search_page};
use super::work_result::WorkResult;
use crate::ingest::{self, IngestError};
use crate::store::{EntityTable, TimeSpan, freshness};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::{EntityKind, Reference};

/// The references of a work item as ids.
#[derive(Debug, Default)]
pub(super) struct ResolvedReferences {
    pub ids: Vec<String>,
    /// The positions of the ids in the job.
    pub places: Vec<usize>,
    /// What came of the codes without an id.
    pub result: WorkResult,
}

/// A code that Spotify finds nothing for.
struct UnresolvedCode {
    /// What came of the search.
    result: WorkResult,
    /// The id that the code had at some time before.
    previous_id: Option<String>,
}

/// A code, as a search and a column of the store name it.
struct ReferenceCode<'a> {
    kind: EntityKind,
    field: &'static str,
    code: &'a str,
}

impl<'a> ReferenceCode<'a> {
    fn new(reference: &'a Reference) -> Option<ReferenceCode<'a>> {
        match reference {
            Reference::Id(_) => None,
            Reference::Isrc(code) => Some(ReferenceCode { kind: EntityKind::Track, field: "isrc", code }),
            Reference::Upc(code) => Some(ReferenceCode { kind: EntityKind::Album, field: "upc", code }),
        }
    }

    /// The search expression for the code.
    fn query(&self) -> String {
        format!("{}:{}", self.field, self.code)
    }

    /// The id that the code was found to have within a span of time.
    async fn stored_id(&self, sync: &SyncContext, span: TimeSpan) -> Result<Option<String>, SyncError> {
        let (table, field, text) = (EntityTable::for_kind(self.kind), self.field, self.code.to_owned());
        Ok(sync.store.write(move |s| freshness::resolve_code(s, table, field, &text, &span)).await?)
    }

    /// The id that the code was found to have recently.
    async fn cached_id(&self, sync: &SyncContext) -> Result<Option<String>, SyncError> {
        self.stored_id(sync, sync.fresh_span(TimeDelta::days(30))).await
    }

    /// The id of the code: from the store where it is fresh, otherwise by one search.
    async fn resolve(
        &self,
        sync: &SyncContext,
        context: &FetchContext,
    ) -> Result<Result<String, UnresolvedCode>, SyncError> {
        if let Some(id) = self.cached_id(sync).await? {
            return Ok(Ok(id));
        }
        let previous_id = self.stored_id(sync, TimeSpan::all_time()).await?;
        let unresolved = |result| Ok(Err(UnresolvedCode { result, previous_id }));
        let query = self.query();
        if let Some(missing) = missing::missing_ids(sync, context, std::slice::from_ref(&query)).await?.pop().flatten()
        {
            return unresolved(WorkResult::from_missing(missing));
        }
        let page = SearchPage { query: &query, kinds: &[self.kind], offset: 0, most: 1 };
        let body = match request_search_page(sync, context, page).await {
            Ok((body, _)) => body,
            Err(SyncError::Api(e)) if is_about_one_list(&e) => {
                return unresolved(missing::record_missing(sync, context, &query, &e).await?);
            }
            Err(e) => return Err(e),
        };
        let (asked, kind) = (context.asked(sync.now()), self.kind);
        let id = sync.store.write(move |s| {
            let text = std::str::from_utf8(&body).unwrap_or_default();
            match ingest::first_hit(s, text, kind, &asked) {
                Ok(id) => Ok(id),
                Err(IngestError::Malformed(_)) => Ok(None),
                Err(IngestError::Store(e)) => Err(e),
            }
        });
        match id.await? {
            Some(id) => {
                missing::clear_missing(sync, context, &query).await?;
                Ok(Ok(id))
            }
            None => {
                let message = format!("Spotify finds no {kind} with {query}");
                let e = ApiError::NotFound { family: EndpointFamily::SEARCH, message };
                unresolved(missing::record_missing(sync, context, &query, &e).await?)
            }
        }
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
        let id = match (reference, ReferenceCode::new(reference)) {
            (Reference::Id(id), _) => Some(id.as_str().to_owned()),
            (_, Some(code)) => match code.resolve(sync, context).await? {
                Ok(id) => Some(id),
                Err(UnresolvedCode { result, previous_id }) => {
                    resolved.result.add(result);
                    // What was read for the code before stays requested, by its id.
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
        let Some(code) = ReferenceCode::new(reference) else { continue };
        if let Some(id) = code.cached_id(sync).await? {
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

//! The profile of a user.

use chrono::TimeDelta;

use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::{SyncError, is_about_one_list};
use super::estimate::{CallEstimate, CallRange, JobEstimator};
use super::missing;
use super::skip_notes::SkipNotes;
use super::work_result::WorkResult;
use crate::ingest::{self, IngestError};
use crate::store::{EntityTable, RequestedItem, WriteTx, accounts, freshness};
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::utf8;

/// Whether this run has read the profile of the owner of the token that the fetch uses.
async fn is_read(sync: &SyncContext, context: &FetchContext) -> Result<bool, SyncError> {
    let (id, span) = (context.audience.clone(), sync.fresh_span(TimeDelta::zero()));
    let read = move |s: &mut WriteTx| freshness::are_fresh(s, EntityTable::for_kind(EntityKind::User), &[id], &span);
    Ok(sync.store.write(read).await? == [true])
}

/// What the profile of a user costs.
pub(super) async fn estimate_profile(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
) -> Result<CallEstimate, SyncError> {
    let users = estimator.read.entry(EntityTable::for_kind(EntityKind::User).name).or_default();
    if !users.insert(context.audience.clone()) || is_read(estimator.sync, context).await? {
        return Ok(CallEstimate::for_unchanged());
    }
    Ok(CallEstimate::for_one(EndpointFamily::ME, CallRange::exactly(1)))
}

/// Reads the profile of the owner of the token that the fetch uses.
pub(super) async fn read_profile(sync: &SyncContext, context: &FetchContext) -> Result<WorkResult, SyncError> {
    let name = context.stream.name;
    let requested = vec![RequestedItem { user_id: Some(context.audience.clone()), list_id: None, item_id: None }];
    if is_read(sync, context).await? {
        let counts = RecordCounts { unchanged: 1, stored: 1, ..RecordCounts::default() };
        return Ok(WorkResult::complete(requested, counts));
    }
    let check = |answer: &ApiResponse| utf8(&answer.body).map(|_| answer.body.clone());
    let body = match sync.api.get_checked(&context.bearer, &ApiRequest::new(EndpointFamily::ME, "/me"), check).await {
        Ok(body) => body,
        Err(e) if is_about_one_list(&e) => {
            return Ok(missing::record_missing(sync, context, name, &e).await?.with_requested(requested));
        }
        Err(e) => return Err(e.into()),
    };
    let asked = context.asked(sync.now());
    let notes = SkipNotes::new(sync, context, None, asked.now.clone());
    let audience = context.audience.clone();
    let written = sync.store.write(move |s| {
        match ingest::ingest_entity(s, EntityKind::User, std::str::from_utf8(&body).unwrap_or_default(), &asked) {
            Ok(id) => {
                // The account may have another id than the one under which its rows are stored.
                accounts::record(s, None, &id, &audience)?;
                accounts::copy_profile(s, &id, &audience)?;
                notes.record_fields(s, None, &asked.take_findings(Some(&id))).map(|()| None)
            }
            Err(IngestError::Malformed(detail)) => Ok(Some(detail)),
            Err(IngestError::Store(e)) => Err(e),
        }
    });
    if let Some(what) = written.await? {
        let e = ApiError::Unusable { family: EndpointFamily::ME, what, attempts: 1, is_json: true };
        return Ok(missing::record_missing(sync, context, name, &e).await?.with_requested(requested));
    }
    missing::clear_missing(sync, context, name).await?;
    let counts = RecordCounts { served: 1, stored: 1, ..RecordCounts::default() };
    Ok(WorkResult::complete(requested, counts))
}

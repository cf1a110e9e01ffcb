//! The profile of a user.

use chrono::TimeDelta;

use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::{SyncError, is_about_one_list};
use super::missing;
use super::skip_notes::SkipNotes;
use super::work_result::WorkResult;
use crate::ingest::{self, IngestError};
use crate::store::{EntityTable, RequestedItem, accounts, freshness};
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::utf8;

/// Reads the profile of the user whose token the fetch uses.
pub(super) async fn read_profile(sync: &SyncContext, context: &FetchContext) -> Result<WorkResult, SyncError> {
    let name = context.stream.name;
    let requested = vec![RequestedItem { user_id: Some(context.audience.clone()), list_id: None, item_id: None }];
    let (id, span) = (context.audience.clone(), sync.fresh_span(TimeDelta::zero()));
    let is_fresh = sync
        .store
        .write(move |s| freshness::are_fresh(s, EntityTable::for_kind(EntityKind::User), &[id], &span))
        .await?;
    if is_fresh == [true] {
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

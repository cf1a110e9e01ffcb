//! Cuts a fetch into work items: pieces that are done or not done as a whole.

use chrono::TimeDelta;

use super::album_list::album_tracks_key;
use super::album_tracks::{estimate_album_tracks, read_album_tracks};
use super::by_id::EntityReader;
use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use super::estimate::{CallEstimate, CallRange, JobEstimator, reasons};
use super::fetch_inputs::FetchInputs;
use super::list_reader::{ListStrategy, read_list};
use super::list_request::ListRequest;
use super::missing;
use super::ordering::{FailedRequests, IndexedReference, oldest_first, oldest_lists_first, sort_by_age};
use super::own_playlists::{estimate_own_playlists, read_own_playlists};
use super::parent_name::{estimate_parent_name, read_parent_name};
use super::playlist::PlaylistItems;
use super::profile::{estimate_profile, read_profile};
use super::recent_plays::RecentPlays;
use super::search_answers::SearchRequest;
use super::user_lists::user_stream_lists;
use super::work_result::WorkResult;
use crate::job::{AlbumGroup, Fetch};
use crate::store::{ListKey, freshness};
use crate::stream::{Paging, ReadStrategy, StreamInput};
use spotify_client::family::EndpointFamily;
use spotify_client::{EntityKind, Reference, path_segment};

/// A piece of a fetch that is done or not done as a whole.
#[derive(Debug, Clone)]
pub(super) enum WorkItem {
    Entities(EntityReader, Vec<IndexedReference>),
    AlbumTracks(Vec<IndexedReference>),
    Playlist(String),
    List(Box<ListRequest>),
    Search(SearchRequest),
    /// The lists of a user that one stream has.
    UserLists(Vec<ListRequest>),
    OwnPlaylists,
    CsvProfile,
    RecentPlays,
}

impl WorkItem {
    /// Reads the item. If an error stops that, the result has the parts that were done before.
    pub(super) async fn read(
        &self,
        sync: &SyncContext,
        context: &FetchContext,
        result: &mut WorkResult,
    ) -> Result<(), SyncError> {
        let ended = match self {
            // Their parts are counted as they are done.
            WorkItem::Entities(reader, references) => {
                return reader.read_references(sync, context, references, result).await;
            }
            WorkItem::AlbumTracks(albums) => return read_album_tracks(sync, context, albums, result).await,
            WorkItem::OwnPlaylists => read_own_playlists(sync, context, result).await,
            WorkItem::UserLists(lists) => read_lists(sync, context, lists, result).await,
            one => one.read_one(sync, context).await.map(|read| result.add(read)),
        };
        sync.observer.item_done(&context.fetch);
        ended?;
        match result.pending.first() {
            Some(pending) => {
                let list = &pending.request.key.parent_id;
                Err(SyncError::defect(format_args!("{list} was not verified")))
            }
            None => Ok(()),
        }
    }

    /// Reads an item that has no parts.
    async fn read_one(&self, sync: &SyncContext, context: &FetchContext) -> Result<WorkResult, SyncError> {
        match self {
            WorkItem::Playlist(id) => {
                read_list(sync, context, &PlaylistItems { id, deferred_verification: false, is_listed: false }).await
            }
            WorkItem::List(list) => {
                read_parent_name(sync, context, list).await?;
                read_list(sync, context, &**list).await
            }
            WorkItem::Search(search) => read_list(sync, context, search).await,
            WorkItem::CsvProfile => read_profile(sync, context).await,
            WorkItem::RecentPlays => read_list(sync, context, &RecentPlays).await,
            WorkItem::Entities(..) | WorkItem::AlbumTracks(_) | WorkItem::OwnPlaylists | WorkItem::UserLists(_) => {
                Err(SyncError::defect("the item has parts"))
            }
        }
    }

    /// What reading the item costs.
    pub(super) async fn estimate(
        &self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
    ) -> Result<CallEstimate, SyncError> {
        match self {
            WorkItem::Entities(reader, references) => reader.estimate(estimator, context, references).await,
            WorkItem::AlbumTracks(albums) => estimate_album_tracks(estimator, context, albums).await,
            WorkItem::Playlist(id) => {
                let items = PlaylistItems { id, deferred_verification: false, is_listed: false };
                estimate_list(estimator, context, (&items, EndpointFamily::PLAYLISTS)).await
            }
            WorkItem::List(list) => {
                let mut estimate = estimate_parent_name(estimator, context, list).await?;
                estimate.add(estimate_list(estimator, context, (&**list, list.family)).await?);
                Ok(estimate)
            }
            WorkItem::Search(search) => estimate_list(estimator, context, (search, context.stream.family)).await,
            WorkItem::UserLists(lists) => {
                let mut estimate = CallEstimate::default();
                for list in lists {
                    estimate.add(list.estimate(estimator, context).await?);
                }
                Ok(estimate)
            }
            WorkItem::OwnPlaylists => estimate_own_playlists(estimator, context).await,
            WorkItem::CsvProfile => estimate_profile(estimator, context).await,
            WorkItem::RecentPlays => RecentPlays.estimate(estimator, context).await,
        }
    }

    /// The part of the item that was refused and is requested once more.
    pub(super) fn for_second_look(&self, unanswered: &[String]) -> WorkItem {
        let only = |references: &[IndexedReference]| -> Vec<IndexedReference> {
            let named = |id: &str| unanswered.iter().any(|one| one == id);
            let ids = |one: &IndexedReference| match &one.reference {
                Reference::Id(id) => named(id.as_str()),
                Reference::Isrc(_) | Reference::Upc(_) => false,
            };
            let found = references.iter().filter(|one| ids(one)).count();
            // An id that no reference names belongs to one of the codes.
            let with_codes = found < unanswered.len();
            let is_code = |one: &IndexedReference| !matches!(one.reference, Reference::Id(_));
            references.iter().filter(|one| ids(one) || with_codes && is_code(one)).cloned().collect()
        };
        match self {
            WorkItem::Entities(reader, references) => WorkItem::Entities(*reader, only(references)),
            WorkItem::AlbumTracks(albums) => WorkItem::AlbumTracks(only(albums)),
            other => other.clone(),
        }
    }

    /// The list that the item reads, if it reads exactly one.
    fn list_key(&self, context: &FetchContext) -> Option<ListKey> {
        match self {
            WorkItem::Playlist(id) => {
                Some(PlaylistItems { id, deferred_verification: false, is_listed: false }.key(context))
            }
            WorkItem::List(list) => Some(list.key.clone()),
            WorkItem::Search(search) => Some(search.key(context)),
            _ => None,
        }
    }

    /// How many ids, lists or searches the item contains.
    pub(super) fn requested_count(&self) -> i64 {
        let count = match self {
            WorkItem::Entities(_, references) | WorkItem::AlbumTracks(references) => references.len(),
            _ => 1,
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

async fn read_lists(
    sync: &SyncContext,
    context: &FetchContext,
    lists: &[ListRequest],
    result: &mut WorkResult,
) -> Result<(), SyncError> {
    for list in lists {
        result.add(read_list(sync, context, list).await?);
    }
    Ok(())
}

/// What a list costs that begins with a request of this family.
async fn estimate_list(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    (strategy, family): (&impl ListStrategy, EndpointFamily),
) -> Result<CallEstimate, SyncError> {
    if let Some(id) = strategy.remembered_id()
        && missing::are_missing(estimator.sync, context, &[id.to_owned()]).await? == [true]
    {
        return Ok(CallEstimate::for_unchanged());
    }
    let answers_before = estimator.probe_answers;
    let mut estimate = strategy.estimate(estimator, context).await?;
    // A list that was refused before is requested once more if it is refused again. A probe shows whether it is.
    if let Some(id) = strategy.remembered_id()
        && context.is_listed
        && estimate.calls() != CallRange::NONE
        && estimator.probe_answers == answers_before
        && missing::were_refused(estimator.sync, context, &[id.to_owned()]).await? == [true]
    {
        estimate.add_calls(family, CallRange::between(0, 1));
        estimate.add_reason(reasons::REFUSED);
    }
    Ok(estimate)
}

/// The order in which work items are done: lists that were never read, then the oldest, then those that failed at
/// the last try. Entities are in such an order already.
pub(super) async fn item_order(
    sync: &SyncContext,
    context: &FetchContext,
    items: &[WorkItem],
) -> Result<Vec<usize>, SyncError> {
    let keys: Option<Vec<ListKey>> = items.iter().map(|item| item.list_key(context)).collect();
    let Some(keys) = keys else { return Ok((0..items.len()).collect()) };
    let ids: Vec<String> = keys.iter().map(|key| key.parent_id.clone()).collect();
    let ages = sync.store.write(move |s| freshness::checked_at(s, &keys)).await?;
    let failed = FailedRequests::of_fetch(sync, context).await?;
    let rank = |(id, age): (String, Option<String>)| (failed.is_failing(context, &id, age.as_deref()), age);
    Ok(sort_by_age((0..items.len()).zip(ids.into_iter().zip(ages).map(rank))))
}

/// Cuts a fetch into work items, in the job's order.
pub(super) async fn work_items(
    sync: &SyncContext,
    context: &FetchContext,
    (fetch, inputs): (&Fetch, FetchInputs),
    refresh_after: TimeDelta,
) -> Result<Vec<WorkItem>, SyncError> {
    let stream = fetch.stream;
    let ids = |references: Vec<Reference>| references.into_iter().filter_map(into_id);
    Ok(match (stream.strategy, stream.input, stream.paging) {
        (ReadStrategy::Profile, ..) => vec![WorkItem::CsvProfile],
        (ReadStrategy::OwnPlaylists, ..) => vec![WorkItem::OwnPlaylists],
        (ReadStrategy::Plays, ..) => vec![WorkItem::RecentPlays],
        (_, StreamInput::User, _) => vec![WorkItem::UserLists(user_stream_lists(fetch, context))],
        (ReadStrategy::Playlist, ..) => ids(inputs.references).map(WorkItem::Playlist).collect(),
        (ReadStrategy::AlbumTracks, ..) => {
            let asked = context.asked(sync.now());
            let key = |album: &str| album_tracks_key(album, &asked);
            let [oldest, failing] = oldest_lists_first((sync, context), inputs.references, key).await?;
            let chunks = oldest.chunks(20).chain(failing.chunks(1));
            chunks.map(|chunk| WorkItem::AlbumTracks(chunk.to_vec())).collect()
        }
        (ReadStrategy::Search, ..) => {
            let kinds = if fetch.types.is_empty() { vec![EntityKind::Track] } else { fetch.types.clone() };
            let max_hits = fetch.max_results.map_or(10, |n| i64::try_from(n).unwrap_or(i64::MAX));
            let search = |query| WorkItem::Search(SearchRequest { query, kinds: kinds.clone(), max_hits });
            inputs.searches.into_iter().map(search).collect()
        }
        (_, StreamInput::Ids(kind), Paging::ById { batch }) => {
            let reader = EntityReader {
                kind,
                family: stream.family,
                batch,
                refresh_after,
                ignore_age: false,
                start_tracks: false,
            };
            let [oldest, failing] = oldest_first((sync, context), kind, inputs.references).await?;
            let size = usize::from(if batch > 1 { batch } else { 20 });
            // In a batch, an id that fails would spoil the others.
            let chunks = oldest.chunks(size).chain(failing.chunks(1));
            chunks.map(|chunk| WorkItem::Entities(reader, chunk.to_vec())).collect()
        }
        (ReadStrategy::Discography, ..) => ids(inputs.references)
            .flat_map(|artist| fetch.include_groups.iter().map(move |group| (artist.clone(), *group)))
            .map(|(artist, group)| discography_request(fetch, context, &artist, group))
            .map(|list| WorkItem::List(Box::new(list)))
            .collect(),
        (_, StreamInput::Ids(kind), _) => ids(inputs.references)
            .map(|id| WorkItem::List(Box::new(list_request(fetch, context, Some((kind, id))))))
            .collect(),
        _ => vec![WorkItem::List(Box::new(list_request(fetch, context, None)))],
    })
}

fn into_id(reference: Reference) -> Option<String> {
    match reference {
        Reference::Id(id) => Some(id.as_str().to_owned()),
        // `check` accepts codes only where a search can turn them into ids.
        Reference::Isrc(_) | Reference::Upc(_) => None,
    }
}

/// One group of an artist's discography. It is requested alone, so that the group of each release is known
/// also where the answer no longer says it.
fn discography_request(fetch: &Fetch, context: &FetchContext, artist: &str, group: AlbumGroup) -> ListRequest {
    let mut list = list_request(fetch, context, Some((EntityKind::Artist, artist.to_owned())));
    // The first items of a group are another list than the whole group.
    list.key.variant = match list.key.variant.as_str() {
        "" => group.as_str().to_owned(),
        first => format!("{}, {first}", group.as_str()),
    };
    list.query.push(("include_groups", group.as_str().to_owned()));
    list
}

fn list_request(fetch: &Fetch, context: &FetchContext, parent: Option<(EntityKind, String)>) -> ListRequest {
    let stream = fetch.stream;
    let (kind, parent_id) = parent.map_or((None, String::new()), |(kind, id)| (Some(kind), id));
    let mut query = if stream.takes_market { context.query() } else { Vec::new() };
    let mut variant = String::new();
    if let Some(max_items) = fetch.limit_per_parent {
        // The first items of a list are another list than the whole of it.
        variant = format!("first {max_items}");
    }
    if let Some(locale) = &fetch.locale {
        query.push(("locale", locale.clone()));
        variant.clone_from(locale);
    }
    ListRequest {
        key: ListKey {
            kind: stream.name,
            parent_id: parent_id.clone(),
            audience: context.audience.clone(),
            market: context.market_for(stream),
            variant,
        },
        family: stream.family,
        path: stream.endpoint.replace("{id}", &path_segment(&parent_id)),
        query,
        entry_kind: stream.entry_kind(),
        envelope: stream.envelope,
        paging: stream.paging,
        max_items: fetch.limit_per_parent.and_then(|n| i64::try_from(n).ok()),
        changes: stream.changes,
        total_is_unreliable: stream.total_is_unreliable,
        version: None,
        deferred_verification: false,
        parent: kind,
    }
}

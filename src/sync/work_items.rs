//! A fetch cut into units: things, lists, playlists and searches that are done or not done as a whole.

use chrono::TimeDelta;

use super::by_id::{EntityReader, album_tracks_key};
use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use super::fetch::FetchInputs;
use super::list::ListRequest;
use super::ordering::IndexedReference;
use super::playlist::playlist_key;
use super::search::SearchRequest;
use crate::job::{AlbumGroup, Fetch};
use crate::store::ListKey;
use crate::stream::{Paging, ReadStrategy, StreamInput};
use spotify_client::family::EndpointFamily;
use spotify_client::{EntityKind, Reference, path_segment};

/// A piece of a fetch that is done or not done as a whole.
#[derive(Debug, Clone)]
pub(super) enum WorkItem {
    Entities(EntityReader, Vec<IndexedReference>),
    Playlist(String),
    AlbumTracks(Vec<IndexedReference>),
    List(Box<ListRequest>),
    Search(SearchRequest),
    /// Everything that the stream has of one user.
    UserStream(Box<Fetch>),
}

impl SyncContext {
    /// Cuts a fetch into units, in the job's order.
    pub(super) async fn work_items(
        &self,
        fetch: &Fetch,
        frame: &FetchContext,
        asks: FetchInputs,
        refresh_after: TimeDelta,
    ) -> Result<Vec<WorkItem>, SyncError> {
        let stream = fetch.stream;
        let family = stream.family;
        let ids = |references: Vec<Reference>| references.into_iter().filter_map(into_id);
        Ok(match (stream.strategy, stream.input, stream.paging) {
            (_, StreamInput::User, _) => vec![WorkItem::UserStream(Box::new(fetch.clone()))],
            (ReadStrategy::Playlist, ..) => ids(asks.references).map(WorkItem::Playlist).collect(),
            (ReadStrategy::AlbumTracks, ..) => {
                let asked = frame.asked(self.now());
                let key = |album: &str| album_tracks_key(album, &asked);
                let stalest = self.oldest_lists_first(asks.references, key).await?;
                stalest.chunks(20).map(|chunk| WorkItem::AlbumTracks(chunk.to_vec())).collect()
            }
            (ReadStrategy::Search, ..) => {
                let kinds = if fetch.types.is_empty() { vec![EntityKind::Track] } else { fetch.types.clone() };
                let most = fetch.max_results.map_or(10, |n| i64::try_from(n).unwrap_or(i64::MAX));
                asks.searches
                    .into_iter()
                    .map(|query| WorkItem::Search(SearchRequest { query, kinds: kinds.clone(), max_hits: most }))
                    .collect()
            }
            (_, StreamInput::Ids(kind), Paging::ById { batch }) => {
                let things =
                    EntityReader { kind, family, batch, refresh_after, ignore_age: false, start_tracks: false };
                let stalest = self.oldest_first(kind, asks.references).await?;
                let chunk = usize::from(if batch > 1 { batch } else { 20 });
                stalest.chunks(chunk).map(|chunk| WorkItem::Entities(things, chunk.to_vec())).collect()
            }
            (ReadStrategy::Discography, ..) => ids(asks.references)
                .flat_map(|artist| fetch.include_groups.iter().map(move |group| (artist.clone(), *group)))
                .map(|(artist, group)| {
                    WorkItem::List(Box::new(discography_request(fetch, frame, family, &artist, group)))
                })
                .collect(),
            (_, StreamInput::Ids(kind), _) => ids(asks.references)
                .map(|id| WorkItem::List(Box::new(list_request(fetch, frame, family, Some((kind, id))))))
                .collect(),
            _ => vec![WorkItem::List(Box::new(list_request(fetch, frame, family, None)))],
        })
    }
}

impl WorkItem {
    /// The list that it reads, if it is one.
    pub(super) fn list_key(&self, frame: &FetchContext) -> Option<ListKey> {
        match self {
            WorkItem::Playlist(id) => Some(playlist_key(frame, id)),
            WorkItem::List(list) => Some(list.key.clone()),
            WorkItem::Search(search) => Some(search.key(frame)),
            WorkItem::Entities(..) | WorkItem::AlbumTracks(_) | WorkItem::UserStream(_) => None,
        }
    }

    /// How many ids, lists or searches it stands for.
    pub(super) fn requested_count(&self) -> i64 {
        let n = match self {
            WorkItem::Entities(_, references) => references.len(),
            WorkItem::AlbumTracks(albums) => albums.len(),
            WorkItem::Playlist(_) | WorkItem::List(_) | WorkItem::Search(_) | WorkItem::UserStream(_) => 1,
        };
        i64::try_from(n).unwrap_or(i64::MAX)
    }
}

fn into_id(reference: Reference) -> Option<String> {
    match reference {
        Reference::Id(id) => Some(id.as_str().to_owned()),
        // `check` lets codes stand only where a search can turn them into ids.
        Reference::Isrc(_) | Reference::Upc(_) => None,
    }
}

/// One group of an artist's discography: asked for alone, each release's group is known also where
/// the answer no longer says it.
fn discography_request(
    fetch: &Fetch,
    frame: &FetchContext,
    family: EndpointFamily,
    artist: &str,
    group: AlbumGroup,
) -> ListRequest {
    let mut list = list_request(fetch, frame, family, Some((EntityKind::Artist, artist.to_owned())));
    // The beginning of a group is another list than the whole of it.
    list.key.variant = match list.key.variant.as_str() {
        "" => group.as_str().to_owned(),
        first => format!("{}, {first}", group.as_str()),
    };
    list.query.push(("include_groups", group.as_str().to_owned()));
    list
}

fn list_request(
    fetch: &Fetch,
    frame: &FetchContext,
    family: EndpointFamily,
    parent: Option<(EntityKind, String)>,
) -> ListRequest {
    let stream = fetch.stream;
    let (kind, parent_id) = parent.map_or((None, String::new()), |(kind, id)| (Some(kind), id));
    let mut query = if stream.takes_market { frame.query() } else { Vec::new() };
    let mut variant = String::new();
    if let Some(most) = fetch.limit_per_parent {
        // The beginning of a list is another list than the whole of it.
        variant = format!("first {most}");
    }
    if let Some(locale) = &fetch.locale {
        query.push(("locale", locale.clone()));
        variant.clone_from(locale);
    }
    ListRequest {
        key: ListKey {
            kind: stream.name,
            parent_id: parent_id.clone(),
            audience: frame.audience.clone(),
            market: frame.market_for(stream),
            variant,
        },
        family,
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

//! A fetch cut into units: things, lists, playlists and searches that are done or not done as a whole.

use chrono::TimeDelta;

use super::engine::{Engine, FetchFrame};
use super::fetch::Asks;
use super::halt::Halt;
use super::list::List;
use super::playlist::playlist_key;
use super::search::Search;
use super::stalest::Placed;
use super::things::{Things, album_tracks_key};
use crate::ingest::Shape;
use crate::job::{Fetch, Group};
use crate::store::ListKey;
use crate::stream::{Paging, Takes};
use spotify_client::family::Family;
use spotify_client::page::Wrapping;
use spotify_client::{Kind, Reference, path_segment};

/// A piece of a fetch that is done or not done as a whole.
#[derive(Debug, Clone)]
pub(super) enum Unit {
    Things(Things, Vec<Placed>),
    Playlist(String),
    AlbumTracks(Vec<Placed>),
    List(Box<List>),
    Search(Search),
    /// Everything that the stream has of one user.
    Own(Box<Fetch>),
}

impl Engine {
    /// Cuts a fetch into units, in the job's order.
    pub(super) async fn units(
        &self,
        fetch: &Fetch,
        frame: &FetchFrame,
        asks: Asks,
        refresh_after: TimeDelta,
    ) -> Result<Vec<Unit>, Halt> {
        let stream = fetch.stream;
        let family =
            Family::named(stream.family).ok_or_else(|| Halt::Job(format!("{} has no endpoint family", stream.name)))?;
        let ids = |references: Vec<Reference>| references.into_iter().filter_map(id_of);
        Ok(match (stream.name, stream.takes, stream.paging) {
            (_, Takes::User, _) => vec![Unit::Own(Box::new(fetch.clone()))],
            ("playlist_items", ..) => ids(asks.references).map(Unit::Playlist).collect(),
            ("album_tracks", ..) => {
                let asked = frame.asked(self.now());
                let key = |album: &str| album_tracks_key(album, &asked);
                let stalest = self.stalest_lists_first(asks.references, key).await?;
                stalest.chunks(20).map(|chunk| Unit::AlbumTracks(chunk.to_vec())).collect()
            }
            ("search", ..) => {
                let kinds = if fetch.types.is_empty() { vec![Kind::Track] } else { fetch.types.clone() };
                let most = fetch.max_results.map_or(10, |n| i64::try_from(n).unwrap_or(i64::MAX));
                asks.searches
                    .into_iter()
                    .map(|query| Unit::Search(Search { query, kinds: kinds.clone(), most }))
                    .collect()
            }
            (_, Takes::Ids(kind), Paging::ById { batch }) => {
                let things = Things { kind, family, batch, refresh_after, anew: false, begin_tracks: false };
                let stalest = self.stalest_first(kind, asks.references).await?;
                let chunk = usize::from(if batch > 1 { batch } else { 20 });
                stalest.chunks(chunk).map(|chunk| Unit::Things(things, chunk.to_vec())).collect()
            }
            ("artist_albums", ..) => ids(asks.references)
                .flat_map(|artist| fetch.include_groups.iter().map(move |group| (artist.clone(), *group)))
                .map(|(artist, group)| Unit::List(Box::new(discography(fetch, frame, family, &artist, group))))
                .collect(),
            (_, Takes::Ids(kind), _) => ids(asks.references)
                .map(|id| Unit::List(Box::new(list_of(fetch, frame, family, Some((kind, id))))))
                .collect(),
            _ => vec![Unit::List(Box::new(list_of(fetch, frame, family, None)))],
        })
    }
}

impl Unit {
    /// The list that it reads, if it is one.
    pub(super) fn list_key(&self, frame: &FetchFrame) -> Option<ListKey> {
        match self {
            Unit::Playlist(id) => Some(playlist_key(frame, id)),
            Unit::List(list) => Some(list.key.clone()),
            Unit::Search(search) => Some(search.key(frame)),
            Unit::Things(..) | Unit::AlbumTracks(_) | Unit::Own(_) => None,
        }
    }

    /// How many ids, lists or searches it stands for.
    pub(super) fn asked(&self) -> i64 {
        let n = match self {
            Unit::Things(_, references) => references.len(),
            Unit::AlbumTracks(albums) => albums.len(),
            Unit::Playlist(_) | Unit::List(_) | Unit::Search(_) | Unit::Own(_) => 1,
        };
        i64::try_from(n).unwrap_or(i64::MAX)
    }
}

fn id_of(reference: Reference) -> Option<String> {
    match reference {
        Reference::Id(id) => Some(id.as_str().to_owned()),
        // `check` lets codes stand only where a search can turn them into ids.
        Reference::Isrc(_) | Reference::Upc(_) => None,
    }
}

/// One group of an artist's discography: asked for alone, each release's group is known also where
/// the answer no longer says it.
fn discography(fetch: &Fetch, frame: &FetchFrame, family: Family, artist: &str, group: Group) -> List {
    let mut list = list_of(fetch, frame, family, Some((Kind::Artist, artist.to_owned())));
    // The beginning of a group is another list than the whole of it.
    list.key.variant = match list.key.variant.as_str() {
        "" => group.word().to_owned(),
        first => format!("{}, {first}", group.word()),
    };
    list.query.push(("include_groups", group.word().to_owned()));
    list
}

fn list_of(fetch: &Fetch, frame: &FetchFrame, family: Family, parent: Option<(Kind, String)>) -> List {
    let stream = fetch.stream;
    let (kind, parent_id) = parent.map_or((None, String::new()), |(kind, id)| (Some(kind), id));
    let mut query = if stream.takes_market() { frame.query() } else { Vec::new() };
    let mut variant = String::new();
    if let Some(most) = fetch.limit_per_parent {
        // The beginning of a list is another list than the whole of it.
        variant = format!("first {most}");
    }
    if let Some(locale) = &fetch.locale {
        query.push(("locale", locale.clone()));
        variant.clone_from(locale);
    }
    let (shape, wrapping) = match stream.name {
        "artist_top_tracks" => (Shape::Tracks, Wrapping::Array("tracks")),
        "show_episodes" => (Shape::Episodes, Wrapping::Bare),
        "audiobook_chapters" => (Shape::Chapters, Wrapping::Bare),
        "user_playlists" => (Shape::Playlists, Wrapping::Bare),
        "new_releases" => (Shape::Albums, Wrapping::Key("albums")),
        "categories" => (Shape::Categories, Wrapping::Key("categories")),
        "markets" => (Shape::Markets, Wrapping::Array("markets")),
        _ => (Shape::Albums, Wrapping::Bare),
    };
    List {
        key: ListKey {
            kind: stream.name,
            parent_id: parent_id.clone(),
            audience: frame.audience.clone(),
            market: frame.market_of(stream),
            variant,
        },
        family,
        path: stream.endpoint.replace("{id}", &path_segment(&parent_id)),
        query,
        shape,
        wrapping,
        paging: stream.paging,
        most: fetch.limit_per_parent.and_then(|n| i64::try_from(n).ok()),
        order: stream.order,
        version: None,
        proved_later: false,
        parent: kind,
    }
}

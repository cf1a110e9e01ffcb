//! Old catalog entities to which no row refers, and which tables refer to what.

use super::{StoreError, WriteTx};
use crate::store::retention;

/// A table of entities, and every column that may refer to it.
struct EntityReferences {
    kind: &'static str,
    table: &'static str,
    pointers: &'static [&'static str],
    /// What its rows refer to, as (kind, query for pairs of referenced id and row id). These ids are checked
    /// after its rows are deleted.
    releases: &'static [(&'static str, &'static str)],
}

/// Referring tables first: what a deleted row referred to is checked after it.
const ENTITIES: &[EntityReferences] = &[
    EntityReferences {
        kind: "playlist",
        table: "playlists",
        pointers: &[
            "playlist_id FROM playlist_items",
            "playlist_id FROM playlist_changes",
            "playlist_id FROM user_playlists",
            "playlist_id FROM my_playlists",
        ],
        releases: &[("user", "SELECT owner_id, id FROM playlists")],
    },
    EntityReferences {
        kind: "track",
        table: "tracks",
        pointers: &[
            "track_id FROM playlist_items",
            "track_id FROM playlist_changes",
            "track_id FROM album_tracks",
            "track_id FROM artist_top_tracks",
            "track_id FROM saved_tracks",
            "track_id FROM plays",
            "item_id FROM top_items WHERE kind = 'track'",
        ],
        releases: &[
            ("album", "SELECT album_id, id FROM tracks"),
            ("artist", "SELECT artist_id, track_id FROM track_artists"),
        ],
    },
    EntityReferences {
        kind: "album",
        table: "albums",
        pointers: &[
            "album_id FROM tracks",
            "album_id FROM album_tracks",
            "album_id FROM artist_releases",
            "album_id FROM saved_albums",
            "album_id FROM new_releases",
        ],
        releases: &[("artist", "SELECT artist_id, album_id FROM album_artists")],
    },
    EntityReferences {
        kind: "artist",
        table: "artists",
        pointers: &[
            "artist_id FROM track_artists",
            "artist_id FROM album_artists",
            "artist_id FROM artist_releases",
            "artist_id FROM artist_top_tracks",
            "artist_id FROM followed_artists",
            "item_id FROM top_items WHERE kind = 'artist'",
        ],
        releases: &[],
    },
    EntityReferences {
        kind: "episode",
        table: "episodes",
        pointers: &[
            "episode_id FROM playlist_items",
            "episode_id FROM playlist_changes",
            "episode_id FROM show_episodes",
            "episode_id FROM saved_episodes",
            "episode_id FROM resume_points",
        ],
        releases: &[("show", "SELECT show_id, id FROM episodes")],
    },
    EntityReferences {
        kind: "show",
        table: "shows",
        pointers: &["show_id FROM episodes", "show_id FROM show_episodes", "show_id FROM saved_shows"],
        releases: &[],
    },
    EntityReferences {
        kind: "chapter",
        table: "chapters",
        pointers: &["chapter_id FROM audiobook_chapters"],
        releases: &[("audiobook", "SELECT audiobook_id, id FROM chapters")],
    },
    EntityReferences {
        kind: "audiobook",
        table: "audiobooks",
        pointers: &[
            "audiobook_id FROM chapters",
            "audiobook_id FROM audiobook_chapters",
            "audiobook_id FROM saved_audiobooks",
        ],
        releases: &[],
    },
    EntityReferences {
        kind: "user",
        table: "users",
        pointers: &[
            "owner_id FROM playlists",
            "added_by FROM playlist_items",
            "added_by FROM playlist_changes",
            "profile_id FROM user_playlists",
            "user_id FROM my_playlists",
            "user_id FROM saved_tracks",
            "user_id FROM saved_albums",
            "user_id FROM saved_shows",
            "user_id FROM saved_episodes",
            "user_id FROM saved_audiobooks",
            "user_id FROM followed_artists",
            "user_id FROM top_items",
            "user_id FROM plays",
            "user_id FROM resume_points",
            // A later id of an account with rows under an earlier one.
            "id FROM users WHERE stored_as IS NOT NULL",
            // A user with a token that still reads.
            "audience FROM lists WHERE checked_at IS NOT NULL",
        ],
        releases: &[],
    },
];

/// Tables that refer to an entity by kind and id, without a foreign key.
const SIDE_TABLES: [&str; 3] = ["images", "item_texts", "metrics"];

/// Deletes entities older than `before` to which nothing refers; for a job, only those that its deleted rows
/// referred to.
pub(super) fn delete_unreferenced(s: &WriteTx, before: &str, job: Option<&str>) -> Result<usize, StoreError> {
    let mut deleted = 0;
    retention::execute_batch(s, "CREATE TEMP TABLE IF NOT EXISTS doomed (id TEXT PRIMARY KEY) WITHOUT ROWID")?;
    for thing in ENTITIES {
        let EntityReferences { kind, table, .. } = thing;
        let mut pointers: Vec<String> = thing.pointers.iter().map(|pointer| format!("SELECT {pointer}")).collect();
        pointers.push(format!("SELECT item_id FROM search_results WHERE kind = '{kind}'"));
        pointers.push("SELECT item_id FROM staged_items".to_owned());
        let scope = match job {
            None => "?2 IS NULL".to_owned(),
            Some(_) => format!(
                "id IN (SELECT id FROM let_go WHERE kind = '{kind}')
                 AND id NOT IN (SELECT item_id FROM requested WHERE job <> ?2 AND item_id IS NOT NULL)"
            ),
        };
        let pointed = pointers.join(" UNION ALL ");
        retention::execute_batch(s, "DELETE FROM doomed")?;
        let found = s
            .prepare(&format!(
                "INSERT INTO doomed SELECT id FROM {table} WHERE coalesce(fetched_at, first_seen_at) < ?1 AND {scope}
                 AND id NOT IN (WITH pointed (id) AS ({pointed}) SELECT id FROM pointed WHERE id IS NOT NULL)"
            ))?
            .execute(rusqlite::params![before, job])
            .map_err(|e| s.error("cannot be written", e))?;
        if found == 0 {
            continue;
        }
        for (kind, pairs) in thing.releases {
            retention::execute_batch(
                s,
                &format!(
                    "INSERT OR IGNORE INTO let_go WITH pairs (target, id) AS ({pairs})
                 SELECT '{kind}', target FROM pairs WHERE id IN (SELECT id FROM doomed) AND target IS NOT NULL"
                ),
            )?;
        }
        for table in SIDE_TABLES {
            retention::execute_batch(
                s,
                &format!("DELETE FROM {table} WHERE kind = '{kind}' AND id IN (SELECT id FROM doomed)"),
            )?;
        }
        deleted += retention::execute_batch(s, &format!("DELETE FROM {table} WHERE id IN (SELECT id FROM doomed)"))?;
    }
    if deleted > 0 {
        // A deleted entity must be sent completely when it is requested again.
        retention::execute_batch(s, "DELETE FROM etags")?;
    }
    Ok(deleted)
}

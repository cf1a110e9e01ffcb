//! Things of the catalog that are old and that nothing points at any more: which tables point at what.

use super::{Session, StoreError};

/// A table of things, and every column that may point into it.
struct Thing {
    kind: &'static str,
    table: &'static str,
    pointers: &'static [&'static str],
    /// What its rows point at and is let go with them: the kind, and pairs of what is pointed at and the row.
    lets_go: &'static [(&'static str, &'static str)],
}

/// Dependants first: what a deleted row pointed at is looked at after it.
const THINGS: &[Thing] = &[
    Thing {
        kind: "playlist",
        table: "playlists",
        pointers: &[
            "playlist_id FROM playlist_items",
            "playlist_id FROM playlist_changes",
            "playlist_id FROM user_playlists",
            "playlist_id FROM my_playlists",
        ],
        lets_go: &[("user", "SELECT owner_id, id FROM playlists")],
    },
    Thing {
        kind: "track",
        table: "tracks",
        pointers: &[
            "track_id FROM playlist_items",
            "track_id FROM album_tracks",
            "track_id FROM artist_top_tracks",
            "track_id FROM saved_tracks",
            "track_id FROM plays",
            "item_id FROM top_items WHERE kind = 'track'",
        ],
        lets_go: &[
            ("album", "SELECT album_id, id FROM tracks"),
            ("artist", "SELECT artist_id, track_id FROM track_artists"),
        ],
    },
    Thing {
        kind: "album",
        table: "albums",
        pointers: &[
            "album_id FROM tracks",
            "album_id FROM album_tracks",
            "album_id FROM artist_releases",
            "album_id FROM saved_albums",
            "album_id FROM new_releases",
        ],
        lets_go: &[("artist", "SELECT artist_id, album_id FROM album_artists")],
    },
    Thing {
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
        lets_go: &[],
    },
    Thing {
        kind: "episode",
        table: "episodes",
        pointers: &[
            "episode_id FROM playlist_items",
            "episode_id FROM show_episodes",
            "episode_id FROM saved_episodes",
            "episode_id FROM resume_points",
        ],
        lets_go: &[("show", "SELECT show_id, id FROM episodes")],
    },
    Thing {
        kind: "show",
        table: "shows",
        pointers: &["show_id FROM episodes", "show_id FROM show_episodes", "show_id FROM saved_shows"],
        lets_go: &[],
    },
    Thing {
        kind: "chapter",
        table: "chapters",
        pointers: &["chapter_id FROM audiobook_chapters"],
        lets_go: &[("audiobook", "SELECT audiobook_id, id FROM chapters")],
    },
    Thing {
        kind: "audiobook",
        table: "audiobooks",
        pointers: &[
            "audiobook_id FROM chapters",
            "audiobook_id FROM audiobook_chapters",
            "audiobook_id FROM saved_audiobooks",
        ],
        lets_go: &[],
    },
    Thing {
        kind: "user",
        table: "users",
        pointers: &[
            "owner_id FROM playlists",
            "added_by FROM playlist_items",
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
            // Somebody whose token still reads.
            "audience FROM lists WHERE checked_at IS NOT NULL",
        ],
        lets_go: &[],
    },
];

/// What belongs to a row of any kind by kind and id, and knows no foreign key.
const BESIDE: [&str; 3] = ["images", "item_texts", "metrics"];

/// Deletes things older than `before` that nothing points at; for a job, of those it has let go.
pub(super) fn delete_things(s: &Session, before: &str, job: Option<&str>) -> Result<usize, StoreError> {
    let mut deleted = 0;
    s.sql("CREATE TEMP TABLE IF NOT EXISTS doomed (id TEXT PRIMARY KEY) WITHOUT ROWID")?;
    for thing in THINGS {
        let Thing { kind, table, .. } = thing;
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
        s.sql("DELETE FROM doomed")?;
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
        for (kind, pairs) in thing.lets_go {
            s.sql(&format!(
                "INSERT OR IGNORE INTO let_go WITH pairs (target, id) AS ({pairs})
                 SELECT '{kind}', target FROM pairs WHERE id IN (SELECT id FROM doomed) AND target IS NOT NULL"
            ))?;
        }
        for beside in BESIDE {
            s.sql(&format!("DELETE FROM {beside} WHERE kind = '{kind}' AND id IN (SELECT id FROM doomed)"))?;
        }
        deleted += s.sql(&format!("DELETE FROM {table} WHERE id IN (SELECT id FROM doomed)"))?;
    }
    if deleted > 0 {
        // What is not there any more must be answered whole when it is asked for again.
        s.sql("DELETE FROM etags")?;
    }
    Ok(deleted)
}

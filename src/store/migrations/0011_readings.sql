-- What a run could not read as Spotify documents it, and items of playlists that are neither tracks nor episodes.

-- fields of Spotify's answers that a run could not read, converted or found blank; one row per list and field
CREATE TABLE field_notes (
  run_id     INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- the run
  fetch      TEXT NOT NULL, -- name of the fetch
  audience   TEXT NOT NULL, -- 'app', or the id of the user whose token was used
  list_id    INTEGER NOT NULL, -- the list; 0 for entities that were read by id
  path       TEXT NOT NULL, -- the field below the item, such as album.total_tracks
  problem    TEXT NOT NULL, -- unreadable (the field is empty, or keeps its old value), converted (its meaning was plain) or blank (it does not replace a known value)
  sent       TEXT NOT NULL, -- what was sent: object, list, text, number, boolean, null or blank
  stream     TEXT NOT NULL, -- the stream that was read
  items      INTEGER NOT NULL, -- number of items with it
  example_id TEXT, -- id or URI of the first of them
  example    TEXT, -- the value that it had there, as JSON
  noted_at   TEXT NOT NULL, -- when it was last seen
  PRIMARY KEY (run_id, fetch, audience, list_id, path, problem, sent)
) STRICT, WITHOUT ROWID;

-- what is in a playlist; every position has a row
CREATE TABLE new_playlist_items (
  playlist_id   TEXT NOT NULL REFERENCES playlists(id), -- the playlist
  position      INTEGER NOT NULL, -- position, from 0
  kind          TEXT NOT NULL, -- track, episode, local, unavailable, or the type that Spotify states for another item
  uri           TEXT, -- spotify: URI of the item; for local files and items of other types the key of local_files
  added_at      TEXT, -- when it was added; null in very old lists
  added_by      TEXT REFERENCES users(id), -- who added it
  track_id      TEXT REFERENCES tracks(id), -- the track, where kind is track
  episode_id    TEXT REFERENCES episodes(id), -- the episode, where kind is episode
  first_seen_at TEXT NOT NULL, -- when an item with this uri, added_at and added_by was first seen in the list
  fetched_at    TEXT, -- when the list was last read whole
  unavailable   INTEGER NOT NULL DEFAULT 0, -- 1 if Spotify now sends nothing at this position, and the row shows what it sent before
  PRIMARY KEY (playlist_id, position)
) STRICT, WITHOUT ROWID;
INSERT INTO new_playlist_items SELECT playlist_id, position, kind, uri, added_at, added_by, track_id, episode_id, first_seen_at,
  fetched_at, 0 FROM playlist_items;
DROP TABLE playlist_items;
-- Views on the table, which a user may have added to, are not looked at.
PRAGMA legacy_alter_table = ON;
ALTER TABLE new_playlist_items RENAME TO playlist_items;
PRAGMA legacy_alter_table = OFF;

-- Descriptions of playlists come with HTML entities, which are decoded from now on. This is no change of a playlist.
DROP TRIGGER playlist_is_renamed;
UPDATE playlists SET description = replace(replace(replace(replace(replace(replace(replace(description,
  '&quot;', '"'), '&#x27;', ''''), '&#39;', ''''), '&#x2F;', '/'), '&lt;', '<'), '&gt;', '>'), '&amp;', '&')
  WHERE description LIKE '%&%;%';
UPDATE playlist_details SET description = replace(replace(replace(replace(replace(replace(replace(description,
  '&quot;', '"'), '&#x27;', ''''), '&#39;', ''''), '&#x2F;', '/'), '&lt;', '<'), '&gt;', '>'), '&amp;', '&')
  WHERE description LIKE '%&%;%';
CREATE TRIGGER playlist_is_renamed AFTER UPDATE OF name, description ON playlists
WHEN OLD.name IS NOT NEW.name OR OLD.description IS NOT NEW.description BEGIN
  INSERT OR REPLACE INTO playlist_details (playlist_id, seen_at, name, description)
  SELECT NEW.id, max(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                     coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', max(seen_at), '+0.001 seconds'), '')), NEW.name, NEW.description
  FROM playlist_details WHERE playlist_id = NEW.id;
END;

-- What each run says of the lists that it read, and the history of playlists beside that of their items.

ALTER TABLE lists ADD COLUMN rows_hash TEXT; -- hash over the rows of the last whole read as they stand in their table
ALTER TABLE lists ADD COLUMN first_read_at TEXT; -- when it was first read whole
UPDATE lists SET first_read_at = read_at;

-- every list that a run put in place, and what proves that it is whole
CREATE TABLE run_lists (
  run_id          INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- the run
  list_id         INTEGER NOT NULL REFERENCES lists(id) ON DELETE CASCADE, -- the list
  announced       INTEGER, -- how many items Spotify announced
  served          INTEGER NOT NULL, -- how many it served, nulls included
  stored          INTEGER NOT NULL, -- how many rows stand; of logs: how many were added
  skipped         INTEGER NOT NULL, -- how many could not be stored whole
  snapshot_before TEXT, -- Spotify's version when the read began
  snapshot_after  TEXT, -- Spotify's version after the last page, where it was asked for
  content_hash    TEXT NOT NULL, -- hash over what was served, in order
  proof           TEXT NOT NULL, -- why it is called whole: version (the same before and after, or one answer), total (as many as announced), end (it ended, and announced nothing), wrong_total (it ended, and not as announced), cut (no more were wanted), content (two reads in a row had the same), presumed (read from the newest to rows that were known; the rest adds up and was not read)
  read_at         TEXT NOT NULL, -- when it was put in place
  PRIMARY KEY (run_id, list_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_lists_by_list ON run_lists (list_id);

-- every version of a playlist's items that was seen; the oldest is the baseline
CREATE TABLE playlist_versions (
  playlist_id TEXT NOT NULL REFERENCES playlists(id) ON DELETE CASCADE, -- the playlist
  seen_at     TEXT NOT NULL, -- when it was first seen so
  snapshot_id TEXT, -- Spotify's version
  items       INTEGER NOT NULL, -- how many items it had
  run_id      INTEGER, -- the run that saw it
  PRIMARY KEY (playlist_id, seen_at)
) STRICT, WITHOUT ROWID;
INSERT INTO playlist_versions (playlist_id, seen_at, items)
  SELECT playlist_id, min(first_seen_at), count(*) FROM playlist_items GROUP BY playlist_id;

-- what a playlist was called and how it was described, and since when
CREATE TABLE playlist_details (
  playlist_id TEXT NOT NULL REFERENCES playlists(id) ON DELETE CASCADE, -- the playlist
  seen_at     TEXT NOT NULL, -- when it was first seen so
  name        TEXT, -- its name from then on
  description TEXT, -- its description from then on
  PRIMARY KEY (playlist_id, seen_at)
) STRICT, WITHOUT ROWID;
INSERT INTO playlist_details (playlist_id, seen_at, name, description)
  SELECT id, first_seen_at, name, description FROM playlists WHERE name IS NOT NULL;

ALTER TABLE runs ADD COLUMN reset_at TEXT; -- when its checkpoints were forgotten by hand: no later run goes on from it

-- By triggers, since names come in many answers and each of them reaches the table by its own way.
CREATE TRIGGER playlist_is_new AFTER INSERT ON playlists WHEN NEW.name IS NOT NULL BEGIN
  INSERT OR REPLACE INTO playlist_details (playlist_id, seen_at, name, description)
  VALUES (NEW.id, NEW.first_seen_at, NEW.name, NEW.description);
END;
CREATE TRIGGER playlist_is_renamed AFTER UPDATE OF name, description ON playlists
WHEN OLD.name IS NOT NEW.name OR OLD.description IS NOT NEW.description BEGIN
  INSERT OR REPLACE INTO playlist_details (playlist_id, seen_at, name, description)
  VALUES (NEW.id, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), NEW.name, NEW.description);
END;

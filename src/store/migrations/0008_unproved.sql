-- What a run read of a list that it could not prove whole, beside what it says of those that it put in place.

-- every read of a list that came to nothing; what stood before stays
CREATE TABLE unproved_lists (
  run_id          INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- the run
  list_id         INTEGER NOT NULL REFERENCES lists(id) ON DELETE CASCADE, -- the list
  reason          TEXT NOT NULL, -- moved, endless, cut_short, repeated_page, no_cursor, …
  announced       INTEGER, -- how many items Spotify announced
  served          INTEGER NOT NULL, -- how many its last read was served, nulls included, up to where it was given up
  staged          INTEGER NOT NULL, -- how many rows it made of them
  skipped         INTEGER NOT NULL, -- how many could not be read
  snapshot_before TEXT, -- Spotify's version when the last read began
  snapshot_after  TEXT, -- Spotify's version after it, where that was asked for
  content_hash    TEXT NOT NULL, -- hash over what was served, in order
  given_up_at     TEXT NOT NULL, -- when it was given up
  PRIMARY KEY (run_id, list_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX unproved_lists_by_list ON unproved_lists (list_id);

-- What a read of a list proved, and what a read that ended waits for.

ALTER TABLE lists ADD COLUMN proof TEXT; -- what shows that it stands so: one_answer, snapshot, content, end_reached or presumed (read from the newest to rows that were known; the rest adds up and was not read)
ALTER TABLE lists ADD COLUMN restless INTEGER NOT NULL DEFAULT 0; -- 1 if Spotify gives it another snapshot_id at every look, so that its content alone tells whether it changed
ALTER TABLE lists ADD COLUMN doubled TEXT; -- JSON: place, id and added_at of everything that stands in it for another time, of which its table has the first place only; null if nothing does
ALTER TABLE checkpoints ADD COLUMN ended INTEGER NOT NULL DEFAULT 0; -- 1 if the end was reached, and only the proof is missing that the list did not move meanwhile
ALTER TABLE run_fetches ADD COLUMN presumed INTEGER NOT NULL DEFAULT 0; -- of the lists asked for, those that were read from the newest only as far as to rows that were known

-- entity tags of single things, to ask with: what has not changed since is answered without a body
CREATE TABLE etags (
  audience TEXT NOT NULL, -- 'app', or the id of the user whose token asked
  request  TEXT NOT NULL, -- path and query
  etag     TEXT NOT NULL, -- the tag, as Spotify gave it
  PRIMARY KEY (audience, request)
) STRICT, WITHOUT ROWID;

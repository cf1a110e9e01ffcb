-- Whose token met an item that was skipped, what a refused list was like when it was refused, and the ids that an
-- account had.
ALTER TABLE skipped_items ADD COLUMN user_id TEXT; -- the user whose token was used; empty for the app, null in rows of older versions
ALTER TABLE known_gaps ADD COLUMN snapshot_id TEXT; -- Spotify's version of the playlist when it was refused
ALTER TABLE users ADD COLUMN stored_as TEXT; -- the id under which the rows of this account are stored, where Spotify changed its id

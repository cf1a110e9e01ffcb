-- What left a list and stands in it again.

-- one row each time that something came back to a list it had left: it stands again, so its row there says nothing of it
CREATE TABLE returned_members (
  list_id     INTEGER NOT NULL REFERENCES lists(id) ON DELETE CASCADE, -- the list
  item_id     TEXT NOT NULL, -- id of what came back
  removed_at  TEXT NOT NULL, -- when a whole read no longer saw it
  returned_at TEXT NOT NULL, -- when a read saw it again
  PRIMARY KEY (list_id, item_id, returned_at)
) STRICT, WITHOUT ROWID;

-- Which files need not be rendered although the store has changed.

-- things of the catalog that were known and changed, lately: what was written of files before shows them as they were
CREATE TABLE changed_things (
  version INTEGER PRIMARY KEY, -- the store's data_version since which they are so
  number  INTEGER NOT NULL,    -- how many they are
  things  TEXT NOT NULL        -- kind and id of each, one a line
) STRICT;

ALTER TABLE published_files ADD COLUMN data_version INTEGER; -- the store's data_version that it shows

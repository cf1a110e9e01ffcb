-- What searches for codes found, and how far the files of a job have told what is new.

-- one row per code (ISRC or UPC) whose hit in a search names no code itself, so that it is not searched for at every run
CREATE TABLE code_matches (
  code     TEXT NOT NULL, -- isrc:CODE or upc:CODE
  market   TEXT NOT NULL, -- requested market; empty if there was none
  item_id  TEXT NOT NULL, -- id of the track or album that it is taken for
  found_at TEXT NOT NULL, -- when it was found
  PRIMARY KEY (code, market)
) STRICT, WITHOUT ROWID;

-- up to which time the files of a job show what was new
CREATE TABLE file_marks (
  job      TEXT NOT NULL, -- name of the job
  source   TEXT NOT NULL, -- name of the fetch, or the number of the query; empty for the run itself
  run_id   INTEGER NOT NULL, -- the run that wrote the file
  path     TEXT NOT NULL, -- path below the folder of the job
  until_at TEXT NOT NULL, -- rows that were first seen up to this time are in this file or an earlier one
  PRIMARY KEY (job, source, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_marks_by_time ON file_marks (until_at);
INSERT INTO file_marks (job, source, run_id, path, until_at)
  SELECT job, source, max(run_id), max(path), max(published_at) FROM published_files
  WHERE run_id IS NOT NULL GROUP BY job, source;

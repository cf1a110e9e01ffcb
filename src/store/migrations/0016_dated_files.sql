-- What a file with a date in its name shows, so that a second run of the day writes all of it again.
ALTER TABLE file_marks ADD COLUMN since_at TEXT; -- rows that were first seen after this time are in the file; null if no earlier file shows the others
ALTER TABLE file_marks ADD COLUMN row_count INTEGER; -- number of rows in the file

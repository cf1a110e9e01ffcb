-- How good the newest read of a list was, so that a much worse one does not replace it, and which refused ids
-- are requested again at the next run.

ALTER TABLE staged_items ADD COLUMN flaws TEXT; -- JSON: what was sent for each blank or unreadable field of the item; null if there are none
ALTER TABLE lists ADD COLUMN quality TEXT; -- JSON: number of items in the last read, of those without an id, and of those with a blank or unreadable field, by field; null if it was not recorded
ALTER TABLE known_gaps ADD COLUMN is_settled INTEGER NOT NULL DEFAULT 1; -- 1 if the refusal is remembered for a week, 0 if the id is requested again at the next run

-- Items of a list whose own requests fail, while those for the other items are answered.

ALTER TABLE checkpoints ADD COLUMN unread TEXT; -- JSON: position and reason of each item that could not be read so far; null if there is none
ALTER TABLE lists ADD COLUMN unread TEXT; -- JSON: position and reason of each item that the last read could not read, and that the next one requests again; null if there is none

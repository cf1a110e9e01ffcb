-- What a run was expected to cost when it began, beside what it spent.

ALTER TABLE runs ADD COLUMN planned_least INTEGER; -- calls that it was expected to send at least
ALTER TABLE runs ADD COLUMN planned_most INTEGER; -- and at most; null where nobody could say
ALTER TABLE run_fetches ADD COLUMN planned_least INTEGER; -- calls that it was expected to send at least
ALTER TABLE run_fetches ADD COLUMN planned_most INTEGER; -- and at most; null where nobody could say

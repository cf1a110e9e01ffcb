-- What is missing from a published list, so that later runs look whether it has come.

ALTER TABLE lists ADD COLUMN gaps TEXT; -- JSON: places at which the last read found no usable item (places), announced items that did not come behind the last one (behind_end), where a later read ended that was not accepted (cut_at), and how often and when runs looked at them (looks, looked_at); null if nothing is missing

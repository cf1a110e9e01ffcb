-- Pages are committed together with their rows, so that no writes wait for their tables any more.
DROP TABLE pending_writes;

//! The tables of the state database. Append-only: a migration that was released never changes.

use crate::state::database::DbLayout;

/// The ledger and what belongs to it. The header contains `CDst`.
pub(in crate::state) static BOOKS: DbLayout =
    DbLayout { application_id: 0x4344_7374, migrations: &MIGRATIONS, synchronous: "NORMAL" };

const MIGRATIONS: [&str; 5] = [V1, V2, V3, V4, V5];

const V1: &str = "
-- Whom a call was made for. Client and account are hashes: a copy of this file names nobody.
CREATE TABLE scopes (
    scope_id INTEGER PRIMARY KEY,
    client   TEXT NOT NULL,
    account  TEXT NOT NULL,
    family   TEXT NOT NULL,
    UNIQUE (client, account, family)
) STRICT;

-- Every call, booked before it is sent. outcome: 0 not known (in flight, or we died), else the
-- HTTP status, 1 if no answer came, -1 if it was not sent after all. The newest row is never
-- deleted, so ids only grow, and whoever has seen id n knows all before.
CREATE TABLE calls (
    call_id  INTEGER PRIMARY KEY,
    scope_id INTEGER NOT NULL REFERENCES scopes,
    at_ms    INTEGER NOT NULL,
    outcome  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Until when nothing of a scope may be sent. holder: the client for kind 'client', else the account.
CREATE TABLE cool_downs (
    kind     TEXT NOT NULL CHECK (kind IN ('client', 'account', 'family')),
    holder   TEXT NOT NULL,
    family   TEXT NOT NULL,
    set_ms   INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (kind, holder, family)
) STRICT, WITHOUT ROWID;

-- What was refused when, in Spotify's words.
CREATE TABLE refusals (
    refusal_id INTEGER PRIMARY KEY,
    scope_id   INTEGER NOT NULL REFERENCES scopes,
    at_ms      INTEGER NOT NULL,
    until_ms   INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    evidence   TEXT NOT NULL
) STRICT;

-- Day ceilings learned from refusals; family '' is the account.
CREATE TABLE ceilings (
    account   TEXT NOT NULL,
    family    TEXT NOT NULL,
    calls     INTEGER NOT NULL,
    set_ms    INTEGER NOT NULL,
    evidence  TEXT NOT NULL,
    PRIMARY KEY (account, family)
) STRICT, WITHOUT ROWID;

-- The next free slot of a client, shared by all processes. slot_us: microseconds since 1970.
CREATE TABLE pace (
    client  TEXT PRIMARY KEY,
    slot_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last reading of both clocks, so that a step of the wall clock is noticed. One row.
CREATE TABLE clock (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    wall_ms    INTEGER NOT NULL,
    steady_ms  INTEGER NOT NULL,
    boot       INTEGER,
    generation INTEGER NOT NULL
) STRICT;

CREATE TABLE learned (
    client     TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    evidence   TEXT NOT NULL,
    learned_ms INTEGER NOT NULL,
    PRIMARY KEY (client, key)
) STRICT, WITHOUT ROWID;
";

const V2: &str = "
-- Which job a call was made for, as a number that names nobody; 0 if no job asked.
ALTER TABLE calls ADD COLUMN job INTEGER NOT NULL DEFAULT 0;

-- The pace of clients whose pace adapts. allowed: calls in a window where the last refusal came,
-- or where the search for one began; grown_ms: how long calls have gone out since at the full pace.
CREATE TABLE adaptive (
    client     TEXT PRIMARY KEY,
    window_ms  INTEGER NOT NULL,
    allowed    REAL NOT NULL,
    refused_ms INTEGER,
    grown_ms   REAL NOT NULL
) STRICT, WITHOUT ROWID;
";

const V3: &str = "
-- Under which account a client was booked last.
CREATE TABLE clients (
    client  TEXT PRIMARY KEY,
    account TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Calls that count for another account as well, since a client came from the one to the other.
CREATE TABLE brought (
    call_id INTEGER NOT NULL REFERENCES calls ON DELETE CASCADE,
    account TEXT NOT NULL,
    PRIMARY KEY (call_id, account)
) STRICT, WITHOUT ROWID;
";

const V4: &str = "
-- Stores that were opened to be written, so that one that is gone is not begun anew in silence. place: a
-- hash of where it lies, since a copy of this file names nobody.
CREATE TABLE stores (
    place    TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const V5: &str = "
-- A start reads the calls of the last day and not those of three days.
CREATE INDEX IF NOT EXISTS calls_by_time ON calls (at_ms);
";

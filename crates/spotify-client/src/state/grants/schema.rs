//! The tables of the grants. Append-only: a released migration never changes.

use crate::state::database::DbLayout;

/// The header contains `CDgr`. A token must be on disk before it is used, hence `FULL`.
pub(super) static GRANTS: DbLayout =
    DbLayout { application_id: 0x4344_6772, migrations: &MIGRATIONS, synchronous: "FULL" };

const MIGRATIONS: [&str; 4] = [
    "
-- A known text under the key, by which another key is noticed. One row.
CREATE TABLE seal (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    proof BLOB NOT NULL
) STRICT;

-- One consent of one user to one app. Columns in _enc are sealed. generation grows with every
-- change of a token. state_ms: since when it is in that state; state_words: why.
CREATE TABLE grants (
    client_id         TEXT NOT NULL,
    user              TEXT NOT NULL,
    refresh_token_enc BLOB NOT NULL,
    access_token_enc  BLOB,
    issued_ms         INTEGER,
    expires_ms        INTEGER,
    authorized_ms     INTEGER,          -- null: nobody knows
    imported_ms       INTEGER,          -- null: signed in here
    environment       TEXT,             -- hash of the SPOTIFY_REFRESH_TOKEN that it came from
    scopes            TEXT,             -- null: not known yet
    flow              TEXT NOT NULL CHECK (flow IN ('code', 'pkce')),
    account_id        TEXT,
    user_id           TEXT,
    display_name      TEXT,
    generation        INTEGER NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('ok', 'refreshing', 'needs_sign_in')),
    state_ms          INTEGER NOT NULL,
    state_words       TEXT NOT NULL DEFAULT '',
    warned_days       INTEGER,
    PRIMARY KEY (client_id, user)
) STRICT, WITHOUT ROWID;

-- Sign-ins that wait for the person to come back from the browser.
CREATE TABLE pending (
    client_id    TEXT NOT NULL,
    user         TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    flow         TEXT NOT NULL CHECK (flow IN ('code', 'pkce')),
    scopes       TEXT NOT NULL,
    replacing    INTEGER NOT NULL,
    state_enc    BLOB NOT NULL,
    verifier_enc BLOB,
    created_ms   INTEGER NOT NULL,
    PRIMARY KEY (client_id, user)
) STRICT, WITHOUT ROWID;
",
    "
-- When a grant came here, by which a job that waits for it is due again.
ALTER TABLE grants ADD COLUMN given_ms INTEGER NOT NULL DEFAULT 0;
",
    "
-- The servers that a grant or a sign-in belongs to: accounts service and API. They get its tokens, and no other server does.
ALTER TABLE grants ADD COLUMN servers TEXT NOT NULL DEFAULT 'https://accounts.spotify.com https://api.spotify.com';
ALTER TABLE pending ADD COLUMN servers TEXT NOT NULL DEFAULT 'https://accounts.spotify.com https://api.spotify.com';
",
    "
-- given_ms of the grant that the user had when the sign-in began. A sign-in does not replace another grant.
ALTER TABLE pending ADD COLUMN held_ms INTEGER;
UPDATE pending SET held_ms = (SELECT given_ms FROM grants
    WHERE grants.client_id = pending.client_id AND grants.user = pending.user AND given_ms <= created_ms);
",
];

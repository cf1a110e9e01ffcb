//! The table of keys of a job file.

use super::model::{AlbumGroup, TimeRange};
use super::rules;
use crate::document::{KeySpec, ValueShape};
use crate::settings::keys::zones;
use crate::settings::{policy, rules as common};
use crate::stream;
use spotify_client::EntityKind;

const DURATION: ValueShape = ValueShape::Text(&common::DURATION);
const ANY: ValueShape = ValueShape::Text(&common::ANY);
const OUTPUT: ValueShape =
    ValueShape::Either("a file name, or `false` for none", &[ValueShape::Text(&rules::OUTPUT), ValueShape::False]);
const RANGE: ValueShape = ValueShape::OneOf(|| TimeRange::ALL.map(TimeRange::as_str).to_vec());

const MARKET: KeySpec = KeySpec::new(
    "market",
    ValueShape::Text(&common::MARKET),
    "",
    "Country whose catalog is asked for (ISO 3166-1). A playlist has one row for each of its places, so read one playlist for one market only.",
);
const REFRESH_AFTER: KeySpec = KeySpec::new(
    "refresh_after",
    DURATION,
    "",
    "Things are read again once their row is older than this. Default: the settings' `refresh_after` of the stream.",
);
const FULL_EVERY: KeySpec = KeySpec::new(
    "full_every",
    DURATION,
    "",
    "Lists are read whole at least so often, however little seems to have changed. Default: the settings' `schedule.full_every`.",
);

/// Keys at the top of a job file.
pub static JOB: &[KeySpec] = &[
    KeySpec::new("description", ANY, "", "What the job is for; shown by `jobs`."),
    KeySpec::new(
        "schedule",
        ValueShape::Text(&rules::CRON),
        "",
        "When it is due: five cron fields as in crontab(5), or @daily and its kin. Without: only when it is run by name.",
    ),
    KeySpec::new(
        "timezone",
        ValueShape::OneOf(zones),
        "",
        "IANA zone of the schedule and of `{date}`. Default: the settings' `defaults.timezone`, UTC.",
    ),
    KeySpec::new(
        "user",
        ValueShape::Text(&rules::USER),
        "",
        "The signed-in user whose data is read. Without `user` and `users`: nobody, the app's own token.",
    ),
    KeySpec::new(
        "users",
        ValueShape::Either(
            "a list of local names of signed-in users, or \"*\" for all",
            &[ValueShape::List(&ValueShape::Text(&rules::USER)), ValueShape::Text(&rules::EVERYONE)],
        ),
        "",
        "Several signed-in users, or \"*\" for all.",
    ),
    MARKET,
    KeySpec::new(
        "since",
        ValueShape::Either(
            "\"last_run\", a length of time or a date",
            &[ValueShape::Text(&rules::SINCE), ValueShape::Date],
        ),
        "\"last_run\"",
        "What `:since` is: the start of the job's newest complete or partial run, so long ago, or a date.",
    ),
    KeySpec::new(
        "priority",
        ValueShape::Integer { min: -1000, max: 1000 },
        "0",
        "Where the day is too short for all jobs that are due, higher goes first.",
    ),
    KeySpec::new(
        "max_calls",
        ValueShape::Integer { min: 1, max: i64::MAX },
        "",
        "Calls that the job may spend in any 24 hours, over all its runs. Default: half of what a day holds.",
    ),
    KeySpec::new(
        "missed",
        ValueShape::OneOf(policy::missed_words),
        "",
        "After downtime: run the newest missed fire once, or skip it. One that is over 30 minutes late, or later than the \
         job's `grace`, was missed; the wait for a ban or for other jobs is no downtime. Default: the settings' \
         `schedule.missed`, run_once.",
    ),
    KeySpec::new(
        "first_run",
        ValueShape::OneOf(policy::first_run_words),
        "",
        "When it never ran: due now, or at its next fire. Default: the settings' `schedule.first_run`, now.",
    ),
    KeySpec::new(
        "grace",
        DURATION,
        "",
        "A fire later than this is missed for good, but for a wait as above. Default: none is.",
    ),
    KeySpec::new(
        "overlap",
        ValueShape::OneOf(policy::overlap_words),
        "",
        "What a fire does while the job is still running.",
    ),
    KeySpec::new(
        "jitter",
        DURATION,
        "",
        "Its start is put off by a part of this, the same every day; `check` and `jobs` show when it starts.",
    ),
    KeySpec::new(
        "retention",
        DURATION,
        "",
        "Rows of this job older than this are deleted, personal and catalog: plays, ranks and hits by their day, a list by when Spotify last confirmed it. What it asks for by id is read again before it is as old as that; what another job asks for, too, stays. Default: the settings' `retention.rows`. Files are no rows: `retention.dated_csv` is for all jobs.",
    ),
    REFRESH_AFTER,
    FULL_EVERY,
    KeySpec::new(
        "csv_options",
        ValueShape::Table,
        "",
        "How the CSVs of this job are written, over the settings' `[csv]`.",
    ),
    KeySpec::new("fetch", ValueShape::Tables, "", "What is fetched: one [[fetch]] for each stream."),
    KeySpec::new("query", ValueShape::Tables, "", "CSVs of your own: one [[query]] for each."),
];

/// Keys of a `[[fetch]]`.
pub static FETCH: &[KeySpec] = &[
    KeySpec::new(
        "name",
        ValueShape::Text(&rules::FETCH_NAME),
        "",
        "Its name, for `from`, queries and the CSV. Default: the stream.",
    ),
    KeySpec::new(
        "stream",
        ValueShape::OneOf(|| stream::all().map(|s| s.name).collect()),
        "",
        "What is fetched; `cratedigger streams` lists them.",
    ),
    KeySpec::new(
        "csv",
        OUTPUT,
        "",
        "The CSV, below output/csv/JOB/; {job} {date} {datetime} {user} are filled in. Default: NAME.csv.",
    ),
    KeySpec::new(
        "columns",
        ValueShape::List(&ANY),
        "",
        "Columns of the CSV, in this order. Default: those that `cratedigger streams STREAM` marks.",
    ),
    KeySpec::new(
        "ids",
        ValueShape::List(&ANY),
        "",
        "Ids, spotify: URIs or links; `tracks` also take isrc:CODE, `albums` upc:CODE.",
    ),
    KeySpec::new(
        "ids_file",
        ValueShape::Text(&rules::INPUT),
        "",
        "A CSV of ids, relative to the job file: its column id, uri or url, else the first.",
    ),
    KeySpec::new(
        "from",
        ValueShape::Text(&rules::FETCH_NAME),
        "",
        "Every thing met by another fetch that stands above this one.",
    ),
    KeySpec::new(
        "where",
        ValueShape::Text(&rules::CONDITION),
        "",
        "With `from`: only rows of that fetch for which this SQL condition holds; `:since` is bound.",
    ),
    KeySpec::new(
        "query",
        ANY,
        "",
        "What is searched for; with `queries_file`, a template such as \"isrc:{isrc}\" with names of its columns.",
    ),
    KeySpec::new("queries", ValueShape::List(&ANY), "", "Several things that are searched for."),
    KeySpec::new(
        "queries_file",
        ValueShape::Text(&rules::INPUT),
        "",
        "A CSV of searches, relative to the job file, one per row: by the template in `query`, else its column query, else the first.",
    ),
    KeySpec::new(
        "include_groups",
        ValueShape::List(&ValueShape::OneOf(|| AlbumGroup::ALL.map(AlbumGroup::as_str).to_vec())),
        "[\"album\", \"single\"]",
        "Groups of an artist's discography.",
    ),
    KeySpec::new(
        "types",
        ValueShape::List(&ValueShape::OneOf(search_words)),
        "[\"track\"]",
        "Kinds of things that a search looks for.",
    ),
    KeySpec::new(
        "max_results",
        ValueShape::Integer { min: 1, max: 1000 },
        "",
        "Hits per search and kind, at most 1000. Default: one page.",
    ),
    KeySpec::new(
        "limit_per_parent",
        ValueShape::Integer { min: 1, max: i64::MAX },
        "",
        "Rows per id, from the beginning of its list. Default: all.",
    ),
    KeySpec::new("window", DURATION, "", "How far back the CSV of a log goes. Default: all that was kept."),
    KeySpec::new(
        "time_range",
        ValueShape::Either(
            "one of `short_term`, `medium_term` and `long_term`, or a list of them",
            &[RANGE, ValueShape::List(&RANGE)],
        ),
        "\"medium_term\"",
        "Spans over which Spotify computes a user's tops: about four weeks, six months, a year.",
    ),
    KeySpec::new("locale", ValueShape::Text(&rules::LOCALE), "", "Language and country of category names."),
    MARKET,
    REFRESH_AFTER,
    FULL_EVERY,
];

/// Keys of a `[[query]]`.
pub static QUERY: &[KeySpec] = &[
    KeySpec::new(
        "csv",
        ValueShape::Text(&rules::OUTPUT),
        "",
        "The CSV, below output/csv/JOB/; {job} {date} {datetime} are filled in, and {user} where the query uses `:user_id`.",
    ),
    KeySpec::new(
        "sql",
        ValueShape::Text(&rules::SELECT),
        "",
        "One SELECT over the store; each fetch of the job is a view of its name. `:since`, `:last_run_at`, `:fire_at`, `:job` and `:user_id` are bound.",
    ),
];

/// Keys of a `[[fetch]]` that only some streams understand: those whose `options` list them.
pub(super) const OPTIONS: &[&str] = &[
    "include_groups",
    "types",
    "max_results",
    "limit_per_parent",
    "window",
    "refresh_after",
    "full_every",
    "time_range",
    "locale",
];

/// Keys of a `[[fetch]]` that say what it is given.
pub(super) const SOURCES: &[&str] = &["ids", "ids_file", "from", "query", "queries", "queries_file"];

/// The kinds that Spotify's search knows, by their words.
pub(super) fn search_words() -> Vec<&'static str> {
    [
        EntityKind::Track,
        EntityKind::Artist,
        EntityKind::Album,
        EntityKind::Playlist,
        EntityKind::Show,
        EntityKind::Episode,
        EntityKind::Audiobook,
    ]
    .map(EntityKind::as_str)
    .to_vec()
}

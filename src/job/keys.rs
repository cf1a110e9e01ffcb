//! The table of keys of a job file.

use super::model::{Group, TimeRange};
use super::rules;
use crate::document::{Key, Shape};
use crate::settings::keys::zones;
use crate::settings::{policy, rules as common};
use crate::stream;
use spotify_client::Kind;

const DURATION: Shape = Shape::Text(&common::DURATION);
const ANY: Shape = Shape::Text(&common::ANY);
const OUTPUT: Shape = Shape::Either("a file name, or `false` for none", &[Shape::Text(&rules::OUTPUT), Shape::False]);
const RANGE: Shape = Shape::OneOf(|| TimeRange::ALL.map(TimeRange::word).to_vec());

const MARKET: Key = Key::new(
    "market",
    Shape::Text(&common::MARKET),
    "",
    "Country whose catalog is asked for (ISO 3166-1). A playlist has one row for each of its places, so read one playlist for one market only.",
);
const REFRESH_AFTER: Key = Key::new(
    "refresh_after",
    DURATION,
    "",
    "Things are read again once their row is older than this. Default: the settings' `refresh_after` of the stream.",
);
const FULL_EVERY: Key = Key::new(
    "full_every",
    DURATION,
    "",
    "Lists are read whole at least so often, however little seems to have changed. Default: the settings' `schedule.full_every`.",
);

/// Keys at the top of a job file.
pub static JOB: &[Key] = &[
    Key::new("description", ANY, "", "What the job is for; shown by `jobs`."),
    Key::new(
        "schedule",
        Shape::Text(&rules::CRON),
        "",
        "When it is due: five cron fields as in crontab(5), or @daily and its kin. Without: only when it is run by name.",
    ),
    Key::new(
        "timezone",
        Shape::OneOf(zones),
        "",
        "IANA zone of the schedule and of `{date}`. Default: the settings' `defaults.timezone`, UTC.",
    ),
    Key::new(
        "user",
        Shape::Text(&rules::USER),
        "",
        "The signed-in user whose data is read. Without `user` and `users`: nobody, the app's own token.",
    ),
    Key::new(
        "users",
        Shape::Either(
            "a list of local names of signed-in users, or \"*\" for all",
            &[Shape::List(&Shape::Text(&rules::USER)), Shape::Text(&rules::EVERYONE)],
        ),
        "",
        "Several signed-in users, or \"*\" for all.",
    ),
    MARKET,
    Key::new(
        "since",
        Shape::Either("\"last_run\", a length of time or a date", &[Shape::Text(&rules::SINCE), Shape::Date]),
        "\"last_run\"",
        "What `:since` is: the start of the job's newest complete or partial run, so long ago, or a date.",
    ),
    Key::new(
        "priority",
        Shape::Integer { min: -1000, max: 1000 },
        "0",
        "Where the day is too short for all jobs that are due, higher goes first.",
    ),
    Key::new(
        "max_calls",
        Shape::Integer { min: 1, max: i64::MAX },
        "",
        "Calls that the job may spend in any 24 hours, over all its runs. Default: half of what a day holds.",
    ),
    Key::new(
        "missed",
        Shape::OneOf(policy::missed_words),
        "",
        "After downtime: run the newest missed fire once, or skip it. One that is over 30 minutes late, or later than the \
         job's `grace`, was missed; the wait for a ban or for other jobs is no downtime. Default: the settings' \
         `schedule.missed`, run_once.",
    ),
    Key::new(
        "first_run",
        Shape::OneOf(policy::first_run_words),
        "",
        "When it never ran: due now, or at its next fire. Default: the settings' `schedule.first_run`, now.",
    ),
    Key::new(
        "grace",
        DURATION,
        "",
        "A fire later than this is missed for good, but for a wait as above. Default: none is.",
    ),
    Key::new("overlap", Shape::OneOf(policy::overlap_words), "", "What a fire does while the job is still running."),
    Key::new(
        "jitter",
        DURATION,
        "",
        "Its start is put off by a part of this, the same every day; `check` and `jobs` show when it starts.",
    ),
    Key::new(
        "retention",
        DURATION,
        "",
        "Rows of this job older than this are deleted, personal and catalog: plays, ranks and hits by their day, a list by when Spotify last confirmed it. What it asks for by id is read again before it is as old as that; what another job asks for, too, stays. Default: the settings' `retention.rows`. Files are no rows: `retention.dated_csv` is for all jobs.",
    ),
    REFRESH_AFTER,
    FULL_EVERY,
    Key::new("csv_options", Shape::Table, "", "How the CSVs of this job are written, over the settings' `[csv]`."),
    Key::new("fetch", Shape::Tables, "", "What is fetched: one [[fetch]] for each stream."),
    Key::new("query", Shape::Tables, "", "CSVs of your own: one [[query]] for each."),
];

/// Keys of a `[[fetch]]`.
pub static FETCH: &[Key] = &[
    Key::new(
        "name",
        Shape::Text(&rules::FETCH_NAME),
        "",
        "Its name, for `from`, queries and the CSV. Default: the stream.",
    ),
    Key::new(
        "stream",
        Shape::OneOf(|| stream::all().map(|s| s.name).collect()),
        "",
        "What is fetched; `cratedigger streams` lists them.",
    ),
    Key::new(
        "csv",
        OUTPUT,
        "",
        "The CSV, below output/csv/JOB/; {job} {date} {datetime} {user} are filled in. Default: NAME.csv.",
    ),
    Key::new(
        "columns",
        Shape::List(&ANY),
        "",
        "Columns of the CSV, in this order. Default: those that `cratedigger streams STREAM` marks.",
    ),
    Key::new(
        "ids",
        Shape::List(&ANY),
        "",
        "Ids, spotify: URIs or links; `tracks` also take isrc:CODE, `albums` upc:CODE.",
    ),
    Key::new(
        "ids_file",
        Shape::Text(&rules::INPUT),
        "",
        "A CSV of ids, relative to the job file: its column id, uri or url, else the first.",
    ),
    Key::new(
        "from",
        Shape::Text(&rules::FETCH_NAME),
        "",
        "Every thing met by another fetch that stands above this one.",
    ),
    Key::new(
        "where",
        Shape::Text(&rules::CONDITION),
        "",
        "With `from`: only rows of that fetch for which this SQL condition holds; `:since` is bound.",
    ),
    Key::new(
        "query",
        ANY,
        "",
        "What is searched for; with `queries_file`, a template such as \"isrc:{isrc}\" with names of its columns.",
    ),
    Key::new("queries", Shape::List(&ANY), "", "Several things that are searched for."),
    Key::new(
        "queries_file",
        Shape::Text(&rules::INPUT),
        "",
        "A CSV of searches, relative to the job file, one per row: by the template in `query`, else its column query, else the first.",
    ),
    Key::new(
        "include_groups",
        Shape::List(&Shape::OneOf(|| Group::ALL.map(Group::word).to_vec())),
        "[\"album\", \"single\"]",
        "Groups of an artist's discography.",
    ),
    Key::new(
        "types",
        Shape::List(&Shape::OneOf(search_words)),
        "[\"track\"]",
        "Kinds of things that a search looks for.",
    ),
    Key::new(
        "max_results",
        Shape::Integer { min: 1, max: 1000 },
        "",
        "Hits per search and kind, at most 1000. Default: one page.",
    ),
    Key::new(
        "limit_per_parent",
        Shape::Integer { min: 1, max: i64::MAX },
        "",
        "Rows per id, from the beginning of its list. Default: all.",
    ),
    Key::new("window", DURATION, "", "How far back the CSV of a log goes. Default: all that was kept."),
    Key::new(
        "time_range",
        Shape::Either(
            "one of `short_term`, `medium_term` and `long_term`, or a list of them",
            &[RANGE, Shape::List(&RANGE)],
        ),
        "\"medium_term\"",
        "Spans over which Spotify computes a user's tops: about four weeks, six months, a year.",
    ),
    Key::new("locale", Shape::Text(&rules::LOCALE), "", "Language and country of category names."),
    MARKET,
    REFRESH_AFTER,
    FULL_EVERY,
];

/// Keys of a `[[query]]`.
pub static QUERY: &[Key] = &[
    Key::new(
        "csv",
        Shape::Text(&rules::OUTPUT),
        "",
        "The CSV, below output/csv/JOB/; {job} {date} {datetime} are filled in, and {user} where the query uses `:user_id`.",
    ),
    Key::new(
        "sql",
        Shape::Text(&rules::SELECT),
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
    [Kind::Track, Kind::Artist, Kind::Album, Kind::Playlist, Kind::Show, Kind::Episode, Kind::Audiobook]
        .map(Kind::word)
        .to_vec()
}

//! The steps of a random world.

use serde_json::{Value, json};
use spotify_sandbox::fixtures;

use crate::rng::Rng;

/// The jobs of a world.
pub const JOBS: [&str; 4] = ["home", "app", "both", "studio"];

/// The playlists that change.
const PLAYLISTS: [&str; 4] =
    [fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST, fixtures::SHARED_PLAYLIST, fixtures::STUDIO_PLAYLIST];

pub const USERS: [(&str, &str); 2] = [("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)];

/// One thing that happens in a world.
#[derive(Debug, Clone)]
pub enum Step {
    /// Time passes.
    Hours(u64),
    /// A playlist changes, at once or while it is read.
    Edit(Value),
    /// A library changes, at once or while it is read.
    EditLibrary(Value),
    /// Several saved tracks are removed, from a place on.
    Unsave {
        user: &'static str,
        place: usize,
        count: usize,
    },
    /// Spotify answers wrongly.
    Fault(Value),
    Run {
        job: &'static str,
        hindrance: Option<Hindrance>,
    },
    /// The files are deleted.
    DeleteFiles {
        job: &'static str,
    },
    Export,
    Backup,
    /// The store becomes that of the last backup.
    Restore,
    /// A user is deleted, and signs in again.
    Purge {
        user: &'static str,
    },
    /// No fault is left, and each job runs until it is complete: everything must be true now.
    Check,
}

/// What happens to a run.
#[derive(Debug, Clone, Copy)]
pub enum Hindrance {
    KillAfterMs(u64),
    /// No file may become larger than this, as on a full disk.
    FileBytes(u64),
    /// The clock of the process is wrong by this.
    ClockOffByHours(i64),
}

impl std::fmt::Display for Step {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Edit(json) => write!(out, "Edit {json}"),
            Step::EditLibrary(json) => write!(out, "EditLibrary {json}"),
            Step::Fault(json) => write!(out, "Fault {json}"),
            step => write!(out, "{step:?}"),
        }
    }
}

/// Random steps that end with a check. There is one after each simulated day or so.
pub fn random_steps(rng: &mut Rng, length: usize, with_hindrances: bool) -> Vec<Step> {
    let mut steps = Vec::with_capacity(length + 1);
    while steps.len() < length {
        steps.push(random_step(rng, with_hindrances));
    }
    steps.push(Step::Check);
    steps
}

fn random_step(rng: &mut Rng, with_hindrances: bool) -> Step {
    let job = JOBS[rng.below(JOBS.len())];
    let user = USERS[rng.below(USERS.len())].1;
    match rng.below(24) {
        0..=1 => Step::Hours([1, 5, 26, 26, 80, 24 * 8, 24 * 23][rng.below(7)]),
        2..=5 => Step::Edit(random_edit(rng)),
        6 => {
            let edit = random_edit(rng);
            let (page, times) = (rng.below(3), 1 + rng.below(2));
            Step::Edit(
                json!({"do": "when_served", "playlist": edit["playlist"], "page": page, "times": times, "edit": edit}),
            )
        }
        7..=8 => {
            let edit = random_library_edit(rng, user);
            Step::EditLibrary(match rng.below(3) {
                0 => {
                    json!({"do": "when_served", "user": user, "shelf": edit["shelf"], "offset": 50 * rng.below(4), "edits": [edit]})
                }
                _ => edit,
            })
        }
        9 => Step::Unsave { user, place: rng.below(40), count: [2, 20, 1_000][rng.below(3)] },
        10..=12 => Step::Fault(random_fault(rng)),
        13..=17 => {
            let hindrance = with_hindrances.then(|| match rng.below(12) {
                0..=2 => Some(Hindrance::KillAfterMs(rng.below(400) as u64)),
                3 => Some(Hindrance::FileBytes(1 << (10 + rng.below(12)))),
                4 => Some(Hindrance::ClockOffByHours([-30, -2, 2, 26, 24 * 9, 24 * 50][rng.below(6)])),
                _ => None,
            });
            Step::Run { job, hindrance: hindrance.flatten() }
        }
        18 => Step::DeleteFiles { job },
        19 => Step::Export,
        20 => Step::Backup,
        21 => Step::Restore,
        22 if rng.below(3) == 0 => Step::Purge { user: USERS[rng.below(2)].0 },
        _ => Step::Check,
    }
}

fn random_edit(rng: &mut Rng) -> Value {
    let playlist = PLAYLISTS[rng.below(PLAYLISTS.len())];
    let place = rng.below(120);
    match rng.below(12) {
        0..=2 => json!({"do": "remove", "playlist": playlist, "position": place, "count": 1 + rng.below(3)}),
        3..=5 => {
            json!({"do": "move", "playlist": playlist, "from": place, "count": 1 + rng.below(4), "to": rng.below(120)})
        }
        6 => json!({"do": "rename", "playlist": playlist, "name": format!("Name {place}")}),
        7 => json!({"do": "touch", "playlist": playlist}),
        8 => json!({"do": "remove", "playlist": playlist, "position": rng.below(2) * place, "count": 1_000}),
        9 => json!({"do": "insert", "playlist": playlist, "position": place, "items": [fixtures::EPISODE, null]}),
        _ => {
            let items: Vec<&str> = [fixtures::PLAIN_TRACK, fixtures::UNAVAILABLE_TRACK]
                .into_iter()
                .cycle()
                .take(1 + rng.below(60))
                .collect();
            json!({"do": "insert", "playlist": playlist, "position": place, "items": items})
        }
    }
}

/// An edit of a library. The id of a track is the number of a track of the sandbox. Some of these are in the list
/// already, and move to its top.
fn random_library_edit(rng: &mut Rng, user: &str) -> Value {
    let shelf = ["tracks", "tracks", "albums"][rng.below(3)];
    let id = match shelf {
        "albums" => json!([fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM][rng.below(2)]),
        _ => json!(rng.below(100)),
    };
    match rng.below(3) {
        0 => json!({"do": "remove", "user": user, "shelf": shelf, "position": rng.below(70)}),
        _ => json!({"do": "save", "user": user, "shelf": shelf, "id": id}),
    }
}

/// Requests whose answers are wrong.
const PATHS: [&str; 10] = [
    "/v1/playlists/*",
    "/v1/playlists/*",
    "/v1/playlists/0SandboxHomePlaylist00*",
    "/v1/me/tracks",
    "/v1/me/albums",
    "/v1/me/following",
    "/v1/me/*",
    "/v1/albums/*",
    "/v1/artists/*",
    "/v1/shows/*",
];

/// A fault that hits a few answers, or all until the next check.
fn random_fault(rng: &mut Rng) -> Value {
    let action = match rng.below(25) {
        24 => random_owner(rng),
        0..=2 => {
            let code = [500, 502, 503, 520][rng.below(4)];
            json!({"do": "status", "code": code})
        }
        3 => json!({"do": "status", "code": 404}),
        4 => json!({"do": "status", "code": 403}),
        5 => json!({"do": "reset"}),
        6 => json!({"do": "cut_body"}),
        7 => json!({"do": "malformed_json"}),
        8..=9 => json!({"do": "missing_items", "from": rng.below(120), "count": 1 + rng.below(3)}),
        10 => json!({"do": "shifted_pages", "from": 10 + rng.below(60), "by": 1 + rng.below(2)}),
        11 => json!({"do": "short_page"}),
        12 => json!({"do": "hole_page"}),
        13 => json!({"do": "empty_page"}),
        14 => json!({"do": "repeat_page"}),
        15 => json!({"do": "first_page_always"}),
        16 => json!({"do": "ends_after", "items": rng.below(120)}),
        17 => {
            let total = [json!(0), json!(7), json!(500), Value::Null][rng.below(4)].clone();
            in_each_shape("total", &total)
        }
        18 => {
            let place = rng.below(40);
            let actions: Vec<Value> = ["/items", "/tracks/items", "/items/items", "/artists/items"]
                .map(|items| json!({"do": "set", "at": format!("{items}/{place}"), "to": null}))
                .to_vec();
            json!({"do": "several", "actions": actions})
        }
        _ => {
            let (field, value) = [
                ("items/*/ITEM/name", json!("")),
                ("items/*/ITEM/name", json!({"text": 1})),
                ("items/*/ITEM/duration_ms", json!([])),
                ("items/*/ITEM/album/name", json!("")),
                ("items/*/ITEM/album/release_date", json!("0000")),
                ("items/*/ITEM/artists", json!([])),
                ("items/*/ITEM/artists", json!([null])),
                ("items/*/ITEM/album", Value::Null),
                ("items/*/added_at", Value::Null),
                ("items/3/ITEM", Value::Null),
                ("items/*/ITEM", Value::Null),
                ("items/*/ITEM/id", Value::Null),
            ][rng.below(12)]
            .clone();
            in_each_shape(field, &value)
        }
    };
    let times = [Some(1), Some(1), Some(2), Some(3), None][rng.below(5)];
    json!({"path": PATHS[rng.below(PATHS.len())], "skip": rng.below(4), "times": times, "action": action})
}

/// Playlists with an owner that is missing, or that has an unusual id.
fn random_owner(rng: &mut Rng) -> Value {
    let (field, value) = [
        ("owner", Value::Null),
        ("owner", json!("spotify")),
        ("owner/id", json!("")),
        ("owner/id", Value::Null),
        ("owner/id", json!("Some One/\u{e9}?#")),
        ("owner/id", json!(1234567890)),
        ("owner/display_name", Value::Null),
    ][rng.below(7)]
    .clone();
    let actions: Vec<Value> =
        ["", "/items/*"].iter().map(|at| json!({"do": "set", "at": format!("{at}/{field}"), "to": value})).collect();
    json!({"do": "several", "actions": actions})
}

/// Sets a field wherever pages have it: in an answer of their own or in that of a playlist or album, by the old and the new
/// names.
fn in_each_shape(field: &str, value: &Value) -> Value {
    let mut actions = Vec::new();
    for page in ["", "/tracks", "/items", "/artists"] {
        for item in ["track", "item", "album"] {
            let at = format!("{page}/{}", field.replace("ITEM", item));
            if !actions.iter().any(|action: &Value| action["at"] == at) {
                actions.push(json!({"do": "set", "at": at, "to": value}));
            }
        }
    }
    json!({"do": "several", "actions": actions})
}

//! The steps of a random world.

use serde_json::{Value, json};
use spotify_sandbox::fixtures;

use crate::rng::Rng;

/// The jobs of a world.
pub const JOBS: [&str; 3] = ["home", "app", "both"];

/// The playlists that change.
pub const PLAYLISTS: [&str; 2] = [fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST];

pub const USERS: [(&str, &str); 2] = [("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)];

/// One thing that happens in a world.
#[derive(Debug, Clone)]
pub enum Step {
    /// Time passes.
    Hours(i64),
    /// A playlist changes, at once or while it is read.
    Edit(Value),
    /// Somebody saves the track with this number.
    Save {
        user: &'static str,
        track: usize,
    },
    /// Somebody removes the saved track at this place.
    Unsave {
        user: &'static str,
        place: usize,
    },
    /// Spotify answers wrongly.
    Fault(Value),
    Run {
        job: &'static str,
        kill_after_ms: Option<u64>,
    },
    /// The files are deleted, or only changed.
    SpoilFiles {
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

/// Random steps that end with a check. There is one after each simulated day or so.
pub fn random_steps(rng: &mut Rng, length: usize, with_kills: bool) -> Vec<Step> {
    let mut steps = Vec::with_capacity(length + 1);
    while steps.len() < length {
        steps.push(random_step(rng, with_kills));
    }
    steps.push(Step::Check);
    steps
}

fn random_step(rng: &mut Rng, with_kills: bool) -> Step {
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
        7..=8 => Step::Save { user, track: rng.below(200) },
        9 => Step::Unsave { user, place: rng.below(40) },
        10..=12 => Step::Fault(random_fault(rng)),
        13..=17 => {
            let kill = with_kills && rng.below(4) == 0;
            Step::Run { job, kill_after_ms: kill.then(|| rng.below(400) as u64) }
        }
        18 => Step::SpoilFiles { job },
        19 => Step::Export,
        20 => Step::Backup,
        21 => Step::Restore,
        22 if rng.below(3) == 0 => Step::Purge { user: USERS[rng.below(2)].0 },
        _ => Step::Check,
    }
}

fn random_edit(rng: &mut Rng) -> Value {
    let playlist = PLAYLISTS[rng.below(PLAYLISTS.len())];
    let place = rng.below(100);
    match rng.below(4) {
        0 => json!({"do": "remove", "playlist": playlist, "position": place, "count": 1 + rng.below(3)}),
        1 => {
            json!({"do": "move", "playlist": playlist, "from": place, "count": 1 + rng.below(4), "to": rng.below(100)})
        }
        2 => json!({"do": "rename", "playlist": playlist, "name": format!("Name {place}")}),
        _ => json!({"do": "insert", "playlist": playlist, "position": place, "items": [fixtures::PLAIN_TRACK, null]}),
    }
}

/// A fault that hits one or two answers.
fn random_fault(rng: &mut Rng) -> Value {
    let path = ["/v1/playlists/*", "/v1/me/tracks", "/v1/me/*", "/v1/albums/*"][rng.below(4)];
    let action = match rng.below(9) {
        0 => {
            let code = [500, 502, 503, 520][rng.below(4)];
            json!({"do": "status", "code": code})
        }
        1 => json!({"do": "reset"}),
        2 => json!({"do": "cut_body"}),
        3 => json!({"do": "missing_items", "from": rng.below(90), "count": 1 + rng.below(3)}),
        4 => json!({"do": "shifted_pages", "from": 50, "by": 1}),
        5 => json!({"do": "short_page"}),
        6 => json!({"do": "set", "at": "/items/*/track/duration_ms", "to": {"totalMilliseconds": 1000}}),
        7 => json!({"do": "set", "at": "/items/*/item/explicit", "to": "false"}),
        _ => json!({"do": "status", "code": 404}),
    };
    json!({"path": path, "skip": rng.below(3), "times": 1 + rng.below(2), "action": action})
}

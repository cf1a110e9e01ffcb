//! All that one sandbox knows, and the order in which a request meets it: fault, service, log.

use std::sync::Mutex;

use serde_json::json;

use super::accounts::{self, Accounts};
use super::answer::Answer;
use super::catalog::{
    Edit, EditRefused, Libraries, Library, Music, Playlists, TrueRow, library_truth, true_rows, true_rows_at, truth_of,
};
use super::clock::{Clock, http_date};
use super::faults::{Action, Faults};
use super::limits::Limits;
use super::routes::{self, Call};
use super::sabotage::{self, Outcome};
use super::seen::{Log, Seen, without_credentials};
use super::{Mode, Options, hold, known};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) api_url: String,
    pub(crate) accounts_url: String,
    pub(crate) clock: Clock,
    pub(crate) music: Music,
    pub(crate) playlists: Mutex<Playlists>,
    pub(crate) libraries: Mutex<Libraries>,
    /// Edits that wait for so many more calls.
    awaited: Mutex<Vec<(u32, Edit)>>,
    pub(crate) accounts: Mutex<Accounts>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
}

/// What a service said, and what the log should know of it.
pub(crate) struct Served {
    pub(crate) answer: Answer,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) grant_type: Option<String>,
}

impl From<Answer> for Served {
    fn from(answer: Answer) -> Self {
        Self { answer, on_behalf_of: None, grant_type: None }
    }
}

impl World {
    pub(crate) fn new(options: Options, port: u16) -> Self {
        let music = Music::rolled(options.seed, options.tracks);
        let playlists = Playlists::rolled(&music, options.playlists, options.playlist_items);
        Self {
            api_url: format!("http://127.0.0.1:{port}/v1"),
            accounts_url: format!("http://127.0.0.1:{port}"),
            clock: Clock::new(),
            playlists: Mutex::new(playlists),
            libraries: Mutex::default(),
            awaited: Mutex::default(),
            accounts: Mutex::new(Accounts::new(&options)),
            limits: Mutex::new(Limits::new(&options)),
            faults: Faults::default(),
            log: Log::default(),
            music,
            options,
        }
    }

    pub(crate) fn extended(&self) -> bool {
        self.options.mode == Mode::Extended
    }

    /// Answers a request, or plays the fault that waits for it.
    pub(crate) fn handle(&self, call: &Call) -> Outcome {
        if call.path.starts_with("/_sandbox") {
            return Outcome::Answer(routes::control(self, call), std::time::Duration::ZERO);
        }
        let fault = self.faults.strike(&call.method, &call.path, &call.query);
        let in_place = fault
            .as_ref()
            .and_then(|action| sabotage::instead(action, !routes::is_api(&call.path), self.clock.now_ms()));
        let (outcome, on_behalf_of, grant_type) = match in_place {
            Some(outcome) => (outcome, None, None),
            None => {
                let served = self.serve(call, fault.as_ref());
                let outcome = match &fault {
                    None => Outcome::Answer(served.answer, std::time::Duration::ZERO),
                    Some(action) => {
                        let date = http_date(self.clock.now_ms());
                        sabotage::spoil(action, served.answer, &date)
                    }
                };
                (outcome, served.on_behalf_of, served.grant_type)
            }
        };
        if routes::is_api(&call.path) {
            self.make_awaited();
        }
        self.log.add(Seen {
            method: call.method.clone(),
            path: call.path.clone(),
            query: without_credentials(&call.query),
            status: match &outcome {
                Outcome::Answer(answer, _) => answer.status,
                Outcome::Raw(status, _) => *status,
            },
            at_ms: self.clock.since_start_ms(),
            bearer: call.bearer().is_some(),
            on_behalf_of,
            family: routes::family(&call.path),
            grant_type,
            fault: fault.map(|action| action.name()),
        });
        outcome
    }

    /// The answer without regard to its way back.
    fn serve(&self, call: &Call, fault: Option<&Action>) -> Served {
        let service = |call: &Call| {
            if routes::is_api(&call.path) { routes::api(self, call) } else { accounts::answer(self, call) }
        };
        let offset: usize = call.get("offset").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut served = match fault {
            Some(Action::RepeatPage) => {
                let limit: usize = call.get("limit").and_then(|n| n.parse().ok()).unwrap_or(20);
                service(&call.with("offset", &offset.saturating_sub(limit).to_string()))
            }
            _ => service(call),
        };
        match fault {
            Some(Action::RepeatPage) => {
                served.answer.body = sabotage::on_page(&served.answer.body, |page| {
                    page["offset"] = offset.into();
                });
            }
            Some(Action::EndlessPages) => self.endless(call, offset, &mut served, service),
            _ => {}
        }
        served
    }

    /// Names a next page whatever comes, and starts over where the list ends.
    fn endless(&self, call: &Call, offset: usize, served: &mut Served, service: impl Fn(&Call) -> Served) {
        let mut empty = false;
        sabotage::on_page(&served.answer.body, |page| {
            empty = page["items"].as_array().is_some_and(Vec::is_empty);
        });
        if empty {
            *served = service(&call.with("offset", "0"));
        }
        served.answer.body = sabotage::on_page(&served.answer.body, |page| {
            let limit = page["limit"].as_u64().unwrap_or(20);
            let next = offset as u64 + limit;
            page["offset"] = offset.into();
            page["next"] = format!("{}{}?offset={next}&limit={limit}", self.accounts_url, call.path).into();
        });
    }

    pub(crate) fn true_rows(&self, id: &str) -> Option<Vec<TrueRow>> {
        Some(true_rows(&self.music, hold(&self.playlists).get(id)?))
    }

    /// Every row of a playlist at one of its versions.
    pub(crate) fn true_rows_at(&self, id: &str, snapshot_id: &str) -> Option<Vec<TrueRow>> {
        true_rows_at(&self.music, hold(&self.playlists).get(id)?, snapshot_id)
    }

    /// The ids that a list holds, in order, by kind and id of what it belongs to.
    pub(crate) fn truth_of(&self, kind: &str, id: &str) -> Option<serde_json::Value> {
        match kind {
            "users" => Some(library_truth(&self.music, id, &self.library(id))),
            _ => truth_of(&self.music, kind, id),
        }
    }

    /// Every state that a user's library has had, oldest first.
    pub(crate) fn truths_of_user(&self, user: &str) -> Vec<serde_json::Value> {
        let states = hold(&self.libraries).states(&self.music, user);
        states.iter().map(|library| library_truth(&self.music, user, library)).collect()
    }

    pub(crate) fn library(&self, user: &str) -> Library {
        hold(&self.libraries).of(&self.music, user)
    }

    pub(crate) fn edit(&self, edit: Edit) -> Result<(), EditRefused> {
        let now_ms = self.clock.now_ms();
        match edit {
            Edit::AfterCalls { calls, edit } => {
                hold(&self.awaited).push((calls, *edit));
                Ok(())
            }
            Edit::Save { .. } | Edit::Unsave { .. } => hold(&self.libraries).edit(&edit, &self.music, now_ms),
            edit => hold(&self.playlists).edit(edit, &self.music, now_ms),
        }
    }

    /// Makes the edits that waited for this call.
    fn make_awaited(&self) {
        let mut due = Vec::new();
        hold(&self.awaited).retain_mut(|(calls, edit)| {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                due.push(edit.clone());
            }
            *calls > 0
        });
        for edit in due {
            if let Err(refused) = self.edit(edit) {
                tracing::warn!(%refused, "an edit that waited for a call could not be made");
            }
        }
    }

    /// Ids worth trying, by kind: the known ones, then some that the seed rolled.
    pub(crate) fn ids(&self) -> serde_json::Value {
        let music = &self.music;
        let few = |known: &[&str], rolled: Vec<&String>| -> Vec<String> {
            let known = known.iter().map(|id| (*id).to_owned());
            known.chain(rolled.into_iter().take(20).cloned()).collect()
        };
        let playlists: Vec<String> = hold(&self.playlists).iter().map(|list| list.id.clone()).collect();
        json!({
            "users": [known::HOME, known::STUDIO, known::CURATOR],
            "playlists": playlists,
            "artists": few(
                &[known::BUSY_ARTIST, known::SEMICOLON_ARTIST],
                music.artists.iter().map(|it| &it.id).collect(),
            ),
            "albums": few(
                &[known::LONG_ALBUM, known::ODD_ALBUM],
                music.albums.iter().map(|it| &it.id).collect(),
            ),
            "tracks": few(
                &[known::PLAIN_TRACK, known::UNAVAILABLE_TRACK, known::RELINKED_TRACK],
                music.tracks.iter().map(|it| &it.id).collect(),
            ),
            "shows": music.shows.iter().map(|it| &it.id).collect::<Vec<_>>(),
            "episodes": few(&[], music.episodes.iter().map(|it| &it.id).collect()),
            "audiobooks": music.audiobooks.iter().map(|it| &it.id).collect::<Vec<_>>(),
            "chapters": few(&[], music.chapters.iter().map(|it| &it.id).collect()),
            "categories": music.categories.iter().map(|it| &it.id).collect::<Vec<_>>(),
            "isrc": music.tracks.iter().filter_map(|it| it.isrc.as_ref()).take(20).collect::<Vec<_>>(),
            "upc": music.albums.iter().map(|it| &it.upc).take(20).collect::<Vec<_>>(),
        })
    }
}

//! All that one sandbox knows, and the order in which a request meets it: fault, service, log.

use std::sync::Mutex;

use serde_json::json;

use super::accounts::{self, Accounts};
use super::answer::Answer;
use super::catalog::{Edit, EditRefused, Libraries, LibraryEdit, Music, Playlists, TrueRow, true_rows, truth_of};
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
    pub(crate) accounts: Mutex<Accounts>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
}

/// What a service said, and what the log should know of it.
pub(crate) struct Served {
    pub(crate) answer: Answer,
    pub(crate) client_id: Option<String>,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) grant_type: Option<String>,
}

impl From<Answer> for Served {
    fn from(answer: Answer) -> Self {
        Self { answer, client_id: None, on_behalf_of: None, grant_type: None }
    }
}

impl World {
    pub(crate) fn new(options: Options, port: u16) -> Self {
        let music = Music::rolled(options.seed, options.tracks);
        let mut playlists = Playlists::rolled(&music, options.playlists, options.playlist_items);
        playlists.roll_for_digger(&music, options.digger_playlists, options.playlist_items);
        Self {
            api_url: format!("http://127.0.0.1:{port}/v1"),
            accounts_url: format!("http://127.0.0.1:{port}"),
            clock: Clock::new(),
            playlists: Mutex::new(playlists),
            libraries: Mutex::new(Libraries::new(options.digger_tracks)),
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
        let (outcome, client_id, on_behalf_of, grant_type) = match in_place {
            Some(outcome) => (outcome, None, None, None),
            None => {
                let served = self.serve(call, fault.as_ref());
                let outcome = match &fault {
                    None => Outcome::Answer(served.answer, std::time::Duration::ZERO),
                    Some(action) => {
                        let date = http_date(self.clock.now_ms());
                        sabotage::spoil(action, served.answer, &date)
                    }
                };
                (outcome, served.client_id, served.on_behalf_of, served.grant_type)
            }
        };
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
            client_id,
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

    pub(crate) fn edit(&self, edit: Edit) -> Result<(), EditRefused> {
        hold(&self.playlists).edit(edit, &self.music, self.clock.now_ms())
    }

    pub(crate) fn edit_library(&self, edit: LibraryEdit) -> Result<(), EditRefused> {
        hold(&self.libraries).edit(edit, &self.music, self.clock.now_ms())
    }

    pub(crate) fn truth_of(&self, kind: &str, id: &str) -> Option<serde_json::Value> {
        truth_of(&self.music, &mut hold(&self.libraries), kind, id)
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

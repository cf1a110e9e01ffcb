//! The state of a sandbox, and the path of a request through it: fault, service, log.

use std::sync::Mutex;

use serde_json::json;

use super::accounts::{self, AccountsService};
use super::catalog::{
    EditError, ExpectedRow, LibraryEdit, MusicCatalog, PlaylistCollection, PlaylistEdit, UserLibraries, expected_ids,
    expected_rows, expected_track,
};
use super::clock::{SandboxClock, http_date};
use super::fault_injection::{self, WireOutcome};
use super::faults::{FaultAction, FaultQueue};
use super::limits::SandboxLimits;
use super::request_log::{LoggedRequest, RequestLog, redact_credentials};
use super::response::ServerResponse;
use super::routes::{self, ServerRequest};
use super::{QuotaMode, SandboxOptions, fixtures, lock};

#[derive(Debug)]
pub(crate) struct SandboxState {
    pub(crate) options: SandboxOptions,
    pub(crate) api_url: String,
    pub(crate) accounts_url: String,
    pub(crate) clock: SandboxClock,
    pub(crate) music: MusicCatalog,
    pub(crate) playlists: Mutex<PlaylistCollection>,
    pub(crate) libraries: Mutex<UserLibraries>,
    pub(crate) accounts: Mutex<AccountsService>,
    pub(crate) limits: Mutex<SandboxLimits>,
    pub(crate) faults: FaultQueue,
    pub(crate) log: RequestLog,
}

/// The response of a service and its details for the log.
pub(crate) struct ServiceResponse {
    pub(crate) response: ServerResponse,
    pub(crate) client_id: Option<String>,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) grant_type: Option<String>,
}

impl From<ServerResponse> for ServiceResponse {
    fn from(response: ServerResponse) -> Self {
        Self { response, client_id: None, on_behalf_of: None, grant_type: None }
    }
}

impl SandboxState {
    pub(crate) fn new(options: SandboxOptions, port: u16) -> Self {
        let music = MusicCatalog::generate(options.seed, options.tracks);
        let mut playlists = PlaylistCollection::generate(&music, options.playlists, options.playlist_items);
        playlists.add_digger_playlists(&music, options.digger_playlists, options.playlist_items);
        Self {
            api_url: format!("http://127.0.0.1:{port}/v1"),
            accounts_url: format!("http://127.0.0.1:{port}"),
            clock: SandboxClock::new(),
            playlists: Mutex::new(playlists),
            libraries: Mutex::new(UserLibraries::new(options.digger_tracks)),
            accounts: Mutex::new(AccountsService::new(&options)),
            limits: Mutex::new(SandboxLimits::new(&options)),
            faults: FaultQueue::default(),
            log: RequestLog::default(),
            music,
            options,
        }
    }

    pub(crate) fn is_extended(&self) -> bool {
        self.options.mode == QuotaMode::Extended
    }

    /// Handles a request: injects a matching fault, or lets a service respond.
    pub(crate) fn handle(&self, request: &ServerRequest) -> WireOutcome {
        if request.path.starts_with("/_sandbox") {
            return WireOutcome::Response(routes::handle_control(self, request), std::time::Duration::ZERO);
        }
        let fault = self.faults.next_action(&request.method, &request.path, &request.query);
        let in_place = fault.as_ref().and_then(|action| {
            fault_injection::replacement_outcome(action, !routes::is_api(&request.path), self.clock.now_ms())
        });
        let (outcome, client_id, on_behalf_of, grant_type) = match in_place {
            Some(outcome) => (outcome, None, None, None),
            None => {
                let served = self.serve(request, fault.as_ref());
                let outcome = match &fault {
                    None => WireOutcome::Response(served.response, std::time::Duration::ZERO),
                    Some(action) => {
                        let date = http_date(self.clock.now_ms());
                        fault_injection::corrupt_response(action, served.response, &date)
                    }
                };
                (outcome, served.client_id, served.on_behalf_of, served.grant_type)
            }
        };
        self.log.add(LoggedRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            query: redact_credentials(&request.query),
            status: match &outcome {
                WireOutcome::Response(response, _) => response.status,
                WireOutcome::Raw(status, _) => *status,
            },
            at_ms: self.clock.since_start_ms(),
            bearer: request.bearer().is_some(),
            client_id,
            on_behalf_of,
            family: routes::endpoint_family(&request.path),
            grant_type,
            fault: fault.map(|action| action.name()),
        });
        outcome
    }

    /// The response before a fault corrupts it.
    fn serve(&self, request: &ServerRequest, fault: Option<&FaultAction>) -> ServiceResponse {
        let service = |request: &ServerRequest| {
            if routes::is_api(&request.path) {
                routes::handle_api_request(self, request)
            } else {
                accounts::respond(self, request)
            }
        };
        let offset: usize = request.query_param("offset").and_then(|n| n.parse().ok()).unwrap_or(0);
        let limit: usize = request.query_param("limit").and_then(|n| n.parse().ok()).unwrap_or(20);
        let actions = fault.map_or(&[][..], FaultAction::parts);
        let served_offset = actions.iter().find_map(|action| match *action {
            FaultAction::RepeatPage => Some(offset.saturating_sub(limit)),
            FaultAction::FirstPageAlways => Some(0),
            FaultAction::ShiftedPages { from, by } if offset as u64 >= from => {
                Some(offset.saturating_sub(usize::try_from(by).unwrap_or(usize::MAX)))
            }
            _ => None,
        });
        // Other data has another entity tag, so the request is handled as if it had none.
        let has_other_data = actions.iter().any(FaultAction::changes_data);
        let ignored = actions.iter().filter_map(|action| match action {
            FaultAction::IgnoredParameter { name } => Some(name.as_str()),
            _ => None,
        });
        let query = request.query_without(&ignored.collect::<Vec<_>>());
        let changed = ServerRequest { if_none_match: None, query, ..request.clone() };
        let request = if has_other_data { &changed } else { request };
        let mut served = match served_offset {
            Some(offset) => service(&request.with_query_param("offset", &offset.to_string())),
            None => service(request),
        };
        if has_other_data {
            served.response.headers.retain(|(name, _)| *name != "etag");
        }
        if served_offset.is_some() && !actions.contains(&FaultAction::FirstPageAlways) {
            served.response.body = fault_injection::edit_page(&served.response.body, |page| {
                page["offset"] = offset.into();
            });
        }
        for action in actions {
            if let FaultAction::Reordered { positions } = action
                && served.response.status == 200
            {
                self.reorder(request, (offset, limit), positions, &mut served.response);
            }
        }
        if actions.contains(&FaultAction::EndlessPages) {
            self.make_endless(request, offset, &mut served, service);
        }
        served
    }

    /// Adds a next page to every page, and starts again at the end of the list.
    fn make_endless(
        &self,
        request: &ServerRequest,
        offset: usize,
        served: &mut ServiceResponse,
        service: impl Fn(&ServerRequest) -> ServiceResponse,
    ) {
        let mut empty = false;
        fault_injection::edit_page(&served.response.body, |page| {
            empty = page["items"].as_array().is_some_and(Vec::is_empty);
        });
        if empty {
            *served = service(&request.with_query_param("offset", "0"));
        }
        served.response.body = fault_injection::edit_page(&served.response.body, |page| {
            let limit = page["limit"].as_u64().unwrap_or(20);
            let next = offset as u64 + limit;
            page["offset"] = offset.into();
            page["next"] = format!("{}{}?offset={next}&limit={limit}", self.accounts_url, request.path).into();
        });
    }

    /// The page of a list that has other items, or the same in another order.
    fn reorder(
        &self,
        request: &ServerRequest,
        (offset, limit): (usize, usize),
        positions: &[usize],
        response: &mut ServerResponse,
    ) {
        let mut total = u64::MAX;
        fault_injection::edit_page(&response.body, |page| total = page["total"].as_u64().unwrap_or(total));
        // Positions behind the end of the list have no item.
        let positions: Vec<usize> = positions.iter().copied().filter(|position| (*position as u64) < total).collect();
        let item = |position: &usize| {
            let alone = request.with_query_param("limit", "1").with_query_param("offset", &position.to_string());
            let mut item = serde_json::Value::Null;
            let body = routes::respond_without_limits(self, &alone).body;
            fault_injection::edit_page(&body, |page| item = page["items"][0].take());
            item
        };
        let items: Vec<serde_json::Value> = positions.iter().skip(offset).take(limit).map(item).collect();
        let next = (offset + limit < positions.len())
            .then(|| format!("{}{}?offset={}&limit={limit}", self.accounts_url, request.path, offset + limit));
        response.body = fault_injection::edit_page(&response.body, |page| {
            page["items"] = items.into();
            page["next"] = next.into();
            page["total"] = positions.len().into();
        });
    }

    pub(crate) fn expected_rows(&self, id: &str) -> Option<Vec<ExpectedRow>> {
        Some(expected_rows(&self.music, lock(&self.playlists).get(id)?))
    }

    pub(crate) fn expected_track(&self, id: &str) -> Option<ExpectedRow> {
        expected_track(&self.music, id)
    }

    pub(crate) fn edit(&self, edit: PlaylistEdit) -> Result<(), EditError> {
        lock(&self.playlists).edit(edit, &self.music, self.clock.now_ms())
    }

    pub(crate) fn edit_library(&self, edit: LibraryEdit) -> Result<(), EditError> {
        lock(&self.libraries).edit(edit, &self.music, self.clock.now_ms())
    }

    pub(crate) fn expected_ids(&self, kind: &str, id: &str) -> Option<serde_json::Value> {
        expected_ids(&self.music, &mut lock(&self.libraries), kind, id)
    }

    /// Example ids by kind: fixtures first, then generated ones.
    pub(crate) fn example_ids(&self) -> serde_json::Value {
        let music = &self.music;
        let examples = |fixed: &[&str], generated: Vec<&String>| -> Vec<String> {
            let fixed = fixed.iter().map(|id| (*id).to_owned());
            fixed.chain(generated.into_iter().take(20).cloned()).collect()
        };
        let playlists: Vec<String> = lock(&self.playlists).iter().map(|list| list.id.clone()).collect();
        json!({
            "users": [fixtures::HOME_USER, fixtures::STUDIO_USER, fixtures::CURATOR_USER],
            "playlists": playlists,
            "artists": examples(
                &[fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST],
                music.artists.iter().map(|it| &it.id).collect(),
            ),
            "albums": examples(
                &[fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM],
                music.albums.iter().map(|it| &it.id).collect(),
            ),
            "tracks": examples(
                &[fixtures::PLAIN_TRACK, fixtures::UNAVAILABLE_TRACK, fixtures::RELINKED_TRACK],
                music.tracks.iter().map(|it| &it.id).collect(),
            ),
            "shows": music.shows.iter().map(|it| &it.id).collect::<Vec<_>>(),
            "episodes": examples(&[], music.episodes.iter().map(|it| &it.id).collect()),
            "audiobooks": music.audiobooks.iter().map(|it| &it.id).collect::<Vec<_>>(),
            "chapters": examples(&[], music.chapters.iter().map(|it| &it.id).collect()),
            "categories": music.categories.iter().map(|it| &it.id).collect::<Vec<_>>(),
            "isrc": music.tracks.iter().filter_map(|it| it.isrc.as_ref()).take(20).collect::<Vec<_>>(),
            "upc": music.albums.iter().map(|it| &it.upc).take(20).collect::<Vec<_>>(),
        })
    }
}

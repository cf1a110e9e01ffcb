//! What commands that fetch or show need opened: state folder, store, and the API with its limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use url::Url;

use super::preflight::local_disk;
use super::{Context, Exit, Failure, OrExit};
use crate::export::Target;
use crate::run::{AppFacts, Files};
use crate::settings::credentials::Credentials;
use crate::settings::{Limits as SettingsLimits, Origin, Settings};
use crate::store::{Access, GivenTo, Identity, Store, StoreError, place_of};
use spotify_client::AppClass;
use spotify_client::client::{Api, ApiConfig, Limits, Scales, ceilings};
use spotify_client::http::clock::{Clock, SystemClock};
use spotify_client::http::observer::Observer;
use spotify_client::state::grants::{GrantError, Grants};
use spotify_client::state::{Ceilings, Learned, Spender, State, StateDir, StateError, Usage};

/// Settings, and the state folder that goes with them.
pub(super) struct Workshop<'a> {
    context: &'a Context,
    pub settings: Settings,
    pub state: Arc<State>,
}

impl<'a> Workshop<'a> {
    /// Reads the settings and opens the state folder.
    pub(super) fn open(context: &'a Context) -> Result<Workshop<'a>, Failure> {
        let settings = context.settings()?;
        let state = open_state(context, &settings)?;
        Ok(Workshop { context, settings, state })
    }

    /// The same with a state folder elsewhere, for what must leave nothing behind.
    pub(super) fn beside(context: &'a Context, folder: &std::path::Path) -> Result<Workshop<'a>, Failure> {
        let dir = StateDir::resolve(Some(folder), None, |_| None).or_exit(Exit::Storage)?;
        let state = State::open(dir).map(Arc::new).map_err(booked)?;
        Ok(Workshop { context, settings: context.settings()?, state })
    }

    /// The store's file.
    pub(super) fn database(&self) -> PathBuf {
        self.context.project.database(&self.settings)
    }

    /// Who the store must belong to.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            host: host(&self.settings.spotify.api_url),
            state_id: self.state.id().to_owned(),
            state_folder: self.state.dir().to_string(),
        }
    }

    /// Opens the store for writing, and makes it where none is known.
    pub(super) fn store(&self) -> Result<Arc<Store>, Failure> {
        self.not_gone()?;
        self.store_or_new()
    }

    /// The same for who reads all anew: where a store is gone, another one is made.
    pub(super) fn store_or_new(&self) -> Result<Arc<Store>, Failure> {
        let (path, output) = (self.database(), &self.settings.output);
        local_disk(&path)?;
        let is_new = is_absent(&path);
        let access = store_access(&self.settings)?;
        let store = Store::open_limited(&path, access, &self.identity(), output.wal_limit_mib << 20);
        let store = Arc::new(store.map_err(storage)?);
        let place = place_of(&path);
        if is_new || self.state.store_known_since(&place).map_err(booked)?.is_none() {
            self.state.know_store(&place, Utc::now()).map_err(booked)?;
        }
        Ok(store)
    }

    /// Refuses to take a store that was there for one that is still to be filled: what a whole day's calls
    /// brought may lie on a disk that is not mounted.
    ///
    /// # Errors
    /// That it is gone (exit 74).
    pub(super) fn not_gone(&self) -> Result<(), Failure> {
        self.missed()?.map_or(Ok(()), |gone| Err(storage(gone)))
    }

    /// That the store was there and is not any more, if it is so.
    fn missed(&self) -> Result<Option<StoreError>, Failure> {
        let path = self.database();
        if !is_absent(&path) {
            return Ok(None);
        }
        let since = self.state.store_known_since(&place_of(&path)).map_err(booked)?;
        Ok(since.map(|since| StoreError::Gone { path, since: local(since) }))
    }

    /// Where the files of jobs go.
    pub(super) fn files(&self) -> Result<Files, Failure> {
        let output = &self.settings.output;
        let csv_dir = self.context.project.csv_dir(&self.settings);
        Ok(Files {
            database: self.database(),
            access: store_access(&self.settings)?,
            target: Target { csv_dir, access: access(&self.settings, Some(&output.csv_dir))? },
            csv: self.settings.csv.clone(),
            publish_partial: output.publish_partial,
            dated_csv: self.settings.retention.dated_csv,
        })
    }

    /// The grants of the app's users.
    pub(super) fn grants(&self, who: &Credentials) -> Result<Arc<Grants>, Failure> {
        grants_of(self.state.dir().clone(), &who.client_id).map(Arc::new)
    }

    /// Whose books the app's calls are in.
    pub(super) fn books_of(&self, who: &Credentials) -> spotify_client::state::Identity {
        spotify_client::state::Identity::new(&who.client_id, &self.settings.account(&who.client_id))
    }

    /// The class of the app, as far as it is configured or was learned not too long ago.
    pub(super) fn class(&self, who: &Credentials) -> Result<Option<AppClass>, Failure> {
        match self.settings.spotify.app_mode.class() {
            Some(class) => Ok(Some(class)),
            None => {
                let now = SystemClock::new().now().wall;
                Learned::of(&self.state, &self.books_of(who)).believed_class(now).map_err(booked)
            }
        }
    }

    /// How many calls a day holds, as the settings have it for the class of the app.
    pub(super) fn ceilings(&self, who: &Credentials) -> Result<Ceilings, Failure> {
        Ok(ceilings(&limits(&self.settings.limits_for(self.class(who)?), Most::default())))
    }

    /// What the app has used of its day, and what holds it back.
    pub(super) fn usage(&self, who: &Credentials) -> Result<Usage, Failure> {
        self.state.usage(&self.books_of(who), self.ceilings(who)?, SystemClock::new().now()).or_exit(Exit::Storage)
    }

    /// An API for one run, and what is known about the app behind it.
    pub(super) fn api(
        &self,
        who: &Credentials,
        most: Most,
        observer: Arc<dyn Observer>,
    ) -> Result<(Api, AppFacts), Failure> {
        let configured = self.settings.spotify.app_mode.class();
        let account = self.settings.account(&who.client_id);
        let of = |class| limits(&self.settings.limits_for(class), most);
        let mut scales = Scales::default();
        scales.transport.user_agent = concat!("cratedigger/", env!("CARGO_PKG_VERSION"));
        let config = ApiConfig {
            api_url: self.settings.spotify.api_url.clone(),
            accounts_url: self.settings.spotify.accounts_url.clone(),
            client_id: who.client_id.clone(),
            client_secret: who.client_secret.clone(),
            account,
            limits: of(self.class(who)?),
            scales,
        };
        let api = Api::new(config, Arc::clone(&self.state), observer).or_exit(Exit::Usage)?;
        let facts = AppFacts::new(configured, api.clone(), of(configured), of(Some(AppClass::Extended)));
        Ok((api, facts))
    }
}

/// The grants of an app in a state folder.
pub(super) fn grants_of(dir: StateDir, client_id: &str) -> Result<Grants, Failure> {
    Grants::open(dir, client_id, |name| std::env::var_os(name)).map_err(of_grants)
}

/// What is wrong with the grants, with its exit code.
pub(super) fn of_grants(e: GrantError) -> Failure {
    let hint = e.hint();
    let failure = Failure::new(if e.needs_a_person() { Exit::Person } else { Exit::Storage }, e);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Trouble with the store, with what to do about it (exit 74).
pub(super) fn storage(e: StoreError) -> Failure {
    Failure::new(Exit::Storage, e)
}

/// Whether nothing is there. What cannot be looked at is told when it is opened.
fn is_absent(path: &Path) -> bool {
    path.try_exists().is_ok_and(|there| !there)
}

/// Trouble with reading a store, by the name of its file.
pub(super) fn unreadable(database: &Path) -> impl Fn(rusqlite::Error) -> Failure {
    let path = database.to_path_buf();
    move |source| storage(StoreError::Sqlite { path: path.clone(), what: "cannot be read", source })
}

/// Refuses to go on where there is no store, yet or any more (exit 74).
pub(super) fn must_exist(context: &Context, settings: &Settings) -> Result<(), Failure> {
    let database = context.project.database(settings);
    if database.exists() {
        return Ok(());
    }
    let what = format!("there is no store at {}", database.display());
    Err(match missed(context, settings) {
        Some(gone) => Failure::new(Exit::Storage, anyhow::Error::from(gone).context(what)),
        None => Failure::new(Exit::Storage, anyhow::anyhow!(what)).with_hint("`cratedigger run` fills one"),
    })
}

/// That the store was there and is not any more, as far as the state folder tells; where no such folder is,
/// no store was.
pub(super) fn missed(context: &Context, settings: &Settings) -> Option<StoreError> {
    context.state_dir(settings).ok().filter(|dir| dir.path().exists())?;
    Workshop::open(context).ok()?.missed().ok()?
}

/// Opens the state folder that the settings name.
pub(super) fn open_state(context: &Context, settings: &Settings) -> Result<Arc<State>, Failure> {
    let dir = context.state_dir(settings).or_exit(Exit::Storage)?;
    State::open(dir).map(Arc::new).map_err(booked)
}

/// Books that cannot be read or written: nothing is taken to be free then.
pub(super) fn booked(error: StateError) -> Failure {
    let hint = error.hint();
    let failure = Failure::new(Exit::Storage, error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// `host:port` of an address.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What one run may spend.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Most {
    /// Calls of the run.
    pub calls: Option<u64>,
    /// The job, and its share of the day.
    pub spender: Option<Spender>,
}

fn limits(said: &SettingsLimits, most: Most) -> Limits {
    let ceiling = |calls: Option<u64>| calls.map(|calls| u32::try_from(calls).unwrap_or(u32::MAX));
    Limits {
        requests_per_second: said.requests_per_second,
        concurrency: usize::try_from(said.concurrency).unwrap_or(1),
        calls_per_day: ceiling(said.calls_per_day),
        calls_per_family: ceiling(said.calls_per_family),
        reserve: said.reserve,
        max_wait: said.max_wait,
        max_calls: most.calls,
        adaptive: said.adaptive,
        spender: most.spender,
    }
}

/// Who may read the store.
pub(super) fn store_access(settings: &Settings) -> Result<Access, Failure> {
    access(settings, settings.output.database.parent())
}

/// Who may read what is written. A folder within the project that the settings name is there for what is
/// written; any other is somebody else's.
fn access(settings: &Settings, folder: Option<&Path>) -> Result<Access, Failure> {
    let output = &settings.output;
    let is_for_it = folder.is_some_and(|folder| folder.is_relative() && folder != Path::new(""));
    let is_set = ["output.mode", "output.group"].iter().any(|key| settings.origin(key) != Origin::Default);
    let given_to = match (is_set, is_for_it) {
        (false, _) => GivenTo::New,
        (true, false) => GivenTo::Files,
        (true, true) => GivenTo::Folders,
    };
    Ok(Access { mode: output.mode, group: output.group.as_deref().map(group_id).transpose()?, given_to })
}

/// The number of a group, from `/etc/group`.
fn group_id(name: &str) -> Result<u32, Failure> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let groups = std::fs::read_to_string("/etc/group").or_exit(Exit::Usage)?;
    let of = |line: &str| {
        let mut parts = line.split(':');
        (parts.next() == Some(name)).then(|| parts.nth(1).and_then(|id| id.parse().ok())).flatten()
    };
    groups.lines().find_map(of).ok_or_else(|| {
        Failure::new(Exit::Usage, anyhow::anyhow!("the setting output.group names {name:?}, which is no group here"))
    })
}

/// A time for people: local date and time, and the zone's offset.
pub(super) fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// A runtime on this thread; the store has its own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Failed)
}

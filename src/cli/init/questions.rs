//! The questions of `init` on a terminal. Nothing is written before all of them are answered.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _};
use std::path::Path;
use std::sync::Arc;

use chrono_tz::{TZ_VARIANTS, Tz};
use dialoguer::{Confirm, Password, Select};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::question_terminal::QuestionTerminal;
use crate::cli::app::{App, RunCallLimits};
use crate::cli::args::{AppModeArg, InitArgs};
use crate::cli::local_time::format_local;
use crate::cli::paragraph::width_of;
use crate::cli::progress::LogObserver;
use crate::cli::runtime::runtime;
use crate::cli::table::shorten_to;
use crate::cli::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::{nearest, or_list, printable};
use crate::settings::credentials::Credentials;
use crate::settings::{CsvProfile, Project, Settings};
use crate::signin::DASHBOARD;
use crate::sync::{SyncError, SyncErrorClass};
use spotify_client::{EntityKind, Reference};

/// What the project is for at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstExport {
    MyPlaylists,
    Releases,
    Isrcs,
    Playlists,
}

impl FirstExport {
    const ALL: [FirstExport; 4] =
        [FirstExport::MyPlaylists, FirstExport::Releases, FirstExport::Isrcs, FirstExport::Playlists];

    fn description(self) -> &'static str {
        match self {
            FirstExport::MyPlaylists => "my playlists and liked songs",
            FirstExport::Releases => "everything that my artists have released",
            FirstExport::Isrcs => "the tracks of a list of ISRCs",
            FirstExport::Playlists => "a chart of playlists: what is in them, and what comes and goes",
        }
    }

    /// The job that runs first.
    pub(super) fn job(self) -> &'static str {
        match self {
            FirstExport::MyPlaylists => "my-playlists",
            FirstExport::Releases => "discography",
            FirstExport::Isrcs => "tracks-by-isrc",
            FirstExport::Playlists => "watched-playlists",
        }
    }

    /// The examples that belong to it.
    fn examples(self) -> &'static [&'static str] {
        match self {
            FirstExport::MyPlaylists => &["my-playlists.toml"],
            FirstExport::Releases => &["discography.toml", "release-watch.toml", "artists.csv"],
            FirstExport::Isrcs => &["tracks-by-isrc.toml", "isrcs.csv"],
            FirstExport::Playlists => &["watched-playlists.toml", "weekly-additions.toml", "playlists.csv"],
        }
    }

    /// The file with its ids or codes, if it has one.
    pub(super) fn list(self) -> Option<InputList> {
        let (file, column, what, kind) = match self {
            FirstExport::MyPlaylists => return None,
            FirstExport::Releases => ("artists.csv", "id", "artists (ids or links)", EntityKind::Artist),
            FirstExport::Isrcs => ("isrcs.csv", "isrc", "ISRCs", EntityKind::Track),
            FirstExport::Playlists => ("playlists.csv", "url", "playlists (ids or links)", EntityKind::Playlist),
        };
        Some(InputList { file, column, what, kind })
    }
}

/// A list of ids or codes that a job reads.
pub(super) struct InputList {
    pub(super) file: &'static str,
    column: &'static str,
    what: &'static str,
    kind: EntityKind,
}

impl InputList {
    /// The ids or codes in a line, or why one of them is none.
    fn parse(&self, line: &str) -> Result<Vec<String>, String> {
        let words = line.split([' ', ',', ';', '\t']).map(str::trim).filter(|word| !word.is_empty());
        let read = |word: &str| {
            let is_code = self.column == "isrc";
            let written = if is_code { format!("isrc:{word}") } else { word.to_owned() };
            match Reference::parse(&written, self.kind) {
                Ok(Reference::Isrc(code)) => Ok(code),
                Ok(Reference::Id(id)) if !is_code => Ok(id.as_str().to_owned()),
                Ok(_) => Err(format!("{word}: expected one of the {}", self.what)),
                Err(e) => Err(format!("{}: {e}", printable(word))),
            }
        };
        words.map(read).collect()
    }
}

/// What a person has answered.
pub(super) struct Answers {
    /// The typed id and secret. `None` if the project has them, or if they follow later.
    credentials: Option<(String, SecretString)>,
    /// Whether Spotify can be called with the credentials of the project.
    pub(super) has_credentials: bool,
    timezone: Option<Tz>,
    csv_profile: Option<CsvProfile>,
    pub(super) first: FirstExport,
    /// The ids or codes of the list, if any were typed.
    ids: Vec<String>,
}

impl Answers {
    /// The settings that differ from the defaults.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut set = Vec::new();
        if let Some(zone) = self.timezone {
            set.push(("defaults.timezone", json!(zone.name()).to_string()));
        }
        if let Some(profile) = self.csv_profile.filter(|profile| *profile != CsvProfile::Plain) {
            set.push(("csv.profile", json!(profile.as_str()).to_string()));
        }
        set
    }

    /// The text of an example, if the project gets it.
    pub(super) fn example(&self, name: &str, text: &str) -> Option<String> {
        if !self.first.examples().contains(&name) {
            return None;
        }
        if let Some(list) = self.first.list().filter(|list| list.file == name && !self.ids.is_empty()) {
            return Some(format!("{}\n{}\n", list.column, self.ids.join("\n")));
        }
        // The time zone of the settings applies to the job.
        let is_other_zone = |line: &&str| !line.trim_start_matches(['#', ' ']).starts_with("timezone = ");
        Some(match self.timezone {
            Some(_) => text.lines().filter(is_other_zone).map(|line| format!("{line}\n")).collect(),
            None => text.to_owned(),
        })
    }

    /// The text of `.env` with the typed credentials, after the lines that it has already.
    pub(super) fn env_file(&self, project: &Project) -> Option<String> {
        let (id, secret) = self.credentials.as_ref()?;
        let mut text = std::fs::read_to_string(&project.env_file).unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let secret = secret.expose_secret();
        text.push_str(&format!("SPOTIFY_CLIENT_ID={id}\nSPOTIFY_CLIENT_SECRET={secret}\n"));
        Some(text)
    }
}

/// Asks all questions.
///
/// # Errors
///
/// If the terminal is gone, or if a file of the project is unreadable.
pub(super) fn ask(
    terminal: &QuestionTerminal,
    args: &InitArgs,
    context: &CommandContext,
) -> Result<Answers, CommandError> {
    let folder = context.project.root.display().to_string();
    print::stderr(&format!(
        "A few questions about the project in {}. Enter accepts what is in brackets; nothing is written before the last \
         answer.\n\n",
        printable(&folder)
    ));
    let asked = Questions { terminal, context };
    let (credentials, has_credentials) = asked.credentials()?;
    let has_settings = context.project.config_file.exists();
    if has_settings {
        print::stderr("config/cratedigger.toml exists and stays as it is.\n");
    }
    let timezone = if has_settings { None } else { Some(asked.timezone().or_exit(ExitStatus::Storage)?) };
    let csv_profile = if has_settings { None } else { Some(asked.csv_profile().or_exit(ExitStatus::Storage)?) };
    let first = asked.first_export(args.app_mode).or_exit(ExitStatus::Storage)?;
    let ids = match first.list() {
        Some(list) if !context.project.jobs_dir.join(list.file).exists() => {
            asked.ids(&list).or_exit(ExitStatus::Storage)?
        }
        _ => Vec::new(),
    };
    Ok(Answers { credentials, has_credentials, timezone, csv_profile, first, ids })
}

struct Questions<'a> {
    terminal: &'a QuestionTerminal,
    context: &'a CommandContext,
}

impl Questions<'_> {
    fn text(&self, question: &str) -> io::Result<String> {
        // A prompt that is drawn again after the answer would show long lines twice.
        print::stderr(&format!("{question}:"));
        print::stderr(" ");
        let mut typed = String::new();
        if io::stdin().lock().read_line(&mut typed)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the terminal was closed before the last answer"));
        }
        Ok(typed.trim().to_owned())
    }

    fn choice(&self, question: &str, items: &[&str]) -> io::Result<usize> {
        // The list is drawn again at each key, for which each item has to fit in a line.
        let width = width_of(&io::stderr()).unwrap_or(usize::MAX).saturating_sub(4);
        let items = items.iter().map(|item| shorten_to(item, width));
        self.terminal.answer(Select::new().with_prompt(question).items(items).default(0).interact())
    }

    /// The typed credentials, unless the project has some; and whether there are any.
    fn credentials(&self) -> Result<(Option<(String, SecretString)>, bool), CommandError> {
        if let Ok(known) = self.context.credentials() {
            let from = known.client_id_from.clone();
            let text = match self.test(known)? {
                CredentialTest::Accepted => format!("The client id from {from} is accepted by Spotify.\n"),
                CredentialTest::Refused(why) => format!("warning: the client id from {from}: {why}\n"),
                CredentialTest::Unknown(why) => format!("note: the client id from {from} was not tested: {why}\n"),
            };
            print::stderr(&text);
            return Ok((None, true));
        }
        print::stderr(&format!("Your app at {DASHBOARD} has a client id and a client secret.\n"));
        loop {
            let id = self.text("Client id [later]").or_exit(ExitStatus::Storage)?;
            if id.is_empty() {
                print::stderr("Copy .env.example to .env later, and fill it in.\n");
                return Ok((None, false));
            }
            let asked =
                Password::new().with_prompt("Client secret (not shown)").allow_empty_password(true).report(false);
            let secret = self.terminal.answer(asked.interact()).or_exit(ExitStatus::Storage)?;
            let secret = SecretString::from(secret.trim().to_owned());
            let typed = match Credentials::from_user(&id, &secret) {
                Ok(typed) => typed,
                Err(e) => {
                    print::stderr(&format!("{}; {}\n", printable(&e.to_string()), e.hint()));
                    continue;
                }
            };
            print::stderr("Asking Spotify whether it accepts them …\n");
            match self.test(typed)? {
                CredentialTest::Accepted => {
                    print::stderr("Spotify accepts them.\n");
                    return Ok((Some((id, secret)), true));
                }
                CredentialTest::Refused(why) => print::stderr(&format!("{why}\nPlease type them again.\n")),
                CredentialTest::Unknown(why) => {
                    print::stderr(&format!("They could not be tested: {why}\n"));
                    let keep = Confirm::new().with_prompt("Keep them all the same?").default(true).interact();
                    if self.terminal.answer(keep).or_exit(ExitStatus::Storage)? {
                        return Ok((Some((id, secret)), true));
                    }
                }
            }
        }
    }

    /// Requests a token, in a temporary state folder, so that nothing is left behind.
    fn test(&self, credentials: Credentials) -> Result<CredentialTest, CommandError> {
        if credentials.client_secret.is_none() {
            return Ok(CredentialTest::Unknown("there is no client secret".to_owned()));
        }
        let settings = if self.context.project.config_file.exists() {
            self.context.settings()?
        } else {
            Settings::load(&self.context.project, &self.context.flags).unwrap_or_else(|_| Settings::built_in())
        };
        let folder = tempfile::tempdir().or_exit(ExitStatus::Storage)?;
        let app = App::open_in(self.context, &settings, &folder.path().join("state"))?;
        app.use_credentials(credentials);
        let (client, _) = app.open_client(RunCallLimits::default(), Arc::new(LogObserver))?;
        let checked = runtime()?.block_on(client.check_credentials()).map_err(SyncError::from);
        Ok(match checked {
            Ok(None) => CredentialTest::Accepted,
            Ok(Some(server)) => {
                print::stderr(&format!(
                    "warning: the clock of Spotify shows {}; set this machine's clock\n",
                    format_local(server)
                ));
                CredentialTest::Accepted
            }
            Err(error) if matches!(error.class(), SyncErrorClass::UserAction) => {
                CredentialTest::Refused(printable(&error.message()))
            }
            Err(error) => CredentialTest::Unknown(printable(&error.message())),
        })
    }

    fn timezone(&self) -> io::Result<Tz> {
        let default = system_timezone().unwrap_or(Tz::UTC);
        loop {
            let typed = self.text(&format!("Time zone of schedules and dates [{}]", default.name()))?;
            if typed.is_empty() {
                return Ok(default);
            }
            let known = |name: &str| name.parse::<Tz>().ok();
            let names: BTreeSet<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
            let near = nearest(&typed, names);
            match known(&typed).or_else(|| near.first().filter(|_| near.len() == 1).and_then(|name| known(name))) {
                Some(zone) => {
                    if zone.name() != typed {
                        print::stderr(&format!("{}\n", zone.name()));
                    }
                    return Ok(zone);
                }
                None if near.is_empty() => print::stderr(&format!(
                    "no time zone is named {}; write it as in Europe/Berlin\n",
                    printable(&typed)
                )),
                None => print::stderr(&format!(
                    "no time zone is named {}; did you mean {}?\n",
                    printable(&typed),
                    or_list(&near)
                )),
            }
        }
    }

    fn csv_profile(&self) -> io::Result<CsvProfile> {
        const CHOICES: [(&str, CsvProfile); 3] = [
            ("plain CSV, for programs and notebooks", CsvProfile::Plain),
            ("a spreadsheet that separates with commas (most English settings)", CsvProfile::Excel),
            ("a spreadsheet that separates with semicolons (most European settings)", CsvProfile::ExcelSemicolon),
        ];
        let chosen = self.choice("What opens the CSV files?", &CHOICES.map(|(text, _)| text))?;
        Ok(CHOICES[chosen].1)
    }

    fn first_export(&self, mode: Option<AppModeArg>) -> io::Result<FirstExport> {
        let items = FirstExport::ALL.map(FirstExport::description);
        let first = FirstExport::ALL[self.choice("What do you want to export first?", &items)?];
        if first == FirstExport::Playlists && mode != Some(AppModeArg::Extended) {
            print::stderr(
                "note: an app in Development Mode can read only playlists that a signed-in user owns or edits.\n",
            );
        }
        Ok(first)
    }

    fn ids(&self, list: &InputList) -> io::Result<Vec<String>> {
        loop {
            let typed = self.text(&format!("Your {}, separated by blanks [a few examples]", list.what))?;
            match list.parse(&typed) {
                Ok(ids) => return Ok(ids),
                Err(why) => print::stderr(&format!("{why}\n")),
            }
        }
    }
}

/// Whether Spotify accepts credentials.
enum CredentialTest {
    Accepted,
    Refused(String),
    Unknown(String),
}

/// The time zone of this machine, by its IANA name.
fn system_timezone() -> Option<Tz> {
    let named = std::env::var("TZ").ok().map(|name| name.trim_start_matches(':').to_owned());
    let linked = || {
        let path = std::fs::canonicalize(Path::new("/etc/localtime")).ok()?;
        Some(path.to_str()?.split_once("zoneinfo/")?.1.to_owned())
    };
    named.filter(|name| !name.is_empty()).or_else(linked)?.parse().ok()
}

//! `auth import`: imports grants from spotipy or from an organisation's own consent service.
//!
//! The whole file is checked before the first grant is stored. Messages never repeat a value, since it
//! might be a misplaced token.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{AuthError, ImportArgs, UserPrompt};
use crate::input_file;
use spotify_client::state::grants::{GrantError, GrantStore, NewGrant, SignInFlow, SpotifyAccount, check_user_name};

/// Files of thousands of grants have a few megabytes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The users of an imported file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Users with stored grants.
    pub stored: Vec<String>,
    /// Users who already had a grant with the same token.
    pub known: Vec<String>,
}

/// The position of a record, for messages.
struct ImportPosition<'a> {
    file: &'a str,
    line: Option<usize>,
}

impl ImportPosition<'_> {
    fn refuse(&self, why: impl Into<String>) -> AuthError {
        self.refuse_with(why, None)
    }

    fn refuse_with(&self, why: impl Into<String>, hint: Option<String>) -> AuthError {
        let from = self.line.map_or_else(|| self.file.to_owned(), |line| format!("{}:{line}", self.file));
        AuthError::Import { from, why: why.into(), hint }
    }
}

/// Reads a file of grants and stores them. `flow` is how users sign in to this app, if the file does not
/// say.
///
/// # Errors
///
/// If the file has another format, another client id, or a user who already has another grant. Nothing is
/// stored then.
pub async fn run(
    args: &ImportArgs,
    grants: &GrantStore,
    flow: SignInFlow,
    person: &mut dyn UserPrompt,
    now: DateTime<Utc>,
) -> Result<ImportReport, AuthError> {
    let name = args.file.display().to_string();
    let text = read(&args.file, &name, person)?;
    let whole = ImportPosition { file: &name, line: None };
    let new = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(record)) if record.contains_key("access_token") && !record.contains_key("user") => {
            vec![import_spotipy(args, &whole, &record, flow, person, now).await?]
        }
        _ => import_lines(&text, &name, (grants.client_id(), flow), now)?,
    };
    store(&new, grants, args.replace, &whole, now)
}

fn read(file: &Path, name: &str, person: &mut dyn UserPrompt) -> Result<String, AuthError> {
    let trouble = |source| AuthError::Io { action: format!("read {name}"), source };
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(trouble)?;
        return Ok(text);
    }
    let opened = input_file::open_file(file).map_err(|error| trouble(error.into_io()))?;
    let mode = opened.metadata().map_err(trouble)?.permissions().mode();
    if mode & 0o077 != 0 {
        person.tell(&format!(
            "warning: {name} contains tokens and is readable by other users (mode {:04o})",
            mode & 0o7777
        ));
    }
    let bytes = input_file::read_limited(&opened, MAX_FILE_BYTES).map_err(|error| trouble(error.into_io()))?;
    String::from_utf8(bytes).map_err(|_| trouble(std::io::Error::new(ErrorKind::InvalidData, "it is not UTF-8")))
}

/// Reads a spotipy cache, which has no client id, no day of consent, and the user only in the file name.
async fn import_spotipy(
    args: &ImportArgs,
    place: &ImportPosition<'_>,
    record: &Map<String, Value>,
    flow: SignInFlow,
    person: &mut dyn UserPrompt,
    now: DateTime<Utc>,
) -> Result<NewGrant, AuthError> {
    let file_name = args.file.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let user = args.user.clone().or_else(|| file_name.strip_prefix(".cache-").map(str::to_owned));
    let user = user.ok_or_else(|| {
        let hint = Some("name the user: cratedigger auth import FILE --user NAME".to_owned());
        place.refuse_with("this spotipy cache does not name its user", hint)
    })?;
    check_user_name(&user)?;
    let flow = args.flow.as_deref().and_then(SignInFlow::from_name).unwrap_or(flow);
    let mut authorized_at = args.authorized_on.map(start_of_day);
    while authorized_at.is_none() && person.is_interactive() {
        person
            .tell("on which day did the user give consent on Spotify (2026-05-31)? leave it empty if you do not know:");
        let line =
            person.read_line().await.map_err(|source| AuthError::Io { action: "read the day".to_owned(), source })?;
        let line = line.unwrap_or_default();
        match (line.trim(), line.trim().parse::<NaiveDate>()) {
            ("", _) => break,
            (_, Ok(day)) if start_of_day(day) <= now => authorized_at = Some(start_of_day(day)),
            _ => person.tell("that is not a day in the past; example: 2026-05-31"),
        }
    }
    if authorized_at.is_none() {
        person.tell("the day of consent is not known; the grant lasts at most six months from today");
    }
    Ok(NewGrant {
        user,
        refresh: text_field(record, "refresh_token", place)?
            .map(SecretString::from)
            .ok_or_else(|| place.refuse("contains no refresh token"))?,
        access: None,
        scopes: scopes_field(record, &["scope"], place)?,
        flow,
        account: None,
        authorized_at: checked_name(authorized_at, place, now)?,
        imported_at: Some(now),
        environment: None,
    })
}

const KEYS: [&str; 10] = [
    "user",
    "refresh_token",
    "scopes",
    "scope",
    "client_id",
    "flow",
    "authorized_at",
    "account_id",
    "user_id",
    "display_name",
];

/// Reads one JSON object per line.
fn import_lines(
    text: &str,
    file: &str,
    (client_id, flow): (&str, SignInFlow),
    now: DateTime<Utc>,
) -> Result<Vec<NewGrant>, AuthError> {
    let mut new = Vec::new();
    let mut users = BTreeSet::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = ImportPosition { file, line: Some(at + 1) };
        let hint = || {
            Some(r#"example of a line: {"user":"home","refresh_token":"…","scopes":["user-library-read"],"client_id":"…","flow":"pkce","authorized_at":"2026-05-31T12:00:00Z"}"#.to_owned())
        };
        let Ok(Value::Object(record)) = serde_json::from_str(line) else {
            return Err(place.refuse_with("is neither a spotipy cache nor a JSON line with a grant", hint()));
        };
        if let Some(odd) = record.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let plain = odd.len() <= 20 && odd.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let odd = if plain { format!("an unknown key `{odd}`") } else { "an unknown key".to_owned() };
            return Err(place.refuse_with(format!("has {odd}"), hint()));
        }
        let grant = import_line(&record, &place, (client_id, flow), now)?;
        if !users.insert(grant.user.clone()) {
            return Err(place.refuse(format!("user `{}` is listed twice", grant.user)));
        }
        new.push(grant);
    }
    if new.is_empty() {
        return Err(ImportPosition { file, line: None }.refuse("contains no grant"));
    }
    Ok(new)
}

fn import_line(
    record: &Map<String, Value>,
    place: &ImportPosition<'_>,
    (client_id, flow): (&str, SignInFlow),
    now: DateTime<Utc>,
) -> Result<NewGrant, AuthError> {
    let needed = |key: &str| text_field(record, key, place)?.ok_or_else(|| place.refuse(format!("`{key}` is missing")));
    let user = needed("user")?;
    check_user_name(&user).map_err(|error| place.refuse_with(error.to_string(), error.hint()))?;
    if needed("client_id")? != client_id {
        let hint = Some("a refresh token works only with the client id that it was issued for".to_owned());
        return Err(place.refuse_with("the client id differs from that of this app", hint));
    }
    let flow = match text_field(record, "flow", place)? {
        None => flow,
        Some(name) => SignInFlow::from_name(&name).ok_or_else(|| place.refuse("`flow` is neither code nor pkce"))?,
    };
    let authorized_at = match text_field(record, "authorized_at", place)? {
        None => None,
        Some(time) => Some(
            parse_time(&time)
                .ok_or_else(|| place.refuse("`authorized_at` is not a time such as 2026-05-31T12:00:00Z"))?,
        ),
    };
    let (account_id, display_name) =
        (text_field(record, "account_id", place)?, text_field(record, "display_name", place)?);
    Ok(NewGrant {
        user,
        refresh: SecretString::from(needed("refresh_token")?),
        access: None,
        scopes: scopes_field(record, &["scopes", "scope"], place)?,
        flow,
        account: text_field(record, "user_id", place)?.map(|user_id| SpotifyAccount {
            account_id,
            user_id,
            display_name,
        }),
        authorized_at: checked_name(authorized_at, place, now)?,
        imported_at: Some(now),
        environment: None,
    })
}

fn store(
    new: &[NewGrant],
    grants: &GrantStore,
    replace: bool,
    place: &ImportPosition<'_>,
    now: DateTime<Utc>,
) -> Result<ImportReport, AuthError> {
    let mut imported = ImportReport::default();
    let (mut others, mut locks, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    for grant in new {
        let held = match grants.get_with_tokens(&grant.user) {
            // Only its name is of interest. `--replace` replaces it.
            Err(GrantError::OtherServers { .. }) => None,
            held => held?,
        };
        let is_known = held.is_some() || grants.get(&grant.user)?.is_some();
        match held {
            Some(held) if GrantStore::has_token(&held, &grant.refresh) => {
                imported.known.push(grant.user.clone());
                continue;
            }
            _ if is_known && !replace => others.push(grant.user.clone()),
            _ if is_known => locks.push(grants.lock(&grant.user)?),
            _ => {}
        }
        fresh.push(grant.clone());
    }
    if let Some(first) = others.first() {
        let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
        let hint = Some("use --replace to replace existing grants".to_owned());
        return Err(place.refuse_with(
            format!("user `{first}`{more} is signed in already with another grant; nothing was imported"),
            hint,
        ));
    }
    grants.put(&fresh, now)?;
    imported.stored = fresh.into_iter().map(|grant| grant.user).collect();
    Ok(imported)
}

/// A text field that is present and not empty.
fn text_field(record: &Map<String, Value>, key: &str, place: &ImportPosition<'_>) -> Result<Option<String>, AuthError> {
    match record.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            Err(place.refuse(format!("`{key}` contains control characters")))
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(place.refuse(format!("`{key}` is not a string"))),
    }
}

/// Scopes as a list, or as a text separated by spaces or commas.
fn scopes_field(
    record: &Map<String, Value>,
    keys: &[&str],
    place: &ImportPosition<'_>,
) -> Result<Option<Vec<String>>, AuthError> {
    let Some((key, value)) = keys.iter().find_map(|key| Some((key, record.get(*key)?))) else {
        return Ok(None);
    };
    let words: Option<Vec<&str>> = match value {
        Value::Null => return Ok(None),
        Value::String(text) => Some(text.split([' ', ',']).filter(|it| !it.is_empty()).collect()),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let named = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && word.len() < 64;
    let words = words.filter(|words| words.iter().all(named));
    let words = words.ok_or_else(|| place.refuse(format!("`{key}` is not a list of scopes")))?;
    Ok(Some(words.into_iter().map(str::to_owned).collect()))
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    time.ok().or_else(|| text.parse::<NaiveDate>().ok().map(start_of_day))
}

fn start_of_day(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn checked_name(
    time: Option<DateTime<Utc>>,
    place: &ImportPosition<'_>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, AuthError> {
    match time {
        Some(time) if time > now + chrono::TimeDelta::days(1) => {
            Err(place.refuse("the day of consent is in the future"))
        }
        time => Ok(time),
    }
}

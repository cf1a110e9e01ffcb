//! `quota`: the calls of the last 24 hours against their ceilings, when the next ones become free, what
//! is held back and why, and what the app may call. Asks Spotify nothing.

mod text;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::Quota;
use super::workshop::{Workshop, booked};
use super::{Context, Exit, Failure, OrExit, print};
use crate::run::stamp;
use spotify_client::AppClass;
use spotify_client::family::Family;
use spotify_client::http::clock::{Clock, SystemClock};
use spotify_client::state::{Ceilings, FamilyUse, Learned, StateError, TokenKind, Usage, Word};

/// All that is shown.
struct Shown {
    usage: Usage,
    ceilings: Ceilings,
    class: Option<AppClass>,
    endpoints: Vec<Known>,
    now: DateTime<Utc>,
}

/// What is known of one family with one kind of token.
struct Known {
    family: Family,
    token: TokenKind,
    word: Option<&'static str>,
    evidence: Option<String>,
    learned_at: Option<DateTime<Utc>>,
}

/// Shows the books.
///
/// # Errors
///
/// If the state folder cannot be read; nothing is taken to be free then.
pub fn run(args: &Quota, context: &Context) -> Result<Exit, Failure> {
    let workshop = Workshop::open(context)?;
    let credentials = context.credentials()?;
    let who = workshop.books_of(&credentials);
    let learned = Learned::of(&workshop.state, &who);
    let now = SystemClock::new().now();
    if args.relearn {
        let forgotten = learned.forget("").map_err(booked)?;
        context.say(&format!(
            "forgot {forgotten} {} about what this app may call; the next runs learn it anew",
            if forgotten == 1 { "fact" } else { "facts" }
        ));
    }
    let class = workshop.class(&credentials)?;
    let ceilings = workshop.ceilings(&credentials)?;
    let usage = workshop.state.usage(&who, ceilings, now).map_err(booked)?;
    let endpoints = known(&learned, class, now.wall).map_err(booked)?;
    let shown = Shown { usage, ceilings, class, endpoints, now: now.wall };
    if context.json {
        print::json(&shown.json()).or_exit(Exit::Storage)?;
    } else {
        print::stdout(&text::of(&shown)).or_exit(Exit::Storage)?;
    }
    Ok(Exit::Complete)
}

/// Every family with each kind of token that can open it, and what is known of it.
fn known(learned: &Learned, class: Option<AppClass>, now: DateTime<Utc>) -> Result<Vec<Known>, StateError> {
    let by_asking = learned.endpoints(now)?;
    let since = learned.fact("app_class")?;
    let lost = |family: Family| class == Some(AppClass::Development) && family.removed_in_development();
    let kinds = |family: &Family| {
        let family = *family;
        TokenKind::ALL
            .into_iter()
            .filter(move |kind| *kind == TokenKind::User || !family.needs_a_user())
            .map(move |token| (family, token))
    };
    let each = Family::ALL.iter().flat_map(kinds).map(|(family, token)| {
        match by_asking.iter().find(|it| it.family == family.as_str() && it.token == token) {
            Some(it) => Known {
                family,
                token,
                word: Some(it.word.as_str()),
                evidence: Some(it.evidence.clone()),
                learned_at: Some(it.learned_at),
            },
            // Nobody asked: it is not learned of this app, but known of its class.
            None if lost(family) => Known {
                family,
                token,
                word: Some("not for apps in Development Mode"),
                evidence: Some("apps in Development Mode lost it in February 2026".to_owned()),
                learned_at: since.as_ref().map(|fact| fact.learned_at),
            },
            None => Known { family, token, word: None, evidence: None, learned_at: None },
        }
    });
    Ok(each.collect())
}

impl Shown {
    fn json(&self) -> Value {
        let usage = &self.usage;
        let cool_downs: Vec<Value> = usage
            .cool_downs
            .iter()
            .map(|it| {
                json!({
                    "holds": it.reach.text(), "family": some(&it.family), "reason": it.reason.text(),
                    "since": stamp(it.set_at), "until": stamp(it.until), "evidence": it.evidence,
                })
            })
            .collect();
        let refusals: Vec<Value> = usage
            .refusals
            .iter()
            .map(|it| {
                json!({
                    "family": it.family, "reason": it.reason.text(), "at": stamp(it.at),
                    "until": stamp(it.until), "evidence": it.evidence,
                })
            })
            .collect();
        let learned: Vec<Value> = usage
            .learned
            .iter()
            .map(|it| {
                json!({
                    "family": some(&it.family), "calls": it.calls, "now": it.now, "learned_at": stamp(it.at),
                    "evidence": it.evidence,
                })
            })
            .collect();
        let endpoints: Vec<Value> = self.endpoints.iter().map(Known::json).collect();
        json!({
            "at": stamp(self.now),
            "app_class": self.class.map(AppClass::as_str),
            "ceilings": {
                "calls_per_day": self.ceilings.per_day, "calls_per_family": self.ceilings.per_family,
                "reserve": self.ceilings.reserve,
            },
            "account": used_json(&usage.account),
            "families": usage.families.iter().map(used_json).collect::<Vec<_>>(),
            "cool_downs": cool_downs,
            "refusals": refusals,
            "learned_ceilings": learned,
            "pace": usage.pace.map(|(calls, window_ms, at)| json!({
                "calls": calls, "window_ms": window_ms, "learned_at": stamp(at),
            })),
            "endpoints": endpoints,
        })
    }
}

impl Known {
    /// `allowed`, `refused` or `unknown`.
    fn state(&self) -> &'static str {
        match self.word {
            None => "unknown",
            Some(word) if word == Word::Allowed.as_str() => "allowed",
            Some(_) => "refused",
        }
    }

    fn json(&self) -> Value {
        json!({
            "family": self.family.as_str(), "token": self.token.as_str(), "state": self.state(),
            "how": self.word, "learned_at": self.learned_at.map(stamp), "evidence": self.evidence,
        })
    }
}

fn used_json(used: &FamilyUse) -> Value {
    let freed: Vec<Value> = used
        .freed
        .iter()
        .map(|it| json!({ "calls": it.calls, "from": stamp(it.from), "until": stamp(it.until) }))
        .collect();
    json!({
        "family": some(&used.family), "used": used.used, "ceiling": used.ceiling, "left": used.left,
        "held_until": used.held_until.map(stamp),
        "next_free_at": used.next_free_at.map(stamp), "becomes_free": freed,
    })
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

//! `quota`: shows the calls of the last 24 hours with their ceilings, when the next calls become free,
//! cool-downs with their reasons, and what the app may call. It sends no calls.

mod text;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::app::App;
use super::args::QuotaArgs;
use super::error_exits::ledger_error;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::store::timestamp;
use spotify_client::AppClass;
use spotify_client::Deferral;
use spotify_client::family::EndpointFamily;
use spotify_client::state::{
    CallCeilings, EndpointAccess, FamilyUsage, LearnedFacts, LedgerUsage, StateError, TokenKind,
};

struct QuotaReport {
    usage: LedgerUsage,
    ceilings: CallCeilings,
    class: Option<AppClass>,
    endpoints: Vec<EndpointKnowledge>,
    now: DateTime<Utc>,
}

/// The known access to one family with one kind of token.
struct EndpointKnowledge {
    family: EndpointFamily,
    token: TokenKind,
    word: Option<&'static str>,
    evidence: Option<String>,
    learned_at: Option<DateTime<Utc>>,
}

/// Prints the ledger.
///
/// # Errors
///
/// If the state folder cannot be read.
pub fn run(args: &QuotaArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let app = App::open(context, &settings)?;
    let learned = LearnedFacts::new(&app.state, &app.ledger_identity()?);
    let now = context.clock.now();
    if args.relearn {
        let forgotten = learned.forget("").map_err(ledger_error)?;
        context.notice(&format!(
            "forgot {forgotten} {} about what this app may call; the next runs find out again",
            if forgotten == 1 { "fact" } else { "facts" }
        ));
    }
    let class = app.app_class()?;
    let ceilings = app.call_ceilings()?;
    let usage = app.usage(ceilings)?;
    let endpoints = endpoint_knowledge(&learned, class, now.wall).map_err(ledger_error)?;
    let shown = QuotaReport { usage, ceilings, class, endpoints, now: now.wall };
    if context.json {
        print::json(&shown.json()).or_exit(ExitStatus::Storage)?;
    } else {
        print::paragraphs(&text::quota_text(&shown)).or_exit(ExitStatus::Storage)?;
    }
    Ok(ExitStatus::Complete)
}

/// The known access to every family with each kind of token that it accepts.
fn endpoint_knowledge(
    learned: &LearnedFacts,
    class: Option<AppClass>,
    now: DateTime<Utc>,
) -> Result<Vec<EndpointKnowledge>, StateError> {
    let by_asking = learned.endpoints(now)?;
    let since = learned.fact("app_class")?;
    let lost = |family: EndpointFamily| class == Some(AppClass::Development) && family.removed_in_development();
    let kinds = |family: &EndpointFamily| {
        let family = *family;
        TokenKind::ALL
            .into_iter()
            .filter(move |kind| *kind == TokenKind::User || !family.requires_user())
            .map(move |token| (family, token))
    };
    let each = EndpointFamily::ALL.iter().flat_map(kinds).map(|(family, token)| {
        match by_asking.iter().find(|it| it.family == family.as_str() && it.token == token) {
            Some(it) => EndpointKnowledge {
                family,
                token,
                word: Some(it.access.as_str()),
                evidence: Some(it.evidence.clone()),
                learned_at: Some(it.learned_at),
            },
            // This app has not tried, but the rule for its class is known.
            None if lost(family) => EndpointKnowledge {
                family,
                token,
                word: Some("not for apps in Development Mode"),
                evidence: Some("apps in Development Mode lost access in February 2026".to_owned()),
                learned_at: since.as_ref().map(|fact| fact.learned_at),
            },
            None => EndpointKnowledge { family, token, word: None, evidence: None, learned_at: None },
        }
    });
    Ok(each.collect())
}

impl QuotaReport {
    fn json(&self) -> Value {
        let usage = &self.usage;
        let cool_downs: Vec<Value> = usage
            .cool_downs
            .iter()
            .map(|it| {
                let Deferral { scope, reason, until, evidence } = &it.deferral;
                json!({
                    "holds": scope.as_str(), "family": scope.family().map(EndpointFamily::as_str),
                    "reason": reason.as_str(), "since": timestamp(it.set_at), "until": timestamp(*until),
                    "evidence": evidence,
                })
            })
            .collect();
        let refusals: Vec<Value> = usage
            .refusals
            .iter()
            .map(|it| {
                json!({
                    "family": it.family, "reason": it.reason.as_str(), "at": timestamp(it.at),
                    "until": timestamp(it.until), "evidence": it.evidence,
                })
            })
            .collect();
        let learned: Vec<Value> = usage
            .learned
            .iter()
            .map(|it| {
                json!({
                    "family": some(&it.family), "calls": it.calls, "now": it.now, "learned_at": timestamp(it.at),
                    "evidence": it.evidence,
                })
            })
            .collect();
        let endpoints: Vec<Value> = self.endpoints.iter().map(EndpointKnowledge::json).collect();
        json!({
            "at": timestamp(self.now),
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
                "calls": calls, "window_ms": window_ms, "learned_at": timestamp(at),
            })),
            "endpoints": endpoints,
        })
    }
}

impl EndpointKnowledge {
    /// `allowed`, `refused` or `unknown`.
    fn state(&self) -> &'static str {
        match self.word {
            None => "unknown",
            Some(word) if word == EndpointAccess::Allowed.as_str() => "allowed",
            Some(_) => "refused",
        }
    }

    fn json(&self) -> Value {
        json!({
            "family": self.family.as_str(), "token": self.token.as_str(), "state": self.state(),
            "how": self.word, "learned_at": self.learned_at.map(timestamp), "evidence": self.evidence,
        })
    }
}

fn used_json(used: &FamilyUsage) -> Value {
    let freed: Vec<Value> = used
        .freed
        .iter()
        .map(|it| json!({ "calls": it.calls, "from": timestamp(it.from), "until": timestamp(it.until) }))
        .collect();
    json!({
        "family": some(&used.family), "used": used.used, "ceiling": used.ceiling, "left": used.left,
        "held_until": used.blocked_until.map(timestamp),
        "next_free_at": used.next_free_at.map(timestamp), "becomes_free": freed,
    })
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

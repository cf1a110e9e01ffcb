//! The decision after each outcome: every status, every odd `Retry-After`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use spotify_client::family::EndpointFamily;
use spotify_client::http::retry::{
    AttemptHistory, AttemptOutcome, GiveUpReason, RetryDecision, RetryRules, decide, decide_token,
};
use spotify_client::http::retry_after::{MAX_BELIEVED_WAIT, RetryAfter, read};
use spotify_client::{DeferralReason, DeferralScope};

use crate::support::snapshot::Cases;

const FAMILY: EndpointFamily = EndpointFamily::ALBUMS;
const FIRST: AttemptHistory = AttemptHistory {
    attempt: 1,
    token_renewed: false,
    may_retry: true,
    unstated_refusals: 0,
    family_refusals: 0,
    jitter: 0.5,
};

fn answered(status: u16, retry_after: RetryAfter) -> AttemptOutcome {
    AttemptOutcome::Answered { status, retry_after, quota: false, conditional: false }
}

fn word(decision: RetryDecision) -> &'static str {
    match decision {
        RetryDecision::Done => "done",
        RetryDecision::Again { .. } => "again",
        RetryDecision::RefreshToken => "refresh",
        RetryDecision::Defer { .. } => "defer",
        RetryDecision::GiveUp(_) => "give up",
    }
}

/// Ranges of statuses with the same decision.
fn ranges(decide: impl Fn(u16) -> &'static str) -> String {
    let mut ranges: Vec<(u16, u16, &str)> = Vec::new();
    for status in 100..=599 {
        let word = decide(status);
        match ranges.last_mut() {
            Some((_, last, same)) if *same == word => *last = status,
            _ => ranges.push((status, status, word)),
        }
    }
    ranges.into_iter().map(|(first, last, word)| format!("{first} to {last}: {word}\n")).collect()
}

#[test]
fn every_status_has_its_decision() {
    let rules = RetryRules::default();
    let last = AttemptHistory { attempt: u32::from(u8::MAX), ..FIRST };
    let renewed = AttemptHistory { token_renewed: true, ..FIRST };
    let no_budget = AttemptHistory { may_retry: false, ..FIRST };
    let mut cases = Cases::new();
    let status = |status| answered(status, RetryAfter::Nothing);
    cases.add("a call, first try", &ranges(|code| word(decide(FAMILY, status(code), &FIRST, &rules))));
    cases.add("a call, last try", &ranges(|code| word(decide(FAMILY, status(code), &last, &rules))));
    cases.add("a call with a new token", &ranges(|code| word(decide(FAMILY, status(code), &renewed, &rules))));
    cases.add("a call when no budget is left", &ranges(|code| word(decide(FAMILY, status(code), &no_budget, &rules))));
    let quota =
        |status| AttemptOutcome::Answered { status, retry_after: RetryAfter::Nothing, quota: true, conditional: false };
    cases
        .add("a call, the answer speaks of a quota", &ranges(|code| word(decide(FAMILY, quota(code), &FIRST, &rules))));
    let conditional =
        |status| AttemptOutcome::Answered { status, retry_after: RetryAfter::Nothing, quota: false, conditional: true };
    cases.add("a conditional call", &ranges(|code| word(decide(FAMILY, conditional(code), &FIRST, &rules))));
    cases.add("a token request", &ranges(|code| word(decide_token(status(code), &FIRST, &rules))));
    cases.assert_text("statuses");
}

#[test]
fn only_conditional_requests_accept_304() {
    let outcome = |conditional| AttemptOutcome::Answered {
        status: 304,
        retry_after: RetryAfter::Nothing,
        quota: false,
        conditional,
    };
    let rules = RetryRules::default();
    assert_eq!(decide(FAMILY, outcome(true), &FIRST, &rules), RetryDecision::Done);
    assert_eq!(decide(FAMILY, outcome(false), &FIRST, &rules), RetryDecision::GiveUp(GiveUpReason::Final));
}

#[test]
fn second_401_with_a_new_token_is_final() {
    let tried = AttemptHistory { token_renewed: true, ..FIRST };
    let decision = decide(FAMILY, answered(401, RetryAfter::Nothing), &tried, &RetryRules::default());
    assert_eq!(decision, RetryDecision::GiveUp(GiveUpReason::Unauthorized));
}

#[test]
fn failures_retry_four_times_and_double() {
    for outcome in [AttemptOutcome::Lost, AttemptOutcome::Unusable, answered(502, RetryAfter::Nothing)] {
        let pauses: Vec<RetryDecision> = (1..=5)
            .map(|attempt| {
                let tried = AttemptHistory { attempt, jitter: 1.0, ..FIRST };
                decide(FAMILY, outcome, &tried, &RetryRules::default())
            })
            .collect();
        let again = |ms| RetryDecision::Again { after: Duration::from_millis(ms) };
        assert_eq!(
            pauses,
            [again(500), again(1_000), again(2_000), again(4_000), RetryDecision::GiveUp(GiveUpReason::Attempts)]
        );
    }
}

#[test]
fn no_retry_budget_means_no_retry() {
    let tried = AttemptHistory { may_retry: false, ..FIRST };
    let decision = decide(FAMILY, AttemptOutcome::Lost, &tried, &RetryRules::default());
    assert_eq!(decision, RetryDecision::GiveUp(GiveUpReason::Budget));
}

#[test]
fn certificate_is_never_tried_twice() {
    let decision = decide(FAMILY, AttemptOutcome::Certificate, &FIRST, &RetryRules::default());
    assert_eq!(decision, RetryDecision::GiveUp(GiveUpReason::Certificate));
}

fn deferred(outcome: AttemptOutcome, unsaid: u32, refused: u32) -> (DeferralScope, u64, DeferralReason) {
    let tried = AttemptHistory { unstated_refusals: unsaid, family_refusals: refused, jitter: 0.0, ..FIRST };
    match decide(FAMILY, outcome, &tried, &RetryRules::default()) {
        RetryDecision::Defer { scope: reach, wait, reason } => (reach, wait.as_secs(), reason),
        other => panic!("not deferred but {other:?}"),
    }
}

#[test]
fn refusal_holds_only_its_scope() {
    let wait = RetryAfter::Wait(Duration::from_secs(7));
    let limited = |status, retry_after| deferred(answered(status, retry_after), 0, 0);
    assert_eq!(limited(429, wait), (DeferralScope::Client, 7, DeferralReason::RateLimit));
    assert_eq!(limited(503, wait), (DeferralScope::Client, 7, DeferralReason::Unavailable));
    let day = (DeferralScope::Client, 86_400, DeferralReason::RateLimit);
    assert_eq!(limited(429, RetryAfter::Absurd), day);
    let quota = |retry_after| AttemptOutcome::Answered { status: 429, retry_after, quota: true, conditional: false };
    let family = |secs| (DeferralScope::Family(FAMILY), secs, DeferralReason::Quota);
    assert_eq!(deferred(quota(wait), 0, 0), family(7));
    assert_eq!(deferred(quota(RetryAfter::Nothing), 0, 0), family(86_400));
}

#[test]
fn token_request_retries_server_failures_only() {
    let mut runs: Vec<(u16, u16, &str)> = Vec::new();
    for status in 100..=599 {
        let decision = word(decide_token(answered(status, RetryAfter::Nothing), &FIRST, &RetryRules::default()));
        match runs.last_mut() {
            Some((_, last, same)) if *same == decision => *last = status,
            _ => runs.push((status, status, decision)),
        }
    }
    let expected = [
        (100, 199, "give up"),
        (200, 200, "done"),
        (201, 428, "give up"),
        (429, 429, "defer"),
        (430, 499, "give up"),
        (500, 599, "again"),
    ];
    assert_eq!(runs, expected);
    let wait = RetryAfter::Wait(Duration::from_secs(7));
    for status in [429, 503] {
        let tried = AttemptHistory { family_refusals: 9, jitter: 0.0, ..FIRST };
        let decision = decide_token(answered(status, wait), &tried, &RetryRules::default());
        let (scope, wait, reason) = (DeferralScope::Client, Duration::from_secs(7), DeferralReason::Accounts);
        assert_eq!(decision, RetryDecision::Defer { scope, wait, reason }, "whatever came before");
    }
}

#[test]
fn refusals_without_a_time_double_their_wait() {
    let outcome = answered(429, RetryAfter::Nothing);
    let waits: Vec<u64> = (0..10).map(|unsaid| deferred(outcome, unsaid, 0).1).collect();
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
}

#[test]
fn six_refusals_park_the_family_for_a_day() {
    let outcome = answered(429, RetryAfter::Wait(Duration::from_secs(1)));
    assert_eq!(deferred(outcome, 0, 4), (DeferralScope::Client, 1, DeferralReason::RateLimit));
    let day = (DeferralScope::Family(FAMILY), 86_400, DeferralReason::RateLimit);
    assert_eq!(deferred(outcome, 0, 5), day);
}

fn noon() -> DateTime<Utc> {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

#[test]
fn every_known_retry_after_form_is_read() {
    let secs = |n| RetryAfter::Wait(Duration::from_secs(n));
    let now = noon();
    let plain = |text| read(Some(text), None, now);
    for (text, expected) in [
        ("5", secs(5)),
        (" 7 ", secs(7)),
        ("1.2", secs(2)),
        ("86400", secs(86_400)),
        ("604800", secs(604_800)),
        ("604801", RetryAfter::Absurd),
        ("99999999999999999999999999", RetryAfter::Absurd),
        ("1e300", RetryAfter::Absurd),
        ("0", RetryAfter::Nothing),
        ("-5", RetryAfter::Nothing),
        ("soon", RetryAfter::Nothing),
        ("NaN", RetryAfter::Nothing),
        ("inf", RetryAfter::Nothing),
        ("", RetryAfter::Nothing),
        ("Mon, 23 Nov 2026 12:00:30 GMT", secs(30)),
        ("Mon, 23 Nov 2026 11:00:00 GMT", RetryAfter::Nothing),
        ("Mon, 23 Nov 2037 11:00:00 GMT", RetryAfter::Absurd),
    ] {
        assert_eq!(plain(text), expected, "{text}");
    }
    assert_eq!(read(None, None, now), RetryAfter::Nothing);
}

#[test]
fn date_counts_from_the_server_clock() {
    // The server's clock is two hours behind ours, and it asks for 90 s.
    let header = Some("Mon, 23 Nov 2026 10:01:30 GMT");
    let date = Some("Mon, 23 Nov 2026 10:00:00 GMT");
    let expected = RetryAfter::Wait(Duration::from_secs(90));
    assert_eq!(read(header, date, noon()), expected);
}

proptest! {
    #[test]
    fn any_header_gives_a_wait_of_number_or_date(
        text in prop_oneof!["\\PC{0,40}", "[ 0-9.eE+-]{0,12}", "[A-Z][a-z]{2}, [0-9]{2} Nov 20[0-9]{2} [0-9:]{8} GMT"],
        date in prop::option::of("\\PC{0,40}"),
    ) {
        match read(Some(&text), date.as_deref(), noon()) {
            RetryAfter::Wait(wait) => {
                prop_assert!(wait > Duration::ZERO && wait <= MAX_BELIEVED_WAIT);
                let seconds = text.trim().parse::<f64>().ok();
                let until = httpdate::parse_http_date(text.trim()).ok();
                prop_assert!(seconds.is_some() || until.is_some(), "{:?} says nothing", text);
                prop_assert!(seconds.is_none_or(|seconds| wait.as_secs_f64() >= seconds && wait.as_secs_f64() < seconds + 1.0));
            }
            RetryAfter::Absurd => prop_assert!(text.trim().parse::<f64>().is_ok_and(|n| n > 604_800.0) || text.contains("GMT")),
            RetryAfter::Nothing => {
                let digits = text.trim().bytes().all(|byte| byte.is_ascii_digit());
                prop_assert!(!digits || text.trim().bytes().all(|byte| byte == b'0'), "{:?} is a number", text);
            }
        }
    }

    #[test]
    fn retry_after_seconds_are_exact(wait in 1_u64..=604_800) {
        let expected = RetryAfter::Wait(Duration::from_secs(wait));
        prop_assert_eq!(read(Some(&wait.to_string()), None, noon()), expected);
    }

    #[test]
    fn date_ignores_the_local_clock(
        wait in 1_u64..=604_800,
        sent in 1_500_000_000_u64..2_500_000_000,
        form in 0..3_usize,
    ) {
        let at = |seconds: u64| DateTime::from_timestamp(i64::try_from(seconds).unwrap(), 0).unwrap();
        let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
        let until = at(sent + wait).format(forms[form]).to_string();
        let date = at(sent).format(forms[0]).to_string();
        prop_assert_eq!(read(Some(&until), Some(&date), noon()), RetryAfter::Wait(Duration::from_secs(wait)));
        prop_assert_eq!(read(Some(&until), None, at(sent)), RetryAfter::Wait(Duration::from_secs(wait)));
    }

    #[test]
    fn jitter_only_adds(wait in 1_u64..=604_800, jitter in 0.0..=1.0_f64) {
        let outcome = answered(429, RetryAfter::Wait(Duration::from_secs(wait)));
        let tried = AttemptHistory { jitter, ..FIRST };
        let RetryDecision::Defer { wait: stated, .. } = decide(FAMILY, outcome, &tried, &RetryRules::default()) else {
            panic!("a 429 defers");
        };
        prop_assert!(stated >= Duration::from_secs(wait));
        prop_assert!(stated <= Duration::from_secs(wait + 1));
    }
}

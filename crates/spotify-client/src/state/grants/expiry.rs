//! When a consent ends, and when the user is warned.
//!
//! Spotify ends a consent six months after it was given, however often it was refreshed (since June 2026
//! for new apps, July 2026 for all). No response says when, so it is calculated here, in calendar months
//! as Spotify does. The user has to sign in again, and is warned weeks ahead: once each at 30, 14, 7 and 1
//! days.

use chrono::{DateTime, Months, Utc};

use super::grant::Grant;

/// How long a consent holds.
const MONTHS: Months = Months::new(6);
/// Days before the end at which it is said, each once.
const WARNINGS: [u32; 4] = [30, 14, 7, 1];

/// When a grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantEnd {
    /// The last instant at which it may still work.
    pub at: DateTime<Utc>,
    /// The day of consent is not known: it ends then at the latest.
    pub at_most: bool,
}

impl GrantEnd {
    /// Whole days left; 0 on the last day and after it.
    pub fn days_left(&self, now: DateTime<Utc>) -> u32 {
        u32::try_from((self.at - now).num_days().max(0)).unwrap_or(u32::MAX)
    }

    /// Whether it is over.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        now >= self.at
    }
}

/// When this grant ends: six calendar months after the consent, or after the import if the day of consent
/// is unknown.
pub fn grant_end(grant: &Grant) -> Option<GrantEnd> {
    let from = grant.authorized_at.or(grant.imported_at)?;
    Some(GrantEnd { at: from.checked_add_months(MONTHS)?, at_most: grant.authorized_at.is_none() })
}

/// The warning to give now, in days before the end (30, 14, 7 or 1), if one is due that was not
/// given yet. A warning that was missed is not made up for by a smaller one that was given.
pub fn warning_due(grant: &Grant, last_warned: Option<u32>, now: DateTime<Utc>) -> Option<u32> {
    let end = grant_end(grant)?;
    let left = end.at - now;
    let due = WARNINGS.into_iter().rev().find(|days| left <= chrono::TimeDelta::days(i64::from(*days)))?;
    last_warned.is_none_or(|last| due < last).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::super::grant::{GrantState, SignInFlow};
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn consented(day: &str) -> Grant {
        Grant {
            user: "home".to_owned(),
            client_id: "app".to_owned(),
            account: None,
            scopes: None,
            flow: SignInFlow::Code,
            authorized_at: Some(at(day)),
            imported_at: None,
            environment: None,
            expires_at: None,
            generation: 1,
            state: GrantState::Ok,
            state_at: at(day),
            state_reason: String::new(),
            warned_days: None,
            given_at: at(day),
        }
    }

    #[test]
    fn a_consent_ends_after_six_calendar_months() {
        let grant = consented("2026-08-31T10:00:00Z");
        let end = grant_end(&grant).unwrap();
        assert_eq!(end.at, at("2027-02-28T10:00:00Z"));
        assert_eq!(end.days_left(at("2026-08-31T10:00:00Z")), 181);
        assert_eq!(end.days_left(at("2027-02-27T09:59:59Z")), 1);
        assert!(!end.is_over(at("2027-02-28T09:59:59Z")));
        assert!(end.is_over(at("2027-02-28T10:00:00Z")));
        assert_eq!(end.days_left(at("2028-01-01T00:00:00Z")), 0);
    }

    #[test]
    fn unknown_consent_day_allows_six_months_at_most() {
        let mut grant = consented("2026-08-31T10:00:00Z");
        grant.imported_at = grant.authorized_at.take();
        let end = grant_end(&grant).unwrap();
        assert!(end.at_most);
        assert_eq!(end.at, at("2027-02-28T10:00:00Z"));
    }

    #[test]
    fn each_of_the_four_warnings_is_given_once() {
        let grant = consented("2026-05-01T00:00:00Z");
        let mut warned = None;
        let mut said = Vec::new();
        for hour in 0..24 * 190 {
            let now = at("2026-05-01T00:00:00Z") + chrono::TimeDelta::hours(hour);
            if let Some(days) = warning_due(&grant, warned, now) {
                said.push((days, hour / 24));
                warned = Some(days);
            }
        }
        // 1 May to 1 November: 184 days.
        assert_eq!(said, [(30, 154), (14, 170), (7, 177), (1, 183)]);
    }

    #[test]
    fn long_pause_gives_only_the_most_urgent_warning() {
        let grant = consented("2026-05-01T00:00:00Z");
        let late = at("2026-10-28T00:00:00Z");
        assert_eq!(warning_due(&grant, Some(30), late), Some(7));
        assert_eq!(warning_due(&grant, Some(7), late), None);
    }
}

//! The table of anomalies: every kind of unexpected answer, and how it is treated.
//!
//! Each row of `skipped_items` has one of these reasons. `docs/reliability.md` shows the table, and `verify` finds out
//! from it which reasons a complete fetch cannot have. To add a kind of anomaly, add a row here and name its tests.

use std::fmt::Write as _;

/// What an anomaly means for the state of its fetch, and for the exit code of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnomalyEffect {
    /// The fetch is complete. The anomaly is only noted.
    Noted,
    /// The fetch is partial.
    Partial,
    /// The list was not proved complete, so the fetch is partial.
    Unproved,
    /// The fetch is partial until a run of the job has reported it.
    PartialOnce,
}

impl AnomalyEffect {
    /// The state of a fetch that has no other problem.
    pub fn state(self) -> &'static str {
        match self {
            AnomalyEffect::Noted => "complete",
            AnomalyEffect::Partial | AnomalyEffect::Unproved => "partial",
            AnomalyEffect::PartialOnce => "partial, and complete once it was reported",
        }
    }

    /// The exit code of a run that has no other problem.
    pub fn exit_code(self) -> &'static str {
        match self {
            AnomalyEffect::Noted => "0",
            AnomalyEffect::Partial | AnomalyEffect::Unproved => "3",
            AnomalyEffect::PartialOnce => "3, then 0",
        }
    }
}

/// A kind of anomaly.
#[derive(Debug, Clone, Copy)]
pub struct Anomaly {
    /// The word for it in `skipped_items.reason`.
    pub reason: &'static str,
    /// What Spotify does.
    pub what: &'static str,
    /// What has to be seen before it counts.
    pub evidence: &'static str,
    /// The stored rows.
    pub stored: &'static str,
    pub effect: AnomalyEffect,
    /// Calls that it costs besides those of a list in order.
    pub calls: &'static str,
    /// Names of the tests that hold the row.
    pub tests: &'static [&'static str],
}

/// All kinds of anomalies: those of one item, of one id, of a page, and of a whole list.
pub const ANOMALIES: &[Anomaly] = &[
    Anomaly {
        reason: "null_item",
        what: "an entry of a list is null",
        evidence: "the answer",
        stored: "its position stays empty; a playlist has a row without a URI there",
        effect: AnomalyEffect::Noted,
        calls: "none in the run that finds it. Later runs that do not read the list whole look at one page with such places: 5 runs in a row, then after pauses of 1, 2, 4, 8, 16 and 32 days, and at 10 lists of a fetch at most. Where an item came, the list is read whole",
        tests: &[
            "null_rows_and_duplicates_are_noted",
            "late_items_of_empty_places_are_noticed",
            "constant_gaps_cost_less_and_less",
        ],
    },
    Anomaly {
        reason: "malformed",
        what: "an entry of a list cannot be read",
        evidence: "the answer",
        stored: "its position stays empty; a playlist has a row without a URI there",
        effect: AnomalyEffect::Noted,
        calls: "as for null_item",
        tests: &["any_json_item_is_stored_or_counted", "late_items_of_empty_places_are_noticed"],
    },
    Anomaly {
        reason: "other_kind",
        what: "an entry of a list, or a hit of a search, is of another kind, as a track among albums",
        evidence: "the answer",
        stored: "its position stays empty",
        effect: AnomalyEffect::Noted,
        calls: "as for null_item",
        tests: &["item_of_another_kind_is_no_row"],
    },
    Anomaly {
        reason: "other_group",
        what: "a release in the list of a group of a discography says that it is of another group: the server ignores `include_groups`",
        evidence: "the answer",
        stored: "its position stays empty; the release has its row in the list of its own group, if that is requested",
        effect: AnomalyEffect::Noted,
        calls: "as for null_item",
        tests: &["ignored_groups_repeat_no_release", "group_is_compared_where_it_is_said"],
    },
    Anomaly {
        reason: "read_alone",
        what: "an entry of a list is null, or the list ends before it, but it comes when it is requested alone",
        evidence: "the answer of a look for missing items, and the list read whole",
        stored: "the item that came alone",
        effect: AnomalyEffect::Noted,
        calls: "those of null_item; behind the end of the list one for each item, and two more",
        tests: &["item_that_comes_only_alone_is_stored", "end_that_comes_only_alone_is_stored"],
    },
    Anomaly {
        reason: "listed_twice",
        what: "an item is twice in a list that cannot hold it twice, or a hit twice in a search",
        evidence: "the same rows in two reads, the second of which divides the list into other pages. One answer is enough for up to five items that are far from each other, if they were there twice before or as many different items remain as announced",
        stored: "one row of each item. If the total says that nothing was removed, the item whose place it has stays",
        effect: AnomalyEffect::Noted,
        calls: "none, or one more read of the list; later as for null_item",
        tests: &[
            "null_rows_and_duplicates_are_noted",
            "item_in_place_of_another_is_noticed",
            "other_pages_show_what_an_early_page_hides",
            "place_of_a_double_is_looked_at",
            "repeated_hit_counts_once",
        ],
    },
    Anomaly {
        reason: "not_found",
        what: "404 or 410 for an id or a list, or null for an id of a batch",
        evidence: "the answer",
        stored: "the earlier rows stay; the id is not requested for a week. An id that was read before is still requested until two refusals are a day apart",
        effect: AnomalyEffect::PartialOnce,
        calls: "none",
        tests: &["missing_items_are_reported_once_per_job"],
    },
    Anomaly {
        reason: "forbidden",
        what: "403 for an id or a list",
        evidence: "the answer",
        stored: "the earlier rows stay; the id is not requested for a week. An id that was read before is still requested until two refusals are a day apart",
        effect: AnomalyEffect::PartialOnce,
        calls: "none",
        tests: &["refused_profile_costs_itself_only"],
    },
    Anomaly {
        reason: "not_for_this_app",
        what: "403 for an endpoint that apps in Development Mode do not have",
        evidence: "the answer",
        stored: "the earlier rows stay",
        effect: AnomalyEffect::Partial,
        calls: "none",
        tests: &["lost_stream_keeps_its_last_csv"],
    },
    Anomaly {
        reason: "bad_request",
        what: "400 or 422 for an id or a list",
        evidence: "the answer",
        stored: "the earlier rows stay",
        effect: AnomalyEffect::Partial,
        calls: "a batch is requested once more, and then in halves: for one bad id of 50 at most 13 calls. The next run requests the id last",
        tests: &[
            "refused_profile_costs_itself_only",
            "refused_id_is_found_in_its_batch",
            "stray_refusal_of_a_batch_costs_one_call",
        ],
    },
    Anomaly {
        reason: "unexpected_status",
        what: "a redirect, or a status that Spotify does not document, for an id or a list",
        evidence: "the answer",
        stored: "the earlier rows stay",
        effect: AnomalyEffect::Partial,
        calls: "as for bad_request",
        tests: &["redirect_is_an_error_and_not_followed", "stray_refusal_of_a_batch_costs_one_call"],
    },
    Anomaly {
        reason: "server_error",
        what: "5xx for an id or a list while other calls are answered",
        evidence: "five answers; two for an id that failed before. Where three or four ids or lists of an endpoint failed in a row and another endpoint still answers, the rest of the fetch is not requested",
        stored: "the earlier rows stay; the next run tries it again, after the others",
        effect: AnomalyEffect::Partial,
        calls: "4, and 1 in later runs; 1 to another endpoint after three or four in a row",
        tests: &["failing_resource_costs_itself_only", "failing_endpoint_costs_its_fetch_only"],
    },
    Anomaly {
        reason: "no_answer",
        what: "no answer for an id or a list while other calls are answered",
        evidence: "five attempts; two for an id that failed before",
        stored: "the earlier rows stay; the next run tries it again, after the others",
        effect: AnomalyEffect::Partial,
        calls: "4, and 1 in later runs",
        tests: &["silent_resource_costs_itself_only"],
    },
    Anomaly {
        reason: "unusable_answer",
        what: "the body for an id or a list is cut off, or is not what Spotify documents",
        evidence: "five answers",
        stored: "the earlier rows stay",
        effect: AnomalyEffect::Partial,
        calls: "4",
        tests: &["lasting_fault_costs_one_list_only"],
    },
    Anomaly {
        reason: "unread_item",
        what: "a page fails, or lacks items, and so does a request for one of its items alone",
        evidence: "five answers for the page, or two that lack items; one for the item, and one more at the end of the list",
        stored: "the other items; the last known row of the item stays; each run requests the item again, after the others",
        effect: AnomalyEffect::Partial,
        calls: "for each item 13 with pages of 50, besides the 4 of the page; in later runs at most 3",
        tests: &[
            "failing_item_costs_one_row",
            "failing_item_costs_one_call_a_day",
            "page_without_two_items_is_noticed",
            "list_with_many_failing_items_is_not_published",
        ],
    },
    Anomaly {
        reason: "missing_hits",
        what: "an answer of a search lacks hits",
        evidence: "a second answer. Behind a short one, the next begins where it ends; hits are missing if that one begins with \
                   known hits, or if Spotify says that none follow",
        stored: "the other hits",
        effect: AnomalyEffect::Noted,
        calls: "1",
        tests: &[
            "odd_search_answer_is_requested_again",
            "every_short_answer_is_continued",
            "hit_that_is_left_out_is_missing",
        ],
    },
    Anomaly {
        reason: "short_page",
        what: "a page lacks items that are not at its end, or a search announces hits and has none",
        evidence: "a second answer, and for a page smaller ones",
        stored: "the old list stays",
        effect: AnomalyEffect::Partial,
        calls: "1, and those of the smaller pages",
        tests: &["short_page_is_read_again", "odd_search_answer_is_requested_again"],
    },
    Anomaly {
        reason: "cut_short",
        what: "a list ends before its total, and did not when it was last read",
        evidence: "a second answer, and by cursor a second read; by offset, its first and its last missing item alone",
        stored: "the old list stays, until an end as far from the total comes in a second run and lacks no known row (of a discography: few of them), or a person accepts it with --accept, or with --full once a run has reported an end that lacks as much. A run that does not read the list whole publishes what is new, and is partial as long as the last known item does not come",
        effect: AnomalyEffect::Unproved,
        calls: "3, and by cursor one more read of the list; 1 or 2 in a run that does not read the list whole",
        tests: &[
            "short_list_is_never_silently_complete",
            "total_that_becomes_wrong_is_learned",
            "end_that_loses_known_rows_needs_a_person",
            "full_run_accepts_only_a_reported_end",
        ],
    },
    Anomaly {
        reason: "wrong_total",
        what: "a list has more or fewer items than it announces",
        evidence: "fewer: its end seen from another offset, and of a list with a version no known row missing that the total counts; two reads; more items than when it was last read and no known row missing; or the same difference when it was last read",
        stored: "the served items",
        effect: AnomalyEffect::Noted,
        calls: "2, or one more read where the total changes within the list; later the first item that did not come, as often as for null_item, and the list is read whole if it comes",
        tests: &[
            "short_list_is_accepted_after_a_probe",
            "wrong_total_with_one_version_is_complete",
            "playlist_keeps_rows_that_its_total_counts",
            "wrong_total_is_noted",
            "total_that_differs_by_page_is_noted",
            "removed_item_of_a_short_list_is_removed",
            "known_end_costs_less_and_less",
        ],
    },
    Anomaly {
        reason: "repeated_page",
        what: "a page has the items of the page before it, or a page of a playlist begins with the last of them",
        evidence: "the list seen from another offset, and a second answer; for the last of them also the version",
        stored: "the old list stays",
        effect: AnomalyEffect::Unproved,
        calls: "2, and 3 if the page only begins with them",
        tests: &[
            "repeated_playlist_page_is_not_stored",
            "repeated_album_page_removes_no_track",
            "page_that_begins_too_early_adds_no_row",
        ],
    },
    Anomaly {
        reason: "no_cursor",
        what: "a page says that more follows, and names no cursor for it",
        evidence: "a second answer",
        stored: "the old list stays",
        effect: AnomalyEffect::Unproved,
        calls: "1",
        tests: &["short_cursor_list_is_partial"],
    },
    Anomaly {
        reason: "endless",
        what: "a list has a thousand items more than it announces, and does not end",
        evidence: "the answers",
        stored: "the old list stays",
        effect: AnomalyEffect::Unproved,
        calls: "those for the items",
        tests: &["endless_playlist_is_reported"],
    },
    Anomaly {
        reason: "moved",
        what: "a list changes in each of three reads",
        evidence: "another version, other totals, or other rows",
        stored: "the old list stays",
        effect: AnomalyEffect::Unproved,
        calls: "two more reads of the list",
        tests: &["moving_list_is_read_again"],
    },
    Anomaly {
        reason: "suspect_batch",
        what: "a list is suddenly much worse than the stored one, or all hits of a search are null",
        evidence: "the stored list; of a nearly empty one, a second answer that has more, or the same version as before",
        stored: "the old list stays until a person accepts the new one",
        effect: AnomalyEffect::Unproved,
        calls: "1",
        tests: &[
            "spoiled_batch_replaces_no_list",
            "second_answer_confirms_an_empty_list",
            "search_of_nulls_is_partial",
        ],
    },
    Anomaly {
        reason: "page_refused",
        what: "404 for a page of a list that was there before",
        evidence: "the answer",
        stored: "the old list stays",
        effect: AnomalyEffect::Unproved,
        calls: "1",
        tests: &["refused_pages_of_a_living_list_are_partial"],
    },
    Anomaly {
        reason: "code_mismatch",
        what: "a search for an ISRC or UPC finds only items with other codes",
        evidence: "the codes of the hits",
        stored: "nothing; the code is in the file of missing items",
        effect: AnomalyEffect::PartialOnce,
        calls: "none",
        tests: &["hit_with_another_isrc_is_no_hit", "album_with_another_upc_is_no_hit"],
    },
    Anomaly {
        reason: "unverified_code",
        what: "the hit of a search for an ISRC or UPC names no code",
        evidence: "the answer",
        stored: "the hit",
        effect: AnomalyEffect::Noted,
        calls: "none",
        tests: &["hit_without_a_code_is_kept_unverified"],
    },
    Anomaly {
        reason: "no_hits",
        what: "a search has no hits, whatever total it announces",
        evidence: "a second answer if a total is announced",
        stored: "an empty search",
        effect: AnomalyEffect::Noted,
        calls: "1 if a total is announced",
        tests: &["search_without_hits_is_an_empty_file"],
    },
    Anomaly {
        reason: "unusable_row",
        what: "a row of a file of ids has no id that the stream takes",
        evidence: "the file",
        stored: "nothing; the other rows are read",
        effect: AnomalyEffect::Noted,
        calls: "none",
        tests: &["check_names_column_and_skipped_rows"],
    },
];

/// Reasons of requests that may be answered next time. Their ids come last then, so that they spoil no batch of others.
const FAILURES: [&str; 5] = ["server_error", "no_answer", "unusable_answer", "bad_request", "unexpected_status"];

/// The anomaly with this reason.
pub fn find(reason: &str) -> Option<&'static Anomaly> {
    ANOMALIES.iter().find(|anomaly| anomaly.reason == reason)
}

/// The reasons that a complete fetch cannot have, as a list in SQL.
pub(super) fn unproved_reasons_sql() -> String {
    let unproved = ANOMALIES.iter().filter(|anomaly| anomaly.effect == AnomalyEffect::Unproved);
    unproved.map(|anomaly| format!("'{}'", anomaly.reason)).collect::<Vec<_>>().join(", ")
}

/// The reasons of requests that failed and may be answered next time, as a list in SQL.
pub(super) fn failures_sql() -> String {
    FAILURES.map(|reason| format!("'{reason}'")).join(", ")
}

/// The table as Markdown.
pub fn markdown() -> String {
    let mut table = String::from(
        "| reason | answer of Spotify | evidence wanted | stored rows | state of the fetch | exit | extra calls | tests |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for anomaly in ANOMALIES {
        let Anomaly { reason, what, evidence, stored, effect, calls, tests } = anomaly;
        let tests: Vec<String> = tests.iter().map(|name| format!("`{name}`")).collect();
        let (state, exit_code, tests) = (effect.state(), effect.exit_code(), tests.join(", "));
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| {reason} | {what} | {evidence} | {stored} | {state} | {exit_code} | {calls} | {tests} |"
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_reason_has_one_row() {
        let mut seen = HashSet::new();
        for anomaly in ANOMALIES {
            assert!(seen.insert(anomaly.reason), "{}", anomaly.reason);
            assert!(!anomaly.tests.is_empty(), "{}", anomaly.reason);
        }
        assert_eq!(find("wrong_total").map(|anomaly| anomaly.effect), Some(AnomalyEffect::Noted));
        assert!(find("x").is_none());
        assert!(FAILURES.iter().all(|reason| find(reason).is_some()));
    }
}

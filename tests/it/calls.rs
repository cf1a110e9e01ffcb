//! Calls are money: what exports cost, and that the fewest calls still bring what is true.

use crate::calls_table::{Sizes, table};

/// Enough for all kinds of pages, proofs and ends.
const SMALL: Sizes = Sizes { playlists: 60, items: 120, saved: 320, artists: 60, removed: [60, 150, 260] };

#[test]
fn exports_cost_the_fewest_calls_possible_or_the_table_says_why_not() {
    for line in table(SMALL) {
        assert!(line.sent == line.fewest || line.why.is_some(), "{line:?}");
        assert!(line.sent <= line.plain, "{}: {line:?}", line.what);
        // A page of the list of playlists proves what stands on it.
        assert!(line.proofs <= 5, "{line:?}");
    }
}

//! What the text of a query tells without running it.

/// Whether a query may return other rows from the same store, because it uses the clock or random numbers. It
/// may say yes without need: the file is then rendered, and left alone if it is the same. To SQLite, a format
/// alone and `subsec` both mean now.
pub fn is_volatile(sql: &str) -> bool {
    let plain: String = sql.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    ["now", "current_", "random", "date()", "time()", "julianday()", "unixepoch()", "strftime(", "subsec"]
        .iter()
        .any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use super::is_volatile;

    #[test]
    fn query_with_clock_or_random_is_volatile() {
        for sql in [
            "SELECT date('now')",
            "SELECT datetime ( )",
            "SELECT Current_Timestamp",
            "SELECT 1 ORDER BY random()",
            "SELECT strftime('%Y-%m-%d')",
            "SELECT unixepoch('subsec')",
        ] {
            assert!(is_volatile(sql), "{sql}");
        }
        assert!(!is_volatile("SELECT date(:since), time(played_at) FROM plays ORDER BY played_at"));
    }
}

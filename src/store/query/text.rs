//! What can be told of SQL by looking at its text.

/// Whether a query orders its rows: an `ORDER BY` outside any parentheses. Without one, the same rows
/// may come in another order tomorrow, and its file would churn.
pub fn is_ordered(sql: &str) -> bool {
    let mut depth = 0_i32;
    let mut words: Vec<String> = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '\'' | '"' | '`' => quoted(rest, first),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => 0,
        };
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if word > 0 {
            if depth == 0 {
                words.push(rest[..word].to_ascii_lowercase());
            }
            rest = &rest[word..];
            continue;
        }
        match first {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        rest = &rest[first.len_utf8()..];
    }
    words.windows(2).any(|pair| pair[0] == "order" && pair[1] == "by")
}

/// Whether a query may give other rows from the same store: it looks at the clock, or throws dice. Says
/// yes too often rather than too seldom: its file is then rendered, and left alone if it is the same.
pub fn is_volatile(sql: &str) -> bool {
    let plain: String = sql.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    ["now", "current_", "random", "date()", "time()", "julianday()", "unixepoch()"]
        .iter()
        .any(|word| plain.contains(word))
}

fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::{is_ordered, is_volatile};

    #[test]
    fn only_an_order_by_of_the_whole_query_counts() {
        assert!(is_ordered("SELECT 1 ORDER  BY 1"));
        assert!(is_ordered("SELECT ')' AS \"order by\" FROM t -- (\norder\nby 1"));
        assert!(!is_ordered("SELECT * FROM (SELECT 1 ORDER BY 1)"));
        assert!(!is_ordered("SELECT 'ORDER BY' -- ORDER BY"));
        assert!(!is_ordered("SELECT row_number() OVER (ORDER BY x) /* ORDER BY */ FROM t"));
    }

    #[test]
    fn a_query_that_looks_at_the_clock_or_throws_dice_is_volatile() {
        for sql in
            ["SELECT date('now')", "SELECT datetime ( )", "SELECT Current_Timestamp", "SELECT 1 ORDER BY random()"]
        {
            assert!(is_volatile(sql), "{sql}");
        }
        assert!(!is_volatile("SELECT date(:since), time(played_at) FROM plays ORDER BY played_at"));
    }
}

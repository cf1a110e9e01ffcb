//! As much of SQL as can be told without a database: one statement, a SELECT, known bound names.

use crate::document::{RuleViolation, nearest, or_list, quote};

/// Names that are bound in queries and conditions.
pub(super) const BOUND: [&str; 5] = ["since", "last_run_at", "fire_at", "job", "user_id"];

/// What stands in a piece of SQL outside of texts and comments.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Words in lower case, with whether a `(` follows.
    pub words: Vec<(String, bool)>,
    /// Those of them that stand in no parentheses: they are the whole query's.
    outer: Vec<String>,
    /// Bound names without their colon.
    pub bound: Vec<String>,
    /// Whether something stands behind a semicolon.
    pub second_statement: bool,
    /// What is left open: a quote, a comment or a parenthesis.
    pub open: Option<&'static str>,
    /// Anonymous or foreign parameters: `?`, `$x`, `@x`.
    pub foreign: Option<char>,
    ended: bool,
    depth: i64,
}

/// Looks through a piece of SQL.
pub(super) fn scan(sql: &str) -> Scan {
    let mut scan = Scan::default();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        rest = scan.step(c, rest);
    }
    if scan.depth != 0 && scan.open.is_none() {
        scan.open = Some("a parenthesis");
    }
    scan
}

impl Scan {
    /// Takes one token and returns what stands behind it.
    fn step<'s>(&mut self, c: char, rest: &'s str) -> &'s str {
        let behind = &rest[c.len_utf8()..];
        if c.is_whitespace() {
            return behind;
        }
        if let Some(comment) = rest.strip_prefix("--") {
            return comment.split_once('\n').map_or("", |(_, after)| after);
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            return comment.split_once("*/").map_or("", |(_, after)| after);
        }
        if c == ';' {
            self.ended = true;
            return behind;
        }
        self.second_statement |= self.ended;
        match c {
            '\'' | '"' | '`' => self.quoted(c, behind),
            '[' => self.quoted(']', behind),
            '(' => {
                self.depth += 1;
                behind
            }
            ')' => {
                self.depth -= 1;
                if self.depth < 0 {
                    self.open = Some("a parenthesis");
                }
                behind
            }
            ':' if behind.starts_with(is_word) => {
                let (word, after) = split_word(behind);
                self.bound.push(word.to_owned());
                after
            }
            '?' | '$' | '@' => {
                self.foreign = Some(c);
                behind
            }
            c if is_word(c) => {
                let (word, after) = split_word(rest);
                let called = after.trim_start().starts_with('(');
                let word = word.to_ascii_lowercase();
                if self.depth == 0 {
                    self.outer.push(word.clone());
                }
                self.words.push((word, called));
                after
            }
            _ => behind,
        }
    }

    fn quoted<'s>(&mut self, end: char, rest: &'s str) -> &'s str {
        match rest.find(end) {
            Some(at) => &rest[at + end.len_utf8()..],
            None => {
                self.open = Some("a quote");
                ""
            }
        }
    }

    fn refusal(&self) -> Option<RuleViolation> {
        if let Some(what) = self.open {
            return Some(RuleViolation::new(format!("{what} is not closed")));
        }
        if self.second_statement {
            return Some(RuleViolation::new("something stands behind the semicolon").with_hint("one statement only"));
        }
        if let Some(c) = self.foreign {
            return Some(
                RuleViolation::new(format!("nothing is bound to `{c}`"))
                    .with_hint(format!("bound are {}", bound_list())),
            );
        }
        let unknown = self.bound.iter().find(|name| !BOUND.contains(&name.as_str()))?;
        let near = nearest(unknown, BOUND);
        let refusal = RuleViolation::new(format!("nothing is bound to {}", quote(&format!(":{unknown}"))));
        Some(refusal.with_hint(match near.as_slice() {
            [] => format!("bound are {}", bound_list()),
            near => {
                let near: Vec<String> = near.iter().map(|n| format!(":{n}")).collect();
                format!("did you mean {}?", or_list(&near))
            }
        }))
    }
}

fn bound_list() -> String {
    BOUND.map(|name| format!(":{name}")).join(", ")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// Whether a text can be a query: one SELECT.
pub(super) fn check_select(sql: &str) -> Result<(), RuleViolation> {
    let scan = scan(sql);
    let first = scan.words.first().map(|(word, _)| word.as_str());
    let selects = scan.words.iter().any(|(word, _)| word == "select");
    let reads = match first {
        Some("select") => true,
        Some("with") => {
            selects
                && !scan.words.iter().any(|(w, called)| !called && matches!(w.as_str(), "insert" | "update" | "delete"))
        }
        _ => false,
    };
    if !reads {
        return Err(RuleViolation::new("not a SELECT")
            .with_hint("a query reads the store: SELECT … FROM …, or WITH … SELECT …"));
    }
    scan.refusal().map_or(Ok(()), Err)
}

/// Whether a text can be a condition.
pub(super) fn check_condition(sql: &str) -> Result<(), RuleViolation> {
    let scan = scan(sql);
    if scan.words.first().is_some_and(|(word, _)| word == "where") {
        return Err(RuleViolation::new("the condition begins with WHERE").with_hint("write only what follows WHERE"));
    }
    if scan.words.first().is_some_and(|(word, _)| word == "select") {
        return Err(RuleViolation::new("a SELECT is no condition").with_hint("write what would follow WHERE"));
    }
    if sql.contains(';') && scan.ended {
        return Err(RuleViolation::new("a condition holds no semicolon"));
    }
    scan.refusal().map_or(Ok(()), Err)
}

/// Whether a query orders its rows: by an ORDER BY of its own, and not that of a subquery or window. Without
/// one, the same rows may come in another order tomorrow, and its file would churn.
pub(super) fn is_ordered(sql: &str) -> bool {
    scan(sql).outer.windows(2).any(|pair| pair == ["order", "by"])
}

/// Whether a query asks for one user's rows.
pub(super) fn uses_user_id(sql: &str) -> bool {
    scan(sql).bound.iter().any(|name| name == "user_id")
}

/// Words of a condition that are most likely misspelt columns: near one, but none, and no function.
pub(super) fn misspelt<'c>(sql: &str, columns: &[&'c str]) -> Option<(String, Vec<&'c str>)> {
    let scan = scan(sql);
    // A sub-select has tables and columns that are not looked up here.
    if scan.words.iter().any(|(word, _)| word == "select") {
        return None;
    }
    scan.words
        .iter()
        .filter(|(word, called)| !called && !columns.contains(&word.as_str()) && word.len() > 3 && !is_keyword(word))
        .find_map(|(word, _)| {
            let near = nearest(word, columns.iter().copied());
            (!near.is_empty()).then(|| (word.clone(), near))
        })
}

fn is_keyword(word: &str) -> bool {
    const WORDS: [&str; 20] = [
        "between", "case", "cast", "collate", "else", "escape", "exists", "false", "glob", "integer", "isnull", "like",
        "match", "nocase", "notnull", "null", "real", "regexp", "text", "true",
    ];
    WORDS.contains(&word) || matches!(word, "then" | "when" | "binary" | "rtrim")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_order_by_of_the_whole_query_counts() {
        assert!(is_ordered("SELECT 1 ORDER  BY 1"));
        assert!(is_ordered("SELECT ')' AS \"order by\" FROM t -- (\norder\nby 1"));
        assert!(!is_ordered("SELECT * FROM (SELECT 1 ORDER BY 1)"));
        assert!(!is_ordered("SELECT 'ORDER BY' -- ORDER BY"));
        assert!(!is_ordered("SELECT row_number() OVER (ORDER BY x) /* ORDER BY */ FROM t"));
    }

    #[test]
    fn only_one_select_is_a_query() {
        for good in [
            "SELECT 1",
            "-- why\nselect * from x where a = ';' -- ;",
            "WITH a AS (SELECT 1) SELECT * FROM a;",
            "SELECT replace(a, 'x', 'y') FROM t WHERE b >= :since AND c = ':nothing'",
            "/* ; */ SELECT \"a;b\"",
        ] {
            assert_eq!(check_select(good), Ok(()), "{good}");
        }
        for bad in [
            "DELETE FROM tracks",
            "SELECT 1; SELECT 2",
            "WITH a AS (SELECT 1) DELETE FROM b",
            "PRAGMA x",
            "SELECT (1",
            "SELECT 'a",
            "SELECT :sinse",
            "SELECT ?",
            "SELECT $x",
            "ATTACH 'x' AS y",
            "SELECT 1)",
        ] {
            assert!(check_select(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_column_of_a_condition_is_found() {
        let columns = ["release_date", "album_name"];
        let found = misspelt("relese_date >= date(:since) AND album_name LIKE 'relase_date'", &columns);
        assert_eq!(found, Some(("relese_date".to_owned(), vec!["release_date"])));
        assert_eq!(misspelt("release_date >= date(:since)", &columns), None);
    }

    #[test]
    fn order_by_is_seen_outside_of_texts_only() {
        assert!(is_ordered("SELECT 1 ORDER\n BY 1"));
        assert!(!is_ordered("SELECT 'order by' -- order by"));
    }
}

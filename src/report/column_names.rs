//! The names of the columns that a chart shows as `x`, `y` and `series`, as its SELECT names them.

/// The name of the column that the SQL calls `alias`, such as `followers` in `m.followers AS y`, and `count` of a count. `None` if it is
/// another expression, or not the same one everywhere.
pub(super) fn name_of(sql: &str, alias: &str) -> Option<String> {
    let tokens = tokens(sql);
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.eq_ignore_ascii_case(word));
    let mut names = (2..tokens.len()).filter(|at| is(at - 1, "AS") && unquoted(tokens[*at]) == alias).map(|at| {
        let column = at - 2;
        if tokens[column] == ")" {
            let open = tokens[..column].iter().rposition(|token| *token == "(")?;
            return (open > 0 && is(open - 1, "count")).then(|| "count".to_owned());
        }
        let mut before = column.checked_sub(1)?;
        if tokens[before] == "." {
            before = before.checked_sub(2)?;
        }
        let begins = [",", "SELECT", "DISTINCT", "ALL"].iter().any(|word| is(before, word));
        let name = unquoted(tokens[column]);
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !tokens[column].starts_with('\'');
        (begins && is_name).then(|| name.to_owned())
    });
    let first = names.next()??;
    names.all(|name| name.as_ref() == Some(&first)).then_some(first)
}

/// The words, quoted texts and signs of an SQL text, without its comments.
fn tokens(sql: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let up_to = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
        let length = match first {
            '\'' | '"' | '`' => up_to(&first.to_string(), 1),
            '[' => up_to("]", 1),
            '-' if rest.starts_with("--") => up_to("\n", 2),
            '/' if rest.starts_with("/*") => up_to("*/", 2),
            _ if is_word(first) => rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if !token.starts_with("--") && !token.starts_with("/*") {
            tokens.push(token);
        }
        rest = after.trim_start();
    }
    tokens
}

fn unquoted(token: &str) -> &str {
    token.trim_matches(['"', '`', '[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_names_of_the_sql() {
        let joined = "SELECT m.day AS x, a.\"name\" AS series, m . followers as \"y\" FROM metrics m -- , z AS x\n JOIN artists a";
        for (sql, alias, name) in [
            (joined, "x", Some("day")),
            (joined, "y", Some("followers")),
            (joined, "series", Some("name")),
            (joined, "url", None),
            ("SELECT DISTINCT day AS x, count(*) AS y FROM t", "x", Some("day")),
            ("SELECT kind AS x, count( DISTINCT id ) AS y FROM t", "y", Some("count")),
            ("SELECT kind AS x, 2 * count(*) AS y, 'a, b' AS x FROM t", "x", None),
            ("SELECT a || b AS x, max(c) AS y FROM t", "x", None),
            ("SELECT a || b AS x, max(c) AS y FROM t", "y", None),
            ("SELECT 'day' AS x, 1 AS y FROM t", "x", None),
            ("SELECT 'day' AS x, 1 AS y FROM t", "y", None),
            ("SELECT day AS x FROM a UNION ALL SELECT day AS x FROM b", "x", Some("day")),
            ("SELECT day AS x FROM a UNION ALL SELECT month AS x FROM b", "x", None),
            ("WITH v(x) AS (VALUES (1)) SELECT x FROM v", "x", None),
            ("AS x", "x", None),
            (") AS x", "x", None),
            (".b AS x", "x", None),
            ("'", "x", None),
        ] {
            assert_eq!(name_of(sql, alias).as_deref(), name, "{sql}");
        }
    }
}

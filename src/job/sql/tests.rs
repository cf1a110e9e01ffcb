use std::path::Path;

use crate::document::{Diagnostic, Document};
use crate::job::input_budget::{InputBudget, InputLimits};
use crate::job::read::read_job;
use crate::settings::Settings;

/// The diagnostics of a job with one query, and the errors that do not prevent it from running.
fn check(sql: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    check_file(&format!("[[query]]\ncsv = \"a.csv\"\nsql = '''\n{sql}'''\n"))
}

fn check_file(text: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let document = Document::new("jobs/x.toml", text.to_owned());
    let inputs = InputBudget::beside(0, InputLimits::USUAL);
    let (job, diagnostics) = read_job(&document, Path::new("jobs/x.toml"), "x", &Settings::built_in(), &inputs);
    (diagnostics, job.map_or(Vec::new(), |job| job.sql_problems))
}

fn is_ordered(sql: &str) -> bool {
    let (diagnostics, other) = check(sql);
    assert!(other.is_empty() && !diagnostics.iter().any(Diagnostic::is_error), "{sql}: {diagnostics:?} {other:?}");
    diagnostics.is_empty()
}

#[test]
fn only_the_outer_order_by_counts() {
    for ordered in [
        "SELECT 1 ORDER  BY 1",
        "SELECT 1 ORDER\n BY 1",
        "SELECT ')' AS \"order by\" FROM tracks -- (\norder\nby 1",
        "SELECT 1 UNION SELECT 2 ORDER BY 1 LIMIT 3;",
        "WITH a AS (SELECT 1) SELECT * FROM a WHERE 'x' > :since ORDER BY 1 ; -- end",
    ] {
        assert!(is_ordered(ordered), "{ordered}");
    }
    for unordered in [
        "SELECT * FROM (SELECT id FROM tracks ORDER BY 1)",
        "SELECT 'ORDER BY' FROM tracks -- ORDER BY",
        "SELECT row_number() OVER (ORDER BY id) AS n /* ORDER BY */ FROM tracks",
        "SELECT id FROM tracks LIMIT 5",
        "SELECT id FROM tracks;",
        "SELECT count(*) AS n FROM tracks GROUP BY name",
        "SELECT count(*) AS n FROM tracks UNION ALL SELECT count(*) FROM albums",
        "SELECT count(*) AS n FROM tracks UNION ALL SELECT 1 FROM albums",
        "SELECT 1 AS n UNION SELECT 1 FROM albums",
    ] {
        assert!(!is_ordered(unordered), "{unordered}");
    }
}

#[test]
fn one_row_needs_no_order() {
    for one in [
        "SELECT count(*) AS n FROM tracks",
        "SELECT max(name) AS a, count(*) AS n FROM tracks WHERE fetched_at >= :since; -- end",
        "SELECT (SELECT count(*) FROM tracks) AS a, (SELECT count(*) FROM albums) AS b",
        "SELECT count(*) AS n FROM (SELECT id FROM tracks UNION SELECT id FROM albums)",
        "WITH a AS (SELECT id FROM tracks UNION ALL SELECT id FROM albums) SELECT count(*) AS n FROM a",
    ] {
        assert!(is_ordered(one), "{one}");
    }
}

#[test]
fn only_one_select_is_a_query() {
    for good in [
        "SELECT 1",
        "-- why\nselect * from tracks where id = ';' -- ;",
        "WITH a AS (SELECT 1) SELECT * FROM a;",
        "SELECT replace(name, 'x', 'y') AS n FROM tracks WHERE fetched_at >= :since AND name = ':nothing'",
        "/* ; */ SELECT 1 AS \"a;b\"",
    ] {
        let (diagnostics, other) = check(good);
        assert!(other.is_empty() && !diagnostics.iter().any(Diagnostic::is_error), "{good}: {diagnostics:?} {other:?}");
    }
    for bad in [
        "DELETE FROM tracks",
        "SELECT 1; SELECT 2",
        "WITH a AS (SELECT 1) DELETE FROM tracks",
        "DELETE FROM x",
        "WITH a AS (SELECT 1) DELETE FROM x",
        "PRAGMA x",
        "SELECT (1",
        "SELECT 'a",
        "SELECT :sinse",
        "SELECT ?",
        "SELECT $x",
        "ATTACH 'x' AS y",
        "SELECT 1)",
    ] {
        assert!(check(bad).0.iter().any(Diagnostic::is_error), "{bad}");
    }
}

#[test]
fn errors_name_the_line_of_the_job_file() {
    let (_, other) = check("SELECT id\nFROM tracks\nWHERE nmae = 'x' ORDER BY id");
    assert_eq!(other.len(), 1);
    assert_eq!((other[0].line, other[0].column), (Some(6), Some(7)), "{other:?}");
    assert_eq!(other[0].message, "no such column: nmae");
    assert_eq!(check("SELECT * FROM nowhere ORDER BY 1; -- end").1.len(), 1);
    let (diagnostics, _) = check("SELECT id\nFROM tracks WHERE (1 ORDER");
    assert_eq!((diagnostics[0].line, diagnostics[0].column), (Some(5), Some(22)), "{diagnostics:?}");
}

#[test]
fn misspelled_column_of_a_condition_is_found() {
    let job = |condition: &str| {
        format!(
            "[[fetch]]\nstream = \"artist_albums\"\nids = [\"0000000000000000000001\"]\n\
             [[fetch]]\nstream = \"albums\"\nfrom = \"artist_albums\"\nwhere = \"{condition}\"\n"
        )
    };
    let (diagnostics, _) = check_file(&job("relese_date >= date(:since) AND album_name LIKE 'relase_date'"));
    assert_eq!((diagnostics[0].line, diagnostics[0].column), (Some(7), Some(10)), "{diagnostics:?}");
    assert_eq!(diagnostics[0].hint.as_deref(), Some("did you mean `release_date`?"));
    for good in ["release_date >= date(:since)", "album_id IN (SELECT album_id FROM tracks)"] {
        assert!(check_file(&job(good)).0.is_empty(), "{good}: {:?}", check_file(&job(good)).0);
    }
    for bad in ["WHERE a = 1", "SELECT 1", "1; 2", "release_date >= :sinse", "release_date = 'x"] {
        assert!(check_file(&job(bad)).0.iter().any(Diagnostic::is_error), "{bad}");
    }
}

#[test]
fn a_misspelled_column_in_quotes_is_no_text() {
    let (_, other) = check("SELECT id, \"nmae\" FROM tracks ORDER BY id");
    assert!(other[0].message.starts_with("no such column: \"nmae\""), "{other:?}");
    assert_eq!(other[0].hint.as_deref(), Some("did you mean `name`?"));
    assert!(check("SELECT \"name\", 'nmae' FROM tracks ORDER BY \"id\"").1.is_empty());
    let job = "[[fetch]]\nstream = \"artist_albums\"\nids = [\"0000000000000000000001\"]\n\
               [[fetch]]\nstream = \"albums\"\nfrom = \"artist_albums\"\nwhere = '\"album_typ\" = \"album_typ\"'\n";
    let (diagnostics, _) = check_file(job);
    assert_eq!(diagnostics[0].hint.as_deref(), Some("did you mean `album_type`?"));
}

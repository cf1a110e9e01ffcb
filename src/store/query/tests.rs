use super::limits::MAX_VALUE_BYTES;
use super::*;
use crate::store::views::tests::{fill, fill_schema};
use crate::stream;
use rusqlite::hooks::AuthAction;

fn reader() -> QueryReader {
    let fetch = |name: &str, stream| QueryFetch {
        name: name.into(),
        stream: stream::find(stream).unwrap(),
        market: String::new(),
        user_id: None,
        since: None,
        inputs: None,
    };
    let mut fetches: Vec<_> = stream::all().map(|s| fetch(s.name, s.name)).collect();
    fetches.push(fetch("items", "playlist_items"));
    QueryReader::for_checking("j", fetches, |store| {
        fill_schema(store);
        fill(store);
        Ok(())
    })
    .unwrap()
}

fn first_column(reader: &QueryReader, sql: &str) -> Result<Vec<String>, QueryError> {
    let mut found = Vec::new();
    let bound = QueryParameters { since: Some("2026-01-01T00:00:00Z".into()), ..QueryParameters::default() };
    reader.run(
        sql,
        &bound,
        |_| Ok(()),
        |row| {
            found.push(format!("{:?}", row.get::<_, rusqlite::types::Value>(0)?));
            Ok::<_, QueryError>(())
        },
    )?;
    Ok(found)
}

#[test]
fn query_sees_the_fetches_and_the_store() {
    let reader = reader();
    assert_eq!(first_column(&reader, "SELECT count(*) FROM items;").unwrap(), ["Integer(6)"]);
    assert_eq!(first_column(&reader, "SELECT count(*) FROM main.playlist_items -- all").unwrap(), ["Integer(6)"]);
    assert_eq!(first_column(&reader, "SELECT date(:since)").unwrap().len(), 1);
    assert_eq!(first_column(&reader, "SELECT :fire_at").unwrap(), ["Null"]);
    assert_eq!(reader.check("SELECT 1 AS a, 2 AS b").unwrap().columns, ["a", "b"]);
}

#[test]
fn fetch_with_a_table_name_hides_the_table() {
    let reader = reader();
    for stream in stream::all() {
        first_column(&reader, &format!("SELECT count(*) FROM {}", stream.name)).unwrap();
    }
    assert_eq!(first_column(&reader, "SELECT track_name FROM saved_tracks").unwrap(), [r#"Text("One")"#]);
    assert_eq!(first_column(&reader, "SELECT count(*) FROM csv_saved_tracks").unwrap(), ["Integer(1)"]);
    assert_eq!(reader.ids("saved_tracks", "artist_ids", None, &QueryParameters::default()).unwrap(), ["A1", "A2"]);
}

#[test]
fn a_query_can_only_read() {
    let reader = reader();
    for sql in [
        "DELETE FROM main.tracks",
        "DELETE FROM tracks",
        "INSERT INTO main.tracks (id) VALUES (1)",
        "UPDATE main.tracks SET name = 1",
        "DROP TABLE main.tracks",
        "DROP VIEW items",
        "CREATE TABLE x (y)",
        "CREATE TEMP TABLE x (y)",
        "ATTACH '/tmp/x' AS x",
        "PRAGMA query_only = OFF",
        "PRAGMA user_version",
        "SELECT * FROM pragma_table_info('tracks')",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('simple', :job)",
        "SELECT hex(FTS3_TOKENIZER(:job))",
        "SELECT * FROM fts3tokenize WHERE input = 'hello'",
        "SELECT count(*) FROM dbstat",
        "SELECT rtreedepth(x'00')",
        "VACUUM INTO '/tmp/x'",
        "BEGIN",
        "WITH x AS (SELECT 1) DELETE FROM tracks",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE tracks",
        "",
        "-- nothing",
    ] {
        let error = first_column(&reader, sql).expect_err(sql);
        assert!(!error.is_storage(), "{sql}: {error:?}");
    }
    assert!(first_column(&reader, "DELETE FROM main.tracks").unwrap_err().to_string().contains("may only read"));
    assert_eq!(first_column(&reader, "SELECT count(*) FROM main.tracks").unwrap(), ["Integer(3)"]);
}

/// A new version of SQLite may bring functions that a query needs, and others that it must not call.
#[test]
fn every_function_is_allowed_or_refused_on_purpose() {
    let store = Connection::open_in_memory().unwrap();
    let mut names = store.prepare("SELECT DISTINCT name FROM pragma_function_list ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let refused: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| super::refusal::refusal(AuthAction::Function { function_name: name }).is_some())
        .collect();
    let expected = "bm25 fts3_tokenizer fts5 fts5_get_locale fts5_insttoken fts5_locale fts5_source_id highlight load_extension match
        matchinfo offsets optimize rtreecheck rtreedepth rtreenode snippet sqlite_log";
    assert_eq!(refused, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn an_error_says_where_in_the_sql_it_is() {
    let reader = reader();
    let error = reader.check("SELECT track_name\nFROM tracks WHERE é = 1").unwrap_err();
    assert_eq!(error.to_string(), "no such column: é (at line 2, column 19)");
    let error = reader.check_filter("items", "track_id", "position > 1 AND\n wrong = 2").unwrap_err();
    assert_eq!(error.to_string(), "no such column: wrong (at line 2, column 2)");
    let error = reader.check("SELECT :nope").unwrap_err();
    assert!(error.to_string().starts_with(":nope is not bound; a query may use :since,"), "{error}");
    assert!(matches!(reader.check("SELECT ?"), Err(QueryError::UnknownName(_))));
    assert!(matches!(reader.check("SELECT 1 AS a, 2 AS a"), Err(QueryError::SameName(_))));
}

#[test]
fn a_query_that_takes_too_long_is_stopped() {
    let mut reader = reader();
    reader.budget.time = Duration::from_millis(20);
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    assert!(matches!(first_column(&reader, endless), Err(QueryError::TooSlow(_))));
    assert_eq!(first_column(&reader, "SELECT 1").unwrap(), ["Integer(1)"]);
    let huge = first_column(&reader, "SELECT length(printf('%.200000000c', 'x'))");
    assert!(huge.is_err_and(|e| !e.is_storage()));
}

#[test]
fn ids_are_unique_in_the_order_of_rows() {
    let reader = reader();
    let ids = |column, filter| reader.ids("items", column, filter, &QueryParameters::default()).unwrap();
    assert_eq!(ids("track_id", None), ["T2", "T1"]);
    assert_eq!(ids("artist_ids", None), ["A3", "A1", "A2"]);
    assert_eq!(ids("artist_ids", Some("artist_names LIKE '%; C' -- lists as the view has them")), ["A1", "A2"]);
    assert_eq!(ids("track_id", Some("position = 4")), ["T1"]);
    assert_eq!(ids("episode_id", Some("release_date >= date(:since)")), Vec::<String>::new());
    assert_eq!(ids("playlist_id", None), ["P2", "P1"]);
    assert!(matches!(reader.ids("other", "track_id", None, &QueryParameters::default()), Err(QueryError::NoFetch(_))));
}

#[test]
fn queries_open_the_store_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Connection::open(&path).unwrap();
    store.pragma_update(None, "journal_mode", "wal").unwrap();
    fill_schema(&store);
    let reader = QueryReader::open(&path, "j", Vec::new(), QueryBudget::with_time(Duration::from_secs(1))).unwrap();
    assert_eq!(first_column(&reader, "SELECT count(*) FROM tracks").unwrap(), ["Integer(0)"]);
    assert!(reader.store.is_readonly("main").unwrap());
    assert!(
        QueryReader::open(
            &folder.path().join("none.db"),
            "j",
            Vec::new(),
            QueryBudget::with_time(Duration::from_secs(1))
        )
        .is_err()
    );
}

#[test]
fn deeply_nested_queries_are_errors() {
    let reader = reader();
    let wildcards = "%a".repeat(12_000);
    let deep = |open: &str, close: &str| format!("SELECT {}1{}", open.repeat(3_000), close.repeat(3_000));
    let killers = [
        format!("SELECT '{}' LIKE '{wildcards}'", "a".repeat(20_000)),
        format!("SELECT '{}' GLOB '{}'", "a".repeat(20_000), "*a".repeat(12_000)),
        deep("(", ")"),
        deep("abs(", ")"),
        deep("-", ""),
        deep("CASE WHEN 1 THEN ", " END"),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(3_000)),
        format!("SELECT max(1{})", ", 1".repeat(3_000)),
        format!("SELECT {}1", "1 + ".repeat(30_000)),
        format!("SELECT 1 -- {}", "x".repeat(2 << 20)),
        "SELECT length(zeroblob(1000000000))".to_owned(),
        format!("SELECT {}1{}", "(SELECT ".repeat(3_000), ")".repeat(3_000)),
        format!("SELECT * FROM {}(SELECT 1){}", "(SELECT * FROM ".repeat(3_000), ")".repeat(3_000)),
        format!("SELECT 1 WHERE {}1{}", "EXISTS (SELECT 1 WHERE ".repeat(3_000), ")".repeat(3_000)),
        format!("SELECT 1 WHERE 1 IN {}(1){}", "(SELECT 1 WHERE 1 IN ".repeat(3_000), ")".repeat(3_000)),
        format!("SELECT {}1", "NOT ".repeat(30_000)),
        format!("SELECT 1{}", " COLLATE nocase".repeat(30_000)),
        format!("SELECT 1{}", " BETWEEN 1 AND 1".repeat(3_000)),
        format!("SELECT 'a'{}", " || 'a'".repeat(30_000)),
        format!("SELECT 1 FROM tracks{}", " JOIN tracks".repeat(3_000)),
        format!("SELECT {}", "1,".repeat(30_000) + "1"),
        format!("SELECT json('{}{}')", "[".repeat(100_000), "]".repeat(100_000)),
        format!("SELECT json_extract('{}', '$')", "{\"a\":".repeat(100_000)),
        format!("SELECT json(x'{}')", "cb".repeat(200_000)),
        format!("SELECT 1 IN ({})", "(".repeat(10_000)),
    ];
    for sql in killers {
        let end: String = sql.chars().take(60).collect();
        assert!(first_column(&reader, &sql).is_err(), "{end}");
        // `check` prepares it in other ways too.
        drop((reader.check(&sql), reader.is_select(&sql), reader.check_filter("items", "track_id", &sql)));
    }
    assert_eq!(first_column(&reader, "SELECT 'abc' LIKE '%b%'").unwrap(), ["Integer(1)"]);
}

#[test]
fn long_lists_are_refused_before_sqlite() {
    let reader = reader();
    let list = |part: &dyn Fn(usize) -> String, count| (0..count).map(part).collect::<Vec<_>>().join(", ");
    let name = |n: usize| format!("a{n} AS (SELECT 1)");
    // Each takes seconds in SQLite, which nothing interrupts, or more levels than the stack has.
    let joined = |n: usize| format!("(SELECT 1 AS y) t{n} USING ({})", vec!["y"; 2_000].join(", "));
    let tables: Vec<String> = (1..60).map(joined).collect();
    for sql in [
        format!("WITH {} SELECT 1", list(&name, 30_000)),
        format!("SELECT 1 FROM (SELECT 1 AS y) t0 JOIN {}", tables.join(" JOIN ")),
        format!("SELECT count(*) OVER (PARTITION BY {}) FROM tracks", vec!["1"; 100_000].join(",")),
        format!("SELECT 1 FROM tracks WINDOW {}", list(&|n| format!("w{n} AS ()"), 30_000)),
    ] {
        for refused in [first_column(&reader, &sql).map(drop), reader.check(&sql).map(drop)] {
            assert_eq!(refused.unwrap_err().to_string(), QueryError::TooManyCommas.to_string());
        }
        assert!(matches!(reader.check_filter("items", "track_id", &sql), Err(QueryError::TooManyCommas)));
    }
    let ids = |count| format!("SELECT 1 WHERE 2 IN ({})", list(&|n| format!("'{n:022}'"), count));
    assert_eq!(first_column(&reader, &ids(5_001)).unwrap(), [""; 0]);
    assert!(matches!(first_column(&reader, &ids(5_002)), Err(QueryError::TooManyCommas)));
    let parameters = format!("SELECT 1 WHERE 2 IN ({})", list(&|n| format!(":p{n}"), 4_000));
    assert!(reader.check(&parameters).unwrap_err().to_string().contains("too many SQL variables"));
    // Chains that need few commas.
    let wide = format!("WITH a AS (SELECT {})", list(&|n| format!("1 AS c{n}"), 500));
    let deep = format!("{wide} SELECT 1 FROM a{}", " NATURAL JOIN a".repeat(59));
    assert!(reader.check(&deep).unwrap_err().to_string().contains("Expression tree is too large"));
}

/// A text of one character, repeated by SQLite.
fn long(of: char, count: usize) -> String {
    format!("printf('%.*c', {count}, '{of}')")
}

#[test]
fn no_function_exceeds_the_time_of_a_query() {
    let mut reader = reader();
    reader.budget.time = Duration::from_millis(100);
    // SQLite counts a byte for the end of a text.
    let longest = MAX_VALUE_BYTES - 1;
    let (a, b) = (long('a', longest), long('a', longest / 2));
    assert_eq!(first_column(&reader, &format!("SELECT length({a})")).unwrap(), [format!("Integer({longest})")]);
    let objects = "(SELECT json_group_object(value, 1) FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL \
                   SELECT value + 1 FROM n LIMIT 20000) SELECT value FROM n))";
    let many = objects.replace("20000", "100000");
    let nested_many = format!("json_object('a', json({many}))");
    let nested = format!("'{}1{}'", "[".repeat(900), "]".repeat(900));
    for sql in [
        format!("SELECT instr({a}, {b} || 'b')"),
        format!("SELECT replace({a}, {b} || 'b', '')"),
        format!("SELECT replace({a}, 'a', {b})"),
        format!("SELECT trim({a}, {b} || 'a')"),
        format!("SELECT unhex({}, {} || 'x')", long('x', longest), long('y', longest / 2)),
        format!("SELECT {a} LIKE '%{}b%'", "a".repeat(490)),
        format!("SELECT {a} LIKE '{}'", "%a_".repeat(160)),
        format!("SELECT {a} GLOB '*{}[^a]*'", "[a-z]".repeat(95)),
        format!("SELECT json_patch({objects}, {objects})"),
        format!("SELECT json_patch({many}, {many})"),
        format!("SELECT jsonb_patch(jsonb({many}), jsonb({many}))"),
        format!("SELECT json_patch({nested_many}, {nested_many})"),
        format!("SELECT json_pretty({nested}, {b})"),
        "SELECT printf('%.*c', 1000000000, 'x')".to_owned(),
        "SELECT group_concat(printf('%1000000s', 'x')) FROM tracks a, tracks b, tracks c, tracks d".to_owned(),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(length(randomblob(1000000))) FROM n"
            .to_owned(),
        format!(
            "WITH {} SELECT count(*) FROM t39",
            (1..40).fold("t0 AS (SELECT 1)".to_owned(), |all, n| {
                format!("{all}, t{n} AS (SELECT 1 FROM t{m}, t{m} AS o)", m = n - 1)
            })
        ),
    ] {
        let began = Instant::now();
        let result = first_column(&reader, &sql);
        // It is either quick or ended, on any machine: the slowest of these took minutes.
        let result = format!("{result:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?} {sql:.60} {result:.80}", began.elapsed());
    }
}

#[test]
fn exceeded_limits_are_named() {
    let mut reader = reader();
    let error = |reader: &QueryReader, sql: &str| first_column(reader, sql).unwrap_err().to_string();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i FROM n";
    let row = "SELECT randomblob(600000) AS a, randomblob(600000) AS b FROM main.tracks ORDER BY random()";
    assert_eq!(
        error(&reader, "SELECT zeroblob(2000000)"),
        "a value or row is longer than 1048576 bytes, which is the limit"
    );
    assert_eq!(error(&reader, row), "a value or row is longer than 1048576 bytes, which is the limit");
    reader.budget.rows = 999;
    assert_eq!(error(&reader, many), "its result has more than 999 rows, which is the limit");
    reader.budget.rows = 1_000;
    assert_eq!(first_column(&reader, many).unwrap().len(), 1_000);
    reader.budget.bytes = 10_000;
    let wide = many.replace("SELECT i FROM n", "SELECT hex(zeroblob(100)) FROM n");
    assert_eq!(error(&reader, &wide), "its result is larger than 10000 bytes, which is the limit");
    reader.budget.rows = 1;
    let ids = reader.ids("items", "track_id", None, &QueryParameters::default()).unwrap_err();
    assert_eq!(ids.to_string(), "its result has more than 1 rows, which is the limit");
}

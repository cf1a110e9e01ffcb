//! Charts from the SQL of a job: what they draw, and that a wrong one costs nothing else.

use spotify_sandbox::fixtures;

use super::report_pages::text;
use crate::support::project::Project;
use crate::support::snapshot::{Cases, assert_output};
use crate::support::world::{World, by_ids};

fn chart(title: &str, kind: &str, sql: &str) -> String {
    format!("[[chart]]\ntitle = \"{title}\"\nkind = \"{kind}\"\nsql = \"\"\"{sql}\"\"\"\n")
}

/// Rows for a chart without a table.
fn values(rows: &str, columns: &str) -> String {
    format!("WITH v({columns}) AS (VALUES {rows}) SELECT {columns} FROM v ORDER BY 1")
}

fn world(charts: &[String]) -> World {
    let job = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]) + "[report]\nsections = [\"fetches\"]\n";
    World::extended().job(&(job + &charts.concat()))
}

fn page(world: &World) -> String {
    String::from_utf8(world.csv_bytes("report.html")).unwrap()
}

/// A drawing, from its title to its end.
fn drawing<'p>(page: &'p str, title: &str) -> &'p str {
    let from = page.find(&format!("-t\">{title}</title>")).unwrap_or_else(|| panic!("{title}: {page}"));
    &page[from..from + page[from..].find("</figure>").unwrap()]
}

#[test]
fn charts_draw_their_rows() {
    let days = "('2026-11-01', 3, 'One'), ('2026-11-08', 5.5, 'One'), ('2026-11-01', 9, '<b>Two</b>'), ('2026-11-15', NULL, 'One')";
    let kinds = "SELECT kind AS x, count(*) AS y FROM playlist_items GROUP BY 1 ORDER BY 2 DESC, 1";
    let world = world(&[
        chart("A & B", "line", &values(days, "x, y, series")),
        chart("Steps", "step", &values("(1, 10), (2, -5), (4, 20)", "x, y")),
        chart("Months", "bars", &values("('2026-10', 4), ('2026-11', 7)", "x, y")),
        chart("Kinds", "bars", kinds),
        chart(
            "Values",
            "table",
            &values("('a', 0.25, 'https://example.com/'), ('b', 1000000, 'https://open.spotify.com/x')", "x, y, url"),
        ),
    ]);
    world.run(&[]).exits(0);
    let page = page(&world);
    assert_output("drawn", text(&page).split("\nFetches\n").next().unwrap());
    assert!(drawing(&page, "One").contains("d=\"M40 ") && drawing(&page, "One").contains("L348 "));
    assert!(drawing(&page, "Steps").contains('V') && drawing(&page, "&#60;b&#62;Two&#60;/b&#62;").contains("<circle"));
    assert_eq!(drawing(&page, "Months").matches("<rect").count(), 2);
    let kinds: usize = world.one("SELECT count(DISTINCT kind) FROM csv_playlist_items").parse().unwrap();
    assert_eq!(drawing(&page, "Kinds").matches("<rect").count(), kinds);
    assert!(page.contains("href=\"https://open.spotify.com/x\"") && !page.contains("example.com"));
    // The numbers are those of the SQL.
    let most = world.one("SELECT max(n) FROM (SELECT count(*) AS n FROM csv_playlist_items GROUP BY kind)");
    assert!(drawing(&page, "Kinds").contains(&format!("<desc id=\"chart-4-0-d\">The most is {most}, for ")));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn wrong_chart_costs_itself_alone() {
    let long =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 6000) SELECT x, x AS y FROM n ORDER BY x";
    let world = world(&[
        chart("No column", "line", "SELECT missing_column AS x, 1 AS y FROM playlist_items ORDER BY 1"),
        chart("Other columns", "line", "SELECT position AS a, 1 AS y FROM playlist_items ORDER BY 1"),
        chart("Text", "bars", "SELECT position AS x, track_name AS y FROM playlist_items ORDER BY 1"),
        chart("No time", "step", "SELECT track_name AS x, position AS y FROM playlist_items ORDER BY 1"),
        chart("Nothing", "line", "SELECT position AS x, position AS y FROM playlist_items WHERE 0 ORDER BY 1"),
        chart("Long", "line", long),
        chart("Good", "line", "SELECT position AS x, position AS y FROM playlist_items ORDER BY 1"),
    ]);
    world.cli(&["check"]).exits(2).says("a column named `x`").says("no such column: missing_column");
    let ran = world.run(&[]).exits(0);
    let found = page(&world);
    for title in ["No column", "Other columns", "Text", "No time"] {
        assert!(ran.stderr.contains(&format!("chart `{title}` was not drawn: ")), "{title}: {}", ran.stderr);
        let section = found.split(&format!(">{title}</h2>")).nth(1).unwrap().split("</section>").next().unwrap();
        assert!(section.contains("✗ This chart could not be drawn: ") && !section.contains("<svg"), "{section}");
    }
    assert!(!found.contains("playlist_items ORDER") && !found.contains("SELECT"));
    assert!(text(&found).contains("The SQL of this chart has no rows yet."));
    assert!(text(&found).contains("The SQL has more than 5,000 rows, and only these are shown."));
    assert!(drawing(&found, "Good").contains("<circle") && drawing(&found, "Long").matches('L').count() < 410);
    let exported = world.cli(&["report", "--json"]).exits(0).json();
    assert_eq!(exported["warnings"].as_array().unwrap().len(), 0, "the page is unchanged: {exported}");
    std::fs::remove_file(world.csv_path("report.html")).unwrap();
    let exported = world.cli(&["report", "--json"]).exits(0).json();
    assert_eq!(exported["warnings"].as_array().unwrap().len(), 4, "{exported}");
    assert_eq!(page(&world), found);
}

#[test]
fn wrong_rows_cost_themselves_alone() {
    let world = world(&[
        chart(
            "Line",
            "line",
            &values("('2026-11-01', 3), ('soon', 4), ('2026-11-08', 5), ('2026-11-09', 'many')", "x, y"),
        ),
        chart("Bars", "bars", &values("('a', 3), ('b', 'many'), ('c', 4)", "x, y")),
        chart("Table", "table", &values("('a', 3), ('b', 'many')", "x, y")),
    ]);
    let ran = world.run(&[]).exits(0);
    assert!(!ran.stderr.contains("was not drawn"), "{}", ran.stderr);
    let page = page(&world);
    let shown = text(&page);
    let line =
        "2 rows are not drawn: 1 with an x that is neither a time nor a number, 1 with a y that is not a number.";
    assert!(shown.contains(line), "{shown}");
    assert!(shown.contains("1 row is not drawn: 1 with a y that is not a number."), "{shown}");
    assert!(drawing(&page, "Line").contains("From 3 at 2026-11-01 to 5 at 2026-11-08."));
    assert_eq!(drawing(&page, "Bars").matches("<rect").count(), 2);
    assert_eq!(page.matches(">many<").count(), 3, "the tables have all rows");
}

/// The attributes of this name in a drawing, as numbers.
fn attributes(drawing: &str, element: &str, name: &str) -> Vec<f64> {
    let (begin, key) = (format!("<{element} "), format!(" {name}=\""));
    let value = |element: &str| element.split(&key).nth(1)?.split('"').next()?.parse().ok();
    drawing.split(&begin).skip(1).filter_map(value).collect()
}

#[test]
fn drawings_of_a_chart_have_one_scale() {
    let rows =
        "('2026-11-01', 100, 'A'), ('2026-11-02', 200, 'A'), ('2026-11-05', 1, 'B'), ('2026-11-08T12:00:00Z', 2, 'B')";
    let bars = "('a', 10, 'C'), ('bbbbb', 5, 'C'), ('ccccc', 5, 'D')";
    let world = world(&[
        chart("Lines", "line", &values(rows, "x, y, series")),
        chart("Bars", "bars", &values(bars, "x, y, series")),
        chart("Columns", "bars", &values("('a', 10, 'E'), ('b', 5, 'E'), ('c', 5, 'F')", "x, y, series")),
    ]);
    world.run(&[]).exits(0);
    let page = page(&world);
    let texts = |title: &str| -> Vec<String> {
        let texts = drawing(&page, title).split("<text ").skip(1);
        texts.map(|text| text.split(['>', '<']).nth(1).unwrap().to_owned()).collect()
    };
    // The same ticks and the same ends, in labels of one kind.
    for title in ["A", "B"] {
        let texts = texts(title);
        assert!(["0", "100", "200"].iter().all(|tick| texts.iter().any(|text| text == tick)), "{texts:?}");
        assert_eq!(texts[texts.len() - 2..], ["2026-11-01", "2026-11-08"], "{title}");
    }
    let path =
        |title: &str| drawing(&page, title).split(" d=\"M").last().unwrap().split('"').next().unwrap().to_owned();
    assert!(path("A").starts_with("40 ") && !path("A").contains("348"), "{}", path("A"));
    assert!(!path("B").starts_with("40 ") && path("B").contains("L348 "), "{}", path("B"));
    let widths = |title: &str| attributes(drawing(&page, title), "rect", "width");
    assert_eq!(widths("C"), [288.0, 144.0]);
    assert_eq!(widths("D"), [144.0]);
    let heights = |title: &str| attributes(drawing(&page, title), "rect", "height");
    assert_eq!(heights("E")[1], heights("F")[0]);
    assert_eq!(text(&page).matches("All drawings have the same scale.").count(), 3);
}

#[test]
fn bars_are_sorted() {
    let names = |rows: &str| values(rows, "x, y");
    let world = world(&[
        chart("Names", "bars", &names("('alpha', 1), ('bravo', 3), ('charlie', 2)")),
        chart(
            "Days",
            "bars",
            "WITH v(x, y) AS (VALUES ('2026-11-02', 9), ('2026-11-01', 1)) SELECT x, y FROM v ORDER BY y DESC",
        ),
        chart(
            "Parts",
            "bars",
            &names("('0 to 99', 1), ('100 to 199', 3), ('over 200', 2)").replace("over 200", "200 to 299"),
        ),
    ]);
    world.run(&[]).exits(0);
    let page = page(&world);
    let labels = |title: &str, of: &[&str]| -> Vec<String> {
        let texts = drawing(&page, title).split("<text ").skip(1).map(|text| text.split(['>', '<']).nth(1).unwrap());
        texts.filter(|text| of.contains(text)).map(str::to_owned).collect()
    };
    assert_eq!(labels("Names", &["alpha", "bravo", "charlie"]), ["bravo", "charlie", "alpha"]);
    assert_eq!(labels("Days", &["1 Nov", "2 Nov"]), ["1 Nov", "2 Nov"]);
    assert_eq!(labels("Parts", &["0 to 99", "100 to 199", "200 to 299"]), ["0 to 99", "100 to 199", "200 to 299"]);
}

#[test]
fn tables_have_the_names_of_columns() {
    let world = world(&[chart(
        "Items",
        "table",
        "SELECT i.position AS x, i.duration_ms AS y, i.kind AS series FROM playlist_items i ORDER BY 1",
    )]);
    world.run(&[]).exits(0);
    let page = page(&world);
    assert!(text(&page).contains("kind | position | duration_ms |"), "{}", text(&page));
    // The title of a section is not repeated above its only drawing or table.
    assert!(!page.contains("<figcaption><bdi>Items") && page.contains("<caption class=\"unseen\">Items"));
}

#[test]
fn long_values_stay_out_of_pages() {
    let long = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300)
                SELECT hex(zeroblob(200000)) || x AS x, x AS y, hex(zeroblob(200000)) || x AS series FROM n ORDER BY x";
    let query = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 80)
                 SELECT hex(zeroblob(200000)) AS a, zeroblob(500000) AS b, x FROM n ORDER BY x";
    let query = format!("[[query]]\ncsv = \"long.csv\"\nsql = \"\"\"\n{query}\n\"\"\"\n");
    let charts = [chart("Table", "table", long), chart("Bars", "bars", long), query].concat();
    let job = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]) + "[report]\nsections = [\"queries\"]\n";
    let world = World::extended().job(&(job + &charts));
    world.run(&[]).exits(0);
    let page = page(&world);
    assert!(page.len() < 3_000_000, "{}", page.len());
    assert!(page.contains("…") && page.contains("500000 bytes"));
    assert!(std::fs::metadata(world.csv_path("long.csv")).unwrap().len() > 30_000_000);
}

#[test]
fn points_without_a_place_are_counted() {
    let rows = "(1, 2), (NULL, 3), (2, NULL), (3, 9e999), (4, 5), (5, -9e999)";
    let world = world(&[
        chart("Gaps", "line", &values(rows, "x, y")),
        chart("Bars", "bars", &values("('a', 3), (NULL, 4)", "x, y")),
        chart("All", "table", &values(rows, "x, y")),
        chart("None", "line", &values("(NULL, 4)", "x, y")),
    ]);
    let ran = world.run(&[]).exits(0);
    assert!(!ran.stderr.contains("was not drawn"), "{}", ran.stderr);
    let page = page(&world);
    let shown = text(&page);
    assert!(shown.contains("4 rows are not drawn: 1 without x, 1 without y, 2 with an infinite y."), "{shown}");
    assert_eq!(shown.matches("1 row is not drawn: 1 without x.").count(), 2, "{shown}");
    let path = drawing(&page, "Gaps").split("class=\"line\"").nth(1).unwrap();
    assert_eq!(path.split("\"/>").next().unwrap().matches('L').count(), 1, "{path}");
    assert_eq!(drawing(&page, "Bars").matches("<rect").count(), 1);
    // The tables have all rows.
    assert_eq!(page.matches(">∞<").count() + page.matches(">−∞<").count(), 2 + 2, "{shown}");
}

#[test]
fn wrong_keys_of_charts_are_reported() {
    let mut cases = Cases::default();
    let artists = "[[fetch]]\nstream = \"artists\"\nids = [\"4Z8W4fKeB5YxbbsqsVdVSj\"]\n";
    let sql = "sql = \"SELECT id AS x, 1 AS y FROM artists ORDER BY 1\"\n";
    for (name, lines) in [
        ("no page", format!("[[chart]]\ntitle = \"A\"\n{sql}")),
        ("no title", format!("[report]\n[[chart]]\n{sql}")),
        ("no sql", "[report]\n[[chart]]\ntitle = \"A\"\n".to_owned()),
        ("kind", format!("[report]\n[[chart]]\ntitle = \"A\"\nkind = \"pie\"\n{sql}")),
        (
            "column",
            "[report]\n[[chart]]\ntitle = \"A\"\nsql = \"SELECT id AS x, 1 AS z FROM artists ORDER BY 1\"\n".to_owned(),
        ),
        ("order", "[report]\n[[chart]]\ntitle = \"A\"\nsql = \"SELECT id AS x, 1 AS y FROM artists\"\n".to_owned()),
        ("sections", "[report]\nsections = [\"growth\", \"metrics\", \"tops\", \"queries\"]\n".to_owned()),
        ("not a select", "[report]\n[[chart]]\ntitle = \"A\"\nsql = \"DELETE FROM artists\"\n".to_owned()),
    ] {
        cases.add(name, &Project::with_job(&format!("{artists}{lines}")).check().1);
    }
    cases.assert_text("wrong_keys");
}

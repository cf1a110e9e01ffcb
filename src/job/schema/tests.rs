use super::*;

#[test]
fn every_option_of_a_stream_is_a_key() {
    for stream in stream::all() {
        for option in stream.options {
            assert!(OPTIONS.contains(option), "{}: {option}", stream.name);
            assert!(FETCH.iter().any(|k| k.name == *option), "{}: {option}", stream.name);
        }
    }
}

#[test]
fn schema_has_exactly_the_keys_of_the_table() {
    let schema = json_schema();
    for (at, keys) in [
        ("/properties", JOB),
        ("/properties/fetch/items/properties", FETCH),
        ("/properties/query/items/properties", QUERY),
        ("/properties/csv_options/properties", CSV),
    ] {
        let mut written: Vec<&str> =
            schema.pointer(at).and_then(Value::as_object).expect(at).keys().map(String::as_str).collect();
        let mut known: Vec<&str> = keys.iter().map(|k| k.name).collect();
        written.sort_unstable();
        known.sort_unstable();
        assert_eq!(written, known, "{at}");
    }
}

#[test]
fn the_table_in_the_docs_has_every_key() {
    let docs = markdown();
    for key in [JOB, FETCH, QUERY, CSV].into_iter().flatten() {
        assert!(docs.contains(&format!("| `{}` |", key.name)), "{}", key.name);
    }
}

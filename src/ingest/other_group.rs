//! Releases of another group than the one that was requested. A server that ignores `include_groups` sends the whole
//! discography for each group, and every release would have a row in each of them.

use spotify_client::wire::scan;

/// The group of a release, if it says that it is another one than requested. Development Mode leaves it out.
pub(super) fn other_group<'a>(requested: &str, album: &'a str) -> Option<&'a str> {
    let [group] = scan::find_values(album, ["album_group"]);
    group.and_then(scan::plain_text).filter(|group| !group.is_empty() && *group != requested)
}

/// What such a release is, for people.
pub(super) fn describe_other_group(group: &str, album: &str) -> String {
    let [uri, id] = scan::find_values(album, ["uri", "id"]).map(|value| value.and_then(scan::plain_text));
    let name = uri.or(id).map_or_else(String::new, |name| format!(": {name}"));
    format!("it is of the group `{group}`{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_compared_where_it_is_said() {
        let table = [
            (r#"{"album_group":"single","album_type":"album"}"#, Some("single")),
            (r#"{"album_group":"album","album_type":"single"}"#, None),
            (r#"{"album_type":"single"}"#, None),
            (r#"{"album_group":null}"#, None),
            (r#"{"album_group":""}"#, None),
            (r#"{"album_group":["single"]}"#, None),
        ];
        for (album, other) in table {
            assert_eq!(other_group("album", album), other, "{album}");
        }
    }
}

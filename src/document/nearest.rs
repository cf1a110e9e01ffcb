//! Suggestions for misspelled names.

/// Maximum number of edits between a suggestion and the written name.
const MAX_DISTANCE: usize = 2;
/// Maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 3;
/// Maximum length of a compared name in bytes.
const MAX_LENGTH: usize = 200;

/// Up to three names within two edits of the written name, nearest first. A name that differs only in case, dashes
/// or a plural comes first.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // A much longer text is near to no name, and comparing it would take long.
    if written.len() > MAX_LENGTH {
        return Vec::new();
    }
    let written = written.to_ascii_lowercase().replace(['-', ' '], "_");
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|name| name.len() <= MAX_LENGTH)
        .map(|name| (distance(&written, name), name))
        // A name of three letters is within two edits of almost everything.
        .filter(|(distance, name)| *distance <= MAX_DISTANCE && *distance < name.chars().count().max(2))
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().map(|(_, name)| name).take(MAX_SUGGESTIONS).collect()
}

/// Number of edits between two names. The part after the last slash counts as equal, since people write `Berlin`
/// instead of `Europe/Berlin`.
fn distance(written: &str, name: &str) -> usize {
    let name = name.to_ascii_lowercase();
    match name.rsplit_once('/') {
        Some((_, city)) if city == written => 0,
        _ => strsim::osa_distance(written, &name),
    }
}

/// `` `a`, `b` or `c` ``.
pub fn or_list<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{}`", n.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_comes_first() {
        let names = ["albums", "album_tracks", "artists", "tracks"];
        assert_eq!(nearest("album", names), ["albums"]);
        assert_eq!(nearest("trakcs", names), ["tracks"]);
        assert!(nearest("podcast", names).is_empty());
        assert_eq!(nearest("berlin", ["Europe/Berlin", "UTC"]), ["Europe/Berlin"]);
    }
}

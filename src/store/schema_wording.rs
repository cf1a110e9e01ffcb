//! Current descriptions of tables and columns. Their comments are in released migrations, which are never edited.

/// A comment of a released migration, and the description that the docs show instead.
pub(super) const WORDING: &[(&str, &str)] = &[
    ("market asked for; empty if none was", "requested market; empty if there was none"),
    (
        "id of the track that was asked for, where Spotify answered with another",
        "id of the requested track, if Spotify answered with another one",
    ),
    (
        "files of a user's own machine that stand in playlists; Spotify knows only these texts",
        "local files in playlists; Spotify has only these texts",
    ),
    (
        "lists of words that belong to a show, episode, audiobook or chapter",
        "texts that belong to a show, episode, audiobook or chapter",
    ),
    ("the word or line", "the text"),
    ("Spotify's version of it, when last looked at", "Spotify's version at the last check"),
    (
        "when Spotify first said that it is gone; its rows stay",
        "when Spotify first reported it as deleted; its rows stay",
    ),
    ("what stands in a playlist; every position has a row", "items of playlists; every position has a row"),
    ("what stands there", "kind of the item"),
    ("when the item was added, by Spotify's word", "when the item was added, according to Spotify"),
    ("the releases of an artist, by the group the artist stands in", "releases of an artist, by album group"),
    ("the list it stands in", "list that contains it"),
    ("the list it stands in, one per locale", "list that contains it, one per locale"),
    ("the user asked for", "requested user"),
    ("what is ranked", "kind of the ranked item"),
    ("when it was played, by Spotify's word", "when it was played, according to Spotify"),
    ("spotify: URI of what it was played from", "spotify: URI of the context it was played from"),
    (
        "id of what it belongs to, or the search expression; empty if none",
        "id of the parent, or the search expression; empty if there is none",
    ),
    ("how many rows stand", "number of current rows"),
    (
        "when Spotify first refused it or said that it is gone",
        "when Spotify first refused it or reported it as deleted",
    ),
    ("in Spotify's words", "Spotify's message"),
    (
        "what shows that it stands so: one_answer, snapshot, content, end_reached or presumed (read from the newest to rows that were known; the rest adds up and was not read)",
        "why it is known to be complete: one_answer, snapshot, content, end_reached or presumed (only the newest items were read, down to known rows; the total adds up)",
    ),
    (
        "1 if Spotify gives it another snapshot_id at every look, so that its content alone tells whether it changed",
        "1 if Spotify reports another snapshot_id at every check, so that only its content shows whether it changed",
    ),
    (
        "JSON: place, id and added_at of everything that stands in it for another time, of which its table has the first place only; null if nothing does",
        "JSON: position, id and added_at of repeated items, of which its table has only the first position; null if there are none",
    ),
    (
        "hash over the rows of the last whole read as they stand in their table",
        "hash of the rows in its table after the last complete read",
    ),
    ("Spotify's version when the read began", "Spotify's version at the start of the read"),
    ("how often it was begun again because it moved", "how often the read was restarted because the list changed"),
    ("when the read began", "when the read started"),
    ("when it began", "when it started"),
    ("the exit code it asked for", "exit code"),
    (
        "when its checkpoints were forgotten by hand: no later run goes on from it",
        "when its checkpoints were reset by hand: no later run resumes it",
    ),
    ("and at most; null where nobody could say", "maximum of the same; null if there is none"),
    ("ids, lists or searches asked for", "requested ids, lists or searches"),
    (
        "of the lists asked for, those that were read from the newest only as far as to rows that were known",
        "of the requested lists, those read only from the newest item down to known rows",
    ),
    (
        "everything that was asked for or served and could not be stored whole, with its reason",
        "requested or served items that could not be stored completely, with the reason",
    ),
    ("more, in Spotify's words where there are any", "details, in Spotify's words if there are any"),
    (
        "1 if it was already known, and the run is complete all the same",
        "1 if it was known before, so that the run still counts as complete",
    ),
    (
        "Ids that Spotify refused, so that they are looked at weekly and not at every run",
        "ids that Spotify refused; they are requested weekly and not by every run",
    ),
    (
        "ids that Spotify refused, so that they are looked at weekly and not at every run",
        "ids that Spotify refused; they are requested weekly and not by every run",
    ),
    ("the id asked for", "requested id"),
    ("'app', or the id of the user whose token asked", "'app', or the id of the user whose token was used"),
    ("Spotify's words", "Spotify's message"),
    ("when it was last asked for", "when it was last requested"),
    (
        "what each fetch of each job asked for when it last finished, in the job's order (with a rowid: SQLite then knows that ordinals are distinct, and joins by them without sorting)",
        "what each fetch of each job requested when it last finished, or before its first end what it came to, in the job's order (with a rowid, so that SQLite knows the ordinals to be distinct and joins without sorting)",
    ),
    ("how many rows stand; of logs: how many were added", "number of current rows; for logs: number of added rows"),
    (
        "Spotify's version after the last page, where it was asked for",
        "Spotify's version after the last page, if it was requested",
    ),
    (
        "why it is called whole: version (the same before and after, or one answer), total (as many as announced), end (it ended, and announced nothing), wrong_total (it ended, and not as announced), cut (no more were wanted), content (two reads in a row had the same), presumed (read from the newest to rows that were known; the rest adds up and was not read)",
        "why it counts as complete: version (the same before and after, or one response), total (as many as announced), end (it ended, and no total was announced), wrong_total (it ended with another total than announced), cut (no more items were wanted), content (two reads in a row had the same items), presumed (only the newest items were read, down to known rows; the total adds up)",
    ),
    ("how many items it had", "number of items"),
    (
        "things of the catalog that were known and changed, lately: what was written of files before shows them as they were",
        "existing catalog entities that changed recently; files written before show their old values",
    ),
    (
        "one row each time that something came back to a list it had left: it stands again, so its row there says nothing of it",
        "one row for each item that came back to a list, because its row in the list no longer shows that it was removed",
    ),
    ("Spotify's version when the last read began", "Spotify's version at the start of the last read"),
    ("Spotify's version after it, where that was asked for", "Spotify's version after it, if it was requested"),
];

/// Returns the description for a comment.
pub(super) fn describe(comment: &str) -> &str {
    let plain = comment.trim_end_matches('.');
    let same = |old: &str| old.eq_ignore_ascii_case(plain);
    WORDING.iter().find(|(old, _)| same(old)).map_or(comment, |(_, new)| new)
}

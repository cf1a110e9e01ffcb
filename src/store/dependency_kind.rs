//! The kinds of entities that a file of playlist items depends on.

/// The SQL function that an upsert calls when it changes an existing row. An upsert does not report whether it
/// inserted or updated, and a query before each write would cost more than the write.
pub(super) const ROW_UPDATED: &str = "met_again";

/// A kind of entity that a file of playlist items depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum DependencyKind {
    Track,
    Album,
    Artist,
    Episode,
    Show,
    User,
    LocalFile,
}

impl DependencyKind {
    const ALL: [(DependencyKind, char); 7] = [
        (DependencyKind::Track, 't'),
        (DependencyKind::Album, 'l'),
        (DependencyKind::Artist, 'a'),
        (DependencyKind::Episode, 'e'),
        (DependencyKind::Show, 's'),
        (DependencyKind::User, 'u'),
        (DependencyKind::LocalFile, 'f'),
    ];

    pub(super) fn letter(self) -> char {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or('t', |(_, letter)| *letter)
    }

    /// Returns kind and id of a line.
    pub(super) fn parse_line(line: &str) -> Option<(DependencyKind, &str)> {
        let mut rest = line.chars();
        let letter = rest.next()?;
        Self::ALL.iter().find(|(_, l)| *l == letter).map(|(kind, _)| (*kind, rest.as_str()))
    }
}

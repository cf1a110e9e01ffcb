//! What is left of a file without the rows of a user.

use std::collections::BTreeSet;

use super::*;

fn shortened(text: &str) -> Option<(String, u64, u64)> {
    let user = PurgedUser { local_names: BTreeSet::from(["home".to_owned()]), ..PurgedUser::default() };
    let kept = rows_to_keep(text.as_bytes(), text.len() as u64, &user).unwrap()?;
    let parts = kept.parts.iter().map(|part| {
        let at = |n: u64| usize::try_from(n).unwrap();
        &text[at(part.start)..at(part.end)]
    });
    Some((parts.collect(), kept.rows, kept.dropped))
}

#[test]
fn lines_of_others_keep_their_bytes() {
    let user = PurgedUser { local_names: BTreeSet::from(["home".to_owned()]), ..PurgedUser::default() };
    let (ours, theirs) = ("{\"user\":\"home\",\"n\":1}\n", "{\"user\":\"studio\",\"n\":2}\n");
    let text = format!("{ours}{theirs}{theirs}{ours}{theirs}");
    let kept = lines_to_keep(text.as_bytes(), &user).unwrap().unwrap();
    let parts: String = kept.parts.iter().map(|part| &text[part.start as usize..part.end as usize]).collect();
    assert_eq!((parts, kept.rows, kept.dropped), (theirs.repeat(3), 3, 2));
    assert_eq!(lines_to_keep("{\"n\":1}\n".as_bytes(), &user).unwrap(), None);
    assert_eq!(lines_to_keep("".as_bytes(), &user).unwrap(), Some(KeptRows::default()));
}

#[test]
fn rows_of_others_keep_their_bytes() {
    let table = [
        ("user,n\nhome,1\nstudio,2\nhome,3\n", "user,n\nstudio,2\n", 1, 2),
        ("user,n\nstudio,2\nhome,\"a\nb\"\nstudio,\"c\nhome,d\"\n", "user,n\nstudio,2\nstudio,\"c\nhome,d\"\n", 2, 1),
        ("\u{feff}n;user\r\n1;\"home\"\r\n2;\"studio\"\r\n", "\u{feff}n;user\r\n2;\"studio\"\r\n", 1, 1),
        ("user|n\nhome|1\n", "user|n\n", 0, 1),
        ("\"n\"\t\"user\"\n1\thomely\n2\thome\n3\t\n", "\"n\"\t\"user\"\n1\thomely\n3\t\n", 2, 1),
        ("user,n\nhome,1", "user,n\n", 0, 1),
    ];
    for (text, expected, rows, dropped) in table {
        assert_eq!(shortened(text), Some((expected.to_owned(), rows, dropped)), "{text:?}");
    }
    assert_eq!(shortened("n,users\n1,home\n"), None);
    assert_eq!(shortened(""), None);
}

//! Letters for file names.

/// A letter without its accent, or a dash for what file names cannot contain.
pub(super) fn plain_letter(letter: char) -> impl Iterator<Item = char> {
    const ACCENTS: [(&str, &str); 18] = [
        ("a", "àáâãåāăą"),
        ("ae", "äæ"),
        ("c", "çćč"),
        ("d", "ďđð"),
        ("e", "èéêëēěę"),
        ("g", "ğģġ"),
        ("i", "ìíîïīįı"),
        ("k", "ķ"),
        ("l", "łľļĺ"),
        ("n", "ñńňņ"),
        ("o", "òóôõō"),
        ("oe", "öøœ"),
        ("r", "řŕ"),
        ("s", "śşšș"),
        ("t", "ťţț"),
        ("u", "ùúûūůűų"),
        ("y", "ýÿ"),
        ("z", "źżž"),
    ];
    let text = match letter {
        _ if letter.is_ascii_alphanumeric() || letter == '_' => letter.to_string(),
        'ü' => "ue".to_owned(),
        'Ü' => "Ue".to_owned(),
        'ß' => "ss".to_owned(),
        _ => {
            let lower: String = letter.to_lowercase().collect();
            let plain = ACCENTS.iter().find(|(_, accents)| accents.contains(&*lower)).map(|(plain, _)| *plain);
            match plain {
                Some(plain) if letter.is_uppercase() => plain[..1].to_ascii_uppercase() + &plain[1..],
                Some(plain) => plain.to_owned(),
                None => "-".to_owned(),
            }
        }
    };
    text.chars().collect::<Vec<_>>().into_iter()
}

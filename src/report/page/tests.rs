//! Pages keep their promises whatever their texts are.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::chart::bars;
use super::*;

/// A page with this text wherever a text can be.
fn page_with(text: &str) -> String {
    let mut page = Page::new("job", text, RunState::Partial);
    page.description = Some(text.to_owned());
    page.reasons = vec![text.to_owned()];
    page.facts = vec![(text.to_owned(), text.to_owned())];
    page.has_content = true;
    let mut table = PageTable::new(text, &["a", "#b"]);
    let url = Some(format!("{SPOTIFY}track/{text}"));
    table.rows =
        vec![vec![PageCell::named(&NamedLink { name: text.to_owned(), url }).explicit(true), PageCell::text(text)]];
    table.note = Some(text.to_owned());
    let charts = vec![bars("c".into(), text, &[(text.to_owned(), 3, 2)], true)];
    page.sections =
        vec![Section { id: "s".into(), title: "S".into(), lead: text.to_owned(), charts, tables: vec![table] }];
    String::from_utf8(page.to_bytes().unwrap()).unwrap()
}

/// The tags of a page, without their attributes.
fn tags(page: &str) -> Vec<String> {
    let name = |tag: &str| tag.split([' ', '>', '\n']).next().unwrap().to_owned();
    page.split('<').skip(1).map(name).collect()
}

#[test]
fn policy_allows_only_the_style_of_the_page() {
    let page = page_with("x");
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    assert!(page.contains(&format!("content=\"{policy}\"")));
    for forbidden in ["<script", " style=", " onclick", "<iframe", "<link", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for address in page.split("http").skip(1) {
        assert!(address.starts_with("-equiv") || address.starts_with("s://open.spotify.com/"), "{address:.60}");
    }
    // Spotify's own green is not for other people's pages.
    assert!(!style.contains("1db954") && !style.contains("1ed760"));
}

#[test]
fn links_lead_to_spotify_only() {
    for url in ["javascript:alert(1)", "https://example.com/", "https://open.spotify.com.example.com/", "//x", ""] {
        assert_eq!(PageCell::named(&NamedLink { name: "x".into(), url: Some(url.into()) }).link(), None, "{url}");
    }
}

/// The values of the variables in each block of the style that sets them all.
fn schemes() -> Vec<BTreeMap<&'static str, [f64; 3]>> {
    let blocks = STYLE.split("--page:").skip(1);
    let scheme = |block: &'static str| {
        let block = block.split('}').next().unwrap();
        let pairs = block.split(';').enumerate().map(|(n, pair)| match n {
            0 => ("page", pair),
            _ => pair.trim_start_matches("--").split_once(':').unwrap(),
        });
        let channel = |hex: &str, at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        pairs.map(|(name, hex)| (name, [channel(hex, 1), channel(hex, 3), channel(hex, 5)])).collect()
    };
    blocks.map(scheme).collect()
}

/// The contrast of two colors, by WCAG 2.2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let luminance = |c: [f64; 3]| 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}

#[test]
fn texts_and_shapes_have_enough_contrast() {
    let schemes = schemes();
    assert_eq!(schemes.len(), 4, "light, dark by the system, dark by choice, print");
    assert_eq!(schemes[1], schemes[2]);
    for (n, scheme) in schemes.iter().enumerate() {
        for ground in ["page", "card"] {
            for text in ["ink", "soft", "link", "good", "warn", "bad"] {
                let found = contrast(scheme[text], scheme[ground]);
                assert!(found >= 4.5, "{text} on {ground} in scheme {n}: {found:.2}");
            }
        }
        assert!(contrast(scheme["ink"], scheme["mark"]) >= 4.5);
        // For shapes, such as bars and lines, WCAG asks 3. Print is black on white except for the bars that go down.
        for shape in ["bar", "line"] {
            assert!(contrast(scheme[shape], scheme["card"]) >= 3.0, "{shape} in scheme {n}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::random_cases(200)))]

    #[test]
    fn no_text_adds_or_removes_an_element(text in prop_oneof!["[<>\"'&=/a-z{}% \u{202e}-]{1,20}", any::<String>()]) {
        // Our own texts mark commands by pairs of backticks.
        let text = text.replace('`', "'");
        let page = page_with(&text);
        prop_assert_eq!(tags(&page), tags(&page_with("x")));
        let title = page.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
        let read = title.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&");
        prop_assert_eq!(read, show_controls(text));
    }
}

#[test]
fn control_characters_become_signs() {
    let shown = show_controls("a\u{1b}[31m\u{7}\0\r\n\tb\u{7f}\u{85}é".to_owned());
    assert_eq!(shown, "a␛[31m␇␀␍\n\tb␡\u{fffd}é");
}

#[test]
fn commands_are_told_from_other_words() {
    assert_eq!(prose("`a b` and `c`."), [("a b", true), (" and ", false), ("c", true), (".", false)]);
    assert_eq!(prose("one ` alone"), [("one ` alone", false)]);
}

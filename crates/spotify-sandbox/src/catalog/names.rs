//! Words for generated names, and the markets.

use std::sync::OnceLock;

use crate::rng::SeededRng;

pub(crate) const MARKETS: [&str; 184] = [
    "AD", "AE", "AG", "AL", "AM", "AO", "AR", "AT", "AU", "AZ", "BA", "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ",
    "BN", "BO", "BR", "BS", "BT", "BW", "BY", "BZ", "CA", "CD", "CG", "CH", "CI", "CL", "CM", "CO", "CR", "CV", "CW",
    "CY", "CZ", "DE", "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "ES", "ET", "FI", "FJ", "FM", "FR", "GA", "GB",
    "GD", "GE", "GH", "GM", "GN", "GQ", "GR", "GT", "GW", "GY", "HK", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IN",
    "IQ", "IS", "IT", "JM", "JO", "JP", "KE", "KG", "KH", "KI", "KM", "KN", "KR", "KW", "KZ", "LA", "LB", "LC", "LI",
    "LK", "LR", "LS", "LT", "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MG", "MH", "MK", "ML", "MN", "MO", "MR", "MT",
    "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NE", "NG", "NI", "NL", "NO", "NP", "NR", "NZ", "OM", "PA", "PE", "PG",
    "PH", "PK", "PL", "PR", "PS", "PT", "PW", "PY", "QA", "RO", "RS", "RW", "SA", "SB", "SC", "SE", "SG", "SI", "SK",
    "SL", "SM", "SN", "SR", "ST", "SV", "SZ", "TD", "TG", "TH", "TJ", "TL", "TN", "TO", "TR", "TT", "TV", "TW", "TZ",
    "UA", "UG", "US", "UY", "UZ", "VC", "VE", "VN", "VU", "WS", "XK", "ZA", "ZM",
];

/// The lists of markets: all, nearly all, North America, none.
pub(crate) fn market_lists() -> &'static [(Vec<&'static str>, String); 4] {
    static LISTS: OnceLock<[(Vec<&'static str>, String); 4]> = OnceLock::new();
    LISTS.get_or_init(|| {
        let most = MARKETS.iter().copied().filter(|m| !["AU", "JP", "KR"].contains(m));
        [MARKETS.to_vec(), most.collect(), vec!["CA", "MX", "US"], Vec::new()].map(|list| {
            let quoted: Vec<String> = list.iter().map(|m| format!("\"{m}\"")).collect();
            (list, format!("[{}]", quoted.join(",")))
        })
    })
}

/// Index of the empty list of markets.
pub(super) const NO_MARKETS: usize = 3;

const FIRST_WORDS: &[&str] = &[
    "Amber",
    "Paper",
    "Velvet",
    "Silent",
    "Northern",
    "Hollow",
    "Golden",
    "Electric",
    "Distant",
    "Little",
    "Broken",
    "Crimson",
    "Lunar",
    "Wild",
    "Static",
    "Ivory",
    "Midnight",
    "Salt",
    "Copper",
    "Slow",
    "Bright",
    "Neon",
    "Quiet",
    "Stray",
    "Pale",
    "Winter",
    "Glass",
    "Burning",
    "Second",
    "Café",
    "Señor",
    "Weiße",
    "Übergang",
    "Ночной",
    "東京",
    "Étoile",
    "Grønne",
    "Ziemlich",
];
const LAST_WORDS: &[&str] = &[
    "Harbour",
    "Lanterns",
    "Tigers",
    "Signal",
    "Orchard",
    "Machine",
    "Parade",
    "Rivers",
    "Ghosts",
    "Avenue",
    "Weather",
    "Compass",
    "Mirrors",
    "Sparrow",
    "Satellites",
    "Kingdom",
    "Letters",
    "Wolves",
    "Horizon",
    "Theory",
    "Garden",
    "Engine",
    "Holiday",
    "Thunder",
    "Sundays",
    "Arcade",
    "Fjord",
    "Straße",
    "город",
    "夜想曲",
    "Corazón",
    "Forêt",
    "Brücke",
    "Młyn",
    "Şehir",
    "Ítaca",
];
const GENRES: &[&str] = &[
    "indie pop",
    "deep house",
    "norwegian jazz",
    "post-punk",
    "dream pop",
    "trip hop",
    "afrobeats",
    "bossa nova",
    "synthwave",
    "modern classical",
    "r&b",
    "k-pop",
    "folk rock",
    "drum and bass",
];
const LABELS: &[&str] = &[
    "Slow Harbour Records",
    "Night Post",
    "Copper & Sons",
    "Étoile Musique",
    "Ninth Floor",
    "Kontor Nord GmbH & Co. KG",
    "Self-Released",
    "Paper Moon, Inc.",
];
pub(super) const CATEGORIES: &[&str] = &[
    "Pop",
    "Hip-Hop",
    "Rock",
    "Latin",
    "Mood",
    "Indie",
    "Dance/Electronic",
    "Country",
    "R&B",
    "Chill",
    "Folk & Acoustic",
    "Jazz",
    "Classical",
    "Focus",
    "Sleep",
    "Party",
    "Workout",
    "At Home",
    "Soul",
    "Punk",
    "Ambient",
    "Blues",
    "Cooking & Dining",
    "Metal",
    "K-pop",
    "Reggae",
    "Funk & Disco",
    "Travel",
    "Kids & Family",
    "Podcasts & Talk",
];

pub(super) fn artist_name(rng: &mut SeededRng) -> String {
    let (first, last) = (rng.pick(FIRST_WORDS), rng.pick(LAST_WORDS));
    match rng.in_range(0, 9) {
        0 => first.to_owned(),
        1..=2 => format!("The {last}"),
        3 => format!("{first} & the {last}"),
        _ => format!("{first} {last}"),
    }
}

pub(super) fn track_title(rng: &mut SeededRng) -> String {
    let (first, last) = (rng.pick(FIRST_WORDS), rng.pick(LAST_WORDS));
    match rng.in_range(0, 19) {
        0..=3 => last.to_owned(),
        4 => format!("{first} {last} (Live)"),
        5 => format!("{first} {last} - {} Remaster", rng.in_range(1998, 2025)),
        6 => format!("What the {last} Said, Pt. {}", rng.in_range(1, 4)),
        7 => format!("{first} {last} (feat. {})", rng.pick(FIRST_WORDS)),
        _ => format!("{first} {last}"),
    }
}

pub(super) fn pick_genres(rng: &mut SeededRng) -> Vec<&'static str> {
    let mut genres: Vec<&'static str> = Vec::new();
    for _ in 0..rng.in_range(0, 3) {
        let genre = GENRES[(rng.next_u64() % GENRES.len() as u64) as usize];
        if !genres.contains(&genre) {
            genres.push(genre);
        }
    }
    genres
}

pub(super) fn label_name(rng: &mut SeededRng) -> String {
    rng.pick(LABELS).to_owned()
}

/// A date and its precision: usually a day, sometimes a month or a year.
pub(super) fn release_date(rng: &mut SeededRng) -> (String, &'static str) {
    let (year, month, day) = (rng.in_range(1964, 2025), rng.in_range(1, 12), rng.in_range(1, 28));
    match rng.in_range(0, 19) {
        0 => (format!("{year}"), "year"),
        1 => (format!("{year}-{month:02}"), "month"),
        _ => (format!("{year}-{month:02}-{day:02}"), "day"),
    }
}

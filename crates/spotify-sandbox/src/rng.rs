//! Deterministic random numbers: equal seeds generate equal catalogs on every machine.
//!
//! It is not a crate, because the catalog must never change with an update. SplitMix64 also computes
//! row 49,999 of a playlist without the rows before it. Ids are 128 bits in base 62, like those of Spotify:
//! 22 characters; the first is at most `7`.

/// SplitMix64 by Steele, Lea and Flood.
#[derive(Debug, Clone)]
pub(crate) struct SeededRng(u64);

/// A random number that depends on its two arguments only.
pub(crate) fn mix(seed: u64, n: u64) -> u64 {
    SeededRng(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next_u64()
}

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..=high`.
    pub(crate) fn in_range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next_u64() % (high - low + 1)
    }

    /// True with a probability of `percent`.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.next_u64() % 100 < percent
    }

    /// One element of a list, which must not be empty.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[(self.next_u64() % from.len() as u64) as usize]
    }
}

const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The id of the `n`th object of a kind.
pub(crate) fn generate_id(seed: u64, kind: &str, n: u64) -> String {
    let salt = kind.bytes().fold(seed, |h, b| mix(h, u64::from(b) + 1));
    let mut bits = (u128::from(mix(salt, n)) << 64) | u128::from(mix(!salt, n));
    let mut text = [b'0'; 22];
    for slot in text.iter_mut().rev() {
        *slot = DIGITS[(bits % 62) as usize];
        bits /= 62;
    }
    text.iter().map(|b| char::from(*b)).collect()
}

/// Whether a text has exactly 22 letters and digits.
pub(crate) fn is_base62_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_seed_kind_and_number() {
        let one = generate_id(1, "track", 7);
        assert!(is_base62_id(&one), "{one}");
        assert!(one.as_bytes()[0] <= b'7');
        assert_eq!(one, generate_id(1, "track", 7));
        for other in [generate_id(2, "track", 7), generate_id(1, "album", 7), generate_id(1, "track", 8)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn equal_seeds_give_equal_numbers() {
        let (mut a, mut b) = (SeededRng::new(9), SeededRng::new(9));
        assert!((0..100).all(|_| a.in_range(3, 8) == b.in_range(3, 8)));
        assert!((0..1000).all(|_| (3..=8).contains(&a.in_range(3, 8))));
    }
}

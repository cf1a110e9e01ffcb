//! The one source of random numbers: the operating system.

/// Random bytes, fit for keys and nonces.
///
/// # Errors
///
/// If the operating system gives none.
pub fn random_bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// A random number from 0 up to, but not including, 1. It spreads waits, so 0.5 serves where the
/// operating system gives no random bytes.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
pub fn random_fraction() -> f64 {
    let bits = random_bytes().map_or(1 << 63, u64::from_le_bytes);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

//! Randomness for waits. It need not be good, only different in every task and process, so the
//! keys that the standard library draws for its hash maps serve.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

static DRAWN: AtomicU64 = AtomicU64::new(0);

/// A number from 0 up to, not including, 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
pub fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(DRAWN.fetch_add(1, Ordering::Relaxed));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

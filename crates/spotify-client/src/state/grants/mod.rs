//! Grants: what users have consented to, with the tokens that prove it.
//!
//! They lie in a database of their own (0600), apart from the books and from what analysts open, one
//! row for each user of each app, every token sealed ([`KeyOrigin`](super::KeyOrigin) says with which key). A
//! row is changed in two ways only: by somebody who holds its [`GrantLock`], or by a comparison with
//! the generation that was read. Refusals never wipe a row: Spotify has refused good tokens before.
//!
//! A refresh goes `try_lock`, [`held`](Grants::held), [`begin`](Grants::begin) (the intent, on disk),
//! the call, [`finish`](Grants::finish) (on disk before the token is used), and the lock is dropped.

mod error;
mod expiry;
mod grant;
mod lock;
mod pending;
mod refresh;
mod schema;
mod seal;
mod store;
mod user_name;

pub use error::GrantError;
pub use expiry::{GrantEnd, grant_end, warning_due};
pub use grant::{
    Grant, GrantState, GrantWithTokens, NewGrant, RenewedGrant, SignInFlow, SpotifyAccount, StoredAccessToken,
};
pub use lock::GrantLock;
pub use pending::{PENDING_LIFETIME, PendingSignIn};
pub use store::{GrantStore, LOCK_TIMEOUT};
pub use user_name::check_user_name;

//! Grants: what users have consented to, and the tokens that prove it.
//!
//! They are in a separate database (mode 0600), apart from the ledger and from the data that analysts
//! open. It has one row for each user of each app, and every token in it is encrypted
//! ([`KeyOrigin`](super::KeyOrigin) says with which key). A row is changed in two ways only: by the holder
//! of its [`GrantLock`], or by a comparison with the generation that was read. A refusal never deletes a
//! row, because Spotify has refused valid tokens before.
//!
//! A refresh takes these steps: [`try_lock`](GrantStore::try_lock),
//! [`get_with_tokens`](GrantStore::get_with_tokens), [`start_refresh`](GrantStore::start_refresh) (writes
//! the intent to disk), the request, and [`finish_refresh`](GrantStore::finish_refresh) (writes the result
//! to disk before the token is used). Then the lock is released.

mod error;
mod expiry;
mod grant;
mod lock;
mod pending;
mod refresh;
mod schema;
mod seal;
mod servers;
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

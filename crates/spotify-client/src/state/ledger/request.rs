//! What the ledger is asked: a call of one client id, with the limits that apply to it.

use sha2::{Digest, Sha256};

use super::job_share::CallSpender;
use super::pace::CallPace;
use crate::hex;

/// The origin of calls: hashes of the client id and of the developer account with the quota.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    pub(in crate::state) client: String,
    pub(in crate::state) account: String,
}

impl ClientIdentity {
    /// The identity of a client id. Several client ids of one developer account share its quota. If
    /// the account is unknown, pass the client id as its name.
    pub fn new(client_id: &str, account: &str) -> ClientIdentity {
        ClientIdentity { client: hash(client_id), account: hash(account) }
    }

    /// The hash of the client id, as stored.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The hash of the account, as stored.
    pub fn account(&self) -> &str {
        &self.account
    }
}

fn hash(name: &str) -> String {
    hex::prefix(&Sha256::digest(name.as_bytes()), 12)
}

/// Maximum numbers of calls in a rolling day. `None` means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CallCeilings {
    /// For the whole account.
    pub per_day: Option<u32>,
    /// For each endpoint family.
    pub per_family: Option<u32>,
    /// The share that is never used, from 0 to 1.
    pub reserve: f64,
}

/// A request for permission to send one call.
#[derive(Debug, Clone, Copy)]
pub struct CallRequest<'a> {
    /// The client that sends it.
    pub identity: &'a ClientIdentity,
    /// The endpoint family that it goes to.
    pub family: &'a str,
    /// How fast calls may follow each other.
    pub pace: CallPace,
    /// How many calls a day may have.
    pub ceilings: CallCeilings,
    /// The job that it is sent for.
    pub spender: Option<CallSpender>,
}

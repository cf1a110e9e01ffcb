//! The app's own token: catalog only, no user, no refresh token.

use super::{Accounts, Caller, Form};
use crate::answer::Answer;
use crate::json;
use crate::routes::Call;

impl Accounts {
    pub(super) fn client_credentials(&mut self, call: &Call, form: &Form, now_ms: i64) -> Result<Answer, Answer> {
        let client = self.check_client(call, form)?;
        let token = self.access_token(Caller { client, user: None, scopes: Vec::new() }, now_ms);
        let mut body = String::new();
        json::object(&mut body, |o| {
            o.text("access_token", &token);
            o.text("token_type", "Bearer");
            o.plain("expires_in", self.ttl_secs);
        });
        Ok(Answer::json(body))
    }
}

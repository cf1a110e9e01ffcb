//! The client credentials grant: a token for the catalog, without a user and a refresh token.

use super::{AccountsService, FormFields, TokenOwner};
use crate::json;
use crate::response::ServerResponse;
use crate::routes::ServerRequest;

impl AccountsService {
    pub(super) fn client_credentials(
        &mut self,
        request: &ServerRequest,
        form: &FormFields,
        now_ms: i64,
    ) -> Result<ServerResponse, ServerResponse> {
        let client = self.check_client(request, form)?;
        let token = self.issue_access_token(TokenOwner { client, user: None, scopes: Vec::new() }, now_ms);
        let mut body = String::new();
        json::object(&mut body, |o| {
            o.text("access_token", &token);
            o.text("token_type", "Bearer");
            o.display("expires_in", self.ttl_secs);
        });
        Ok(ServerResponse::json(body))
    }
}

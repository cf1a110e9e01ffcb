//! Sign-ins whose answers are odd: nothing is stored, and the error says what is wrong.

use cratedigger::cli::auth::LoginArgs;
use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};
use url::Url;

use super::grants::Table;
use super::sign_in::*;

/// Signs a new user in by pasting, while a fault changes an answer. Returns the error.
async fn refused_with(table: &Table, fault: Fault) -> (String, String) {
    let start = Start::of(table, true);
    let mut person = MadeUp::default();
    start.run(&LoginArgs { no_browser: true, ..login("home") }, &mut person).await.unwrap();
    let back = consent(Url::parse(&person.shown[0]).unwrap()).await;
    table.sandbox.inject(fault);
    let args = LoginArgs { paste: Some(back.to_string()), ..login("home") };
    let error = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
    assert_eq!(error.exit().code(), 77, "{error}");
    assert!(table.grants().get("home").unwrap().is_none(), "{error}");
    // The code is used up, so the same address is not accepted again.
    table.sandbox.clear_faults();
    let again = start.run(&args, &mut MadeUp::default()).await.unwrap_err();
    assert!(again.to_string().contains("no sign-in of user `home` is waiting"), "{again}");
    (error.to_string(), error.hint().unwrap_or_default())
}

#[tokio::test]
async fn odd_token_answers_are_refused() {
    let table = table(fixtures::HOME_USER).await;
    let (no_token, no_type) = ("contains no access token", "does not say in `token_type`");
    let (odd_token, odd_time) = ("too long, or contains characters", "`expires_in` is not a number of seconds");
    let cases = [
        ("token_type", json!("mac"), "not a bearer token"),
        ("token_type", json!("Bearer x"), "not a bearer token"),
        ("token_type", Value::Null, no_type),
        ("token_type", json!(""), no_type),
        ("token_type", json!(["Bearer"]), no_type),
        ("access_token", Value::Null, no_token),
        ("access_token", json!(""), no_token),
        ("access_token", json!({ "value": "x" }), no_token),
        ("access_token", json!("a\r\nHost: b"), odd_token),
        ("access_token", json!("ä"), odd_token),
        ("access_token", json!("x".repeat(10_000)), odd_token),
        ("expires_in", json!("soon"), odd_time),
        ("expires_in", json!(-3600), odd_time),
        ("expires_in", json!(0), odd_time),
        ("expires_in", json!(0.5), odd_time),
        ("expires_in", json!(1e300), odd_time),
        ("expires_in", json!(86_401), odd_time),
        ("expires_in", json!("99999999999999999999"), odd_time),
        ("refresh_token", Value::Null, "sent no refresh token"),
        ("refresh_token", json!(""), "sent no refresh token"),
    ];
    for (key, value, says) in cases {
        let mut answer =
            json!({ "access_token": "x", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "y" });
        if value.is_null() {
            answer.as_object_mut().unwrap().remove(key);
        } else {
            answer[key] = value;
        }
        let fault = Fault::on_path("/api/token", FaultAction::Answer { code: 200, json: answer.clone() });
        let (error, hint) = refused_with(&table, fault).await;
        assert!(error.contains(says) && error.contains("nothing was stored"), "{answer}: {error}");
        assert!(hint.contains("start again: cratedigger auth login home"), "{answer}: {hint}");
    }
}

#[tokio::test]
async fn account_without_id_is_refused() {
    let table = table(fixtures::HOME_USER).await;
    for answer in [json!({}), json!([]), json!({ "id": "", "uri": "spotify:user:" }), json!({ "id": " ", "uri": null })]
    {
        let (error, hint) =
            refused_with(&table, Fault::on_path("/v1/me", FaultAction::Answer { code: 200, json: answer.clone() }))
                .await;
        assert!(error.contains("`/me` contains no id") && error.contains("nothing was stored"), "{answer}: {error}");
        assert!(hint.contains("start again: cratedigger auth login home"), "{answer}: {hint}");
    }
}

#[tokio::test]
async fn other_refusals_keep_the_verifier() {
    let table = table(fixtures::HOME_USER).await;
    for (code, says) in
        [(400, "redirect_uri mismatch"), (401, "code_verifier was incorrect"), (400, "code_verifier must be supplied")]
    {
        let json = json!({ "error": "invalid_request", "error_description": says });
        let sent = table.refreshes();
        let (error, _) = refused_with(&table, Fault::on_path("/api/token", FaultAction::Answer { code, json })).await;
        assert!(error.contains(says), "{error}");
        assert_eq!(table.refreshes() - sent, 1, "the code is sent once: {error}");
    }
}

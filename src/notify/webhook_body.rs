//! The JSON of a webhook. Names in a message come from strangers, and chat services give some texts a meaning.
//!
//! Slack reads `<!channel>` and `<https://…|text>` in a text, and Discord reads `@everyone` and Markdown, so a playlist of
//! such a name could call all members of a channel or show a link with a false text. Each service gets its own escapes.
//! Other receivers get the text itself, since only they know what has a meaning there.

use serde_json::{Value, json};
use url::Url;

use super::message::AlertMessage;

/// The most characters that Discord accepts.
const DISCORD_CHARACTERS: usize = 2_000;

/// The body for the service at an address.
pub(super) fn webhook_body(url: &Url, message: &AlertMessage) -> Value {
    let mut body = json!(message);
    match ChatService::of(url) {
        Some(ChatService::Slack) => {
            let details = message.details.iter().map(|line| escape_slack(line)).collect::<Vec<_>>();
            let text = std::iter::once(escape_slack(&message.text)).chain(details.iter().cloned());
            body["text"] = json!(text.collect::<Vec<_>>().join("\n"));
            body["details"] = json!(details);
        }
        Some(ChatService::Discord) => {
            body["content"] = json!(escape_discord(&message.to_text()));
            body["allowed_mentions"] = json!({ "parse": [] });
        }
        None => {}
    }
    body
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChatService {
    Slack,
    Discord,
}

impl ChatService {
    fn of(url: &Url) -> Option<ChatService> {
        let host = url.host_str()?;
        let is_at = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.'));
        if is_at("slack.com") || is_at("slack-gov.com") {
            Some(ChatService::Slack)
        } else if is_at("discord.com") || is_at("discordapp.com") {
            Some(ChatService::Discord)
        } else {
            None
        }
    }
}

/// The three characters that Slack's reference says to escape. Without `<`, no text is a link or a mention.
fn escape_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A backslash before every character that Markdown gives a meaning, as far as Discord accepts the text. Mentions are switched
/// off in the body.
fn escape_discord(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * DISCORD_CHARACTERS));
    let mut left = DISCORD_CHARACTERS;
    for c in text.chars() {
        let has_meaning = "\\*_~`|>[]()<#@:".contains(c);
        // A character beyond the basic plane counts twice where services count UTF-16.
        let Some(rest) = left.checked_sub(c.len_utf16() + usize::from(has_meaning)) else { break };
        left = rest;
        if has_meaning {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::notify::AlertEvent;

    #[test]
    fn discord_texts_end_with_a_whole_character() {
        for text in ["*".repeat(3_000), format!("x{}", "*".repeat(3_000)), "\u{1f600}*".repeat(1_500)] {
            let escaped = escape_discord(&text);
            assert!((1_998..=2_000).contains(&escaped.encode_utf16().count()), "{}", escaped.encode_utf16().count());
            let backslashes = escaped.matches('\\').count();
            assert_eq!(backslashes, escaped.matches('*').count());
        }
    }

    fn body(url: &str) -> Value {
        let message = AlertMessage {
            event: AlertEvent::Partial,
            job: "x".to_owned(),
            text: "`<!channel> & @everyone [a](https://b)`".to_owned(),
            details: vec!["<https://evil.example|spotify.com>".to_owned()],
            run: Some(1),
            state: None,
            exit_code: None,
            project: "/p".to_owned(),
            at: Utc::now(),
        };
        webhook_body(&Url::parse(url).unwrap(), &message)
    }

    #[test]
    fn names_have_no_meaning_in_chats() {
        let slack = body("https://hooks.slack.com/services/T/B/x");
        assert_eq!(slack["details"][0], "&lt;https://evil.example|spotify.com&gt;");
        assert!(slack["text"].as_str().unwrap().starts_with("`&lt;!channel&gt; &amp; @everyone"), "{slack}");
        let discord = body("https://discord.com/api/webhooks/1/x");
        assert_eq!(discord["allowed_mentions"], json!({ "parse": [] }));
        let content = discord["content"].as_str().unwrap();
        assert!(content.contains("\\<!channel\\> & \\@everyone \\[a\\]\\(https\\://b\\)"), "{content}");
        for other in ["https://example.com/slack.com", "https://notslack.com/", "https://ntfy.sh/topic"] {
            let other = body(other);
            assert_eq!(
                (&other["text"], &other["content"]),
                (&json!("`<!channel> & @everyone [a](https://b)`"), &Value::Null)
            );
        }
    }
}

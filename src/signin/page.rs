//! The page that the browser shows at the end. It contains nothing from the request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use sha2::{Digest, Sha256};

/// A page for the person in the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlPage {
    pub(super) status: u16,
    pub(super) title: String,
    pub(super) text: String,
    worked: bool,
}

/// The style sheet. The page names its hash, so that no other style is applied.
const STYLE: &str = "\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f2ee;color:#22201c;\
font:17px/1.5 system-ui,sans-serif}\
main{box-sizing:border-box;width:min(32rem,calc(100vw - 2rem));padding:2.2rem 2.4rem;background:#fff;\
border-radius:10px;border-top:6px solid;box-shadow:0 2px 14px #0002;overflow-wrap:anywhere}\
.good{border-color:#1b7f4d}.bad{border-color:#b3401f}\
.mark{float:left;width:2.4rem;height:2.4rem;margin:0 1rem 0 0;border-radius:50%;color:#fff;\
font:700 1.4rem/2.4rem system-ui,sans-serif;text-align:center}\
.good .mark{background:#1b7f4d}.bad .mark{background:#b3401f}\
h1{margin:0 0 1rem;font-size:1.55rem;line-height:2.4rem}p{margin:0 0 1rem}\
footer{margin-top:1.6rem;color:#6f6a60;font-size:.85rem}\
@media(prefers-color-scheme:dark){body{background:#1b1a18;color:#e9e6df}main{background:#262421}footer{color:#a39d90}}";

impl HtmlPage {
    /// A page with this HTTP status.
    pub(super) fn new(status: u16, title: &str, text: &str) -> HtmlPage {
        HtmlPage { status, title: title.to_owned(), text: text.to_owned(), worked: false }
    }

    /// The page for a successful sign-in.
    pub fn signed_in(user: &str, account: &str) -> HtmlPage {
        let text = format!("User \u{201c}{user}\u{201d} is the account {account}. You can close this window.");
        HtmlPage { worked: true, ..HtmlPage::new(200, "Signed in", &text) }
    }

    /// The page for a failed sign-in.
    pub fn failed(why: &str) -> HtmlPage {
        let mut letters = why.chars();
        let why: String = letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect();
        HtmlPage::new(200, "Not signed in", &format!("{why}. The terminal shows details and what to do."))
    }

    /// The HTTP response. Texts are escaped, and the policy allows nothing but the page's own style.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let (title, text) = (escape_html(&self.title), escape_html(&self.text));
        let (class, mark) = if self.worked { ("good", "\u{2713}") } else { ("bad", "!") };
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} - cratedigger</title>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head>\n\
             <body><main class=\"{class}\"><p class=\"mark\" aria-hidden=\"true\">{mark}</p><h1>{title}</h1>\n<p>{text}</p>\n\
             <footer>cratedigger</footer></main></body></html>\n"
        );
        let style = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        );
        let response = Response::builder()
            .status(self.status)
            .header("content-type", "text/html; charset=utf-8")
            .header("content-security-policy", policy)
            .header("x-content-type-options", "nosniff")
            .header("referrer-policy", "no-referrer")
            .header("cache-control", "no-store")
            .header("connection", "close")
            .body(Full::new(Bytes::from(body)));
        response.unwrap_or_default()
    }
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

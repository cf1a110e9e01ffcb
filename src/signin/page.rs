//! The page that the browser shows at the end. Nothing of the request gets into it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;

/// What a person is told in the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub(super) status: u16,
    pub(super) title: String,
    pub(super) text: String,
}

impl Page {
    /// A page with this status.
    pub(super) fn new(status: u16, title: &str, text: &str) -> Page {
        Page { status, title: title.to_owned(), text: text.to_owned() }
    }

    /// It worked.
    pub fn signed_in(user: &str, account: &str) -> Page {
        let text = format!("User \u{201c}{user}\u{201d} is the account {account}. You can close this window.");
        Page::new(200, "Signed in", &text)
    }

    /// It did not, and why.
    pub fn failed(why: &str) -> Page {
        Page::new(200, "Not signed in", &format!("{why}. The terminal says more."))
    }

    /// As HTML: texts escaped, and no script, picture or form is allowed to run or load.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let (title, text) = (escaped(&self.title), escaped(&self.text));
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} - cratedigger</title>\
             <meta name=\"viewport\" content=\"width=device-width\"></head>\n<body><h1>{title}</h1>\n<p>{text}</p>\n</body></html>\n"
        );
        let response = Response::builder()
            .status(self.status)
            .header("content-type", "text/html; charset=utf-8")
            .header(
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            )
            .header("x-content-type-options", "nosniff")
            .header("referrer-policy", "no-referrer")
            .header("cache-control", "no-store")
            .header("connection", "close")
            .body(Full::new(Bytes::from(body)));
        response.unwrap_or_default()
    }
}

fn escaped(text: &str) -> String {
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

//! Rules for texts in the settings. Several of them also apply to job files.

use url::Url;

use crate::document::{RuleViolation, TextRule, duration, quote};

/// A length of time.
pub static DURATION: TextRule = TextRule {
    what: "a length of time such as \"30d\" (s, m, h, d or w)",
    pattern: Some("^[0-9]{1,5}[smhdw]$"),
    blank: false,
    check: |text| match duration(text) {
        Some(_) => Ok(()),
        None => Err(RuleViolation::new(format!("invalid length of time {}", quote(text)))
            .with_hint("write a number and one unit: \"90s\", \"10m\", \"6h\", \"30d\", \"4w\"")),
    },
};

/// A country code.
pub static MARKET: TextRule = TextRule {
    what: "a market such as \"DE\": two capital letters (ISO 3166-1)",
    pattern: Some("^[A-Z]{2}$"),
    blank: false,
    check: |text| {
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            return Ok(());
        }
        let refusal = RuleViolation::new(format!("invalid market {}", quote(text)));
        let upper = text.to_ascii_uppercase();
        Err(if upper.len() == 2 && upper.bytes().all(|b| b.is_ascii_uppercase()) {
            refusal.with_hint(format!("write it in capitals: \"{upper}\""))
        } else {
            refusal
        })
    },
};

/// A share from 0% to 99%.
pub(super) static SHARE: TextRule = TextRule {
    what: "a share such as \"5%\"",
    pattern: Some("^[0-9]{1,2}(\\.[0-9]+)?%$"),
    blank: false,
    check: |text| {
        let share = text.strip_suffix('%').filter(|d| d.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
        match share.and_then(|d| d.parse::<f64>().ok()) {
            Some(n) if n < 100.0 && !text.starts_with('.') && !text.ends_with(".%") => Ok(()),
            _ => Err(RuleViolation::new(format!("{} is not a share from 0% to 99%", quote(text)))),
        }
    },
};

/// A share from 1% to 100%.
pub(super) static PART: TextRule = TextRule {
    what: "a share such as \"50%\"",
    pattern: Some("^([1-9][0-9]?|100)%$"),
    blank: false,
    check: |text| {
        let part = text.strip_suffix('%').filter(|d| !d.starts_with('0') && d.bytes().all(|b| b.is_ascii_digit()));
        match part.and_then(|d| d.parse::<u8>().ok()) {
            Some(1..=100) => Ok(()),
            _ => Err(RuleViolation::new(format!("{} is not a share from 1% to 100%", quote(text)))),
        }
    },
};

/// The mode of a file.
pub(super) static MODE: TextRule = TextRule {
    what: "a file mode such as \"0640\"",
    pattern: Some("^0?[67][0-7][0145]$"),
    blank: false,
    check: |text| {
        let digits = text.strip_prefix('0').filter(|d| d.len() == 3).unwrap_or(text);
        let octal = digits.len() == 3 && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let is_world_writable = |digits: &str| digits.ends_with(['2', '3', '6', '7']);
        if octal && is_world_writable(digits) {
            Err(RuleViolation::new(format!("the file mode {} lets every user change the files", quote(text)))
                .with_hint("for a group of users, set output.group and \"0660\""))
        } else if octal && digits.starts_with(['6', '7']) {
            Ok(())
        } else {
            Err(RuleViolation::new(format!("invalid file mode {}", quote(text))).with_hint(
                "write three octal digits, readable and writable for the owner: \"0640\", \"0600\", \"0644\"",
            ))
        }
    },
};

/// The base address of a server.
pub(super) static BASE_URL: TextRule = TextRule {
    what: "an https address, or http on a loopback host",
    pattern: Some("^https?://[^?#]+$"),
    blank: false,
    check: |text| {
        let url = Url::parse(text).map_err(|e| RuleViolation::new(format!("invalid address {}: {e}", quote(text))))?;
        let loopback = is_loopback(&url);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RuleViolation::new("the address contains a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(RuleViolation::new("the address contains a query or fragment"));
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if loopback => Ok(()),
            "http" => Err(RuleViolation::new("plain http would send tokens unencrypted").with_hint("use https")),
            other => Err(RuleViolation::new(format!("{} is not a web address", quote(other)))),
        }
    },
};

/// The address that Spotify sends users back to.
pub(super) static REDIRECT_URI: TextRule = TextRule {
    what: "an https address, or http://127.0.0.1/callback",
    pattern: Some("^(https://|http://(127\\.0\\.0\\.1|\\[::1\\]))[^#]*$"),
    blank: false,
    check: |text| {
        let url = Url::parse(text).map_err(|e| RuleViolation::new(format!("invalid address {}: {e}", quote(text))))?;
        let loopback = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            _ => false,
        };
        match url.scheme() {
            "https" => Ok(()),
            "http" if loopback => Ok(()),
            "http" if url.host_str() == Some("localhost") => {
                Err(RuleViolation::new("Spotify refuses `localhost` as a redirect URI")
                    .with_hint("register and write http://127.0.0.1/callback (any port)"))
            }
            _ => Err(RuleViolation::new("Spotify refuses plain http, except for 127.0.0.1 and [::1]")
                .with_hint("register and write http://127.0.0.1/callback, or an https address")),
        }
    },
};

/// Whether an address is one of this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A web address that receives messages.
pub(super) static HOOK_URL: TextRule = TextRule {
    what: "an https address, or http on a loopback host",
    pattern: Some("^[Hh][Tt][Tt][Pp][Ss]?://"),
    blank: false,
    // The address of a hook is a secret, so it is never repeated in a message.
    check: |text| match Url::parse(text) {
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => Ok(()),
        Ok(url) if url.scheme() == "http" => {
            Err(RuleViolation::new("plain http would send the address and the messages unencrypted")
                .with_hint("use https"))
        }
        _ => Err(RuleViolation::new("not a web address")),
    },
};

/// The path of a file or folder.
pub(super) static PATH: TextRule = TextRule {
    what: "a path",
    pattern: Some("\\S"),
    blank: false,
    check: |text| {
        if text.contains('\0') {
            Err(RuleViolation::new("a path cannot contain NUL"))
        } else if text.to_ascii_lowercase().starts_with("file:") {
            // SQLite would treat it as a URI, with options after a question mark.
            Err(RuleViolation::new("expected a path, not a `file:` URI").with_hint("leave out `file:`"))
        } else {
            Ok(())
        }
    },
};

/// Any text.
pub static ANY: TextRule = TextRule { what: "text", pattern: Some("\\S"), blank: false, check: |_| Ok(()) };

/// One character between the cells of a CSV.
pub static DELIMITER: TextRule = TextRule {
    what: "one of \",\" \";\" \"|\" or \"\\t\"",
    pattern: Some("^[,;|\\t]$"),
    blank: true,
    check: |text| match text {
        "," | ";" | "|" | "\t" => Ok(()),
        _ => Err(RuleViolation::new(format!("invalid delimiter {}", quote(text)))),
    },
};

/// The separator of list values, or the text for null.
pub static SHORT: TextRule = TextRule {
    what: "a short text without quotes or line breaks",
    pattern: Some("^[^\"\\r\\n]{0,16}$"),
    blank: true,
    check: |text| {
        if text.chars().count() > 16 || text.contains(['"', '\n', '\r', '\0']) {
            Err(RuleViolation::new(format!("{} is too long, or contains a quote or a line break", quote(text))))
        } else {
            Ok(())
        }
    },
};

/// The word for no limit.
pub(super) static UNLIMITED: TextRule = TextRule {
    what: "\"unlimited\"",
    pattern: Some("^unlimited$"),
    blank: false,
    check: |text| match text {
        "unlimited" => Ok(()),
        _ => Err(RuleViolation::new(format!("{} is neither a number nor \"unlimited\"", quote(text)))),
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_let_no_stranger_write() {
        for mode in ["0640", "640", "0600", "0644", "0660", "0700"] {
            assert!((MODE.check)(mode).is_ok(), "{mode}");
        }
        for mode in ["0666", "0642", "777", "0606", "0440", "06400", "a"] {
            assert!((MODE.check)(mode).is_err(), "{mode}");
        }
    }
}

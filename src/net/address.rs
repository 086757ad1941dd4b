//! The address of something to fetch: scheme, host, path, and credentials that are kept apart, so
//! that no message can show them. Knows text only.

use std::{borrow::Cow, fmt};

use crate::limits;

/// An absolute `http:`, `https:` or `file:` URL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    scheme: &'static str,
    /// Host and port as written; empty for `file`.
    authority: String,
    /// Starts with a slash; with the query if there is one, never with a fragment.
    path: String,
    user: Option<(String, String)>,
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an address: {reason}")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

impl AddressError {
    fn too_long(text: &str) -> Self {
        let start: String = redacted(text).chars().take(80).collect();
        Self { text: format!("{start}..."), reason: "it is too long" }
    }
}

impl Address {
    /// Reads a URL. User name and password in it are taken off.
    ///
    /// # Errors
    /// If it is not absolute, or its scheme is not http, https or file.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let fail = |reason| AddressError { text: redacted(text), reason };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            fail("expected 'https://', 'http://' or 'file://' and the rest of an address")
        })?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => "http",
            "https" => "https",
            "file" => "file",
            _ => return Err(fail("expected the scheme 'https', 'http' or 'file'")),
        };
        if text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(fail("it has a space or control character"));
        }
        if text.len() > limits::ADDRESS {
            return Err(AddressError::too_long(text));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let user = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(name), decoded(password))
        });
        if scheme == "file" {
            if !matches!(host, "" | "localhost") || !path.starts_with('/') {
                return Err(fail("expected 'file:///' and an absolute path"));
            }
            return Ok(Self { scheme, authority: String::new(), path: path.into(), user: None });
        }
        if host.is_empty() || host.starts_with(':') {
            return Err(fail("the host is missing"));
        }
        let (name, port) = split_port(host);
        let is_inner = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=%:[]".contains(c);
        let in_brackets = name.starts_with('[') && name.ends_with(']');
        if !name.chars().all(is_inner) || name.contains([':', '[', ']']) && !in_brackets {
            return Err(fail("the host is neither a name nor an address"));
        }
        if port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err()) {
            return Err(fail("the port is not a number up to 65535"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, authority: host.to_ascii_lowercase(), path, user })
    }

    /// Resolves a link `text` that is found at this address (RFC 3986, section 5.2). Credentials go
    /// along to the same host only.
    ///
    /// # Errors
    /// If the result is not an address.
    pub fn join(&self, text: &str) -> Result<Self, AddressError> {
        let text = text.trim().split('#').next().unwrap_or_default();
        let has_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        });
        let mut found = if has_scheme {
            Self::parse(text)?
        } else if let Some(rest) = text.strip_prefix("//") {
            Self::parse(&format!("{}://{rest}", self.scheme))?
        } else {
            let own = self.path.split('?').next().unwrap_or_default();
            let path = match text {
                "" => own.to_owned(),
                _ if text.starts_with('/') => printable(text),
                _ => format!(
                    "{}/{}",
                    own.rsplit_once('/').map_or("", |(folder, _)| folder),
                    printable(text)
                ),
            };
            if path.len() > limits::ADDRESS {
                return Err(AddressError::too_long(text));
            }
            Self { path: without_dots(&path), user: None, ..self.clone() }
        };
        if found.user.is_none() && found.is_beside(self) {
            found.user.clone_from(&self.user);
        }
        Ok(found)
    }

    /// True if both have the same scheme, host and port. Only then may one have the other's credentials.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        (self.scheme, &self.authority) == (other.scheme, &other.authority)
    }

    /// The same with the credentials of another address, or with none.
    #[must_use]
    pub fn with_user_of(mut self, other: Option<&Self>) -> Self {
        self.user = other.and_then(|other| other.user.clone());
        self
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The address of a relative path below this one, read as a folder. The path's parts are
    /// percent-encoded if need be.
    #[must_use]
    pub fn below(&self, relative: &str) -> Self {
        let folder = self.path.trim_end_matches('/');
        Self { path: format!("{folder}/{}", encoded(relative)), ..self.clone() }
    }

    /// `http`, `https` or `file`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(&self.authority).0
    }

    /// User name and password of the text.
    #[must_use]
    pub fn user(&self) -> Option<(&str, &str)> {
        self.user.as_ref().map(|(name, password)| (&**name, &**password))
    }

    /// The path with the query, percent-encoded as it was given.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a `file:` address on this machine.
    #[must_use]
    pub fn local_path(&self) -> Option<String> {
        (self.scheme == "file").then(|| decoded(&self.path))
    }
}

/// The URL without credentials.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Host (with brackets) and port; text that is not a number is part of the host.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// A text that should have been an address, without anything in front of its last `@`: a password may have any
/// character, and its end is not known.
pub(crate) fn redacted(text: &str) -> String {
    let Some((_, shown)) = text.rsplit_once('@') else { return text.to_owned() };
    match text.split_once("://") {
        Some((scheme, _)) if !scheme.contains('@') => format!("{scheme}://{shown}"),
        _ => shown.to_owned(),
    }
}

/// A text, such as a message with a line of somebody's program, without the names and passwords of the
/// addresses in it.
#[must_use]
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let ends = |c: char| c.is_whitespace() || c.is_control() || "/?#\"'<>`".contains(c);
        let end = after.find(ends).unwrap_or(after.len());
        let host = after[..end].rfind('@').map_or(0, |at| at + 1);
        out.push_str(before);
        rest = &after[host..];
    }
    if out.is_empty() || out.len() + rest.len() == text.len() {
        return text.into();
    }
    out.push_str(rest);
    out.into()
}

fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut folder = false;
    for part in path.trim_start_matches('/').split('/') {
        folder = matches!(part, "" | "." | "..");
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let slash = if folder && parts.last().is_some_and(|p| !p.is_empty()) { "/" } else { "" };
    format!("/{}{slash}", parts.join("/"))
}

/// The text with blanks and control characters percent-encoded, as browsers do.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == ' ' || c.is_control() {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes)
                .bytes()
                .for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Percent-decoded; bytes that are not UTF-8 then are left encoded.
pub(super) fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if first == b'%' => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Percent-encoded but for slashes and what RFC 3986 calls `pchar`, less `:` and `%`.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@/".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn credentials_never_show() {
        let address = at("https://me%40x:p%3As@Example.test:8443/simple/");
        assert_eq!(address.user(), Some(("me@x", "p:s")));
        assert_eq!(format!("{address} {address:?}").matches("p:s").count(), 0);
        assert_eq!(address.to_string(), "https://example.test:8443/simple/");
        assert_eq!(address.host(), "example.test");
        let error = Address::parse("ftp://me:secret@host/").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn links_are_followed_as_rfc_3986_says() {
        let base = at("http://u:p@h/a/b/c?q");
        for (link, result) in [
            ("../../x", "http://h/x"),
            ("../d/./e#sha256=0", "http://h/a/d/e"),
            ("../../../../e", "http://h/e"),
            ("/z/../y", "http://h/y"),
            ("", "http://h/a/b/c"),
            ("..", "http://h/a/"),
            ("d/", "http://h/a/b/d/"),
            ("//other/x", "http://other/x"),
            ("https://h/x", "https://h/x"),
            ("?v=1", "http://h/a/b/?v=1"),
            ("a b\u{1b}", "http://h/a/b/a%20b%1B"),
        ] {
            assert_eq!(base.join(link).unwrap().to_string(), result, "{link}");
        }
        assert_eq!(base.join("x").unwrap().user(), Some(("u", "p")));
        assert_eq!(base.join("http://other/x").unwrap().user(), None);
        assert_eq!(base.join("https://h/x").unwrap().user(), None);
        assert!(base.join("mailto:x").is_err());
    }

    #[test]
    fn paths_below_are_encoded() {
        let base = at("http://h/debian/");
        assert_eq!(
            base.below("pool/a_1%3a2+b.deb").to_string(),
            "http://h/debian/pool/a_1%253a2+b.deb"
        );
        assert_eq!(at("file:///a%20b/").below("c d").local_path().unwrap(), "/a b/c d");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "pool/x",
            "https://",
            "https:///x",
            "ftp://h/x",
            "http://a b/",
            "file://h/x",
            "http://h:x/",
            "http://h:65536/",
            "http://a:b:1/",
            "http://[::1/x",
            "http://h\\x/",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert_eq!(at("http://[::1]:8080/x").host(), "[::1]");
        assert_eq!(at("http://[::1]/x").host(), "[::1]");
        let long = format!("http://h/{}", "x".repeat(limits::ADDRESS));
        assert!(Address::parse(&long).unwrap_err().to_string().len() < 200);
        let base = at(&format!("http://h/{}/", "x".repeat(limits::ADDRESS - 20)));
        assert!(base.join("x").is_ok() && base.join(&"x".repeat(100)).is_err());
    }

    #[test]
    fn no_error_shows_credentials() {
        for text in [
            "user:s3cret@host/simple",
            "user:s3cret@host",
            "http:user:s3cret@host/",
            "http://user:a/s3cret@host/",
            "http://user:a#s3cret@host/",
            "http://user:s3cret@host:port/",
            "ftp://user:s3cret@host/",
            "http://user:s3cret@/x",
            "http://user:s3cret@h h/",
            "http://user:s3cr@et@h@h h/",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("s3cr") && !error.contains("user"), "{error}");
        }
        let long = format!("http://user:{}@h/", "s3cret".repeat(limits::ADDRESS));
        assert!(!Address::parse(&long).unwrap_err().to_string().contains("s3cret"));
    }

    #[test]
    fn messages_lose_credentials_only() {
        for (text, shown) in [
            ("see http://a:b@h/x@y and https://c@d:1", "see http://h/x@y and https://d:1"),
            ("url = \"http://a:b@h\"; x = \"c@d\"", "url = \"http://h\"; x = \"c@d\""),
            ("a://b c@d", "a://b c@d"),
            ("nothing@here", "nothing@here"),
            ("é://é@é", "é://é"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}

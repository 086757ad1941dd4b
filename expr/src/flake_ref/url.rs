//! URLs as flake references have them (RFC 3986, with a few characters more in queries and fragments).

use std::{collections::BTreeMap, path::Path};

/// A URL in its parts, without percent signs.
#[derive(Clone, Debug, Default)]
pub(super) struct Url {
    pub(super) scheme: String,
    /// As it is written again: decoded and encoded.
    pub(super) authority: Option<String>,
    /// The parts between slashes. A path from the root starts with an empty one.
    pub(super) path: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) fragment: String,
}

impl Url {
    pub(super) fn new(scheme: &str, path: Vec<String>) -> Self {
        Self { scheme: scheme.to_owned(), path, ..Self::default() }
    }

    /// A path of files; percent signs in it are what they are.
    pub(super) fn of_path(scheme: &str, path: &str) -> Self {
        let path = path.split('/').map(str::to_owned).collect();
        Self::new(scheme, path)
    }

    /// `None` if it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.')
            });
        if !is_scheme {
            return None;
        }
        let (rest, query, fragment) = split(rest);
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority(host)?), path)
            }
            None => (None, rest),
        };
        let mut url = Self::new(scheme, Vec::new());
        if url.transport() == "file" {
            // a file is on this machine
            if authority.as_ref().is_some_and(|host| !host.is_empty()) {
                return None;
            }
        }
        let path = if path.is_empty() && url.transport() == "file" { "/" } else { path };
        url.path = path.split('/').map(|name| decode(name, b":@")).collect::<Option<_>>()?;
        url.authority = authority;
        url.query = self::query(query)?;
        url.fragment = decode(fragment, FRAGMENT)?;
        Some(url)
    }

    /// An absolute path with parameters; `None` if it is not one.
    pub(super) fn from_path(text: &str) -> Option<Self> {
        let (path, query, fragment) = split(text);
        let mut url = path.starts_with('/').then(|| Self::of_path("path", path))?;
        url.authority = Some(String::new());
        url.query = self::query(query)?;
        url.fragment = decode(fragment, FRAGMENT)?;
        Some(url)
    }

    /// `nixpkgs`, `nixpkgs/branch`, `nixpkgs/branch/revision`.
    pub(super) fn from_id(text: &str) -> Option<Self> {
        let (path, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut parts = path.split('/');
        let rest_fits = match (parts.next().filter(|id| is_id(id)), parts.next(), parts.next()) {
            (Some(_), None, None) => true,
            (Some(_), Some(name), None) => is_revision(name) || is_ref(name),
            (Some(_), Some(name), Some(rev)) => is_ref(name) && is_revision(rev),
            _ => false,
        };
        let fits = rest_fits && parts.next().is_none() && !path.contains(['?', ':']);
        let mut url = Self::new("flake", path.split('/').map(str::to_owned).collect());
        url.fragment = decode(fragment, FRAGMENT)?;
        fits.then_some(url)
    }

    /// The part of the scheme behind `application+`.
    pub(super) fn transport(&self) -> &str {
        self.scheme.split_once('+').map_or(&self.scheme, |(_, transport)| transport)
    }

    /// The parts of the path that are not empty.
    pub(super) fn names(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).filter(|name| !name.is_empty()).collect()
    }

    /// The path as one of files; `None` if a name cannot be one.
    pub(super) fn to_path(&self) -> Option<String> {
        if self.path.iter().any(|name| name.contains(['/', '\0'])) {
            return None;
        }
        let (first, rest) = self.path.split_first()?;
        let mut path = if first.is_empty() { "/".to_owned() } else { first.clone() };
        for name in rest {
            if !path.ends_with('/') {
                path.push('/');
            }
            path.push_str(name);
        }
        Some(path)
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{}:", self.scheme);
        if let Some(authority) = &self.authority {
            text.push_str("//");
            text.push_str(authority);
        }
        for (at, name) in self.path.iter().enumerate() {
            if at > 0 {
                text.push('/');
            }
            text.push_str(&encode(name, b":@"));
        }
        for (at, (name, value)) in self.query.iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text.push_str(&encode(name, b":@/?"));
            text.push('=');
            text.push_str(&encode(value, b":@/?"));
        }
        text
    }

    /// The address of a Git repository: a URL, a path, or `user@host:path`.
    pub(super) fn of_git(text: &str) -> Result<Self, String> {
        if Path::new(text).is_absolute() {
            let url = Self::of_path("file", text);
            return Ok(Self { authority: Some(String::new()), ..url });
        }
        let remote = text.rsplit_once(':').and_then(|(host, path)| {
            let (user, host) = host.rsplit_once('@')?;
            (!user.contains('/')).then(|| format!("ssh://{user}@{host}/{path}"))
        });
        let text = remote.as_deref().unwrap_or(text);
        let is_file = text.starts_with("file:") || text.starts_with("git+file:");
        if !is_file && !text.contains("://") {
            let first = text.split('/').next().unwrap_or_default();
            if first.contains(':') {
                return Err(format!(
                    "the address '{text}' is not supported; write ssh://HOST/PATH"
                ));
            }
            return Ok(Self::new("file", text.split('/').map(str::to_owned).collect()));
        }
        let mut url = Self::parse(text).ok_or_else(|| format!("'{text}' is not a valid URL"))?;
        if let Some(transport) = url.scheme.strip_prefix("git+") {
            url.scheme = transport.to_owned();
        }
        Ok(url)
    }
}

/// Path, query and fragment.
fn split(text: &str) -> (&str, &str, &str) {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    (path, query, fragment)
}

fn query(text: &str) -> Option<BTreeMap<String, String>> {
    let mut query = BTreeMap::new();
    for pair in text.split('&') {
        let Some((name, value)) = pair.split_once('=') else {
            // it is ignored, but may hold no other characters either
            decode(pair, QUERY)?;
            continue;
        };
        // the first of several counts
        query.entry(decode(name, QUERY)?).or_insert(decode(value, QUERY)?);
    }
    Some(query)
}

/// `user:password@host:port`, decoded and encoded again.
fn authority(text: &str) -> Option<String> {
    let (user, address) = match text.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, text),
    };
    let mut out = String::new();
    if let Some(user) = user {
        let (name, password) = user.split_once(':').map_or((user, None), |(n, p)| (n, Some(p)));
        out.push_str(&encode(&decode(name, b"")?, b""));
        if let Some(password) = password {
            out.push(':');
            out.push_str(&encode(&decode(password, b":")?, b""));
        }
        out.push('@');
    }
    let is_bracketed = address.starts_with('[');
    let end = if is_bracketed { address.find(']')? + 1 } else { address.len() };
    let (host, port) = match address[if is_bracketed { end } else { 0 }..].split_once(':') {
        Some((before, port)) if is_bracketed => {
            (before.is_empty().then_some(&address[..end])?, port)
        }
        Some((host, port)) => (host, port),
        None if is_bracketed && end != address.len() => return None,
        None => (address, ""),
    };
    if is_bracketed {
        host[1..host.len() - 1].parse::<std::net::Ipv6Addr>().ok()?;
        out.push_str(host);
    } else {
        out.push_str(&encode(&decode(host, b"")?, b""));
    }
    if !port.is_empty() {
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| is_number && *port > 0)?;
        out.push_str(&format!(":{port}"));
    }
    Some(out)
}

/// Characters that may stand in a query and in a fragment besides those of names.
const QUERY: &[u8] = b":@/?[] \"";
const FRAGMENT: &[u8] = b":@/?# \"^";

/// The text that a part stands for; `None` if it has a character that must not stand there.
fn decode(text: &str, also: &[u8]) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'%' {
            let hex = bytes.get(at + 1..at + 3)?;
            let digit = |at: usize| char::from(hex[at]).to_digit(16);
            out.push(u8::try_from(digit(0)? << 4 | digit(1)?).ok()?);
            at += 3;
            continue;
        }
        if !byte.is_ascii_alphanumeric()
            && !b"-._~!$&'()*+,;=".contains(&byte)
            && !also.contains(&byte)
        {
            return None;
        }
        out.push(byte);
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn encode(text: &str, plain: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub(super) fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(super) fn is_revision(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Names that Git allows for branches and tags, nearly.
pub(super) fn is_ref(text: &str) -> bool {
    !text.is_empty()
        && text != "@"
        && !text.starts_with(['-', '.', '/'])
        && !text.ends_with(['.', '/'])
        && !text.ends_with(".lock")
        && !["..", "@{", "//", "/."].iter().any(|bad| text.contains(bad))
        && !text.contains(|c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c))
}

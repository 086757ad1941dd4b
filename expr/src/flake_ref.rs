//! Flake references as text and as fields: `github:owner/repo/ref?dir=lib` and
//! `{ type = "github"; owner = ...; }`. Pure text: nothing is looked up or fetched.

use std::collections::BTreeMap;

use crate::host::FetchValue;

/// The fields of a reference by name.
pub type Fields = BTreeMap<String, FetchValue>;

/// The fields of a reference that is written as a URL, as a registry name (`nixpkgs/branch`) or as
/// an absolute path.
///
/// # Errors
/// The text is none of these; the message says why.
pub fn parse(text: &str) -> Result<Fields, String> {
    let url = match Url::from_id(text) {
        Some(url) => url,
        None => Url::parse(text)
            .or_else(|| Url::from_path(text))
            .ok_or_else(|| format!("flake reference '{text}' is not an absolute path"))?,
    };
    if !url.fragment.is_empty() {
        return Err(format!("unexpected fragment '{}' in flake reference '{text}'", url.fragment));
    }
    let mut url = url;
    let dir = url.query.remove("dir").filter(|dir| !dir.is_empty());
    let mut fields = Fields::new();
    let kind = match url.scheme.as_str() {
        "flake" => indirect(&url, &mut fields)?,
        "path" => path(&url, &mut fields)?,
        "github" | "gitlab" | "sourcehut" => forge(&url, &mut fields)?,
        scheme if scheme == "git" || scheme.starts_with("git+") => git(url, &mut fields),
        _ => download(url, text, &mut fields)?,
    };
    set(&mut fields, "type", kind);
    if let Some(dir) = dir {
        set(&mut fields, "dir", dir);
    }
    Ok(fields)
}

/// The reference as text.
///
/// # Errors
/// A field is missing or has another type than expected, or the type is unknown.
pub fn to_text(fields: &Fields) -> Result<String, String> {
    let text = |name: &str| match fields.get(name) {
        Some(FetchValue::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("input attribute '{name}' is not a string")),
        None => Ok(None),
    };
    let needed =
        |name: &str| text(name)?.ok_or_else(|| format!("input attribute '{name}' is missing"));
    let kind = needed("type")?;
    let mut url = match kind.as_str() {
        "indirect" => Url::new("flake", needed("id")?),
        "path" => Url::new("path", needed("path")?),
        "github" | "gitlab" | "sourcehut" => {
            Url::new(&kind, format!("{}/{}", needed("owner")?, needed("repo")?))
        }
        "git" | "tarball" | "file" => {
            let url = needed("url")?;
            Url::parse(&url).ok_or_else(|| format!("'{url}' is not a valid URL"))?
        }
        _ => return Err(format!("input attribute 'type' is '{kind}', which is not supported")),
    };
    match kind.as_str() {
        "indirect" | "github" | "gitlab" | "sourcehut" => {
            for name in ["ref", "rev"] {
                if let Some(part) = text(name)? {
                    url.path = format!("{}/{part}", url.path);
                }
            }
            if kind != "indirect" {
                for name in ["narHash", "host"] {
                    url.query.extend(text(name)?.map(|value| (name.to_owned(), value)));
                }
            }
        }
        "path" => {
            for (name, value) in fields {
                if !matches!(name.as_str(), "type" | "path" | "dir" | "__final") {
                    url.query.insert(name.clone(), query_value(value));
                }
            }
        }
        "git" => {
            if url.scheme != "git" {
                url.scheme = format!("git+{}", url.scheme);
            }
            for name in ["rev", "ref", "keytype", "publicKey", "publicKeys"] {
                url.query.extend(text(name)?.map(|value| (name.to_owned(), value)));
            }
            for name in FLAGS {
                if let Some(FetchValue::Bool(true)) = fields.get(name) {
                    url.query.insert(name.to_owned(), "1".to_owned());
                }
            }
        }
        _ => url.query.extend(text("narHash")?.map(|value| ("narHash".to_owned(), value))),
    }
    if let Some(dir) = text("dir")?.filter(|dir| !dir.is_empty()) {
        url.query.insert("dir".to_owned(), dir);
    }
    Ok(url.to_text())
}

/// The truth values among the parameters of a Git URL.
const FLAGS: [&str; 6] =
    ["shallow", "submodules", "lfs", "exportIgnore", "allRefs", "verifyCommit"];

fn set(fields: &mut Fields, name: &str, value: impl Into<String>) {
    fields.insert(name.to_owned(), FetchValue::String(value.into()));
}

fn query_value(value: &FetchValue) -> String {
    match value {
        FetchValue::String(text) => text.clone(),
        FetchValue::Int(number) => number.to_string(),
        FetchValue::Bool(truth) => u8::from(*truth).to_string(),
    }
}

fn indirect(url: &Url, fields: &mut Fields) -> Result<&'static str, String> {
    let parts: Vec<_> = url.path.split('/').filter(|part| !part.is_empty()).collect();
    let (id, rest) = parts.split_first().ok_or("a flake URL needs an identifier")?;
    if !is_id(id) {
        return Err(format!("'{id}' is not a valid flake ID"));
    }
    set(fields, "id", *id);
    match *rest {
        [] => {}
        [rev] if is_revision(rev) => set(fields, "rev", rev),
        [name] if is_ref(name) => set(fields, "ref", name),
        [name, rev] if is_ref(name) && is_revision(rev) => {
            set(fields, "ref", name);
            set(fields, "rev", rev);
        }
        _ => {
            let rest = rest.join("/");
            return Err(format!("in flake URL, '{rest}' is no branch, tag or commit hash"));
        }
    }
    Ok("indirect")
}

fn path(url: &Url, fields: &mut Fields) -> Result<&'static str, String> {
    if url.authority.as_ref().is_some_and(|host| !host.is_empty()) {
        return Err("a path URL should not have an authority".to_owned());
    }
    set(fields, "path", url.path.as_str());
    for (name, value) in &url.query {
        match name.as_str() {
            "rev" | "narHash" => set(fields, name, value.as_str()),
            "revCount" | "lastModified" => {
                let number = value
                    .parse()
                    .map_err(|_| format!("path URL has an invalid parameter '{name}'"))?;
                fields.insert(name.clone(), FetchValue::Int(number));
            }
            _ => return Err(format!("path URL has an unsupported parameter '{name}'")),
        }
    }
    Ok("path")
}

fn forge(url: &Url, fields: &mut Fields) -> Result<&'static str, String> {
    let parts: Vec<_> = url.path.split('/').filter(|part| !part.is_empty()).collect();
    let [owner, repo, rest @ ..] = &parts[..] else {
        return Err(format!("URL '{}' is invalid", url.to_text()));
    };
    set(fields, "owner", *owner);
    set(fields, "repo", *repo);
    let mut named: Vec<(&str, String)> = Vec::new();
    match rest {
        [] => {}
        [rev] if is_revision(rev) => named.push(("rev", (*rev).to_owned())),
        _ => named.push(("ref", rest.join("/"))),
    }
    for (name, value) in &url.query {
        if let name @ ("rev" | "ref" | "host" | "narHash") = name.as_str() {
            named.push((name, value.clone()));
        }
    }
    for (name, value) in named {
        if fields.contains_key(name) {
            return Err(format!("URL '{}' contains '{name}' twice", url.to_text()));
        }
        let fits = match name {
            "rev" => is_revision(&value),
            "ref" => is_ref(&value),
            _ => true,
        };
        if !fits {
            return Err(format!("'{value}' is not a valid '{name}' of a repository"));
        }
        set(fields, name, value);
    }
    if fields.contains_key("rev") && fields.contains_key("ref") {
        return Err("the URL contains both a commit hash and a branch or tag name".to_owned());
    }
    Ok(match url.scheme.as_str() {
        "gitlab" => "gitlab",
        "sourcehut" => "sourcehut",
        _ => "github",
    })
}

fn git(mut url: Url, fields: &mut Fields) -> &'static str {
    if let Some(transport) = url.scheme.strip_prefix("git+") {
        url.scheme = transport.to_owned();
    }
    for (name, value) in std::mem::take(&mut url.query) {
        if FLAGS.contains(&name.as_str()) {
            fields.insert(name, FetchValue::Bool(value == "1"));
        } else if matches!(name.as_str(), "rev" | "ref" | "keytype" | "publicKey" | "publicKeys") {
            set(fields, &name, value);
        } else {
            url.query.insert(name, value);
        }
    }
    set(fields, "url", url.to_text());
    "git"
}

fn download(mut url: Url, text: &str, fields: &mut Fields) -> Result<&'static str, String> {
    let (application, transport) = match url.scheme.split_once('+') {
        Some((application, transport)) => (application.to_owned(), transport.to_owned()),
        None => ("tarball".to_owned(), url.scheme.clone()),
    };
    let kind = match application.as_str() {
        "tarball" => "tarball",
        "file" => "file",
        _ => return Err(format!("input '{text}' is unsupported")),
    };
    if !matches!(transport.as_str(), "http" | "https" | "file") {
        return Err(format!("input '{text}' is unsupported"));
    }
    url.scheme = transport;
    for name in ["narHash", "rev"] {
        if let Some(value) = url.query.remove(name) {
            set(fields, name, value);
        }
    }
    for name in ["revCount", "lastModified"] {
        if let Some(number) = url.query.remove(name).and_then(|value| value.parse().ok()) {
            fields.insert(name.to_owned(), FetchValue::Int(number));
        }
    }
    for name in ["url", "name", "unpack"] {
        url.query.remove(name);
    }
    set(fields, "url", url.to_text());
    Ok(kind)
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_revision(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}

/// Names that Git allows for branches and tags, nearly.
fn is_ref(text: &str) -> bool {
    !text.is_empty()
        && text != "@"
        && !text.starts_with(['-', '.', '/'])
        && !text.ends_with(['.', '/'])
        && !text.ends_with(".lock")
        && !["..", "@{", "//", "/."].iter().any(|bad| text.contains(bad))
        && !text.contains(|c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c))
}

/// A URL in its parts; path, query and fragment without percent signs.
#[derive(Debug, Default)]
struct Url {
    scheme: String,
    authority: Option<String>,
    path: String,
    query: BTreeMap<String, String>,
    fragment: String,
}

impl Url {
    fn new(scheme: &str, path: String) -> Self {
        Self { scheme: scheme.to_owned(), path, ..Self::default() }
    }

    /// `nixpkgs`, `nixpkgs/branch`, `nixpkgs/branch/revision`.
    fn from_id(text: &str) -> Option<Self> {
        let (path, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut parts = path.split('/');
        let rest_fits = match (parts.next().filter(|id| is_id(id)), parts.next(), parts.next()) {
            (Some(_), None, None) => true,
            (Some(_), Some(name), None) => is_revision(name) || is_ref(name),
            (Some(_), Some(name), Some(rev)) => is_ref(name) && is_revision(rev),
            _ => false,
        };
        let fits = rest_fits && parts.next().is_none() && !path.contains(['?', ':']);
        let mut url = Self::new("flake", path.to_owned());
        url.fragment = decode(fragment);
        fits.then_some(url)
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.')
            });
        if !is_scheme {
            return None;
        }
        let mut url = Self::after_scheme(scheme, rest);
        if let Some(rest) = url.path.strip_prefix("//") {
            let at = rest.find('/').unwrap_or(rest.len());
            url.authority = Some(rest[..at].to_owned());
            url.path = rest[at..].to_owned();
        }
        url.path = decode(&url.path);
        Some(url)
    }

    fn from_path(text: &str) -> Option<Self> {
        text.starts_with('/').then(|| Self::after_scheme("path", text))
    }

    fn after_scheme(scheme: &str, rest: &str) -> Self {
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        Self {
            scheme: scheme.to_owned(),
            authority: None,
            path: path.to_owned(),
            query,
            fragment: decode(fragment),
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!("{}:", self.scheme);
        if let Some(authority) = &self.authority {
            text.push_str("//");
            text.push_str(authority);
        }
        text.push_str(&encode(&self.path, b":@!$&'()*+,;=/"));
        for (at, (name, value)) in self.query.iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text.push_str(&encode(name, b":@/?"));
            text.push('=');
            text.push_str(&encode(value, b":@/?"));
        }
        text
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse(text) {
            Ok(fields) => fields
                .iter()
                .map(|(name, value)| format!("{name}={}", query_value(value)))
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn references_are_read() {
        let rev = "0123456789012345678901234567890123456789";
        for (text, fields) in [
            ("nixpkgs", "id=nixpkgs type=indirect".to_owned()),
            ("nixpkgs/nixos-unstable", "id=nixpkgs ref=nixos-unstable type=indirect".to_owned()),
            (&format!("flake:a/b/{rev}"), format!("id=a ref=b rev={rev} type=indirect")),
            ("/a/b", "path=/a/b type=path".to_owned()),
            ("path:/a?lastModified=5", "lastModified=5 path=/a type=path".to_owned()),
            ("github:o/r/x/y?dir=d", "dir=d owner=o ref=x/y repo=r type=github".to_owned()),
            (&format!("gitlab:o/r/{rev}"), format!("owner=o repo=r rev={rev} type=gitlab")),
            (
                "git+ssh://git@h/x?ref=m&shallow=1&k=v",
                "ref=m shallow=1 type=git url=ssh://git@h/x?k=v".to_owned(),
            ),
            ("https://h/a.tar.gz", "type=tarball url=https://h/a.tar.gz".to_owned()),
            ("file+https://h/a", "type=file url=https://h/a".to_owned()),
        ] {
            assert_eq!(shown(text), fields, "{text}");
        }
        for text in ["./x", "github:o", "a/b/c/d", "nixpkgs#x", "ftp://h/x", "path:/a?x=1"] {
            assert!(shown(text).starts_with("error: "), "{text}");
        }
    }

    #[test]
    fn what_was_read_is_written_again() {
        for text in [
            "flake:nixpkgs/branch",
            "path:/a/b",
            "github:NixOS/nixpkgs/23.05?dir=lib",
            "git+https://h/r?ref=x&shallow=1",
            "https://h/a.tar.gz",
        ] {
            assert_eq!(to_text(&parse(text).unwrap()).unwrap(), text);
        }
        assert!(to_text(&Fields::new()).is_err());
    }
}

//! Flake references as text and as fields: `github:owner/repo/ref?dir=lib` and
//! `{ type = "github"; owner = ...; }`. Pure text: nothing is looked up or fetched.

mod url;

use std::collections::BTreeMap;

use self::url::{Url, is_id, is_ref, is_revision};
use crate::{
    hash::{Format, Hash},
    host::FetchValue,
};

/// The fields of a reference by name.
pub(crate) type Fields = BTreeMap<String, FetchValue>;

/// The fields of a reference that is written as a URL, as a registry name (`nixpkgs/branch`) or as
/// an absolute path.
///
/// # Errors
/// The text is none of these; the message says why.
pub(crate) fn parse(text: &str) -> Result<Fields, String> {
    let url = Url::from_id(text)
        .or_else(|| Url::parse(text))
        .or_else(|| Url::from_path(text))
        .ok_or_else(|| format!("flake reference '{text}' is not a URL or an absolute path"))?;
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
        "hg+http" | "hg+https" | "hg+ssh" | "hg+file" => mercurial(url, &mut fields),
        scheme if scheme == "git" || scheme.starts_with("git+") => git(url, &mut fields)?,
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
/// A field is missing, unknown or has another type than expected, or the type is unknown.
pub(crate) fn to_text(fields: &Fields) -> Result<String, String> {
    let text = |name: &str| match fields.get(name) {
        Some(FetchValue::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("input attribute '{name}' is not a string")),
        None => Ok(None),
    };
    let needed =
        |name: &str| text(name)?.ok_or_else(|| format!("input attribute '{name}' is missing"));
    let kind = needed("type")?;
    let Some((_, known)) = KNOWN.iter().find(|(name, _)| *name == kind) else {
        return Err(format!("input attribute 'type' is '{kind}', which is not supported"));
    };
    let is_known = |name: &str| ["type", "dir", "__final"].contains(&name) || known.contains(&name);
    if let Some(name) = fields.keys().find(|name| !is_known(name)) {
        return Err(format!("input attribute '{name}' not supported by scheme '{kind}'"));
    }
    for name in ["revCount", "lastModified"] {
        if !matches!(fields.get(name), None | Some(FetchValue::Int(_))) {
            return Err(format!("input attribute '{name}' is not an integer"));
        }
    }
    let (name, rev) = (text("ref")?, text("rev")?);
    if !["path", "tarball", "file"].contains(&kind.as_str())
        && let Some(rev) = &rev
        && !is_revision(rev)
    {
        return Err(format!("'{rev}' is not the hash of a commit: it has 40 hexadecimal digits"));
    }
    let nar_hash = || -> Result<Option<String>, String> {
        let Some(given) = text("narHash")? else { return Ok(None) };
        if given.is_empty() {
            return Ok(Some(format!("sha256-{}=", "A".repeat(43))));
        }
        let hash = Hash::parse(&given, None).ok().filter(|_| given.contains('-'));
        let hash = hash.ok_or_else(|| format!("hash '{given}' is not SRI"))?;
        Ok(Some(hash.format(Format::Sri)))
    };
    let parsed =
        |url: String| Url::parse(&url).ok_or_else(|| format!("'{url}' is not a valid URL"));
    let mut url = match kind.as_str() {
        "indirect" => Url::new("flake", vec![needed("id").and_then(checked_id)?]),
        "path" => Url::of_path("path", &needed("path")?),
        "github" | "gitlab" | "sourcehut" => {
            let url = Url::new(&kind, vec![needed("owner")?, needed("repo")?]);
            check_forge(name.as_deref(), rev.as_deref(), text("host")?.as_deref())?;
            url
        }
        "git" => Url::of_git(&needed("url")?)?,
        _ => parsed(needed("url")?)?,
    };
    match kind.as_str() {
        "indirect" => url.path.extend(name.into_iter().chain(rev)),
        "github" | "gitlab" | "sourcehut" => {
            url.path.extend(name.into_iter().chain(rev));
            url.query.extend(nar_hash()?.map(|value| ("narHash".to_owned(), value)));
            url.query.extend(text("host")?.map(|value| ("host".to_owned(), value)));
        }
        "path" => {
            for (name, value) in fields {
                if !matches!(name.as_str(), "type" | "path" | "dir" | "__final") {
                    url.query.insert(name.clone(), query_value(value));
                }
            }
        }
        "git" => {
            // once more, as it is written then
            url = parsed(url.to_text())?;
            if url.scheme != "git" {
                url.scheme = format!("git+{}", url.scheme);
            }
            check_ref(name.as_deref())?;
            url.query.extend(rev.map(|value| ("rev".to_owned(), value)));
            url.query.extend(name.map(|value| ("ref".to_owned(), value)));
            for name in FLAGS {
                match fields.get(name) {
                    None | Some(FetchValue::Bool(false)) => {}
                    Some(FetchValue::Bool(true)) if name == "allRefs" => {}
                    Some(FetchValue::Bool(true)) => {
                        url.query.insert(name.to_owned(), "1".to_owned());
                    }
                    Some(_) => return Err(format!("input attribute '{name}' is not a Boolean")),
                }
            }
        }
        "hg" => {
            url.scheme = format!("hg+{}", url.scheme);
            url.query.extend(rev.map(|value| ("rev".to_owned(), value)));
            url.query.extend(name.map(|value| ("ref".to_owned(), value)));
        }
        _ => url.query.extend(nar_hash()?.map(|value| ("narHash".to_owned(), value))),
    }
    if let Some(dir) = text("dir")?.filter(|dir| !dir.is_empty()) {
        url.query.entry("dir".to_owned()).or_insert(dir);
    }
    Ok(url.to_text())
}

/// The fields that each type of reference may have.
const KNOWN: [(&str, &[&str]); 9] = [
    ("indirect", &["id", "ref", "rev", "narHash"]),
    ("path", &["path", "rev", "revCount", "lastModified", "narHash"]),
    ("github", FORGE),
    ("gitlab", FORGE),
    ("sourcehut", FORGE),
    (
        "git",
        &[
            "url",
            "ref",
            "rev",
            "shallow",
            "submodules",
            "lfs",
            "exportIgnore",
            "lastModified",
            "revCount",
            "narHash",
            "allRefs",
            "name",
            "dirtyRev",
            "dirtyShortRev",
        ],
    ),
    ("hg", &["url", "ref", "rev", "revCount", "narHash", "name"]),
    ("tarball", DOWNLOAD),
    ("file", DOWNLOAD),
];
const FORGE: &[&str] =
    &["owner", "repo", "ref", "rev", "narHash", "lastModified", "host", "treeHash"];
const DOWNLOAD: &[&str] = &["url", "narHash", "name", "unpack", "rev", "revCount", "lastModified"];

/// The truth values among the parameters of a Git URL.
const FLAGS: [&str; 5] = ["shallow", "submodules", "lfs", "exportIgnore", "allRefs"];

/// Parameters for signed commits, which nothing here checks.
const SIGNATURES: [&str; 4] = ["verifyCommit", "keytype", "publicKey", "publicKeys"];

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

fn checked_id(id: String) -> Result<String, String> {
    if is_id(&id) { Ok(id) } else { Err(format!("'{id}' is not a valid flake ID")) }
}

fn check_ref(name: Option<&str>) -> Result<(), String> {
    match name.filter(|name| !is_ref(name)) {
        Some(name) => Err(format!("'{name}' is not the name of a branch or tag")),
        None => Ok(()),
    }
}

fn check_forge(name: Option<&str>, rev: Option<&str>, host: Option<&str>) -> Result<(), String> {
    if name.is_some() && rev.is_some() {
        return Err("there is both a commit hash and a branch or tag name".to_owned());
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    if let Some(host) = host.filter(|host| !host.bytes().all(is_host)) {
        return Err(format!("'{host}' is not the name of a host"));
    }
    check_ref(name)
}

fn indirect(url: &Url, fields: &mut Fields) -> Result<&'static str, String> {
    let parts = url.names();
    let (id, rest) = parts.split_first().ok_or("a flake URL needs an identifier")?;
    set(fields, "id", checked_id((*id).to_owned())?);
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
            return Err(format!("in flake URL, '{rest}' is not a branch, tag or commit hash"));
        }
    }
    Ok("indirect")
}

fn path(url: &Url, fields: &mut Fields) -> Result<&'static str, String> {
    if url.authority.as_ref().is_some_and(|host| !host.is_empty()) {
        return Err("a path URL should not have an authority".to_owned());
    }
    let path = url.to_path().ok_or("a path URL has a slash or NUL within a name")?;
    set(fields, "path", path);
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
    let parts = url.names();
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
    let of = |wanted: &str| {
        let mut all = named.iter().filter(|(name, _)| *name == wanted);
        (all.next().map(|(_, value)| value.as_str()), all.next().is_some())
    };
    for name in ["rev", "ref"] {
        if of(name).1 {
            return Err(format!("URL '{}' contains '{name}' twice", url.to_text()));
        }
    }
    if let Some(rev) = of("rev").0.filter(|rev| !is_revision(rev)) {
        return Err(format!("'{rev}' is not the hash of a commit"));
    }
    check_forge(of("ref").0, of("rev").0, of("host").0)?;
    for (name, value) in named {
        set(fields, name, value);
    }
    Ok(match url.scheme.as_str() {
        "gitlab" => "gitlab",
        "sourcehut" => "sourcehut",
        _ => "github",
    })
}

fn git(mut url: Url, fields: &mut Fields) -> Result<&'static str, String> {
    for (name, value) in std::mem::take(&mut url.query) {
        if FLAGS.contains(&name.as_str()) {
            fields.insert(name, FetchValue::Bool(value == "1"));
        } else if SIGNATURES.contains(&name.as_str()) {
            return Err(format!("the parameter '{name}' is not supported"));
        } else if matches!(name.as_str(), "rev" | "ref") {
            if name == "ref" {
                check_ref(Some(&value))?;
            }
            set(fields, &name, value);
        } else {
            url.query.insert(name, value);
        }
    }
    set(fields, "url", Url::of_git(&url.to_text())?.to_text());
    Ok("git")
}

fn mercurial(mut url: Url, fields: &mut Fields) -> &'static str {
    url.scheme = url.transport().to_owned();
    for name in ["rev", "ref"] {
        if let Some(value) = url.query.remove(name) {
            set(fields, name, value);
        }
    }
    set(fields, "url", url.to_text());
    "hg"
}

fn download(mut url: Url, text: &str, fields: &mut Fields) -> Result<&'static str, String> {
    let kind = match url.scheme.split_once('+') {
        None | Some(("tarball", _)) => "tarball",
        Some(("file", _)) => "file",
        _ => return Err(format!("input '{text}' is unsupported")),
    };
    if !matches!(url.transport(), "http" | "https" | "file") {
        return Err(format!("input '{text}' is unsupported"));
    }
    url.scheme = url.transport().to_owned();
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
            "gitlab:a%2Fb/c",
            "git+https://h/r?ref=x&shallow=1",
            "https://h/a.tar.gz",
        ] {
            assert_eq!(to_text(&parse(text).unwrap()).unwrap(), text);
        }
        assert!(to_text(&Fields::new()).is_err());
    }
}

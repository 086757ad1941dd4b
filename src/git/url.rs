//! Addresses for git, checked so that none of them is an option or a program.

use super::{error::GitError, revision::shown_address};

/// The schemes; `git+` in front of one is dropped, as Nix does.
const SCHEMES: [&str; 5] = ["file", "git", "http", "https", "ssh"];

/// An address as git takes it: a URL, `host:path`, or an absolute path.
pub(super) fn checked(text: &str) -> Result<String, GitError> {
    let refuse = |problem: &str| {
        Err(GitError::Address {
            url: shown_address(text).into_owned(),
            problem: problem.to_owned(),
        })
    };
    let url = text.strip_prefix("git+").unwrap_or(text);
    if url.chars().any(char::is_control) {
        return refuse("it has control characters");
    }
    if url.starts_with('/') {
        return Ok(url.to_owned());
    }
    if let Some((scheme, rest)) = url.split_once("://") {
        if !SCHEMES.contains(&scheme) {
            return refuse("expected one of file, git, http, https and ssh");
        }
        if scheme == "file" {
            return if rest.starts_with('/') {
                Ok(url.to_owned())
            } else {
                refuse("expected file:// and an absolute path")
            };
        }
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        if host.is_empty() || host.starts_with('-') || rest.starts_with('-') {
            return refuse("expected the name of a host");
        }
        return Ok(url.to_owned());
    }
    if let Some(path) = url.strip_prefix("file:").filter(|path| path.starts_with('/')) {
        return Ok(path.to_owned());
    }
    // `helper::address` runs the program git-remote-helper
    match url.split_once(':') {
        Some((host, path)) if !host.contains('/') && !host.is_empty() && !host.starts_with('-') => {
            let bracket = host.starts_with('[') || host.contains("@[");
            if path.starts_with(':') && !bracket {
                return refuse("remote helpers of git are not used");
            }
            Ok(url.to_owned())
        }
        _ => refuse("expected a URL, 'host:path' or an absolute path"),
    }
}

/// True if it can be fetched without a network.
pub(super) fn is_local(checked: &str) -> bool {
    checked.starts_with('/') || checked.starts_with("file:")
}

/// The address of a submodule, which may be relative to that of the repository.
pub(super) fn relative(base: &str, url: &str) -> Result<String, GitError> {
    if !url.starts_with("./") && !url.starts_with("../") {
        return checked(url);
    }
    let refuse = || GitError::Address {
        url: url.to_owned(),
        problem: format!("it leads nowhere from '{}'", shown_address(base)),
    };
    // the part that `..` may take away
    let start = match base.split_once("://") {
        Some((scheme, rest)) => scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()),
        None => base.find(':').map_or(0, |at| at + 1),
    };
    let (host, path) = base.split_at(start);
    let mut parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    for part in url.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.iter().all(|part| part.is_empty()) => return Err(refuse()),
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    checked(&format!("{host}{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for url in [
            "/a/b",
            "file:///a b",
            "https://host/x?a=b",
            "ssh://git@host:22/x",
            "git@host:a/b",
            "[::1]:a",
            "http://host",
            "git://host/x",
        ] {
            assert_eq!(checked(url).unwrap(), url);
        }
        assert_eq!(checked("git+https://host/x").unwrap(), "https://host/x");
        assert_eq!(checked("file:/x").unwrap(), "/x");
        for url in [
            "",
            "x",
            "./x",
            "--upload-pack=touch x",
            "git+--upload-pack=x",
            "ext::sh -c x",
            "fd::7",
            "ext://x",
            "ftp://host/x",
            "file://host/x",
            "ssh://-oProxyCommand=x/y",
            "ssh://git@-oProxyCommand=x/y",
            "-oProxyCommand=x:y",
            "https:///x",
            "/a\nb",
            "a/b:c",
        ] {
            assert!(checked(url).is_err(), "{url}");
        }
    }

    #[test]
    fn relative_addresses_are_resolved() {
        for (base, url, found) in [
            ("https://h/a/b.git", "../c.git", "https://h/a/c.git"),
            ("https://h/a/b.git/", "./c", "https://h/a/b.git/c"),
            ("git@h:a/b", "../c", "git@h:a/c"),
            ("git@h:b", "../c", "git@h:c"),
            ("/a/b", "../../c", "/c"),
            ("file:///a/b", "../c", "file:///a/c"),
            ("/a", "/x", "/x"),
        ] {
            assert_eq!(relative(base, url).unwrap(), found, "{base} {url}");
        }
        assert!(relative("https://h/a", "../../c").is_err());
        assert!(relative("/a", "ext::sh").is_err());
    }
}

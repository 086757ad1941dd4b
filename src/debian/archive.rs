//! An archive's index: `InRelease`, whose signature is checked if the machine has gpgv and a
//! keyring, and the `Packages` file that it lists.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use fs_err as fs;

use super::{
    closure::{ClosureError, Scope, closure},
    lock::{DebianLock, LockedDeb},
    packages::{Packages, PackagesError},
};
use crate::{
    hash::{Algorithm, Format},
    limits,
    net::{
        address::Address,
        http::{Http, HttpError},
        index::{IndexError, Indexes},
    },
    unpack::compression,
};

/// The packages to lock.
pub(crate) struct Request<'a> {
    /// The suite, such as `bookworm`.
    pub suite: &'a str,
    /// The architecture, such as `amd64`.
    pub architecture: &'a str,
    /// The component of the archive, such as `main`.
    pub component: &'a str,
    /// The packages.
    pub roots: &'a [String],
    /// The limits of the closure.
    pub scope: Scope,
    /// Keyrings for the signature of the archive's index (see [`keyrings`]).
    pub keyrings: Vec<PathBuf>,
}

/// An error while locking packages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveIndexError {
    /// The archive's address is not known.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file of it cannot be fetched.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A file of its index is not valid.
    #[error("{address}: {reason}")]
    Bad {
        /// The file.
        address: Address,
        /// The problem.
        reason: String,
    },
    /// There is no such suite.
    #[error("the index has no suite '{suite}' ({address})")]
    NoSuite {
        /// The suite.
        suite: String,
        /// Its file that was looked for.
        address: Address,
    },
    /// The suite lacks something.
    #[error("suite '{suite}': {error}")]
    Closure {
        /// The suite.
        suite: String,
        /// The missing package or version.
        error: ClosureError,
    },
    /// A program or a file of this machine.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The name of the index that holds a suite: `debian`, or `debian-security` for `*-security`.
#[must_use]
pub(crate) fn index_of(suite: &str) -> &'static str {
    if suite.ends_with("-security") { "debian-security" } else { "debian" }
}

/// The keyrings of Debian's archives on this machine, below `root` (`/`).
#[must_use]
pub(crate) fn keyrings(root: &std::path::Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("usr/share/keyrings/debian-archive-keyring.gpg")];
    let parts = fs::read_dir(root.join("etc/apt/trusted.gpg.d")).into_iter().flatten().flatten();
    let mut parts: Vec<_> = parts.map(|entry| entry.path()).collect();
    parts.retain(|path| path.extension().is_some_and(|e| e == "gpg"));
    parts.sort();
    found.extend(parts);
    found.retain(|path| path.is_file());
    found
}

/// Pins the closure of some packages in the archive's current state. `warn` takes warnings for the user.
///
/// # Errors
/// If the index cannot be fetched or trusted, or lacks a package.
pub(crate) fn lock(
    http: &Http,
    indexes: &Indexes,
    request: &Request<'_>,
    warn: &dyn Fn(&str),
) -> Result<DebianLock, ArchiveIndexError> {
    let index = index_of(request.suite);
    let base = indexes.find(index)?.address;
    let (address, text) = packages_text(http, &base, request, warn)?;
    let bad = |reason: PackagesError| {
        let (address, reason) = (address.clone(), reason.to_string());
        ArchiveIndexError::Bad { address, reason }
    };
    let packages = Packages::parse(&text).map_err(bad)?;
    let members = closure(&packages, request.roots, &request.scope)
        .map_err(|error| ArchiveIndexError::Closure { suite: request.suite.to_owned(), error })?;
    members.values().try_for_each(|member| member.package.check().map_err(bad))?;
    Ok(DebianLock {
        index: index.to_owned(),
        suite: request.suite.to_owned(),
        architecture: request.architecture.to_owned(),
        roots: request.roots.iter().cloned().collect(),
        packages: members.values().map(LockedDeb::of).collect(),
    })
}

/// The `Packages` file of the suite, with the hash that its `InRelease` says, and its address.
fn packages_text(
    http: &Http,
    base: &Address,
    request: &Request<'_>,
    warn: &dyn Fn(&str),
) -> Result<(Address, String), ArchiveIndexError> {
    let suite = base.below("dists").below(request.suite);
    let address = suite.below("InRelease");
    let bad = |address: &Address, reason: String| ArchiveIndexError::Bad {
        address: address.clone(),
        reason,
    };
    let signed = match http.page(&address, "*/*", limits::RELEASE) {
        Err(HttpError::Status { code: 404, .. }) => {
            let suite = request.suite.to_owned();
            return Err(ArchiveIndexError::NoSuite { suite, address });
        }
        page => page?.body,
    };
    let release = verified(&signed, &request.keyrings, &|reason| bad(&address, reason), warn)?;
    let folder = format!("{}/binary-{}", request.component, request.architecture);
    let names = ["Packages.xz", "Packages.gz", "Packages"].map(|name| format!("{folder}/{name}"));
    let (sha256, name) =
        names.iter().find_map(|name| Some((listed(&release, name)?, name))).ok_or_else(|| {
            bad(&address, format!("expected an entry '{folder}/Packages', found none"))
        })?;
    // by hash: the archive may be updated between the two requests
    let by_hash = suite.below(&folder).below("by-hash/SHA256").below(&sha256);
    let plain = suite.below(name);
    let (address, page) = match http.page(&by_hash, "*/*", limits::PACKAGES) {
        Err(HttpError::Status { code: 404, .. } | HttpError::Io(_)) => {
            (&plain, http.page(&plain, "*/*", limits::PACKAGES)?)
        }
        page => (&by_hash, page?),
    };
    let actual = Algorithm::Sha256.digest(&page.body).format(Format::Base16);
    if actual != sha256 {
        let reason = format!("hash mismatch: InRelease says sha256 {sha256}, got {actual}");
        return Err(bad(address, reason));
    }
    let mut text = String::new();
    compression::reader(&page.body[..])?
        .take(limits::PACKAGES + 1)
        .read_to_string(&mut text)
        .map_err(|e| bad(address, e.to_string()))?;
    if text.len() as u64 > limits::PACKAGES {
        return Err(bad(address, format!("it has more than {} bytes", limits::PACKAGES)));
    }
    Ok((address.clone(), text))
}

/// The SHA-256 that the section `SHA256:` of a Release file lists for a name.
fn listed(release: &str, name: &str) -> Option<String> {
    let mut lines = release.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1);
    let mut lines = std::iter::from_fn(|| lines.next().filter(|line| line.starts_with(' ')));
    lines.find_map(|line| {
        let mut words = line.split_whitespace();
        let hash = words.next()?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        (words.nth(1)? == name && is_hash).then(|| hash.to_ascii_lowercase())
    })
}

/// The signed text. `gpgv` checks the signature if it is installed.
fn verified(
    signed: &[u8],
    keyrings: &[PathBuf],
    bad: &dyn Fn(String) -> ArchiveIndexError,
    warn: &dyn Fn(&str),
) -> Result<String, ArchiveIndexError> {
    let unverified = |why: &str| {
        warn(&format!("the archive's signature was not checked: {why}"));
        let text = std::str::from_utf8(signed).map_err(|_| bad("it is not UTF-8".to_owned()))?;
        cleartext(text).ok_or_else(|| bad("expected a signed message".to_owned()))
    };
    if keyrings.is_empty() {
        return unverified("the archive's keyring is not installed");
    }
    let mut command = Command::new("gpgv");
    for keyring in keyrings {
        command.arg("--keyring").arg(keyring);
    }
    command.args(["--status-fd", "2", "--output", "-", "-"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return unverified("gpgv is not installed");
        }
        child => child?,
    };
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(signed)));
        child.wait_with_output()
    })?;
    let status = String::from_utf8_lossy(&output.stderr);
    let says = |word: &str| {
        status
            .lines()
            .any(|line| line.strip_prefix("[GNUPG:] ").is_some_and(|l| l.starts_with(word)))
    };
    // a second signature by a key that this machine does not have is not an error
    if !says("VALIDSIG ") || says("BADSIG ") {
        return Err(bad(
            "gpgv does not accept its signature with this machine's keyring".to_owned()
        ));
    }
    String::from_utf8(output.stdout).map_err(|_| bad("it is not UTF-8".to_owned()))
}

/// The text of a cleartext-signed message (RFC 9580, section 7).
fn cleartext(signed: &str) -> Option<String> {
    let body = signed.strip_prefix("-----BEGIN PGP SIGNED MESSAGE-----")?;
    let (_, body) = body.split_once("\n\n")?;
    let (body, _) = body.split_once("\n-----BEGIN PGP SIGNATURE-----")?;
    let lines = body.lines().map(|line| line.strip_prefix("- ").unwrap_or(line));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read() {
        let hash = "ab".repeat(32);
        let signed = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: x\nMD5Sum:\n 00 1 a/b\n\
             SHA256:\n {hash} 12 a/b\n {hash} 3 c\nX: y\n {hash} 3 d\n- -dash\n-----BEGIN PGP SIGNATURE-----\nx"
        );
        let text = cleartext(&signed).unwrap();
        assert!(text.ends_with("\n-dash"));
        assert_eq!(listed(&text, "a/b").as_ref(), Some(&hash));
        assert_eq!(listed(&text, "c").as_ref(), Some(&hash));
        assert_eq!(listed(&text, "d"), None);
        let other = text.replace(&hash, &"../".repeat(22)[..64]);
        assert_eq!(listed(&other, "c"), None);
        assert_eq!(listed(&text.replace(&hash, &hash.to_uppercase()), "c"), Some(hash));
        assert_eq!(cleartext("Origin: x"), None);
    }

    #[test]
    fn a_signature_that_is_none_is_refused() {
        // `/dev/null` is a keyring without keys; if gpgv is missing there is a warning instead
        let signed = b"-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n-----BEGIN PGP SIGNATURE-----\n";
        let warned = std::cell::Cell::new(false);
        let address = Address::parse("http://x.test/InRelease").unwrap();
        let result = verified(
            signed,
            &["/dev/null".into()],
            &|reason| ArchiveIndexError::Bad { address: address.clone(), reason },
            &|_| warned.set(true),
        );
        match result {
            Err(error) => {
                assert!(error.to_string().contains("does not accept its signature"), "{error}");
            }
            Ok(_) => assert!(warned.get()),
        }
    }
}

//! The certificate authorities of `ca-certificates`, as the one file that OpenSSL reads by default.

use std::path::Path;

use fs_err::{self as fs, os::unix::fs::symlink};

use super::walk::walk;
use crate::{
    limits,
    regular::{self, Link},
};

/// The place of certificates in the package, from the prefix.
const AUTHORITIES: &str = "share/ca-certificates";

/// Makes `etc/ssl/cert.pem`, and the name by which most other programs know it, if the packages
/// have certificates. They are sorted by name, so the file is deterministic.
pub(super) fn bundle(prefix: &Path) -> std::io::Result<()> {
    let folder = prefix.join(AUTHORITIES);
    if !folder.is_dir() {
        return Ok(());
    }
    let mut bundle = Vec::new();
    for (path, _) in walk(&folder)? {
        bundle.extend(regular::read(&path, Link::Follow, limits::METADATA)?);
        if bundle.len() as u64 > limits::PROGRAM {
            return Err(std::io::Error::other("the certificates of all packages are too large"));
        }
        if bundle.last() != Some(&b'\n') {
            bundle.push(b'\n');
        }
    }
    fs::create_dir_all(prefix.join("etc/ssl/certs"))?;
    fs::write(prefix.join("etc/ssl/cert.pem"), bundle)?;
    symlink("../cert.pem", prefix.join("etc/ssl/certs/ca-certificates.crt"))?;
    crate::files::remove_tree(&folder)
}

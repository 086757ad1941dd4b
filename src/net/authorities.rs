//! The certificate authorities that servers are checked against: those that the environment names for the machine's
//! other clients, or else the machine's own.

use std::{io, sync::Arc};

use fs_err as fs;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use super::{host::HostEnvironment, settings};
use crate::regular::{self, Link};

/// The largest file of certificates; the usual bundle has 220 KB.
const CERTIFICATES: u64 = 16 << 20;

/// The certificates of authorities that the environment names, or else those of the machine.
pub(super) fn trusted(environment: &HostEnvironment) -> io::Result<RootCerts> {
    let places = settings::certificates(environment);
    if places.is_empty() {
        return Ok(RootCerts::PlatformVerifier);
    }
    let (mut trusted, mut seen) = (Vec::new(), Vec::new());
    for (path, origin) in places {
        let named = |e: io::Error| {
            io::Error::new(
                e.kind(),
                format!("cannot read the certificates that {origin} names: {e}"),
            )
        };
        if path.is_dir() {
            let entries = fs::read_dir(&path).map_err(named)?;
            let mut files: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
            files.sort();
            // a folder may hold other files, too
            for file in files {
                let content = regular::read(&file, Link::Follow, CERTIFICATES);
                trusted.extend(certificates(&content.unwrap_or_default()));
            }
        } else {
            let content = regular::read(&path, Link::Follow, CERTIFICATES).map_err(named)?;
            trusted.extend(certificates(&content));
        }
        seen.push(format!("{}, named by {origin}", path.display()));
    }
    if trusted.is_empty() {
        let text = format!("{}: expected a certificate, found none", seen.join(", nor "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(RootCerts::Specific(Arc::new(trusted)))
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    parse_pem(pem).filter_map(certificate).collect()
}

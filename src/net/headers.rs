//! The values of headers that servers and proxies get alike.

use crate::hash::encode_base64;

/// The name of this program.
pub(super) const USER_AGENT: &str = concat!("clutch/", env!("CARGO_PKG_VERSION"));

/// A user's name and password (RFC 7617).
pub(super) fn basic_auth(name: &str, password: &str) -> String {
    format!("Basic {}", encode_base64(format!("{name}:{password}").as_bytes()))
}

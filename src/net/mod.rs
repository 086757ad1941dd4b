//! The network: settings of the machine's clients, HTTP, downloads, and the addresses of indexes.
//! It knows nothing of derivations or of the store.

pub mod address;
mod authorities;
mod config;
mod config_file;
mod connection;
pub(crate) mod download;
mod headers;
pub mod host;
mod html;
pub mod http;
pub mod index;
pub(crate) mod netrc;
pub mod network;
mod proxy;
pub(crate) mod remote_zip;
mod resolver;
pub(crate) mod settings;
pub mod simple;
mod socks;

// the whole-tool tests' index; as a dependency it would depend on this crate
#[cfg(test)]
#[allow(dead_code, unreachable_pub)]
#[path = "../../store-tests/src/index.rs"]
pub(crate) mod test_index;

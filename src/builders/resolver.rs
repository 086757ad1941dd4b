//! Names of hosts to addresses, asked once a process. Every fetch opens a connection of its own, and
//! many questions at once make some resolvers drop some, which costs their time limit (5 s) each.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// Remembers what the system's resolver answered. Failures are asked again.
#[derive(Debug, Default)]
pub(super) struct Remembering {
    system: DefaultResolver,
    /// By host and port. It is held while the system is asked, so that nobody asks the same.
    known: Mutex<FxHashMap<String, ResolvedSocketAddrs>>,
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let key = match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => DefaultResolver::host_and_port(scheme, authority),
            _ => None,
        };
        let Some(key) = key else { return self.system.resolve(uri, config, timeout) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known.get(&key) {
            return Ok(addresses.clone());
        }
        let addresses = self.system.resolve(uri, config, timeout)?;
        known.insert(key, addresses.clone());
        Ok(addresses)
    }
}

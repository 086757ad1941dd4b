//! What a session depends on.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use crate::net::host::HostEnvironment;

/// What was asked for, and what the machine says.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The store's root folder; nothing if there is no place for one.
    pub store: Option<PathBuf>,
    /// The folder of the profiles that have only a name; nothing if there is no place for one.
    pub profiles: Option<PathBuf>,
    /// The platform to evaluate for, if it was asked for by name.
    pub system: Option<String>,
    /// Nothing is fetched from the network.
    pub offline: bool,
    /// Addresses of indexes, by their names.
    pub indexes: BTreeMap<String, String>,
    /// The user's home, as the environment names it.
    pub home: Option<PathBuf>,
    /// The variables that the machine's clients are configured by, and that impure evaluation sees.
    pub environment: HostEnvironment,
    /// Asks whether the user has stopped what is done.
    pub cancelled: fn() -> bool,
    /// Stops an evaluation when it is set.
    pub interruption: Arc<AtomicBool>,
}

impl Settings {
    /// The platform to evaluate for and to build on: the one that was asked for, else that of this program.
    #[must_use]
    pub(crate) fn system(&self) -> &str {
        match &self.system {
            Some(system) => system,
            None if cfg!(target_arch = "x86_64") => "x86_64-linux",
            None => "aarch64-linux",
        }
    }

    /// The user's home, with its links followed.
    pub(super) fn real_home(&self) -> Option<PathBuf> {
        let home = self.home.as_ref().filter(|home| !home.as_os_str().is_empty())?;
        fs_err::canonicalize(home).ok()
    }
}

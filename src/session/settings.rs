//! The settings of a session.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use crate::net::host::HostEnvironment;

/// Settings from the command line and the environment.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The store's root folder, if one is known.
    pub store: Option<PathBuf>,
    /// The folder of profiles that are given by name, if one is known.
    pub profiles: Option<PathBuf>,
    /// The platform to evaluate for, if it was given.
    pub system: Option<String>,
    /// Do not access the network.
    pub offline: bool,
    /// Addresses of package indexes by name.
    pub indexes: BTreeMap<String, String>,
    /// The user's home folder, from the environment.
    pub home: Option<PathBuf>,
    /// The variables that configure the network clients, and that an impure evaluation can read.
    pub environment: HostEnvironment,
    /// Returns true once the user has interrupted the operation.
    pub cancelled: fn() -> bool,
    /// Stops an evaluation when it is set.
    pub interruption: Arc<AtomicBool>,
}

impl Settings {
    /// The platform to evaluate and build for (default: that of this program).
    #[must_use]
    pub(crate) fn system(&self) -> &str {
        match &self.system {
            Some(system) => system,
            None if cfg!(target_arch = "x86_64") => "x86_64-linux",
            None => "aarch64-linux",
        }
    }

    /// The user's home folder, with links followed.
    pub(super) fn real_home(&self) -> Option<PathBuf> {
        let home = self.home.as_ref().filter(|home| !home.as_os_str().is_empty())?;
        fs_err::canonicalize(home).ok()
    }
}

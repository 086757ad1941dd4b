//! The machine as the modules of this folder see it. Nothing else here reads variables of the process.

use std::{collections::BTreeMap, path::PathBuf};

/// The process's variables and the root of the file system (another folder in tests).
#[derive(Clone, Debug)]
pub struct HostEnvironment {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// The folder in which `etc/...` is looked for.
    pub root: PathBuf,
}

impl HostEnvironment {
    /// A variable that is set and not empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's folder.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// The folder of the user's settings (XDG Base Directory Specification).
    #[must_use]
    pub fn config_home(&self) -> Option<PathBuf> {
        match self.variable("XDG_CONFIG_HOME").map(PathBuf::from) {
            Some(path) if path.is_absolute() => Some(path),
            _ => Some(self.home()?.join(".config")),
        }
    }

    /// The folders of the machine's settings, the most important first.
    #[must_use]
    pub fn config_dirs(&self) -> Vec<PathBuf> {
        match self.variable("XDG_CONFIG_DIRS") {
            Some(dirs) => {
                dirs.split(':').filter(|d| d.starts_with('/')).map(PathBuf::from).collect()
            }
            None => vec![self.root.join("etc/xdg")],
        }
    }

    /// clutch's own configuration file.
    #[must_use]
    pub fn clutch_config(&self) -> Option<PathBuf> {
        Some(self.config_home()?.join("clutch/config.toml"))
    }
}

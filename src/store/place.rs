//! The place of the store: a pure function of the options and the environment.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

/// The place at which store paths need no mount.
const SYSTEM: &str = "/clutch";

/// The settings that decide the place. Empty texts count as not set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices<'a> {
    /// The option `--store`.
    pub explicit: Option<&'a Path>,
    /// The variable `CLUTCH_STORE`.
    pub clutch_store: Option<&'a OsStr>,
    /// The variable `XDG_DATA_HOME`; a relative one is ignored, as its specification says.
    pub xdg_data_home: Option<&'a OsStr>,
    /// The variable `HOME`.
    pub home: Option<&'a OsStr>,
}

/// The root folder of the store: the option, else `CLUTCH_STORE`, else `/clutch` if `usable` says that it
/// can be written, else `clutch` in the user's data folder. `None` if no rule gives a place.
#[must_use]
pub fn place(choices: Choices<'_>, usable: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let set = |text: Option<&OsStr>| text.filter(|t| !t.is_empty()).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    if let Some(path) = choices.explicit {
        return Some(path.to_owned());
    }
    if let Some(path) = set(choices.clutch_store) {
        return Some(path);
    }
    if usable(Path::new(SYSTEM)) {
        return Some(SYSTEM.into());
    }
    let data = set(choices.xdg_data_home)
        .filter(absolute)
        .or_else(|| Some(set(choices.home).filter(absolute)?.join(".local/share")));
    Some(data?.join("clutch"))
}

/// The folder of profiles given by name: `clutch/profiles` in `XDG_STATE_HOME`,
/// else in `.local/state` in `HOME`. `None` if neither is set.
#[must_use]
pub fn profiles(xdg_state_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    let absolute = |text: Option<&OsStr>| text.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute(xdg_state_home).or_else(|| Some(absolute(home)?.join(".local/state")));
    Some(state?.join("clutch/profiles"))
}

/// True if this process can write that folder or, as root, make it.
#[must_use]
pub fn usable(path: &Path) -> bool {
    let writable = |path: &Path| access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    match path.exists() {
        true => writable(path),
        false => rustix::process::geteuid().is_root() && path.parent().is_some_and(writable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_the_users_state() {
        let at =
            |state: &str, home: &str| profiles(Some(OsStr::new(state)), Some(OsStr::new(home)));
        assert_eq!(at("/state", "/me"), Some("/state/clutch/profiles".into()));
        assert_eq!(at("relative", "/me"), Some("/me/.local/state/clutch/profiles".into()));
        assert_eq!(profiles(None, None), None);
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let text = |t: &'static str| Some(OsStr::new(t));
        let all = Choices {
            explicit: Some(Path::new("here")),
            clutch_store: text("/env"),
            xdg_data_home: text("/data"),
            home: text("/home/me"),
        };
        let at = |choices, usable: bool| place(choices, |_| usable).map(PathBuf::into_os_string);
        let is = |t: &str| Some(t.into());
        assert_eq!(at(all, true), is("here"));
        let all = Choices { explicit: None, ..all };
        assert_eq!(at(all, true), is("/env"));
        let all = Choices { clutch_store: text(""), ..all };
        assert_eq!(at(all, true), is("/clutch"));
        assert_eq!(at(all, false), is("/data/clutch"));
        let all = Choices { xdg_data_home: text("relative"), ..all };
        assert_eq!(at(all, false), is("/home/me/.local/share/clutch"));
        assert_eq!(at(Choices { home: None, ..all }, false), None);
    }
}

//! Pins: roots under a name of the user's choice, each a file in `var/roots/pins` (docs/formats.md,
//! "Store"), with an end if wanted.

use std::{io, path::PathBuf};

use super::{Store, StoreError, insert::now, roots::entries, temporary_roots::Share};
use crate::{
    files,
    store_path::{StorePath, check_name},
};

/// A name that keeps a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The name.
    pub name: String,
    /// The path that it keeps, with all that this refers to.
    pub path: StorePath,
    /// Its end, in seconds since 1970; `None` is for ever.
    pub until: Option<u64>,
}

impl Pin {
    /// True if it has expired: it keeps nothing, and goes with the next collection.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.until.is_some_and(|until| until <= now())
    }
}

impl Store {
    /// Pins `path` under a name, until a time (seconds since 1970) if one is given. Replaces an earlier pin of
    /// that name.
    ///
    /// # Errors
    /// If the name breaks the rules of store paths' names, or the store cannot be written.
    pub fn pin(&self, name: &str, path: &StorePath, until: Option<u64>) -> Result<(), StoreError> {
        self.need_writable()?;
        let place = self.pin_file(name)?;
        // a collector would remove the unfinished file
        let _shared = self.collect_lock(Share::Others)?;
        self.sync_index()?;
        let pins = self.layout.pins();
        fs_err::create_dir_all(&pins)?;
        let until = until.map(|until| format!("until {until}\n")).unwrap_or_default();
        Ok(files::replace(&place, format!("{}\n{until}", path.base()).as_bytes())?)
    }

    /// Removes a pin. Returns true if there was one of that name.
    ///
    /// # Errors
    /// If the name is not valid or the store cannot be written.
    pub fn unpin(&self, name: &str) -> Result<bool, StoreError> {
        self.need_writable()?;
        match fs_err::remove_file(self.pin_file(name)?) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            other => Ok(other.map(|()| true)?),
        }
    }

    /// Every pin, ordered by name, expired ones included.
    ///
    /// # Errors
    /// If one cannot be read: its path is unknown.
    pub fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let mut pins = Vec::new();
        for file in entries(&self.layout.pins())? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // one that is being written
            if check_name(&name).is_err() {
                continue;
            }
            // it may have been removed meanwhile
            pins.extend(read(file, name)?);
        }
        pins.sort_unstable();
        Ok(pins)
    }

    /// The path of the pin of that name; `None` if there is none, or it has expired.
    ///
    /// # Errors
    /// If the name is not valid, or the pin cannot be read.
    pub fn pinned(&self, name: &str) -> Result<Option<StorePath>, StoreError> {
        let pin = read(self.pin_file(name)?, name.to_owned())?;
        Ok(pin.filter(|pin| !pin.has_ended()).map(|pin| pin.path))
    }

    /// Removes expired pins and files of dead processes. Returns the names of the pins. The caller keeps others
    /// from making new ones.
    pub(super) fn remove_ended_pins(&self) -> Result<Vec<String>, StoreError> {
        let mut ended = self.pins()?;
        ended.retain(Pin::has_ended);
        for pin in &ended {
            self.unpin(&pin.name)?;
        }
        for file in entries(&self.layout.pins())? {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(files::UNFINISHED) {
                fs_err::remove_file(&file)?;
            }
        }
        Ok(ended.into_iter().map(|pin| pin.name).collect())
    }

    /// The file of the pin of that name.
    fn pin_file(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        Ok(self.layout.pins().join(name))
    }
}

/// The pin in a file; `None` if there is none.
fn read(file: PathBuf, name: String) -> Result<Option<Pin>, StoreError> {
    let text = match files::read_regular(&file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    let path = StorePath::from_base(lines.next().unwrap_or_default());
    let path = path.map_err(|e| StoreError::Pin { file, problem: e.to_string() })?;
    // ignore an unreadable end: better to keep the path too long than too short
    let until = lines.next().and_then(|line| line.strip_prefix("until ")?.parse().ok());
    Ok(Some(Pin { name, path, until }))
}

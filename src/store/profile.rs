//! Profiles: names that you can switch between generations, to deploy a service and roll it back. A profile
//! `NAME` is a symlink to `NAME-<number>-link` beside it, its current generation. A generation is a result
//! link: a symlink to its store path on this machine, and a root as long as it is there (docs/formats.md,
//! "Profiles").
//!
//! A switch is the rename of one symlink. A process that changes a profile locks its folder.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    Store, StoreError,
    lock::hold,
    roots::{Holder, entries, replace_link, store_path_of, unfinished},
};
use crate::{
    files,
    regular::{self, Link},
    store_path::{StorePath, StorePathError, check_name},
};

/// A profile, which may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    folder: PathBuf,
    name: String,
}

/// A generation of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number; a later generation has a greater one.
    pub number: u64,
    /// Its store path.
    pub path: StorePath,
    /// The time when it was made, in seconds since 1970.
    pub made: u64,
    /// True if it is the current one.
    pub is_current: bool,
    /// The note given when it was made.
    pub note: Option<String>,
}

/// The longest note, in bytes.
const NOTE: u64 = 4 << 10;

/// An error of a profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Reading or writing failed; the text names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name breaks a rule.
    #[error("profile: {0}")]
    Name(#[from] StorePathError),
    /// A note is not one line, or too long.
    #[error("a note is one line of at most {NOTE} bytes without control characters")]
    Note,
    /// The name has the form of a generation.
    #[error("'{0}' has the name of a generation; give the profile's name, or another one")]
    Reserved(String),
    /// There is something else of the profile's name.
    #[error("'{}' exists and is not a profile; remove it or give another name", .0.display())]
    Occupied(PathBuf),
    /// There is no such profile.
    #[error("there is no profile '{}'", .0.display())]
    None(PathBuf),
    /// There is no such generation.
    #[error("profile '{profile}' has no generation {number}; it has {has}")]
    NoGeneration {
        /// The profile.
        profile: String,
        /// The number that was asked for.
        number: u64,
        /// The existing ones.
        has: String,
    },
    /// Nothing comes before the current generation.
    #[error("profile '{0}' has no generation before the current one")]
    NoEarlier(String),
}

impl Profile {
    /// The profile at that place, which may not exist yet.
    ///
    /// # Errors
    /// If its name breaks the rules of store paths' names, or is that of a generation.
    pub fn at(link: &Path) -> Result<Self, ProfileError> {
        let link = std::path::absolute(link)?;
        let name = link.file_name().unwrap_or_default().to_string_lossy().into_owned();
        check_name(&name)?;
        if number_of(&name).is_some() || note_of(&name).is_some() {
            return Err(ProfileError::Reserved(name));
        }
        let folder = link.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { folder, name })
    }

    /// Every profile in a folder that may not be there, ordered by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn all(folder: &Path) -> Result<Vec<Self>, ProfileError> {
        let all = entries(folder)?.into_iter().filter_map(|link| Self::at(&link).ok());
        let mut all: Vec<Self> = all.filter(|profile| profile.current().is_some()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The profile and the number of the generation whose link this is, if it is one.
    #[must_use]
    pub fn of_generation(link: &Path) -> Option<(Self, u64)> {
        let (name, number) = link.file_name().and_then(OsStr::to_str).and_then(number_of)?;
        let profile = Self::at(&link.with_file_name(name)).ok()?;
        profile.current().is_some().then_some((profile, number))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The symlink to its store path, by way of the current generation.
    #[must_use]
    pub fn link(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Its generations, in order.
    ///
    /// # Errors
    /// If its folder cannot be read, or there is none.
    pub fn generations(&self) -> Result<Vec<Generation>, ProfileError> {
        let generations = self.read()?;
        if generations.is_empty() {
            return Err(ProfileError::None(self.link()));
        }
        Ok(generations)
    }

    /// Makes a path the current generation: a new one, unless it is current already. The caller holds a root of
    /// the path. A note is kept with the generation. Returns the generation, and true if it is new.
    ///
    /// # Errors
    /// If the path is not valid, something else is in the profile's place, or it cannot be written. The profile
    /// is then unchanged.
    pub fn set(
        &self,
        store: &Store,
        path: &StorePath,
        note: Option<&str>,
    ) -> Result<(Generation, bool), ProfileError> {
        let is_bad = |note: &str| note.len() as u64 > NOTE || note.chars().any(char::is_control);
        if note.is_some_and(is_bad) {
            return Err(ProfileError::Note);
        }
        fs_err::create_dir_all(&self.folder)?;
        let _lock = self.lock()?;
        self.check_free()?;
        let generations = self.read()?;
        let current = generations.iter().find(|generation| generation.is_current);
        if let Some(current) = current.filter(|current| current.path == *path)
            && fs_err::read_link(self.place(current.number))? == store.real(path)
        {
            let mut current = current.clone();
            if let Some(note) = note {
                files::replace(&self.note_place(current.number), note.as_bytes())?;
                current.note = Some(note.to_owned());
            }
            return Ok((current, false));
        }
        if !store.is_valid(path)? {
            return Err(StoreError::NotValid(path.clone()).into());
        }
        let number = generations.last().map_or(0, |last| last.number) + 1;
        match note {
            Some(note) => files::replace(&self.note_place(number), note.as_bytes())?,
            // of one that was never made
            None => files::remove_file(&self.note_place(number))?,
        }
        store.link_root(&self.place(number), path)?;
        // a generation is durable before the profile leads to it
        files::sync_folder(&self.folder)?;
        self.switch(number)?;
        let new = self.read()?.into_iter().find(|generation| generation.number == number);
        new.map(|new| (new, true)).ok_or_else(|| ProfileError::None(self.link()))
    }

    /// Makes an earlier generation current: the one before it, or the one with that number.
    ///
    /// # Errors
    /// If there is none, or its path is not in the store. The profile is then unchanged.
    pub fn rollback(&self, store: &Store, to: Option<u64>) -> Result<Generation, ProfileError> {
        if !self.folder.is_dir() {
            return Err(ProfileError::None(self.link()));
        }
        let _lock = self.lock()?;
        self.check_free()?;
        let generations = self.generations()?;
        let found = match to {
            Some(number) => Ok(self.find(&generations, number)?),
            None => generations
                .iter()
                .take_while(|generation| !generation.is_current)
                .last()
                .filter(|_| generations.iter().any(|generation| generation.is_current))
                .ok_or_else(|| ProfileError::NoEarlier(self.name.clone())),
        }?;
        let is_here = fs_err::read_link(self.place(found.number))? == store.real(&found.path);
        if !is_here || !store.is_valid(&found.path)? {
            return Err(StoreError::NotValid(found.path.clone()).into());
        }
        self.switch(found.number)?;
        Ok(Generation { is_current: true, ..found.clone() })
    }

    /// The generation of that number.
    ///
    /// # Errors
    /// If there is none; the error lists the existing ones.
    pub fn find<'g>(
        &self,
        generations: &'g [Generation],
        number: u64,
    ) -> Result<&'g Generation, ProfileError> {
        let found = generations.iter().find(|generation| generation.number == number);
        found.ok_or_else(|| {
            let has: Vec<String> = generations.iter().map(|g| g.number.to_string()).collect();
            let (profile, has) = (self.name.clone(), has.join(", "));
            ProfileError::NoGeneration { profile, number, has }
        })
    }

    /// Removes generations, which then no longer keep their paths: all made before a time (seconds since 1970),
    /// except the newest `keep`. The current one stays. With `dry`, removes nothing. Returns them.
    ///
    /// # Errors
    /// If there is no such profile, or its folder cannot be written.
    pub fn wipe(
        &self,
        keep: usize,
        before: u64,
        dry: bool,
    ) -> Result<Vec<Generation>, ProfileError> {
        if !self.folder.is_dir() {
            return Err(ProfileError::None(self.link()));
        }
        let _lock = self.lock()?;
        let mut generations = self.generations()?;
        generations.truncate(generations.len().saturating_sub(keep));
        generations.retain(|generation| !generation.is_current && generation.made < before);
        if !dry {
            self.remove(&generations)?;
        }
        Ok(generations)
    }

    /// Removes the profile with all its generations. Returns these.
    ///
    /// # Errors
    /// If there is no such profile, or its folder cannot be written.
    pub fn delete(&self) -> Result<Vec<Generation>, ProfileError> {
        if !self.folder.is_dir() {
            return Err(ProfileError::None(self.link()));
        }
        let _lock = self.lock()?;
        self.check_free()?;
        let generations = self.generations()?;
        files::remove_file(&self.link())?;
        self.remove(&generations)?;
        files::sync_folder(&self.folder)?;
        Ok(generations)
    }

    fn remove(&self, generations: &[Generation]) -> Result<(), ProfileError> {
        for generation in generations {
            files::remove_file(&self.place(generation.number))?;
            files::remove_file(&self.note_place(generation.number))?;
        }
        Ok(())
    }

    /// The file of a generation's note.
    fn note_place(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}-{number}-note", self.name))
    }

    /// The note of a generation; `None` if it cannot be read.
    fn note(&self, number: u64) -> Option<String> {
        let bytes = regular::read(&self.note_place(number), Link::Refuse, NOTE).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        (!text.is_empty()).then_some(text)
    }

    /// The place of a generation.
    fn place(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}-{number}-link", self.name))
    }

    /// Switches the profile to a generation, in one step.
    fn switch(&self, number: u64) -> Result<(), ProfileError> {
        replace_link(Path::new(&format!("{}-{number}-link", self.name)), &self.link())?;
        Ok(files::sync_folder(&self.folder)?)
    }

    /// The number of the current generation.
    fn current(&self) -> Option<u64> {
        let target = fs_err::read_link(self.link()).ok()?;
        let (name, number) = number_of(target.to_str()?)?;
        (name == self.name).then_some(number)
    }

    /// Fails if something else than a profile is in its place.
    fn check_free(&self) -> Result<(), ProfileError> {
        match self.link().symlink_metadata() {
            Ok(_) if self.current().is_none() => Err(ProfileError::Occupied(self.link())),
            _ => Ok(()),
        }
    }

    /// As [`Profile::generations`]; `None` if there is no such profile.
    ///
    /// # Errors
    /// If its folder cannot be read.
    pub fn read(&self) -> Result<Vec<Generation>, ProfileError> {
        let current = self.current();
        let mut generations = Vec::new();
        for place in entries(&self.folder)? {
            let number = place.file_name().and_then(OsStr::to_str).and_then(number_of);
            let Some((_, number)) = number.filter(|(name, _)| *name == self.name) else { continue };
            // one that is being wiped, or is not clutch's
            let Ok(target) = fs_err::read_link(&place) else { continue };
            let Ok(metadata) = fs_err::symlink_metadata(&place) else { continue };
            let Some(path) = store_path_of(&target) else { continue };
            let made = metadata.mtime().unsigned_abs();
            generations.push(Generation {
                number,
                path,
                made,
                is_current: current == Some(number),
                note: self.note(number),
            });
        }
        generations.sort_by_key(|generation| generation.number);
        Ok(generations)
    }

    /// Locks this folder's profiles against other processes, and removes leftovers of processes that died.
    fn lock(&self) -> Result<fs_err::File, ProfileError> {
        let folder = fs_err::File::open(&self.folder)?;
        hold(&folder, true)?;
        for entry in entries(&self.folder)? {
            let unfinished = entry.file_name().and_then(OsStr::to_str).and_then(unfinished);
            let is_ours = unfinished.is_some_and(|name| {
                name == self.name || number_of(name).is_some_and(|(name, _)| name == self.name)
            });
            if is_ours && entry.is_symlink() {
                fs_err::remove_file(&entry)?;
            }
        }
        Ok(folder)
    }
}

impl Store {
    /// The profiles whose generations this store keeps, wherever they are, ordered by place.
    ///
    /// # Errors
    /// If the roots cannot be read.
    pub fn profiles(&self) -> Result<Vec<Profile>, StoreError> {
        let mut all = BTreeMap::new();
        for root in self.links()? {
            let Holder::Link(link) = root.holder else { continue };
            if let Some((profile, _)) = Profile::of_generation(&link) {
                all.insert(profile.link(), profile);
            }
        }
        Ok(all.into_values().collect())
    }
}

/// The profile and the number in the name of a generation's link.
fn number_of(name: &str) -> Option<(&str, u64)> {
    numbered(name, "-link")
}

/// The same of a generation's note.
fn note_of(name: &str) -> Option<(&str, u64)> {
    numbered(name, "-note")
}

fn numbered<'n>(name: &'n str, end: &str) -> Option<(&'n str, u64)> {
    let (profile, number) = name.strip_suffix(end)?.rsplit_once('-')?;
    let is_number = !number.starts_with(['0', '+']);
    Some((profile, number.parse().ok().filter(|_| is_number)?))
}

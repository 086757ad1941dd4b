//! The host of the language: files, store paths and derivations, as an expression sees them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use clutch_expr::host::{
    AddPath, DerivationPaths, DerivationRequest, FetchRequest, FetchValue, Fetched, FileType,
    Filter, FixedOutput, Host, HostError, HostResult, Reference,
};

use super::{
    Access, Commit, Revision, fetch,
    pending::Pending,
    written::{Given, Written},
};
use crate::{
    archive::{self, Kind, Listing},
    derivation::{self, Derivation, Draft, DraftOutputs, Fixed, HashMode, Records},
    hash::{Algorithm, Hash},
    store::{Store, StoreError},
    store_path::{STORE_DIR, StorePath, check_name},
};

/// Builds derivations in the middle of an evaluation (import from derivation).
pub trait Realise: Sync {
    /// Makes these outputs of these derivations valid; the store has the derivations.
    ///
    /// # Errors
    /// A failed build, or that this is not allowed.
    fn realise(&self, targets: &[(StorePath, BTreeSet<String>)]) -> Result<(), String>;

    /// Writes the tree of a revision to the folder `to`, which does not exist yet; `scratch` is an
    /// empty one.
    ///
    /// # Errors
    /// Where it cannot be had.
    fn fetch_revision(
        &self,
        revision: &Revision,
        to: &Path,
        scratch: &Path,
    ) -> Result<Commit, String>;

    /// How many commits a revision has behind it, itself included.
    ///
    /// # Errors
    /// Where its history cannot be had.
    fn count_revisions(&self, revision: &Revision, scratch: &Path) -> Result<u64, String>;

    /// The store, opened when it is first needed.
    ///
    /// # Errors
    /// Where it cannot be opened.
    fn store(&self) -> Result<&Store, String>;

    /// Takes a line of `builtins.trace` or a warning (`warning` says which).
    fn message(&self, text: &str, warning: bool);
}

/// What an evaluation may see of the world, and what it has made so far.
pub struct World<'a> {
    /// Which files.
    pub access: Access,
    /// Entries of the search path, as `(prefix, path)`.
    pub search_path: Vec<(String, String)>,
    /// What pure evaluation hides: variables, clock, platform and home.
    pub surroundings: Option<Surroundings>,
    /// The platform where it was asked for by name: then it is no secret of the machine.
    pub system: Option<String>,
    /// Whether what is read may be built in the middle of the evaluation.
    pub import_from_derivation: bool,
    /// Builds, and takes messages.
    pub realiser: &'a dyn Realise,
    pending: Mutex<Pending>,
    written: Mutex<Written>,
}

/// What only impure evaluation sees.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The process environment.
    pub variables: BTreeMap<String, String>,
    /// The home folder.
    pub home: Option<PathBuf>,
    /// The platform.
    pub system: String,
    /// Seconds since 1970.
    pub time: i64,
}

fn refuse(error: impl Display) -> HostError {
    HostError(error.to_string())
}

impl<'a> World<'a> {
    /// A world in which nothing has been made yet.
    #[must_use]
    pub fn new(access: Access, realiser: &'a dyn Realise) -> Self {
        Self {
            access,
            search_path: Vec::new(),
            surroundings: None,
            system: None,
            import_from_derivation: true,
            realiser,
            pending: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// Puts what was made into the store, as far as it is not there.
    ///
    /// # Errors
    /// Where the store refuses, or a source has changed since it was evaluated.
    pub fn commit(&self, store: &Store) -> Result<(), StoreError> {
        self.pending().commit(store)
    }

    /// All derivations that were made, by path.
    #[must_use]
    pub fn into_derivations(self) -> Records {
        self.pending.into_inner().unwrap_or_else(PoisonError::into_inner).derivations
    }

    /// What was read, and where the hashes of fixed outputs are written.
    #[must_use]
    pub fn written(&self) -> Written {
        self.note().clone()
    }

    pub(super) fn note(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a path is on this machine, links on the way followed, and at its end where `last` says
    /// so. A store path that waits is put into the store first.
    fn locate(&self, path: &Path, last: bool) -> HostResult<PathBuf> {
        if path.starts_with(STORE_DIR) {
            self.need(path)?;
        }
        let resolved = self.access.resolve(path, last).map_err(refuse)?;
        if resolved.starts_with(STORE_DIR) && !path.starts_with(STORE_DIR) {
            self.need(&resolved)?;
        }
        Ok(self.access.real(&resolved))
    }

    fn need(&self, path: &Path) -> HostResult<()> {
        let Some(Ok((path, _))) = path.to_str().map(StorePath::split) else { return Ok(()) };
        let mut pending = self.pending();
        if pending.waits(&path) {
            pending.commit(self.realiser.store().map_err(HostError)?).map_err(refuse)?;
        }
        Ok(())
    }

    /// Computes a derivation's paths and remembers it.
    pub(super) fn resolve(&self, draft: Draft) -> HostResult<(StorePath, Derivation)> {
        fetch::check_addresses(&draft)?;
        let mut pending = self.pending();
        self.learn(&mut pending, &draft)?;
        let (path, derivation) = pending.identities.resolve(draft).map_err(refuse)?;
        pending.derivations.insert(&path, &derivation).map_err(refuse)?;
        Ok((path, derivation))
    }

    /// Input derivations that this evaluation did not make are read from the store (a context that
    /// was given as text, say).
    fn learn(&self, pending: &mut Pending, draft: &Draft) -> HostResult<()> {
        let mut todo: Vec<StorePath> = draft.input_derivations.keys().cloned().collect();
        while let Some(path) = todo.pop() {
            if pending.identities.knows(&path) {
                continue;
            }
            let store = self.realiser.store().map_err(HostError)?;
            let derivation = store.read_derivation(&path).map_err(refuse)?;
            let unknown: Vec<StorePath> = derivation
                .input_derivations
                .keys()
                .filter(|input| !pending.identities.knows(input))
                .cloned()
                .collect();
            if unknown.is_empty() {
                pending.identities.learn(&derivation).map_err(refuse)?;
            } else {
                todo.push(path);
                todo.extend(unknown);
            }
        }
        Ok(())
    }

    /// Adds what a text made of a `drvPath` refers to: the derivations of its closure as sources, and
    /// all their outputs, since whoever gets the text may build any of them.
    fn add_closures(&self, draft: &mut Draft, roots: Vec<StorePath>) -> HostResult<()> {
        let pending = self.pending();
        let mut todo = roots;
        while let Some(path) = todo.pop() {
            if !draft.input_sources.insert(path.clone()) || !path.is_derivation() {
                continue;
            }
            let derivation = match pending.derivations.get(&path) {
                Some(derivation) => derivation,
                None => {
                    let store = self.realiser.store().map_err(HostError)?;
                    store.read_derivation(&path).map_err(refuse)?
                }
            };
            todo.extend(derivation.input_derivations.into_keys());
            todo.extend(derivation.input_sources);
            let outputs = derivation.outputs.into_keys();
            draft.input_derivations.entry(path).or_default().extend(outputs);
        }
        Ok(())
    }

    /// Whether all these outputs are there, so that nothing has to be built or written.
    fn are_valid(
        &self,
        store: &Store,
        targets: &[(StorePath, BTreeSet<String>)],
    ) -> Result<bool, StoreError> {
        let pending = self.pending();
        let mut paths = Vec::new();
        for (path, outputs) in targets {
            let Some(derivation) = pending.derivations.get(path) else { return Ok(false) };
            for output in outputs {
                let Some(output) = derivation.outputs.get(output) else { return Ok(false) };
                paths.push(output.path.clone());
            }
        }
        Ok(store.valid(&paths)?.len() == paths.iter().collect::<BTreeSet<_>>().len())
    }

    /// Makes outputs valid in the middle of the evaluation.
    pub(super) fn build(&self, targets: &[(StorePath, BTreeSet<String>)]) -> HostResult<()> {
        let store = self.realiser.store().map_err(HostError)?;
        if self.are_valid(store, targets).map_err(refuse)? {
            return Ok(());
        }
        self.pending().commit(store).map_err(refuse)?;
        self.realiser.realise(targets).map_err(HostError)
    }
}

fn file_type(found: std::fs::FileType) -> FileType {
    match found {
        t if t.is_file() => FileType::Regular,
        t if t.is_dir() => FileType::Directory,
        t if t.is_symlink() => FileType::Symlink,
        _ => FileType::Unknown,
    }
}

fn fixed_output(fixed: &FixedOutput) -> HostResult<Fixed> {
    let algorithm = match fixed.algorithm.as_deref() {
        None | Some("") => None,
        Some(name) => Some(
            Algorithm::from_name(name)
                .ok_or_else(|| refuse(format!("unknown hash algorithm '{name}'")))?,
        ),
    };
    let mode = if fixed.recursive { HashMode::Recursive } else { HashMode::Flat };
    let hash = parse(&fixed.hash, algorithm).map_err(|error| match fixed.places.first() {
        Some(place) => refuse(format!("{error}, at {place}")),
        None => error,
    })?;
    Ok(Fixed { mode, hash })
}

/// A hash as an expression gives it. As in Nix, an empty one stands for one that is not known yet.
pub(super) fn parse(text: &str, algorithm: Option<Algorithm>) -> HostResult<Hash> {
    match (text, algorithm) {
        ("", Some(algorithm)) => Ok(Hash::from_slice(algorithm, &[0; 64][..algorithm.size()])),
        ("", None) => Err(refuse("empty hash requires explicit hash algorithm")),
        (text, algorithm) => Hash::parse(text, algorithm).map_err(refuse),
    }
}

impl Host for World<'_> {
    fn read_file(&self, path: &Path) -> HostResult<Vec<u8>> {
        let place = self.locate(path, true)?;
        if !path.starts_with(STORE_DIR) {
            self.note().files.insert(place.clone());
        }
        fs_err::read(place).map_err(refuse)
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        use std::os::unix::ffi::OsStringExt as _;
        fs_err::read_dir(self.locate(path, true)?)
            .map_err(refuse)?
            .map(|entry| {
                let entry = entry.map_err(refuse)?;
                let found = entry.file_type().map_err(refuse)?;
                Ok((entry.file_name().into_vec(), file_type(found)))
            })
            .collect()
    }

    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        match fs_err::symlink_metadata(self.locate(path, false)?) {
            Ok(metadata) => Ok(Some(file_type(metadata.file_type()))),
            // it may be made in the middle of the evaluation
            Err(_) if path == Path::new(STORE_DIR) => Ok(Some(FileType::Directory)),
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(e) => Err(refuse(e)),
        }
    }

    fn read_link(&self, path: &Path) -> HostResult<Option<PathBuf>> {
        fs_err::read_link(self.locate(path, false)?).map(Some).map_err(refuse)
    }

    fn resolve(&self, path: &Path) -> HostResult<PathBuf> {
        self.access.resolve(path, true).map_err(refuse)
    }

    fn search_path(&self) -> Vec<(String, String)> {
        self.search_path.clone()
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.surroundings.as_ref()?.variables.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        self.surroundings.as_ref()?.home.clone()
    }

    fn current_system(&self) -> Option<String> {
        let found = self.surroundings.as_ref().map(|s| &s.system).or(self.system.as_ref());
        found.cloned()
    }

    fn has_clock(&self) -> bool {
        self.surroundings.is_some()
    }

    fn current_time(&self) -> i64 {
        self.surroundings.as_ref().map_or(0, |s| s.time)
    }

    fn store_dir(&self) -> &str {
        STORE_DIR
    }

    fn placeholder(&self, output: &str) -> String {
        derivation::placeholder(output)
    }

    fn add_text(&self, name: &str, text: &[u8], references: &[String]) -> HostResult<String> {
        let references = references
            .iter()
            .map(|r| StorePath::parse(r).map_err(refuse))
            .collect::<HostResult<BTreeSet<_>>>()?;
        let path = StorePath::of_text(text, &references, name).map_err(refuse)?;
        self.pending().add_text(path.clone(), text, references);
        Ok(path.to_string())
    }

    fn add_path(&self, request: &AddPath, filter: Option<&mut Filter<'_>>) -> HostResult<String> {
        check_name(&request.name).map_err(refuse)?;
        let key = (request.path.clone(), request.name.clone());
        let plain = filter.is_none() && request.recursive && request.sha256.is_none();
        if plain && let Some(path) = self.pending().known.get(&key) {
            return Ok(path.to_string());
        }
        // the path itself may be a link, which is then what is copied
        let from = self.locate(&request.path, false)?;
        let listing = list(&from, &request.path, filter)?;
        let leaves = archive::leaves(&listing).map_err(refuse)?;
        let tree = archive::fold(&listing, &leaves).hash;
        let path = match &request.sha256 {
            None if request.recursive => {
                StorePath::of_source(&tree, &request.name).map_err(refuse)?
            }
            expected => {
                let (mode, hash) = if request.recursive {
                    let hash = archive::nar_hash_listed(&listing, Algorithm::Sha256);
                    (HashMode::Recursive, hash.map_err(refuse)?)
                } else {
                    let bytes = fs_err::read(&from).map_err(refuse)?;
                    (HashMode::Flat, Algorithm::Sha256.digest(&bytes))
                };
                if let Some(text) = expected {
                    let expected = parse(text, Some(Algorithm::Sha256))?;
                    if expected != hash {
                        return Err(refuse(format!(
                            "hash mismatch for '{}': specified {expected}, got {hash}",
                            request.path.display()
                        )));
                    }
                }
                derivation::fixed_path(&request.name, &Fixed { mode, hash }).map_err(refuse)?
            }
        };
        let mut pending = self.pending();
        if plain {
            pending.known.insert(key, path.clone());
        }
        pending.add_tree(path.clone(), listing, leaves, tree);
        Ok(path.to_string())
    }

    fn derivation(&self, request: DerivationRequest) -> HostResult<DerivationPaths> {
        let parse = |path: &String| StorePath::parse(path).map_err(refuse);
        let given = request
            .fixed
            .as_ref()
            .map(|fixed| Given { text: fixed.hash.clone(), places: fixed.places.clone() });
        let outputs = match &request.fixed {
            Some(fixed) => DraftOutputs::Fixed(fixed_output(fixed)?),
            None => DraftOutputs::Named(request.outputs.iter().cloned().collect()),
        };
        let mut draft = Draft {
            name: request.name,
            system: request.system,
            builder: request.builder,
            args: request.args,
            env: request.env.into_iter().collect(),
            structured: request.structured,
            outputs,
            input_derivations: request
                .input_derivations
                .into_iter()
                .map(|(path, outputs)| Ok((parse(&path)?, outputs.into_iter().collect())))
                .collect::<HostResult<_>>()?,
            input_sources: request.input_sources.iter().map(parse).collect::<HostResult<_>>()?,
        };
        let closures = request.input_closures.iter().map(parse).collect::<HostResult<Vec<_>>>()?;
        self.add_closures(&mut draft, closures)?;
        let (path, derivation) = self.resolve(draft)?;
        if let Some(given) = given {
            self.note().hashes.insert(path.clone(), given);
        }
        let outputs = derivation.outputs.into_iter().map(|(name, o)| (name, o.path.to_string()));
        Ok(DerivationPaths { drv_path: path.to_string(), outputs: outputs.collect() })
    }

    fn realise(&self, references: &[Reference]) -> HostResult<()> {
        let mut targets: BTreeMap<StorePath, BTreeSet<String>> = BTreeMap::new();
        for reference in references {
            match reference {
                Reference::Built { drv, output } => {
                    let drv = StorePath::parse(drv).map_err(refuse)?;
                    targets.entry(drv).or_default().insert(output.clone());
                }
                Reference::Opaque(path) | Reference::DrvDeep(path) => self.need(Path::new(path))?,
            }
        }
        let Some((first, _)) = targets.first_key_value() else { return Ok(()) };
        if !self.import_from_derivation {
            return Err(refuse(format!(
                "cannot build '{first}' during evaluation, because \
                 --no-allow-import-from-derivation was given"
            )));
        }
        self.build(&targets.into_iter().collect::<Vec<_>>())
    }

    fn store_path(&self, path: &Path) -> HostResult<String> {
        let text = path.to_str().ok_or_else(|| refuse("a store path is UTF-8 text"))?;
        let (path, _) = StorePath::split(text).map_err(refuse)?;
        let store = self.realiser.store().map_err(HostError)?;
        if !store.is_valid(&path).map_err(refuse)? && !self.pending().waits(&path) {
            return Err(refuse(format!("'{path}' is not in the store")));
        }
        Ok(path.to_string())
    }

    fn references(&self, path: &Path) -> HostResult<Vec<String>> {
        let Some(Ok((path, _))) = path.to_str().map(StorePath::split) else {
            return Ok(Vec::new());
        };
        let store = self.realiser.store().map_err(HostError)?;
        let info = store.info(&path).map_err(refuse)?;
        Ok(info.map_or_else(Vec::new, |i| i.references.iter().map(ToString::to_string).collect()))
    }

    fn fetch(&self, request: &FetchRequest) -> HostResult<Fetched> {
        fetch::fetch(self, request)
    }

    fn fetch_later(&self, request: &FetchRequest, attribute: &str) -> HostResult<FetchValue> {
        fetch::fetch_later(self, request, attribute)
    }

    fn trace(&self, text: &str) {
        self.realiser.message(text, false);
    }

    fn warn(&self, text: &str) {
        self.realiser.message(text, true);
    }
}

/// Lists the tree at `from`, whose entries the filter sees under `shown`.
fn list(from: &Path, shown: &Path, filter: Option<&mut Filter<'_>>) -> HostResult<Listing> {
    let Some(filter) = filter else { return Listing::read(from).map_err(refuse) };
    let mut failed = None;
    let listing = Listing::read_some(from, &mut |below, kind| {
        let kind = match kind {
            Kind::File => FileType::Regular,
            Kind::Directory => FileType::Directory,
            Kind::Symlink => FileType::Symlink,
        };
        failed.is_none()
            && filter(&shown.join(below), kind).unwrap_or_else(|e| {
                failed = Some(e);
                false
            })
    });
    match failed {
        Some(error) => Err(error),
        None => listing.map_err(refuse),
    }
}

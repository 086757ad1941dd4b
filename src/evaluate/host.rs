//! The host of the language: files, store paths and derivations, as an expression sees them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    io::{self, Read as _},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use clutch_expr::host::{
    AddPath, DerivationPaths, DerivationRequest, FetchRequest, FetchValue, Fetched, FileType,
    Filter, FixedOutput, Host, HostError, HostResult, Imported, Reference,
};
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{
    Access, AccessError,
    access::object,
    fetch,
    hash_positions::{Given, HashPositions},
    pending::Pending,
    selection::Selection,
};
use crate::git::{Commit, Revision};
use crate::{
    derivation::{self, Derivation, Draft, DraftOutputs, Fixed, HashMode, Records},
    hash::{Algorithm, Hash, Hasher},
    limits, regular,
    store::{Store, StoreError},
    store_path::{STORE_DIR, StorePath, check_name},
    tree::{self, Bounds, Kind, Listing},
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
pub struct EvalHost<'a> {
    /// Which files.
    pub access: Access,
    /// Entries of the search path, as `(prefix, path)`.
    pub search_path: Vec<(String, String)>,
    /// What pure evaluation hides: variables, clock, platform and home.
    pub impure: Option<ImpureSettings>,
    /// The platform where it was asked for by name: then it is no secret of the machine.
    pub system: Option<String>,
    /// Whether what is read may be built in the middle of the evaluation.
    pub import_from_derivation: bool,
    /// Builds, and takes messages.
    pub realiser: &'a dyn Realise,
    pending: Mutex<Pending>,
    positions: Mutex<HashPositions>,
    /// How many store paths may be read, when last all that they refer to was among them.
    reached: Mutex<usize>,
}

/// What only impure evaluation sees.
#[derive(Clone, Debug, Default)]
pub struct ImpureSettings {
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

impl<'a> EvalHost<'a> {
    /// A world in which nothing has been made yet.
    #[must_use]
    pub fn new(access: Access, realiser: &'a dyn Realise) -> Self {
        Self {
            access,
            search_path: Vec::new(),
            impure: None,
            system: None,
            import_from_derivation: true,
            realiser,
            pending: Mutex::default(),
            positions: Mutex::default(),
            reached: Mutex::default(),
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
    pub fn hash_positions(&self) -> HashPositions {
        self.note().clone()
    }

    pub(super) fn note(&self) -> MutexGuard<'_, HashPositions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A path, links on the way followed, and at its end where `last` says so. What waits for the store is
    /// put there first.
    fn walk(&self, path: &Path, last: bool) -> HostResult<PathBuf> {
        self.need(path)?;
        loop {
            match self.access.resolve(path, last) {
                // a link in what may be read leads to what that refers to
                Err(AccessError::Closed(place)) if self.is_reached(&place)? => {}
                found => {
                    let found = found.map_err(refuse)?;
                    if !self.need(&found)? {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Where a path is on this machine, as [`EvalHost::walk`] finds it.
    fn locate(&self, path: &Path, last: bool) -> HostResult<PathBuf> {
        Ok(self.access.real(&self.walk(path, last)?))
    }

    /// Puts a store path that waits into the store; whether it did.
    fn need(&self, path: &Path) -> HostResult<bool> {
        let Some(path) = object(path) else { return Ok(false) };
        let mut pending = self.pending();
        let is_new = path.is_derivation() && pending.derivations.get(&path).is_some();
        if !is_new && !pending.waits(&path) {
            return Ok(false);
        }
        let store = self.realiser.store().map_err(HostError)?;
        if is_new && store.is_valid(&path).map_err(refuse)? {
            return Ok(false);
        }
        pending.commit(store).map_err(refuse)?;
        Ok(true)
    }

    /// Whether what this evaluation has made refers to that store path, by whatever steps: then it may be
    /// read, since it is the same wherever the first is.
    fn is_reached(&self, place: &Path) -> HostResult<bool> {
        let Some(wanted) = object(place) else { return Ok(false) };
        let mut todo: Vec<StorePath> = self.access.opened().iter().cloned().collect();
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if todo.len() == *reached {
            return Ok(false);
        }
        let store = self.realiser.store().map_err(HostError)?;
        while let Some(path) = todo.pop() {
            if path.is_derivation() {
                continue;
            }
            for reference in
                store.info(&path).map_err(refuse)?.into_iter().flat_map(|i| i.references)
            {
                if self.access.opened().insert(reference.clone()) {
                    todo.push(reference);
                }
            }
        }
        let opened = self.access.opened();
        *reached = opened.len();
        Ok(opened.contains(&wanted))
    }

    /// Opens a file that an evaluation reads, and says how many bytes of it that are at most.
    fn open(&self, path: &Path) -> HostResult<(fs_err::File, u64)> {
        let place = self.locate(path, true)?;
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => refuse(missing(path)),
            _ => refuse(format!("cannot read '{}': {error}", path.display())),
        };
        // whoever puts a link there now is not followed
        let file = openat(CWD, &place, regular::CAREFULLY | OFlags::NOFOLLOW, Mode::empty());
        let file = fs_err::File::from_parts(file.map_err(|e| cannot(e.into()))?.into(), &place);
        let found = file.metadata().map_err(cannot)?;
        let stream = found.file_type().is_fifo() || found.file_type().is_char_device();
        if stream && self.impure.is_some() {
            return Ok((fs_err::File::open(&place).map_err(cannot)?, limits::STREAM));
        }
        regular::check(&file).map_err(cannot)?;
        if !path.starts_with(STORE_DIR) {
            self.note().files.insert(place);
        }
        Ok((file, limits::SOURCE_FILE))
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

    /// A derivation of this evaluation, or of the store.
    fn derivation_at(&self, path: &StorePath) -> HostResult<Derivation> {
        if let Some(derivation) = self.pending().derivations.get(path) {
            return Ok(derivation);
        }
        let store = self.realiser.store().map_err(HostError)?;
        store.read_derivation(path).map_err(refuse)
    }

    /// Lists what is copied of the tree at `from`, whose entries the filter sees under `shown`.
    fn list(
        &self,
        from: &Path,
        shown: &Path,
        mut filter: Option<&mut Filter<'_>>,
    ) -> HostResult<Listing> {
        let found = fs_err::symlink_metadata(from).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => refuse(missing(shown)),
            _ => refuse(error),
        })?;
        let mut selection = match found.is_dir() && !shown.starts_with(STORE_DIR) {
            true => {
                let Access { home, .. } = &self.access;
                let selection = Selection::new(from, home.as_deref(), self.access.hidden());
                Some(selection.map_err(refuse)?)
            }
            false => None,
        };
        let mut failed = None;
        let mut keep = |below: &Path, kind: Option<Kind>| -> HostResult<bool> {
            if let Some(selection) = &mut selection
                && !selection.keeps(below, kind == Some(Kind::Directory)).map_err(refuse)?
            {
                return Ok(false);
            }
            let kind = match kind {
                Some(Kind::File) => FileType::Regular,
                Some(Kind::Directory) => FileType::Directory,
                Some(Kind::Symlink) => FileType::Symlink,
                None => FileType::Unknown,
            };
            filter.as_mut().map_or(Ok(true), |filter| filter(&shown.join(below), kind))
        };
        let listing = Listing::read_some(from, &mut |below, kind| {
            failed.is_none()
                && keep(below, kind).unwrap_or_else(|error| {
                    failed = Some(error);
                    false
                })
        });
        match failed {
            Some(error) => Err(error),
            None => listing.map_err(refuse),
        }
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

/// What a source may be.
const BOUNDS: Bounds<'static> =
    Bounds { largest: limits::SOURCE_FILE, limit: "which is fixed", ..Bounds::NONE };

fn missing(path: &Path) -> String {
    format!("path '{}' does not exist", path.display())
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

impl Host for EvalHost<'_> {
    fn read_file(&self, path: &Path, most: u64) -> HostResult<Vec<u8>> {
        let (mut file, bound) = self.open(path)?;
        let size = file.metadata().map_err(refuse)?.len();
        let most = most.min(bound);
        let too_large = || {
            refuse(format!(
                "'{}' is larger than the {} KiB that may be read; --max-eval-memory gives the evaluation more",
                path.display(),
                most >> 10
            ))
        };
        if size > most {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        // it may grow meanwhile, and files of the kernel say no size
        (&mut file).take(most + 1).read_to_end(&mut bytes).map_err(refuse)?;
        if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
    }

    fn stream_file(&self, path: &Path, take: &mut dyn FnMut(&[u8]) -> bool) -> HostResult<()> {
        let (mut file, most) = self.open(path)?;
        let too_large = || {
            refuse(format!(
                "'{}' is larger than {} KiB, which is the most",
                path.display(),
                most >> 10
            ))
        };
        if file.metadata().map_err(refuse)?.len() > most {
            return Err(too_large());
        }
        let mut buffer = vec![0; 1 << 16];
        let mut taken = 0;
        loop {
            let length = match file.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(refuse)?,
            };
            taken += length as u64;
            if taken > most {
                return Err(too_large());
            }
            if length == 0 || !take(&buffer[..length]) {
                return Ok(());
            }
        }
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        use std::os::unix::ffi::OsStringExt as _;
        let shown = self.walk(path, true)?;
        let mut entries = Vec::new();
        for entry in fs_err::read_dir(self.access.real(&shown)).map_err(refuse)? {
            let entry = entry.map_err(refuse)?;
            let name = entry.file_name();
            // what pure evaluation never reads is not there
            if name == ".git" && self.access.check(&shown.join(&name)).is_err() {
                continue;
            }
            if entries.len() >= limits::FOLDER_ENTRIES {
                let text = format!(
                    "'{}' has more than {} entries",
                    path.display(),
                    limits::FOLDER_ENTRIES
                );
                return Err(HostError(text));
            }
            let found = entry.file_type().map_err(refuse)?;
            entries.push((name.into_vec(), file_type(found)));
        }
        Ok(entries)
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
        self.walk(path, true)
    }

    fn search_path(&self) -> Vec<(String, String)> {
        self.search_path.clone()
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.impure.as_ref()?.variables.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        self.impure.as_ref()?.home.clone()
    }

    fn current_system(&self) -> Option<String> {
        let found = self.impure.as_ref().map(|s| &s.system).or(self.system.as_ref());
        found.cloned()
    }

    fn has_clock(&self) -> bool {
        self.impure.is_some()
    }

    fn current_time(&self) -> i64 {
        self.impure.as_ref().map_or(0, |s| s.time)
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
        self.access.open(&path);
        Ok(path.to_string())
    }

    fn add_path(&self, request: &AddPath, filter: Option<&mut Filter<'_>>) -> HostResult<String> {
        check_name(&request.name).map_err(refuse)?;
        let key = (request.path.clone(), request.name.clone(), request.follow);
        let plain = filter.is_none() && request.recursive && request.sha256.is_none();
        if plain && let Some(path) = self.pending().known.get(&key) {
            return Ok(path.to_string());
        }
        let shown = self.walk(&request.path, request.follow)?;
        let from = self.access.real(&shown);
        let listing = self.list(&from, &shown, filter)?;
        let leaves = tree::leaves_within(&listing, BOUNDS).map_err(refuse)?;
        let tree = tree::fold(&listing, &leaves).hash;
        let path = match &request.sha256 {
            None if request.recursive => {
                StorePath::of_source(&tree, &request.name).map_err(refuse)?
            }
            expected => {
                let (mode, hash) = if request.recursive {
                    let hash = tree::nar_hash_listed(&listing, Algorithm::Sha256);
                    (HashMode::Recursive, hash.map_err(refuse)?)
                } else {
                    let mut hasher = Hasher::new(Algorithm::Sha256);
                    self.stream_file(&shown, &mut |piece| {
                        hasher.update(piece);
                        true
                    })?;
                    (HashMode::Flat, hasher.finish())
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
        self.access.open(&path);
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
                Reference::Opaque(path) | Reference::DrvDeep(path) => {
                    let path = StorePath::parse(path).map_err(refuse)?;
                    if self.pending().derivations.get(&path).is_some() {
                        self.access.open(&path);
                    }
                }
            }
        }
        let Some((first, _)) = targets.first_key_value() else { return Ok(()) };
        if !self.import_from_derivation {
            return Err(refuse(format!(
                "cannot build '{first}' during evaluation, because \
                 --no-allow-import-from-derivation was given"
            )));
        }
        let targets: Vec<_> = targets.into_iter().collect();
        self.build(&targets)?;
        for (path, outputs) in &targets {
            let derivation = self.derivation_at(path)?;
            for output in outputs {
                if let Some(output) = derivation.outputs.get(output) {
                    self.access.open(&output.path);
                }
            }
        }
        Ok(())
    }

    fn imported(&self, path: &Path) -> HostResult<Option<Imported>> {
        let Some(path) = object(path) else { return Ok(None) };
        // pure evaluation imports what it has made
        let is_known = self.pending().derivations.get(&path).is_some();
        if !is_known && self.access.allowed.is_some() {
            return Ok(None);
        }
        if !is_known {
            let store = self.realiser.store().map_err(HostError)?;
            if !store.is_valid(&path).map_err(refuse)? {
                return Ok(None);
            }
        }
        let Derivation { name, outputs, .. } = self.derivation_at(&path)?;
        let outputs = outputs.into_iter().map(|(name, output)| (name, output.path.to_string()));
        Ok(Some(Imported { name, outputs: outputs.collect() }))
    }

    fn store_path(&self, path: &Path) -> HostResult<String> {
        if self.access.allowed.is_some() {
            return Err(refuse(
                "'builtins.storePath' is not allowed in pure evaluation, which does not look at what is \
                 in the store: use the derivation or the source that makes the path, or --impure",
            ));
        }
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
        let fetched = fetch::fetch(self, request)?;
        self.access.open(&StorePath::parse(&fetched.path).map_err(refuse)?);
        Ok(fetched)
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

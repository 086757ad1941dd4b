//! The evaluator's view of the world. It reads no file, no clock and no variable by itself:
//! everything goes through [`Host`], whose methods say which feature of the language needs them.
//! The host decides what is allowed (pure evaluation, paths outside the project): it
//! refuses with an error.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::error::Cause;

/// Why the host refuses. The text says what was asked, what happened, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct HostError {
    text: String,
    cause: Option<Cause>,
}

impl HostError {
    /// A refusal that is told by its text alone.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), cause: None }
    }

    /// A refusal that has a type of its own.
    #[must_use]
    pub fn caused_by(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { text: cause.to_string(), cause: Some(Arc::new(cause)) }
    }

    /// The same refusal, with a text that says more.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), cause: self.cause }
    }

    /// The text for people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The error behind it, if that has a type of its own.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// The text, and the error behind it.
    pub(crate) fn into_parts(self) -> (String, Option<Cause>) {
        (self.text, self.cause)
    }
}

/// Results of the host.
pub type HostResult<T> = Result<T, HostError>;

/// The type of a directory entry. Links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A file with content.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else: devices, sockets, pipes.
    Unknown,
}

impl FileType {
    /// As `builtins.readDir` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Unknown => "unknown",
        }
    }
}

/// A reference of a string, owned: paths are whole (`/clutch/store/...`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A store path that no derivation has to make.
    Opaque(String),
    /// A derivation with everything that it needs.
    DrvDeep(String),
    /// An output of a derivation.
    Built {
        /// The derivation's path.
        drv: String,
        /// The output's name.
        output: String,
    },
}

/// A tree to be copied to the store: `builtins.path`, `filterSource`, a path in a string.
#[derive(Clone, Debug)]
pub struct AddPath {
    /// The tree to copy.
    pub path: PathBuf,
    /// The store path's name.
    pub name: String,
    /// True to hash the tree (the default), false to hash the bytes of the one file.
    pub recursive: bool,
    /// The hash that it must have, in any of Nix's forms (SRI, base 16, base 32).
    pub sha256: Option<String>,
    /// True if a link at the path's end is followed (`builtins.path`, `filterSource`), else it is what
    /// is copied (a path in a string).
    pub follow: bool,
}

/// Decides which entries of a tree are copied. It is called in the order of the names' bytes, with the path whose
/// links are followed, for a folder before what is in it. An error of the filter's evaluation comes as
/// [`HostError`]: the host stops and passes it on.
pub type Filter<'f> = dyn FnMut(&Path, FileType) -> HostResult<bool> + 'f;

/// A derivation as `derivationStrict` computes it. Its paths are for the host to compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationRequest {
    /// Its name.
    pub name: String,
    /// The platform that builds it.
    pub system: String,
    /// The program.
    pub builder: Vec<u8>,
    /// Its arguments.
    pub args: Vec<Vec<u8>>,
    /// The environment, sorted by name, without the outputs' own variables.
    pub env: Vec<(String, Vec<u8>)>,
    /// With `__structuredAttrs`: the attributes as JSON.
    pub structured: Option<String>,
    /// The outputs' names, in the order in which they were given.
    pub outputs: Vec<String>,
    /// With `outputHash`.
    pub fixed: Option<FixedOutput>,
    /// The derivations that it needs, with the outputs of each; sorted.
    pub input_derivations: Vec<(String, Vec<String>)>,
    /// The store paths that it needs and no derivation makes; sorted.
    pub input_sources: Vec<String>,
    /// The derivations that it needs with everything that they need, and all their outputs (what
    /// a string refers to that was made of a `drvPath`); sorted.
    pub input_closures: Vec<String>,
    /// The place of its definition, for messages.
    pub position: Option<crate::source::Place>,
}

/// The hash that a fixed output must have, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedOutput {
    /// The hash: SRI, or base 16, 32 or 64 when the algorithm is given.
    pub hash: String,
    /// The algorithm; none when the hash is SRI.
    pub algorithm: Option<String>,
    /// True to hash the tree (`outputHashMode = "recursive"` or `"nar"`), false to hash the file's bytes.
    pub recursive: bool,
    /// The places where the hash may have been written: the attribute that `__hashPosition` names, and
    /// `outputHash` itself.
    pub places: Vec<crate::source::Place>,
}

/// The paths of a derivation and its outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationPaths {
    /// The derivation's path.
    pub drv_path: String,
    /// The outputs' paths, as `(name, path)`.
    pub outputs: Vec<(String, String)>,
}

/// A derivation that is imported by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its name.
    pub name: String,
    /// The outputs' paths, as `(name, path)`, sorted.
    pub outputs: Vec<(String, String)>,
}

/// `fetchurl`, `fetchTarball`, `fetchGit`, `fetchTree`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The builtin's name.
    pub builtin: String,
    /// Its arguments; `fetchurl "x"` is `url = "x"`.
    pub args: Vec<(String, FetchValue)>,
    /// The place where its hash (`sha256`, `narHash`) may have been written.
    pub hash_place: Option<crate::source::Place>,
}

/// An argument or result of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchValue {
    /// Text.
    String(String),
    /// A number.
    Int(i64),
    /// A truth value.
    Bool(bool),
}

/// The result of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The store path.
    pub path: String,
    /// The attributes of the result besides `outPath` (`rev`, `lastModified`, ...).
    pub attrs: Vec<(String, FetchValue)>,
    /// Attributes that cost more: [`Host::fetch_later`] finds them when they are asked for.
    pub later: Vec<&'static str>,
}

/// The world, as the language sees it. All paths are absolute and have no `.` or `..` in them;
/// those below [`Host::store_dir`] are of the logical store.
pub trait Host: Sync {
    /// The bytes of a file, links followed, that has `most` of them or fewer: `import`, `readFile`.
    ///
    /// # Errors
    /// Missing, not a file, not allowed; larger, which is told before so many bytes are held.
    fn read_file(&self, path: &Path, most: u64) -> HostResult<Vec<u8>>;

    /// The bytes of a file of any size, links followed, piece by piece as long as `take` wants more:
    /// `hashFile`.
    ///
    /// # Errors
    /// As [`Host::read_file`].
    fn stream_file(&self, path: &Path, take: &mut dyn FnMut(&[u8]) -> bool) -> HostResult<()> {
        take(&self.read_file(path, u64::MAX)?);
        Ok(())
    }

    /// The target of a symbolic link, as it is written. `None` leaves following links to
    /// [`Host::resolve`]: `import` follows the link at a path's end and leaves those on the way.
    ///
    /// # Errors
    /// No link, not allowed.
    fn read_link(&self, path: &Path) -> HostResult<Option<PathBuf>> {
        let _ = path;
        Ok(None)
    }

    /// The entries of a directory, in any order: `readDir`.
    ///
    /// # Errors
    /// Missing, no directory, not allowed.
    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>>;

    /// The type of the file at a path, `None` if there is none. Links are not followed: `pathExists`,
    /// `readFileType`, `import` of a directory.
    ///
    /// # Errors
    /// Not allowed, or it cannot be known.
    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>>;

    /// The path with all links on the way and at its end followed: `import`, `readDir` of a link.
    ///
    /// # Errors
    /// Missing, a cycle of links, not allowed.
    fn resolve(&self, path: &Path) -> HostResult<PathBuf>;

    /// The search path as `(prefix, path)`: `<nixpkgs>`, `builtins.nixPath`.
    fn search_path(&self) -> Vec<(String, String)>;

    /// A variable of the process environment: `getEnv`. Pure evaluation gives `None`.
    fn variable(&self, name: &str) -> Option<String>;

    /// The home directory, for `~/` paths; `None` in pure evaluation.
    fn home(&self) -> Option<PathBuf>;

    /// `builtins.currentSystem`; `None` in pure evaluation, which has no such attribute.
    fn current_system(&self) -> Option<String>;

    /// True if there is a `builtins.currentTime`; not in pure evaluation.
    fn has_clock(&self) -> bool;

    /// `builtins.currentTime` in seconds since 1970. Asked only when the language needs it.
    fn current_time(&self) -> i64;

    /// The logical store, such as `/clutch/store`: `builtins.storeDir`, and what a store path is.
    fn store_dir(&self) -> &str;

    /// `builtins.placeholder`: the text that stands for an output's path inside its own build.
    fn placeholder(&self, output: &str) -> String;

    /// `builtins.toFile`: a text as a store path, which is returned.
    ///
    /// # Errors
    /// An invalid name, or the store refuses.
    fn add_text(&self, name: &str, text: &[u8], references: &[String]) -> HostResult<String>;

    /// Copies a tree to the store and returns the store path.
    ///
    /// # Errors
    /// Unreadable, an invalid name, a wrong hash, or what the filter returned.
    fn add_path(&self, request: &AddPath, filter: Option<&mut Filter<'_>>) -> HostResult<String>;

    /// Computes the paths of a derivation and remembers it.
    ///
    /// # Errors
    /// An invalid name, output name or hash.
    fn derivation(&self, request: DerivationRequest) -> HostResult<DerivationPaths>;

    /// The name of a derivation and its outputs, as `(name, path)`, for `import` of a `.drv`. `None` if the
    /// path is not that of a derivation.
    ///
    /// # Errors
    /// It cannot be read, or is not allowed.
    fn imported(&self, path: &Path) -> HostResult<Option<Imported>> {
        let _ = path;
        Ok(None)
    }

    /// Builds what a string refers to, so that its path can be read: import from derivation.
    ///
    /// # Errors
    /// A failed build, or import from derivation is not allowed.
    fn realise(&self, references: &[Reference]) -> HostResult<()>;

    /// `builtins.storePath`: the store path that a path is in.
    ///
    /// # Errors
    /// Not in the store, not valid, not allowed.
    fn store_path(&self, path: &Path) -> HostResult<String>;

    /// The references of the store object that a path is in. `readFile` gives its text those of these
    /// paths that occur in it. Empty for what is not in the store.
    ///
    /// # Errors
    /// The store cannot be read.
    fn references(&self, path: &Path) -> HostResult<Vec<String>> {
        let _ = path;
        Ok(Vec::new())
    }

    /// Fetches by hash, or without one if the evaluation is impure.
    ///
    /// # Errors
    /// No hash in pure evaluation, a wrong hash, no network, a fetch that is not supported.
    fn fetch(&self, request: &FetchRequest) -> HostResult<Fetched>;

    /// An attribute of what was fetched that was left for later (`revCount`).
    ///
    /// # Errors
    /// As [`Host::fetch`].
    fn fetch_later(&self, request: &FetchRequest, attribute: &str) -> HostResult<FetchValue> {
        let text = format!("'{}' gives '{attribute}' at once or never", request.builtin);
        Err(HostError::new(text))
    }

    /// `builtins.trace`: a line for the user.
    fn trace(&self, text: &str);

    /// `builtins.warn` and the evaluator's own warnings.
    fn warn(&self, text: &str);
}

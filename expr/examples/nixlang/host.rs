//! A host for tests: the real file system, and a store that exists in memory alone. Its paths are
//! hashes of what is put in, in no store's format.

use std::{
    collections::BTreeMap,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use clutch_expr::{
    hash::{Algorithm, Format},
    host::{
        AddPath, DerivationPaths, DerivationRequest, FetchRequest, Fetched, FileType, Filter, Host,
        HostError, HostResult, Reference,
    },
};

/// The host of a test.
pub(crate) struct FileHost {
    search_path: Vec<(String, String)>,
    pure: bool,
    texts: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
}

const STORE: &str = "/clutch/store";

fn refuse(error: impl std::fmt::Display) -> HostError {
    HostError::new(error.to_string())
}

fn store_path(parts: &[&[u8]], name: &str) -> String {
    let digest = Algorithm::Sha256.digest(&parts.concat()).format(Format::Nix32);
    format!("{STORE}/{}-{name}", &digest[..32])
}

fn kind(found: std::fs::FileType) -> FileType {
    if found.is_file() {
        FileType::Regular
    } else if found.is_dir() {
        FileType::Directory
    } else if found.is_symlink() {
        FileType::Symlink
    } else {
        FileType::Unknown
    }
}

impl FileHost {
    /// A host with that search path. A pure one has no clock, no environment and no home.
    pub(crate) fn new(search_path: Vec<(String, String)>, pure: bool) -> Self {
        Self { search_path, pure, texts: Mutex::default() }
    }

    fn text(&self, path: &Path) -> Option<Vec<u8>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// The names and bytes below a path, as the filter wants them.
    fn collect(
        &self,
        path: &Path,
        mut filter: Option<&mut Filter<'_>>,
        out: &mut Vec<u8>,
    ) -> HostResult<()> {
        let found = fs_err::symlink_metadata(path).map_err(refuse)?.file_type();
        if found.is_symlink() {
            out.extend(fs_err::read_link(path).map_err(refuse)?.into_os_string().into_vec());
        } else if found.is_file() {
            out.extend(fs_err::read(path).map_err(refuse)?);
        } else {
            let mut entries: Vec<PathBuf> = fs_err::read_dir(path)
                .map_err(refuse)?
                .map(|entry| entry.map(|entry| entry.path()).map_err(refuse))
                .collect::<HostResult<_>>()?;
            entries.sort();
            for entry in entries {
                let found = fs_err::symlink_metadata(&entry).map_err(refuse)?.file_type();
                if let Some(filter) = filter.as_mut()
                    && !filter(&entry, kind(found))?
                {
                    continue;
                }
                out.extend(entry.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or(b""));
                self.collect(&entry, filter.as_deref_mut(), out)?;
            }
        }
        Ok(())
    }
}

impl Host for FileHost {
    fn read_file(&self, path: &Path, _: u64) -> HostResult<Vec<u8>> {
        match self.text(path) {
            Some(text) => Ok(text),
            None if !path.exists() => {
                Err(HostError::new(format!("path '{}' does not exist", path.display())))
            }
            None => fs_err::read(path).map_err(refuse),
        }
    }

    fn read_link(&self, path: &Path) -> HostResult<Option<PathBuf>> {
        fs_err::read_link(path).map(Some).map_err(refuse)
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        fs_err::read_dir(path)
            .map_err(refuse)?
            .map(|entry| {
                let entry = entry.map_err(refuse)?;
                let found = entry.file_type().map_err(refuse)?;
                Ok((entry.file_name().into_vec(), kind(found)))
            })
            .collect()
    }

    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        if self.text(path).is_some() {
            return Ok(Some(FileType::Regular));
        }
        if path == Path::new(STORE) {
            return Ok(Some(FileType::Directory));
        }
        match fs_err::symlink_metadata(path) {
            Ok(found) => Ok(Some(kind(found.file_type()))),
            Err(_) => Ok(None),
        }
    }

    fn resolve(&self, path: &Path) -> HostResult<PathBuf> {
        if self.text(path).is_some() {
            return Ok(path.to_owned());
        }
        fs_err::canonicalize(path).map_err(refuse)
    }

    fn search_path(&self) -> Vec<(String, String)> {
        self.search_path.clone()
    }

    fn variable(&self, name: &str) -> Option<String> {
        if self.pure { None } else { std::env::var(name).ok() }
    }

    fn home(&self) -> Option<PathBuf> {
        if self.pure { None } else { std::env::home_dir() }
    }

    fn current_system(&self) -> Option<String> {
        (!self.pure).then(|| format!("{}-linux", std::env::consts::ARCH))
    }

    fn has_clock(&self) -> bool {
        !self.pure
    }

    fn current_time(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
    }

    fn store_dir(&self) -> &str {
        STORE
    }

    fn placeholder(&self, output: &str) -> String {
        let text = format!("output:{output}");
        format!("/{}", Algorithm::Sha256.digest(text.as_bytes()).format(Format::Nix32))
    }

    fn add_text(&self, name: &str, text: &[u8], references: &[String]) -> HostResult<String> {
        let path = store_path(&[b"text", text, references.concat().as_bytes()], name);
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.insert(PathBuf::from(&path), text.to_vec());
        Ok(path)
    }

    fn add_path(&self, request: &AddPath, filter: Option<&mut Filter<'_>>) -> HostResult<String> {
        let mut content = Vec::new();
        self.collect(&request.path, filter, &mut content)?;
        Ok(store_path(&[b"path", &content], &request.name))
    }

    fn derivation(&self, request: DerivationRequest) -> HostResult<DerivationPaths> {
        let request = DerivationRequest { position: None, ..request };
        let content = format!("{request:?}");
        let drv_path = store_path(&[b"drv", content.as_bytes()], &format!("{}.drv", request.name));
        // what is fixed has its path from its hash
        let content = request.fixed.as_ref().map_or(content, |fixed| format!("{fixed:?}"));
        let outputs = request
            .outputs
            .iter()
            .map(|output| {
                let name = if output == "out" {
                    request.name.clone()
                } else {
                    format!("{}-{output}", request.name)
                };
                (output.clone(), store_path(&[content.as_bytes(), output.as_bytes()], &name))
            })
            .collect();
        Ok(DerivationPaths { drv_path, outputs })
    }

    fn realise(&self, references: &[Reference]) -> HostResult<()> {
        match references.iter().find(|reference| matches!(reference, Reference::Built { .. })) {
            Some(built) => Err(HostError::new(format!("{built:?} cannot be built here"))),
            None => Ok(()),
        }
    }

    fn store_path(&self, path: &Path) -> HostResult<String> {
        let text = path.display().to_string();
        if text.starts_with(STORE) {
            return Ok(text);
        }
        Err(HostError::new(format!("path '{text}' is not in the store")))
    }

    fn fetch(&self, request: &FetchRequest) -> HostResult<Fetched> {
        Err(HostError::new(format!(
            "'{}' is not possible here: there is no network",
            request.builtin
        )))
    }

    fn trace(&self, text: &str) {
        eprintln!("trace: {text}");
    }

    fn warn(&self, text: &str) {
        eprintln!("evaluation warning: {text}");
    }
}

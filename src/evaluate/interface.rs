//! Implements the language's host: passes each question of an expression to the code that answers it.

use std::path::{Path, PathBuf};

use clutch_expr::host::{
    AddPath, DerivationPaths, DerivationRequest, FetchRequest, FetchValue, Fetched, FileType,
    Filter, Host, HostResult, Imported, Reference,
};

use super::{EvalHost, derivations, fetch, files, host::refuse, sources};
use crate::{
    derivation,
    store_path::{STORE_DIR, StorePath},
};

impl Host for EvalHost<'_> {
    fn read_file(&self, path: &Path, most: u64) -> HostResult<Vec<u8>> {
        files::read(self, path, most)
    }

    fn stream_file(&self, path: &Path, take: &mut dyn FnMut(&[u8]) -> bool) -> HostResult<()> {
        files::stream(self, path, take)
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        files::list(self, path)
    }

    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        files::kind(self, path)
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
        sources::add_text(self, name, text, references)
    }

    fn add_path(&self, request: &AddPath, filter: Option<&mut Filter<'_>>) -> HostResult<String> {
        sources::add_path(self, request, filter)
    }

    fn derivation(&self, request: DerivationRequest) -> HostResult<DerivationPaths> {
        derivations::make(self, request)
    }

    fn realise(&self, references: &[Reference]) -> HostResult<()> {
        derivations::realise(self, references)
    }

    fn imported(&self, path: &Path) -> HostResult<Option<Imported>> {
        derivations::imported(self, path)
    }

    fn store_path(&self, path: &Path) -> HostResult<String> {
        if self.access.allowed.is_some() {
            return Err(refuse(
                "'builtins.storePath' is not allowed in pure evaluation, which ignores what is already \
                 in the store; use the derivation or source that makes the path, or --impure",
            ));
        }
        let text = path.to_str().ok_or_else(|| refuse("a store path must be UTF-8 text"))?;
        let (path, _) = StorePath::split(text).map_err(refuse)?;
        let store = self.realiser.store()?;
        if !store.is_valid(&path)? && !self.pending().waits(&path) {
            return Err(refuse(format!("'{path}' is not in the store")));
        }
        Ok(path.to_string())
    }

    fn references(&self, path: &Path) -> HostResult<Vec<String>> {
        let Some(Ok((path, _))) = path.to_str().map(StorePath::split) else {
            return Ok(Vec::new());
        };
        let store = self.realiser.store()?;
        let info = store.info(&path)?;
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

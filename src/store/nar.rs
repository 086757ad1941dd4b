//! The hash of a path in Nix's archive format, computed on request. Insertions do not compute it, because a
//! second hash of every byte would slow down every build.

use super::{Nar, Store, StoreError};
use crate::{store_path::StorePath, tree};

impl Store {
    /// The size and SHA-256 of a valid path in Nix's archive format. It is computed once and kept in the index.
    ///
    /// # Errors
    /// If the path is not valid or cannot be read.
    pub fn nar(&self, path: &StorePath) -> Result<Nar, StoreError> {
        let info = self.info(path)?.ok_or_else(|| StoreError::NotValid(path.clone()))?;
        if let Some(nar) = info.nar {
            return Ok(nar);
        }
        let (hash, size) = tree::nar(&self.real(path))?;
        let nar = Nar { hash, size };
        if self.is_writable() {
            self.index.write(|writer| writer.know_nar(path, info.tree, nar))?;
        }
        Ok(nar)
    }
}

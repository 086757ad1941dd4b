//! Substituters: a plan takes paths from them instead of building. An export is one (`import`).

use super::TransferError;
use crate::{
    store::{PathInfo, Store},
    store_path::StorePath,
};

/// A source of finished store paths.
pub trait Substituter: Sync {
    /// The name in messages.
    fn name(&self) -> &str;

    /// For each of these paths, its info if the substituter has it. Every reference of an offered path is either
    /// offered too or in the store.
    fn offers(&self, paths: &[&StorePath]) -> Vec<Option<PathInfo>>;

    /// Makes an offered path valid. The path's references are valid already.
    ///
    /// # Errors
    /// If the path cannot be read or does not match its info; if its content does not prove it and it is not
    /// trusted; or if the store cannot be written. The store is then unchanged.
    fn take(&self, store: &Store, path: &StorePath) -> Result<(), TransferError>;
}

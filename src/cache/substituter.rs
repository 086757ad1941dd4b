//! What a plan takes paths from instead of building them. An export is one (`import`); a binary cache is another.

use super::TransferError;
use crate::{
    store::{PathInfo, Store},
    store_path::StorePath,
};

/// A place that has store paths.
pub trait Substituter: Sync {
    /// What messages call it.
    fn name(&self) -> &str;

    /// What it has of these paths, in the order of the question. It also has all that such a path refers to, as far
    /// as the store does not.
    fn offers(&self, paths: &[&StorePath]) -> Vec<Option<PathInfo>>;

    /// Makes a path valid that it offers. What the path refers to is valid.
    ///
    /// # Errors
    /// If it does not hold what it says, or cannot be read; if the content does not prove the path and nobody trusts
    /// it; and if the store cannot be written. The store is then as it was.
    fn take(&self, store: &Store, path: &StorePath) -> Result<(), TransferError>;
}

//! Detects a lost index. If the index was deleted, emptied, or replaced by an older one or another store's, a
//! collection would delete the paths that it lacks. So nothing is changed until it is rebuilt (`rebuild`).
//!
//! Few trees have no row: those that a crash has left. So the index is lost if more trees have no row than
//! have one, or if a root keeps one without. Opening a store looks at one row, and counts only if that looks
//! wrong. A collection and a verification count always.

use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Holder, Root, Store, StoreError,
    index::{self, Index},
    layout::{Layout, Refusal},
};
use crate::store_path::StorePath;

/// The trees without a row.
#[derive(Debug, Default)]
pub(super) struct Rowless {
    /// All of it, ordered.
    pub(super) trees: Vec<StorePath>,
    /// Trees that need no row: they are being removed, or were left out of the index.
    excused: FxHashSet<StorePath>,
    /// The number of trees with a row.
    others: usize,
}

impl Rowless {
    /// The trees that no root keeps.
    pub(super) fn removable(&self, roots: &[Root]) -> Vec<StorePath> {
        let kept: FxHashSet<&StorePath> = roots.iter().map(|root| &root.path).collect();
        self.trees.iter().filter(|path| !kept.contains(path)).cloned().collect()
    }

    /// The problem of the index, if it is lost.
    pub(super) fn problem(&self, roots: &[Root]) -> Option<String> {
        let lost: FxHashSet<&StorePath> =
            self.trees.iter().filter(|path| !self.excused.contains(*path)).collect();
        let lasting = |root: &&Root| matches!(root.holder, Holder::Link(_) | Holder::Pin(_));
        let kept = roots.iter().filter(lasting).find(|root| lost.contains(&root.path));
        if let Some(Root { holder, path }) = kept {
            return Some(format!("it lacks '{path}', which {holder} keeps"));
        }
        let all = self.trees.len() + self.others;
        (lost.len() > self.others).then(|| format!("it lists {} of {}", self.others, count(all)))
    }
}

/// The problem of a store without an index, if it has paths.
pub(super) fn without_index(layout: &Layout) -> Result<Option<String>, StoreError> {
    let trees = layout.trees()?.len();
    // another process may have made the index and these trees meanwhile
    if trees == 0 || Index::open(layout.index(), layout.writable())?.is_some() {
        return Ok(None);
    }
    Ok(Some(format!("it is missing, but the store has {}", count(trees))))
}

impl Store {
    /// The problem of the index, as far as one row shows it.
    pub(super) fn lost(&self) -> Result<Option<String>, StoreError> {
        let is_odd = |connection: &Connection| {
            // a row that cannot be read is reported when it is needed
            Ok(match index::any(connection).unwrap_or_default() {
                Some(path) => self.real(&path).symlink_metadata().is_err(),
                None => index::has_had_rows(connection)?,
            })
        };
        if !self.index.read(is_odd)? {
            return Ok(None);
        }
        Ok(self.all_rowless()?.problem(&[]))
    }

    /// Checks that the index fits the trees in the store, with all roots.
    ///
    /// # Errors
    /// If it does not, or cannot be read.
    pub fn check_index(&self) -> Result<(), StoreError> {
        if let Some(Refusal::Lost(_)) = self.layout.refusal {
            self.need_writable()?;
        }
        let roots = self.lasting_roots()?;
        match self.all_rowless()?.problem(&roots) {
            Some(problem) => Err(StoreError::Lost { root: self.root().to_owned(), problem }),
            None => Ok(()),
        }
    }

    /// As [`Store::rowless`], by the present index.
    fn all_rowless(&self) -> Result<Rowless, StoreError> {
        let rows =
            |connection: &Connection| Ok((index::uses(connection)?, index::left_out(connection)?));
        let look = |(rows, excused): (FxHashMap<StorePath, u64>, FxHashSet<StorePath>)| {
            self.rowless(|path| rows.contains_key(path), excused)
        };
        match self.is_writable() {
            // nobody moves trees meanwhile
            true => self.index.write(|writer| look(writer.read(rows)?)),
            false => look(self.index.read(rows)?),
        }
    }

    /// The trees without a row. Exact if nobody else writes meanwhile.
    pub(super) fn rowless(
        &self,
        has_row: impl Fn(&StorePath) -> bool,
        excused: FxHashSet<StorePath>,
    ) -> Result<Rowless, StoreError> {
        let all = self.layout.trees()?;
        let count = all.len();
        let mut trees: Vec<StorePath> = all.into_iter().filter(|path| !has_row(path)).collect();
        trees.sort_unstable();
        Ok(Rowless { others: count - trees.len(), trees, excused })
    }
}

fn count(trees: usize) -> String {
    match trees {
        1 => "1 path".to_owned(),
        many => format!("{many} paths"),
    }
}

//! Whether the index is that of what lies in the store. One that was deleted, emptied, or replaced by an older one
//! or by another store's would make a collection remove what it does not know, so nothing is changed before
//! it was made anew (`rebuild`).
//!
//! Few trees have no row: those that a crash has left. So it is suspicious if there are more of them than of
//! others, or if a root keeps one. Opening a store costs no count: it looks at one row, and counts only
//! if that is not as it should be. A collection and a verification look at everything.

use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Holder, Root, Store, StoreError,
    index::{self, Index},
    layout::{Layout, Refusal},
};
use crate::store_path::StorePath;

/// What lies in the store's folder and has no row.
#[derive(Debug, Default)]
pub(super) struct Rowless {
    /// All of it, ordered.
    pub(super) trees: Vec<StorePath>,
    /// What needs no row, there or not: it is being removed, or was left out of the index.
    excused: FxHashSet<StorePath>,
    /// How many trees have a row.
    others: usize,
}

impl Rowless {
    /// What no root keeps.
    pub(super) fn removable(&self, roots: &[Root]) -> Vec<StorePath> {
        let kept: FxHashSet<&StorePath> = roots.iter().map(|root| &root.path).collect();
        self.trees.iter().filter(|path| !kept.contains(path)).cloned().collect()
    }

    /// What lacks a row that it should have, if the index is not that of this store.
    pub(super) fn problem(&self, roots: &[Root]) -> Option<String> {
        let lost: FxHashSet<&StorePath> =
            self.trees.iter().filter(|path| !self.excused.contains(*path)).collect();
        let lasting = |root: &&Root| matches!(root.holder, Holder::Link(_) | Holder::Pin(_));
        let kept = roots.iter().filter(lasting).find(|root| lost.contains(&root.path));
        if let Some(Root { holder, path }) = kept {
            return Some(format!("it does not know '{path}', which {holder} keeps"));
        }
        let all = self.trees.len() + self.others;
        (lost.len() > self.others)
            .then(|| format!("{}, of which it knows {}", lie(all), self.others))
    }
}

/// What is wrong with a store that has no index, if anything is.
pub(super) fn without_index(layout: &Layout) -> Result<Option<String>, StoreError> {
    let trees = layout.trees()?.len();
    // another process may have made the index meanwhile, and then these trees
    if trees == 0 || Index::open(layout.index(), layout.writable())?.is_some() {
        return Ok(None);
    }
    Ok(Some(format!("{}, and there was no index", lie(trees))))
}

impl Store {
    /// What is wrong with the index, if anything is, as far as one row tells.
    pub(super) fn lost(&self) -> Result<Option<String>, StoreError> {
        let is_odd = |connection: &Connection| {
            // a row that cannot be read is an error where it is needed
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

    /// Looks whether the index is that of what lies in the store: as far as it can be told, with all roots.
    ///
    /// # Errors
    /// If it is not, or cannot be read.
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

    /// As [`Store::rowless`], by the index as it is now.
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

    /// What lies in the store's folder without a row. Exact if nobody else writes meanwhile.
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

fn lie(trees: usize) -> String {
    match trees {
        1 => "1 path lies in the store".to_owned(),
        many => format!("{many} paths lie in the store"),
    }
}

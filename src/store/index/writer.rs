//! Changes to the index, each in an exclusive transaction.

use std::{collections::BTreeSet, ops::Deref};

use rusqlite::{Connection, Transaction};

use super::{
    Index,
    rows::{has_had_rows, id, info, left_out},
};
use crate::{
    hash::TreeHash,
    store::{Nar, PathInfo, Signature, StoreError},
    store_path::StorePath,
};

/// A transaction that may change the index.
pub(in crate::store) struct Writer<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) index: &'a Index,
}

impl Writer<'_> {
    /// The info of a path.
    pub(in crate::store) fn info(&self, path: &StorePath) -> Result<Option<PathInfo>, StoreError> {
        self.index.explain(info(&self.transaction, path))
    }

    /// Adds paths; their references must be among them or valid.
    pub(in crate::store) fn register(&self, infos: &[&PathInfo]) -> Result<(), StoreError> {
        let add = |info: &PathInfo| {
            self.transaction
                .prepare_cached(
                    "INSERT INTO paths
                     (base, tree, size, deriver, registered, used, nar, nar_size, signatures)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8)",
                )?
                .insert((
                    info.path.base(),
                    info.tree.0,
                    number(info.size),
                    info.deriver.as_ref().map(StorePath::base),
                    number(info.registered),
                    info.nar.as_ref().map(|nar| nar.hash.bytes()),
                    info.nar.map(|nar| number(nar.size)),
                    signatures(&info.signatures),
                ))
        };
        if !infos.is_empty() {
            self.index.explain(self.say_whether_it_has_rows(true))?;
            self.index.explain(self.miss(infos.iter().map(|info| &info.path)))?;
        }
        let mut ids = Vec::with_capacity(infos.len());
        for info in infos {
            ids.push(self.index.explain(add(info))?);
        }
        infos.iter().zip(ids).try_for_each(|(info, own)| self.refer(info, own))
    }

    /// Updates a valid path: its tree, size and references, and its deriver if given. A NAR hash of another tree
    /// and signatures of other info are dropped.
    pub(in crate::store) fn change(&self, info: &PathInfo) -> Result<(), StoreError> {
        let Some(before) = self.info(&info.path)? else {
            return Err(StoreError::NotValid(info.path.clone()));
        };
        let mut info = info.clone();
        info.deriver = info.deriver.or_else(|| before.deriver.clone());
        info.nar = before.nar.filter(|_| before.tree == info.tree);
        if before.statement() == info.statement() {
            info.signatures.extend(before.signatures);
        }
        let change = || {
            self.transaction.execute(
                "UPDATE paths SET tree = ?2, size = ?3, deriver = ?4, nar = ?5, nar_size = ?6,
                 signatures = ?7 WHERE base = ?1",
                (
                    info.path.base(),
                    info.tree.0,
                    number(info.size),
                    info.deriver.as_ref().map(StorePath::base),
                    info.nar.as_ref().map(|nar| nar.hash.bytes()),
                    info.nar.map(|nar| number(nar.size)),
                    signatures(&info.signatures),
                ),
            )?;
            let own = id(&self.transaction, &info.path)?;
            self.transaction.execute("DELETE FROM refs WHERE path = ?", [own])?;
            Ok(own)
        };
        let own = self.index.explain(change())?;
        own.map_or_else(
            || Err(StoreError::NotValid(info.path.clone())),
            |own| self.refer(&info, own),
        )
    }

    /// Records the NAR hash of a path, if its tree is still this one.
    pub(in crate::store) fn know_nar(
        &self,
        path: &StorePath,
        tree: TreeHash,
        nar: Nar,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE paths SET nar = ?3, nar_size = ?4 WHERE base = ?1 AND tree = ?2";
        let row = (path.base(), tree.0, nar.hash.bytes(), number(nar.size));
        self.index.explain(self.transaction.execute(sql, row).map(drop))
    }

    /// Adds the references of a row.
    fn refer(&self, info: &PathInfo, own: i64) -> Result<(), StoreError> {
        for reference in &info.references {
            let Some(other) = self.index.explain(id(&self.transaction, reference))? else {
                return Err(StoreError::Dangling {
                    path: info.path.clone(),
                    reference: reference.clone(),
                });
            };
            let add = || {
                self.transaction
                    .prepare_cached("INSERT INTO refs (path, reference) VALUES (?, ?)")?
                    .execute((own, other))
            };
            self.index.explain(add())?;
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// Makes paths invalid. No path that stays may refer to them.
    pub(in crate::store) fn forget(&self, paths: &[StorePath]) -> Result<(), StoreError> {
        let each = |sql: &str| {
            let mut statement = self.transaction.prepare_cached(sql)?;
            paths.iter().try_for_each(|path| statement.execute([path.base()]).map(drop))
        };
        // first all references, since paths may refer to each other in any order
        self.index
            .explain(each("DELETE FROM refs WHERE path = (SELECT id FROM paths WHERE base = ?)"))?;
        self.index.explain(each("DELETE FROM paths WHERE base = ?"))?;
        let has_rows = || {
            let any = self.transaction.prepare_cached("SELECT 1 FROM paths")?.exists(())?;
            self.say_whether_it_has_rows(any)
        };
        self.index.explain(has_rows())
    }

    /// Marks more trees as needing no row.
    pub(in crate::store) fn excuse<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<(), StoreError> {
        let excuse = || {
            let sql = "INSERT OR IGNORE INTO left_out VALUES (?)";
            let mut add = self.transaction.prepare_cached(sql)?;
            paths.into_iter().try_for_each(|path| add.execute([path.base()]).map(drop))
        };
        self.index.explain(excuse())
    }

    /// Replaces the list of trees that need no row.
    pub(in crate::store) fn leave_out<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<(), StoreError> {
        let none = self.transaction.execute("DELETE FROM left_out", ()).map(drop);
        self.index.explain(none)?;
        self.excuse(paths)
    }

    /// Takes trees off the list of those that need no row.
    fn miss<'p>(&self, mut paths: impl Iterator<Item = &'p StorePath>) -> rusqlite::Result<()> {
        if left_out(&self.transaction)?.is_empty() {
            return Ok(());
        }
        let sql = "DELETE FROM left_out WHERE base = ?";
        let mut remove = self.transaction.prepare_cached(sql)?;
        paths.try_for_each(|path| remove.execute([path.base()]).map(drop))
    }

    /// Records in the index whether it has rows, so that deleted rows are noticed. It changes seldom.
    fn say_whether_it_has_rows(&self, has: bool) -> rusqlite::Result<()> {
        if has_had_rows(&self.transaction)? == has {
            return Ok(());
        }
        self.transaction.pragma_update(None, "application_id", i32::from(has))
    }

    /// Records that paths are used now.
    pub(in crate::store) fn touch(&self, paths: &[StorePath], now: u64) -> Result<(), StoreError> {
        let now = number(now);
        let touch = || {
            let mut statement = self
                .transaction
                .prepare_cached("UPDATE paths SET used = max(used, ?) WHERE base = ?")?;
            paths.iter().try_for_each(|path| statement.execute((now, path.base())).map(drop))
        };
        self.index.explain(touch())
    }

    /// Reads in the transaction.
    pub(in crate::store) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.index.explain(work(&self.transaction))
    }
}

impl Deref for Writer<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Signatures as stored in a column, one a line.
fn signatures(signatures: &BTreeSet<Signature>) -> Option<String> {
    let lines: Vec<String> = signatures.iter().map(ToString::to_string).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

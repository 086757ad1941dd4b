//! Changes to the index, each in a transaction that is alone among all threads and processes.

use std::ops::Deref;

use rusqlite::{Connection, Transaction};

use super::{
    Index,
    rows::{has_had_rows, id, info, left_out},
    schema::LEFT_OUT,
};
use crate::{
    store::{PathInfo, StoreError},
    store_path::StorePath,
};

/// A transaction that may change the index.
pub(in crate::store) struct Writer<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) index: &'a Index,
}

impl Writer<'_> {
    /// What is known of a path.
    pub(in crate::store) fn info(&self, path: &StorePath) -> Result<Option<PathInfo>, StoreError> {
        self.index.explain(info(&self.transaction, path))
    }

    /// Adds paths; what they refer to is among them or valid.
    pub(in crate::store) fn register(&self, infos: &[&PathInfo]) -> Result<(), StoreError> {
        let add = |info: &PathInfo| {
            self.transaction
                .prepare_cached(
                    "INSERT INTO paths (base, tree, size, deriver, registered, used)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                )?
                .insert((
                    info.path.base(),
                    info.tree.0,
                    i64::try_from(info.size).unwrap_or(i64::MAX),
                    info.deriver.as_ref().map(StorePath::base),
                    i64::try_from(info.registered).unwrap_or(i64::MAX),
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

    /// Changes what is known of a valid path: its tree, size and references, and what made it where
    /// that is said.
    pub(in crate::store) fn change(&self, info: &PathInfo) -> Result<(), StoreError> {
        let change = || {
            self.transaction.execute(
                "UPDATE paths SET tree = ?2, size = ?3, deriver = ifnull(?4, deriver) WHERE base = ?1",
                (
                    info.path.base(),
                    info.tree.0,
                    i64::try_from(info.size).unwrap_or(i64::MAX),
                    info.deriver.as_ref().map(StorePath::base),
                ),
            )?;
            let own = id(&self.transaction, &info.path)?;
            self.transaction.execute("DELETE FROM refs WHERE path = ?", [own])?;
            Ok(own)
        };
        let own = self.index.explain(change())?;
        own.map_or_else(
            || Err(StoreError::NotValid(info.path.clone())),
            |own| self.refer(info, own),
        )
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
    /// Makes paths invalid. Nothing that stays may refer to them.
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

    /// Says of more trees that they need no row.
    pub(in crate::store) fn excuse<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<(), StoreError> {
        let excuse = || {
            self.transaction.execute_batch(LEFT_OUT)?;
            let sql = "INSERT OR IGNORE INTO left_out VALUES (?)";
            let mut add = self.transaction.prepare_cached(sql)?;
            paths.into_iter().try_for_each(|path| add.execute([path.base()]).map(drop))
        };
        self.index.explain(excuse())
    }

    /// Says which trees have no row and need none, instead of those said before.
    pub(in crate::store) fn leave_out<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p StorePath>,
    ) -> Result<(), StoreError> {
        let leave = || {
            self.transaction.execute_batch(LEFT_OUT)?;
            self.transaction.execute("DELETE FROM left_out", ()).map(drop)
        };
        self.index.explain(leave())?;
        self.excuse(paths)
    }

    /// Says of trees that get a row that they need one.
    fn miss<'p>(&self, mut paths: impl Iterator<Item = &'p StorePath>) -> rusqlite::Result<()> {
        if left_out(&self.transaction)?.is_empty() {
            return Ok(());
        }
        let sql = "DELETE FROM left_out WHERE base = ?";
        let mut remove = self.transaction.prepare_cached(sql)?;
        paths.try_for_each(|path| remove.execute([path.base()]).map(drop))
    }

    /// Keeps in the index itself that it has rows, or has none, so that rows that somebody has deleted are
    /// missed. It changes seldom.
    fn say_whether_it_has_rows(&self, has: bool) -> rusqlite::Result<()> {
        if has_had_rows(&self.transaction)? == has {
            return Ok(());
        }
        self.transaction.pragma_update(None, "application_id", i32::from(has))
    }

    /// Records that paths are used now.
    pub(in crate::store) fn touch(&self, paths: &[StorePath], now: u64) -> Result<(), StoreError> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
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

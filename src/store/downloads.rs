//! Downloads: paths that a collection may keep without a root, because getting them again takes a network.
//! They are recognised by the derivations that made them, so the index knows nothing of them.

use std::cmp::Reverse;

use super::{
    Store, StoreError,
    collect::{Alive, Known, days_ago},
};
use crate::{derivation::Derivation, store_path::StorePath};

/// The downloads to keep without a root.
#[derive(Clone, Copy, Debug)]
pub struct Downloads {
    /// The number to keep.
    pub limit: DownloadLimit,
    /// True if a derivation only lays out a download. Then its outputs count as downloads, too, as
    /// every fixed output does.
    pub is_install: fn(&Derivation) -> bool,
}

/// The limit on downloads to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadLimit {
    /// Those used last, until they and all that they need exceed this many bytes.
    Size(u64),
    /// Those used in this many days.
    Days(u64),
}

/// A path that may be a download, with the reason for the doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// The path, which stays.
    pub path: StorePath,
    /// The problem of the derivation that made it.
    pub problem: String,
}

impl Store {
    /// Marks the downloads to keep and the doubtful paths. Returns the latter.
    pub(super) fn spare(&self, alive: &mut Alive<'_>, spared: Downloads) -> Vec<Unclear> {
        let known = alive.known;
        let (mut downloads, mut unclear) = (Vec::new(), Vec::new());
        for at in (0..known.all.len()).filter(|at| !alive.has(*at)) {
            match self.is_download(known, at, spared.is_install) {
                Ok(true) => downloads.push(at),
                Ok(false) => {}
                Err(error) => unclear.push((at, error.to_string())),
            }
        }
        alive.mark(unclear.iter().map(|(at, _)| *at));
        downloads.sort_by_key(|at| Reverse(known.used(*at)));
        let mut size = 0;
        for at in downloads {
            size += alive.size_of(at);
            let stays = match spared.limit {
                DownloadLimit::Size(limit) => size <= limit,
                DownloadLimit::Days(days) => known.used(at) >= days_ago(days),
            };
            if !stays {
                break;
            }
            alive.mark([at]);
        }
        let path = |at: usize| known.all[at].path.clone();
        unclear.into_iter().map(|(at, problem)| Unclear { path: path(at), problem }).collect()
    }

    /// True if a path is a download by the derivation that made it. False if that is not in the
    /// store.
    fn is_download(
        &self,
        known: &Known,
        at: usize,
        is_install: fn(&Derivation) -> bool,
    ) -> Result<bool, StoreError> {
        let info = &known.all[at];
        match info.deriver.as_ref().filter(|deriver| known.places.contains_key(*deriver)) {
            // an import claims a deriver; only the derivation itself proves it
            Some(deriver) => {
                let derivation = self.read_derivation(deriver)?;
                let makes = derivation.outputs.values().any(|output| output.path == info.path);
                Ok(makes && (derivation.is_fixed() || is_install(&derivation)))
            }
            None => Ok(false),
        }
    }
}

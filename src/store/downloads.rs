//! The cache class of a collection: what no root reaches, but can only be had again with a network, or
//! is quickly made of what was. Its members are recognised by the derivations that made them, so the
//! index knows nothing of them.

use std::cmp::Reverse;

use super::{
    Store, StoreError,
    collect::{Alive, Known, days_ago},
};
use crate::{derivation::Derivation, store_path::StorePath};

/// The downloads that stay although no root reaches them.
#[derive(Clone, Copy, Debug)]
pub struct Downloads {
    /// How many of them.
    pub limit: DownloadLimit,
    /// Whether a derivation only lays out a download. If so, its outputs count as downloads, too, as
    /// every fixed output does.
    pub is_install: fn(&Derivation) -> bool,
}

/// How many downloads stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadLimit {
    /// Those used last, as long as they and what they need have no more than so many bytes together.
    Size(u64),
    /// Those used in so many days.
    Days(u64),
}

/// A path of which it is not known whether it is a download, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// The path, which stays.
    pub path: StorePath,
    /// What is wrong with the derivation that made it.
    pub problem: String,
}

impl Store {
    /// Marks the downloads that stay, and whatever cannot be told from one, which it gives.
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

    /// Whether a path is a download by the derivation that made it. If that is not in the store,
    /// nothing says so.
    fn is_download(
        &self,
        known: &Known,
        at: usize,
        is_install: fn(&Derivation) -> bool,
    ) -> Result<bool, StoreError> {
        let info = &known.all[at];
        match info.deriver.as_ref().filter(|deriver| known.places.contains_key(*deriver)) {
            // an import says what made a path, and the derivation itself what it makes
            Some(deriver) => {
                let derivation = self.read_derivation(deriver)?;
                let makes = derivation.outputs.values().any(|output| output.path == info.path);
                Ok(makes && (derivation.is_fixed() || is_install(&derivation)))
            }
            None => Ok(false),
        }
    }
}

//! The cache class of a collection: what no root reaches, but can only be had again with a network, or
//! is quickly made of what was. Its members are recognised by the derivations that made them, so the
//! index knows nothing of them.

use std::cmp::Reverse;

use super::{
    Store, StoreError,
    collect::{Alive, Known, days_ago},
};
use crate::{derivation::Derivation, store_path::StorePath};

/// The builder that installs one wheel: `builtin:wheel`.
const WHEEL: &str = "wheel";

/// Which downloads stay that no root reaches: fixed outputs, and wheels that were unpacked for an
/// interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downloads {
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
    pub(super) fn spare(&self, alive: &mut Alive<'_>, limit: Downloads) -> Vec<Unclear> {
        let known = alive.known;
        let (mut downloads, mut unclear) = (Vec::new(), Vec::new());
        for at in (0..known.all.len()).filter(|at| !alive.has(*at)) {
            match self.is_download(known, at) {
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
            let stays = match limit {
                Downloads::Size(limit) => size <= limit,
                Downloads::Days(days) => known.used(at) >= days_ago(days),
            };
            if !stays {
                break;
            }
            alive.mark([at]);
        }
        let path = |at: usize| known.all[at].path.clone();
        unclear.into_iter().map(|(at, problem)| Unclear { path: path(at), problem }).collect()
    }

    /// Whether a path is a download by the derivation that made it. Where that is not in the store,
    /// nothing says so.
    fn is_download(&self, known: &Known, at: usize) -> Result<bool, StoreError> {
        let info = &known.all[at];
        match info.deriver.as_ref().filter(|deriver| known.places.contains_key(*deriver)) {
            // an import says what made a path, and the derivation itself what it makes
            Some(deriver) => Ok(makes_download(&self.read_derivation(deriver)?, &info.path)),
            None => Ok(false),
        }
    }
}

fn makes_download(derivation: &Derivation, path: &StorePath) -> bool {
    derivation.outputs.values().any(|output| output.path == *path)
        && (derivation.is_fixed() || derivation.builtin() == Some(WHEEL))
}

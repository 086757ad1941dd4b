//! Finds damaged paths in the store and repairs them, from exports or by building them again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{Again, Operation, SessionError, execute};
use crate::{
    build::repair::{Obstacle, Repair, Round},
    cache,
    hash::TreeHash,
    store::{Damage, Fault, PathInfo, Store, Verified},
    store_path::StorePath,
};

/// The result of repairing a path.
pub(crate) enum Remedy {
    /// Restored from this export.
    Restored(PathBuf),
    /// Modes and times restored.
    Sealed,
    /// Built again.
    Built {
        /// True if the tree is the same as before.
        same: bool,
    },
    /// Not repaired.
    None(Obstacle),
}

/// Hashes the given paths again, or the whole store with its shared files. Calls `show` with the number of
/// bytes just read and the total.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn verify(
    store: &Store,
    paths: Option<Vec<PathInfo>>,
    show: &(dyn Fn(u64, u64) + Sync),
) -> Result<Verified, SessionError> {
    let Some(infos) = paths else { return Ok(store.verify_all(&show)?) };
    let all = infos.iter().map(|info| info.size).sum();
    let paths: Vec<StorePath> = infos.into_iter().map(|info| info.path).collect();
    let damages = store.verify(&paths, &|size| show(size, all))?;
    Ok(Verified { checked: paths.len(), damages, pool: Vec::new() })
}

/// Repairs damaged paths: first modes and times, then from exports, then by building. Unless `is_whole`
/// says that the whole store was verified, also verifies the inputs of those builds.
///
/// # Errors
/// The store cannot be written, an export cannot be read, or the user interrupts.
pub(crate) fn repair(
    operation: Operation<'_>,
    verified: &mut Verified,
    is_whole: bool,
    exports: &[PathBuf],
) -> Result<BTreeMap<StorePath, Remedy>, SessionError> {
    let store = operation.session.store()?;
    store.forget_pooled(&verified.pool)?;
    if !is_whole {
        verify_inputs(store, verified)?;
    }
    let mut damaged = damaged(verified);
    store.keep(&damaged)?;
    let mut remedies = BTreeMap::new();
    for Damage { path, fault } in &verified.damages {
        if let Fault::Metadata(_) = fault {
            store.reseal(path)?;
            damaged.remove(path);
            remedies.insert(path.clone(), Remedy::Sealed);
        }
    }
    let mut infos: BTreeMap<StorePath, PathInfo> = BTreeMap::new();
    for path in &damaged {
        infos.extend(store.info(path)?.map(|info| (path.clone(), info)));
    }
    for file in exports {
        let wanted: Vec<PathInfo> =
            damaged.iter().filter_map(|path| infos.get(path).cloned()).collect();
        for path in cache::restore(store, file, &wanted, &|_, _| {})? {
            damaged.remove(&path);
            remedies.insert(path, Remedy::Restored(file.clone()));
        }
    }
    let mut repair = Repair::new(store, damaged);
    while let Some(round) = repair.round()? {
        build(operation, store, &mut repair, &round)?;
        for path in round.paths.iter().filter(|path| !repair.damaged().contains(*path)) {
            let tree = |info: PathInfo| info.tree;
            let now: Option<TreeHash> = store.info(path)?.map(tree);
            let before = infos.get(path).map(|info| info.tree);
            remedies.insert(path.clone(), Remedy::Built { same: now == before });
        }
    }
    let given_up = repair.given_up().into_iter();
    remedies.extend(given_up.map(|(path, obstacle)| (path, Remedy::None(obstacle))));
    Ok(remedies)
}

fn damaged(verified: &Verified) -> BTreeSet<StorePath> {
    verified.damages.iter().map(|damage| damage.path.clone()).collect()
}

/// Verifies the inputs of the repair builds, so that nothing is built from damaged paths.
fn verify_inputs(store: &Store, verified: &mut Verified) -> Result<(), SessionError> {
    let mut repair = Repair::new(store, damaged(verified));
    let mut whole: BTreeSet<StorePath> = BTreeSet::new();
    loop {
        let inputs = repair.inputs()?;
        let fresh: Vec<StorePath> = inputs.difference(&whole).cloned().collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let damages = store.verify(&fresh, &|_| {})?;
        verified.checked += fresh.len();
        whole.extend(fresh);
        repair.add(damages.iter().map(|damage| damage.path.clone()));
        verified.damages.extend(damages);
    }
}

/// Runs the builds of one round.
fn build(
    operation: Operation<'_>,
    store: &Store,
    repair: &mut Repair<'_>,
    round: &Round,
) -> Result<(), SessionError> {
    let outcome = execute(operation, &round.plan, Again::Damaged(round.paths.clone()))?;
    if (operation.session.settings.cancelled)() {
        return Err(SessionError::RepairInterrupted);
    }
    let paths: Vec<StorePath> = round.paths.iter().cloned().collect();
    let left = store.verify(&paths, &|_| {})?;
    let left: BTreeSet<&StorePath> = left.iter().map(|damage| &damage.path).collect();
    repair.repaired(paths.iter().filter(|path| !left.contains(path)));
    // the failure of a path's own build or of a dependency
    let failures = outcome.failed.iter().map(|(_, failure)| failure.to_string());
    let mut all = failures.collect::<Vec<_>>().join("\n");
    if all.is_empty() {
        "the new result is damaged too".clone_into(&mut all);
    }
    let own = |path: &&StorePath| {
        let steps = outcome.failed.iter().map(|(id, failure)| (round.plan.step(*id), failure));
        let mut own = steps.filter(|(step, _)| step.outputs().contains(path));
        own.next().map_or_else(|| all.clone(), |(_, failure)| failure.to_string())
    };
    repair.failed(left.iter().map(|path| ((*path).clone(), own(path))));
    Ok(())
}

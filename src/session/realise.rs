//! Realises missing paths.

use std::collections::{BTreeMap, BTreeSet};

use super::{BUILTINS, FailedBuilds, Operation, Session, SessionError};
use crate::{
    build::{
        BuildFailure, Check, Derivations, Realiser, Substituters,
        builtin::Builtins,
        plan::{self, Goal, Plan, PlanError},
        queue::Outcome,
    },
    derivation::Records,
    store_path::StorePath,
};

/// The plan for the goals. Paths in `without` are built even if an export has them.
///
/// # Errors
/// Planning fails, or the store cannot be read.
pub(crate) fn plan(
    session: &Session,
    fresh: &Records,
    goals: &[Goal],
    without: &BTreeSet<StorePath>,
) -> Result<Plan, SessionError> {
    let (store, all) = (session.store()?, session.substituters());
    let substituters = Substituters { all: &all, without: Some(without) };
    let plan = plan::plan(&Derivations { store, fresh, substituters }, goals);
    if let Err(PlanError::NoSource { .. }) = plan {
        // the evaluation could not add sources to a read-only store
        store.need_writable()?;
    }
    Ok(plan?)
}

/// Makes the goals' outputs valid and returns the output paths of each goal. Builds paths that cannot be
/// taken from an export.
///
/// # Errors
/// [`SessionError::Builds`], [`SessionError::Interrupted`], or the error that prevented all builds.
pub(crate) fn realise(
    operation: Operation<'_>,
    fresh: &Records,
    goals: &[Goal],
) -> Result<Vec<BTreeMap<String, StorePath>>, SessionError> {
    let Operation { session, observer, .. } = operation;
    let store = session.store()?;
    let mut without = BTreeSet::new();
    loop {
        let plan = plan(session, fresh, goals, &without)?;
        // the requested outputs, and the inputs of the builds
        let used = plan.outputs.iter().flat_map(BTreeMap::values);
        let used: BTreeSet<&StorePath> =
            used.chain(plan.builds().flat_map(|build| &build.inputs)).collect();
        store.touch(used)?;
        if plan.steps.is_empty() {
            return Ok(plan.outputs);
        }
        if without.is_empty() {
            observer.planned(&plan);
        }
        let outcome = execute(operation, &plan, Again::Nothing)?;
        if outcome.is_success() {
            return Ok(plan.outputs);
        }
        let can_go_on = !outcome.failed.is_empty()
            && outcome.failed.iter().all(|(_, failure)| failure.error.can_build_instead());
        if !can_go_on || (session.settings.cancelled)() {
            succeeded(session, &plan, outcome)?;
            return Ok(plan.outputs);
        }
        for (_, failure) in &outcome.failed {
            observer.warn(&format!("{failure}; building it instead"));
        }
        without.extend(untaken(&plan, &outcome));
    }
}

/// The paths that could not be taken, and those that refer to them.
fn untaken(plan: &Plan, outcome: &Outcome<BuildFailure>) -> Vec<StorePath> {
    let failed = outcome.failed.iter().map(|(id, _)| *id);
    let steps = failed.chain(outcome.skipped.iter().map(|(id, _)| *id)).map(|id| plan.step(id));
    steps.filter(|step| step.build().is_none()).map(|step| step.path().clone()).collect()
}

/// Returns an error unless all builds succeeded.
pub(super) fn succeeded(
    session: &Session,
    plan: &Plan,
    outcome: Outcome<BuildFailure>,
) -> Result<(), SessionError> {
    if outcome.is_success() {
        return Ok(());
    }
    if (session.settings.cancelled)() {
        return Err(SessionError::Interrupted);
    }
    Err(SessionError::Builds(Box::new(FailedBuilds::new(plan, outcome))))
}

/// Valid paths to build again.
pub(crate) enum Again<'a> {
    /// Nothing.
    Nothing,
    /// Damaged paths, to replace.
    Damaged(BTreeSet<StorePath>),
    /// Outputs to compare.
    Checked(&'a Check),
}

/// Runs a plan with all builders.
///
/// # Errors
/// The store cannot be written, or a network setting is invalid. Failed builds are part of the outcome.
pub(crate) fn execute(
    operation: Operation<'_>,
    plan: &Plan,
    again: Again<'_>,
) -> Result<Outcome<BuildFailure>, SessionError> {
    let Operation { session, options, observer } = operation;
    let store = session.store()?;
    if !plan.steps.is_empty() {
        store.need_writable()?;
    }
    let builtins = Builtins { registry: BUILTINS, network: session.network()? };
    let mut options = options.clone();
    let mut check = None;
    match again {
        Again::Nothing => {}
        Again::Damaged(damaged) => {
            // continue with the other paths if one cannot be repaired
            options.keep_going |= !damaged.is_empty();
            options.damaged = damaged;
        }
        Again::Checked(wanted) => check = Some(wanted),
    }
    let cancelled = session.settings.cancelled;
    let builds = observer.builds();
    let substituters = session.substituters();
    let mut realiser =
        Realiser::new(store, builtins, options, &*builds, &cancelled).substituting(&substituters);
    if let Some(check) = check {
        realiser = realiser.checking(check);
    }
    let outcome = realiser.run(plan);
    if outcome.is_success() {
        builds.succeeded();
    }
    Ok(outcome)
}

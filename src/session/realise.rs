//! Builds what is missing.

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

/// What is missing for the goals. What stands in `without` is built, even if it could be taken.
///
/// # Errors
/// There is no plan, or the store cannot be read.
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
        // an evaluation adds sources only if it may
        store.need_writable()?;
    }
    Ok(plan?)
}

/// Makes the goals' outputs valid. Gives, for each goal, the path of every output. What cannot be taken is
/// built instead.
///
/// # Errors
/// [`SessionError::Builds`], [`SessionError::Interrupted`], or why nothing was built.
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
        // what was asked for, and what builds are about to read
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
            observer.warn(&format!("{failure}; it is built instead"));
        }
        without.extend(untaken(&plan, &outcome));
    }
}

/// What could not be taken, and what refers to it.
fn untaken(plan: &Plan, outcome: &Outcome<BuildFailure>) -> Vec<StorePath> {
    let failed = outcome.failed.iter().map(|(id, _)| *id);
    let steps = failed.chain(outcome.skipped.iter().map(|(id, _)| *id)).map(|id| plan.step(id));
    steps.filter(|step| step.build().is_none()).map(|step| step.path().clone()).collect()
}

/// An error unless all builds have succeeded.
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

/// What is built although it is there.
pub(crate) enum Again<'a> {
    /// Nothing.
    Nothing,
    /// What is damaged, to be replaced.
    Damaged(BTreeSet<StorePath>),
    /// What is to be compared.
    Checked(&'a Check),
}

/// Runs a plan with all builders.
///
/// # Errors
/// The store cannot be written, or a setting of the machine is not usable. Builds that fail are no error.
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
            // a path that cannot be repaired is no reason to leave the others
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

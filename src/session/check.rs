//! Builds valid outputs again and compares the results.

use std::collections::{BTreeMap, BTreeSet};

use super::{Again, Evaluation, Operation, SessionError, execute, realise, realise::succeeded};
use crate::{
    build::{Check, Derivations, Substituters, Verdict, plan::Goal},
    store_path::StorePath,
};

/// The result of building again.
pub(crate) struct Checked {
    /// The verdict on each output.
    pub verdicts: BTreeMap<StorePath, Verdict>,
    /// The first failure, if a build failed.
    pub built: Result<(), SessionError>,
}

/// Builds the derivations of an evaluation again, under different conditions that must not change the
/// result. Missing outputs are built first. `keep_differing` keeps outputs that differ.
///
/// # Errors
/// The first build fails, or the store cannot be used.
pub(crate) fn check(
    operation: Operation<'_>,
    evaluation: &Evaluation,
    keep_differing: bool,
) -> Result<Checked, SessionError> {
    let (store, fresh) = (operation.session.store()?, &evaluation.derivations);
    let derivations: BTreeSet<StorePath> =
        evaluation.targets.iter().map(|target| target.derivation.clone()).collect();
    let goal = |path: &StorePath| Goal { derivation: path.clone(), outputs: BTreeSet::new() };
    let goals: Vec<Goal> = derivations.iter().map(goal).collect();
    realise(operation, fresh, &goals)?;
    let check = Check::new(derivations, keep_differing);
    let plan = check.plan(&Derivations { store, fresh, substituters: Substituters::default() })?;
    let outcome = execute(operation, &plan, Again::Checked(&check))?;
    let built = succeeded(operation.session, &plan, outcome);
    Ok(Checked { verdicts: check.found(), built })
}

//! Evaluates and builds. If wrong hashes are the only failures, updates them in the expression's files and
//! tries again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clutch_expr::error::Cause;

use super::{
    Evaluation, Expression, FailedBuilds, Mismatch, Operation, SessionError, Subject,
    evaluation::{of_derivation, of_expression},
    project, realise,
};
use crate::{
    build::Options,
    evaluate::{Edit, HashPositions, like},
    store_path::StorePath,
};

/// How many wrong hashes are looked for in the files of the project to tell their places.
const PLACES: usize = 100;

/// The result of an attempt, and what its evaluation read.
pub(crate) struct Attempt<T> {
    /// The result.
    pub result: Result<T, SessionError>,
    /// The files that were read and the places of their hashes.
    pub positions: HashPositions,
}

/// Edits the expression's files. The edits are sorted by file and position.
pub(crate) type Apply<'a> = dyn Fn(&[Edit]) -> Result<(), Cause> + 'a;

/// An evaluation, and the output paths of each target.
pub(crate) type Built = (Evaluation, Vec<BTreeMap<String, StorePath>>);

/// Evaluates, calls `accept` on the evaluation, and builds. With `apply`, updates wrong hashes.
///
/// # Errors
/// As [`updating`].
pub(crate) fn build(
    operation: Operation<'_>,
    subject: &Subject,
    apply: Option<&Apply<'_>>,
    accept: impl Fn(&Evaluation) -> Result<(), SessionError>,
) -> Result<Built, SessionError> {
    let build = |operation: Operation<'_>, evaluation: Evaluation| {
        accept(&evaluation)?;
        let outputs = realise(operation, &evaluation.derivations, &evaluation.goals())?;
        Ok((evaluation, outputs))
    };
    match subject {
        // a derivation's hashes are in no file
        Subject::Stored(path) => build(operation, of_derivation(operation.session, path.clone())?),
        Subject::Expression(expression) => {
            updating(operation, expression, apply, |operation, expression| {
                let mut positions = HashPositions::default();
                let result = of_expression(operation, expression, &mut positions)
                    .and_then(|evaluation| build(operation, evaluation));
                Attempt { result, positions }
            })
        }
    }
}

/// Runs an attempt. With `apply`, and if wrong hashes are the only failures, updates them and tries again.
/// Each attempt finds the wrong hashes that it can reach; those behind them appear in the next.
///
/// # Errors
/// Those of the last attempt; [`SessionError::Hashes`] if a hash cannot be updated; those of `apply`.
pub(crate) fn updating<T>(
    operation: Operation<'_>,
    expression: &Expression,
    apply: Option<&Apply<'_>>,
    mut attempt: impl FnMut(Operation<'_>, &Expression) -> Attempt<T>,
) -> Result<T, SessionError> {
    let Some(apply) = apply else {
        let Attempt { result, positions } = attempt(operation, expression);
        return result.map_err(|error| located(operation, expression, error, positions));
    };
    // only an evaluation knows the places of hashes, and every build must be tried
    let expression = Expression { cached: false, ..expression.clone() };
    let options = Options { keep_going: true, ..operation.options.clone() };
    let operation = Operation { options: &options, ..operation };
    let mut written_before = BTreeSet::new();
    loop {
        let Attempt { result, positions } = attempt(operation, &expression);
        let error = match result {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(builds) = error.failed_builds() else { return Err(error) };
        let mismatches = &builds.mismatches;
        if mismatches.is_empty() {
            return Err(error);
        }
        // a hash that was written here is not replaced again, so the loop ends
        let was_written =
            |m: &&Mismatch| written_before.contains(&(m.name.clone(), m.specified.clone()));
        if let Some(Mismatch { name, .. }) = mismatches.iter().find(was_written) {
            let hint = format!("the content of {name} seems to change with every download");
            return Err(error.with_advice(vec![hint]));
        }
        let root = project::root(operation.session, &expression)?;
        let (edits, refused) = edits(mismatches, &positions, &root);
        apply(&edits).map_err(SessionError::Observer)?;
        let is_whole = FailedBuilds::has_only_mismatches(builds) && refused.is_empty();
        if !is_whole || edits.is_empty() {
            return Err(error.with_advice(refused));
        }
        written_before
            .extend(mismatches.iter().map(|m| (m.name.clone(), like(&m.specified, &m.got))));
        operation.observer.say("trying again with the new hashes");
    }
}

/// The same error; wrong hashes have their places.
fn located(
    operation: Operation<'_>,
    expression: &Expression,
    mut error: SessionError,
    mut positions: HashPositions,
) -> SessionError {
    if let SessionError::Builds(builds) = &mut error
        && !builds.mismatches.is_empty()
        && let Ok(root) = project::root(operation.session, expression)
    {
        if positions.is_empty() {
            // it was in the cache, which does not know them
            let expression = Expression { cached: false, ..expression.clone() };
            let _ = of_expression(operation, &expression, &mut positions);
        }
        for mismatch in builds.mismatches.iter_mut().take(PLACES) {
            mismatch.place = positions.place(&mismatch.derivation, &mismatch.got, &root);
        }
    }
    error
}

/// A file and a byte range in it.
type Position = (PathBuf, (usize, usize));

/// The edits, and the advice for hashes that cannot be edited.
fn edits(
    mismatches: &[Mismatch],
    positions: &HashPositions,
    project: &Path,
) -> (Vec<Edit>, Vec<String>) {
    let mut edits: BTreeMap<Position, (Edit, &Mismatch)> = BTreeMap::new();
    let mut refused = Vec::new();
    let mut torn = BTreeSet::new();
    for mismatch in mismatches {
        match positions.edit(&mismatch.derivation, &mismatch.got, project) {
            Err(problem) => refused.push(format!("{}: {problem}", mismatch.name)),
            Ok(edit) => {
                let key = (edit.file.clone(), edit.range);
                if let Some((other, of)) = edits.get(&key)
                    && other.text != edit.text
                {
                    refused.push(format!(
                        "{} and {} take their hash from the same place in '{}' but differ in content: \
                         write {} and {} yourself",
                        of.name,
                        mismatch.name,
                        edit.file.display(),
                        of.got,
                        mismatch.got
                    ));
                    torn.insert(key);
                } else {
                    edits.insert(key, (edit, mismatch));
                }
            }
        }
    }
    edits.retain(|key, _| !torn.contains(key));
    (edits.into_values().map(|(edit, _)| edit).collect(), refused)
}

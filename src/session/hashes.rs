//! Evaluates and builds; if nothing but hashes is wrong, finds the places in the expression's files that
//! hold them, has the right ones written there, and does it again.

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

/// How something went that evaluates, and what its evaluation has read.
pub(crate) struct Attempt<T> {
    /// What it gives.
    pub result: Result<T, SessionError>,
    /// What was read, and where the hashes are.
    pub positions: HashPositions,
}

/// Changes files of the expression; all edits of one file stand together, from its beginning to its end.
pub(crate) type Apply<'a> = dyn Fn(&[Edit]) -> Result<(), Cause> + 'a;

/// An evaluation and, for each of its targets, the path of every output.
pub(crate) type Built = (Evaluation, Vec<BTreeMap<String, StorePath>>);

/// Evaluates and builds, after what was evaluated has been accepted. With `apply`, wrong hashes are updated.
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
        // no file says its hashes
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

/// Attempts something. With `apply`, and if nothing but hashes is wrong, the right ones are written and it is
/// attempted again. One attempt finds the wrong hashes that can be reached; what is behind them comes in the
/// next one.
///
/// # Errors
/// Those of the last attempt; [`SessionError::Hashes`] if a hash cannot be updated; those of `apply`.
pub(crate) fn updating<T>(
    operation: Operation<'_>,
    expression: &Expression,
    apply: Option<&Apply<'_>>,
    mut attempt: impl FnMut(Operation<'_>, &Expression) -> Attempt<T>,
) -> Result<T, SessionError> {
    let Some(apply) = apply else { return attempt(operation, expression).result };
    // where hashes come from is only known after an evaluation, and all are to be tried
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
        // what was written here is not replaced again, so this ends
        let was_written =
            |m: &&Mismatch| written_before.contains(&(m.name.clone(), m.specified.clone()));
        if let Some(Mismatch { name, .. }) = mismatches.iter().find(was_written) {
            let hint = format!("what is fetched as {name} seems to be different every time");
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

/// A file, and the bytes in it.
type Position = (PathBuf, (usize, usize));

/// What to change, and what to say of those hashes for which that is not known.
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
                        "{} and {} have their hash from the same place in '{}', but other content: \
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

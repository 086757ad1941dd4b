//! Evaluates and builds an expression. With `--update-hashes`, replaces wrong hashes in the expression's
//! files and tries again.

use std::{fmt::Write as _, path::Path, sync::Arc};

use clutch_expr::error::Cause;

use super::{
    context::Context,
    destination,
    failure::{Failure, Kind, OrFail as _},
    work::Work,
};
use crate::{
    evaluate::Edit,
    session::{
        self, Apply, Attempt, Built, Evaluation, Expression, Operation, SessionError, Subject,
    },
};

/// Options of every command that builds an expression.
#[derive(clap::Args)]
pub(super) struct HashArguments {
    /// Replace wrong hashes in your expression files with the right ones, show the changes, and
    /// continue.
    #[arg(long)]
    update_hashes: bool,
}

/// The number of context lines around a change.
const AROUND: usize = 3;

impl HashArguments {
    /// Evaluates, calls `accept` on the evaluation, and builds.
    pub(super) fn build(
        &self,
        work: &Work<'_>,
        subject: &Subject,
        accept: impl Fn(&Evaluation) -> Result<(), SessionError>,
    ) -> Result<Built, Failure> {
        let apply = |edits: &[Edit]| apply(work.context, edits);
        let apply = self.update_hashes.then_some(&apply as &Apply<'_>);
        session::build(work.operation(), subject, apply, accept)
            .map_err(|error| self.advise(error.into()))
    }

    /// Runs an attempt that only evaluates.
    pub(super) fn attempt<T>(
        &self,
        work: &Work<'_>,
        expression: &Expression,
        attempt: impl FnMut(Operation<'_>, &Expression) -> Attempt<T>,
    ) -> Result<T, Failure> {
        let apply = |edits: &[Edit]| apply(work.context, edits);
        let apply = self.update_hashes.then_some(&apply as &Apply<'_>);
        session::updating(work.operation(), expression, apply, attempt)
            .map_err(|error| self.advise(error.into()))
    }

    fn advise(&self, failure: Failure) -> Failure {
        if self.update_hashes || failure.mismatches.is_empty() {
            return failure;
        }
        let is_lock = |file: &Path| file.extension().is_some_and(|extension| extension == "lock");
        let places = failure.mismatches.iter().filter_map(|mismatch| mismatch.place.as_ref());
        let locked = places.map(|(file, _)| file).find(|file| is_lock(file));
        let hint = match locked.and_then(|file| file.file_name()) {
            Some(lock) => format!(
                "a file is not the one that was locked: find out why; --update-hashes accepts it, and \
                 changes {}",
                lock.display()
            ),
            None => {
                "to accept the new content, run the command again with --update-hashes".to_owned()
            }
        };
        failure.hint(hint)
    }
}

/// Changes the files and shows the changes.
fn apply(context: &Context, edits: &[Edit]) -> Result<(), Cause> {
    let here = std::env::current_dir().unwrap_or_default();
    for of_file in edits.chunk_by(|a, b| a.file == b.file) {
        let file = &of_file[0].file;
        let old = fs_err::read(file).or_fail(Kind::Failed).map_err(cause)?;
        let mut new = old.clone();
        // from the end, so that earlier positions stay valid
        for edit in of_file.iter().rev() {
            new.splice(edit.range.0..edit.range.1, edit.text.bytes());
        }
        destination::write(file, &new).map_err(cause)?;
        let name = file.strip_prefix(&here).unwrap_or(file);
        let [old, new] = [old, new].map(|text| String::from_utf8_lossy(&text).into_owned());
        context.say(diff(&name.display().to_string(), &old, &new).trim_end());
    }
    Ok(())
}

fn cause(failure: Failure) -> Cause {
    Arc::new(failure)
}

/// A unified diff of two texts with the same number of lines.
fn diff(name: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let changed: Vec<usize> = (0..old.len()).filter(|&n| old[n] != new[n]).collect();
    let mut out = format!("--- {name}\n+++ {name}\n");
    for hunk in changed.chunk_by(|a, b| b - a <= 2 * AROUND + 1) {
        let start = hunk[0].saturating_sub(AROUND);
        let end = (hunk[hunk.len() - 1] + AROUND + 1).min(old.len());
        let range = format!("{},{}", start + 1, end - start);
        let _ = writeln!(out, "@@ -{range} +{range} @@");
        let mut at = start;
        while at < end {
            // group changes that are close together
            let run = (at..end).take_while(|n| hunk.contains(n)).count();
            if run == 0 {
                let _ = writeln!(out, " {}", old[at]);
                at += 1;
                continue;
            }
            for (sign, text) in [('-', &old), ('+', &new)] {
                for line in &text[at..at + run] {
                    let _ = writeln!(out, "{sign}{line}");
                }
            }
            at += run;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn a_diff_has_hunks_with_context() {
        let old: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 2\n", "two\n").replace("line 3\n", "three\n");
        let new = new.replace("line 15\n", "fifteen\n");
        let expected = "--- a.nix\n+++ a.nix\n@@ -1,6 +1,6 @@\n line 1\n-line 2\n-line 3\n+two\n+three\n \
                        line 4\n line 5\n line 6\n@@ -12,7 +12,7 @@\n line 12\n line 13\n line 14\n\
                        -line 15\n+fifteen\n line 16\n line 17\n line 18\n";
        assert_eq!(diff("a.nix", &old, &new), expected);
    }
}

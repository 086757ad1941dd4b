//! Evaluates and builds what an expression describes and, with `--update-hashes`, writes the right hashes
//! into the expression's files where others were found, and does it again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    context::Context,
    destination,
    evaluation::{self, Evaluation},
    expression::ExpressionArguments,
    failure::{Failure, Kind, OrFail as _},
    realise::{self, BuildArguments},
};
use crate::{
    evaluate::{Edit, HashPositions, like},
    hash::Hash,
    store_path::StorePath,
};

/// What every command takes that builds for an expression.
#[derive(clap::Args)]
pub(super) struct HashArguments {
    /// Replace wrong hashes in your expression files with the right ones, show the changes, and
    /// continue.
    #[arg(long)]
    update_hashes: bool,
}

/// How many lines around a change are shown.
const AROUND: usize = 3;

/// An output that has another content than its hash says.
#[derive(Clone, Debug)]
pub(super) struct Mismatch {
    pub(super) derivation: StorePath,
    pub(super) name: String,
    /// As it is written.
    pub(super) specified: String,
    pub(super) got: Hash,
}

/// An evaluation and, for each of its targets, the path of every output.
pub(super) type Built = (Evaluation, Vec<BTreeMap<String, StorePath>>);

/// What an attempt failed with, and what its evaluation has read.
pub(super) type Failed = (Box<Failure>, HashPositions);

/// Evaluates and builds; what was evaluated has to be `accept`ed before.
pub(super) fn build(
    context: &Context,
    expression: &ExpressionArguments,
    build: &BuildArguments,
    hashes: &HashArguments,
    accept: impl Fn(&Evaluation) -> Result<(), Failure>,
) -> Result<Built, Failure> {
    updating(context, expression, build, hashes, |expression, build| {
        let mut positions = HashPositions::default();
        let evaluation = Evaluation::noting(context, expression, build, &mut positions)
            .and_then(|evaluation| accept(&evaluation).map(|()| evaluation))
            .map_err(|failure| (Box::new(failure), positions.clone()))?;
        match realise::realise(context, build, &evaluation.derivations, &evaluation.goals()) {
            Ok(outputs) => Ok((evaluation, outputs)),
            Err(failure) => Err((Box::new(failure), positions)),
        }
    })
}

/// Attempts something with these arguments; where nothing but hashes is wrong and they are to be
/// updated, with the right ones again. One attempt finds the wrong hashes that can be reached; what is
/// behind them comes in the next one.
pub(super) fn updating<T>(
    context: &Context,
    expression: &ExpressionArguments,
    build: &BuildArguments,
    hashes: &HashArguments,
    mut attempt: impl FnMut(&ExpressionArguments, &BuildArguments) -> Result<T, Failed>,
) -> Result<T, Failure> {
    if !hashes.update_hashes {
        return attempt(expression, build).map_err(|(failure, _)| {
            let failure = *failure;
            match failure.mismatches.is_empty() {
                true => failure,
                false => failure.hint(
                    "if the new content is what you want, run the command again with --update-hashes",
                ),
            }
        });
    }
    // where hashes come from is only known after an evaluation, and all are to be tried
    let expression = ExpressionArguments { no_eval_cache: true, ..expression.clone() };
    let build = build.going_on();
    let mut written_before = BTreeSet::new();
    loop {
        let (failure, positions) = match attempt(&expression, &build) {
            Ok(built) => return Ok(built),
            Err(failed) => failed,
        };
        let mut failure = *failure;
        if failure.mismatches.is_empty() {
            return Err(failure);
        }
        // what was written here is not replaced again, so this ends
        let was_written =
            |m: &&Mismatch| written_before.contains(&(m.name.clone(), m.specified.clone()));
        if let Some(Mismatch { name, .. }) = failure.mismatches.iter().find(was_written) {
            let hint = format!("what is fetched as {name} seems to be different every time");
            return Err(failure.hint(hint));
        }
        let project = evaluation::project_root(&expression)?;
        let (edits, refused) = edits(&failure.mismatches, &positions, &project);
        apply(context, &edits)?;
        let is_whole = failure.only_mismatches && refused.is_empty();
        failure.hints.extend(refused);
        if !is_whole || edits.is_empty() {
            return Err(failure);
        }
        written_before.extend(
            failure.mismatches.iter().map(|m| (m.name.clone(), like(&m.specified, &m.got))),
        );
        context.say("trying again with the new hashes");
    }
}

/// A file, and the bytes in it.
type Place = (PathBuf, (usize, usize));

/// What to change, and what to tell of those hashes for which that is not known.
fn edits(
    mismatches: &[Mismatch],
    positions: &HashPositions,
    project: &Path,
) -> (Vec<Edit>, Vec<String>) {
    let mut edits: BTreeMap<Place, (Edit, &Mismatch)> = BTreeMap::new();
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

/// Changes the files and shows what was changed.
fn apply(context: &Context, edits: &[Edit]) -> Result<(), Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    for of_file in edits.chunk_by(|a, b| a.file == b.file) {
        let file = &of_file[0].file;
        let old = fs_err::read(file).or_fail(Kind::Failed)?;
        let mut new = old.clone();
        // from the end, so that what is before keeps its place
        for edit in of_file.iter().rev() {
            new.splice(edit.range.0..edit.range.1, edit.text.bytes());
        }
        destination::write(file, &new)?;
        let name = file.strip_prefix(&here).unwrap_or(file);
        let [old, new] = [old, new].map(|text| String::from_utf8_lossy(&text).into_owned());
        context.say(diff(&name.display().to_string(), &old, &new).trim_end());
    }
    Ok(())
}

/// A unified diff of two texts that have the same number of lines.
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
            // lines that change together stand together
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
    fn a_diff_has_hunks_with_what_stands_around() {
        let old: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 2\n", "two\n").replace("line 3\n", "three\n");
        let new = new.replace("line 15\n", "fifteen\n");
        let expected = "--- a.nix\n+++ a.nix\n@@ -1,6 +1,6 @@\n line 1\n-line 2\n-line 3\n+two\n+three\n \
                        line 4\n line 5\n line 6\n@@ -12,7 +12,7 @@\n line 12\n line 13\n line 14\n\
                        -line 15\n+fifteen\n line 16\n line 17\n line 18\n";
        assert_eq!(diff("a.nix", &old, &new), expected);
    }
}

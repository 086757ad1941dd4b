//! What `build`, `run` and `shell` share: builds what is missing, with progress, and folds what
//! failed into one report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    builtins::BUILTINS,
    context::Context,
    events::Events,
    expression::EndOfSection,
    failure::{Failure, Kind, OrFail as _},
    hashes::Mismatch,
    interruption::is_cancelled,
    progress::Progress,
    quantity::size,
    substitutes::tell_withheld,
    transfer,
};
use crate::{
    build::{
        BuildError, BuildFailure, Check, Derivations, Event, Observer, Options, Realiser,
        Substituters,
        builtin::Builtins,
        plan::{self, BuildStep, Goal, Plan, PlanError},
        queue::{Jobs, Outcome},
        sandbox::{Limits, SandboxError, can_limit_memory},
    },
    derivation::Records,
    evaluate::like,
    hash::Hash,
    store::Store,
    store_path::StorePath,
};

/// How builds are done.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Build options")]
pub(super) struct BuildArguments {
    /// Number of parallel builds (default: the number of processors).
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Number of processors that each build can use (default: 0, which means all).
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    cores: usize,
    /// Continue with other builds after a failure (default if $CI is set).
    #[arg(short, long, overrides_with = "no_keep_going")]
    keep_going: bool,
    /// Start no new builds after a failure (default unless $CI is set).
    #[arg(long, overrides_with = "keep_going")]
    no_keep_going: bool,
    /// Keep the working folder of a failed build and print its path.
    #[arg(long)]
    keep_failed: bool,
    /// Stop a build that takes longer than this.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Stop a build that prints nothing for this long.
    #[arg(long, value_name = "SECONDS")]
    max_silent_time: Option<u64>,
    /// Stop a build that prints more than SIZE; 0 means no limit.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "512M")]
    max_log_size: u64,
    /// Stop a build that uses more than SIZE of disk space.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_disk: Option<u64>,
    /// Stop a build that creates more than N files and folders.
    #[arg(long, value_name = "N")]
    max_files: Option<u64>,
    /// Stop a build that uses more than SIZE of memory; requires control groups.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_memory: Option<u64>,
    /// Limit a build to N processes and threads (default: 8192); as root, requires control groups.
    #[arg(long, value_name = "N")]
    max_processes: Option<u64>,
    #[command(flatten)]
    end: EndOfSection,
}

/// Whether this runs in continuous integration, where nobody waits and all failures are to be seen.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"))
}

impl BuildArguments {
    /// The same, but a failure stops only what depends on it.
    pub(super) fn going_on(&self) -> Self {
        Self { keep_going: true, no_keep_going: false, ..self.clone() }
    }

    fn options(&self, context: &Context) -> Options {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let seconds = |n: Option<u64>| n.map(std::time::Duration::from_secs);
        Options {
            jobs: Jobs { builds: self.jobs.unwrap_or(processors).max(1), fetches: 8 },
            keep_going: self.keep_going || (is_ci() && !self.no_keep_going),
            cores: if self.cores == 0 { processors } else { self.cores },
            limits: Limits {
                wall: seconds(self.timeout),
                silence: seconds(self.max_silent_time),
                log_bytes: Some(self.max_log_size).filter(|&most| most > 0),
                disk: self.max_disk,
                files: self.max_files,
                memory: self.max_memory,
                processes: self.max_processes,
                ..Limits::default()
            },
            keep_failed: self.keep_failed,
            system: context.system().to_owned(),
            damaged: BTreeSet::new(),
        }
    }
}

/// All who take the events of builds.
struct Everyone<'a> {
    progress: &'a Progress,
    events: Option<&'a Events>,
}

impl Observer for Everyone<'_> {
    fn event(&self, event: Event<'_>) {
        if let Some(events) = self.events {
            events.event(event);
        }
        self.progress.event(event);
    }
}

/// What is missing for the goals.
pub(super) fn plan(
    store: &Store,
    fresh: &Records,
    goals: &[Goal],
    substituters: Substituters<'_>,
) -> Result<Plan, Failure> {
    let plan = plan::plan(&Derivations { store, fresh, substituters }, goals);
    if let Err(PlanError::NoSource { .. }) = plan {
        // an evaluation adds sources only if it may
        store.need_writable().or_fail(Kind::Store)?;
    }
    planned(plan)
}

/// A plan, or why there is none.
pub(super) fn planned(plan: Result<Plan, PlanError>) -> Result<Plan, Failure> {
    plan.map_err(|error| match error {
        PlanError::Store(_) => Failure::new(Kind::Store, error),
        _ => Failure::new(Kind::Failed, error),
    })
}

/// Makes the goals' outputs valid. Gives, for each goal, the path of every output.
pub(super) fn realise(
    context: &Context,
    arguments: &BuildArguments,
    fresh: &Records,
    goals: &[Goal],
) -> Result<Vec<BTreeMap<String, StorePath>>, Failure> {
    let (store, substituters) = (context.store()?, context.substituters());
    let mut without = BTreeSet::new();
    loop {
        let from = Substituters { all: &substituters, without: Some(&without) };
        let plan = plan(store, fresh, goals, from)?;
        // what was asked for, and what builds are about to read
        let used = plan.outputs.iter().flat_map(BTreeMap::values);
        let used: BTreeSet<&StorePath> =
            used.chain(plan.builds().flat_map(|build| &build.inputs)).collect();
        store.touch(used).or_fail(Kind::Store)?;
        if plan.steps.is_empty() {
            return Ok(plan.outputs);
        }
        if without.is_empty() {
            tell_withheld(context, &plan);
        }
        let outcome = execute(context, arguments, &plan, Again::Nothing)?;
        if outcome.is_success() {
            return Ok(plan.outputs);
        }
        let can_go_on = !outcome.failed.is_empty()
            && outcome.failed.iter().all(|(_, failure)| failure.error.can_build_instead());
        if !can_go_on || is_cancelled() {
            return Err(report(&plan, &outcome, is_cancelled()));
        }
        for (_, failure) in &outcome.failed {
            context.warn(format!("{failure}; it is built instead"));
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

/// What is built although it is there.
pub(super) enum Again<'a> {
    /// Nothing.
    Nothing,
    /// What is damaged, to be replaced.
    Damaged(BTreeSet<StorePath>),
    /// What is to be compared.
    Checked(&'a Check),
}

/// Runs a plan with all builders and shows its progress.
pub(super) fn execute(
    context: &Context,
    arguments: &BuildArguments,
    plan: &Plan,
    again: Again<'_>,
) -> Result<Outcome<BuildFailure>, Failure> {
    let store = context.store()?;
    if !plan.steps.is_empty() {
        store.need_writable().or_fail(Kind::Store)?;
    }
    let builtins = Builtins { registry: BUILTINS, network: context.network()? };
    if context.global.verbose > 0 && arguments.max_memory.is_none() && !plan.steps.is_empty() {
        context.say(match can_limit_memory() {
            Ok(()) => "builds have no memory limit; set one with --max-memory".to_owned(),
            Err(why) => format!("builds have no memory limit and cannot have one: {why}"),
        });
    }
    let progress = Progress::new(context, is_cancelled);
    let observer = Everyone { progress: &progress, events: context.events.as_ref() };
    let mut options = arguments.options(context);
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
    let substituters = context.substituters();
    let mut realiser = Realiser::new(store, builtins, options, &observer, &is_cancelled)
        .substituting(&substituters);
    if let Some(check) = check {
        realiser = realiser.checking(check);
    }
    let outcome = realiser.run(plan);
    if outcome.is_success() {
        progress.summary();
    }
    Ok(outcome)
}

/// All failures in one, the hash mismatches with what to write instead.
pub(super) fn report(plan: &Plan, outcome: &Outcome<BuildFailure>, cancelled: bool) -> Failure {
    if cancelled {
        return Failure::new(Kind::Interrupted, "interrupted; what was built is kept");
    }
    let refused = |f: &BuildFailure| {
        let refused = |e: &SandboxError| {
            matches!(e, SandboxError::Refused(_) | SandboxError::Unlimited { .. })
        };
        matches!(&f.error, BuildError::Sandbox(error) if refused(error))
    };
    let taking = |f: &BuildFailure| match &f.error {
        BuildError::Substitute(error) => Some(transfer::kind(error)),
        _ => None,
    };
    let kind = match outcome.failed.iter().any(|(_, f)| refused(f)) {
        true => Kind::Sandbox,
        false => outcome.failed.iter().find_map(|(_, f)| taking(f)).unwrap_or(Kind::Failed),
    };
    let failures = outcome.failed.iter().filter(|(_, failure)| !failure.error.is_cancelled());
    let (mut messages, mut mismatches) = (Vec::new(), Vec::new());
    // such as an index that is not known: each of its files fails, for one reason
    let mut same: BTreeMap<String, Vec<&BuildFailure>> = BTreeMap::new();
    for (id, failure) in failures {
        match (failure.error.hash_mismatch().zip(plan.step(*id).build()), &failure.error) {
            (Some(((specified, got), build)), _) => {
                mismatches.push(mismatch(build, &specified, got));
            }
            (None, error @ BuildError::Builtin { .. }) => {
                same.entry(error.to_string()).or_default().push(failure);
            }
            (None, _) => messages.push(failure.to_string()),
        }
    }
    messages.extend(same.into_iter().map(|(reason, failures)| match &failures[..] {
        [failure] => failure.to_string(),
        [first, others @ ..] => format!(
            "cannot build '{}' and {}, for the same reason: {reason}",
            first.path,
            match others.len() {
                1 => "another".to_owned(),
                more => format!("{more} others"),
            }
        ),
        [] => reason,
    }));
    let only_mismatches = messages.is_empty();
    if !mismatches.is_empty() {
        messages.push(table(&mismatches));
    }
    let mut message = messages.join("\n");
    if !outcome.skipped.is_empty() {
        let names: BTreeSet<&str> =
            outcome.skipped.iter().map(|(id, _)| plan.step(*id).name()).collect();
        let names: Vec<&str> = names.into_iter().take(10).collect();
        message += &format!(
            "\nnot built, since they depend on what failed: {}{}",
            names.join(", "),
            if outcome.skipped.len() > names.len() { ", ..." } else { "" }
        );
    }
    Failure { mismatches, only_mismatches, ..Failure::new(kind, message) }
}

/// A wrong hash, in the form in which it is written.
fn mismatch(step: &BuildStep, specified: &Hash, got: Hash) -> Mismatch {
    let flat = step.derivation.env.get("outputHash").and_then(|text| str::from_utf8(text).ok());
    let structured = || -> Option<String> {
        let json: Value = serde_json::from_str(step.derivation.structured.as_deref()?).ok()?;
        Some(json.get("outputHash")?.as_str()?.to_owned())
    };
    let written = flat.map(str::to_owned).or_else(structured);
    Mismatch {
        derivation: step.path.clone(),
        name: step.derivation.name.clone(),
        specified: written.unwrap_or_else(|| specified.to_string()),
        got,
    }
}

/// All wrong hashes in one.
fn table(mismatches: &[Mismatch]) -> String {
    let mut text = match mismatches.len() {
        1 => "hash mismatch: a file has another content than its hash says:".to_owned(),
        n => format!("hash mismatch: {n} files have another content than their hashes say:"),
    };
    for Mismatch { derivation, name, specified, got } in mismatches {
        let got = like(specified, got);
        let specified = if specified.is_empty() { "\"\"" } else { specified };
        text += &format!(
            "\n  {name}\n    specified {specified}\n    got       {got}\n    \
             log       clutch log {derivation}"
        );
    }
    text
}

/// The goal of all outputs of a derivation.
pub(super) fn goal(derivation: StorePath, outputs: BTreeSet<String>) -> Goal {
    Goal { derivation, outputs }
}

//! `clutch build`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{
    build_options::BuildArguments,
    check,
    context::Context,
    expression::ExpressionArguments,
    failure::{Failure, Outcome},
    hashes::HashArguments,
    quantity::bytes,
    result_link,
    substitutes::{SubstituteArguments, tell_withheld},
    work::Work,
};
use crate::{
    build::plan::{Offer, Step},
    evaluate::Target,
    session::{self, BUILTINS, Evaluation},
    store_path::StorePath,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    expression: ExpressionArguments,
    #[command(flatten)]
    build: BuildArguments,
    /// Create a link to the result, which keeps it from being deleted by `clutch gc`.
    #[arg(short, long, value_name = "LINK", default_value = "result")]
    out_link: PathBuf,
    /// Do not create a link to the result.
    #[arg(long, conflicts_with = "out_link")]
    no_link: bool,
    /// Show what would be built and fetched, without doing it.
    #[arg(long, conflicts_with = "update_hashes")]
    dry_run: bool,
    /// Build again and compare the results.
    ///
    /// The second build runs under different conditions, such as another time and fewer processors, that
    /// must not change its result. Only the derivations you name are built again, not their
    /// dependencies.
    #[arg(long, conflicts_with_all = ["out_link", "dry_run", "update_hashes"])]
    check: bool,
    /// With --check, keep outputs that differ and print their paths.
    #[arg(long, requires = "check")]
    keep_differing: bool,
    #[command(flatten)]
    hashes: HashArguments,
    #[command(flatten)]
    substitutes: SubstituteArguments,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Outcome {
    let Arguments { expression, build, hashes, .. } = arguments;
    arguments.substitutes.open(context)?;
    let work = Work::new(context, build, Some(&expression.measure));
    let subject = expression.subject(context)?;
    if arguments.dry_run {
        return dry_run(context, &session::evaluate(work.operation(), &subject)?);
    }
    if arguments.check {
        let evaluation = session::evaluate(work.operation(), &subject)?;
        return check::run(&work, &evaluation, arguments.keep_differing);
    }
    let (evaluation, outputs) = hashes.build(&work, &subject, |_| Ok(()))?;
    let built: Vec<(&Target, BTreeMap<String, StorePath>)> =
        evaluation.targets.iter().zip(outputs).map(|(t, all)| (t, wanted(t, all))).collect();
    if !arguments.no_link {
        link(context, arguments, &built)?;
    }
    if context.global.json {
        let all: Vec<Value> = built
            .iter()
            .map(|(target, outputs)| {
                let outputs: BTreeMap<_, _> =
                    outputs.iter().map(|(n, p)| (n, p.to_string())).collect();
                json!({ "derivation": target.derivation.to_string(), "outputs": outputs })
            })
            .collect();
        context.json(&all.into())?;
    } else {
        for path in built.iter().flat_map(|(_, outputs)| outputs.values()) {
            context.line(path.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The requested outputs.
fn wanted(target: &Target, mut all: BTreeMap<String, StorePath>) -> BTreeMap<String, StorePath> {
    all.retain(|name, _| target.outputs.is_empty() || target.outputs.contains(name));
    all
}

/// Names links as Nix does: `result`, `result-2`, ...; an output other than `out` adds its name.
fn link(
    context: &Context,
    arguments: &Arguments,
    built: &[(&Target, BTreeMap<String, StorePath>)],
) -> Result<(), Failure> {
    let base = arguments.out_link.as_os_str().to_string_lossy();
    for (n, (_, outputs)) in built.iter().enumerate() {
        for (output, path) in outputs {
            let mut link = base.to_string();
            if n > 0 {
                link += &format!("-{}", n + 1);
            }
            if output != "out" {
                link += &format!("-{output}");
            }
            result_link::make(context.store()?, link.as_ref(), path)?;
        }
    }
    Ok(())
}

fn dry_run(context: &Context, evaluation: &Evaluation) -> Outcome {
    let nothing = BTreeSet::new();
    let (fresh, goals) = (&evaluation.derivations, evaluation.goals());
    let plan = session::plan(&context.session, fresh, &goals, &nothing)?;
    let (substitute, steps): (Vec<_>, Vec<_>) =
        plan.steps.iter().partition(|s| s.build().is_none());
    let (fetch, build): (Vec<_>, Vec<_>) = steps.into_iter().partition(|s| BUILTINS.is_fetch(s));
    if context.global.json {
        let paths =
            |steps: &[&Step]| -> Value { steps.iter().map(|s| s.path().to_string()).collect() };
        context.json(&json!({
            "substitute": paths(&substitute),
            "build": paths(&build),
            "fetch": paths(&fetch),
            "present": plan.present,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (substituter, from) in context.session.substituters().iter().enumerate() {
        let is_of = |offer: &&Offer| offer.substituter == substituter;
        let offers: Vec<&Offer> = plan.substitutes().filter(is_of).collect();
        if !offers.is_empty() {
            let size = bytes(offers.iter().map(|offer| offer.info.size).sum());
            context.line(format!(
                "{} would be taken from '{}' ({size}):",
                offers.len(),
                from.name()
            ))?;
            for offer in offers {
                context.line(format!("  {}", offer.info.path))?;
            }
        }
    }
    for (what, steps) in [("fetched", fetch), ("built", build)] {
        if !steps.is_empty() {
            context.line(format!("{} would be {what}:", steps.len()))?;
            for step in steps {
                context.line(format!("  {}", step.path()))?;
            }
        }
    }
    if plan.steps.is_empty() {
        context.line("nothing to build or fetch")?;
    }
    tell_withheld(context, &plan);
    Ok(ExitCode::SUCCESS)
}

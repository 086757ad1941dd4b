//! An evaluation that finds derivations, in the cache or by running the evaluator.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clutch_expr::eval::Found;

use super::{
    EvalRealiser, Expression, Operation, Session, SessionError, Subject, absolute, interpret,
    key::key, project,
};
use crate::{
    build::plan::Goal,
    derivation::Records,
    evaluate::{
        Access, EvalHost, HashPositions, ImpureSettings, Realise, Recording, Target,
        cache::{self, Key},
    },
    store_path::{STORE_DIR, StorePath},
};

/// The derivations that a command is about, written to the store as far as building needs them.
pub(crate) struct Evaluation {
    /// The targets, at least one.
    pub targets: Vec<Target>,
    /// The evaluated derivations.
    pub derivations: Records,
}

impl Evaluation {
    /// The targets as goals of a build.
    #[must_use]
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let goal =
            |t: &Target| Goal { derivation: t.derivation.clone(), outputs: t.outputs.clone() };
        self.targets.iter().map(goal).collect()
    }
}

/// Finds the derivations to build. Those of an expression are evaluated and added to the store, or taken
/// from the evaluation cache.
///
/// # Errors
/// The evaluation fails or holds no derivation, a path is not a derivation or is damaged, or the store
/// cannot be used.
pub(crate) fn evaluate(
    operation: Operation<'_>,
    subject: &Subject,
) -> Result<Evaluation, SessionError> {
    match subject {
        Subject::Stored(path) => of_derivation(operation.session, path.clone()),
        Subject::Expression(expression) => {
            of_expression(operation, expression, &mut HashPositions::default())
        }
    }
}

/// A derivation that is in the store.
pub(super) fn of_derivation(
    session: &Session,
    path: StorePath,
) -> Result<Evaluation, SessionError> {
    if !path.is_derivation() {
        return Err(SessionError::NoDerivation(path));
    }
    let name = session.store()?.read_derivation(&path)?.name;
    let (outputs, main_program, environment) = (BTreeSet::new(), None, None);
    let target = Target { derivation: path, outputs, main_program, environment, name };
    Ok(Evaluation { targets: vec![target], derivations: Records::default() })
}

/// The derivations of an expression. Records in `positions` what was read, even on failure.
pub(super) fn of_expression(
    operation: Operation<'_>,
    expression: &Expression,
    positions: &mut HashPositions,
) -> Result<Evaluation, SessionError> {
    let Operation { session, observer, .. } = operation;
    let realiser = EvalRealiser { operation };
    let host = host(session, expression, &realiser)?;
    let key = key(expression, &host);
    if let Some(key) = &key
        && let Some(targets) = cached(session, &host, key)?
    {
        observer.cached();
        return Ok(Evaluation { targets, derivations: Records::default() });
    }
    let recording = Recording::new(&host);
    let mut outline = String::new();
    let found = interpret(session, &recording, expression, observer, |it, value, args| {
        let found = it.derivations(value, args)?;
        if found.is_empty() {
            outline = it.outline(value, args)?;
        }
        Ok(found)
    });
    *positions = host.hash_positions();
    let found = found?.into_iter().flatten();
    let targets =
        found.map(|found| target(found, expression)).collect::<Result<Vec<_>, SessionError>>()?;
    if targets.is_empty() {
        return Err(SessionError::NothingToBuild(outline));
    }
    let store = session.store()?;
    if store.is_writable() {
        host.commit(store)?;
        if let Some(key) = &key {
            // a failure here only makes the next evaluation slower
            let _ = cache::save(store, recording, key, &targets);
        }
    }
    Ok(Evaluation { targets, derivations: host.into_derivations() })
}

/// The cached result; `None` if there is no store yet.
fn cached(
    session: &Session,
    host: &EvalHost<'_>,
    key: &Key,
) -> Result<Option<Vec<Target>>, SessionError> {
    let there = session.store_root().is_ok_and(|root| root.join("var/evaluations").is_dir());
    if !there {
        return Ok(None);
    }
    Ok(cache::find(session.store()?, host, key)?)
}

fn target(found: Found, expression: &Expression) -> Result<Target, SessionError> {
    let derivation = StorePath::parse(&found.drv_path)?;
    // a derivation stands for all its outputs; `-A x.doc` selects one of them
    let named = expression
        .attributes
        .iter()
        .any(|attribute| attribute.rsplit('.').next() == Some(found.output_name.as_str()));
    let first = found.outputs.first().map(|(name, _)| name);
    let outputs = match named || first.is_some_and(|f| *f != found.output_name) {
        true => BTreeSet::from([found.output_name]),
        false => BTreeSet::new(),
    };
    let environment = found.environment.map(|path| StorePath::parse(&path)).transpose()?;
    let (main_program, name) = (found.main_program, found.name);
    Ok(Target { derivation, outputs, main_program, environment, name })
}

/// The host that answers an expression's questions.
///
/// # Errors
/// The working folder is gone.
pub(crate) fn host<'a>(
    session: &Session,
    expression: &Expression,
    realiser: &'a dyn Realise,
) -> Result<EvalHost<'a>, SessionError> {
    let settings = &session.settings;
    let mut search_path = Vec::new();
    // the evaluation may create the store
    let store = settings.store.as_ref().map(|root| root.join("store"));
    let home = settings.real_home();
    let mut allowed = project::folders(&expression.source, home.as_deref())?;
    for entry in &expression.search_path {
        let (prefix, path) = entry.split_once('=').unwrap_or(("", entry));
        let path = logical(&absolute(Path::new(path))?, store.as_deref());
        search_path.push((prefix.to_owned(), path.to_string_lossy().into_owned()));
        allowed.extend(fs_err::canonicalize(&path));
        allowed.push(path);
    }
    // in the store, an evaluation may read the named paths and their closures
    let in_store = |path: &PathBuf| {
        let path = logical(path, store.as_deref());
        Some(StorePath::split(path.to_str()?).ok()?.0)
    };
    let named: Vec<StorePath> = allowed.iter().filter_map(in_store).collect();
    allowed.retain(|path| in_store(path).is_none());
    let access = Access::new(store, (!expression.impure).then_some(allowed)).at_home(home);
    named.iter().for_each(|path| access.open(path));
    let mut host = EvalHost::new(access, realiser);
    host.system.clone_from(&settings.system);
    host.import_from_derivation = expression.import_from_derivation;
    if expression.impure {
        let variables = settings.environment.variables.clone();
        for entry in variables.get("NIX_PATH").into_iter().flat_map(|p| p.split(':')) {
            let (prefix, path) = entry.split_once('=').unwrap_or(("", entry));
            if !path.is_empty() && !path.contains("://") {
                let path = absolute(Path::new(path))?.to_string_lossy().into_owned();
                search_path.push((prefix.to_owned(), path));
            }
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        host.impure = Some(ImpureSettings {
            home: variables.get("HOME").map(PathBuf::from),
            variables,
            system: settings.system().to_owned(),
            time: now.map_or(0, |t| t.as_secs() as i64),
        });
    }
    host.search_path = search_path;
    Ok(host)
}

/// Replaces the store's real folder by its logical one; leaves other paths alone.
fn logical(path: &Path, store: Option<&Path>) -> PathBuf {
    match store.and_then(|store| path.strip_prefix(store).ok()) {
        Some(inside) => Path::new(STORE_DIR).join(inside),
        None => path.to_owned(),
    }
}

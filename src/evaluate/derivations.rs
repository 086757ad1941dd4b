//! The derivations that an evaluation creates, and those that it builds while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use clutch_expr::host::{
    DerivationPaths, DerivationRequest, FixedOutput, HostResult, Imported, Reference,
};

use super::{
    EvalHost,
    access::object,
    fetch,
    hash_positions::Given,
    host::{parse, refuse},
    pending::Pending,
};
use crate::{
    derivation::{Derivation, Draft, DraftOutputs, Fixed, HashMode},
    hash::Algorithm,
    store::{Store, StoreError},
    store_path::StorePath,
};

/// Computes the paths of a derivation and records it.
pub(super) fn make(host: &EvalHost<'_>, request: DerivationRequest) -> HostResult<DerivationPaths> {
    let parse = |path: &String| StorePath::parse(path).map_err(refuse);
    let given = request
        .fixed
        .as_ref()
        .map(|fixed| Given { text: fixed.hash.clone(), places: fixed.places.clone() });
    let outputs = match &request.fixed {
        Some(fixed) => DraftOutputs::Fixed(fixed_output(fixed)?),
        None => DraftOutputs::Named(request.outputs.iter().cloned().collect()),
    };
    let mut draft = Draft {
        name: request.name,
        system: request.system,
        builder: request.builder,
        args: request.args,
        env: request.env.into_iter().collect(),
        structured: request.structured,
        outputs,
        input_derivations: request
            .input_derivations
            .into_iter()
            .map(|(path, outputs)| Ok((parse(&path)?, outputs.into_iter().collect())))
            .collect::<HostResult<_>>()?,
        input_sources: request.input_sources.iter().map(parse).collect::<HostResult<_>>()?,
    };
    let closures = request.input_closures.iter().map(parse).collect::<HostResult<Vec<_>>>()?;
    host.add_closures(&mut draft, closures)?;
    let (path, derivation) = host.resolve(draft)?;
    if let Some(given) = given {
        host.note().hashes.insert(path.clone(), given);
    }
    let outputs = derivation.outputs.into_iter().map(|(name, o)| (name, o.path.to_string()));
    Ok(DerivationPaths { drv_path: path.to_string(), outputs: outputs.collect() })
}

fn fixed_output(fixed: &FixedOutput) -> HostResult<Fixed> {
    let algorithm = match fixed.algorithm.as_deref() {
        None | Some("") => None,
        Some(name) => Some(
            Algorithm::from_name(name)
                .ok_or_else(|| refuse(format!("unknown hash algorithm '{name}'")))?,
        ),
    };
    let mode = if fixed.recursive { HashMode::Recursive } else { HashMode::Flat };
    let hash = parse(&fixed.hash, algorithm).map_err(|error| match fixed.places.first() {
        Some(place) => refuse(format!("{error}, at {place}")),
        None => error,
    })?;
    Ok(Fixed { mode, hash })
}

/// Builds the derivations that a text refers to, during the evaluation.
pub(super) fn realise(host: &EvalHost<'_>, references: &[Reference]) -> HostResult<()> {
    let mut targets: BTreeMap<StorePath, BTreeSet<String>> = BTreeMap::new();
    for reference in references {
        match reference {
            Reference::Built { drv, output } => {
                let drv = StorePath::parse(drv).map_err(refuse)?;
                targets.entry(drv).or_default().insert(output.clone());
            }
            Reference::Opaque(path) | Reference::DrvDeep(path) => {
                let path = StorePath::parse(path).map_err(refuse)?;
                if host.pending().derivations.get(&path).is_some() {
                    host.access.open(&path);
                }
            }
        }
    }
    let Some((first, _)) = targets.first_key_value() else { return Ok(()) };
    if !host.import_from_derivation {
        return Err(refuse(format!(
            "cannot build '{first}' during evaluation, because \
             --no-allow-import-from-derivation was given"
        )));
    }
    let targets: Vec<_> = targets.into_iter().collect();
    host.build(&targets)?;
    for (path, outputs) in &targets {
        let derivation = host.derivation_at(path)?;
        for output in outputs {
            if let Some(output) = derivation.outputs.get(output) {
                host.access.open(&output.path);
            }
        }
    }
    Ok(())
}

/// The derivation at a path, if the evaluation may import it.
pub(super) fn imported(host: &EvalHost<'_>, path: &Path) -> HostResult<Option<Imported>> {
    let Some(path) = object(path) else { return Ok(None) };
    // pure evaluation imports only what it made
    let is_known = host.pending().derivations.get(&path).is_some();
    if !is_known && host.access.allowed.is_some() {
        return Ok(None);
    }
    if !is_known {
        let store = host.realiser.store()?;
        if !store.is_valid(&path)? {
            return Ok(None);
        }
    }
    let Derivation { name, outputs, .. } = host.derivation_at(&path)?;
    let outputs = outputs.into_iter().map(|(name, output)| (name, output.path.to_string()));
    Ok(Some(Imported { name, outputs: outputs.collect() }))
}

impl EvalHost<'_> {
    /// Computes a derivation's paths and records it.
    pub(super) fn resolve(&self, draft: Draft) -> HostResult<(StorePath, Derivation)> {
        fetch::check_addresses(&draft)?;
        let mut pending = self.pending();
        self.learn(&mut pending, &draft)?;
        let (path, derivation) = pending.identities.resolve(draft).map_err(refuse)?;
        pending.derivations.insert(&path, &derivation).map_err(refuse)?;
        Ok((path, derivation))
    }

    /// Input derivations that this evaluation did not create are read from the store, for example if a
    /// context was given as text.
    fn learn(&self, pending: &mut Pending, draft: &Draft) -> HostResult<()> {
        let mut todo: Vec<StorePath> = draft.input_derivations.keys().cloned().collect();
        while let Some(path) = todo.pop() {
            if pending.identities.knows(&path) {
                continue;
            }
            let store = self.realiser.store()?;
            let derivation = store.read_derivation(&path)?;
            let unknown: Vec<StorePath> = derivation
                .input_derivations
                .keys()
                .filter(|input| !pending.identities.knows(input))
                .cloned()
                .collect();
            if unknown.is_empty() {
                pending.identities.learn(&derivation).map_err(refuse)?;
            } else {
                todo.push(path);
                todo.extend(unknown);
            }
        }
        Ok(())
    }

    /// Adds the references of a text made from a `drvPath`: the derivations of its closure as sources, and
    /// all their outputs, since the reader of the text may build any of them.
    fn add_closures(&self, draft: &mut Draft, roots: Vec<StorePath>) -> HostResult<()> {
        let pending = self.pending();
        let mut todo = roots;
        while let Some(path) = todo.pop() {
            if !draft.input_sources.insert(path.clone()) || !path.is_derivation() {
                continue;
            }
            let derivation = match pending.derivations.get(&path) {
                Some(derivation) => derivation,
                None => {
                    let store = self.realiser.store()?;
                    store.read_derivation(&path)?
                }
            };
            todo.extend(derivation.input_derivations.into_keys());
            todo.extend(derivation.input_sources);
            let outputs = derivation.outputs.into_keys();
            draft.input_derivations.entry(path).or_default().extend(outputs);
        }
        Ok(())
    }

    /// A derivation of this evaluation, or of the store.
    fn derivation_at(&self, path: &StorePath) -> HostResult<Derivation> {
        if let Some(derivation) = self.pending().derivations.get(path) {
            return Ok(derivation);
        }
        let store = self.realiser.store()?;
        Ok(store.read_derivation(path)?)
    }

    /// True if all these outputs are valid, so that nothing has to be built or written.
    fn are_valid(
        &self,
        store: &Store,
        targets: &[(StorePath, BTreeSet<String>)],
    ) -> Result<bool, StoreError> {
        let pending = self.pending();
        let mut paths = Vec::new();
        for (path, outputs) in targets {
            let Some(derivation) = pending.derivations.get(path) else { return Ok(false) };
            for output in outputs {
                let Some(output) = derivation.outputs.get(output) else { return Ok(false) };
                paths.push(output.path.clone());
            }
        }
        Ok(store.valid(&paths)?.len() == paths.iter().collect::<BTreeSet<_>>().len())
    }

    /// Makes outputs valid during the evaluation.
    pub(super) fn build(&self, targets: &[(StorePath, BTreeSet<String>)]) -> HostResult<()> {
        let store = self.realiser.store()?;
        if self.are_valid(store, targets)? {
            return Ok(());
        }
        self.pending().commit(store)?;
        self.realiser.realise(targets)
    }
}

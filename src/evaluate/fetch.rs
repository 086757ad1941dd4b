//! `builtins.fetchurl` and its kin: a fixed output that is built when it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use clutch_expr::host::{FetchRequest, FetchValue, Fetched, HostError, HostResult};

use super::World;
use crate::{
    derivation::{Draft, DraftOutputs, Fixed, HashMode},
    hash::{Algorithm, Hash},
};

/// Fetches by hash. Only `fetchurl` is a builder of clutch; the others say what to use instead.
pub(super) fn fetch(world: &World<'_>, request: &FetchRequest) -> HostResult<Fetched> {
    let refuse = |text: String| HostError(format!("builtins.{}: {text}", request.builtin));
    if request.builtin != "fetchurl" {
        return Err(refuse(
            "not supported; use fetchurl with a hash, or the library's `fetch` and `unpack`".into(),
        ));
    }
    let text = |name: &str| {
        request.args.iter().find_map(|(n, value)| match value {
            FetchValue::String(text) if n == name => Some(text.clone()),
            _ => None,
        })
    };
    let url = text("url").ok_or_else(|| refuse("the attribute 'url' is missing".into()))?;
    let hash = text("sha256").or_else(|| text("hash")).ok_or_else(|| {
        refuse(format!("'{url}' has no hash: give `sha256`, since nothing is fetched without one"))
    })?;
    let hash = Hash::parse(&hash, Some(Algorithm::Sha256)).map_err(|e| HostError(e.to_string()))?;
    let name =
        text("name").unwrap_or_else(|| url.rsplit('/').next().unwrap_or("source").to_owned());
    let draft = Draft {
        name,
        system: "builtin".into(),
        builder: b"builtin:fetch".to_vec(),
        args: Vec::new(),
        env: BTreeMap::from([("url".to_owned(), url.into_bytes())]),
        structured: None,
        outputs: DraftOutputs::Fixed(Fixed { mode: HashMode::Flat, hash }),
        input_derivations: BTreeMap::new(),
        input_sources: BTreeSet::new(),
    };
    let (path, derivation) = world.resolve(draft)?;
    world.build(&[(path, BTreeSet::from(["out".to_owned()]))])?;
    let out = derivation.outputs["out"].path.to_string();
    Ok(Fetched { path: out, attrs: Vec::new() })
}

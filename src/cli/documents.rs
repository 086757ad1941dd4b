//! The JSON documents that several commands print.

use serde_json::{Map, Value, json};

use crate::{
    derivation::{Derivation, HashMode},
    store::PathInfo,
    store_path::StorePath,
};

/// A valid path as JSON.
pub(super) fn of_path(info: &PathInfo) -> Value {
    json!({
        "path": info.path.to_string(),
        "treeHash": info.tree.to_string(),
        "size": info.size,
        "references": info.references.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "deriver": info.deriver.as_ref().map(ToString::to_string),
        "narHash": info.nar.map(|nar| nar.hash.to_string()),
        "narSize": info.nar.map(|nar| nar.size),
        "signatures": info.signatures.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "registered": info.registered,
    })
}

/// A derivation as JSON. Bytes that are not UTF-8 become replacement characters.
pub(super) fn of_derivation(path: &StorePath, derivation: &Derivation) -> Value {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let outputs: Map<String, Value> = derivation
        .outputs
        .iter()
        .map(|(name, output)| {
            let mut value = json!({ "path": output.path.to_string() });
            if let Some(fixed) = &output.fixed {
                value["hash"] = fixed.hash.to_string().into();
                value["mode"] = match fixed.mode {
                    HashMode::Flat => "flat",
                    HashMode::Recursive => "recursive",
                }
                .into();
            }
            (name.clone(), value)
        })
        .collect();
    let inputs: Map<String, Value> = derivation
        .input_derivations
        .iter()
        .map(|(path, outputs)| (path.to_string(), json!(outputs)))
        .collect();
    let env: Map<String, Value> =
        derivation.env.iter().map(|(n, v)| (n.clone(), text(v).into())).collect();
    let mut value = json!({
        "path": path.to_string(),
        "name": derivation.name,
        "system": derivation.system,
        "builder": text(&derivation.builder),
        "args": derivation.args.iter().map(text).collect::<Vec<_>>(),
        "env": env,
        "outputs": outputs,
        "inputDerivations": inputs,
        "inputSources": derivation.input_sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    if let Some(structured) = &derivation.structured {
        value["structuredAttrs"] =
            serde_json::from_str(structured).unwrap_or_else(|_| structured.clone().into());
    }
    value
}

//! The attributes of a builder inside the binary, as a typed record.

use serde::de::DeserializeOwned;

use crate::build::task::{Task, TaskError};

/// Reads the attributes into `T`: from the JSON of `__structuredAttrs`, or, where the derivation
/// has none, from the environment's texts.
///
/// # Errors
/// Names the attribute that is missing or is not what the builder expects.
pub fn read<T: DeserializeOwned>(task: &Task<'_>) -> Result<T, TaskError> {
    let fail = |e: &serde_json::Error| TaskError::Failed(format!("attributes: {e}"));
    if let Some(json) = &task.derivation.structured {
        return serde_json::from_str(json).map_err(|e| fail(&e));
    }
    let texts = task.derivation.env.iter();
    let texts = texts.filter_map(|(k, v)| Some((k.clone(), std::str::from_utf8(v).ok()?.into())));
    serde_json::from_value(serde_json::Value::Object(texts.collect())).map_err(|e| fail(&e))
}

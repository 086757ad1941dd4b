//! The attributes of a derivation as the builders here read them: from `__structuredAttrs`, or from
//! the environment's texts.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::build::task::{Task, TaskError};

/// Reads the attributes into a record: from the JSON of `__structuredAttrs`, or, if the derivation
/// has none, from the environment's texts.
///
/// # Errors
/// If an attribute is missing or has the wrong type; the error names it.
pub fn read<T: DeserializeOwned>(task: &Task<'_>) -> Result<T, TaskError> {
    let fail = |e: &serde_json::Error| TaskError::Failed(format!("attributes: {e}"));
    if let Some(json) = &task.derivation.structured {
        return serde_json::from_str(json).map_err(|e| fail(&e));
    }
    let texts = task.derivation.env.iter();
    let texts = texts.filter_map(|(k, v)| Some((k.clone(), std::str::from_utf8(v).ok()?.into())));
    serde_json::from_value(Value::Object(texts.collect())).map_err(|e| fail(&e))
}

/// A text; `None` if the attribute is not set, or null.
///
/// # Errors
/// If it is not a text.
pub fn text(task: &Task<'_>, name: &str) -> Result<Option<String>, TaskError> {
    let Some(json) = &task.derivation.structured else {
        return Ok(task.attribute(name)?.map(str::to_owned));
    };
    let all: Value =
        serde_json::from_str(json).map_err(|e| TaskError::Failed(format!("attributes: {e}")))?;
    match all.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        // as the language turns these into text
        Some(Value::Bool(flag)) => Ok(Some(if *flag { "1" } else { "" }.to_owned())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            Ok(Some(items.join(" ")))
        }
        Some(_) => Err(bad(name, "expected a text")),
    }
}

/// A text that must be set and not empty.
///
/// # Errors
/// If it is not.
pub fn required(task: &Task<'_>, name: &str) -> Result<String, TaskError> {
    text(task, name)?.filter(|text| !text.is_empty()).ok_or_else(|| bad(name, "it is missing"))
}

/// A truth value: `true` becomes `1` and `false` the empty text, as in the language.
///
/// # Errors
/// If it is another text.
pub fn flag(task: &Task<'_>, name: &str) -> Result<bool, TaskError> {
    match text(task, name)?.as_deref() {
        None | Some("") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(bad(name, &format!("it is '{other}', expected true or false"))),
    }
}

/// A whole number; `None` if it is not set.
///
/// # Errors
/// If it is not a number, or negative.
pub fn number(task: &Task<'_>, name: &str) -> Result<Option<u64>, TaskError> {
    match text(task, name)?.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(bad(name, &format!("it is '{text}', expected a whole number"))),
        },
    }
}

/// An error about an attribute.
#[must_use]
pub fn bad(name: &str, problem: &str) -> TaskError {
    TaskError::Attribute { name: name.to_owned(), problem: problem.to_owned() }
}

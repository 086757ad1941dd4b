//! `builtin:text`: a text as a file. Attributes: `text`; `executable`, which sets the executable
//! bits; `destination`, a relative path below the output, which then is a folder.

use std::{io::Write, os::unix::fs::PermissionsExt};

use fs_err as fs;

use super::attributes;
use crate::build::task::{Task, TaskError};
use crate::unpack::entry_name;

/// Runs `builtin:text`.
///
/// # Errors
/// If an attribute is wrong or the file cannot be written.
pub(super) fn build(task: &Task<'_>) -> Result<(), TaskError> {
    let text =
        attributes::text(task, "text")?.ok_or_else(|| attributes::bad("text", "it is missing"))?;
    let executable = attributes::flag(task, "executable")?;
    let mut place = task.output("out")?.to_owned();
    if let Some(destination) = attributes::text(task, "destination")?.filter(|d| !d.is_empty()) {
        // as in other tools of the language, a slash in front means the output itself
        let relative = entry_name::clean(destination.trim_start_matches('/').as_bytes())
            .map_err(|reason| attributes::bad("destination", reason))?;
        place = place.join(relative);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
    }
    let mut file = fs::File::create_new(&place)?;
    file.write_all(text.as_bytes())?;
    let mode = if executable { 0o755 } else { 0o644 };
    Ok(file.set_permissions(PermissionsExt::from_mode(mode))?)
}

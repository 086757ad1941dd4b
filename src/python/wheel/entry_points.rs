//! `entry_points.txt`: objects that a distribution offers by name. The groups of scripts become
//! programs of an environment.

use super::text::{decode, lines};
use crate::{limits, python::excerpt::excerpt};

/// An error in entry points. Texts of the file are shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryPointsError {
    /// A line without an equals sign.
    #[error("expected 'name = value', found '{0}'")]
    Line(String),
    /// A line in front of the first `[group]`.
    #[error("'{0}' comes before the first '[group]'")]
    NoGroup(String),
    /// More programs than any package has.
    #[error("more than {} programs", limits::PROGRAMS)]
    Many,
    /// Two functions for one name.
    #[error("script '{0}' is given twice, with different functions")]
    Ambiguous(String),
    /// The reference to a function cannot be read.
    #[error("script '{name}': expected 'module:function', found '{value}'")]
    Reference {
        /// The program.
        name: String,
        /// The text in place of a reference.
        value: String,
    },
    /// The name does not fit into `bin`.
    #[error("script '{0}': expected a file name without '/'")]
    FileName(String),
    /// The name of one of the environment's own programs.
    #[error("script '{0}': the name belongs to the environment itself")]
    Reserved(String),
}

/// A program that calls a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Script {
    /// Its name in `bin`.
    pub name: String,
    /// The module to import.
    pub module: String,
    /// The function: a path of attributes with dots.
    pub function: String,
}

/// Reads the console and GUI scripts, which are the same on Linux, sorted by name.
///
/// # Errors
/// If the text is not INI, or one of its scripts cannot become a program.
pub fn scripts(content: &[u8]) -> Result<Vec<Script>, EntryPointsError> {
    let text = decode(content);
    let mut scripts: Vec<Script> = Vec::new();
    let mut group = None;
    for line in lines(&text.text).map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            group = Some(name.trim());
            continue;
        }
        let (name, value) =
            line.split_once('=').ok_or_else(|| EntryPointsError::Line(excerpt(line)))?;
        match group {
            None => return Err(EntryPointsError::NoGroup(excerpt(line))),
            Some("console_scripts" | "gui_scripts") => {
                if scripts.len() == limits::PROGRAMS {
                    return Err(EntryPointsError::Many);
                }
                scripts.push(script(name.trim(), value)?);
            }
            Some(_) => {}
        }
    }
    scripts.sort();
    scripts.dedup();
    match scripts.windows(2).find(|pair| pair[0].name == pair[1].name) {
        None => Ok(scripts),
        Some(pair) => Err(EntryPointsError::Ambiguous(pair[0].name.clone())),
    }
}

/// `module:function [extras]`. The obsolete extras are ignored.
fn script(name: &str, value: &str) -> Result<Script, EntryPointsError> {
    program_name(name)?;
    let wrong =
        || EntryPointsError::Reference { name: name.to_owned(), value: excerpt(value.trim()) };
    let reference = match value.trim().split_once('[') {
        Some((reference, extras)) if extras.trim_end().ends_with(']') => reference,
        Some(_) => return Err(wrong()),
        None => value,
    };
    let (module, function) = reference.split_once(':').ok_or_else(wrong)?;
    let (module, function) = (module.trim(), function.trim());
    let identifiers = |path: &str| {
        path.split('.').all(|part| {
            let mut chars = part.chars();
            chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && chars.all(|c| c.is_alphanumeric() || c == '_')
        })
    };
    if !identifiers(module) || !identifiers(function) {
        return Err(wrong());
    }
    Ok(Script { name: name.into(), module: module.into(), function: function.into() })
}

/// Checks that a distribution may put a program of that name into `bin`.
///
/// # Errors
/// If it is not a single file name, or belongs to one of the environment's own programs.
pub fn program_name(name: &str) -> Result<(), EntryPointsError> {
    let is_file_name = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
    if !is_file_name || name.len() > limits::FILE_NAME {
        return Err(EntryPointsError::FileName(excerpt(name)));
    }
    let version = name.strip_prefix("python").unwrap_or("x");
    let python = version.chars().all(|c| c.is_ascii_digit() || c == '.');
    let activation =
        name.split('.').next().is_some_and(|stem| stem.eq_ignore_ascii_case("activate"));
    if python || activation {
        return Err(EntryPointsError::Reserved(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_read() {
        let text = b"# x\n[console_scripts]\nf2py = numpy.f2py.f2py2e:main\nA=a:b.c [x, y]\n\n[other]\nz = ?\n[gui_scripts]\ng = a:b\n";
        let names: Vec<_> = scripts(text)
            .unwrap()
            .into_iter()
            .map(|s| format!("{} {} {}", s.name, s.module, s.function))
            .collect();
        assert_eq!(names, ["A a b.c", "f2py numpy.f2py.f2py2e main", "g a b"]);
    }

    #[test]
    fn other_encodings_and_line_ends_are_read() {
        for content in [
            &b"\xef\xbb\xbf[console_scripts]\r\nx = a:b\r\n"[..],
            b"[console_scripts]\rx = a:b\r",
            b"# caf\xe9\n[console_scripts]\nx = a:b\n",
        ] {
            assert_eq!(scripts(content).unwrap().len(), 1, "{content:?}");
        }
    }

    #[test]
    fn what_would_be_harmful_is_refused() {
        for line in [
            "../x = a:b",
            "x/y = a:b",
            ".. = a:b",
            "python = a:b",
            "python3 = a:b",
            "python3.11 = a:b",
            "activate = a:b",
            "activate.fish = a:b",
            "x = a",
            "x = a:",
            "x = a:b; import os",
            "x = a:b()",
            "x = a b:c",
            "x = a:b [",
            "no line",
            "x = a:b\nx = a:c",
        ] {
            let text = format!("[console_scripts]\n{line}\n");
            assert!(scripts(text.as_bytes()).is_err(), "{line}");
        }
        assert!(scripts(b"x = a:b\n").is_err());
        let many: String = (0..=limits::PROGRAMS).map(|n| format!("x{n} = a:b\n")).collect();
        let many = scripts(format!("[gui_scripts]\n{many}").as_bytes());
        assert_eq!(many, Err(EntryPointsError::Many));
        let long = format!("[gui_scripts]\n{} = a:b\n", "x".repeat(1 << 20));
        assert!(scripts(long.as_bytes()).unwrap_err().to_string().len() < 300);
        assert!(
            scripts(b"[console_scripts]\npythonize = a:b\npython-x = a:b\nx = a:b\nx = a:b\n")
                .is_ok()
        );
    }
}

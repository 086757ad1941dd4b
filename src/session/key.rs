//! The cache key of an evaluation.

use super::{Argument, Expression, Source, absolute};
use crate::evaluate::{EvalHost, cache::Key};

/// Everything that an evaluation depends on besides the host's answers: the expression, the settings and
/// this program. `None` if the cache is disabled.
pub(super) fn key(expression: &Expression, host: &EvalHost<'_>) -> Option<Key> {
    use std::{
        os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
        path::Path,
    };
    let Expression {
        source,
        attributes,
        arguments,
        search_path: _, // as the host has it
        impure,
        features,
        import_from_derivation,
        abort_on_warn,
        trace_verbose,
        cached,
        eager: _, // of values that are printed
        profiled,
        memory: _,
        style: _,
    } = expression;
    let is_stdin = matches!(source, Source::Text(clutch_expr::source::Origin::Stdin, _));
    if !cached || *profiled || is_stdin {
        return None;
    }
    let mut key = Key::default();
    // the file identifies the program: another build may have the same version
    let program = fs_err::metadata("/proc/self/exe").ok()?;
    let times = [program.mtime(), program.mtime_nsec(), program.ctime(), program.ctime_nsec()];
    key.add(times.map(i64::to_le_bytes));
    key.add([program.dev(), program.ino(), program.size()].map(u64::to_le_bytes));
    let (file, text) = match source {
        Source::File(path) => (Some(path.as_os_str().as_bytes()), None),
        Source::Text(_, text) => (None, Some(text)),
    };
    key.add(file);
    // expressions on the command line are relative to the working folder
    let is_code = |argument: &Argument| matches!(argument, Argument::Expression(_));
    let has_code = text.is_some() || arguments.iter().any(|(_, argument)| is_code(argument));
    let folder = absolute(Path::new(".")).ok()?;
    key.add(has_code.then(|| folder.as_os_str().as_bytes()));
    key.add(text).add(attributes);
    for code in [true, false] {
        let of_kind = arguments.iter().filter(|(_, argument)| is_code(argument) == code);
        key.add(of_kind.flat_map(|(name, argument)| match argument {
            Argument::Expression(text) | Argument::Text(text) => [name, text],
        }));
    }
    key.add(features);
    key.add(host.search_path.iter().flat_map(|(prefix, path)| [prefix, path]));
    key.add(&host.system).add([[
        u8::from(*impure),
        u8::from(*trace_verbose),
        u8::from(*abort_on_warn),
    ]]);
    key.add([[u8::from(!*import_from_derivation)]]);
    key.add(host.impure.iter().map(|s| &s.system));
    let allowed = host.access.allowed.iter().flatten();
    key.add(allowed.map(|path| path.as_os_str().as_bytes()));
    Some(key)
}

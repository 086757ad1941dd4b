//! The library `<clutch>`: its files from `expr/lib`, and the functions that they call. Every evaluation
//! has it. Each kind of lock has a file here that turns a parsed lock into values of the language.

mod debian;
mod lock;
mod python;

use clutch_expr::eval::{Builtin, Library};

/// The library of every evaluation.
pub static LIBRARY: Library = Library {
    files: include!(concat!(env!("OUT_DIR"), "/library_files.rs")),
    entries: &[("clutch", ""), ("nix", "nix")],
    functions: FUNCTIONS,
};

/// The attributes of `host` in the library's files.
const FUNCTIONS: &[Builtin] = &[
    Builtin::new("readDebianLock", 1, debian::read_lock),
    Builtin::new("selectWheels", 1, python::select_wheels),
    Builtin::new("normalisedName", 1, python::normalised_name),
    Builtin::new("isDistributionName", 1, python::is_name),
    Builtin::new("isVersion", 1, python::is_version),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn its_files_are_in_the_program() {
        for file in ["default.nix", "nix/fetchurl.nix", "debian/shell.lock"] {
            assert!(LIBRARY.read(&Path::new("/__clutch__").join(file)).is_some(), "{file}");
        }
    }
}

//! The descriptions of the builtins that `:doc` prints.

/// Name, parameters, text.
type Entry = (&'static str, &'static str, &'static str);

/// Sorted by name.
const DOCS: &[Entry] = &[
    (
        "abort",
        "message",
        "End the evaluation with a message. `tryEval` does not catch it, unlike `throw`.",
    ),
    ("add", "a b", "Return the sum of two numbers: `a + b`."),
    (
        "addDrvOutputDependencies",
        "string",
        "Turn the one reference of a string from a derivation file to the derivation with everything it needs.",
    ),
    (
        "addErrorContext",
        "text value",
        "Return the value. If computing it fails, the trace of the error shows the text.",
    ),
    (
        "all",
        "predicate list",
        "Return true if the predicate holds for every element. Stops at the first one that fails it.",
    ),
    (
        "any",
        "predicate list",
        "Return true if the predicate holds for at least one element. Stops at the first one that passes it.",
    ),
    (
        "appendContext",
        "string context",
        "Add references to a string. The context has the form that `getContext` returns.",
    ),
    ("attrNames", "set", "Return the names of the attributes, sorted by their bytes."),
    ("attrValues", "set", "Return the values of the attributes, in the order of their names."),
    (
        "baseNameOf",
        "path",
        "Return the part of a path or string after the last slash. A slash at the end does not count.",
    ),
    ("bitAnd", "a b", "Return the bitwise AND of two integers."),
    ("bitOr", "a b", "Return the bitwise OR of two integers."),
    ("bitXor", "a b", "Return the bitwise XOR of two integers."),
    ("break", "value", "Return the value. Nix's debugger stops here; clutch has no debugger."),
    (
        "catAttrs",
        "name list",
        "Collect the attribute with that name from every set in the list that has it.",
    ),
    ("ceil", "number", "Round a number up to an integer."),
    (
        "compareVersions",
        "a b",
        "Return -1, 0 or 1 if the first version is older than, equal to, or newer than the second. Versions are compared part by part, and numbers as numbers.",
    ),
    ("concatLists", "lists", "Concatenate a list of lists."),
    ("concatMap", "f list", "Call f with every element and concatenate the lists that it returns."),
    ("concatStringsSep", "separator list", "Join the strings of a list with a separator."),
    (
        "convertHash",
        "{ hash, hashAlgo ? null, toHashFormat }",
        "Convert a hash to another notation: `base16`, `nix32`, `base64` or `sri`.",
    ),
    ("deepSeq", "a b", "Compute a and everything in it, then return b."),
    (
        "derivation",
        "attributes",
        "Describe a build. `name`, `system` and `builder` are required. The result is a set with the given attributes, `drvPath`, `outPath`, and one set for each output.",
    ),
    (
        "derivationStrict",
        "attributes",
        "Return the paths of a derivation and its outputs. Use `derivation`, which calls this.",
    ),
    ("dirOf", "path", "Return the part of a path or string before the last slash."),
    (
        "div",
        "a b",
        "Return the quotient of two numbers. The quotient of integers is rounded towards zero.",
    ),
    ("elem", "value list", "Return true if an element of the list equals the value."),
    ("elemAt", "list index", "Return the element at an index. The first element has index 0."),
    (
        "fetchGit",
        "url or { url, rev, ... }",
        "Fetch a commit of a Git repository by its full id. The result is a set with the store path and facts about the commit.",
    ),
    ("fetchMercurial", "arguments", "Not supported: a call is an error."),
    (
        "fetchTarball",
        "url or { url, sha256, name ? \"source\" }",
        "Fetch an archive and unpack it to a store path. `sha256` is the hash of the tree; pure evaluation requires it.",
    ),
    (
        "fetchTree",
        "{ type, ... }",
        "Fetch the tree that the attributes describe. Pure evaluation requires its hash.",
    ),
    (
        "fetchurl",
        "url or { url, sha256, name ? ... }",
        "Fetch a file to a store path. Pure evaluation requires its hash.",
    ),
    ("filter", "predicate list", "Return the elements for which the predicate holds."),
    (
        "filterSource",
        "predicate path",
        "Copy a folder to the store, with the entries for which the predicate holds. The predicate is called with path and type. Prefer `path`, which can do more.",
    ),
    ("findFile", "searchPath name", "Find a name in a search path. `<name>` calls this."),
    ("flakeRefToString", "attributes", "Write a flake reference as text."),
    ("floor", "number", "Round a number down to an integer."),
    (
        "foldl'",
        "f start list",
        "Call f with the result so far and the next element, from left to right. Each step is computed before the next.",
    ),
    ("fromJSON", "string", "Parse a JSON document."),
    ("fromTOML", "string", "Parse a TOML document."),
    (
        "functionArgs",
        "function",
        "Return the names in the set pattern of a function, each with `true` if it has a default.",
    ),
    (
        "genList",
        "f length",
        "Return the list `[ (f 0) (f 1) ... ]`. Elements are computed when they are needed.",
    ),
    (
        "genericClosure",
        "{ startSet, operator }",
        "Return all sets reached from `startSet` by calling `operator`, nearest first. Each `key` occurs once.",
    ),
    ("getAttr", "name set", "Return the attribute of that name: `set.${name}`."),
    (
        "getContext",
        "string",
        "Return the references of a string as a set. Its names are the store paths.",
    ),
    (
        "getEnv",
        "name",
        "Return an environment variable. In pure evaluation the result is an empty string.",
    ),
    ("getFlake", "reference", "Not supported: a call is an error."),
    (
        "groupBy",
        "f list",
        "Group the elements of a list by the name that f returns for each. The result is a set of lists.",
    ),
    ("hasAttr", "name set", "Return true if a set has an attribute of that name: `set ? ${name}`."),
    ("hasContext", "string", "Return true if a string refers to a store path."),
    (
        "hashFile",
        "algorithm path",
        "Return the hash of the bytes of a file in base 16. Algorithms: `md5`, `sha1`, `sha256`, `sha512`, `blake3`.",
    ),
    (
        "hashString",
        "algorithm string",
        "Return the hash of the bytes of a string in base 16. Algorithms: `md5`, `sha1`, `sha256`, `sha512`, `blake3`.",
    ),
    ("head", "list", "Return the first element."),
    ("import", "path", "Evaluate a file, or `default.nix` in a folder. A file is evaluated once."),
    ("intersectAttrs", "a b", "Return the attributes of b whose names also exist in a."),
    ("isAttrs", "value", "Return true if a value is a set."),
    ("isBool", "value", "Return true if a value is `true` or `false`."),
    ("isFloat", "value", "Return true if a value is a float."),
    ("isFunction", "value", "Return true if a value is a function. A set with `__functor` is not."),
    ("isInt", "value", "Return true if a value is an integer."),
    ("isList", "value", "Return true if a value is a list."),
    ("isNull", "value", "Return true if a value is `null`."),
    ("isPath", "value", "Return true if a value is a path."),
    ("isString", "value", "Return true if a value is a string."),
    ("length", "list", "Return the number of elements in a list."),
    (
        "lessThan",
        "a b",
        "Return true if a is less than b: `a < b`. Compares numbers, strings, paths and lists of these.",
    ),
    (
        "listToAttrs",
        "list",
        "Build a set from a list of sets with `name` and `value`. If a name occurs more than once, the first one is used.",
    ),
    (
        "map",
        "f list",
        "Call f with every element and return the list of results. Results are computed when they are needed.",
    ),
    (
        "mapAttrs",
        "f set",
        "Call f with the name and value of every attribute and return the set of results. Results are computed when they are needed.",
    ),
    (
        "match",
        "pattern string",
        "Match a whole string against a POSIX extended pattern. Returns the list of its groups (`null` for an unused group), or `null` if the string does not match.",
    ),
    ("mul", "a b", "Return the product of two numbers: `a * b`."),
    (
        "parseDrvName",
        "string",
        "Split a package name such as `hello-2.12` into `name` and `version`. The version follows the first dash before a digit.",
    ),
    ("parseFlakeRef", "string", "Parse a flake reference into attributes."),
    (
        "partition",
        "predicate list",
        "Split a list into the elements for which the predicate holds (`right`) and the others (`wrong`).",
    ),
    (
        "path",
        "{ path, name ? ..., filter ? ..., recursive ? true, sha256 ? ... }",
        "Copy a file or folder to the store.",
    ),
    ("pathExists", "path", "Return true if a path exists."),
    (
        "placeholder",
        "output",
        "Return a placeholder for the path of an output, to be used in the attributes of its own derivation.",
    ),
    (
        "readDir",
        "path",
        "List the entries of a folder, each with its type: `regular`, `directory`, `symlink` or `unknown`.",
    ),
    ("readFile", "path", "Return the content of a file as a string."),
    (
        "readFileType",
        "path",
        "Return the type of the file at a path: `regular`, `directory`, `symlink` or `unknown`.",
    ),
    ("removeAttrs", "set names", "Remove the attributes with the given names from a set."),
    (
        "replaceStrings",
        "from to string",
        "Replace each occurrence of an element of `from` by the element of `to` at the same index. Replaced text is not searched again.",
    ),
    (
        "scopedImport",
        "set path",
        "Evaluate a file that sees the attributes of a set as variables. It is evaluated on every call.",
    ),
    ("seq", "a b", "Compute a, then return b."),
    ("sort", "lessThan list", "Sort a list. Equal elements keep their order."),
    (
        "split",
        "pattern string",
        "Split a string at the matches of a POSIX extended pattern. The result has the parts and, between them, the list of groups of each match.",
    ),
    ("splitVersion", "string", "Split a version into the parts that `compareVersions` compares."),
    ("storePath", "path", "Return a store path as a string that refers to it."),
    ("stringLength", "string", "Return the number of bytes in a string."),
    ("sub", "a b", "Return the difference of two numbers: `a - b`."),
    (
        "substring",
        "start length string",
        "Return `length` bytes of a string, starting at byte `start` (the first is 0). A negative length returns the rest.",
    ),
    ("tail", "list", "Return a list without its first element."),
    ("throw", "message", "Fail with a message. `tryEval` catches it."),
    (
        "toFile",
        "name text",
        "Write a text to a file in the store. The text may refer to store paths, but not to outputs of derivations.",
    ),
    (
        "toJSON",
        "value",
        "Write a value as JSON. Paths are copied to the store, and a set with `outPath` is written as that path.",
    ),
    (
        "toPath",
        "path",
        "Return a path as a string without `.`, `..` and doubled slashes. To turn a string into a path, write `/. + string`.",
    ),
    (
        "toString",
        "value",
        "Convert a value to a string. Beyond what can be interpolated, it accepts numbers, `true` (\"1\"), `false` and `null` (\"\"), and lists, whose elements are joined by blanks.",
    ),
    ("toXML", "value", "Write a value as XML."),
    ("trace", "message value", "Show the message, then return the value."),
    (
        "traceVerbose",
        "message value",
        "Show the message if --verbose is given, then return the value.",
    ),
    (
        "tryEval",
        "value",
        "Return `{ success = true; value = ...; }`, or `{ success = false; value = false; }` if computing the value fails by `throw` or `assert`.",
    ),
    (
        "typeOf",
        "value",
        "Return the type: `int`, `bool`, `string`, `path`, `null`, `set`, `list`, `lambda` or `float`.",
    ),
    (
        "unsafeDiscardOutputDependency",
        "string",
        "Turn the references of a string from derivations with everything they need to the derivation files alone.",
    ),
    ("unsafeDiscardStringContext", "string", "Return the string without its references."),
    (
        "unsafeGetAttrPos",
        "name set",
        "Return the place where an attribute was defined: `{ file, line, column }`, or `null` if it is not known.",
    ),
    ("warn", "message value", "Show a warning, then return the value."),
    (
        "zipAttrsWith",
        "f list",
        "Combine a list of sets into one. For every name, f is called with the name and the list of its values.",
    ),
];

/// The parameters of a builtin, and its description.
#[must_use]
pub(crate) fn doc(name: &str) -> Option<(&'static str, &'static str)> {
    let at = DOCS.binary_search_by_key(&name, |entry| entry.0).ok()?;
    Some((DOCS[at].1, DOCS[at].2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_described_and_nothing_else() {
        assert!(DOCS.is_sorted_by(|a, b| a.0 < b.0));
        let mut names: Vec<&str> =
            super::super::table::all().map(|builtin| builtin.signature.name()).collect();
        names.sort_unstable();
        let described: Vec<&str> = DOCS.iter().map(|entry| entry.0).collect();
        assert_eq!(described, names);
    }
}

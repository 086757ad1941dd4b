//! What the builtins are for, in a sentence or two each, for people who ask while they work.

/// Name, parameters, text.
type Entry = (&'static str, &'static str, &'static str);

/// Sorted by name.
const DOCS: &[Entry] = &[
    (
        "abort",
        "message",
        "Ends the evaluation with a message. Unlike `throw`, `tryEval` does not catch it.",
    ),
    ("add", "a b", "The sum of two numbers: `a + b`."),
    (
        "addDrvOutputDependencies",
        "string",
        "The same string, where its one reference to a derivation file becomes a reference to the derivation with all that it needs.",
    ),
    (
        "addErrorContext",
        "text value",
        "The value. Where computing it fails, the error's trace shows the text.",
    ),
    (
        "all",
        "predicate list",
        "Whether the predicate holds for every element; it stops at the first where it does not.",
    ),
    (
        "any",
        "predicate list",
        "Whether the predicate holds for some element; it stops at the first where it does.",
    ),
    (
        "appendContext",
        "string context",
        "The string with more references, written as `getContext` returns them.",
    ),
    ("attrNames", "set", "The names of the attributes, in the order of their bytes."),
    ("attrValues", "set", "The values of the attributes, in the order of their names."),
    (
        "baseNameOf",
        "path",
        "What follows the last slash of a path or string; a slash at the end does not count.",
    ),
    ("bitAnd", "a b", "The bits that two integers have in common."),
    ("bitOr", "a b", "The bits that at least one of two integers has."),
    ("bitXor", "a b", "The bits that exactly one of two integers has."),
    ("break", "value", "The value. Nix's debugger stops here; there is none here."),
    ("catAttrs", "name list", "The attribute of that name of every set of the list that has it."),
    ("ceil", "number", "The least integer that is not below the number."),
    (
        "compareVersions",
        "a b",
        "-1, 0 or 1, as the first version is older than, the same as, or newer than the second. Versions are compared part by part, numbers as numbers.",
    ),
    ("concatLists", "lists", "The lists of a list, one behind the other."),
    (
        "concatMap",
        "f list",
        "Calls f with every element and puts the lists that it returns one behind the other.",
    ),
    ("concatStringsSep", "separator list", "The strings of a list with a separator between."),
    (
        "convertHash",
        "{ hash, hashAlgo ? null, toHashFormat }",
        "A hash in another notation: `base16`, `nix32`, `base64` or `sri`.",
    ),
    ("deepSeq", "a b", "b, after a and everything in it was computed."),
    (
        "derivation",
        "attributes",
        "What is to be built: a set with the attributes, and `drvPath`, `outPath` and one set for each output. Needed are `name`, `system` and `builder`.",
    ),
    (
        "derivationStrict",
        "attributes",
        "The paths of a derivation and its outputs. `derivation` is made of this, and is what a program should call.",
    ),
    ("dirOf", "path", "What stands before the last slash of a path or string."),
    ("div", "a b", "The quotient of two numbers; that of integers is cut towards zero."),
    ("elem", "value list", "Whether some element equals the value."),
    ("elemAt", "list index", "The element at an index, which counts from 0."),
    (
        "fetchGit",
        "url or { url, rev, ... }",
        "A commit of a Git repository, by its full id, as a store path and what is known of it.",
    ),
    ("fetchMercurial", "arguments", "Left out here: calling it is an error."),
    (
        "fetchTarball",
        "url or { url, sha256, name ? \"source\" }",
        "An unpacked archive as a store path. In pure evaluation the hash of its tree is needed.",
    ),
    (
        "fetchTree",
        "{ type, ... }",
        "A tree from a place that attributes describe, by hash in pure evaluation.",
    ),
    (
        "fetchurl",
        "url or { url, sha256, name ? ... }",
        "A file as a store path. In pure evaluation its hash is needed.",
    ),
    ("filter", "predicate list", "The elements for which the predicate holds."),
    (
        "filterSource",
        "predicate path",
        "A folder's copy in the store with the entries for which the predicate, called with path and type, holds. `path` does the same and more.",
    ),
    (
        "findFile",
        "searchPath name",
        "The first entry of a search path that has the name: what `<name>` means.",
    ),
    ("flakeRefToString", "attributes", "A flake reference as text."),
    ("floor", "number", "The greatest integer that is not above the number."),
    (
        "foldl'",
        "f start list",
        "Calls f with what it has so far and the next element, from the left; each step is computed before the next.",
    ),
    ("fromJSON", "string", "The value that a JSON document describes."),
    ("fromTOML", "string", "The value that a TOML document describes."),
    ("functionArgs", "function", "The names of a set pattern, each with whether it has a default."),
    (
        "genList",
        "f length",
        "The list of f called with 0, 1, and so on; elements are computed when they are asked for.",
    ),
    (
        "genericClosure",
        "{ startSet, operator }",
        "All sets that are reached from `startSet` by calling `operator`, each `key` once, nearest first.",
    ),
    ("getAttr", "name set", "The attribute of that name: `set.${name}`."),
    ("getContext", "string", "What a string refers to, as a set by store path."),
    (
        "getEnv",
        "name",
        "A variable of the process environment; an empty string in pure evaluation.",
    ),
    ("getFlake", "reference", "Left out here: calling it is an error."),
    ("groupBy", "f list", "A set of lists: every element under the name that f returns for it."),
    ("hasAttr", "name set", "Whether a set has an attribute of that name: `set ? ${name}`."),
    ("hasContext", "string", "Whether a string refers to anything of the store."),
    (
        "hashFile",
        "algorithm path",
        "The hash of a file's bytes in base 16. Algorithms: `md5`, `sha1`, `sha256`, `sha512`, `blake3`.",
    ),
    (
        "hashString",
        "algorithm string",
        "The hash of a string's bytes in base 16. Algorithms: `md5`, `sha1`, `sha256`, `sha512`, `blake3`.",
    ),
    ("head", "list", "The first element."),
    (
        "import",
        "path",
        "The value of a file, or of `default.nix` in a folder. A file is evaluated once.",
    ),
    ("intersectAttrs", "a b", "The attributes of b whose names a has, too."),
    ("isAttrs", "value", "Whether a value is a set."),
    ("isBool", "value", "Whether a value is `true` or `false`."),
    ("isFloat", "value", "Whether a value is a float."),
    ("isFunction", "value", "Whether a value is a function. A set with `__functor` is not."),
    ("isInt", "value", "Whether a value is an integer."),
    ("isList", "value", "Whether a value is a list."),
    ("isNull", "value", "Whether a value is `null`."),
    ("isPath", "value", "Whether a value is a path."),
    ("isString", "value", "Whether a value is a string."),
    ("length", "list", "How many elements a list has."),
    (
        "lessThan",
        "a b",
        "Whether a is less than b: `a < b`. Numbers, strings, paths and lists of these have an order.",
    ),
    (
        "listToAttrs",
        "list",
        "A set made of sets with `name` and `value`; of several with one name the first counts.",
    ),
    (
        "map",
        "f list",
        "The list of f called with every element; each is computed when it is asked for.",
    ),
    (
        "mapAttrs",
        "f set",
        "The set of f called with the name and the value of every attribute; each is computed when it is asked for.",
    ),
    (
        "match",
        "pattern string",
        "The groups of a POSIX extended pattern that matches the whole string, `null` for a group that took no part; `null` where it does not match.",
    ),
    ("mul", "a b", "The product of two numbers: `a * b`."),
    (
        "parseDrvName",
        "string",
        "The `name` and `version` of a package name such as `hello-2.12`: the version starts at the first dash before a digit.",
    ),
    ("parseFlakeRef", "string", "A flake reference as attributes."),
    (
        "partition",
        "predicate list",
        "The elements for which the predicate holds (`right`) and the others (`wrong`).",
    ),
    (
        "path",
        "{ path, name ? ..., filter ? ..., recursive ? true, sha256 ? ... }",
        "A file's or folder's copy in the store.",
    ),
    ("pathExists", "path", "Whether there is something at a path."),
    (
        "placeholder",
        "output",
        "The text that stands for an output's path in the attributes of its own derivation.",
    ),
    (
        "readDir",
        "path",
        "The entries of a folder, each with `regular`, `directory`, `symlink` or `unknown`.",
    ),
    ("readFile", "path", "The content of a file as a string."),
    ("readFileType", "path", "What is at a path: `regular`, `directory`, `symlink` or `unknown`."),
    ("removeAttrs", "set names", "The set without the attributes of a list of names."),
    (
        "replaceStrings",
        "from to string",
        "The string with each occurrence of an element of `from` replaced by the element of `to` at the same index. What was replaced is not looked at again.",
    ),
    (
        "scopedImport",
        "set path",
        "The value of a file that sees the attributes of a set as variables. It is evaluated every time.",
    ),
    ("seq", "a b", "b, after a was computed."),
    (
        "sort",
        "lessThan list",
        "The list in an order; elements of which none is less stay as they stood.",
    ),
    (
        "split",
        "pattern string",
        "The parts of a string between the matches of a POSIX extended pattern, and between them the lists of each match's groups.",
    ),
    ("splitVersion", "string", "The parts of a version, as `compareVersions` compares them."),
    ("storePath", "path", "A path of the store as a string that refers to it."),
    ("stringLength", "string", "How many bytes a string has."),
    ("sub", "a b", "The difference of two numbers: `a - b`."),
    (
        "substring",
        "start length string",
        "So many bytes of a string from a byte on, which counts from 0; with a negative length all the rest.",
    ),
    ("tail", "list", "The list without its first element, in time that grows with its length."),
    ("throw", "message", "Fails with a message. `tryEval` catches it."),
    (
        "toFile",
        "name text",
        "A file of the store with that content. The text may refer to store paths, but not to outputs of derivations.",
    ),
    (
        "toJSON",
        "value",
        "A value as JSON. Paths are copied to the store; sets with `outPath` are that.",
    ),
    (
        "toPath",
        "path",
        "A path as a string without `.`, `..` and doubled slashes. To make a path of a string, write `/. + string`.",
    ),
    (
        "toString",
        "value",
        "A value as a string: what can be interpolated, and numbers, `true` as \"1\", `false` and `null` as \"\", lists with blanks between.",
    ),
    ("toXML", "value", "A value as XML."),
    ("trace", "message value", "The value, after the message was shown."),
    ("traceVerbose", "message value", "The value; the message is shown with --verbose only."),
    (
        "tryEval",
        "value",
        "`{ success = true; value = ...; }`, or `{ success = false; value = false; }` where computing the value fails by `throw` or `assert`.",
    ),
    (
        "typeOf",
        "value",
        "The type: `int`, `bool`, `string`, `path`, `null`, `set`, `list`, `lambda` or `float`.",
    ),
    (
        "unsafeDiscardOutputDependency",
        "string",
        "The same string, where references to derivations with all that they need become references to the files alone.",
    ),
    ("unsafeDiscardStringContext", "string", "The same string without any reference."),
    (
        "unsafeGetAttrPos",
        "name set",
        "Where an attribute was defined: `{ file, line, column }`, or `null` where that is not known.",
    ),
    ("warn", "message value", "The value, after a warning was shown."),
    (
        "zipAttrsWith",
        "f list",
        "One set out of many: under every name the result of f, called with the name and the list of the values that the sets have there.",
    ),
];

/// The parameters of a builtin and what it is for.
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

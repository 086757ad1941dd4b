//! A builder's environment and the files in its working directory, as a pure function of the derivation
//! (docs/builds.md, "A builder's view").

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    attributes::{AttributeError, Attributes},
    input_graph::Exports,
};
use crate::{
    derivation::{Derivation, placeholder},
    store_path::STORE_DIR,
};

/// The working directory.
pub(super) const BUILD_DIR: &str = "/build";

/// Variables that a derivation's attributes may replace.
const DEFAULTS: &[(&str, &str)] = &[
    ("PATH", "/path-not-set"),
    ("HOME", "/homeless-shelter"),
    // The earliest time that a zip archive can hold.
    ("SOURCE_DATE_EPOCH", "315532800"),
    ("PYTHONHASHSEED", "0"),
    ("TZ", "UTC"),
];

/// Variables that name the working directory, whatever the attributes say.
const DIRECTORIES: &[&str] = &["NIX_BUILD_TOP", "TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"];

/// The environment and the files of one build.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BuilderEnvironment {
    /// The variables.
    pub(super) variables: BTreeMap<String, Vec<u8>>,
    /// Files in the working directory: name and content.
    pub(super) files: Vec<(String, Vec<u8>)>,
}

/// Puts the paths of the outputs in place of their placeholders, everywhere in the derivation.
/// `None` if there are none.
pub(super) fn fill_placeholders(derivation: &Derivation) -> Option<Derivation> {
    let outputs: Vec<(String, String)> = derivation
        .outputs
        .iter()
        .map(|(name, output)| (placeholder(name), output.path.to_string()))
        .collect();
    let occurs = |bytes: &[u8]| {
        outputs.iter().any(|(mark, _)| memchr::memmem::find(bytes, mark.as_bytes()).is_some())
    };
    let fill = |bytes: &mut Vec<u8>| {
        for (mark, path) in &outputs {
            if memchr::memmem::find(bytes, mark.as_bytes()).is_some() {
                *bytes = replace(bytes, mark.as_bytes(), path.as_bytes());
            }
        }
    };
    let structured = derivation.structured.as_deref().unwrap_or_default();
    let texts = derivation.args.iter().chain(derivation.env.values()).chain([&derivation.builder]);
    if !texts.map(Vec::as_slice).chain([structured.as_bytes()]).any(occurs) {
        return None;
    }
    let mut filled = derivation.clone();
    fill(&mut filled.builder);
    filled.args.iter_mut().for_each(fill);
    filled.env.values_mut().for_each(fill);
    filled.structured = filled.structured.map(|mut text| {
        for (mark, path) in &outputs {
            text = text.replace(mark, path);
        }
        text
    });
    Some(filled)
}

fn replace(bytes: &[u8], mark: &[u8], path: &[u8]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, mark) {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(path);
        rest = &rest[at + mark.len()..];
    }
    filled.extend_from_slice(rest);
    filled
}

/// The file name for an attribute: its own name, for messages of a shell, unless that is not valid for a file.
fn attribute_file(name: &str, number: usize) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match starts && name.len() <= 200 && name.chars().all(is_plain) {
        true => format!(".attr-{name}"),
        false => format!(".attr-{number}"),
    }
}

/// The environment of a derivation's builder, with its number of processors and the requested graphs.
///
/// # Errors
/// If `passAsFile` or the structured attributes have the wrong form.
pub(super) fn environment(
    derivation: &Derivation,
    cores: usize,
    graphs: Exports,
) -> Result<BuilderEnvironment, AttributeError> {
    let mut made = BuilderEnvironment::default();
    let variables = &mut made.variables;
    for (name, value) in DEFAULTS {
        variables.insert((*name).to_owned(), (*value).into());
    }
    variables.insert("NIX_STORE".to_owned(), STORE_DIR.into());
    variables.insert("NIX_BUILD_CORES".to_owned(), cores.to_string().into());
    for (name, output) in &derivation.outputs {
        variables.insert(name.clone(), output.path.to_string().into());
    }
    let attributes = Attributes::of(derivation)?;
    match &attributes {
        Attributes::Flat(env) => {
            let as_file = attributes.list("passAsFile")?.unwrap_or_default();
            for (name, value) in *env {
                match as_file.iter().position(|n| n == name) {
                    None => {
                        variables.insert(name.clone(), value.clone());
                    }
                    Some(number) => {
                        let file = attribute_file(name, number);
                        let path = format!("{BUILD_DIR}/{file}");
                        variables.insert(format!("{name}Path"), path.into());
                        made.files.push((file, value.clone()));
                    }
                }
            }
        }
        Attributes::Structured(map) => {
            let outputs: serde_json::Map<String, Value> = derivation
                .outputs
                .iter()
                .map(|(name, output)| (name.clone(), output.path.to_string().into()))
                .collect();
            let mut map = map.clone();
            map.insert("outputs".to_owned(), outputs.into());
            map.extend(graphs.members);
            for (variable, file, content) in [
                ("NIX_ATTRS_JSON_FILE", ".attrs.json", Value::Object(map.clone()).to_string()),
                ("NIX_ATTRS_SH_FILE", ".attrs.sh", shell(&map)),
            ] {
                variables.insert(variable.to_owned(), format!("{BUILD_DIR}/{file}").into());
                made.files.push((file.to_owned(), content.into()));
            }
        }
    }
    made.files.extend(graphs.files);
    for name in DIRECTORIES {
        variables.insert((*name).to_owned(), BUILD_DIR.into());
    }
    variables.insert("TERM".to_owned(), "xterm-256color".into());
    Ok(made)
}

/// The attributes as declarations that bash reads, those of them that bash can hold: texts,
/// integers, booleans, null, and lists and sets of these.
fn shell(map: &serde_json::Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in map.iter().filter(|(name, _)| is_variable(name)) {
        match value {
            Value::Array(items) => {
                let items: Option<Vec<_>> = items.iter().map(scalar).collect();
                if let Some(items) = items {
                    let items: String = items.iter().map(|item| format!("{item} ")).collect();
                    text += &format!("declare -a {name}=({items})\n");
                }
            }
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| {
                    Some(format!("[{}]={} ", quoted(key), scalar(value)?))
                };
                if let Some(members) = members.iter().map(member).collect::<Option<String>>() {
                    text += &format!("declare -A {name}=({members})\n");
                }
            }
            value => {
                if let Some(value) = scalar(value) {
                    text += &format!("declare {name}={value}\n");
                }
            }
        }
    }
    text
}

fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(quoted(text)),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => (float.fract() == 0.0).then(|| format!("{float:.0}")),
            _ => Some(number.to_string()),
        },
        Value::Null => Some("''".to_owned()),
        Value::Bool(yes) => Some(if *yes { "1" } else { "" }.to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{derivation::Output, store_path::StorePath};

    fn derivation(env: &[(&str, &str)], structured: Option<&str>) -> Derivation {
        let output = |name: &str| Output {
            path: StorePath::new(&[name.len() as u8; 20], name).unwrap(),
            fixed: None,
        };
        Derivation {
            name: "x".to_owned(),
            system: "x86_64-linux".to_owned(),
            builder: b"/bin/sh".to_vec(),
            args: vec![placeholder("out").into()],
            env: env.iter().map(|&(k, v)| (k.to_owned(), v.into())).collect(),
            structured: structured.map(str::to_owned),
            outputs: [("out".to_owned(), output("x")), ("dev".to_owned(), output("x-dev"))].into(),
            input_derivations: BTreeMap::new(),
            input_sources: BTreeSet::new(),
        }
    }

    fn text<'a>(environment: &'a BuilderEnvironment, name: &str) -> Option<&'a str> {
        environment.variables.get(name).map(|value| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn attributes_replace_defaults_but_not_directories() {
        let made = environment(
            &derivation(&[("PATH", "/bin"), ("TMPDIR", "/elsewhere"), ("greeting", "hello")], None),
            3,
            Exports::default(),
        )
        .unwrap();
        assert_eq!(text(&made, "PATH"), Some("/bin"));
        assert_eq!(text(&made, "HOME"), Some("/homeless-shelter"));
        assert_eq!(text(&made, "TMPDIR"), Some("/build"));
        assert_eq!(text(&made, "greeting"), Some("hello"));
        assert_eq!(text(&made, "NIX_BUILD_CORES"), Some("3"));
        assert!(text(&made, "dev").unwrap().ends_with("-x-dev"));
        assert!(made.files.is_empty());
    }

    #[test]
    fn an_attribute_passed_as_file_is_no_variable() {
        let env = [("passAsFile", "script other"), ("script", "echo hello"), ("kept", "1")];
        let made = environment(&derivation(&env, None), 1, Exports::default()).unwrap();
        assert_eq!(text(&made, "script"), None);
        assert_eq!(text(&made, "scriptPath"), Some("/build/.attr-script"));
        assert_eq!(text(&made, "otherPath"), None);
        assert_eq!(text(&made, "kept"), Some("1"));
        assert_eq!(attribute_file("../x", 1), ".attr-1");
        assert_eq!(attribute_file("0", 1), ".attr-1");
        assert_eq!(made.files, [(".attr-script".to_owned(), b"echo hello".to_vec())]);
    }

    #[test]
    fn structured_attributes_are_files_for_json_and_bash() {
        let json = r#"{"a b":1,"list":["x","it's"],"nested":{"k":{"l":1}},"no":false,"none":null,
            "number":3,"set":{"key":"value"},"whole":2.0,"half":1.5,"yes":true,"mixed":[1,[2]]}"#;
        let made = environment(&derivation(&[], Some(json)), 1, Exports::default()).unwrap();
        assert_eq!(text(&made, "NIX_ATTRS_SH_FILE"), Some("/build/.attrs.sh"));
        assert_eq!(text(&made, "list"), None);
        let file = |name: &str| {
            let found = made.files.iter().find(|(n, _)| n == name).unwrap();
            String::from_utf8(found.1.clone()).unwrap()
        };
        let value: Value = serde_json::from_str(&file(".attrs.json")).unwrap();
        assert!(value["outputs"]["dev"].as_str().unwrap().ends_with("-x-dev"));
        assert_eq!(value["nested"]["k"]["l"], 1);
        let shell: Vec<String> = file(".attrs.sh").lines().map(str::to_owned).collect();
        let (outputs, rest): (Vec<_>, Vec<_>) =
            shell.into_iter().partition(|line| line.contains("outputs="));
        assert!(outputs[0].starts_with("declare -A outputs=(['dev']='/clutch/store/"));
        assert_eq!(
            rest,
            [
                r"declare -a list=('x' 'it'\''s' )",
                "declare no=",
                "declare none=''",
                "declare number=3",
                "declare -A set=(['key']='value' )",
                "declare whole=2",
                "declare yes=1",
            ]
        );
    }

    #[test]
    fn placeholders_become_paths() {
        let mark = placeholder("dev");
        let env = [("flags", &*format!("a={mark} b={mark}")), ("plain", "x")];
        let json = format!(r#"{{"prefix":"{mark}/lib"}}"#);
        let filled = fill_placeholders(&derivation(&env, Some(&json))).unwrap();
        let path = filled.outputs["dev"].path.to_string();
        assert_eq!(filled.env["flags"], format!("a={path} b={path}").as_bytes());
        assert_eq!(filled.structured.unwrap(), format!(r#"{{"prefix":"{path}/lib"}}"#));
        assert_eq!(filled.args[0], filled.outputs["out"].path.to_string().as_bytes());
        let mut without = derivation(&[], None);
        without.args.clear();
        assert_eq!(fill_placeholders(&without), None);
    }
}

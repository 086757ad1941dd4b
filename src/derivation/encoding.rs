//! The canonical encoding of a derivation: the bytes that are hashed (docs/formats.md, "Canonical
//! encoding"). Tagged, length-prefixed and sorted, so two derivations have the same bytes only
//! if they are equal. Nothing reads it back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Derivation, Draft, DraftOutputs, Fixed, HashMode};
use crate::store_path::StorePath;

/// The first byte of every encoding; a change of the format changes it, and with it every path.
const VERSION: u8 = 1;

/// The encoding of the whole derivation, from which the path of its record follows.
pub(super) fn whole(derivation: &Derivation) -> Vec<u8> {
    let mut out = Writer::new(b'W');
    out.body(&Body::of(derivation), |_| true);
    out.tag(b'O').count(derivation.outputs.len());
    for (name, output) in &derivation.outputs {
        out.text(name).text(output.path.base());
        out.fixed(output.fixed.as_ref());
    }
    out.tag(b'D').count(derivation.input_derivations.len());
    for (path, names) in &derivation.input_derivations {
        out.text(path.base()).names(names);
    }
    out.0
}

/// The encoding with inputs by identity and without the paths of the outputs, which follow from it.
pub(super) fn modulo<'i>(
    body: &Body<'_>,
    outputs: &BTreeSet<&str>,
    inputs: impl ExactSizeIterator<Item = (&'i [u8; 32], &'i BTreeSet<String>)>,
) -> Vec<u8> {
    let mut out = Writer::new(b'M');
    out.body(body, |name| !outputs.contains(name));
    out.tag(b'O').count(outputs.len());
    for name in outputs {
        out.text(name);
    }
    out.tag(b'D').count(inputs.len());
    for (identity, names) in inputs {
        out.0.extend_from_slice(identity);
        out.names(names);
    }
    out.0
}

/// The encoding of a fixed output: its name and hash, and nothing of the way to get it.
pub(super) fn fixed(name: &str, fixed: &Fixed) -> Vec<u8> {
    let mut out = Writer::new(b'F');
    out.fixed(Some(fixed)).text(name);
    out.0
}

/// The common part of both encodings.
pub(super) struct Body<'a> {
    name: &'a str,
    system: &'a str,
    builder: &'a [u8],
    args: &'a [Vec<u8>],
    env: &'a BTreeMap<String, Vec<u8>>,
    structured: Option<&'a str>,
    input_sources: &'a BTreeSet<StorePath>,
}

impl<'a> Body<'a> {
    pub(super) fn of(derivation: &'a Derivation) -> Self {
        let Derivation { name, system, builder, args, env, structured, input_sources, .. } =
            derivation;
        let structured = structured.as_deref();
        Self { name, system, builder, args, env, structured, input_sources }
    }

    pub(super) fn of_draft(draft: &'a Draft) -> Self {
        let Draft { name, system, builder, args, env, structured, input_sources, .. } = draft;
        let structured = structured.as_deref();
        Self { name, system, builder, args, env, structured, input_sources }
    }
}

/// The names of a draft's outputs.
pub(super) fn output_names(outputs: &DraftOutputs) -> BTreeSet<&str> {
    match outputs {
        DraftOutputs::Named(names) => names.iter().map(String::as_str).collect(),
        DraftOutputs::Fixed(_) => BTreeSet::from(["out"]),
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(form: u8) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend([VERSION, form]);
        Self(bytes)
    }

    fn body(&mut self, body: &Body<'_>, keep: impl Fn(&str) -> bool) {
        self.tag(b'N').text(body.name);
        self.tag(b'S').text(body.system);
        self.tag(b'B').bytes(body.builder);
        self.tag(b'A').count(body.args.len());
        for arg in body.args {
            self.bytes(arg);
        }
        self.tag(b'E').count(body.env.keys().filter(|name| keep(name)).count());
        for (name, value) in body.env.iter().filter(|(name, _)| keep(name)) {
            self.text(name).bytes(value);
        }
        self.tag(b'J').count(usize::from(body.structured.is_some()));
        if let Some(json) = body.structured {
            self.text(json);
        }
        self.tag(b'I').count(body.input_sources.len());
        for path in body.input_sources {
            self.text(path.base());
        }
    }

    fn tag(&mut self, tag: u8) -> &mut Self {
        self.0.push(tag);
        self
    }

    fn count(&mut self, count: usize) -> &mut Self {
        self.0.extend_from_slice(&(count as u64).to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn names(&mut self, names: &BTreeSet<String>) -> &mut Self {
        self.count(names.len());
        for name in names {
            self.text(name);
        }
        self
    }

    fn fixed(&mut self, fixed: Option<&Fixed>) -> &mut Self {
        let Some(Fixed { mode, hash }) = fixed else { return self.tag(b'-') };
        self.tag(match mode {
            HashMode::Flat => b'f',
            HashMode::Recursive => b'r',
        });
        self.text(hash.algorithm().name()).bytes(hash.bytes())
    }
}

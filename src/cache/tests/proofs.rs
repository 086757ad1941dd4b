//! Content-addressed paths are accepted by their content, all others by trust alone.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    derivation::{Derivation, Draft, DraftOutputs, Fixed, HashMode, Identities, fixed_path},
    hash::{Algorithm, Hash},
    tree,
};

pub(super) fn draft(name: &str) -> Draft {
    Draft {
        name: name.to_owned(),
        system: "builtin".to_owned(),
        builder: b"builtin:text".to_vec(),
        args: vec![],
        env: BTreeMap::new(),
        structured: None,
        outputs: DraftOutputs::Named(["out".to_owned()].into()),
        input_derivations: BTreeMap::new(),
        input_sources: BTreeSet::new(),
    }
}

impl Space {
    /// Adds a file of that text, or a folder with one, under a path of any kind.
    fn put(&self, path: &StorePath, text: &[u8], folder: bool, deriver: Option<&StorePath>) {
        let scratch = self.store.scratch().unwrap();
        let source = scratch.path().join("tree");
        match folder {
            true => {
                fs_err::create_dir(&source).unwrap();
                fs_err::write(source.join("file"), text).unwrap();
            }
            false => fs_err::write(&source, text).unwrap(),
        }
        let insertion = Insertion {
            path: path.clone(),
            source: source.into(),
            references: References::Known(BTreeSet::new()),
            deriver: deriver.cloned(),
            expected: None,
            signatures: BTreeSet::new(),
        };
        self.store.insert(vec![insertion]).unwrap();
    }

    /// True if an import that trusts nothing takes the export of these paths whole.
    fn is_proved(&self, paths: &[StorePath]) -> bool {
        let to = space();
        let bytes = self.export(paths);
        let strict = to.import_with(&bytes, Trust::Nothing);
        match strict {
            Ok(imported) => {
                assert!(imported.trusted.is_empty());
                return true;
            }
            Err(TransferError::Unproved { .. }) => assert!(to.is_empty()),
            Err(other) => panic!("{other}"),
        }
        assert!(!to.import(&bytes).unwrap().trusted.is_empty());
        false
    }

    /// The error of an import, whatever is trusted.
    fn refused(&self, paths: &[StorePath]) -> String {
        let bytes = self.export(paths);
        let [text, _] = [Trust::Nothing, Trust::Outputs].map(|trust| {
            let to = space();
            let error = to.import_with(&bytes, trust).unwrap_err();
            assert!(matches!(error, TransferError::Refused { .. }), "{error}");
            assert!(to.is_empty());
            error.to_string()
        });
        text
    }
}

fn hash(text: &[u8], folder: bool, mode: HashMode, algorithm: Algorithm) -> Hash {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    match folder {
        true => {
            fs_err::create_dir(&root).unwrap();
            fs_err::write(root.join("file"), text).unwrap();
        }
        false => fs_err::write(&root, text).unwrap(),
    }
    tree::fixed_hash(&root, mode, algorithm, tree::Bounds::NONE).unwrap().unwrap()
}

#[test]
fn sources_and_texts_are_what_their_names_say() {
    let from = space();
    let tree = from.dir.path().join("source");
    fs_err::create_dir(&tree).unwrap();
    fs_err::write(tree.join("file"), "text").unwrap();
    let source = from.store.add_source("source", &tree, &mut |_, _| true).unwrap();
    let mentions = format!("mentions {source}");
    let text = from.store.add_text("text", mentions.as_bytes(), [source.clone()].into()).unwrap();
    // text that looks like a reference
    let plain = from.store.add_text("plain", mentions.as_bytes(), BTreeSet::new()).unwrap();
    assert!(from.is_proved(&[text.clone(), plain.clone()]));

    // the same names with other content
    let other = space();
    other.put(&source, b"other", true, None);
    assert!(!other.is_proved(std::slice::from_ref(&source)));
    let other = space();
    other.put(&plain, b"other", false, None);
    assert!(!other.is_proved(std::slice::from_ref(&plain)));
    // a derivation that uses it as a source says that its name follows from its content
    let user = Draft { input_sources: [source.clone()].into(), ..draft("user") };
    let (user, record) = Identities::new().resolve(user).unwrap();
    let other = space();
    other.put(&source, b"other", true, None);
    other.store.add_derivations(std::slice::from_ref(&record)).unwrap();
    let error = other.refused(std::slice::from_ref(&user));
    assert!(
        error.contains("its name does not follow from its content") && error.contains("-user.drv"),
        "{error}"
    );
    from.store.add_derivations(&[record]).unwrap();
    assert!(from.is_proved(&[user]));
}

#[test]
fn a_source_refers_to_nothing_and_nothing_makes_it() {
    let from = space();
    let file = from.dir.path().join("file");
    fs_err::write(&file, "text").unwrap();
    let source = from.store.add_source("source", &file, &mut |_, _| true).unwrap();
    let bytes = from.export(std::slice::from_ref(&source));
    fs_err::write(&file, &bytes).unwrap();
    let header = source::Source::open(&from.store, &file).unwrap().header().unwrap();
    for (change, expected) in [
        (
            (|h| assert!(h.paths[0].references.insert(path(1)))) as fn(&mut header::Header),
            "refers to nothing",
        ),
        (
            |h| h.paths[0].deriver = Some(StorePath::new(&[3; 20], "x.drv").unwrap()),
            "no derivation makes",
        ),
    ] {
        let mut header = header.clone();
        change(&mut header);
        let error = header::Header::from_bytes(&header.to_bytes().unwrap()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn fixed_outputs_are_what_their_hash_says() {
    for (folder, mode) in
        [(false, HashMode::Flat), (false, HashMode::Recursive), (true, HashMode::Recursive)]
    {
        for algorithm in Algorithm::ALL {
            let fixed = Fixed { mode, hash: hash(b"text", folder, mode, algorithm) };
            let made = Draft { outputs: DraftOutputs::Fixed(fixed), ..draft("made") };
            let (drv, record) = Identities::new().resolve(made).unwrap();
            let output = record.outputs["out"].path.clone();
            assert_eq!(output, fixed_path("made", &fixed).unwrap());
            let from = space();
            from.store.add_derivations(std::slice::from_ref(&record)).unwrap();
            from.put(&output, b"text", folder, Some(&drv));
            // with its derivation, and without, if the name is all there is
            assert!(from.is_proved(&[output.clone(), drv.clone()]), "{mode:?} {algorithm}");
            assert!(from.is_proved(std::slice::from_ref(&output)), "{mode:?} {algorithm}");
            // other content, beside the derivation
            let evil = space();
            evil.store.add_derivations(std::slice::from_ref(&record)).unwrap();
            evil.put(&output, b"evil", folder, Some(&drv));
            let error = evil.refused(&[output.clone(), drv.clone()]);
            assert!(error.contains("its hash is") && error.contains("-made.drv' says"), "{error}");
            // alone, it counts as an output of a build
            let alone = evil.export(std::slice::from_ref(&output));
            assert!(matches!(
                space().import_with(&alone, Trust::Nothing).unwrap_err(),
                TransferError::Unproved { .. }
            ));
            // refused if the derivation is in the store, even if trusted
            let to = space();
            to.store.add_derivations(std::slice::from_ref(&record)).unwrap();
            let error = to.import(&alone).unwrap_err().to_string();
            assert!(error.contains("its hash is"), "{error}");
            assert!(!to.store.is_valid(&output).unwrap());
        }
    }
}

#[test]
fn a_flat_output_is_a_plain_file() {
    let fixed =
        Fixed { mode: HashMode::Flat, hash: hash(b"x", false, HashMode::Flat, Algorithm::Sha256) };
    let made = Draft { outputs: DraftOutputs::Fixed(fixed), ..draft("made") };
    let (drv, record) = Identities::new().resolve(made).unwrap();
    let output = record.outputs["out"].path.clone();
    let evil = space();
    evil.store.add_derivations(&[record]).unwrap();
    evil.put(&output, b"x", true, Some(&drv));
    let error = evil.refused(&[output, drv]);
    assert!(error.contains("gives the hash of a plain file"), "{error}");
}

/// A derivation with one output that is named by its inputs, and that output.
fn built(name: &str) -> (StorePath, Derivation, StorePath) {
    let (drv, record) = Identities::new().resolve(draft(name)).unwrap();
    let output = record.outputs["out"].path.clone();
    (drv, record, output)
}

#[test]
fn an_output_of_a_build_needs_trust_unless_it_is_there() {
    let (drv, record, output) = built("tool");
    let from = space();
    from.store.add_derivations(std::slice::from_ref(&record)).unwrap();
    from.put(&output, b"text", true, Some(&drv));
    assert!(!from.is_proved(std::slice::from_ref(&output)));
    assert!(!from.is_proved(&[output.clone(), drv.clone()]));
    let bytes = from.export(&[output.clone(), drv.clone()]);
    let to = space();
    let error = to.import_with(&bytes, Trust::Nothing).unwrap_err();
    assert!(matches!(&error, TransferError::Unproved { path, .. } if *path == output));
    let imported = to.import(&bytes).unwrap();
    assert_eq!(imported.trusted, std::slice::from_ref(&output));
    assert_eq!(to.store.info(&output).unwrap().unwrap().deriver, Some(drv.clone()));
    // now it is there
    let again = to.import_with(&bytes, Trust::Nothing).unwrap();
    assert_eq!((again.added, again.differing), (vec![], vec![]));
    // as it is, whatever an export has
    let other = space();
    other.put(&output, b"other", true, None);
    let bytes = other.export(std::slice::from_ref(&output));
    let imported = to.import_with(&bytes, Trust::Nothing).unwrap();
    assert_eq!(imported.differing, std::slice::from_ref(&output));
    assert_eq!(fs_err::read(to.store.real(&output).join("file")).unwrap(), b"text");
}

#[test]
fn a_deriver_makes_the_path_or_is_not_believed() {
    let (drv, record, output) = built("tool");
    let (other_drv, other, _) = built("other");
    let from = space();
    from.store.add_derivations(&[record.clone(), other]).unwrap();
    from.put(&output, b"text", true, Some(&other_drv));
    // it is in the file, and makes something else
    let error = from.refused(&[output.clone(), other_drv.clone()]);
    assert!(error.contains("does not make it"), "{error}");
    // it is nowhere
    let bytes = from.export(std::slice::from_ref(&output));
    let to = space();
    to.import(&bytes).unwrap();
    assert_eq!(to.store.info(&output).unwrap().unwrap().deriver, None);
    // it is in the store
    let from = space();
    from.put(&output, b"text", true, Some(&drv));
    let to = space();
    to.store.add_derivations(&[record]).unwrap();
    to.import(&from.export(std::slice::from_ref(&output))).unwrap();
    assert_eq!(to.store.info(&output).unwrap().unwrap().deriver, Some(drv));
}

#[test]
fn references_of_an_output_are_those_that_it_holds() {
    let from = space();
    from.add(0, b"text", false);
    from.put(&path(1), b"alone", true, None);
    let bytes = from.export(&[path(0), path(1)]);
    let file = from.dir.path().join("closure");
    fs_err::write(&file, &bytes).unwrap();
    let mut header = source::Source::open(&from.store, &file).unwrap().header().unwrap();
    header.paths[1].references.insert(path(0));
    let inflate = |member: &[u8]| {
        use std::io::Read as _;
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(member).read_to_end(&mut text).unwrap();
        text
    };
    let trees: Vec<Vec<u8>> = members(&bytes)[1..3].iter().map(|m| inflate(m)).collect();
    let to = space();
    let error = to.import(&packed(&header, &trees)).unwrap_err().to_string();
    assert!(
        error.contains("lists the reference") && error.contains("which it does not have"),
        "{error}"
    );
    assert!(to.is_empty());
}

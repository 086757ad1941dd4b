//! Laws of identity and of the record.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, prelude::*};

use super::*;
use crate::hash::Algorithm;

fn draft(name: &str) -> Draft {
    Draft {
        name: name.to_owned(),
        system: "x86_64-linux".to_owned(),
        builder: b"/bin/sh".to_vec(),
        args: vec![b"-c".to_vec(), b"echo hello > $out".to_vec()],
        env: BTreeMap::from([("PATH".to_owned(), b"/bin".to_vec())]),
        structured: None,
        outputs: DraftOutputs::Named(BTreeSet::from(["out".to_owned()])),
        input_derivations: BTreeMap::new(),
        input_sources: BTreeSet::new(),
    }
}

fn fetch(url: &str, content: &[u8]) -> Draft {
    Draft {
        env: BTreeMap::from([("url".to_owned(), url.as_bytes().to_vec())]),
        outputs: DraftOutputs::Fixed(Fixed {
            mode: HashMode::Flat,
            hash: Algorithm::Sha256.digest(content),
        }),
        ..draft("source.tar.gz")
    }
}

fn using(name: &str, input: &(StorePath, Derivation)) -> Draft {
    let output = input.1.outputs["out"].path.to_string();
    let mut user = draft(name);
    user.env.insert("src".to_owned(), output.into_bytes());
    user.input_derivations.insert(input.0.clone(), BTreeSet::from(["out".to_owned()]));
    user
}

#[test]
fn a_mirror_changes_nothing_downstream() {
    let mut ids = Identities::new();
    let one = ids.resolve(fetch("https://one.example/x", b"x")).unwrap();
    let two = ids.resolve(fetch("https://two.example/x", b"x")).unwrap();
    assert_ne!(one.0, two.0, "the records differ");
    assert_eq!(one.1.outputs, two.1.outputs);
    let user_one = ids.resolve(using("user", &one)).unwrap();
    let user_two = ids.resolve(using("user", &two)).unwrap();
    assert_ne!(user_one.0, user_two.0);
    assert_eq!(user_one.1.outputs, user_two.1.outputs);
    let top_one = ids.resolve(using("top", &user_one)).unwrap();
    let top_two = ids.resolve(using("top", &user_two)).unwrap();
    assert_eq!(top_one.1.outputs, top_two.1.outputs);
}

#[test]
fn other_content_changes_everything_downstream() {
    let mut ids = Identities::new();
    let one = ids.resolve(fetch("https://one.example/x", b"x")).unwrap();
    let two = ids.resolve(fetch("https://one.example/x", b"y")).unwrap();
    let user_one = ids.resolve(using("user", &one)).unwrap();
    let user_two = ids.resolve(using("user", &two)).unwrap();
    assert_ne!(user_one.1.outputs, user_two.1.outputs);
}

#[test]
fn paths_are_the_recorded_ones() {
    // these texts stand in locks and links of users: a change of them is a new encoding version
    let mut ids = Identities::new();
    let fetched = ids.resolve(fetch("https://one.example/x", b"x")).unwrap();
    let (path, user) = ids.resolve(using("user", &fetched)).unwrap();
    assert_eq!(
        [fetched.1.outputs["out"].path.to_string(), user.outputs["out"].path.to_string()],
        [
            "/clutch/store/a8kgrskkipwc2fj6xmck1i75d2dvmqca-source.tar.gz",
            "/clutch/store/xmgxn1ifxjm21m97b0s2g1z3hlp79r7d-user",
        ]
    );
    assert_eq!(path.to_string(), "/clutch/store/2fi5m2l2jjilscydf3a77zk0dkxcnlj7-user.drv");
    assert_eq!(placeholder("out"), "/152l1n23wn4pk5vwpwh2k5m194m8kj5jp1dli5fgvr2c1rq0f05d");
}

#[test]
fn outputs_are_named_and_stand_in_the_environment() {
    let mut multi = draft("tool");
    let names = ["bin", "out"].map(str::to_owned);
    multi.outputs = DraftOutputs::Named(BTreeSet::from(names));
    multi.env.insert("bin".to_owned(), b"what a user wrote is replaced".to_vec());
    let (path, derivation) = Identities::new().resolve(multi).unwrap();
    assert_eq!(path.name(), "tool.drv");
    assert_eq!(derivation.outputs["bin"].path.name(), "tool-bin");
    assert_eq!(derivation.outputs["out"].path.name(), "tool");
    for (name, output) in &derivation.outputs {
        assert_eq!(derivation.env[name], output.path.to_string().into_bytes());
    }
}

#[test]
fn rules_are_kept() {
    let fail = |change: fn(&mut Draft)| {
        let mut broken = draft("tool");
        change(&mut broken);
        Identities::new().resolve(broken).unwrap_err().to_string()
    };
    assert!(fail(|d| d.name = "a b".into()).contains("' ' is not allowed"));
    assert!(fail(|d| d.name = "a.drv".into()).contains("must not end in '.drv'"));
    assert!(fail(|d| d.name = "x".repeat(209)).contains("at most 211"));
    assert!(fail(|d| d.outputs = DraftOutputs::Named(BTreeSet::new())).contains("no outputs"));
    let named = |d: &mut Draft| d.outputs = DraftOutputs::Named(BTreeSet::from(["drvPath".into()]));
    assert!(fail(named).contains("must not be called 'drvPath'"));
    let path = StorePath::from_base("00000000000000000000000000000000-x.drv").unwrap();
    let mut broken = draft("tool");
    broken.input_derivations.insert(path, BTreeSet::from(["out".to_owned()]));
    let text = Identities::new().resolve(broken).unwrap_err().to_string();
    assert!(text.contains("is not known"), "{text}");
}

#[test]
fn a_forged_output_path_is_refused() {
    let mut ids = Identities::new();
    let (path, mut derivation) = ids.resolve(draft("tool")).unwrap();
    assert_eq!(Identities::new().learn(&derivation).unwrap(), path);
    derivation.outputs.get_mut("out").unwrap().path =
        StorePath::from_base("00000000000000000000000000000000-tool").unwrap();
    let text = Identities::new().learn(&derivation).unwrap_err().to_string();
    assert!(text.contains("expected '/clutch/store/"), "{text}");
}

fn name() -> impl Strategy<Value = String> {
    "[a-c][a-c0-1]{0,2}"
}

fn store_path() -> impl Strategy<Value = StorePath> {
    (0u8..3, name()).prop_map(|(digest, name)| StorePath::new(&[digest; 20], &name).unwrap())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    collection::vec(any::<u8>(), 0..4)
}

prop_compose! {
    fn any_derivation()(
        name in name(),
        system in "[a-b]{0,2}",
        builder in bytes(),
        args in collection::vec(bytes(), 0..3),
        env in collection::btree_map(name(), bytes(), 0..3),
        structured in proptest::option::of("[a-b]{0,2}"),
        outputs in collection::btree_map(name(), (store_path(), proptest::option::of(bytes())), 1..3),
        input_derivations in collection::btree_map(
            store_path(), collection::btree_set(name(), 0..3), 0..3),
        input_sources in collection::btree_set(store_path(), 0..3),
    ) -> Derivation {
        let outputs = outputs.into_iter().map(|(name, (path, fixed))| {
            let fixed = fixed.map(|bytes| Fixed {
                mode: if bytes.len() > 1 { HashMode::Flat } else { HashMode::Recursive },
                hash: Algorithm::ALL[bytes.len() % 5].digest(&bytes),
            });
            (name, Output { path, fixed })
        }).collect();
        Derivation {
            name, system, builder, args, env, structured, outputs, input_derivations, input_sources,
        }
    }
}

proptest! {
    #[test]
    fn different_derivations_encode_differently(a in any_derivation(), b in any_derivation()) {
        prop_assert_eq!(a == b, encoding::whole(&a) == encoding::whole(&b));
    }

    #[test]
    fn a_record_reads_back(derivation in any_derivation()) {
        let bytes = derivation.to_bytes().unwrap();
        prop_assert_eq!(Derivation::from_bytes(&bytes).unwrap(), derivation);
    }

    #[test]
    fn a_damaged_record_never_reads_as_the_same(
        derivation in any_derivation(), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let mut bytes = derivation.to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = Derivation::from_bytes(&bytes) {
            prop_assert_ne!(other, derivation);
        }
    }

    #[test]
    fn every_attribute_but_a_fixed_fetch_moves_the_output(
        key in name(), value in bytes(), system in "[a-b]{1,2}",
    ) {
        let mut ids = Identities::new();
        let plain = ids.resolve(draft("tool")).unwrap().1;
        let mut changed = draft("tool");
        changed.env.insert(key.clone(), value.clone());
        prop_assert_ne!(&ids.resolve(changed).unwrap().1.outputs, &plain.outputs);
        let mut changed = draft("tool");
        changed.system.clone_from(&system);
        prop_assert_ne!(&ids.resolve(changed).unwrap().1.outputs, &plain.outputs);
        let fetched = ids.resolve(fetch("u", b"x")).unwrap().1;
        let mut changed = fetch("u", b"x");
        changed.env.insert(key, value);
        changed.system = system;
        prop_assert_eq!(ids.resolve(changed).unwrap().1.outputs, fetched.outputs);
    }
}

//! Whole builds: independent ones and a chain, each a small static program in its own sandbox, from
//! the plan to registered outputs.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use clutch::{
    build::{
        Derivations, Options, Realiser, Substituters,
        builtin::{Builtins, Registry},
        plan::{Goal, plan},
        queue::Jobs,
        sandbox::{Limits, init_if_helper},
    },
    derivation::{Derivation, Draft, DraftOutputs, Identities},
    net::{
        host::HostEnvironment,
        http::HttpSettings,
        network::{Network, NetworkSettings},
    },
    store::Store,
    store_path::StorePath,
};
use divan::Bencher;

const SYSTEM: &str = "x86_64-linux";

const PROGRAM: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) { return write(open(getenv("out"), O_CREAT | O_WRONLY, 0644), "x", 1) != 1; }
"#;

/// A fresh store with derivations that are not built yet.
struct World {
    _dir: tempfile::TempDir,
    store: Store,
    goals: Vec<Goal>,
}

impl World {
    /// So many derivations; in a chain, each reads the one before.
    fn new(number: usize, chain: bool) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (source, program) = (dir.path().join("program.c"), dir.path().join("program"));
        fs_err::write(&source, PROGRAM).expect("writable");
        let mut compiler = Command::new("cc");
        compiler.args(["-static", "-O1", "-o"]).arg(&program).arg(&source);
        assert!(compiler.status().expect("a C compiler").success());
        let store = Store::open(&dir.path().join("store")).expect("a store");
        let program = store.add_source("program", &program, &mut |_, _| true).expect("added");
        let mut identities = Identities::new();
        let mut before: Option<StorePath> = None;
        let mut made: Vec<Derivation> = Vec::new();
        let mut goals = Vec::new();
        for n in 0..number {
            let draft = Draft {
                name: format!("trivial-{n}"),
                system: SYSTEM.to_owned(),
                builder: program.to_string().into(),
                args: Vec::new(),
                env: BTreeMap::new(),
                structured: None,
                outputs: DraftOutputs::Named(["out".to_owned()].into()),
                input_derivations: before
                    .take()
                    .map(|path| (path, ["out".to_owned()].into()))
                    .into_iter()
                    .collect(),
                input_sources: [program.clone()].into(),
            };
            let (path, derivation) = identities.resolve(draft).expect("valid");
            made.push(derivation);
            goals.push(Goal { derivation: path.clone(), outputs: ["out".to_owned()].into() });
            before = chain.then_some(path);
        }
        store.add_derivations(&made).expect("added");
        Self { _dir: dir, store, goals }
    }

    fn build(&self) {
        let fresh = Default::default();
        let lookup = Derivations {
            store: &self.store,
            fresh: &fresh,
            substituters: Substituters::default(),
        };
        let plan = plan(&lookup, &self.goals).expect("a plan");
        let options = Options {
            jobs: Jobs { builds: 2, fetches: 2 },
            keep_going: false,
            cores: 2,
            limits: Limits::default(),
            keep_failed: false,
            system: SYSTEM.to_owned(),
            damaged: BTreeSet::new(),
        };
        let never = || false;
        let network = Network::new(NetworkSettings {
            indexes: BTreeMap::new(),
            environment: HostEnvironment { variables: BTreeMap::new(), root: "/nowhere".into() },
            http: HttpSettings::default(),
            partial: None,
        });
        let builtins = Builtins { registry: Registry(&[]), network: &network };
        let outcome = Realiser::new(&self.store, builtins, options, &(), &never).run(&plan);
        assert!(outcome.is_success(), "{:?}", outcome.failed);
    }
}

#[divan::bench(args = [1, 300, 1000], sample_count = 3, sample_size = 1)]
fn independent(bencher: Bencher<'_, '_>, number: usize) {
    bencher.with_inputs(|| World::new(number, false)).bench_local_refs(|world| world.build());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn chain_of_100(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| World::new(100, true)).bench_local_refs(|world| world.build());
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn nothing_to_do_300(bencher: Bencher<'_, '_>) {
    let world = World::new(300, false);
    world.build();
    bencher.bench_local(|| world.build());
}

fn main() {
    init_if_helper().expect("the benchmark runs no view");
    divan::main();
}

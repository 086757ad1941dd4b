//! Whole builds in real sandboxes, with the sandbox tests' probe as the only program.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::PathBuf,
    sync::{Mutex, atomic::AtomicBool},
};

use super::{
    builtin::{Builtin, BuiltinKind, Builtins, Registry},
    executor::{Action, Executor},
    plan::Goal,
    queue::{Jobs, Outcome},
    sandbox::{Limits, Watch, tests::probe},
    task::{Task, TaskError},
    *,
};
use crate::{
    derivation::{Draft, DraftOutputs, Fixed, HashMode, Identities, Records, placeholder},
    hash::Algorithm,
    net::{
        host::HostEnvironment,
        http::HttpSettings,
        network::{Network, NetworkSettings},
    },
    store::PathInfo,
};

const SYSTEM: &str = "x86_64-linux";

/// A store with the probe in it, and the derivations made so far.
struct World {
    _dir: tempfile::TempDir,
    store: Store,
    probe: StorePath,
    identities: Mutex<Identities>,
    events: Events,
    keep_failed: bool,
    cancelled: AtomicBool,
    executor: Option<Recorder>,
}

/// An executor for another system, which also has a feature that this machine lacks. It writes down what
/// it is asked for, and makes each output a file with the path of the last input.
struct Recorder {
    systems: Vec<String>,
    asked: Mutex<Vec<String>>,
}

const FOREIGN: &str = "riscv64-linux";

impl Executor for Recorder {
    fn systems(&self) -> &[String] {
        &self.systems
    }

    fn features(&self) -> &[&str] {
        &["kvm", "big-parallel"]
    }

    fn execute(&self, action: Action<'_>, watch: Watch<'_>) -> Result<sandbox::Exit, BuildError> {
        let Action { derivation, inputs, env, network, .. } = action;
        let [program, out] = [&derivation.builder, &env["out"]].map(|t| String::from_utf8_lossy(t));
        let names: Vec<_> = inputs.iter().map(StorePath::name).collect();
        let args: Vec<_> = derivation.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
        assert!(program.starts_with("/clutch/store/") && out.ends_with(&derivation.name));
        // each file of an input is hashed once for all builds
        for input in inputs {
            let digested = action.digests.of(input)?;
            assert!(std::sync::Arc::ptr_eq(&digested, &action.digests.of(input)?));
            for (node, leaf) in digested.listing.nodes().iter().zip(&digested.leaves) {
                let content = blake3::hash(&fs_err::read(&node.path)?);
                assert_eq!(leaf.unwrap().digest, *content.as_bytes());
            }
        }
        let system = &derivation.system;
        self.asked.lock().unwrap().push(format!("{system} {names:?} {args:?} {network}"));
        (watch.output)(b"from afar\n");
        for output in derivation.outputs.values() {
            let text = inputs.last().unwrap().to_string();
            fs_err::write(action.outputs.join(output.path.base()), text)?;
        }
        if args.contains(&"stray".into()) {
            fs_err::write(action.outputs.join("stray"), "")?;
        }
        Ok(sandbox::Exit::Code(i32::from(args.contains(&"fail".into()))))
    }
}

/// Words for what happened, in order.
#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Observer for Events {
    fn event(&self, event: Event<'_>) {
        let text = match event {
            Event::Started(step) => format!("started {}", step.name()),
            Event::Line(_, line) => format!("line {line}"),
            Event::Finished(step, Some(_)) => format!("built {}", step.name()),
            Event::Finished(step, None) => format!("found {}", step.name()),
            Event::Failed(step, _) => format!("failed {}", step.name()),
            Event::Skipped(step, _) => format!("skipped {}", step.name()),
            Event::Progress(_, done, of) => format!("progress {done} of {of:?}"),
            Event::Planned(_) | Event::Waiting(_) => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

/// Built-in builders that show what a task can do.
const BUILTINS: Registry = Registry(&[
    &[row("copy", copy), row("probe", run_probe)],
    &[row("nothing", |_| Ok(())), row("panic", |_| panic!("of the test")), row("graph", graph)],
]);

const fn row(name: &'static str, build: fn(&Task<'_>) -> Result<(), TaskError>) -> Builtin {
    Builtin { name, build, kind: BuiltinKind::Build, verb: "building" }
}

fn copy(task: &Task<'_>) -> Result<(), TaskError> {
    assert!(task.network().is_err(), "it is not registered as a fetch");
    (task.progress)(1, Some(2));
    let text = task.input(task.attribute("from")?.unwrap())?.read(1 << 20)?;
    Ok(fs_err::write(task.output("out")?, text)?)
}

/// Writes the graph of an input, by names.
fn graph(task: &Task<'_>) -> Result<(), TaskError> {
    let path = StorePath::parse(task.attribute("of")?.unwrap()).unwrap();
    let line = |node: GraphNode| {
        let names: Vec<_> = node.references.iter().map(StorePath::name).collect();
        format!("{} {} {}\n", node.path.name(), node.size, names.join(","))
    };
    let mut lines: Vec<String> = (task.graph)(&path)?.into_iter().map(line).collect();
    lines.sort();
    Ok(fs_err::write(task.output("out")?, lines.concat())?)
}

fn run_probe(task: &Task<'_>) -> Result<(), TaskError> {
    let probe = task.attribute("probe")?.unwrap();
    let out = task.output("out")?;
    fs_err::create_dir(out)?;
    let attempts = ["list=/clutch/store", "list=/build", "create=/out/made", "create=/build/x"];
    let request = sandbox::Request::new(probe).args(attempts).writable(out, "/out");
    (task.sandbox)(&request)?;
    (task.sandbox)(&sandbox::Request::new(probe).args(["exit=4"]))
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let probe = store.add_source("probe", &probe(), &mut |_, _| true).unwrap();
        Self {
            _dir: dir,
            store,
            probe,
            identities: Mutex::default(),
            events: Events::default(),
            keep_failed: false,
            cancelled: AtomicBool::new(false),
            executor: None,
        }
    }

    /// A derivation that runs the probe with these attempts.
    fn draft(&self, name: &str, attempts: &[&str]) -> Draft {
        Draft {
            name: name.to_owned(),
            system: SYSTEM.to_owned(),
            builder: self.probe.to_string().into(),
            args: attempts.iter().map(|&a| a.into()).collect(),
            env: BTreeMap::new(),
            structured: None,
            outputs: DraftOutputs::Named(["out".to_owned()].into()),
            input_derivations: BTreeMap::new(),
            input_sources: [self.probe.clone()].into(),
        }
    }

    fn builtin(&self, name: &str, env: &[(&str, String)]) -> Draft {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), v.clone().into())).collect();
        let (builder, system) = (format!("builtin:{name}").into(), "builtin".to_owned());
        Draft { builder, env, system, args: Vec::new(), ..self.draft(name, &[]) }
    }

    fn add(&self, draft: Draft) -> (StorePath, Derivation) {
        let (path, derivation) = self.identities.lock().unwrap().resolve(draft).unwrap();
        self.store.add_derivations(std::slice::from_ref(&derivation)).unwrap();
        (path, derivation)
    }

    fn run(&self, goals: &[&StorePath]) -> Outcome<BuildFailure> {
        let fresh = Records::default();
        let lookup = Derivations {
            store: &self.store,
            fresh: &fresh,
            substituters: Substituters::default(),
        };
        let goal =
            |path: &&StorePath| Goal { derivation: (*path).clone(), outputs: BTreeSet::new() };
        let plan = plan::plan(&lookup, &goals.iter().map(goal).collect::<Vec<_>>()).unwrap();
        let options = Options {
            jobs: Jobs { builds: 2, fetches: 2 },
            keep_going: true,
            cores: 2,
            limits: Limits::default(),
            keep_failed: self.keep_failed,
            system: SYSTEM.to_owned(),
            damaged: BTreeSet::new(),
        };
        let cancelled = || self.cancelled.load(std::sync::atomic::Ordering::Relaxed);
        let network = Network::new(NetworkSettings {
            indexes: BTreeMap::new(),
            environment: HostEnvironment { variables: BTreeMap::new(), root: "/nowhere".into() },
            http: HttpSettings::default(),
            partial: None,
        });
        let builtins = Builtins { registry: BUILTINS, network: &network };
        let mut realiser = Realiser::new(&self.store, builtins, options, &self.events, &cancelled);
        if let Some(executor) = &self.executor {
            realiser = realiser.with_executor(executor);
        }
        realiser.run(&plan)
    }

    /// Builds a draft that must succeed; what is known of its output `out`, and where that is.
    fn build(&self, draft: Draft) -> (PathInfo, PathBuf) {
        let (path, derivation) = self.add(draft);
        let outcome = self.run(&[&path]);
        assert!(outcome.is_success(), "{outcome:?}");
        let out = &derivation.outputs["out"].path;
        (self.store.info(out).unwrap().unwrap(), self.store.real(out))
    }

    /// Builds a draft that must fail, and checks that the store is as before.
    fn fail(&self, draft: Draft) -> BuildFailure {
        let (path, derivation) = self.add(draft);
        let before = self.store.all().unwrap();
        let mut outcome = self.run(&[&path]);
        assert_eq!(outcome.failed.len(), 1, "it should fail: {path}");
        assert_eq!(self.store.all().unwrap(), before);
        for output in derivation.outputs.values() {
            assert!(!self.store.real(&output.path).exists());
        }
        assert_eq!(fs_err::read_dir(self.store.root().join("var/tmp")).unwrap().count(), 0);
        outcome.failed.remove(0).1
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.0.lock().unwrap())
    }

    fn lines(&self) -> Vec<String> {
        let line = |event: String| event.strip_prefix("line ").map(str::to_owned);
        self.events().into_iter().filter_map(line).collect()
    }
}

fn out() -> String {
    placeholder("out")
}

#[test]
fn an_output_becomes_a_valid_path() {
    let world = World::new();
    let create = format!("create={}", out());
    let text = format!("text={}:{}", out(), world.probe);
    let (info, place) = world.build(world.draft("x", &[&create, &text]));
    assert_eq!(info.references, [world.probe.clone()].into());
    assert_eq!(fs_err::read_to_string(&place).unwrap(), world.probe.to_string());
    assert!(info.deriver.as_ref().unwrap().is_derivation());
    let events = world.events();
    assert_eq!((events[0].as_str(), events[3].as_str(), events.len()), ("started x", "built x", 4));
    let mut log = String::new();
    world.store.log(&info.deriver.unwrap()).unwrap().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(log.lines().count(), 2);

    let (again, _) = world.add(world.draft("x", &[&create, &text]));
    assert!(world.run(&[&again]).done.is_empty(), "it is there already");
}

#[test]
fn a_builder_sees_its_inputs_and_no_other_path() {
    let world = World::new();
    world.build(world.draft("other", &[&format!("create={}", out())]));
    let (dependency, made) = world.add(world.draft("dep", &[&format!("create={}", out())]));
    let dep = made.outputs["out"].path.to_string();
    world.events();
    let attempts = [
        "list=/clutch/store".to_owned(),
        format!("show={dep}"),
        format!("write={dep}"),
        format!("remove={dep}"),
        format!("write={}", world.probe),
        format!("chmod={}", world.probe),
        format!("rename={}", world.probe),
        "list=/clutch".to_owned(),
        "create=/clutch/x".to_owned(),
        format!("create={}", out()),
    ];
    let attempts: Vec<_> = attempts.iter().map(String::as_str).collect();
    let mut draft = world.draft("x", &attempts);
    draft.input_derivations.insert(dependency, ["out".to_owned()].into());
    world.build(draft);
    let mut visible = [world.probe.base(), made.outputs["out"].path.base()];
    visible.sort_unstable();
    let lines: Vec<_> = world.lines();
    let answers: Vec<_> = lines.iter().map(|l| l.split_once(": ").unwrap().1).collect();
    assert_eq!(
        answers,
        [
            "ok",
            &format!("ok {} {}", visible[0], visible[1]),
            "ok x",
            "EACCES",
            "EBUSY",
            "EACCES",
            "EROFS",
            "EBUSY",
            "ok store",
            "EROFS",
            "ok",
        ]
    );
}

#[test]
fn what_is_left_beside_the_outputs_is_an_error() {
    let world = World::new();
    let create = format!("create={}", out());
    let failure = world.fail(world.draft("x", &[&create, "create=/clutch/store/stray"]));
    assert!(
        matches!(&failure.error, BuildError::Strays { strays, more: 0 } if strays == &["/clutch/store/stray"]),
        "{failure}"
    );
    let failure = world.fail(world.draft("x", &["create=/build/x"]));
    assert!(matches!(failure.error, BuildError::NoOutput { .. }), "{failure}");
}

#[test]
fn what_the_store_does_not_take_is_an_error() {
    let world = World::new();
    let failure = world.fail(world.draft("x", &[&format!("fifo={}", out())]));
    assert!(failure.to_string().contains("only files, folders and symlinks"), "{failure}");
    let inside = [format!("mkdir={}", out()), format!("fifo={}/fifo", out())];
    let failure = world.fail(world.draft("x", &[&inside[0], &inside[1]]));
    assert!(failure.to_string().contains("/fifo' is a "), "{failure}");
}

#[test]
fn no_link_leads_to_what_was_made_for_the_build_alone() {
    let world = World::new();
    let linking = |target: &str| {
        let attempts = [format!("mkdir={}", out()), format!("link-to={}/l:{target}", out())];
        world.draft("x", &[&attempts[0], &attempts[1]])
    };
    let bad = ["/build/x", "/build", "/tmp/x", "/dev/shm/../shm/x", "../../../var/tmp/x"];
    for target in bad {
        let failure = world.fail(linking(target));
        assert!(matches!(failure.error, BuildError::Link { .. }), "{target}: {failure}");
        assert!(failure.to_string().contains(&format!("is a link to '{target}'")), "{failure}");
    }
    for target in
        ["/tmp", "/etc/passwd", "/usr/bin/env", "l", "../../store/x", "tmp/x", "/buildings"]
    {
        world.build(linking(target));
    }
}

#[test]
fn a_failure_shows_the_end_of_the_log_and_keeps_what_is_asked_for() {
    let mut world = World::new();
    let failure = world.fail(world.draft("x", &["create=/build/x", "say=the reason", "exit=3"]));
    assert!(matches!(failure.error, BuildError::Exit(sandbox::Exit::Code(3))), "{failure}");
    assert_eq!(failure.tail.last().unwrap(), "the reason");
    assert!(failure.to_string().contains("failed with exit code 3"), "{failure}");
    let mut log = String::new();
    let mut reader = world.store.log(&failure.path).unwrap().unwrap();
    reader.read_to_string(&mut log).unwrap();
    assert!(log.ends_with("the reason\n"));
    assert_eq!(failure.kept, None);

    world.keep_failed = true;
    let failure = world.fail(world.draft("x", &["create=/build/x", "exit=3"]));
    assert_eq!(fs_err::read(failure.kept.unwrap().join("x")).unwrap(), b"x");
}

#[test]
fn a_failure_stops_only_what_depends_on_it() {
    let world = World::new();
    let create = format!("create={}", out());
    let (bad, _) = world.add(world.draft("bad", &["exit=1"]));
    let (good, _) = world.add(world.draft("good", &[&create]));
    let mut draft = world.draft("above", &[&create]);
    draft.input_derivations.insert(bad, ["out".to_owned()].into());
    draft.input_derivations.insert(good, ["out".to_owned()].into());
    let (above, _) = world.add(draft);
    let outcome = world.run(&[&above]);
    assert_eq!((outcome.done.len(), outcome.failed.len(), outcome.skipped.len()), (1, 1, 1));
    let events = world.events();
    for event in ["built good", "failed bad", "skipped above"] {
        assert!(events.iter().any(|e| e == event), "{event}: {events:?}");
    }
}

#[test]
fn a_fixed_output_has_its_hash_or_is_no_output() {
    let world = World::new();
    let fixed = |mode, text: &str| {
        let hash = Algorithm::Sha256.digest(text.as_bytes());
        let outputs = DraftOutputs::Fixed(Fixed { mode, hash });
        Draft { outputs, ..world.draft("x", &[&format!("text={}:content", out())]) }
    };
    world.build(fixed(HashMode::Flat, "content"));
    let failure = world.fail(fixed(HashMode::Flat, "another"));
    let (specified, got) = failure.error.hash_mismatch().unwrap();
    assert_eq!(specified, Algorithm::Sha256.digest(b"another"));
    assert_eq!(got, Algorithm::Sha256.digest(b"content"));

    let nar = b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0\x01\0\0\0\0\0\0\0(\0\0\0\0\0\0\0\
        \x04\0\0\0\0\0\0\0type\0\0\0\0\x07\0\0\0\0\0\0\0regular\0\
        \x08\0\0\0\0\0\0\0contents\x07\0\0\0\0\0\0\0content\0\x01\0\0\0\0\0\0\0)\0\0\0\0\0\0\0";
    world.build(fixed(HashMode::Recursive, std::str::from_utf8(nar).unwrap()));

    let folder = Draft {
        outputs: fixed(HashMode::Flat, "folder").outputs,
        ..world.draft("x", &[&format!("mkdir={}", out())])
    };
    let failure = world.fail(folder);
    assert!(matches!(failure.error, BuildError::NotFlat(_)), "{failure}");

    let content = world.probe.to_string();
    let refers = Draft {
        outputs: fixed(HashMode::Flat, &content).outputs,
        ..world.draft("x", &[&format!("text={}:{content}", out())])
    };
    let failure = world.fail(refers);
    assert!(
        matches!(failure.error, BuildError::Reference { attribute: "outputHash", .. }),
        "{failure}"
    );
}

#[test]
fn references_are_held_to_what_is_allowed() {
    let world = World::new();
    let (inner, made) =
        world.add(world.draft("inner", &[&format!("text={}:{}", out(), world.probe)]));
    let inner_out = made.outputs["out"].path.to_string();
    let refers = |attribute: &str, value: &str| {
        let mut draft = world.draft("x", &[&format!("text={}:{inner_out}", out())]);
        draft.input_derivations.insert(inner.clone(), ["out".to_owned()].into());
        draft.env.insert(attribute.to_owned(), value.into());
        draft
    };
    let probe = world.probe.to_string();
    world.build(refers("allowedReferences", &inner_out));
    world.build(refers("disallowedReferences", &format!("{probe} out")));
    world.build(refers("allowedRequisites", &format!("{probe} {inner_out}")));
    for (attribute, value) in [
        ("allowedReferences", ""),
        ("allowedReferences", &*format!("out {probe}")),
        ("allowedRequisites", &inner_out),
        ("disallowedReferences", &inner_out),
        ("disallowedRequisites", &probe),
    ] {
        let failure = world.fail(refers(attribute, value));
        assert!(failure.to_string().contains(attribute), "{failure}");
    }
    let failure = world.fail(refers("allowedReferences", "lib"));
    assert!(failure.to_string().contains("'lib' is neither"), "{failure}");
}

#[test]
fn structured_attributes_and_files_are_in_the_working_directory() {
    let world = World::new();
    let create = format!("create={}", out());
    let mut draft = world.draft("x", &[&create, "show=/build/.attr-script", "variable=scriptPath"]);
    draft.env.insert("passAsFile".to_owned(), "script".into());
    draft.env.insert("script".to_owned(), "echo".into());
    world.build(draft);
    assert_eq!(
        world.lines()[1..],
        ["show=/build/.attr-script: ok echo", "variable=scriptPath: ok /build/.attr-script"]
    );

    let mut draft =
        world.draft("y", &[&create, "show=/build/.attrs.sh", "variable=NIX_ATTRS_JSON_FILE"]);
    draft.structured = Some(r#"{"number":1}"#.to_owned());
    let (info, _) = world.build(draft);
    assert_eq!(
        world.lines()[1..],
        [
            "show=/build/.attrs.sh: ok declare number=1".to_owned(),
            format!("declare -A outputs=(['out']='{}' )", info.path),
            "variable=NIX_ATTRS_JSON_FILE: ok /build/.attrs.json".to_owned(),
        ]
    );
}

#[test]
fn a_root_tree_is_an_input() {
    let world = World::new();
    let tree = tempfile::tempdir().unwrap();
    fs_err::create_dir(tree.path().join("usr")).unwrap();
    let root = world.store.add_source("root", tree.path(), &mut |_, _| true).unwrap();
    let create = format!("create={}", out());
    let draft = |inputs: bool| {
        let mut draft = world.draft("x", &[&create, "list=/", "create=/usr/x"]);
        draft.env.insert("sandboxRoot".to_owned(), root.to_string().into());
        draft.input_sources.extend(inputs.then(|| root.clone()));
        draft
    };
    let failure = world.fail(draft(false));
    assert!(matches!(failure.error, BuildError::Root(_)), "{failure}");
    world.build(draft(true));
    let lines = world.lines();
    assert_eq!(lines[1..], ["list=/: ok build clutch dev proc tmp usr", "create=/usr/x: EROFS"]);
}

#[test]
fn what_cannot_run_here_says_why() {
    let world = World::new();
    let draft = Draft { system: "riscv64-linux".to_owned(), ..world.draft("x", &[]) };
    assert!(world.fail(draft).to_string().contains("for 'riscv64-linux'"));
    let draft = Draft { builder: b"sh".to_vec(), ..world.draft("x", &[]) };
    assert!(world.fail(draft).to_string().contains("'sh' is not an absolute path"));
    let draft = Draft { builder: b"/bin/sh".to_vec(), ..world.draft("x", &[]) };
    assert!(world.fail(draft).to_string().contains("cannot execute '/bin/sh'"));
}

#[test]
fn another_executor_takes_what_this_machine_cannot_run() {
    let mut world = World::new();
    let foreign = |world: &World, args: &[&str]| {
        let mut draft = Draft { system: FOREIGN.to_owned(), ..world.draft("far", args) };
        let (native, made) =
            world.add(world.draft("native", &[&format!("text={}:{}", out(), world.probe)]));
        draft.input_derivations.insert(native, ["out".to_owned()].into());
        (draft, made.outputs["out"].path.clone())
    };
    let failure = world.fail({
        let draft = foreign(&world, &[]).0;
        Draft { input_derivations: BTreeMap::new(), ..draft }
    });
    assert_eq!(
        failure.error.to_string(),
        format!("it is for '{FOREIGN}', but this machine builds '{SYSTEM}'")
    );

    let systems = [FOREIGN, SYSTEM].map(str::to_owned).to_vec();
    world.executor = Some(Recorder { systems, asked: Mutex::default() });
    let asked = |world: &World| {
        std::mem::take(&mut *world.executor.as_ref().unwrap().asked.lock().unwrap())
    };
    // it reads an output that this machine builds; its own is scanned here
    let (draft, native) = foreign(&world, &["a"]);
    let mut inputs = [&native, &world.probe].map(Clone::clone);
    inputs.sort();
    let (info, _) = world.build(draft);
    assert_eq!(info.references, [inputs[1].clone()].into());
    let names: Vec<_> = inputs.iter().map(StorePath::name).collect();
    assert_eq!(asked(&world), [format!("{FOREIGN} {names:?} [\"a\"] false")]);
    assert!(world.lines().contains(&"from afar".to_owned()));

    let failure = world.fail(foreign(&world, &["fail"]).0);
    assert!(failure.to_string().contains("failed with exit code 1"), "{failure}");
    assert_eq!(failure.tail, ["from afar"]);
    let failure = world.fail(foreign(&world, &["stray"]).0);
    assert!(matches!(failure.error, BuildError::Strays { .. }), "{failure}");
    asked(&world);

    // this machine comes first; what it lacks decides
    let needing = |feature: &str| {
        let mut draft = world.draft("x", &[&format!("create={}", out())]);
        draft.env.insert("requiredSystemFeatures".to_owned(), feature.into());
        draft
    };
    world.build(needing("big-parallel"));
    assert!(asked(&world).is_empty());
    world.build(needing("big-parallel kvm"));
    assert_eq!(asked(&world).len(), 1);
    // nor does an input that was damaged reach it
    let real = world.store.real(&native);
    fs_err::set_permissions(&real, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&real, "damage").unwrap();
    let failure = world.fail(foreign(&world, &["again"]).0);
    assert!(matches!(&failure.error, BuildError::DamagedInput(path) if *path == native));
    let failure = world.fail(needing("uid-range"));
    assert!(
        failure.to_string().contains(
            "has 'uid-range', which no build has here (there are benchmark, big-parallel, kvm, \
             nixos-test)"
        ),
        "{failure}"
    );
}

#[test]
fn a_built_in_builder_reads_inputs_and_may_run_them() {
    let world = World::new();
    let probe = world.probe.to_string();
    let (info, place) = world.build(world.builtin("copy", &[("from", probe.clone())]));
    assert_eq!(info.size, fs_err::metadata(place).unwrap().len());
    assert_eq!(world.events()[1], "progress 1 of Some(2)");

    let failure = world.fail(world.builtin("probe", &[("probe", probe.clone())]));
    assert!(failure.to_string().contains("failed with exit code 4"), "{failure}");
    assert_eq!(
        failure.tail,
        [
            format!("list=/clutch/store: ok {}", world.probe.base()),
            "list=/build: ok".to_owned(),
            "create=/out/made: ok".to_owned(),
            "create=/build/x: ok".to_owned(),
        ]
    );
    let failure = world.fail(world.builtin("panic", &[]));
    assert!(failure.to_string().contains("panicked: of the test"), "{failure}");
    let failure = world.fail(world.builtin("nothing", &[]));
    assert!(matches!(failure.error, BuildError::NoOutput { .. }), "{failure}");
    let failure = world.fail(world.builtin("unheard-of", &[]));
    assert!(failure.to_string().contains("no built-in builder 'builtin:unheard-of'"), "{failure}");
    let failure = world.fail(world.builtin("copy", &[("from", info.path.to_string())]));
    assert!(failure.to_string().contains("is not an input"), "{failure}");
}

#[test]
fn a_built_in_builder_may_ask_for_the_graph_of_an_input() {
    let world = World::new();
    let (inner, made) =
        world.add(world.draft("inner", &[&format!("text={}:{}", out(), world.probe)]));
    let path = made.outputs["out"].path.clone();
    let draft = |input: bool| {
        let mut draft = world.builtin("graph", &[("of", path.to_string())]);
        if input {
            draft.input_derivations.insert(inner.clone(), ["out".to_owned()].into());
        }
        draft
    };
    let (_, place) = world.build(draft(true));
    let probe = world.store.info(&world.probe).unwrap().unwrap().size;
    let size = path.to_string().len();
    let expected = format!("inner {size} probe\nprobe {probe} \n");
    assert_eq!(fs_err::read_to_string(place).unwrap(), expected);
    assert!(world.fail(draft(false)).to_string().contains("is not an input of the derivation"));
}

#[test]
fn the_same_build_is_done_once() {
    let world = World::new();
    let (path, _) = world.add(world.draft("x", &["sleep=1", &format!("create={}", out())]));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(world.run(&[&path]).is_success()));
        }
    });
    let events = world.events();
    let count = |event: &str| events.iter().filter(|e| *e == event).count();
    assert_eq!((count("built x"), count("found x")), (1, 2));
}

#[test]
fn cancelled_builds_end_at_once() {
    let world = World::new();
    let (path, _) = world.add(world.draft("x", &["sleep=1000"]));
    let start = std::time::Instant::now();
    let outcome = std::thread::scope(|scope| {
        let run = scope.spawn(|| world.run(&[&path]));
        std::thread::sleep(std::time::Duration::from_millis(200));
        world.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
        run.join().unwrap()
    });
    assert!(start.elapsed().as_secs() < 100);
    assert!(outcome.failed[0].1.error.is_cancelled());
}

/// Whatever looks at an output can be stopped in the middle of a file, and refuses one that is too large.
#[test]
fn work_on_an_output_has_bounds() {
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::{
        derivation::HashMode,
        difference,
        hash::Algorithm,
        tree::{self, Bounds, TreeError},
    };
    let dir = tempfile::tempdir().unwrap();
    let trees = ["one", "two"].map(|name| dir.path().join(name));
    for tree in &trees {
        fs_err::create_dir(tree).unwrap();
        // takes no room, and days to read
        let file = fs_err::File::create(tree.join("hole")).unwrap();
        file.file().set_len(1 << 42).unwrap();
    }
    let asked = AtomicU32::new(0);
    let stop = || asked.fetch_add(1, Ordering::Relaxed) > 20;
    let stopping = Bounds { stop: &stop, ..Bounds::NONE };
    let small = Bounds { largest: 1 << 41, limit: "the test", ..Bounds::NONE };
    type Work<'a> = &'a dyn Fn(Bounds<'_>) -> Result<(), TreeError>;
    let work: [Work<'_>; 4] = [
        &|bounds| tree::nar_hash_within(&trees[0], Algorithm::Sha256, bounds).map(drop),
        &|bounds| {
            let file = trees[0].join("hole");
            tree::fixed_hash(&file, HashMode::Flat, Algorithm::Sha256, bounds).map(drop)
        },
        &|bounds| match Store::seal(&trees[0], bounds) {
            Err(StoreError::Tree(error)) => Err(error),
            other => panic!("{other:?}"),
        },
        &|bounds| difference::trees(&trees[0], &trees[1], bounds).map(drop),
    ];
    for (n, work) in work.iter().enumerate() {
        asked.store(0, Ordering::Relaxed);
        let error = work(stopping).unwrap_err();
        assert!(matches!(error, TreeError::Stopped), "{n}: {error}");
        if n < 3 {
            let error = work(small).unwrap_err();
            assert!(matches!(error, TreeError::Large { .. }), "{n}: {error}");
        }
    }
}

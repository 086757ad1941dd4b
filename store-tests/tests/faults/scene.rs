//! A command and the state that it starts from: how it is disturbed, and what must hold then.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use clutch_store_tests::{
    Space, child,
    fault::{Action, Class, Disturbed},
    power::{Luck, Record},
};
use tempfile::TempDir;

/// How many points of one kind are tried in a usual run.
const KILLS: u32 = 30;
const ERRORS: u32 = 8;
const CUTS: u32 = 48;

/// A command and the state that it starts from.
pub(super) struct Scene {
    pub(super) space: Space,
    pub(super) args: Vec<String>,
    /// That state.
    start: TempDir,
    /// The paths that are damaged there.
    pub(super) damaged: BTreeSet<String>,
    /// True if the index cannot be read there.
    is_index_bad: bool,
    /// The paths that are valid in the end, the pins, and the project's lock.
    pub(super) valid: Vec<String>,
    pins: String,
    pub(super) lock: Option<String>,
    /// The message if nothing is left to do, of a command for which that is a failure.
    pub(super) idle: Option<&'static str>,
    /// The number of files in the end, if equal ones are to be shared.
    pub(super) files: Option<usize>,
    /// The derivation whose log is compressed, and that log.
    pub(super) log: Option<(String, String)>,
}

impl Scene {
    /// Takes the space as it is for the start of `args`, and runs it once.
    pub(super) fn new(space: Space, args: &[&str]) -> Self {
        let beside = space.path("").parent().unwrap().to_owned();
        let start = tempfile::tempdir_in(beside).unwrap();
        let args = args.iter().map(|&word| word.to_owned()).collect();
        let mut scene = Self {
            space,
            args,
            start,
            damaged: BTreeSet::new(),
            is_index_bad: false,
            valid: Vec::new(),
            pins: String::new(),
            lock: None,
            idle: None,
            files: None,
            log: None,
        };
        let problems = scene.space.problems();
        scene.damaged = scene.space.on_disk().into_iter().collect();
        let known = scene.space.run(["paths"]);
        scene.is_index_bad = known.code != 0;
        scene.damaged.extend(known.stdout.lines().map(|path| base(path).to_owned()));
        scene.damaged.retain(|base| problems.iter().any(|problem| problem.contains(base)));
        for folder in ["store", "project"] {
            if scene.space.path(folder).exists() {
                copy(&scene.space.path(folder), &scene.start.path().join(folder));
            }
        }
        scene.space.ok(&scene.args);
        scene.valid = scene.space.valid();
        scene.pins = scene.space.ok(["pin"]);
        scene.lock = scene.lock();
        scene
    }

    pub(super) fn lock(&self) -> Option<String> {
        fs_err::read_to_string(self.space.path("project/clutch.lock")).ok()
    }

    /// How many different files the store's paths have.
    pub(super) fn files(&self) -> usize {
        fn gather(folder: &Path, found: &mut BTreeSet<u64>) {
            for entry in fs_err::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => gather(&entry.path(), found),
                    kind if kind.is_file() => drop(found.insert(entry.metadata().unwrap().ino())),
                    _ => {}
                }
            }
        }
        let mut found = BTreeSet::new();
        gather(&self.space.store().join("store"), &mut found);
        found.len()
    }

    fn clear(&self) {
        let places = ["store", "project"].map(|folder| self.space.path(folder));
        // who is not root cannot remove what is in a read-only folder
        let _ = child::status(Command::new("chmod").args(["-Rf", "u+w"]).args(&places)).unwrap();
        assert!(child::status(Command::new("rm").arg("-rf").args(places)).unwrap().success());
    }

    fn reset(&self) {
        self.clear();
        for folder in ["store", "project"] {
            let start = self.start.path().join(folder);
            if start.exists() {
                copy(&start, &self.space.path(folder));
            }
        }
    }

    fn disturbed(&self, class: Class, action: Action) -> Disturbed {
        self.reset();
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.space.disturbed(&args, class, action)
    }

    /// Disturbs the command at points of a class, and looks at what it leaves.
    pub(super) fn try_points(&self, class: Class, action: impl Fn(u32) -> Action) {
        let whole = self.disturbed(class, Action::Count);
        assert_eq!(whole.ran.code, 0, "{}", whole.ran.stderr);
        let kills = matches!(action(0), Action::Kill(_) | Action::Torn(_));
        let points = points(whole.calls, if kills { KILLS } else { ERRORS });
        for &point in &points {
            let action = action(point);
            let run = self.disturbed(class, action);
            let place = format!(
                "{:?}, {class:?} {action:?}: {}\n{}",
                self.args,
                run.call.as_deref().unwrap_or("not reached"),
                run.ran.stderr
            );
            let killed = matches!(action, Action::Kill(_) | Action::Torn(_)) && run.call.is_some();
            match run.ran.code {
                137 if killed => {}
                0..=5 if !killed => self.check_words(&run, &place),
                code => panic!("exit code {code}: {place}"),
            }
            eprintln!("exit code {}: {place}", run.ran.code);
            self.check(&place);
        }
    }

    /// Records the command, and looks at what is left when the power fails at moments of it.
    pub(super) fn try_power_cuts(&self) {
        self.reset();
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let record = Record::read(&self.space.recorded(&args));
        let (first, last) = record.moments().into_inner();
        let count = u32::try_from(last + 1 - first).unwrap();
        let seed = u64::from(seed());
        let lucks = [
            Luck::None,
            Luck::Names,
            Luck::Zeros,
            Luck::Until(seed),
            Luck::Any(seed),
            Luck::Any(!seed),
        ];
        let mut cuts = 0;
        for (n, point) in points(count, CUTS).into_iter().enumerate() {
            let moment = first - 1 + usize::try_from(point).unwrap();
            // one after the other if not every moment is tried
            let tried = if is_all() { &lucks[..] } else { &lucks[n % lucks.len()..][..1] };
            for luck in tried {
                let place = format!(
                    "{:?}, power cut {moment} of {first} to {last}, {luck:?}, after {}",
                    self.args,
                    record.last(moment)
                );
                self.clear();
                record.make(moment, *luck, &self.space.path(""), &["store", "project"]);
                self.check(&place);
                cuts += 1;
            }
        }
        eprintln!("{cuts} power cuts: {:?}", self.args);
    }

    /// An error is told as one.
    fn check_words(&self, run: &Disturbed, place: &str) {
        assert!(!run.ran.stderr.contains("panicked at"), "{place}");
        let is_told = run.ran.stderr.contains("error:") || run.ran.stderr.contains(" damaged");
        assert!(run.ran.code == 0 || is_told, "nothing is said: {place}");
        let mut errors = run.ran.stderr.lines().filter(|line| line.starts_with("error: "));
        assert!(
            errors.all(|line| line.contains(['\'', '`', '"'])),
            "it does not say where: {place}"
        );
    }

    /// A profile leads to something that is there, at every moment.
    fn check_profile(&self, place: &str) {
        let link = self.space.path("project/web");
        if self.start.path().join("project/web").symlink_metadata().is_ok() {
            let target = fs_err::canonicalize(&link).unwrap_or_else(|e| panic!("{e}: {place}"));
            assert!(target.starts_with(self.space.store()), "{}: {place}", target.display());
        }
    }

    /// Nothing is wrong but with what was damaged before, or is noted as open.
    fn check_store(&self, place: &str) {
        if self.is_index_bad {
            // it may be as it was, but nothing else is lost
            let lost =
                self.valid.iter().find(|path| self.space.real(path).symlink_metadata().is_err());
            assert_eq!(lost, None, "{place}");
            return;
        }
        let noted = self.space.noted();
        let mut problems = self.space.problems();
        problems.retain(|problem| {
            let is_open = problem.contains(" has mode ");
            let about = |base: &String| problem.contains(base);
            !(self.damaged.iter().any(about) || is_open && noted.iter().any(about))
        });
        assert_eq!(problems, Vec::<String>::new(), "{place}");
        // the next command seals what is open
        if !noted.is_empty() {
            self.space.ok(["paths"]);
            assert_eq!(self.space.noted(), BTreeSet::new(), "{place}");
        }
        if self.damaged.is_empty() {
            assert_eq!(self.space.problems(), Vec::<String>::new(), "{place}");
        }
    }

    /// A compressed log is whole, whatever has become of the plain one.
    fn check_log(&self, place: &str) {
        if let Some((derivation, log)) = &self.log
            && self.space.store().join(format!("var/log/{}.log.zst", base(derivation))).exists()
        {
            let found = self.space.ok(["log", derivation]);
            assert!(found == *log, "{found}: {place}");
        }
    }

    /// The state after a disturbance, then after the same command again.
    pub(super) fn check(&self, place: &str) {
        self.check_profile(place);
        self.check_store(place);
        self.check_log(place);
        let earlier = fs_err::read_to_string(self.start.path().join("project/clutch.lock")).ok();
        assert!(self.lock() == earlier || self.lock() == self.lock, "{place}: {:?}", self.lock());
        // nothing that was looked at here is open any more
        child::settle();
        let again = self.space.run(&self.args);
        let is_idle = self.idle.is_some_and(|idle| again.stderr.contains(idle));
        let is_done = again.code == 0 || is_idle;
        assert!(is_done, "the next command fails: {}{}\nafter {place}", again.stdout, again.stderr);
        assert_eq!(self.space.problems(), Vec::<String>::new(), "after the next command: {place}");
        assert_eq!((self.space.valid(), &self.lock()), (self.valid.clone(), &self.lock), "{place}");
        assert_eq!(self.space.ok(["pin"]), self.pins, "{place}");
        assert!(self.files.is_none_or(|files| files == self.files()), "not all is shared: {place}");
        let bases: BTreeSet<String> = self.valid.iter().map(|path| base(path).to_owned()).collect();
        let found: BTreeSet<String> = self.space.on_disk().into_iter().collect();
        assert_eq!(found, bases, "{place}");
        // what was used today stays, what the killed command has left goes
        self.space.ok(["gc", "--keep-days", "1"]);
        assert_eq!(self.space.litter(), Vec::<PathBuf>::new(), "{place}");
        assert_eq!(self.space.valid(), self.valid, "{place}");
    }
}

/// The name of a store path in its folder.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Which of so many points are tried: all, or some.
pub(super) fn points(all: u32, some: u32) -> Vec<u32> {
    if is_all() || all <= some {
        return (1..=all).collect();
    }
    // evenly, from another start with each seed
    (0..some).map(|n| (n * all / some + seed()) % all + 1).collect()
}

fn is_all() -> bool {
    std::env::var_os("CLUTCH_FAULTS").is_some_and(|value| value == "all")
}

fn seed() -> u32 {
    std::env::var("CLUTCH_FAULT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

pub(super) fn copy(from: &Path, to: &Path) {
    let ok = child::status(Command::new("cp").arg("-a").arg(from).arg(to)).unwrap();
    assert!(ok.success());
}

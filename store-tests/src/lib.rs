//! Shared by the whole-tool tests: a space of their own with a store, a project folder and an empty
//! home, in which the real binary runs.

pub mod child;
pub mod consistency;
pub mod earlier;
pub mod fault;
pub mod index;
pub mod peer;
pub mod power;
pub mod terminal;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

/// A temporary folder with an empty store, an empty home and a project folder. Nothing of the
/// caller's environment but the clients' configuration of indexes reaches the binary.
pub struct Space {
    dir: PathBuf,
    /// Removes the folder; nothing for a space that is kept.
    _owner: Option<TempDir>,
    binary: PathBuf,
    user: Option<u32>,
    programs: bool,
}

/// How a run ended.
pub struct Ran {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Space {
    /// A new space. `binary` is `env!("CARGO_BIN_EXE_clutch-under-test")` of the calling test.
    #[must_use]
    pub fn new(binary: &str) -> Self {
        // a memory file system if there is one: the tests make and remove many files
        let shm = Path::new("/dev/shm");
        let builder_dir = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("clutch-test-").tempdir_in(builder_dir).unwrap();
        Self::at(dir.path().to_owned(), binary, Some(dir))
    }

    /// A space below `folder` that outlives the test, made anew by each run of the test program.
    #[must_use]
    pub fn kept(binary: &str, folder: &str) -> Self {
        let dir = Path::new(folder).join("space");
        if dir.exists() {
            remove(&dir);
        }
        Self::at(dir, binary, None)
    }

    fn at(dir: PathBuf, binary: &str, owner: Option<TempDir>) -> Self {
        for folder in ["project", "home"] {
            fs_err::create_dir_all(dir.join(folder)).unwrap();
        }
        Self { dir, _owner: owner, binary: binary.into(), user: None, programs: true }
    }

    /// Hides the machine's programs from the binary.
    #[must_use]
    pub fn without_programs(mut self) -> Self {
        self.programs = false;
        self
    }

    /// Makes all runs those of an ordinary user (uid and gid `id`); needs root. The space becomes
    /// theirs, and the binary is copied to a place that they can read.
    #[must_use]
    pub fn as_user(mut self, id: u32) -> Self {
        let copy = self.path("clutch");
        fs_err::copy(&self.binary, &copy).unwrap();
        self.binary = copy;
        self.give_to(id);
        self.user = Some(id);
        self
    }

    fn give_to(&self, id: u32) {
        let owner = format!("{id}:{id}");
        let ok = child::status(Command::new("chown").args(["-R", &owner]).arg(&self.dir));
        assert!(ok.unwrap().success(), "chown needs root");
    }

    /// True if this process may become another user, which some tests need.
    #[must_use]
    pub fn is_root() -> bool {
        fs_err::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
    }

    /// The folder itself, or a path in it.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.dir.join(inside)
    }

    /// The store's root.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a file of the project, folders included, and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("project").join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        if let Some(id) = self.user {
            self.give_to(id);
        }
        path
    }

    /// Puts the probe into the project folder, where [`probing`] expects it.
    #[must_use]
    pub fn with_probe(self) -> Self {
        fs_err::copy(probe(), self.path("project/probe")).unwrap();
        if let Some(id) = self.user {
            self.give_to(id);
        }
        self
    }

    /// The same with a probe of this space's own: what has its name stands at another path than anybody else's,
    /// and nobody keeps it from being collected here (see [`Space::salt`]).
    #[must_use]
    pub fn with_own_probe(self) -> Self {
        let space = self.with_probe();
        let mut own = fs_err::read(probe()).unwrap();
        own.extend(space.salt().as_bytes());
        fs_err::write(space.path("project/probe"), own).unwrap();
        space
    }

    /// An attribute that gives derivations paths of this space's own. If a test expects a collection to remove a
    /// path, nobody else on the machine must use one of the same name: what processes use is known by its logical
    /// path only.
    #[must_use]
    pub fn salt(&self) -> String {
        format!("salt = \"{}\";", self.dir.file_name().unwrap().display())
    }

    /// The binary, ready to run in the project folder with this store.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command_of(&self.binary)
    }

    /// Another program, ready to run in the same place with the same environment.
    #[must_use]
    pub fn command_of(&self, program: impl AsRef<OsStr>) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.path("project")).stdin(Stdio::null());
        // the places of the machine's clients and certificates; indexes' addresses come from there
        for name in [
            "PATH",
            "SSL_CERT_FILE",
            "PIP_CERT",
            "PIP_INDEX_URL",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "NO_PROXY",
        ] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if !self.programs {
            command.env("PATH", self.path("home"));
        }
        command.env("HOME", self.path("home")).env("CLUTCH_STORE", self.store());
        if let Some(id) = self.user {
            command.uid(id).gid(id);
        }
        command
    }

    /// Runs the binary with these arguments.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Ran {
        Ran::of(child::output(self.command().args(args)).expect("the binary starts"))
    }

    /// Runs the binary, which must succeed, and gives its standard output without the last newline.
    pub fn ok<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        ran.stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs the binary, which must fail with that code, and gives its standard error.
    pub fn fails<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, code: i32, args: I) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("panicked at"), "{}", ran.stderr);
        ran.stderr
    }

    /// bash's completions of `clutch WORDS`, with the script of `clutch completions bash`.
    #[must_use]
    pub fn completions(&self, words: &[&str]) -> Vec<String> {
        // the script asks `clutch`
        let folder = self.path("bin");
        fs_err::create_dir_all(&folder).unwrap();
        let link = folder.join("clutch");
        let _ = std::os::unix::fs::symlink(&self.binary, &link);
        let script = "PATH=$1:$PATH; shift; . <(clutch completions bash); COMP_WORDS=(clutch \"$@\"); \
                      COMP_CWORD=$#; COMP_TYPE=9; _clap_complete_clutch clutch \"${@: -1}\" ''; \
                      printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = self.command_of("bash");
        bash.args(["-c", script, "bash"]).arg(folder).args(words);
        let ran = Ran::of(child::output(&mut bash).expect("bash starts"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.stdout.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The place on disk of a logical store path, or of one below it.
    #[must_use]
    pub fn real(&self, logical: &str) -> PathBuf {
        let inside = logical.strip_prefix("/clutch/store/").expect("a store path");
        self.store().join("store").join(inside)
    }

    /// Every valid path of the store, sorted: what `clutch paths` lists.
    #[must_use]
    pub fn valid(&self) -> Vec<String> {
        self.ok(["paths"]).lines().map(str::to_owned).collect()
    }

    /// The names on disk in the store dir, sorted, valid or not.
    #[must_use]
    pub fn on_disk(&self) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.store().join("store")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Ran {
    /// The ended process's output.
    #[must_use]
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Store objects are read-only, folders included, so that a plain removal fails for ordinary users.
fn make_writable(folder: &Path) {
    let mut chmod = Command::new("chmod");
    let _ = child::status(chmod.args(["-R", "u+w"]).arg(folder).stderr(Stdio::null()));
}

fn remove(folder: &Path) {
    make_writable(folder);
    fs_err::remove_dir_all(folder).unwrap();
}

impl Drop for Space {
    fn drop(&mut self) {
        make_writable(&self.dir);
    }
}

/// The compiled `probe.c`: a program without libraries that tries things and says how they ended.
#[must_use]
pub fn probe() -> &'static Path {
    static PROBE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    &PROBE.get_or_init(|| compile("probe.c", &["-static", "-O1"])).1
}

/// A C program beside this file, compiled into a folder that disappears with the first of these.
fn compile(name: &str, options: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
    let mut gcc = Command::new("gcc");
    let status = child::status(gcc.args(options).arg("-o").arg(&path).arg(source));
    assert!(status.expect("gcc is installed").success(), "gcc compiles {name}");
    (dir, path)
}

/// A derivation of the language that runs the probe: `attributes` are more attributes, `operations`
/// the probe's words. The probe must lie beside the expression ([`Space::with_probe`]).
#[must_use]
pub fn probing(name: &str, attributes: &str, operations: &[&[&str]]) -> String {
    let quote = |word: &&str| {
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${"))
    };
    let words: Vec<String> = operations
        .iter()
        .map(|operation| operation.iter().map(quote).collect::<Vec<_>>().join(" "))
        .collect();
    format!(
        "derivation {{ name = \"{name}\"; system = \"x86_64-linux\"; builder = \"${{./probe}}\"; {attributes} \
         args = [ {} ]; }}",
        words.join(" \"--\" ")
    )
}

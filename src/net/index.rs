//! Indexes: names such as `pypi` or `debian` whose addresses come from the user's settings, or from the settings of
//! the machine's own clients. No address is written here. The result depends on the [`HostEnvironment`], on the files
//! that it names, and on an installed pip, which is asked once and only if nothing else has an address.

use std::{
    collections::BTreeMap,
    io::{Read as _, Seek as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use clutch_expr::suggest::did_you_mean;

use super::{
    address::{Address, AddressError, redacted},
    config::Config,
    config_file::ConfigFileError,
    host::HostEnvironment,
    settings::{self, Client},
};

/// The index of Python packages.
pub(crate) const PYPI: &str = "pypi";

/// Why an index has no usable address.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// No setting has its address.
    #[error("no address is known for the index '{name}': {tried}; give one by --index {name}=URL or in the table [index] of {}", config.display())]
    Unknown {
        /// The index.
        name: String,
        /// The places in which an address was looked for.
        tried: String,
        /// clutch's configuration file.
        config: PathBuf,
    },
    /// The value of a setting is not an address.
    #[error("the index '{name}', set by {origin}: {error}")]
    Address {
        /// The index.
        name: String,
        /// The setting.
        origin: String,
        /// The problem.
        error: AddressError,
    },
    /// A configuration file cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigFileError),
    /// The name is not one that an index may have.
    #[error(
        "expected the name of an index (letters, digits, '-', '_' and '.'), found '{0}'; give an address as \
         --index NAME=ADDRESS"
    )]
    Name(String),
}

/// An address and the setting that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address of the index.
    pub address: Address,
    /// The setting, for messages: `--index`, a file, a variable, or pip itself.
    pub origin: String,
}

/// The indexes of this process. Each is looked up once.
pub struct Indexes {
    given: BTreeMap<String, String>,
    environment: HostEnvironment,
    found: Mutex<BTreeMap<String, Found>>,
    /// The installed pip's setting, asked for at most once.
    pip: OnceLock<Option<(String, String)>>,
    /// Says if the search is to stop.
    cancelled: fn() -> bool,
}

impl Indexes {
    /// Indexes with the addresses `given` by `--index NAME=URL`, and by the environment for all
    /// others.
    #[must_use]
    pub fn new(
        given: BTreeMap<String, String>,
        environment: HostEnvironment,
        cancelled: fn() -> bool,
    ) -> Self {
        Self { given, environment, found: Mutex::default(), pip: OnceLock::new(), cancelled }
    }

    /// The names that may be known: the usual ones, those of `--index` and of clutch's
    /// configuration file. Sorted.
    ///
    /// # Errors
    /// If that file cannot be read.
    pub fn names(&self) -> Result<Vec<String>, IndexError> {
        let config = Config::read(&self.environment)?;
        let usual = [PYPI, "debian", "debian-security"].map(str::to_owned);
        let mut names: Vec<String> =
            self.given.keys().cloned().chain(config.indexes.into_keys()).chain(usual).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The index of that name, and the setting that gives it. In order: `--index`, clutch's
    /// configuration file, the variables and then the files of pip and uv (for `pypi`) or apt's
    /// sources (for all others), and for `pypi` what the installed pip itself uses.
    ///
    /// # Errors
    /// If no setting has it (the text says which to give), or the address is not valid.
    pub fn find(&self, name: &str) -> Result<Found, IndexError> {
        let cache = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache().get(name) {
            return Ok(found.clone());
        }
        let found = self.look_up(name)?;
        cache().insert(name.to_owned(), found.clone());
        Ok(found)
    }

    fn look_up(&self, name: &str) -> Result<Found, IndexError> {
        let environment = &self.environment;
        if !is_name(name) {
            return Err(IndexError::Name(redacted(name)));
        }
        let config = Config::read(environment)?;
        let (text, origin) = if let Some(url) = self.given.get(name) {
            (url.clone(), format!("--index {name}"))
        } else if let Some(url) = config.indexes.get(name) {
            (url.clone(), config.file.display().to_string())
        } else if name == PYPI {
            let asked = || self.pip.get_or_init(|| ask_pip(environment, self.cancelled)).clone();
            settings::pypi(environment)?.or_else(asked).ok_or_else(|| {
                let tried = "neither pip nor uv is configured with one, and no installed pip could be asked";
                self.unknown(name, tried, &config)
            })?
        } else {
            settings::apt(environment, name).ok_or_else(|| {
                let tried = "none of apt's sources has an address with that name in its path";
                self.unknown(name, tried, &config)
            })?
        };
        let address = Address::parse(&text).map_err(|error| IndexError::Address {
            name: name.to_owned(),
            origin: origin.clone(),
            error,
        })?;
        Ok(Found { address, origin })
    }

    fn unknown(&self, name: &str, tried: &str, config: &Config) -> IndexError {
        let others = self.given.keys().chain(config.indexes.keys()).cloned();
        let near = did_you_mean(name, others).map(|near| format!(" ({near})")).unwrap_or_default();
        IndexError::Unknown {
            name: name.to_owned(),
            tried: format!("{tried}{near}"),
            config: self
                .environment
                .clutch_config()
                .unwrap_or_else(|| PathBuf::from("~/.config/clutch/config.toml")),
        }
    }
}

/// True if an index may have that name.
#[must_use]
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=100).contains(&text.len()) && text.bytes().all(inner)
}

/// Prints the default index of the pip that belongs to the interpreter: its own constant, or else
/// what its help says.
const ASK_PIP: &str = r#"
try:
    from pip._internal.models.index import PyPI
    print(PyPI.simple_url)
except Exception:
    import re, subprocess, sys
    text = subprocess.run([sys.executable, "-m", "pip", "install", "--help"],
                          capture_output=True, text=True).stdout
    print(re.search(r"Index \(default\s+(\S+)\)", text).group(1))
"#;

/// How long an interpreter may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the pip of each Python on the PATH until one answers.
fn ask_pip(environment: &HostEnvironment, cancelled: fn() -> bool) -> Option<Client> {
    let path = environment.variable("PATH")?;
    for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
        for name in ["python3", "python"] {
            let program = Path::new(folder).join(name);
            if !program.is_file() {
                continue;
            }
            let mut command = Command::new(&program);
            command.args(["-c", ASK_PIP]).env_clear().envs(&environment.variables);
            // a module that lies in the current folder must not be taken for pip
            command.current_dir("/").env("PYTHONSAFEPATH", "1").env("COLUMNS", "1000");
            let Some(url) = answer(&mut command, cancelled) else { continue };
            if Address::parse(&url).is_ok() {
                return Some((url, format!("the pip of {}", program.display())));
            }
        }
    }
    None
}

/// The output of a program; nothing if it fails or takes too long.
fn answer(command: &mut Command, cancelled: fn() -> bool) -> Option<String> {
    // a file and no pipe, which somebody that it starts may hold open
    let mut answer = tempfile::tempfile().ok()?;
    command.stdin(Stdio::null()).stdout(answer.try_clone().ok()?).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let deadline = Instant::now() + PATIENCE;
    let success = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < deadline && !cancelled() => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => {
                // if this fails it is gone already
                let _ = child.kill();
                let _ = child.wait();
                break false;
            }
        }
    };
    let mut text = String::new();
    answer.rewind().ok()?;
    answer.take(4096).read_to_string(&mut text).ok()?;
    success.then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, text: &str) -> &Self {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        fn find(&self, name: &str, variables: &[(&str, &str)]) -> Result<String, String> {
            let root = self.0.path();
            let home = root.join("home").to_str().unwrap().to_owned();
            let mut all = BTreeMap::from([("HOME".to_owned(), home)]);
            all.extend(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            let environment = HostEnvironment { variables: all, root: root.to_owned() };
            Indexes::new(BTreeMap::new(), environment, || false)
                .find(name)
                .map(|found| found.address.to_string())
                .map_err(|e| e.to_string())
        }
    }

    #[test]
    fn the_users_word_comes_first() {
        let machine = Machine::new();
        machine.file("etc/pip.conf", "[global]\nindex-url = http://etc.test/\n");
        assert_eq!(machine.find("pypi", &[]).unwrap(), "http://etc.test/");
        machine.file("etc/xdg/pip/pip.conf", "[global]\nindex-url: http://xdg.test/\n");
        machine.file("home/.config/pip/pip.conf", "# x\n[install]\nindex_url=http://user.test/\n");
        assert_eq!(machine.find("pypi", &[]).unwrap(), "http://user.test/");
        let variable = [("PIP_INDEX_URL", "http://var.test/")];
        assert_eq!(machine.find("pypi", &variable).unwrap(), "http://var.test/");
        machine.file("home/.config/clutch/config.toml", "[index]\npypi = \"http://own.test/s\"\n");
        assert_eq!(machine.find("pypi", &variable).unwrap(), "http://own.test/s");
        let given = BTreeMap::from([("pypi".to_owned(), "http://given.test".to_owned())]);
        let environment = HostEnvironment { variables: BTreeMap::new(), root: "/nowhere".into() };
        let found = Indexes::new(given, environment, || false).find("pypi").unwrap();
        assert_eq!(
            (&*found.address.to_string(), &*found.origin),
            ("http://given.test/", "--index pypi")
        );
    }

    #[test]
    fn uv_is_asked_too() {
        let machine = Machine::new();
        machine.file("etc/uv/uv.toml", "index-url = \"http://uv-etc.test/\"\n");
        assert_eq!(machine.find("pypi", &[]).unwrap(), "http://uv-etc.test/");
        let text = "[[index]]\nurl = \"http://extra.test/\"\n[[index]]\nurl = \"http://uv.test/\"\ndefault = true\n";
        machine.file("home/.config/uv/uv.toml", text);
        assert_eq!(machine.find("pypi", &[]).unwrap(), "http://uv.test/");
        let variable = [("UV_DEFAULT_INDEX", "mine=http://uv-var.test/")];
        assert_eq!(machine.find("pypi", &variable).unwrap(), "http://uv-var.test/");
    }

    #[test]
    fn apt_knows_debian() {
        let machine = Machine::new();
        machine.file(
            "etc/apt/sources.list.d/debian.sources",
            "Types: deb\nEnabled: no\nURIs: http://off.test/debian\nSuites: x\n\n\
             # a comment\nTypes: deb deb-src\nURIs: http://main.test/debian/\n http://two.test/debian\n\
             Suites: bookworm\nComponents: main\n\nTypes: deb\nURIs: http://main.test/debian-security\nSuites: bookworm-security\n",
        );
        assert_eq!(machine.find("debian", &[]).unwrap(), "http://main.test/debian/");
        assert_eq!(
            machine.find("debian-security", &[]).unwrap(),
            "http://main.test/debian-security"
        );
        machine.file(
            "etc/apt/sources.list",
            "# x\ndeb-src http://src.test/debian x main\ndeb [arch=amd64 signed-by=/k] http://list.test/debian bookworm main # y\n",
        );
        assert_eq!(machine.find("debian", &[]).unwrap(), "http://list.test/debian");
    }

    #[test]
    fn a_machine_without_settings_says_what_to_give() {
        for name in ["pypi", "debian"] {
            let error = Machine::new().find(name, &[]).unwrap_err();
            assert!(error.contains(&format!("--index {name}=URL")), "{error}");
            assert!(error.contains("clutch/config.toml"), "{error}");
        }
        let machine = Machine::new();
        let variable = [("PIP_INDEX_URL", "nothing")];
        let error = machine.find("pypi", &variable).unwrap_err();
        assert!(error.contains("PIP_INDEX_URL") && error.contains("'nothing'"), "{error}");
        machine.file("home/.config/clutch/config.toml", "index = 3 4");
        assert!(machine.find("pypi", &[]).unwrap_err().contains("config.toml:1"));
        machine.file("home/.config/clutch/config.toml", "[index]\ndebain = 'http://x.test'");
        assert!(machine.find("debian", &[]).unwrap_err().contains("did you mean 'debain'?"));
        let name = "http://me:s3cret@host/simple";
        let error = machine.find(name, &[]).unwrap_err();
        assert!(
            error.contains("expected the name of an index") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    fn an_installed_pip_is_asked() {
        let machine = Machine::new();
        let script = "#!/bin/sh\nif [ \"$1\" = -c ]; then echo http://pip.test/simple; fi\n";
        machine.file("bin/python3", script);
        let program = machine.0.path().join("bin/python3");
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("relative:{}", program.parent().unwrap().display());
        assert_eq!(machine.find("pypi", &[("PATH", &path)]).unwrap(), "http://pip.test/simple");
    }
}

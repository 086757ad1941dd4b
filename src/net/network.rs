//! The network for one run: the machine's settings, connections, and indexes with the pages of their
//! projects. Everything that downloads or looks something up shares it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use super::{
    address::Address,
    host::HostEnvironment,
    http::{Http, HttpError, HttpSettings},
    index::Indexes,
    settings::{self, SettingError},
    simple,
};

/// The settings of a [`Network`].
pub struct NetworkSettings {
    /// Addresses by `--index NAME=URL`.
    pub indexes: BTreeMap<String, String>,
    /// The process's variables and the root of the file system.
    pub environment: HostEnvironment,
    /// Timeouts, tries, credentials, `--offline`.
    pub http: HttpSettings,
    /// A folder for partial files, which outlive the run. Without one they are in the scratch folder of
    /// whoever downloads.
    pub partial: Option<PathBuf>,
}

impl NetworkSettings {
    /// The settings of the environment: `NETRC` or the user's `.netrc`, and the timeout and number of
    /// tries that pip and uv are given.
    ///
    /// # Errors
    /// If a setting is not a number; the error names it.
    pub fn of(environment: HostEnvironment) -> Result<Self, SettingError> {
        let netrc = environment.variable("NETRC").map(PathBuf::from);
        let netrc = netrc.or_else(|| Some(environment.home()?.join(".netrc")));
        let netrc = netrc.filter(|path| path.is_file());
        let mut http = HttpSettings { netrc, ..HttpSettings::default() };
        if let Some((text, origin)) = settings::timeout(&environment) {
            let seconds = text.trim().parse::<f64>().ok().filter(|s| s.is_finite() && *s > 0.0);
            let expected = "a number of seconds above 0";
            let seconds = seconds.ok_or(SettingError { origin, text, expected })?;
            http.read = Duration::from_secs_f64(seconds.min(86_400.0));
            http.connect = http.connect.min(http.read);
        }
        if let Some((text, origin)) = settings::retries(&environment) {
            let retries = text.trim().parse::<u32>();
            let expected = "a number";
            let retries = retries.map_err(|_| SettingError { origin, text, expected })?;
            http.attempts = retries.saturating_add(1).min(100);
        }
        Ok(Self { indexes: BTreeMap::new(), environment, http, partial: None })
    }
}

/// The files of projects, by index and normalised name.
type Projects = BTreeMap<(Address, String), Arc<Vec<simple::File>>>;

/// The network as one run uses it: connections, indexes, and pages of projects, each asked for once.
pub struct Network {
    indexes: Indexes,
    environment: HostEnvironment,
    settings: HttpSettings,
    partial: Option<PathBuf>,
    /// Made when the first request is, since certificates have to be read for it.
    http: OnceLock<Http>,
    projects: Mutex<Projects>,
}

impl Network {
    /// Nothing is read or asked before it is needed.
    #[must_use]
    pub fn new(settings: NetworkSettings) -> Self {
        Self {
            indexes: Indexes::new(
                settings.indexes,
                settings.environment.clone(),
                settings.http.cancelled,
            ),
            environment: settings.environment,
            settings: settings.http,
            partial: settings.partial,
            http: OnceLock::new(),
            projects: Mutex::default(),
        }
    }

    /// The indexes.
    #[must_use]
    pub fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// The folder for partial files, if there is one.
    #[must_use]
    pub fn partial(&self) -> Option<&Path> {
        self.partial.as_deref()
    }

    /// True with `--offline`: nothing may be fetched.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.settings.offline
    }

    /// The connections.
    ///
    /// # Errors
    /// If certificates, proxies or the netrc file of the settings cannot be used.
    pub fn http(&self) -> Result<&Http, HttpError> {
        if self.http.get().is_none() {
            let http = Http::new(self.settings.clone(), &self.environment)?;
            // another thread may have been quicker; its client is as good
            let _ = self.http.set(http);
        }
        self.http.get().ok_or(HttpError::Cancelled)
    }

    /// The files that an index lists for a project (normalised name). Each page is asked for once.
    ///
    /// # Errors
    /// If the page cannot be had.
    pub fn project(
        &self,
        index: &Address,
        project: &str,
    ) -> Result<Arc<Vec<simple::File>>, simple::SimpleError> {
        let key = (index.clone(), project.to_owned());
        let known = || self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = known().get(&key) {
            return Ok(files.clone());
        }
        let files = Arc::new(simple::project(self.http()?, index, project)?);
        known().insert(key, files.clone());
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn the_environment_says_how_to_fetch() {
        let dir = tempfile::tempdir().unwrap();
        let of = |variables: &[(&str, &str)]| {
            let mut all = BTreeMap::from([("HOME", dir.path().to_str().unwrap())]);
            all.extend(variables.iter().copied());
            let variables = all.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            NetworkSettings::of(HostEnvironment { variables, root: "/nowhere".into() })
                .map(|s| s.http)
        };
        let refused = |name, value| of(&[(name, value)]).unwrap_err().to_string();
        let of = |variables: &[(&str, &str)]| of(variables).unwrap();
        assert_eq!((of(&[]).netrc, of(&[]).read), (None, Duration::from_secs(60)));
        fs::write(dir.path().join(".netrc"), "").unwrap();
        let seven = of(&[("PIP_DEFAULT_TIMEOUT", "7")]);
        assert_eq!((seven.read, seven.connect), (Duration::from_secs(7), Duration::from_secs(7)));
        let both = [("PIP_DEFAULT_TIMEOUT", "7"), ("UV_HTTP_TIMEOUT", "90")];
        assert_eq!((of(&both).read, of(&both).connect.as_secs()), (Duration::from_secs(90), 20));
        assert_eq!(of(&[("UV_HTTP_TIMEOUT", "1e300")]).read, Duration::from_secs(86_400));
        fs::create_dir_all(dir.path().join(".config/pip")).unwrap();
        fs::write(dir.path().join(".config/pip/pip.conf"), "[global]\ntimeout = 2.5\n").unwrap();
        assert_eq!(of(&[]).read, Duration::from_millis(2500));
        assert_eq!((of(&[]).attempts, of(&[("UV_HTTP_RETRIES", "0")]).attempts), (5, 1));
        assert!(refused("PIP_RETRIES", "-1").contains("PIP_RETRIES is '-1'"));
        for value in ["soon", "0", "-1", "nan"] {
            let error = refused("UV_HTTP_TIMEOUT", value);
            assert!(error.contains("UV_HTTP_TIMEOUT is") && error.contains(value), "{error}");
        }
        assert_eq!(of(&[]).netrc, Some(dir.path().join(".netrc")));
        assert_eq!(of(&[("NETRC", "/nothing")]).netrc, None);
    }
}

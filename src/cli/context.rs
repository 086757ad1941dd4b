//! The context of every command: the global options, the process environment (read only here), the store,
//! and output.

use std::{
    collections::BTreeMap,
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::{
    events::Events,
    failure::{Failure, Kind, Outcome},
    global::Global,
    interruption, output, report,
};
use crate::{
    net::{
        address::{redacted, without_credentials},
        host::HostEnvironment,
        index::is_name,
    },
    session::{self, Session, Settings},
    store::{
        PathInfo, Store, StoreError,
        place::{self, Choices},
    },
    store_path::StorePath,
};

/// The global options and the state that follows from them.
pub(super) struct Context {
    pub(super) global: Global,
    /// With `--events`.
    pub(super) events: Option<Events>,
    pub(super) session: Session,
}

impl Context {
    /// Reads the environment, and opens the file for events.
    pub(super) fn new(global: Global) -> Result<Self, Failure> {
        let events = global.events.as_deref().map(Events::open).transpose()?;
        let session = Session::new(settings(&global)?);
        Ok(Self { global, events, session })
    }

    /// The store, opened on the first call.
    pub(super) fn store(&self) -> Result<&Store, Failure> {
        Ok(self.session.store()?)
    }

    /// The store path that a text names.
    pub(super) fn stored(&self, text: &str) -> Result<StorePath, Failure> {
        Ok(session::stored(&self.session, text)?)
    }

    /// The same, but checks that the path is valid and protects it while this command runs.
    pub(super) fn valid(&self, text: &str) -> Result<StorePath, Failure> {
        self.check_valid(self.stored(text)?)
    }

    /// The path, if it is valid. Protects it while this command runs.
    pub(super) fn check_valid(&self, path: StorePath) -> Result<StorePath, Failure> {
        match self.store()?.is_valid(&path)? {
            true => Ok(path),
            false => Err(StoreError::NotValid(path).into()),
        }
    }

    /// The information on the given paths, or on all paths if none are given.
    pub(super) fn infos(&self, texts: &[String]) -> Result<Vec<PathInfo>, Failure> {
        let store = self.store()?;
        if texts.is_empty() {
            return Ok(store.all()?);
        }
        let info = |text: &String| {
            let path = self.valid(text)?;
            Ok(store.info(&path)?.ok_or(StoreError::NotValid(path))?)
        };
        texts.iter().map(info).collect()
    }

    /// Prints a result unchanged.
    #[expect(clippy::unused_self, reason = "one way to speak: all output goes through the context")]
    pub(super) fn print(&self, text: impl AsRef<[u8]>) -> Result<(), Failure> {
        output::print(text.as_ref())
    }

    /// Prints a result line.
    #[expect(clippy::unused_self, reason = "one way to speak: all output goes through the context")]
    pub(super) fn line(&self, text: impl AsRef<str>) -> Result<(), Failure> {
        output::show(&format!("{}\n", text.as_ref()))
    }

    /// Prints a JSON document, indented on a terminal.
    pub(super) fn json(&self, value: &Value) -> Result<(), Failure> {
        self.print(match output::is_terminal() {
            true => format!("{value:#}\n"),
            false => format!("{value}\n"),
        })
    }

    /// True if progress is shown on a terminal.
    pub(super) fn shows_progress(&self) -> bool {
        !self.global.quiet && !self.global.json && !self.events_on_stderr()
    }

    /// True if events go to standard error, which then has nothing else.
    fn events_on_stderr(&self) -> bool {
        self.events.as_ref().is_some_and(|events| events.is_stderr)
    }

    /// Prints a message on standard error, unless --quiet is given.
    pub(super) fn say(&self, text: impl AsRef<str>) {
        self.tell("info", text.as_ref(), text.as_ref());
    }

    fn tell(&self, level: &str, plain: &str, shown: &str) {
        let (plain, shown) = (&*without_credentials(plain), without_credentials(shown));
        if let Some(events) = &self.events {
            events.message(level, plain);
        }
        if !self.global.quiet && !self.events_on_stderr() {
            output::say(&shown);
        }
    }

    /// Prints a warning on standard error.
    pub(super) fn warn(&self, text: impl AsRef<str>) {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        let text = text.as_ref();
        self.tell("warning", text, &format!("{style}warning:{style:#} {text}"));
    }

    /// Prints a failure, as JSON with `--json`.
    pub(super) fn report(&self, failure: &Failure) {
        if failure.kind == Kind::Closed {
            return;
        }
        if let Some(events) = &self.events {
            events.error(failure);
        }
        if !self.events_on_stderr() {
            report::report(failure, self.global.json);
        }
    }

    /// Ends the command and prints its failure, as JSON with `--json`.
    pub(super) fn end(&self, result: &Outcome) -> ExitCode {
        // an output that was cut off must not look complete
        let store = self.session.store_if_open();
        if let Some(lost @ StoreError::Lost { .. }) = store.and_then(|s| s.need_writable().err())
            && !matches!(result, Err(failure) if failure.message == lost.to_string())
        {
            self.warn(lost.to_string());
        }
        let code = match result {
            // an `ExitCode` does not give its number
            Ok(code) => (0..=u8::MAX).find(|n| ExitCode::from(*n) == *code).unwrap_or_default(),
            Err(failure) => {
                self.report(failure);
                failure.kind.code()
            }
        };
        let Some(events) = &self.events else { return ExitCode::from(code) };
        match events.end(code) {
            Err(failure) if code == 0 => {
                report::report(&failure, self.global.json);
                ExitCode::from(failure.kind.code())
            }
            _ => ExitCode::from(code),
        }
    }

    /// True if standard error shows colours.
    #[expect(clippy::unused_self, reason = "one way to ask")]
    pub(super) fn colours(&self) -> bool {
        anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
    }
}

/// The settings from the options and the environment.
fn settings(global: &Global) -> Result<Settings, Failure> {
    let mut indexes = BTreeMap::new();
    for text in &global.index {
        let named = text.split_once('=').filter(|(name, _)| is_name(name));
        let (name, address) = named.ok_or_else(|| {
            let text = redacted(text);
            Failure::new(Kind::Usage, format!("--index '{text}': expected NAME=ADDRESS"))
        })?;
        indexes.insert(name.to_owned(), address.to_owned());
    }
    Ok(Settings {
        store: store_root(global.store.as_deref()),
        profiles: profiles(),
        system: global.system.clone(),
        offline: global.offline,
        indexes,
        home: env::var_os("HOME").map(PathBuf::from),
        environment: HostEnvironment { variables: variables(), root: PathBuf::from("/") },
        cancelled: interruption::is_cancelled,
        interruption: interruption::flag(),
    })
}

/// The store's root folder by the rules of [`place::place`]: `explicit`, or from the environment.
pub(super) fn store_root(explicit: Option<&Path>) -> Option<PathBuf> {
    let [clutch_store, xdg_data_home, home] =
        ["CLUTCH_STORE", "XDG_DATA_HOME", "HOME"].map(env::var_os);
    let choices = Choices {
        explicit,
        clutch_store: clutch_store.as_deref(),
        xdg_data_home: xdg_data_home.as_deref(),
        home: home.as_deref(),
    };
    place::place(choices, place::usable)
}

/// The folder of profiles that are given by name.
pub(super) fn profiles() -> Option<PathBuf> {
    let [state, home] = ["XDG_STATE_HOME", "HOME"].map(env::var_os);
    place::profiles(state.as_deref(), home.as_deref())
}

/// The variables of the process environment that are UTF-8.
fn variables() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

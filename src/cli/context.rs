//! What every command needs: the global options, the process environment (read here and nowhere
//! else), the store when it is asked for, and how to speak.

use std::{
    collections::BTreeMap,
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::OnceLock,
};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::{
    events::Events,
    failure::{Failure, Kind, OrFail as _, Outcome},
    global::Global,
    interruption::is_cancelled,
    output, report,
};
use crate::{
    cache::{Export, Substituter},
    net::{
        address::{redacted, without_credentials},
        host::HostEnvironment,
        index::is_name,
        network::{Network, NetworkSettings},
    },
    store::{
        Store, StoreError,
        place::{self, Choices},
        profile::Profile,
    },
    store_path::check_name,
};

/// The global options and what follows from them.
pub(super) struct Context {
    pub(super) global: Global,
    /// With `--events`.
    pub(super) events: Option<Events>,
    store: OnceLock<Store>,
    network: OnceLock<Network>,
    /// With `--from`.
    exports: OnceLock<Vec<Export>>,
}

impl Context {
    /// Opens what events go to.
    pub(super) fn new(global: Global) -> Result<Self, Failure> {
        let events = global.events.as_deref().map(Events::open).transpose()?;
        let (store, network, exports) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Self { global, events, store, network, exports })
    }

    /// The platform to evaluate for and to build on: the option, else that of this program.
    pub(super) fn system(&self) -> &str {
        match &self.global.system {
            Some(system) => system,
            None if cfg!(target_arch = "x86_64") => "x86_64-linux",
            None => "aarch64-linux",
        }
    }

    /// The store's root folder, by the rules of [`place::place`].
    pub(super) fn store_root(&self) -> Result<PathBuf, Failure> {
        store_root(self.global.store.as_deref())
    }

    /// The store, opened at the first call.
    pub(super) fn store(&self) -> Result<&Store, Failure> {
        self.opened(Store::open)
    }

    /// The store, also where the disk is too full for other uses of it.
    pub(super) fn store_to_collect(&self) -> Result<&Store, Failure> {
        self.opened(Store::open_to_collect)
    }

    fn opened(&self, open: fn(&Path) -> Result<Store, StoreError>) -> Result<&Store, Failure> {
        if self.store.get().is_none() {
            let store = open(&self.store_root()?).or_fail(Kind::Store)?;
            let _ = self.store.set(store);
        }
        Ok(self.store.get().expect("it was opened"))
    }

    /// The profile that a person means: a path where there is a slash in it, else a name.
    pub(super) fn profile(&self, text: &str) -> Result<Profile, Failure> {
        let link = match text.contains('/') {
            true => PathBuf::from(text),
            false => {
                check_name(text).or_fail(Kind::Usage)?;
                profiles()?.join(text)
            }
        };
        Profile::at(&link).or_fail(Kind::Usage)
    }

    /// Lets plans take paths from these exports.
    pub(super) fn take_from(&self, exports: Vec<Export>) {
        // a command says so once
        let _ = self.exports.set(exports);
    }

    /// The exports that plans take paths from.
    pub(super) fn exports(&self) -> &[Export] {
        self.exports.get().map_or(&[], Vec::as_slice)
    }

    /// The same, as plans ask them.
    pub(super) fn substituters(&self) -> Vec<&dyn Substituter> {
        self.exports().iter().map(|export| export as &dyn Substituter).collect()
    }

    /// The network, with the machine's settings. Nothing is read or asked before it is needed.
    pub(super) fn network(&self) -> Result<&Network, Failure> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let mut indexes = BTreeMap::new();
        for text in &self.global.index {
            let named = text.split_once('=').filter(|(name, _)| is_name(name));
            let (name, address) = named.ok_or_else(|| {
                let text = redacted(text);
                Failure::new(Kind::Usage, format!("--index '{text}': expected NAME=ADDRESS"))
            })?;
            indexes.insert(name.to_owned(), address.to_owned());
        }
        let environment = HostEnvironment { variables: variables(), root: PathBuf::from("/") };
        let mut settings = NetworkSettings::of(environment)
            .map_err(|problem| Failure::new(Kind::Usage, problem))?;
        settings.indexes = indexes;
        settings.http.offline = self.global.offline;
        settings.http.cancelled = is_cancelled;
        settings.partial = self.store.get().filter(|s| s.is_writable()).map(Store::partial);
        Ok(self.network.get_or_init(|| Network::new(settings)))
    }

    /// Prints a result as it is.
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

    /// Whether the progress of work is shown to a person.
    pub(super) fn shows_progress(&self) -> bool {
        !self.global.quiet && !self.global.json && !self.events_on_stderr()
    }

    /// Whether standard error holds events and nothing else.
    fn events_on_stderr(&self) -> bool {
        self.events.as_ref().is_some_and(|events| events.is_stderr)
    }

    /// Says something on standard error, unless quiet.
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

    /// Warns on standard error.
    pub(super) fn warn(&self, text: impl AsRef<str>) {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        let text = text.as_ref();
        self.tell("warning", text, &format!("{style}warning:{style:#} {text}"));
    }

    /// Says how something failed, for people or, with `--json`, for programs.
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

    /// The end of the command: how it failed is said for people or, with `--json`, for programs.
    pub(super) fn end(&self, result: &Outcome) -> ExitCode {
        // what was said would be believed otherwise
        let store = self.store.get();
        if let Some(lost @ StoreError::Lost { .. }) = store.and_then(|s| s.need_writable().err())
            && !matches!(result, Err(failure) if failure.message == lost.to_string())
        {
            self.warn(lost.to_string());
        }
        let code = match result {
            // an exit code does not tell its number
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

    /// Whether standard error shows colours.
    #[expect(clippy::unused_self, reason = "one way to ask")]
    pub(super) fn colours(&self) -> bool {
        anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
    }
}

/// The store's root folder, by the rules of [`place::place`]: `explicit`, or as the environment says.
pub(super) fn store_root(explicit: Option<&Path>) -> Result<PathBuf, Failure> {
    let [clutch_store, xdg_data_home, home] =
        ["CLUTCH_STORE", "XDG_DATA_HOME", "HOME"].map(env::var_os);
    let choices = Choices {
        explicit,
        clutch_store: clutch_store.as_deref(),
        xdg_data_home: xdg_data_home.as_deref(),
        home: home.as_deref(),
    };
    place::place(choices, place::usable).ok_or_else(|| {
        Failure::new(Kind::Usage, "there is no place for the store: HOME is not set")
            .hint("give one with --store DIR or the variable CLUTCH_STORE")
    })
}

/// The folder of the profiles that have only a name.
pub(super) fn profiles() -> Result<PathBuf, Failure> {
    let [state, home] = ["XDG_STATE_HOME", "HOME"].map(env::var_os);
    place::profiles(state.as_deref(), home.as_deref()).ok_or_else(|| {
        Failure::new(Kind::Usage, "there is no place for profiles: HOME is not set")
            .hint("give the profile as a path, such as ./NAME")
    })
}

/// The process environment, as far as it is text.
pub(super) fn variables() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

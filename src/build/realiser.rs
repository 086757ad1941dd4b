//! How builds are done, and with what.

use std::collections::BTreeSet;

use super::{
    Observer, builtin::Builtins, check::Check, closures::Closures, digests::Digests,
    executor::Executor, local::Local, queue::Jobs, sandbox::Limits,
};
use crate::{cache::Substituter, store::Store, store_path::StorePath};

/// How builds are done.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many at a time.
    pub jobs: Jobs,
    /// Whether a failure stops only what depends on it; else nothing new is started after one, but for
    /// other fixed outputs if it was a wrong hash.
    pub keep_going: bool,
    /// How many processors one build may use: what `NIX_BUILD_CORES` says.
    pub cores: usize,
    /// What one build may use.
    pub limits: Limits,
    /// Whether the working directory of a failed build is kept.
    pub keep_failed: bool,
    /// The system of this machine, such as `x86_64-linux`.
    pub system: String,
    /// Outputs that are valid but damaged: they are built again, and replaced.
    pub damaged: BTreeSet<StorePath>,
}

/// Makes the outputs of plans valid. One serves any number of plans; it may be shared between threads.
pub struct Realiser<'a> {
    pub(super) store: &'a Store,
    pub(super) builtins: Builtins<'a>,
    pub(super) options: Options,
    pub(super) observer: &'a dyn Observer,
    pub(super) cancelled: &'a (dyn Fn() -> bool + Sync),
    pub(super) local: Local<'a>,
    /// Executors beside this machine.
    others: Vec<&'a dyn Executor>,
    pub(super) closures: Closures<'a>,
    pub(super) digests: Digests<'a>,
    pub(super) check: Option<&'a Check>,
    pub(super) substituters: &'a [&'a dyn Substituter],
}

impl<'a> Realiser<'a> {
    /// Builds into `store`. `cancelled` is asked often, and ends everything when it says so.
    #[must_use]
    pub fn new(
        store: &'a Store,
        builtins: Builtins<'a>,
        options: Options,
        observer: &'a dyn Observer,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let (local, closures) = (Local::new(store, options.system.clone()), Closures::new(store));
        Self {
            store,
            builtins,
            options,
            observer,
            cancelled,
            local,
            others: Vec::new(),
            closures,
            digests: Digests::new(store),
            check: None,
            substituters: &[],
        }
    }

    /// Also runs programs by another executor. This machine comes first, then the others in order.
    #[must_use]
    pub fn with_executor(mut self, executor: &'a dyn Executor) -> Self {
        self.others.push(executor);
        self
    }

    /// All executors, in the order in which they are asked.
    pub(super) fn executors(&self) -> Vec<&dyn Executor> {
        let local: &dyn Executor = &self.local;
        std::iter::once(local).chain(self.others.iter().copied()).collect()
    }

    /// Compares what these derivations make with what is in the store, instead of adding it.
    #[must_use]
    pub fn checking(self, check: &'a Check) -> Self {
        Self { check: Some(check), ..self }
    }

    /// Takes what the plan says from these substituters: those that the plan was made with.
    #[must_use]
    pub fn substituting(self, substituters: &'a [&'a dyn Substituter]) -> Self {
        Self { substituters, ..self }
    }
}

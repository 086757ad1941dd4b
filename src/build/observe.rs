//! Events of running builds, for progress displays. Nothing here prints.

use std::time::Duration;

use super::{
    BuildFailure,
    plan::{Plan, Step},
};

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The plan is known and about to be run.
    Planned(&'a Plan),
    /// Another process builds the same; this one waits for it.
    Waiting(&'a Step),
    /// A step has started.
    Started(&'a Step),
    /// A step wrote a line (without its end) to its log.
    Line(&'a Step, &'a str),
    /// Progress of a step: bytes done, and the total if known.
    Progress(&'a Step, u64, Option<u64>),
    /// The outputs of a step are valid, this long after it started; with `None`, another process built them.
    Finished(&'a Step, Option<Duration>),
    /// A step failed.
    Failed(&'a Step, &'a BuildFailure),
    /// The first step cannot start, because the second has failed.
    Skipped(&'a Step, &'a Step),
}

/// Takes events, from any thread. It is called while builds wait, so it returns soon.
pub trait Observer: Sync {
    /// Takes an event.
    fn event(&self, event: Event<'_>);
}

/// Ignores events.
impl Observer for () {
    fn event(&self, _: Event<'_>) {}
}

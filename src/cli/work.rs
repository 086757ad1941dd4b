//! The operation of a command that builds or evaluates, and the messages that it prints.

use std::sync::Arc;

use clutch_expr::error::Cause;

use super::{
    build_options::BuildArguments, context::Context, events::Events, interruption::is_cancelled,
    measure::Measure, progress::Progress, substitutes::tell_withheld,
};
use crate::{
    build::{self, Event, Options, plan::Plan, sandbox::can_limit_memory},
    session::{BuildsObserver, Measured, Observer, Operation},
};

pub(super) struct Work<'a> {
    pub(super) context: &'a Context,
    options: Options,
    /// The statistics to print.
    measure: Option<&'a Measure>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        context: &'a Context,
        build: &BuildArguments,
        measure: Option<&'a Measure>,
    ) -> Self {
        Self { context, options: build.options(context), measure }
    }

    /// The operation for the session.
    pub(super) fn operation(&self) -> Operation<'_> {
        Operation { session: &self.context.session, options: &self.options, observer: self }
    }
}

impl Observer for Work<'_> {
    fn say(&self, text: &str) {
        self.context.say(text);
    }

    fn warn(&self, text: &str) {
        self.context.warn(text);
    }

    fn cached(&self) {
        if self.context.global.verbose > 0 {
            self.context.say("using the cached evaluation: its inputs have not changed");
        }
        if let Some(measure) = self.measure {
            measure.tell_known(self.context);
        }
    }

    fn planned(&self, plan: &Plan) {
        tell_withheld(self.context, plan);
    }

    fn evaluated(&self, measured: &Measured) -> Result<(), Cause> {
        let reported = self.measure.map_or(Ok(()), |measure| measure.tell(self.context, measured));
        reported.map_err(|failure| Arc::new(failure) as Cause)
    }

    fn builds(&self) -> Box<dyn BuildsObserver + '_> {
        let verbose = self.context.global.verbose > 0;
        Box::new(Builds {
            context: self.context,
            progress: Progress::new(self.context, is_cancelled),
            events: self.context.events.as_ref(),
            tells_memory: verbose && self.options.limits.memory.is_none(),
        })
    }
}

/// Passes the events of builds to progress and `--events`.
struct Builds<'a> {
    context: &'a Context,
    progress: Progress,
    events: Option<&'a Events>,
    /// True to report that builds have no memory limit.
    tells_memory: bool,
}

impl build::Observer for Builds<'_> {
    fn event(&self, event: Event<'_>) {
        if let Event::Planned(plan) = &event
            && self.tells_memory
            && !plan.steps.is_empty()
        {
            self.context.say(match can_limit_memory() {
                Ok(()) => "builds have no memory limit; set one with --max-memory".to_owned(),
                Err(why) => {
                    format!("builds have no memory limit and cannot have one: {why}")
                }
            });
        }
        if let Some(events) = self.events {
            events.event(event);
        }
        self.progress.event(event);
    }
}

impl BuildsObserver for Builds<'_> {
    fn succeeded(&self) {
        self.progress.summary();
    }
}

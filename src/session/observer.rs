//! Observers of an operation.

use clutch_expr::error::Cause;

use super::Measured;
use crate::build::{self, plan::Plan};

/// Receives messages and events while an operation runs.
pub(crate) trait Observer: Sync {
    /// An informational message.
    fn say(&self, text: &str);

    /// A warning.
    fn warn(&self, text: &str);

    /// The result comes from the evaluation cache.
    fn cached(&self) {}

    /// A plan to realise missing paths is ready.
    fn planned(&self, _plan: &Plan) {}

    /// An evaluation has ended, with success or not.
    ///
    /// # Errors
    /// The observer's own error, which ends the operation.
    fn evaluated(&self, _measured: &Measured) -> Result<(), Cause> {
        Ok(())
    }

    /// Builds begin. They end when the returned observer is dropped.
    fn builds(&self) -> Box<dyn BuildsObserver + '_>;
}

/// Receives the events of one group of builds.
pub(crate) trait BuildsObserver: build::Observer {
    /// All builds have succeeded.
    fn succeeded(&self);
}

/// Ignores everything.
pub(crate) struct Silent;

impl Observer for Silent {
    fn say(&self, _: &str) {}

    fn warn(&self, _: &str) {}

    fn builds(&self) -> Box<dyn BuildsObserver + '_> {
        Box::new(Self)
    }
}

impl build::Observer for Silent {
    fn event(&self, _: build::Event<'_>) {}
}

impl BuildsObserver for Silent {
    fn succeeded(&self) {}
}

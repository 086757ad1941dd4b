//! Who watches what is done.

use clutch_expr::error::Cause;

use super::Measured;
use crate::build::{self, plan::Plan};

/// Takes what is to be told while something is done.
pub(crate) trait Observer: Sync {
    /// A remark.
    fn say(&self, text: &str);

    /// A warning.
    fn warn(&self, text: &str);

    /// The evaluation cache has the result, so that nothing is evaluated.
    fn cached(&self) {}

    /// There is a plan that builds what is missing.
    fn planned(&self, _plan: &Plan) {}

    /// An evaluation has ended, however it did.
    ///
    /// # Errors
    /// What the observer failed with. It ends what is done.
    fn evaluated(&self, _measured: &Measured) -> Result<(), Cause> {
        Ok(())
    }

    /// Builds begin. They end when what this gives is dropped.
    fn builds(&self) -> Box<dyn BuildsObserver + '_>;
}

/// Takes the events of builds that belong together.
pub(crate) trait BuildsObserver: build::Observer {
    /// All of them have succeeded.
    fn succeeded(&self);
}

/// Watches nothing.
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

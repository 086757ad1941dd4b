//! Services for a running evaluation: builds, git revisions, the store.

use std::{collections::BTreeSet, path::Path};

use clutch_expr::host::{HostError, HostResult};

use super::{Operation, SessionError, realise};
use crate::{
    build::plan::Goal,
    derivation::Records,
    evaluate::Realise,
    git::{Commit, Git, GitError, Revision, shown_address},
    store::Store,
    store_path::StorePath,
};

/// Builds and fetches for an evaluation, and opens the store on first use.
pub(crate) struct EvalRealiser<'a> {
    /// The operation that evaluates.
    pub operation: Operation<'a>,
}

impl EvalRealiser<'_> {
    fn git<T>(&self, run: impl FnOnce(&Git<'_>) -> Result<T, GitError>) -> HostResult<T> {
        let settings = &self.operation.session.settings;
        let git = Git {
            environment: &settings.environment,
            offline: settings.offline,
            cancelled: &settings.cancelled,
        };
        run(&git).map_err(|error| HostError::caused_by(SessionError::from(error)))
    }

    fn say(&self, what: &str, revision: &Revision) {
        let url = shown_address(&revision.url);
        self.operation.observer.say(&format!("fetching {what}{} from {url}", revision.rev));
    }
}

impl Realise for EvalRealiser<'_> {
    fn realise(&self, targets: &[(StorePath, BTreeSet<String>)]) -> HostResult<()> {
        let goal = |(derivation, outputs): &(StorePath, BTreeSet<String>)| Goal {
            derivation: derivation.clone(),
            outputs: outputs.clone(),
        };
        let goals: Vec<Goal> = targets.iter().map(goal).collect();
        realise(self.operation, &Records::default(), &goals).map(drop).map_err(HostError::caused_by)
    }

    fn fetch_revision(&self, revision: &Revision, to: &Path, scratch: &Path) -> HostResult<Commit> {
        self.say("", revision);
        self.git(|git| git.fetch(revision, to, scratch))
    }

    fn count_revisions(&self, revision: &Revision, scratch: &Path) -> HostResult<u64> {
        self.say("the history of ", revision);
        self.git(|git| git.count(revision, scratch))
    }

    fn store(&self) -> HostResult<&Store> {
        self.operation.session.store().map_err(HostError::caused_by)
    }

    fn message(&self, text: &str, warning: bool) {
        let observer = self.operation.observer;
        if warning {
            observer.warn(text);
        } else {
            observer.say(&format!("trace: {text}"));
        }
    }
}

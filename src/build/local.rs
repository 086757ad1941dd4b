//! The executor of this machine: each program in a sandbox that shows the inputs at their store paths.

use super::{
    BuildError,
    environment::BUILD_DIR,
    executor::{Action, Executor},
    sandbox::{Exit, Request, Sandbox, Watch},
};
use crate::{
    store::Store,
    store_path::{STORE_DIR, StorePath},
};

/// Features that need no special machine.
const FEATURES: [&str; 3] = ["benchmark", "big-parallel", "nixos-test"];

/// Sandboxes over one store.
pub(super) struct Local<'a> {
    store: &'a Store,
    systems: [String; 1],
    sandbox: Sandbox,
}

impl<'a> Local<'a> {
    /// Programs of `system` can be run here.
    pub(super) fn new(store: &'a Store, system: String) -> Self {
        Self { store, systems: [system], sandbox: Sandbox::within(store.root()) }
    }

    /// Runs a program for a built-in builder. The inputs come before the builder's own binds, which may
    /// lie beside them.
    pub(super) fn run_for_task(
        &self,
        request: Request,
        inputs: &[StorePath],
        watch: Watch<'_>,
    ) -> Result<Exit, BuildError> {
        let own = request.binds.clone();
        let mut all = self.with_inputs(Request { binds: Vec::new(), ..request }, inputs);
        all.binds.retain(|input| own.iter().all(|bind| bind.inside != input.inside));
        all.binds.extend(own);
        Ok(self.sandbox.run(&all, watch)?)
    }

    /// Shows store paths at their own places.
    fn with_inputs(&self, request: Request, inputs: &[StorePath]) -> Request {
        let show = |request: Request, path: &StorePath| {
            request.read_only(self.store.real(path), path.to_string())
        };
        match request.vary {
            None => inputs.iter().fold(request, show),
            // some file systems list the newest entry first
            Some(_) => inputs.iter().rev().fold(request, show),
        }
    }
}

impl Executor for Local<'_> {
    fn systems(&self) -> &[String] {
        &self.systems
    }

    fn features(&self) -> &[&str] {
        &FEATURES
    }

    fn execute(&self, action: Action<'_>, watch: Watch<'_>) -> Result<Exit, BuildError> {
        for (name, content) in &action.files {
            fs_err::write(action.build.join(name), content)?;
        }
        let mut request = Request::new(action.derivation.builder.clone())
            .args(action.derivation.args.iter().cloned())
            .writable(action.build, BUILD_DIR)
            .writable(action.outputs, STORE_DIR);
        request.env = action.env.into_iter().collect();
        request.root = action.root.map(|path| self.store.real(&path));
        request.network = action.network;
        request.limits = action.limits;
        request.vary = action.vary;
        Ok(self.sandbox.run(&self.with_inputs(request, action.inputs), watch)?)
    }
}

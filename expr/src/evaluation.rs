//! One evaluation from start to end: a thread with a large stack, and on it an interpreter that has
//! the builtins.

use std::{
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
};

use bumpalo::Bump;

use crate::{
    builtins,
    eval::{Interpreter, LITTLE_STACK, MIN_STACK, Options},
    host::Host,
};

/// Runs something with a new interpreter, on a thread of its own with a large stack. What `run`
/// returns must be owned: the values end with the evaluation.
///
/// If the machine refuses the memory for the stack, a smaller one is tried.
///
/// # Errors
/// The thread cannot be started.
///
/// # Panics
/// With what `run` panics with.
pub fn with_interpreter<R: Send>(
    host: &dyn Host,
    options: Options,
    run: impl FnOnce(&mut Interpreter<'_>) -> R + Send,
) -> std::io::Result<R> {
    // a small limit on memory leaves little for the stack
    let most = (options.limit.bytes() / 4).max(LITTLE_STACK);
    let stack_size = options.stack_size.clamp(MIN_STACK, most);
    let mut options = Options { stack_size, ..options };
    let job = Mutex::new(Some(run));
    std::thread::scope(|scope| {
        loop {
            let (job, own, size) = (&job, options.clone(), options.stack_size);
            let thread = std::thread::Builder::new().name("evaluator".to_owned()).stack_size(size);
            let spawned = thread.spawn_scoped(scope, move || {
                let run = job.lock().unwrap_or_else(PoisonError::into_inner).take();
                let arena = Bump::new();
                let mut interpreter = Interpreter::new(&arena, host, own);
                builtins::install(&mut interpreter);
                run.expect("of the threads only one starts")(&mut interpreter)
            });
            match spawned {
                Ok(done) => return Ok(done.join().unwrap_or_else(|panic| resume_unwind(panic))),
                // address space is short: deep recursion is an error earlier
                Err(_) if size / 2 >= MIN_STACK => options.stack_size /= 2,
                Err(error) => return Err(error),
            }
        }
    })
}

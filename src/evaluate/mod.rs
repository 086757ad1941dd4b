//! Evaluation: the language's view of the world, and what it makes of it. Source text goes in, owned
//! derivations come out; nothing is written to the store until [`EvalHost::commit`]. What was found is kept,
//! so that the same is not evaluated twice.

mod access;
pub mod cache;
mod fetch;
mod hash_positions;
mod host;
mod ignore;
mod pending;
pub mod project;
mod recording;
mod selection;
mod target;
mod tracked;

pub use access::{Access, AccessError};
pub use hash_positions::{Edit, HashPositions, NoPlace, like};
pub use host::{EvalHost, ImpureSettings, Realise};
pub use recording::Recording;
pub use target::Target;

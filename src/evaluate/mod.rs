//! Evaluation: the language's view of the world, and what it makes of it. Source text goes in, owned
//! derivations come out; nothing is written to the store until [`EvalHost::commit`]. What was found is kept,
//! so that the same is not evaluated twice.

mod access;
pub mod cache;
mod derivations;
mod fetch;
mod files;
mod hash_positions;
mod host;
mod ignore;
mod interface;
mod pending;
pub mod project;
mod realise;
mod recording;
mod selection;
mod sources;
mod target;
mod tracked;

pub use access::{Access, AccessError};
pub use hash_positions::{Edit, HashPositions, NoPlace, like};
pub use host::{EvalHost, ImpureSettings};
pub use realise::Realise;
pub use recording::Recording;
pub use target::Target;

//! Evaluation: the language's host, and its results. Source text goes in, owned derivations come out.
//! Nothing is written to the store before [`EvalHost::commit`]. Results are cached.

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

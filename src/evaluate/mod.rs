//! Evaluation: the language's view of the world, and what it makes of it. Source text goes in, owned
//! derivations come out; nothing is written to the store until [`World::commit`]. What was found is kept,
//! so that the same is not evaluated twice.

mod access;
pub mod cache;
mod fetch;
mod ignore;
mod pending;
pub mod project;
mod recording;
mod selection;
mod target;
mod tracked;
mod world;
mod written;

pub use access::{Access, AccessError};
pub use recording::Recording;
pub use target::Target;
pub use world::{Realise, Surroundings, World};
pub use written::{Edit, NoPlace, Written, like};

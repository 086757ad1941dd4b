//! Evaluation: the language's view of the world, and what it makes of it. Source text goes in, owned
//! derivations come out; nothing is written to the store until [`World::commit`].

mod access;
mod fetch;
mod pending;
mod world;

pub use access::{Access, AccessError};
pub use world::{Realise, Surroundings, World};

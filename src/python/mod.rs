//! The Python wing: wheels and environments, and the builders inside the binary that make them.

pub mod bytecode;
pub mod target;

#[cfg(test)]
mod testing;

//! clutch: a purely functional build store for Python environments. The modules stand in the order
//! of the pipeline; a module uses only what stands above it (store-tests checks this).

mod codec;
pub mod limits;

mod immutable;

mod files;
pub mod hash;
mod regular;
pub mod store_path;

pub mod inputs;

mod elf;
pub mod unpack;

pub mod net;

pub mod derivation;

pub mod tree;

mod difference;

pub mod store;

pub mod closure;

pub mod cache;

mod git;

pub mod evaluate;

pub mod build;

pub mod builders;

pub mod lock_file;

pub mod debian;
pub mod python;

pub mod library;

mod session;

pub mod cli;

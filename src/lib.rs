//! clutch: a purely functional build store for Python environments. The modules stand in the order
//! of the pipeline; a module uses only what stands above it (store-tests checks this).

pub mod codec;
pub mod limits;

pub mod immutable;

pub mod files;
pub mod hash;
pub mod regular;
pub mod store_path;
pub mod trees;

pub mod elf;
pub mod unpack;

pub mod net;

pub mod derivation;

pub mod tree;

pub mod difference;

pub mod store;

pub mod closure;

pub mod cache;

pub mod git;

pub mod evaluate;

pub mod build;

pub mod builders;

pub mod lock_file;

pub mod debian;
pub mod python;

pub mod library;

pub mod cli;

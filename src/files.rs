//! File system helpers.

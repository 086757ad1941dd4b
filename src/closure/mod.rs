//! what a path needs

//! a directory tree as one byte stream, and its hash

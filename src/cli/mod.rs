//! arguments in, text out

//! closures between machines

//! the Python wing

//! builders inside the binary

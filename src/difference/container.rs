//! A file that holds files: its properties and its members.

use std::borrow::Cow;

/// A file, taken apart.
pub(super) struct Container<'a> {
    /// Its own properties. Files of one kind have the same fields in the same order.
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) members: Vec<Member<'a>>,
}

/// A part of it.
pub(super) struct Member<'a> {
    pub(super) name: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) content: Cow<'a, [u8]>,
}

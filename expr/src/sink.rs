//! The receiver of the events of the readers of JSON and TOML.

/// Takes the events of a document in order. After [`Sink::key`] comes that member's value.
pub trait Sink {
    /// Asked before each value: whether the reader may go on. Otherwise it fails with [`STOPPED`].
    fn goes_on(&mut self) -> bool {
        true
    }
    /// `null`.
    fn null(&mut self);
    /// `true` or `false`.
    fn boolean(&mut self, value: bool);
    /// A number that is an integer and fits.
    fn integer(&mut self, value: i64);
    /// Any other number. From JSON it is finite.
    fn float(&mut self, value: f64);
    /// A string with its escapes resolved; it holds no NUL.
    fn string(&mut self, value: &str);
    /// The elements follow up to [`Sink::end_array`].
    fn begin_array(&mut self);
    /// The innermost array ends.
    fn end_array(&mut self);
    /// Keys and values alternate up to [`Sink::end_object`]. A key may come again: the last one
    /// counts.
    fn begin_object(&mut self);
    /// A member's name; it holds no NUL.
    fn key(&mut self, name: &str);
    /// The innermost object ends.
    fn end_object(&mut self);
}

/// The message of a reader that was told to stop. The document has no fault then.
pub const STOPPED: &str = "reading was stopped";

/// Writes the events down, so that tests can compare them.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Trace(pub(crate) String);

#[cfg(test)]
impl Sink for Trace {
    fn null(&mut self) {
        self.0.push_str("null ");
    }
    fn boolean(&mut self, value: bool) {
        self.0.push_str(&format!("{value} "));
    }
    fn integer(&mut self, value: i64) {
        self.0.push_str(&format!("{value} "));
    }
    fn float(&mut self, value: f64) {
        self.0.push_str(&format!("{value:e} "));
    }
    fn string(&mut self, value: &str) {
        self.0.push_str(&format!("{value:?} "));
    }
    fn begin_array(&mut self) {
        self.0.push_str("[ ");
    }
    fn end_array(&mut self) {
        self.0.push_str("] ");
    }
    fn begin_object(&mut self) {
        self.0.push_str("{ ");
    }
    fn key(&mut self, name: &str) {
        self.0.push_str(&format!("{name}= "));
    }
    fn end_object(&mut self) {
        self.0.push_str("} ");
    }
}

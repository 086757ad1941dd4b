//! The canonical form of a code object's marshal stream, for CPython 3.11 to 3.14.
//!
//! The output of `marshal.dumps` depends on what the process did before (python/cpython#129724): on
//! reference counts, and on which strings happen to be interned. This module reads a stream into a graph
//! in which equal constants are one node, and writes it so that the bytes depend only on the graph:
//!
//! - a node that occurs more than once is written once and then referred to; any other has no flag;
//! - a text is marked as interned if it looks like an identifier, and only then;
//! - the elements of a frozen set are in the order of their content.
//!
//! Code objects are never merged. The result loads into an equal code object.

use std::{cmp::Ordering, rc::Rc};

use rustc_hash::FxHashMap;

/// The bit of a type byte that marks an object for back references.
const FLAG_REF: u8 = 0x80;

/// The deepest nesting of objects. The compiler's own bounds (100 levels of indentation, 200 of
/// parentheses) stay below; CPython's loader gives up at 2,000.
const MAX_DEPTH: usize = 600;

/// The first bytes of a `.pyc` before the marshal stream: magic number, flags, source hash.
pub(crate) const HEADER_LEN: usize = 16;

/// The magic numbers (the two low bytes of the header) whose code objects have the layout that is
/// read here: the final ones of CPython 3.11, 3.12, 3.13 and 3.14.
const MAGIC: [u16; 4] = [3495, 3531, 3571, 3627];

/// An error while reading a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MarshalError {
    /// Shorter than its header, or from an unknown interpreter.
    #[error("byte code with magic number {0} is not understood: expected CPython 3.11 to 3.14")]
    Magic(u16),
    /// The stream ends in the middle of an object.
    #[error("the marshal stream ends too early")]
    Truncated,
    /// The stream goes on after the code object.
    #[error("{0} bytes follow the code object")]
    Trailing(usize),
    /// A type byte that does not occur in code objects.
    #[error("unexpected type {0:#04x} at offset {1} of a code object")]
    Type(u8, usize),
    /// A back reference to an object that is not complete or does not exist.
    #[error("a back reference at offset {0} leads nowhere")]
    Reference(usize),
    /// A negative size.
    #[error("a size at offset {0} is negative")]
    Size(usize),
    /// Nested too deeply.
    #[error("objects nest deeper than {MAX_DEPTH} levels")]
    Depth,
}

/// Brings a whole `.pyc`, header included, into canonical form.
///
/// # Errors
/// If it is not well-formed byte code of a known interpreter.
pub(crate) fn canonical_pyc(pyc: &[u8]) -> Result<Vec<u8>, MarshalError> {
    let (header, body) = pyc.split_at_checked(HEADER_LEN).ok_or(MarshalError::Truncated)?;
    let magic = u16::from_le_bytes([header[0], header[1]]);
    if !MAGIC.contains(&magic) {
        return Err(MarshalError::Magic(magic));
    }
    let mut out = Vec::with_capacity(pyc.len());
    out.extend_from_slice(header);
    let graph = Graph::read(body)?;
    graph.write(&mut out);
    Ok(out)
}

type Id = u32;

/// An object; equal constants are equal nodes.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node<'a> {
    kind: NodeKind,
    /// The bytes behind the type byte, without sizes: digits, text, or a code object's five counts.
    bytes: &'a [u8],
    /// A code object's first line.
    line: &'a [u8],
    children: Rc<[Id]>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum NodeKind {
    /// `None`, `True`, `False`, `...`, `StopIteration`, by their type byte.
    Singleton(u8),
    Int,
    Long,
    Float,
    Complex,
    Bytes,
    Text,
    Tuple,
    FrozenSet,
    Slice,
    Code,
}

struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
}

impl<'a> Graph<'a> {
    fn read(body: &'a [u8]) -> Result<Self, MarshalError> {
        let mut reader = Reader {
            body,
            at: 0,
            slots: Vec::new(),
            nodes: Vec::new(),
            ids: FxHashMap::default(),
            childless: Rc::from([]),
        };
        let root = reader.object(0)?;
        match body.len() - reader.at {
            0 => Ok(Self { nodes: reader.nodes, root }),
            more => Err(MarshalError::Trailing(more)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer {
            graph: self,
            uses: vec![0; self.nodes.len()],
            slots: vec![None; self.nodes.len()],
            next: 0,
            out,
        };
        writer.count(self.root);
        writer.object(self.root);
    }
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    /// The objects that can be referred to, in the order of their flags.
    slots: Vec<Option<Id>>,
    nodes: Vec<Node<'a>>,
    ids: FxHashMap<Node<'a>, Id>,
    /// The children of every leaf.
    childless: Rc<[Id]>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], MarshalError> {
        let rest = &self.body[self.at..];
        let bytes = rest.get(..len).ok_or(MarshalError::Truncated)?;
        self.at += len;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, MarshalError> {
        Ok(self.take(1)?[0])
    }

    fn int(&mut self) -> Result<i32, MarshalError> {
        let bytes = self.take(4)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn size(&mut self) -> Result<usize, MarshalError> {
        let at = self.at;
        usize::try_from(self.int()?).map_err(|_| MarshalError::Size(at))
    }

    fn object(&mut self, depth: usize) -> Result<Id, MarshalError> {
        if depth > MAX_DEPTH {
            return Err(MarshalError::Depth);
        }
        let at = self.at;
        let byte = self.byte()?;
        let kind = byte & !FLAG_REF;
        if kind == b'r' {
            let slot = self.size()?;
            let id = self.slots.get(slot).copied().flatten();
            return id.ok_or(MarshalError::Reference(at));
        }
        let slot = (byte & FLAG_REF != 0).then(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let id = match kind {
            b'N' | b'T' | b'F' | b'.' | b'S' => self.leaf(NodeKind::Singleton(kind), &[]),
            b'i' => self.sized_leaf(NodeKind::Int, 4)?,
            b'g' => self.sized_leaf(NodeKind::Float, 8)?,
            b'y' => self.sized_leaf(NodeKind::Complex, 16)?,
            b'l' => {
                let start = self.at;
                let digits = self.int()?.unsigned_abs() as usize;
                self.take(digits.checked_mul(2).ok_or(MarshalError::Truncated)?)?;
                self.leaf(NodeKind::Long, &self.body[start..self.at])
            }
            b's' => {
                let len = self.size()?;
                self.sized_leaf(NodeKind::Bytes, len)?
            }
            b'u' | b't' | b'a' | b'A' => {
                let len = self.size()?;
                self.sized_leaf(NodeKind::Text, len)?
            }
            b'z' | b'Z' => {
                let len = self.byte()?;
                self.sized_leaf(NodeKind::Text, usize::from(len))?
            }
            b')' => {
                let len = self.byte()?;
                self.composite(NodeKind::Tuple, usize::from(len), depth)?
            }
            b'(' => {
                let len = self.size()?;
                self.composite(NodeKind::Tuple, len, depth)?
            }
            b'>' => {
                let len = self.size()?;
                self.composite(NodeKind::FrozenSet, len, depth)?
            }
            b':' => self.composite(NodeKind::Slice, 3, depth)?,
            b'c' => self.code(depth)?,
            _ => return Err(MarshalError::Type(byte, at)),
        };
        if let Some(slot) = slot {
            self.slots[slot] = Some(id);
        }
        Ok(id)
    }

    /// Argument counts, stack size and flags; code, constants, names, variables and their kinds,
    /// file name, name, qualified name; first line; line table and exception table.
    fn code(&mut self, depth: usize) -> Result<Id, MarshalError> {
        let bytes = self.take(20)?;
        let mut children = self.children(8, depth)?;
        let line = self.take(4)?;
        children.extend(self.children(2, depth)?);
        let id = self.next_id();
        self.nodes.push(Node { kind: NodeKind::Code, bytes, line, children: children.into() });
        Ok(id)
    }

    fn composite(&mut self, kind: NodeKind, len: usize, depth: usize) -> Result<Id, MarshalError> {
        let mut children = self.children(len, depth)?;
        if kind == NodeKind::FrozenSet {
            children.sort_by(|a, b| self.compare(*a, *b));
        }
        Ok(self.intern(Node { kind, bytes: &[], line: &[], children: children.into() }))
    }

    fn children(&mut self, len: usize, depth: usize) -> Result<Vec<Id>, MarshalError> {
        if len > self.body.len() - self.at {
            return Err(MarshalError::Truncated);
        }
        // a loop, since the frames of an iterator would be on the stack at every level
        let mut children = Vec::new();
        for _ in 0..len {
            children.push(self.object(depth + 1)?);
        }
        Ok(children)
    }

    fn sized_leaf(&mut self, kind: NodeKind, len: usize) -> Result<Id, MarshalError> {
        let bytes = self.take(len)?;
        Ok(self.leaf(kind, bytes))
    }

    fn leaf(&mut self, kind: NodeKind, bytes: &'a [u8]) -> Id {
        let children = self.childless.clone();
        self.intern(Node { kind, bytes, line: &[], children })
    }

    fn intern(&mut self, node: Node<'a>) -> Id {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        let id = self.next_id();
        self.nodes.push(node.clone());
        self.ids.insert(node, id);
        id
    }

    fn next_id(&self) -> Id {
        // a node takes at least one byte of a stream whose sizes have at most 31 bits
        Id::try_from(self.nodes.len()).unwrap_or(Id::MAX)
    }

    /// An order by content alone.
    fn compare(&self, a: Id, b: Id) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let (x, y) = (&self.nodes[a as usize], &self.nodes[b as usize]);
        (x.kind, x.bytes, x.line).cmp(&(y.kind, y.bytes, y.line)).then_with(|| {
            let pairs = x.children.iter().zip(y.children.iter());
            let first = pairs.map(|(a, b)| self.compare(*a, *b)).find(|o| o.is_ne());
            first.unwrap_or(x.children.len().cmp(&y.children.len()))
        })
    }
}

struct Writer<'g, 'a, 'o> {
    graph: &'g Graph<'a>,
    uses: Vec<u32>,
    /// The number that back references to a written node use.
    slots: Vec<Option<u32>>,
    next: u32,
    out: &'o mut Vec<u8>,
}

impl Writer<'_, '_, '_> {
    fn count(&mut self, id: Id) {
        self.uses[id as usize] += 1;
        if self.uses[id as usize] == 1 {
            let graph = self.graph;
            for child in graph.nodes[id as usize].children.iter() {
                self.count(*child);
            }
        }
    }

    fn object(&mut self, id: Id) {
        let graph = self.graph;
        let node = &graph.nodes[id as usize];
        if let NodeKind::Singleton(byte) = node.kind {
            return self.out.push(byte);
        }
        if let Some(slot) = self.slots[id as usize] {
            self.out.push(b'r');
            return self.out.extend_from_slice(&slot.to_le_bytes());
        }
        let flag = if self.uses[id as usize] > 1 {
            self.slots[id as usize] = Some(self.next);
            self.next += 1;
            FLAG_REF
        } else {
            0
        };
        let len = node.children.len();
        match node.kind {
            NodeKind::Singleton(_) => {}
            NodeKind::Int => self.plain(b'i' | flag, node.bytes),
            NodeKind::Long => self.plain(b'l' | flag, node.bytes),
            NodeKind::Float => self.plain(b'g' | flag, node.bytes),
            NodeKind::Complex => self.plain(b'y' | flag, node.bytes),
            NodeKind::Bytes => {
                self.sized(b's' | flag, node.bytes.len());
                self.out.extend_from_slice(node.bytes);
            }
            NodeKind::Text => self.text(flag, node.bytes),
            NodeKind::Tuple => match u8::try_from(len) {
                Ok(len) => self.out.extend_from_slice(&[b')' | flag, len]),
                Err(_) => self.sized(b'(' | flag, len),
            },
            NodeKind::FrozenSet => self.sized(b'>' | flag, len),
            NodeKind::Slice => self.out.push(b':' | flag),
            NodeKind::Code => self.plain(b'c' | flag, node.bytes),
        }
        for (i, child) in node.children.iter().enumerate() {
            if node.kind == NodeKind::Code && i == 8 {
                self.out.extend_from_slice(node.line);
            }
            self.object(*child);
        }
    }

    fn plain(&mut self, kind: u8, bytes: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(bytes);
    }

    fn sized(&mut self, kind: u8, len: usize) {
        self.out.push(kind);
        // sizes that were read have at most 31 bits
        self.out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, flag: u8, text: &[u8]) {
        let name = text.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'_');
        if !text.is_ascii() {
            self.sized(b'u' | flag, text.len());
        } else if let Ok(len) = u8::try_from(text.len()) {
            self.out.extend_from_slice(&[if name { b'Z' } else { b'z' } | flag, len]);
        } else {
            self.sized(if name { b'A' } else { b'a' } | flag, text.len());
        }
        self.out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pyc(body: &[u8]) -> Vec<u8> {
        [&3495_u16.to_le_bytes()[..], b"\r\n", &[1, 0, 0, 0], &[0; 8], body].concat()
    }

    fn canonical(body: &[u8]) -> Result<Vec<u8>, MarshalError> {
        canonical_pyc(&pyc(body)).map(|out| out[HEADER_LEN..].to_vec())
    }

    #[test]
    fn equal_constants_are_written_once() {
        // ("a b", "a b", "ab") with the second text not shared, and a flag that nothing uses
        let out = canonical(b")\x03z\x03a b\xfa\x03a bz\x02ab").unwrap();
        assert_eq!(out, b")\x03\xfa\x03a br\0\0\0\0Z\x02ab");
        assert_eq!(canonical(&out).unwrap(), out);
    }

    #[test]
    fn a_set_has_one_order() {
        let out = canonical(b">\x03\0\0\0z\x01bi\x07\0\0\0Z\x01a").unwrap();
        assert_eq!(out, b">\x03\0\0\0i\x07\0\0\0Z\x01aZ\x01b");
        assert_eq!(canonical(b">\x03\0\0\0Z\x01aZ\x01bi\x07\0\0\0").unwrap(), out);
    }

    #[test]
    fn values_of_another_kind_stay_apart() {
        // 1, True, 1.0 and 0.0, -0.0
        let body = b")\x05i\x01\0\0\0Tg\0\0\0\0\0\0\xf0?g\0\0\0\0\0\0\0\0g\0\0\0\0\0\0\0\x80";
        assert_eq!(canonical(body).unwrap(), body);
    }

    #[test]
    fn hostile_streams_are_refused() {
        use MarshalError::{Depth, Reference, Size, Trailing, Truncated, Type};
        assert_eq!(canonical_pyc(b"short"), Err(Truncated));
        assert_eq!(canonical_pyc(&[0; 20]), Err(MarshalError::Magic(0)));
        assert_eq!(canonical(b""), Err(Truncated));
        assert_eq!(canonical(b"NN"), Err(Trailing(1)));
        assert_eq!(canonical(b"[\0\0\0\0"), Err(Type(b'[', 0)));
        assert_eq!(canonical(b"r\0\0\0\0"), Err(Reference(0)));
        // a tuple that holds itself
        assert_eq!(canonical(b"\xa9\x01r\0\0\0\0"), Err(Reference(2)));
        assert_eq!(canonical(b"s\xff\xff\xff\xff"), Err(Size(1)));
        assert_eq!(canonical(b"(\xff\xff\xff\x7f"), Err(Truncated));
        assert_eq!(canonical(b"l\0\0\0\x80"), Err(Truncated));
        assert_eq!(canonical(&b")\x01".repeat(100_000)), Err(Depth));
        assert_eq!(canonical(b"c1234"), Err(Truncated));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_result(body: Vec<u8>) {
            let _ = canonical(&body);
        }

        #[test]
        fn what_is_canonical_stays_as_it_is(
            picks in proptest::collection::vec((0..4_u8, "[a-c é]{0,2}"), 0..40),
        ) {
            let mut body = vec![b'(', picks.len() as u8, 0, 0, 0];
            for (kind, text) in &picks {
                let text = text.as_bytes();
                match kind {
                    0 => body.extend([b'i', text.len() as u8, 0, 0, 0]),
                    1 => body.extend([&[b's' | FLAG_REF, text.len() as u8, 0, 0, 0], text].concat()),
                    2 => body.extend([&[b'u', text.len() as u8, 0, 0, 0], text].concat()),
                    _ => body.extend([b')' | FLAG_REF, 2, b'N', b'T']),
                }
            }
            let once = canonical(&body).unwrap();
            proptest::prop_assert_eq!(canonical(&once).unwrap(), once);
        }
    }
}

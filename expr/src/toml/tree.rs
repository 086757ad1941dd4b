//! The tree of a document, and the rules by which tables may be added to.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

/// A key or string: most are the source text itself.
pub(super) type Text<'t> = Cow<'t, str>;

/// A value.
pub(super) enum Node<'t> {
    String(Text<'t>),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Timestamp(String),
    Array(Vec<Node<'t>>),
    Table(Table<'t>),
    /// Made by `[[name]]`; never empty.
    Tables(Vec<Table<'t>>),
}

/// The form in which a table was written. It decides which later lines may add to the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// On the way to a longer header: one header may still define it.
    OnTheWay,
    /// By its own header.
    ByHeader,
    /// By a key with dots: further such keys and longer headers may add to it.
    ByDots,
    /// Written in braces: complete.
    Inline,
}

/// A table's members in the order in which they came.
pub(super) struct Table<'t> {
    pub(super) made: Made,
    members: Vec<(Text<'t>, Node<'t>)>,
    /// The index of each name, once there are many.
    index: FxHashMap<Text<'t>, usize>,
}

/// Tables up to this size are searched from the start.
const SMALL: usize = 16;

impl<'t> Table<'t> {
    pub(super) fn new(made: Made) -> Self {
        Self { made, members: Vec::new(), index: FxHashMap::default() }
    }

    pub(super) fn members(&self) -> &[(Text<'t>, Node<'t>)] {
        &self.members
    }

    fn find(&self, name: &str) -> Option<usize> {
        if self.members.len() <= SMALL {
            self.members.iter().position(|(known, _)| known == name)
        } else {
            self.index.get(name).copied()
        }
    }

    /// Adds a member whose name is new.
    fn add(&mut self, name: Text<'t>, node: Node<'t>) -> &mut Node<'t> {
        let at = self.members.len();
        if at == SMALL {
            self.index = self.members.iter().map(|(name, _)| name.clone()).zip(0..).collect();
        }
        if at >= SMALL {
            self.index.insert(name.clone(), at);
        }
        self.members.push((name, node));
        &mut self.members[at].1
    }

    /// Sets what the key `path` names to `node`, making the tables on the way.
    pub(super) fn set(&mut self, path: Vec<Text<'t>>, node: Node<'t>) -> Result<(), String> {
        let mut table = self;
        let last = path.len() - 1;
        for (n, name) in path.into_iter().enumerate() {
            let found = table.find(&name);
            if n == last {
                if found.is_some() {
                    return Err(format!("'{name}' is already defined"));
                }
                table.add(name, node);
                return Ok(());
            }
            let next = match found {
                Some(at) => &mut table.members[at].1,
                None => table.add(name.clone(), Node::Table(Table::new(Made::ByDots))),
            };
            table = match next {
                Node::Table(next) if next.made == Made::ByDots => next,
                Node::Table(_) => return Err(format!("table '{name}' is already complete")),
                _ => return Err(format!("'{name}' is already defined and is not a table")),
            };
        }
        Ok(())
    }

    /// Nothing may be added any more, to the tables that dots made inside neither.
    pub(super) fn complete(&mut self) {
        self.made = Made::Inline;
        for (_, node) in &mut self.members {
            if let Node::Table(table) = node
                && table.made == Made::ByDots
            {
                table.complete();
            }
        }
    }

    /// The table that the header `path` opens; `[[path]]` if `many`.
    pub(super) fn open(&mut self, path: &[Text<'t>], many: bool) -> Result<&mut Self, String> {
        let mut table = self;
        let (last, way) = path.split_last().ok_or("the header's name '' is empty")?;
        for name in way {
            let next = match table.find(name) {
                Some(at) => &mut table.members[at].1,
                None => table.add(name.clone(), Node::Table(Table::new(Made::OnTheWay))),
            };
            table = match next {
                Node::Table(next) if next.made != Made::Inline => next,
                Node::Tables(tables) => {
                    tables.last_mut().ok_or_else(|| format!("array '{name}' is empty"))?
                }
                Node::Table(_) => return Err(format!("table '{name}' is already complete")),
                _ => return Err(format!("'{name}' is already defined and is not a table")),
            };
        }
        let Some(at) = table.find(last) else {
            let new = Table::new(Made::ByHeader);
            let node = if many { Node::Tables(vec![new]) } else { Node::Table(new) };
            return match table.add(last.clone(), node) {
                Node::Table(new) => Ok(new),
                Node::Tables(new) => Ok(&mut new[0]),
                _ => unreachable!("the node was just made a table"),
            };
        };
        match &mut table.members[at].1 {
            Node::Tables(tables) if many => {
                tables.push(Table::new(Made::ByHeader));
                let at = tables.len() - 1;
                Ok(&mut tables[at])
            }
            Node::Table(known) if !many && known.made == Made::OnTheWay => {
                known.made = Made::ByHeader;
                Ok(known)
            }
            Node::Table(_) | Node::Tables(_) => Err(format!("table '{last}' is already defined")),
            _ => Err(format!("'{last}' is already defined and is not a table")),
        }
    }
}

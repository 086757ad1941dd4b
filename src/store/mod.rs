//! the store: layout, index, insertion, references

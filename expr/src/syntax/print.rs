//! A tree as text, as `nix-instantiate --parse` prints it.

use super::ast::{Ast, Bound, Expr, ExprId, Lambda, Name, Op, Select, SetId};
use crate::{
    error::Result,
    interner::Interner,
    stack::Stack,
    symbol::Symbol,
    text::{float, quote},
};

struct Printer<'p, 'a> {
    ast: &'p Ast,
    symbols: &'p Interner<'a>,
    stack: Stack,
    out: Vec<u8>,
}

/// The whole tree.
///
/// # Errors
/// Nesting too deep.
pub(crate) fn print(
    ast: &Ast,
    root: ExprId,
    symbols: &Interner<'_>,
    stack: Stack,
) -> Result<Vec<u8>> {
    let mut printer = Printer { ast, symbols, stack, out: Vec::new() };
    printer.expr(root)?;
    Ok(printer.out)
}

impl Printer<'_, '_> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, name: Symbol) {
        quote::attribute_name(&mut self.out, self.symbols.bytes(name));
    }

    fn expr(&mut self, id: ExprId) -> Result<()> {
        self.stack.deeper()?;
        match self.ast.expr(id) {
            Expr::Var(name) => self.name(name),
            Expr::Int(number) => self.text(&number.to_string()),
            Expr::Float(number) => self.text(&float::general(number)),
            Expr::Str(text) => quote::string(&mut self.out, self.ast.text(text)),
            Expr::Path(text) => self.out.extend_from_slice(self.ast.text(text)),
            Expr::CurPos => self.text("__curPos"),
            Expr::Select(at) => {
                let select = &self.ast.selects[at as usize];
                self.text("(");
                self.expr(select.subject)?;
                self.text(").");
                self.path(select)?;
                if let Some(default) = select.default {
                    self.text(" or (");
                    self.expr(default)?;
                    self.text(")");
                }
            }
            Expr::HasAttr(at) => {
                let select = &self.ast.selects[at as usize];
                self.text("((");
                self.expr(select.subject)?;
                self.text(") ? ");
                self.path(select)?;
                self.text(")");
            }
            Expr::Set(set) => {
                self.text(if self.ast.set(set).recursive { "rec { " } else { "{ " });
                self.bindings(set)?;
                self.text("}");
            }
            Expr::List(at) => {
                self.text("[ ");
                for item in &self.ast.lists[at as usize] {
                    self.text("(");
                    self.expr(*item)?;
                    self.text(") ");
                }
                self.text("]");
            }
            Expr::Lambda(at) => self.lambda(&self.ast.lambdas[at as usize])?,
            Expr::Call(at) => {
                let call = &self.ast.calls[at as usize];
                self.text("(");
                self.expr(call.function)?;
                for arg in &call.args {
                    self.text(" ");
                    self.expr(*arg)?;
                }
                self.text(")");
            }
            Expr::Let(set, body) => {
                self.text("(let ");
                self.bindings(set)?;
                self.text("in ");
                self.expr(body)?;
                self.text(")");
            }
            Expr::With(set, body) => {
                self.text("(with ");
                self.expr(set)?;
                self.text("; ");
                self.expr(body)?;
                self.text(")");
            }
            Expr::If(condition, yes, no) => {
                self.text("(if ");
                self.expr(condition)?;
                self.text(" then ");
                self.expr(yes)?;
                self.text(" else ");
                self.expr(no)?;
                self.text(")");
            }
            Expr::Assert(condition, body) => {
                self.text("assert ");
                self.expr(condition)?;
                self.text("; ");
                self.expr(body)?;
            }
            Expr::Not(operand) => {
                self.text("(! ");
                self.expr(operand)?;
                self.text(")");
            }
            Expr::Op(op, left, right) => {
                self.text("(");
                self.expr(left)?;
                self.text(match op {
                    Op::Equal => " == ",
                    Op::NotEqual => " != ",
                    Op::And => " && ",
                    Op::Or => " || ",
                    Op::Implies => " -> ",
                    Op::Update => " // ",
                    Op::Concat => " ++ ",
                });
                self.expr(right)?;
                self.text(")");
            }
            Expr::Plus(left, right) => self.sum(&[left, right])?,
            Expr::Interpolation(at) | Expr::PathInterpolation(at) => {
                self.sum(&self.ast.lists[at as usize])?;
            }
        }
        Ok(())
    }

    fn sum(&mut self, parts: &[ExprId]) -> Result<()> {
        self.text("(");
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.text(" + ");
            }
            self.expr(*part)?;
        }
        self.text(")");
        Ok(())
    }

    fn path(&mut self, select: &Select) -> Result<()> {
        for (at, (name, _)) in select.path.iter().enumerate() {
            if at > 0 {
                self.text(".");
            }
            match *name {
                Name::Static(name) => self.name(name),
                Name::Dynamic(expr) => {
                    self.text("\"${");
                    self.expr(expr)?;
                    self.text("}\"");
                }
            }
        }
        Ok(())
    }

    fn bindings(&mut self, id: SetId) -> Result<()> {
        let set = self.ast.set(id);
        let mut entries: Vec<_> = set.entries.iter().collect();
        entries.sort_by_key(|entry| self.symbols.bytes(entry.name));
        let inherited =
            entries.iter().filter(|entry| matches!(entry.value, Bound::Inherited)).copied();
        let mut inherited = inherited.peekable();
        if inherited.peek().is_some() {
            self.text("inherit");
            for entry in inherited {
                self.text(" ");
                self.name(entry.name);
            }
            self.text("; ");
        }
        let mut from: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry.value {
                Bound::InheritedFrom(source) => Some((source, entry.name)),
                _ => None,
            })
            .collect();
        from.sort_by_key(|(source, _)| *source);
        for group in from.chunk_by(|a, b| a.0 == b.0) {
            self.text("inherit (");
            self.expr(set.sources[group[0].0 as usize])?;
            self.text(")");
            for (_, name) in group {
                self.text(" ");
                self.name(*name);
            }
            self.text("; ");
        }
        for entry in entries {
            if let Bound::Plain(value) = entry.value {
                self.name(entry.name);
                self.text(" = ");
                self.expr(value)?;
                self.text("; ");
            }
        }
        for attr in &set.dynamic {
            self.text("\"${");
            self.expr(attr.name)?;
            self.text("}\" = ");
            self.expr(attr.value)?;
            self.text("; ");
        }
        Ok(())
    }

    fn lambda(&mut self, lambda: &Lambda) -> Result<()> {
        self.text("(");
        if let Some(formals) = &lambda.formals {
            self.text("{ ");
            let mut list = formals.list.clone();
            list.sort_by_key(|formal| self.symbols.bytes(formal.name));
            for (at, formal) in list.iter().enumerate() {
                if at > 0 {
                    self.text(", ");
                }
                self.name(formal.name);
                if let Some(default) = formal.default {
                    self.text(" ? ");
                    self.expr(default)?;
                }
            }
            if formals.ellipsis {
                self.text(if list.is_empty() { "..." } else { ", ..." });
            }
            self.text(" }");
            if lambda.arg.is_some() {
                self.text(" @ ");
            }
        }
        if let Some((name, _)) = lambda.arg {
            self.name(name);
        }
        self.text(": ");
        self.expr(lambda.body)?;
        self.text(")");
        Ok(())
    }
}

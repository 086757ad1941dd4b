//! The tree becomes code.

use std::cell::Cell;

use bumpalo::Bump;

use super::{
    Assert, Binary, BinaryOp, Bind, Call, CallBuiltin, Delay, Expr, Formal, Formals, Function,
    HasAttr, Let, Name, Operand, Param, Parts, Program, QuickArithmetic, QuickSelect, Select,
    SelectPath, WithVar,
    scope::{Meaning, Scope, Variable},
};
use crate::{
    error::Result,
    interner::Interner,
    source::{Sources, Span},
    stack::Stack,
    string::Str,
    symbol::{Symbol, known},
    syntax::ast::{self, Ast, ExprId, Op},
    value::{CodeId, FunctionId, List, Signature, Slot, Value, position},
};

/// Everything that a tree is compiled with.
pub(crate) struct CompileContext<'c, 'a> {
    /// The memory for the code.
    pub(crate) arena: &'a Bump,
    /// The names.
    pub(crate) symbols: &'c Interner<'a>,
    /// The source texts.
    pub(crate) sources: &'c Sources,
    /// The code so far, which the new code is added to.
    pub(crate) program: &'c mut Program<'a>,
    /// The stack that may be used.
    pub(crate) stack: Stack,
    /// See [`Options::eager`](crate::eval::Options::eager).
    pub(crate) eager: bool,
}

/// Slots of the innermost activation from this one on hold nothing yet.
pub(super) const ALL_READY: u32 = u32::MAX;

/// The code of a tree. `names` are further variables: the slots of the activation in which the
/// code will be evaluated.
///
/// # Errors
/// [`Undefined`](crate::error::ErrorKind::Undefined) for a name that nothing defines; nesting too deep.
pub(crate) fn lower<'a>(
    it: CompileContext<'_, 'a>,
    tree: &Ast,
    root: ExprId,
    names: &[Symbol],
) -> Result<&'a Expr<'a>> {
    let mut scope = Scope::default();
    if !names.is_empty() {
        scope.open(u32::try_from(names.len()).unwrap_or(u32::MAX));
        let _ = scope.show(names.iter().copied().zip(0..));
    }
    let mut lowerer = Lowerer { it, tree, scope };
    let code = lowerer.expr(root, false, None)?;
    Ok(lowerer.it.arena.alloc(code))
}

pub(super) struct Lowerer<'l, 'a> {
    pub(super) it: CompileContext<'l, 'a>,
    pub(super) tree: &'l Ast,
    pub(super) scope: Scope,
}

impl<'a> Lowerer<'_, 'a> {
    fn alloc<T>(&self, node: T) -> &'a T {
        self.it.arena.alloc(node)
    }

    pub(super) fn alloc_slice<T>(&self, nodes: Vec<T>) -> &'a [T] {
        self.it.arena.alloc_slice_fill_iter(nodes)
    }

    fn string(&self, text: ast::Text) -> &'a Str<'a> {
        self.alloc(Str::plain(self.it.arena.alloc_slice_copy(self.tree.text(text))))
    }

    /// An expression. On the `spine` of an activation it is evaluated exactly once in it, so that
    /// its variables can be slots of it. `name` is what it is bound to.
    pub(super) fn expr(
        &mut self,
        id: ExprId,
        spine: bool,
        name: Option<Symbol>,
    ) -> Result<Expr<'a>> {
        let span = self.tree.span(id);
        self.it.stack.deeper().map_err(|error| error.at(span))?;
        Ok(match self.tree.expr(id) {
            ast::Expr::Var(name) => self.variable(name, span)?,
            ast::Expr::Int(number) => Expr::Const(Value::Int(number)),
            ast::Expr::Float(number) => Expr::Const(Value::Float(number)),
            ast::Expr::Str(text) => Expr::Const(Value::String(self.string(text))),
            ast::Expr::Path(text) => {
                let path = self.it.arena.alloc_slice_copy(self.tree.text(text));
                Expr::Const(Value::Path(self.alloc(Str::plain(path))))
            }
            ast::Expr::CurPos => Expr::Const(position(self.it.arena, self.it.sources, span.lo)),
            ast::Expr::Select(at) => self.select(at, span)?,
            ast::Expr::HasAttr(at) => {
                let select = &self.tree.selects[at as usize];
                let subject = self.expr(select.subject, false, None)?;
                let path = self.path(&select.path)?;
                Expr::HasAttr(self.alloc(HasAttr { subject, path, span }))
            }
            ast::Expr::Set(set) => self.set(set, span, spine)?,
            ast::Expr::List(at) => {
                let items = &self.tree.lists[at as usize];
                let items = items
                    .iter()
                    .map(|item| self.delay(*item, None, ALL_READY))
                    .collect::<Result<Vec<_>>>()?;
                match self.constants(&items) {
                    Some(slots) => Expr::ConstList(slots),
                    None => Expr::List(self.alloc_slice(items)),
                }
            }
            ast::Expr::Lambda(_) => Expr::Lambda(self.lambda(id, name)?),
            ast::Expr::Call(at) => self.call(at, span)?,
            ast::Expr::Let(set, body) => self.bind(set, body, spine)?,
            ast::Expr::With(set, body) => self.with(set, body, spine)?,
            ast::Expr::If(condition, yes, no) => {
                let condition = self.expr(condition, false, None)?;
                let yes = self.expr(yes, false, None)?;
                let no = self.expr(no, false, None)?;
                Expr::If(self.alloc([condition, yes, no]), span)
            }
            ast::Expr::Assert(condition, body) => {
                let span = self.tree.span(condition);
                let condition = self.expr(condition, false, None)?;
                let body = self.expr(body, spine, None)?;
                Expr::Assert(self.alloc(Assert { condition, body, span }))
            }
            ast::Expr::Not(operand) => Expr::Not(
                {
                    let operand = self.expr(operand, false, None)?;
                    self.alloc(operand)
                },
                span,
            ),
            ast::Expr::Op(op, left, right) => {
                let op = match op {
                    Op::Equal => BinaryOp::Equal,
                    Op::NotEqual => BinaryOp::NotEqual,
                    Op::And => BinaryOp::And,
                    Op::Or => BinaryOp::Or,
                    Op::Implies => BinaryOp::Implies,
                    Op::Update => BinaryOp::Update,
                    Op::Concat => BinaryOp::Concat,
                };
                self.binary(op, left, right, span)?
            }
            ast::Expr::Plus(left, right) => self.binary(BinaryOp::Add, left, right, span)?,
            ast::Expr::Interpolation(at) => Expr::Interpolate(self.parts(at, span)?),
            ast::Expr::PathInterpolation(at) => Expr::PathParts(self.parts(at, span)?),
        })
    }

    /// The slots of values that are all known, unless there is none.
    pub(super) fn constants(&self, values: &[Delay<'a>]) -> Option<&'a [Slot<'a>]> {
        let known = values
            .iter()
            .map(|value| match value {
                Delay::Const(value) => Some(Cell::new(*value)),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()?;
        Some(self.alloc_slice(known))
    }

    fn parts(&mut self, at: u32, span: Span) -> Result<&'a Parts<'a>> {
        let mut parts = Vec::new();
        for part in &self.tree.lists[at as usize] {
            parts.push((self.expr(*part, false, None)?, self.tree.span(*part)));
        }
        let parts = self.alloc_slice(parts);
        Ok(self.alloc(Parts { parts, span }))
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: ExprId,
        right: ExprId,
        span: Span,
    ) -> Result<Expr<'a>> {
        let left = self.expr(left, false, None)?;
        let right = self.expr(right, false, None)?;
        Ok(Expr::Binary(self.alloc(Binary { op, left, right, span })))
    }

    /// The value of a global name that the program does not define itself.
    fn global(&self, id: ExprId) -> Option<Value<'a>> {
        let ast::Expr::Var(name) = self.tree.expr(id) else { return None };
        // globals are outermost, but `with` does not hide them
        match self.scope.find(name) {
            Meaning::Variable(_) => None,
            Meaning::With | Meaning::Unknown => self.it.program.globals.get(name),
        }
    }

    fn variable(&mut self, name: Symbol, span: Span) -> Result<Expr<'a>> {
        let meaning = self.scope.find(name);
        self.meaning(&meaning, name, span)
    }

    pub(super) fn meaning(
        &mut self,
        meaning: &Meaning,
        name: Symbol,
        span: Span,
    ) -> Result<Expr<'a>> {
        if let Meaning::Variable(variable) = *meaning {
            return Ok(match self.scope.depth(variable) {
                0 => Expr::Local(variable.slot, span),
                depth => Expr::Outer(depth, variable.slot, span),
            });
        }
        if let Some(value) = self.it.program.globals.get(name) {
            return Ok(match value {
                Value::Ref(slot) => Expr::Global(slot),
                value => Expr::Const(value),
            });
        }
        if matches!(meaning, Meaning::Unknown) {
            let globals = &self.it.program.globals;
            return Err(globals.undefined(self.it.symbols, name, span, self.scope.names()));
        }
        let sets = self.scope.withs().collect();
        let sets = self.alloc_slice(sets);
        Ok(Expr::With(self.alloc(WithVar { name, sets, span })))
    }

    fn path(&mut self, path: &[(ast::Name, Span)]) -> Result<&'a [Name<'a>]> {
        let mut names = Vec::with_capacity(path.len());
        for (name, span) in path {
            names.push(match *name {
                ast::Name::Static(symbol) => Name::Static(symbol),
                ast::Name::Dynamic(expr) => Name::Dynamic(self.expr(expr, false, None)?, *span),
            });
        }
        Ok(self.alloc_slice(names))
    }

    fn select(&mut self, at: u32, span: Span) -> Result<Expr<'a>> {
        let select = &self.tree.selects[at as usize];
        if let Some(value) = self.builtin(select) {
            return Ok(Expr::Const(value));
        }
        let mut subject = self.expr(select.subject, false, None)?;
        let names: Option<Vec<Symbol>> = select
            .path
            .iter()
            .map(|(name, _)| match name {
                ast::Name::Static(symbol) => Some(*symbol),
                ast::Name::Dynamic(_) => None,
            })
            .collect();
        let short = |names: &Vec<Symbol>| names.len() <= 32;
        if let (Some(names), None) = (names.filter(short), select.default) {
            for (name, (_, at)) in names.into_iter().zip(&select.path) {
                let span = Span::new(span.lo, at.hi.max(span.lo));
                subject = Expr::Select(self.alloc(Select { subject, name, span }));
            }
            return Ok(subject);
        }
        let path = self.path(&select.path)?;
        let default = match select.default {
            Some(default) => Some(self.expr(default, false, None)?),
            None => None,
        };
        Ok(Expr::SelectPath(self.alloc(SelectPath { subject, path, default, span })))
    }

    /// `builtins.name`, when that is what it says.
    fn builtin(&self, select: &ast::Select) -> Option<Value<'a>> {
        if !self.it.eager {
            return None;
        }
        let [(ast::Name::Static(name), _)] = select.path[..] else { return None };
        let ast::Expr::Var(known::builtins) = self.tree.expr(select.subject) else { return None };
        let value = match self.global(select.subject)? {
            Value::Ref(slot) => slot.get(),
            value => value,
        };
        let Value::Attrs(attrs) = value else { return None };
        Some(attrs.get(name)?.get()).filter(Value::is_forced)
    }

    fn call(&mut self, at: u32, span: Span) -> Result<Expr<'a>> {
        let call = &self.tree.calls[at as usize];
        if let ([left, right], ast::Expr::Var(name)) =
            (&call.args[..], self.tree.expr(call.function))
            && self.global(call.function).is_some()
        {
            let op = match name {
                known::sub => Some(BinaryOp::Subtract),
                known::mul => Some(BinaryOp::Multiply),
                known::div => Some(BinaryOp::Divide),
                known::less_than => Some(BinaryOp::Less),
                _ => None,
            };
            if let Some(op) = op {
                return self.binary(op, *left, *right, span);
            }
        }
        let function = self.expr(call.function, false, None)?;
        if let Expr::Const(Value::Builtin(builtin)) = function
            && builtin.arity() == call.args.len()
        {
            return self.call_builtin(builtin, &call.args, span);
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.delay(*arg, None, ALL_READY)?);
        }
        let args = self.alloc_slice(args);
        Ok(Expr::Call(self.alloc(Call { function, args, span })))
    }

    fn call_builtin(
        &mut self,
        builtin: &'a Signature,
        given: &[ExprId],
        span: Span,
    ) -> Result<Expr<'a>> {
        let mut first = None;
        let mut args = Vec::with_capacity(given.len());
        for (arg, at) in given.iter().zip(0..) {
            args.push(if builtin.first() == Some(at) {
                first = Some((at, self.expr(*arg, false, None)?));
                Delay::Const(Value::Null)
            } else {
                self.delay(*arg, None, ALL_READY)?
            });
        }
        let args = self.alloc_slice(args);
        Ok(Expr::CallBuiltin(self.alloc(CallBuiltin { builtin, first, args, span })))
    }

    /// An operation on operands that may be integers known already.
    fn quick_arithmetic(
        &self,
        code: &Expr<'a>,
        ready: u32,
    ) -> Option<(BinaryOp, Operand, Operand)> {
        let Expr::Binary(Binary { op, left, right, .. }) = code else { return None };
        let operand = |expr: &Expr<'a>| match *expr {
            Expr::Const(Value::Int(number)) => Some(Operand::Int(number)),
            Expr::Local(slot, _) if slot < ready => Some(Operand::Variable(0, slot)),
            Expr::Outer(depth, slot, _) => Some(Operand::Variable(depth, slot)),
            _ => None,
        };
        let known = matches!(
            op,
            BinaryOp::Add
                | BinaryOp::Subtract
                | BinaryOp::Multiply
                | BinaryOp::Less
                | BinaryOp::Equal
                | BinaryOp::NotEqual
        );
        if known { Some((*op, operand(left)?, operand(right)?)) } else { None }
    }

    /// The first value of a place whose value is the expression. Slots of the innermost activation
    /// from `ready` on hold nothing yet when that happens.
    pub(super) fn delay(
        &mut self,
        id: ExprId,
        name: Option<Symbol>,
        ready: u32,
    ) -> Result<Delay<'a>> {
        if let ast::Expr::Select(at) = self.tree.expr(id) {
            let select = &self.tree.selects[at as usize];
            if let ([(ast::Name::Static(attr), _)], None) = (&select.path[..], select.default)
                && let ast::Expr::Var(subject) = self.tree.expr(select.subject)
                && let Meaning::Variable(variable) = self.scope.find(subject)
            {
                let subject = self.tree.span(select.subject);
                return self.quick_select(variable, *attr, (subject, self.tree.span(id)), ready);
            }
        }
        let code = self.expr(id, false, name)?;
        Ok(self.suspend(code, ready))
    }

    /// `variable.attr`
    pub(super) fn quick_select(
        &mut self,
        variable: Variable,
        name: Symbol,
        (subject, span): (Span, Span),
        ready: u32,
    ) -> Result<Delay<'a>> {
        let from = self.meaning(&Meaning::Variable(variable), name, subject)?;
        let code = Expr::Select(self.alloc(Select { subject: from, name, span }));
        let Delay::Code(code) = self.suspend(code, ready) else {
            unreachable!("it is not a value")
        };
        let unset = self.scope.is_innermost(variable) && variable.slot >= ready;
        if unset || !self.it.eager {
            return Ok(Delay::Code(code));
        }
        let depth = self.scope.depth(variable);
        Ok(Delay::Select(self.alloc(QuickSelect { depth, slot: variable.slot, name, code })))
    }

    /// The code of a place that computes later.
    pub(super) fn suspend(&mut self, code: Expr<'a>, ready: u32) -> Delay<'a> {
        match code {
            Expr::Const(value) => Delay::Const(value),
            Expr::Global(slot) => Delay::Const(Value::Ref(slot)),
            // there is nothing to compute, so it is shown even if nothing is computed
            Expr::ConstList(items) if items.is_empty() => {
                Delay::Const(Value::List(self.alloc(List::new(items))))
            }
            Expr::Local(slot, _) if slot < ready => Delay::Local(slot),
            Expr::Outer(depth, slot, _) => Delay::Outer(depth, slot),
            Expr::Lambda(function) if self.it.eager => Delay::Lambda(function),
            code => {
                let id = CodeId(u32::try_from(self.it.program.code.len()).unwrap_or(u32::MAX));
                let eager = self.it.eager;
                let quick = self.quick_arithmetic(&code, ready).filter(|_| eager);
                self.it.program.code.push(self.it.arena.alloc(code));
                match quick {
                    Some((op, left, right)) => {
                        Delay::Arithmetic(self.alloc(QuickArithmetic { op, left, right, code: id }))
                    }
                    None => Delay::Code(id),
                }
            }
        }
    }

    fn with(&mut self, set: ExprId, body: ExprId, spine: bool) -> Result<Expr<'a>> {
        if spine && self.scope.level().is_some() {
            let value = self.delay(set, None, ALL_READY)?;
            let start = self.scope.grow(1);
            self.scope.push_with(start);
            let body = self.expr(body, true, None);
            self.scope.pop_with();
            let values = self.alloc_slice(vec![value]);
            return Ok(Expr::Bind(self.alloc(Bind { start, values, body: body? })));
        }
        self.scope.open(1);
        let value = self.delay(set, None, 0)?;
        self.scope.push_with(0);
        let body = self.expr(body, true, None);
        self.scope.pop_with();
        let size = self.scope.close();
        let values = self.alloc_slice(vec![value]);
        Ok(Expr::Let(self.alloc(Let { size, values, body: body? })))
    }

    /// A function; functions that are the bodies of functions of one name become one function.
    fn lambda(&mut self, id: ExprId, name: Option<Symbol>) -> Result<FunctionId> {
        let tree = self.tree;
        let span = tree.span(id);
        let mut params: Vec<Param> = Vec::new();
        let mut formals: &[ast::Formal] = &[];
        let mut pattern = None;
        let mut body = id;
        while let (ast::Expr::Lambda(at), None) = (tree.expr(body), pattern) {
            let lambda = &tree.lambdas[at as usize];
            let name = lambda.arg.map(|(name, _)| name);
            params.push(Param { name, span: tree.span(body) });
            if let Some(found) = &lambda.formals {
                formals = &found.list;
                pattern = Some(found.ellipsis);
            }
            body = lambda.body;
        }
        let arity = u32::try_from(params.len()).unwrap_or(u32::MAX);
        let count = u32::try_from(formals.len()).unwrap_or(u32::MAX);
        self.scope.open(arity + count);
        let args = (0..arity).zip(&params).filter_map(|(slot, param)| Some((param.name?, slot)));
        let names = formals.iter().zip(arity..).map(|(formal, slot)| (formal.name, slot));
        let hidden = self.scope.show(args.chain(names));
        let mut list = Vec::with_capacity(formals.len());
        for (formal, slot) in formals.iter().zip(arity..) {
            let default = match formal.default {
                Some(default) => Some(self.delay(default, Some(formal.name), slot)?),
                None => None,
            };
            list.push(Formal { name: formal.name, default, span: formal.span });
        }
        let inner_name = name.filter(|_| matches!(tree.expr(body), ast::Expr::Lambda(_)));
        let body = self.expr(body, true, inner_name)?;
        self.scope.hide(hidden);
        let frame = self.scope.close();
        let formals = pattern.map(|ellipsis| {
            let list = self.alloc_slice(list);
            self.alloc(Formals { list, ellipsis })
        });
        let params = self.alloc_slice(params);
        let function = Function { name, arity, formals, frame, body, span, params };
        let id = FunctionId(u32::try_from(self.it.program.functions.len()).unwrap_or(u32::MAX));
        let function = self.alloc(function);
        self.it.program.functions.push(function);
        Ok(id)
    }
}

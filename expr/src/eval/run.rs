//! Evaluates expressions. The loop handles tail positions.

use std::cell::Cell;

use smallvec::SmallVec;

use super::{Interpreter, profile::Step, room::INTERVAL};
use crate::{
    compile::{
        Assert, AttrsCode, Binary, BinaryOp, CallBuiltin, ConstAttrs, Delay, Expr, Operand,
        QuickArithmetic,
    },
    error::{Error, ErrorKind, Result},
    source::Span,
    value::{Attrs, AttrsBuilder, Env, FunctionId, Key, List, Signature, Slot, Value, share},
};

/// The call whose body the loop is evaluating, and its activation.
type LastCall<'a> = Option<(FunctionId, Span, &'a Env<'a>)>;

/// The first value of a delayed place. It is not in a slot yet.
#[inline(always)]
pub(super) fn delay<'a>(delay: Delay<'a>, env: &'a Env<'a>) -> Value<'a> {
    match delay {
        Delay::Const(value) => value,
        Delay::Local(slot) => env.share(0, slot),
        Delay::Outer(depth, slot) => env.share(depth, slot),
        Delay::Lambda(function) => {
            env.keep();
            Value::Lambda(function, env)
        }
        Delay::Code(code) => {
            env.keep();
            Value::Thunk(code, env)
        }
        Delay::Select(quick) => {
            let slot = env.slot(quick.depth, quick.slot);
            let subject = if let Value::Ref(other) = slot.get() { other.get() } else { slot.get() };
            if let Value::Attrs(attrs) = subject
                && let Some(found) = attrs.get(quick.name)
            {
                return share(found);
            }
            env.keep();
            Value::Thunk(quick.code, env)
        }
        Delay::Arithmetic(quick) => arithmetic(quick, env).unwrap_or_else(|| {
            env.keep();
            Value::Thunk(quick.code, env)
        }),
    }
}

/// The result of an operation on known integers; `None` for any other operation, or if it fails.
#[inline]
fn arithmetic<'a>(quick: &QuickArithmetic, env: &'a Env<'a>) -> Option<Value<'a>> {
    let operand = |operand| match operand {
        Operand::Int(number) => Some(number),
        Operand::Variable(depth, slot) => match env.slot(depth, slot).get() {
            Value::Int(number) => Some(number),
            _ => None,
        },
    };
    let (left, right) = (operand(quick.left)?, operand(quick.right)?);
    Some(match quick.op {
        BinaryOp::Add => Value::Int(left.checked_add(right)?),
        BinaryOp::Subtract => Value::Int(left.checked_sub(right)?),
        BinaryOp::Multiply => Value::Int(left.checked_mul(right)?),
        BinaryOp::Less => Value::Bool(left < right),
        BinaryOp::Equal => Value::Bool(left == right),
        BinaryOp::NotEqual => Value::Bool(left != right),
        _ => return None,
    })
}

impl<'a> Interpreter<'a> {
    /// The value of an expression.
    pub(crate) fn eval(&mut self, expr: &'a Expr<'a>, env: &'a Env<'a>) -> Result<Value<'a>> {
        match expr {
            Expr::Const(value) => return Ok(*value),
            Expr::Local(slot, span) => return self.force_at(&env.slots[*slot as usize], *span),
            Expr::Outer(depth, slot, span) => {
                return self.force_at(env.slot(*depth, *slot), *span);
            }
            _ => self.deeper()?,
        }
        let calls = self.calls;
        let mut last = None;
        let result = self.run(expr, env, &mut last);
        self.calls = calls;
        match (result, last) {
            (Ok(value), Some((_, _, own))) => {
                self.leave();
                self.spare.give(own);
                Ok(value)
            }
            (Err(error), Some((id, span, _))) => Err(self.while_calling(error, id, span)),
            (result, None) => result,
        }
    }

    #[inline(always)]
    fn force_at(&mut self, slot: &'a Slot<'a>, span: Span) -> Result<Value<'a>> {
        let value = slot.get();
        if value.is_forced() {
            return Ok(value);
        }
        match self.force(slot) {
            Err(error) => Err(error.at(span)),
            done => done,
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn while_calling(
        &self,
        error: Box<Error>,
        id: FunctionId,
        span: Span,
    ) -> Box<Error> {
        let text = match self.program.functions[id.0 as usize].name {
            Some(name) => format!("while calling '{}'", self.symbols.show(name)),
            None => "while calling an anonymous function".to_owned(),
        };
        error.within(span, text)
    }

    fn run(
        &mut self,
        mut expr: &'a Expr<'a>,
        mut env: &'a Env<'a>,
        last: &mut LastCall<'a>,
    ) -> Result<Value<'a>> {
        loop {
            match expr {
                Expr::Const(value) => return Ok(*value),
                Expr::Global(slot) => return self.force(slot),
                Expr::Local(slot, span) => return self.force_at(&env.slots[*slot as usize], *span),
                Expr::Outer(depth, slot, span) => {
                    return self.force_at(env.slot(*depth, *slot), *span);
                }
                Expr::Call(call) => {
                    let function = self.eval(&call.function, env)?;
                    if let Value::Lambda(id, up) = function {
                        let code = self.program.functions[id.0 as usize];
                        let count = call.args.len();
                        if code.arity as usize == count {
                            let inner = self.activation(code.frame as usize, up);
                            for (slot, arg) in inner.slots.iter().zip(call.args) {
                                slot.set(match *arg {
                                    // a destructured argument needs no thunk
                                    Delay::Code(id)
                                        if code.formals.is_some()
                                            && std::ptr::eq(
                                                arg,
                                                &raw const call.args[count - 1],
                                            ) =>
                                    {
                                        self.eval(self.program.code[id.0 as usize], env)?
                                    }
                                    arg => delay(arg, env),
                                });
                            }
                            inner.called_at(call.span.lo);
                            self.enter(id, call.span)?;
                            if let Some(formals) = code.formals {
                                self.bind_formals(code, formals, inner, call.span)?;
                            }
                            if let Some((_, _, own)) = last.replace((id, call.span, inner)) {
                                self.spare.give(own);
                            }
                            expr = &code.body;
                            env = inner;
                            continue;
                        }
                    }
                    let mut args: SmallVec<[Value<'a>; 4]> = SmallVec::new();
                    for arg in call.args {
                        args.push(self.shared(delay(*arg, env)));
                    }
                    return self.call_forced(function, &args, call.span);
                }
                Expr::Select(select) => {
                    let subject = self.eval(&select.subject, env)?;
                    let (slot, _) = self.select(subject, select.name, select.span)?;
                    let value = slot.get();
                    if value.is_forced() {
                        return Ok(value);
                    }
                    return match self.force(slot) {
                        Err(error) => Err(self.while_selecting(error, select.name, select.span)),
                        done => done,
                    };
                }
                Expr::If(parts, span) => {
                    let [condition, yes, no] = parts;
                    expr = if self.eval_bool(condition, env, *span)? { yes } else { no };
                }
                Expr::Binary(binary) => return self.binary(binary, env),
                Expr::Lambda(function) => {
                    env.keep();
                    return Ok(Value::Lambda(*function, env));
                }
                Expr::CallBuiltin(call) => return self.call_builtin(call, env),
                Expr::Let(code) => {
                    let slots = self
                        .arena
                        .alloc_slice_fill_with(code.size as usize, |_| Cell::new(Value::Null));
                    let inner: &Env<'a> = self.arena.alloc(Env::new(Some(env), slots));
                    for (slot, value) in slots.iter().zip(code.values) {
                        slot.set(delay(*value, inner));
                    }
                    expr = &code.body;
                    env = inner;
                }
                Expr::Bind(code) => {
                    let start = code.start as usize;
                    for (slot, value) in env.slots[start..].iter().zip(code.values) {
                        slot.set(delay(*value, env));
                    }
                    expr = &code.body;
                }
                Expr::Attrs(code) => {
                    self.stats.sets += 1;
                    return self.attrs_literal(code, env);
                }
                Expr::ConstAttrs(ConstAttrs { keys, slots }) => {
                    self.stats.sets += 1;
                    return Ok(Value::Attrs(Attrs::with_shape(self.arena, keys, slots)));
                }
                Expr::List(items) => {
                    self.stats.lists += 1;
                    let items = self
                        .arena
                        .alloc_slice_fill_with(items.len(), |at| Cell::new(delay(items[at], env)));
                    return Ok(Value::List(self.arena.alloc(List::new(items))));
                }
                Expr::ConstList(items) => {
                    self.stats.lists += 1;
                    return Ok(Value::List(self.arena.alloc(List::new(items))));
                }
                Expr::Not(operand, span) => {
                    return Ok(Value::Bool(!self.eval_bool(operand, env, *span)?));
                }
                Expr::Interpolate(parts) => return self.interpolate(parts, env),
                Expr::PathParts(parts) => return self.path_parts(parts, env),
                Expr::SelectPath(code) => match self.select_path(code, env)? {
                    Some(value) => return Ok(value),
                    None => match &code.default {
                        Some(default) => expr = default,
                        None => return Ok(Value::Null),
                    },
                },
                Expr::HasAttr(code) => return self.has_attr(code, env).map(Value::Bool),
                Expr::With(code) => {
                    for &(depth, slot) in code.sets {
                        let set = self.force_at(env.slot(depth, slot), code.span)?;
                        let Value::Attrs(attrs) = set else {
                            let error = self.expected("a set", set).at(code.span);
                            let text =
                                "while evaluating the first subexpression of a with expression";
                            return Err(error.within(code.span, text));
                        };
                        if let Some(found) = attrs.get(code.name) {
                            return self.force_at(found, code.span);
                        }
                    }
                    let sets = code.sets.iter().filter_map(|&(depth, slot)| {
                        match env.slot(depth, slot).get() {
                            Value::Attrs(attrs) => Some(attrs.flat(self.arena).0),
                            _ => None,
                        }
                    });
                    let names = sets.flatten().map(|key| key.symbol);
                    let globals = &self.program.globals;
                    return Err(globals.undefined(&self.symbols, code.name, code.span, names));
                }
                Expr::Assert(code) => {
                    self.assert(code, env)?;
                    expr = &code.body;
                }
            }
        }
    }

    /// An activation of a function. The caller must set all its slots.
    #[inline(always)]
    pub(super) fn activation(&mut self, size: usize, up: &'a Env<'a>) -> &'a Env<'a> {
        match self.spare.take(size, up) {
            Some(env) => env,
            None => {
                let slots = self.arena.alloc_slice_fill_with(size, |_| Cell::new(Value::Null));
                self.arena.alloc(Env::new(Some(up), slots))
            }
        }
    }

    fn call_builtin(&mut self, call: &'a CallBuiltin<'a>, env: &'a Env<'a>) -> Result<Value<'a>> {
        let mut args = [Value::Null; Signature::MOST_ARGS];
        let args = &mut args[..call.args.len()];
        for (arg, given) in args.iter_mut().zip(call.args) {
            *arg = self.shared(delay(*given, env));
        }
        if let Some((at, first)) = &call.first {
            args[*at as usize] = self
                .eval(first, env)
                .map_err(|error| self.while_running(error, call.builtin, call.span))?;
        }
        self.caller = Some(env);
        self.run_builtin(call.builtin, args, call.span)
    }

    /// Counts a call. [`Self::eval`] undoes it.
    #[inline(always)]
    pub(super) fn enter(&mut self, id: FunctionId, span: Span) -> Result<()> {
        self.calls += 1;
        self.stats.calls += 1;
        if self.calls > self.call_limit {
            self.beyond(Step::Function(id), span)?;
        }
        if self.stats.calls.is_multiple_of(INTERVAL) {
            self.look(span)?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    pub(super) fn too_many_calls(&self, span: Span) -> Box<Error> {
        let text = "stack overflow; max-call-depth exceeded";
        let help = format!("calls may nest {} deep", self.options.max_call_depth);
        Error::new(ErrorKind::StackOverflow, span, text).with_help(help)
    }

    /// Puts a suspended value into a slot, so that it can be shared.
    #[inline(always)]
    pub(super) fn shared(&self, value: Value<'a>) -> Value<'a> {
        match value {
            Value::Thunk(..) | Value::Apply(_) | Value::Item(..) => Value::Ref(self.slot(value)),
            _ => value,
        }
    }

    #[inline]
    pub(super) fn eval_bool(
        &mut self,
        expr: &'a Expr<'a>,
        env: &'a Env<'a>,
        span: Span,
    ) -> Result<bool> {
        match self.eval(expr, env)? {
            Value::Bool(truth) => Ok(truth),
            other => {
                let own = expr.span();
                Err(self.expected("a Boolean", other).at(if own.is_none() { span } else { own }))
            }
        }
    }

    fn binary(&mut self, code: &'a Binary<'a>, env: &'a Env<'a>) -> Result<Value<'a>> {
        let span = code.span;
        match code.op {
            BinaryOp::And => Ok(Value::Bool(
                self.eval_bool(&code.left, env, span)? && self.eval_bool(&code.right, env, span)?,
            )),
            BinaryOp::Or => Ok(Value::Bool(
                self.eval_bool(&code.left, env, span)? || self.eval_bool(&code.right, env, span)?,
            )),
            BinaryOp::Implies => Ok(Value::Bool(
                !self.eval_bool(&code.left, env, span)?
                    || self.eval_bool(&code.right, env, span)?,
            )),
            BinaryOp::Update => {
                let right = self.eval_attrs(&code.right, env, span)?;
                let left = self.eval_attrs(&code.left, env, span)?;
                self.stats.updates += 1;
                self.room((left.len() + right.len()) * size_of::<(Key, Slot<'_>)>())
                    .map_err(|error| error.at(span))?;
                Ok(Value::Attrs(Attrs::update(self.arena, left, right)))
            }
            op => {
                let left = self.eval(&code.left, env)?;
                let right = self.eval(&code.right, env)?;
                match (op, left, right) {
                    (BinaryOp::Add, Value::Int(a), Value::Int(b))
                        if let Some(sum) = a.checked_add(b) =>
                    {
                        Ok(Value::Int(sum))
                    }
                    (BinaryOp::Subtract, Value::Int(a), Value::Int(b))
                        if let Some(difference) = a.checked_sub(b) =>
                    {
                        Ok(Value::Int(difference))
                    }
                    (BinaryOp::Less, Value::Int(a), Value::Int(b)) => Ok(Value::Bool(a < b)),
                    (BinaryOp::Equal, Value::Int(a), Value::Int(b)) => Ok(Value::Bool(a == b)),
                    _ => self.operate(op, left, right).map_err(|error| error.at(span)),
                }
            }
        }
    }

    fn operate(&mut self, op: BinaryOp, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>> {
        match op {
            BinaryOp::Add => self.add(left, right),
            BinaryOp::Equal => Ok(Value::Bool(self.equal(left, right)?)),
            BinaryOp::NotEqual => Ok(Value::Bool(!self.equal(left, right)?)),
            BinaryOp::Less => Ok(Value::Bool(self.less(left, right)?)),
            BinaryOp::Concat => {
                let (left, right) = (self.as_list(left)?, self.as_list(right)?);
                self.room((left.len() + right.len()) * size_of::<Slot<'_>>())?;
                Ok(Value::List(List::concat(self.arena, left, right)))
            }
            BinaryOp::Subtract => self.subtract(left, right),
            BinaryOp::Multiply => self.multiply(left, right),
            BinaryOp::Divide => self.divide(left, right),
            BinaryOp::And | BinaryOp::Or | BinaryOp::Implies | BinaryOp::Update => {
                unreachable!("these evaluate their operands themselves")
            }
        }
    }

    fn eval_attrs(
        &mut self,
        expr: &'a Expr<'a>,
        env: &'a Env<'a>,
        span: Span,
    ) -> Result<&'a Attrs<'a>> {
        match self.eval(expr, env)? {
            Value::Attrs(attrs) => Ok(attrs),
            other => {
                let own = expr.span();
                Err(self.expected("a set", other).at(if own.is_none() { span } else { own }))
            }
        }
    }

    fn attrs_literal(&mut self, code: &'a AttrsCode<'a>, env: &'a Env<'a>) -> Result<Value<'a>> {
        let count = code.keys.len();
        let (mut slots, inner): (&'a [Slot<'a>], &'a Env<'a>) = if code.recursive {
            let size = count + code.hidden.len();
            let slots: &[Slot<'a>] =
                self.arena.alloc_slice_fill_with(size, |_| Cell::new(Value::Null));
            let inner: &Env<'a> = self.arena.alloc(Env::new(Some(env), slots));
            for (slot, value) in slots[count..].iter().zip(code.hidden) {
                slot.set(delay(*value, inner));
            }
            for (slot, value) in slots.iter().zip(code.values) {
                slot.set(delay(*value, inner));
            }
            (&slots[..count], inner)
        } else {
            let slots = self
                .arena
                .alloc_slice_fill_with(count, |at| Cell::new(delay(code.values[at], env)));
            (slots, env)
        };
        let mut keys: &[Key] = code.keys;
        if let Some(at) = code.overrides {
            (keys, slots) = self.override_attrs(keys, slots, at as usize, code.span)?;
        }
        if code.dynamic.is_empty() && code.overrides.is_none() {
            return Ok(Value::Attrs(Attrs::with_shape(self.arena, code.keys, slots)));
        }
        self.dynamic_attrs(code, keys, slots, inner)
    }

    /// Applies `__overrides` of a recursive set, whose attributes replace those of the set.
    fn override_attrs(
        &mut self,
        keys: &'a [Key],
        slots: &'a [Slot<'a>],
        at: usize,
        span: Span,
    ) -> Result<(&'a [Key], &'a [Slot<'a>])> {
        let overrides = self.force(&slots[at])?;
        let overrides = self.as_attrs(overrides).map_err(|error| {
            error.at(span).within(span, "while evaluating the `__overrides` attribute")
        })?;
        let mut all = AttrsBuilder::with_capacity(keys.len() + overrides.len());
        for (key, slot) in overrides.iter(self.arena) {
            if let Ok(at) = keys.binary_search_by_key(&key.symbol, |key| key.symbol) {
                slots[at].set(share(slot));
            }
            all.push_at(key.symbol, key.at, share(slot));
        }
        for (key, slot) in keys.iter().zip(slots) {
            all.push_at(key.symbol, key.at, share(slot));
        }
        Ok(all.build(self.arena).flat(self.arena))
    }

    fn dynamic_attrs(
        &mut self,
        code: &'a AttrsCode<'a>,
        keys: &'a [Key],
        slots: &'a [Slot<'a>],
        env: &'a Env<'a>,
    ) -> Result<Value<'a>> {
        let mut all = AttrsBuilder::with_capacity(keys.len() + code.dynamic.len());
        let mut seen = rustc_hash::FxHashMap::default();
        for (key, slot) in keys.iter().zip(slots) {
            all.push_at(key.symbol, key.at, share(slot));
        }
        for attr in code.dynamic {
            let name = self.eval(&attr.name, env)?;
            if matches!(name, Value::Null) {
                continue;
            }
            let name = self.as_plain_string(name).map_err(|error| {
                let text = "while evaluating the name of a dynamic attribute";
                error.at(attr.span).within(attr.span, text)
            })?;
            let symbol = self.symbols.intern_string(name);
            let earlier = match keys.binary_search_by_key(&symbol, |key| key.symbol) {
                Ok(at) => Some(keys[at].at),
                Err(_) => seen.insert(symbol, attr.span.lo),
            };
            if let Some(earlier) = earlier {
                let there = Span::new(earlier, earlier);
                let place =
                    self.sources.place(there).map_or_else(String::new, |place| place.to_string());
                let name = self.symbols.show(symbol);
                let message = format!("dynamic attribute '{name}' already defined at {place}");
                return Err(Error::new(ErrorKind::Eval, attr.span, message)
                    .with_label(there, "the first definition"));
            }
            all.push_at(symbol, attr.span.lo, delay(attr.value, env));
        }
        Ok(Value::Attrs(all.build(self.arena)))
    }

    fn assert(&mut self, code: &'a Assert<'a>, env: &'a Env<'a>) -> Result<()> {
        if self.eval_bool(&code.condition, env, code.span)? {
            return Ok(());
        }
        let text = self.sources.excerpt(code.span);
        let error = Error::new(ErrorKind::Assert, code.span, format!("assertion '{text}' failed"));
        if let Expr::Binary(Binary { op: BinaryOp::Equal, left, right, .. }) = &code.condition {
            let left = self.eval(left, env)?;
            let right = self.eval(right, env)?;
            if let Some(difference) = self.difference(left, right)? {
                return Err(Error::new(ErrorKind::Assert, code.span, difference).within(
                    code.span,
                    format!("while evaluating the condition of the assertion '{text}'"),
                ));
            }
        }
        Err(error)
    }
}

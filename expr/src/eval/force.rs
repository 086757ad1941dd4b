//! Forcing: computes suspended values.

use super::{Interpreter, library, room::INTERVAL};
use crate::{
    compile::Expr,
    error::{Error, ErrorKind, Result},
    source::Span,
    value::{Apply, CodeId, Env, Items, Slot, Value, home, share},
};

impl<'a> Interpreter<'a> {
    /// The value of a slot, computed now if it is suspended.
    ///
    /// # Errors
    /// Those of the computation. Failures that `tryEval` catches are kept in the slot.
    #[inline(always)]
    pub fn force(&mut self, slot: &'a Slot<'a>) -> Result<Value<'a>> {
        let value = slot.get();
        if value.is_forced() { Ok(value) } else { self.force_suspended(slot, value) }
    }

    /// The same for an argument of a builtin: a computed value or a reference.
    ///
    /// # Errors
    /// As [`Self::force`].
    #[inline(always)]
    pub fn value(&mut self, value: Value<'a>) -> Result<Value<'a>> {
        match value {
            Value::Ref(slot) => self.force(slot),
            _ if value.is_forced() => Ok(value),
            _ => self.force(self.slot(value)),
        }
    }

    #[inline(never)]
    fn force_suspended(&mut self, slot: &'a Slot<'a>, value: Value<'a>) -> Result<Value<'a>> {
        let result = match value {
            Value::Thunk(code, env) => {
                self.stats.thunks += 1;
                if self.stats.thunks.is_multiple_of(INTERVAL) {
                    self.look(Span::NONE)?;
                }
                slot.set(Value::Running(code));
                let expr = self.program.code[code.0 as usize];
                match self.eval(expr, env) {
                    // a list from a variable or a call is a new object from here on
                    Ok(Value::List(list))
                        if !matches!(expr, Expr::List(_) | Expr::ConstList(_)) =>
                    {
                        Ok(Value::List(self.arena.alloc(list.again())))
                    }
                    other => other,
                }
            }
            Value::Ref(other) => {
                let value = self.force(other)?;
                slot.set(value);
                return Ok(value);
            }
            Value::Apply(Apply { function, args }) => {
                self.stats.thunks += 1;
                slot.set(Value::Running(CodeId::NONE));
                self.call(*function, args, Span::NONE)
            }
            Value::Item(at, items) => {
                self.stats.thunks += 1;
                slot.set(Value::Running(CodeId::NONE));
                self.item(at, items)
            }
            Value::Running(code) => return Err(self.infinite_recursion(code)),
            Value::Failed(at) => return Err(self.failures[at as usize].clone()),
            forced => return Ok(forced),
        };
        match result {
            Ok(done) => {
                slot.set(done);
                Ok(done)
            }
            Err(error) => Err(self.failed(slot, value, error)),
        }
    }

    /// A value that fails with this error (which `tryEval` catches) when it is forced.
    pub fn failure(&mut self, error: Box<Error>) -> Value<'a> {
        let failed = Value::Failed(self.failures.len() as u32);
        self.hold(error.size());
        self.failures.push(error);
        Value::Ref(self.slot(failed))
    }

    #[cold]
    #[inline(never)]
    fn failed(&mut self, slot: &'a Slot<'a>, value: Value<'a>, error: Box<Error>) -> Box<Error> {
        if error.is_caught() {
            slot.set(Value::Failed(self.failures.len() as u32));
            self.hold(error.size());
            self.failures.push(error.clone());
        } else {
            slot.set(value);
        }
        match value {
            Value::Thunk(code, env) => self.for_caller(error, code, env),
            _ => error,
        }
    }

    /// Adds the place of the call to an error. A value of the library may fail later, when no call of the
    /// library is on the stack any more. The activation still knows the place of its call.
    fn for_caller(&self, error: Box<Error>, code: CodeId, env: &Env<'a>) -> Box<Error> {
        if !self.is_library(self.program.code[code.0 as usize].span()) {
            return error;
        }
        match self.call_of_library(env) {
            Some(site) => self.within_call(error, site),
            None => error,
        }
    }

    fn is_library(&self, span: Span) -> bool {
        self.sources.find(span.lo).is_some_and(library::is_source)
    }

    /// The place where the program called the library, in whose code this activation is.
    fn call_of_library(&self, env: &Env<'a>) -> Option<u32> {
        env.sites().find(|site| !self.is_library(Span::new(*site, *site)))
    }

    /// The place where the program called the library, if the library called the builtin that runs.
    pub(crate) fn call_for_builtin(&self) -> Option<u32> {
        let env = self.caller.filter(|_| self.is_library(self.site))?;
        self.call_of_library(env)
    }

    /// Adds the call of the library at that place, unless it is already the last step.
    pub(crate) fn within_call(&self, error: Box<Error>, site: u32) -> Box<Error> {
        // a call starts with the function, by name most of the time
        let source = self.sources.text(Span::new(site, u32::MAX));
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-'.".contains(byte);
        let name = source.iter().take_while(|byte| is_name(byte)).count().max(1);
        let span = Span::new(site, site + name as u32);
        if error.outermost().is_some_and(|step| step.span == span) {
            return error;
        }
        error.within(span, "while computing what this call made")
    }

    /// An element that a builtin suspended.
    fn item(&mut self, at: u32, items: &'a Items<'a>) -> Result<Value<'a>> {
        match items {
            Items::Map(function, list) => {
                self.call(*function, &[share(&list[at as usize])], Span::NONE)
            }
            Items::Generate(function) => {
                self.call(*function, &[Value::Int(i64::from(at))], Span::NONE)
            }
            Items::MapAttrs(function, keys, slots) => {
                let name = self.symbols.string(keys[at as usize].symbol);
                let value = share(&slots[at as usize]);
                self.call(*function, &[Value::String(name), value], Span::NONE)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn infinite_recursion(&self, code: CodeId) -> Box<Error> {
        let error =
            Error::new(ErrorKind::InfiniteRecursion, Span::NONE, "infinite recursion encountered");
        match self.program.code.get(code.0 as usize).map(|expr| expr.span()) {
            Some(span) if !span.is_none() => {
                error.with_label(span, "the value of this expression depends on itself")
            }
            _ => error,
        }
    }

    /// Forces a value and everything in it, as `deepSeq` does.
    ///
    /// # Errors
    /// As [`Self::force`].
    pub fn force_deep(&mut self, value: Value<'a>) -> Result<()> {
        let value = self.value(value)?;
        self.force_inside(value, &mut rustc_hash::FxHashSet::default())
    }

    fn force_inside(
        &mut self,
        value: Value<'a>,
        seen: &mut rustc_hash::FxHashSet<usize>,
    ) -> Result<()> {
        if !matches!(value, Value::List(_) | Value::Attrs(_)) {
            return Ok(());
        }
        self.nest(|it| it.force_parts(value, seen))
    }

    fn force_parts(
        &mut self,
        value: Value<'a>,
        seen: &mut rustc_hash::FxHashSet<usize>,
    ) -> Result<()> {
        match value {
            Value::List(list) => {
                if !seen.insert(std::ptr::from_ref(list).addr()) {
                    return Ok(());
                }
                for (at, slot) in list.items.iter().enumerate() {
                    self.force(slot).and_then(|value| self.force_inside(value, seen)).map_err(
                        |error| {
                            let text = format!("while evaluating list element at index {at}");
                            error.within(Span::NONE, text)
                        },
                    )?;
                }
            }
            Value::Attrs(attrs) => {
                if !seen.insert(std::ptr::from_ref(attrs).addr()) {
                    return Ok(());
                }
                for (key, slot) in attrs.iter(self.arena) {
                    self.force(slot).and_then(|value| self.force_inside(value, seen)).map_err(
                        |error| {
                            let name = self.symbols.show(key.symbol);
                            let text = format!("while evaluating the attribute '{name}'");
                            error.within(Span::new(key.at, key.at), text)
                        },
                    )?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// True if two slots share one value, which need not be compared.
    pub(crate) fn is_same(left: &'a Slot<'a>, right: &'a Slot<'a>) -> bool {
        std::ptr::eq(home(left), home(right))
    }
}

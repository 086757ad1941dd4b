//! Calls: of functions of the program, of builtins, of partial applications and of sets with
//! `__functor`.

use smallvec::SmallVec;

use super::{Interpreter, profile::Step, room::INTERVAL, run::delay};
use crate::{
    compile::{Formals, Function},
    error::{Error, ErrorKind, Result},
    source::Span,
    suggest::did_you_mean,
    symbol::{Symbol, known},
    value::{Attrs, Env, FunctionId, Partial, Signature, Value, share},
};

type Args<'a> = SmallVec<[Value<'a>; 4]>;

impl<'a> Interpreter<'a> {
    /// Calls a function with arguments, which must be computed or shared
    /// ([`crate::value::share`]). The result is computed.
    ///
    /// # Errors
    /// If the call fails, or the value is not a function.
    pub fn call(
        &mut self,
        function: Value<'a>,
        args: &[Value<'a>],
        span: Span,
    ) -> Result<Value<'a>> {
        let function = self.value(function)?;
        if let Value::Lambda(id, up) = function
            && self.program.functions[id.0 as usize].arity as usize == args.len()
        {
            let calls = self.calls;
            let result = self.apply(id, up, args, span);
            self.calls = calls;
            self.leave();
            return result;
        }
        self.call_forced(function, args, span)
    }

    pub(super) fn call_forced(
        &mut self,
        function: Value<'a>,
        args: &[Value<'a>],
        span: Span,
    ) -> Result<Value<'a>> {
        self.deeper()?;
        let calls = self.calls;
        let result = self.call_loop(function, args, span);
        self.calls = calls;
        self.leave();
        result
    }

    fn call_loop(
        &mut self,
        mut function: Value<'a>,
        args: &[Value<'a>],
        span: Span,
    ) -> Result<Value<'a>> {
        let joined: Args<'a>;
        let mut args = args;
        while !args.is_empty() {
            let arity = match function {
                Value::Lambda(id, _) => self.program.functions[id.0 as usize].arity as usize,
                Value::Builtin(builtin) => builtin.arity(),
                Value::Partial(partial) => {
                    joined = partial.args.iter().chain(args).copied().collect();
                    return self.call_loop(partial.function, &joined, span);
                }
                Value::Attrs(attrs) if let Some(functor) = attrs.get(known::functor) => {
                    let with = [function, args[0]];
                    let called = self.nest(|it| it.call(share(functor), &with, span));
                    function = called.map_err(|error| {
                        let text = "while calling a functor (an attribute set with a \
                                    '__functor' attribute)";
                        error.at(span).within(span, text)
                    })?;
                    args = &args[1..];
                    continue;
                }
                other => return Err(self.not_a_function(other, span)),
            };
            if args.len() < arity {
                let args = self.arena.alloc_slice_copy(args);
                return Ok(Value::Partial(self.arena.alloc(Partial { function, args })));
            }
            let (now, later) = args.split_at(arity);
            function = match function {
                Value::Builtin(builtin) => {
                    self.caller = None;
                    self.run_builtin(builtin, now, span)?
                }
                Value::Lambda(id, up) => {
                    let calls = self.calls;
                    let result = self.apply(id, up, now, span)?;
                    // the next call is not deeper
                    self.calls = calls;
                    result
                }
                _ => unreachable!("only functions have an arity"),
            };
            args = later;
        }
        Ok(function)
    }

    fn apply(
        &mut self,
        id: FunctionId,
        up: &'a Env<'a>,
        args: &[Value<'a>],
        span: Span,
    ) -> Result<Value<'a>> {
        let code = self.program.functions[id.0 as usize];
        let env = self.activation(code.frame as usize, up);
        for (slot, arg) in env.slots.iter().zip(args) {
            slot.set(*arg);
        }
        env.called_at(span.lo);
        self.enter(id, span)?;
        if let Some(formals) = code.formals {
            self.bind_formals(code, formals, env, span)?;
        }
        match self.eval(&code.body, env) {
            Err(error) => {
                let span = if span.is_none() { code.span } else { span };
                Err(self.while_calling(error, id, span))
            }
            done => {
                self.spare.give(env);
                done
            }
        }
    }

    #[inline]
    pub(super) fn run_builtin(
        &mut self,
        builtin: &Signature,
        args: &[Value<'a>],
        span: Span,
    ) -> Result<Value<'a>> {
        self.stats.builtin_calls += 1;
        self.calls += 1;
        if self.calls > self.call_limit {
            self.beyond(Step::Builtin(builtin.name()), span)?;
        }
        if self.stats.builtin_calls.is_multiple_of(INTERVAL) || self.may_be_full() {
            self.look(span)?;
        }
        self.site = span;
        let result = self.run_of(builtin)(self, args);
        self.calls -= 1;
        self.leave();
        match result {
            Err(error) => Err(self.while_running(error, builtin, span)),
            done => done,
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn while_running(
        &self,
        error: Box<Error>,
        builtin: &Signature,
        span: Span,
    ) -> Box<Error> {
        let error = error.at(span);
        if builtin.is_silent() {
            return error;
        }
        error.within(span, format!("while calling the '{}' builtin", builtin.name()))
    }

    #[cold]
    fn not_a_function(&mut self, value: Value<'a>, span: Span) -> Box<Error> {
        let message = format!(
            "attempt to call something which is not a function but {}: {}",
            value.describe(),
            self.show_short(value)
        );
        Error::new(ErrorKind::Type, span, message)
    }

    /// Destructures the argument of a set pattern.
    pub(super) fn bind_formals(
        &mut self,
        code: &'a Function<'a>,
        formals: &'a Formals<'a>,
        env: &'a Env<'a>,
        span: Span,
    ) -> Result<()> {
        let base = code.arity as usize;
        let argument = self.force(&env.slots[base - 1])?;
        let Value::Attrs(attrs) = argument else {
            let error = self.expected("a set", argument).at(code.span);
            let text = "while evaluating the value passed for the lambda argument";
            return Err(error.within(code.span, text).within(span, "from call site"));
        };
        let mut used = 0;
        for (formal, slot) in formals.list.iter().zip(&env.slots[base..]) {
            match (attrs.get(formal.name), formal.default) {
                (Some(given), _) => {
                    slot.set(share(given));
                    used += 1;
                }
                (None, Some(default)) => slot.set(delay(default, env)),
                (None, None) => {
                    let message = format!(
                        "function '{}' called without required argument '{}'",
                        self.function_name(code),
                        self.symbols.show(formal.name)
                    );
                    let error = Error::new(ErrorKind::Type, code.span, message);
                    let error = match self.superfluous(attrs, formals, formal.name) {
                        Some(help) => error.with_help(help),
                        None => error,
                    };
                    return Err(error.within(span, "from call site"));
                }
            }
        }
        if !formals.ellipsis && used != attrs.len() {
            let extra = attrs.iter(self.arena).find(|(key, _)| formals.find(key.symbol).is_none());
            if let Some((key, _)) = extra {
                return Err(self.unexpected_argument(code, formals, key.symbol, span));
            }
        }
        Ok(())
    }

    /// Advice for a missing argument if the call has unexpected ones: the missing one may be misspelt.
    #[cold]
    fn superfluous(
        &self,
        attrs: &'a Attrs<'a>,
        formals: &Formals<'a>,
        missing: Symbol,
    ) -> Option<String> {
        let given: Vec<String> = attrs
            .iter(self.arena)
            .filter(|(key, _)| formals.find(key.symbol).is_none())
            .map(|(key, _)| self.symbols.show(key.symbol))
            .collect();
        let missing = self.symbols.show(missing);
        let similar = |name: &&String| did_you_mean(name, [missing.clone()].into_iter()).is_some();
        if let Some(name) = given.iter().find(similar) {
            return Some(format!("'{name}' is given; did you mean '{missing}'?"));
        }
        if given.is_empty() || formals.ellipsis {
            return None;
        }
        let mut names = given.iter().take(3).map(|name| format!("'{name}'")).collect::<Vec<_>>();
        if given.len() > 3 {
            names.push(format!("{} more", given.len() - 3));
        }
        let are = if given.len() == 1 { "is" } else { "are" };
        Some(format!("{} {are} given, which the function does not take", names.join(", ")))
    }

    #[cold]
    fn unexpected_argument(
        &self,
        code: &Function<'a>,
        formals: &Formals<'a>,
        name: Symbol,
        span: Span,
    ) -> Box<Error> {
        let name = self.symbols.show(name);
        let message = format!(
            "function '{}' called with unexpected argument '{name}'",
            self.function_name(code)
        );
        let error = Error::new(ErrorKind::Type, code.span, message);
        let names = formals.list.iter().map(|formal| self.symbols.show(formal.name));
        let error = match did_you_mean(&name, names) {
            Some(help) => error.with_help(help),
            None => error.with_help(self.takes(formals)),
        };
        error.within(span, "from call site")
    }

    /// Describes the arguments of a set pattern.
    fn takes(&self, formals: &Formals<'a>) -> String {
        const SHOWN: usize = 20;
        let mut names: Vec<_> = formals.list.iter().map(|f| self.symbols.show(f.name)).collect();
        if names.is_empty() {
            return "it takes no arguments".to_owned();
        }
        names.sort();
        if names.len() > SHOWN {
            names.truncate(SHOWN);
            names.push("...".to_owned());
        }
        format!("it takes {}", names.join(", "))
    }

    fn function_name(&self, code: &Function<'a>) -> String {
        code.name.map_or_else(|| "anonymous lambda".to_owned(), |name| self.symbols.show(name))
    }

    /// The set pattern of a function's next parameter, if it has one.
    #[must_use]
    pub(crate) fn formals(&self, function: Value<'a>) -> Option<&'a Formals<'a>> {
        match function {
            Value::Lambda(id, _) => {
                let code = self.program.functions[id.0 as usize];
                code.formals.filter(|_| code.arity == 1)
            }
            Value::Partial(Partial { function: Value::Lambda(id, _), args }) => {
                let code = self.program.functions[id.0 as usize];
                code.formals.filter(|_| code.arity as usize == args.len() + 1)
            }
            _ => None,
        }
    }
}

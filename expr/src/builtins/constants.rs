//! The set `builtins` and the global names.

use super::{Builtin, hidden::Hidden, import};
use crate::{
    eval::Interpreter,
    symbol::known,
    value::{Apply, AttrsBuilder, Value},
};

/// The value of `builtins.currentTime` until it is needed: a result that depends on the clock is
/// another one the next time.
pub(super) static CLOCK: Builtin =
    Builtin::hidden(Hidden::CurrentTime as u8, "__currentTime", 1, |it, _| {
        Ok(Value::Int(it.host.current_time()))
    });

/// Fills the global names of a new interpreter.
pub(super) fn install(
    it: &mut Interpreter<'_>,
    hidden: &[&Builtin],
    all: impl Iterator<Item = &'static Builtin>,
) {
    for builtin in hidden {
        it.add_builtin(builtin);
    }
    let mut set = AttrsBuilder::default();
    for builtin in all {
        let value = it.add_builtin(builtin);
        let signature = builtin.signature;
        let global = it.symbols.intern(signature.global().as_bytes());
        let slot = it.slot(value);
        it.program.globals.define(global, slot);
        let name = it.symbols.intern(signature.name().as_bytes());
        set.push(name, value);
    }
    let clock = it.host.has_clock().then(|| {
        let args = &*it.arena.alloc_slice_copy(&[Value::Null]);
        let call = it.arena.alloc(Apply { function: Value::Builtin(&CLOCK.signature), args });
        Value::Ref(it.slot(Value::Apply(call)))
    });
    let constants = [
        ("true", true, Some(Value::Bool(true))),
        ("false", true, Some(Value::Bool(false))),
        ("null", true, Some(Value::Null)),
        ("langVersion", false, Some(Value::Int(6))),
        ("nixVersion", false, Some(it.text(b"2.34.8"))),
        ("storeDir", false, Some(it.text(it.host.store_dir().as_bytes()))),
        ("currentSystem", false, it.host.current_system().map(|text| it.text(text.as_bytes()))),
        ("currentTime", false, clock),
    ];
    for (name, plain, value) in constants {
        let Some(value) = value else { continue };
        let symbol = it.symbols.intern(name.as_bytes());
        set.push(symbol, value);
        let global = if plain { symbol } else { it.symbols.intern(format!("__{name}").as_bytes()) };
        let slot = it.slot(value);
        it.program.globals.define(global, slot);
    }
    import::install_search_path(it, &mut set);
    // the set contains itself
    let own = it.slot(Value::Null);
    set.push(known::builtins, Value::Ref(own));
    own.set(Value::Attrs(set.build(it.arena)));
    it.program.globals.define(known::builtins, own);
}

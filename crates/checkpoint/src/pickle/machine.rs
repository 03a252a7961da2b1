//! The stack machine, over inert values.

mod line;
mod stack;

use std::collections::HashMap;

use self::line::{unescaped, unquoted};
use self::stack::pairs;
use super::opcodes::{Arg, Fault, Op, Opcodes, fault};
use super::value::{Call, GlobalUse, Id, Object, Pickle, Value};

/// Limits on the cost of reading one pickle.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most operations.
    pub ops: usize,
    /// Values that are kept, and references between them.
    pub values: usize,
    /// Different names that are listed.
    pub globals: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { ops: 20_000_000, values: 4_000_000, globals: 10_000 }
    }
}

/// Calls of no plain name that are listed.
const MAX_ODD_CALLS: usize = 100;

/// Reads the pickle at the start of `bytes`. It never fails: the part before a fault stands, because an unpickler would
/// have run it.
pub fn parse(bytes: &[u8], limits: &Limits) -> Pickle {
    let mut machine = Machine {
        bytes,
        limits: *limits,
        pickle: Pickle::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        references: 0,
    };
    let mut ops = Opcodes::new(bytes);
    for _ in 0..limits.ops {
        let step = ops.next_op().and_then(|op| machine.step(&op));
        match step {
            Ok(Some(root)) => {
                machine.pickle.root = Some(root);
                machine.pickle.end = ops.position();
                return machine.pickle;
            }
            Ok(None) => {}
            Err(fault) => {
                machine.pickle.end = fault.at;
                machine.pickle.fault = Some(fault);
                return machine.pickle;
            }
        }
    }
    machine.pickle.end = ops.position();
    machine.pickle.fault =
        Some(fault(ops.position(), &format!("more than {} operations, more than are read", limits.ops)));
    machine.pickle
}

struct Machine<'a> {
    bytes: &'a [u8],
    limits: Limits,
    pickle: Pickle,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<i64, Id>,
    references: usize,
}

type Step<T> = Result<T, String>;

impl Machine<'_> {
    /// Executes one operation; returns the object at STOP.
    fn step(&mut self, op: &Op) -> Result<Option<Id>, Fault> {
        self.apply(op).map_err(|reason| fault(op.at, &reason))
    }

    fn apply(&mut self, op: &Op) -> Step<Option<Id>> {
        match (op.code, &op.arg) {
            (b'.', _) => return self.pop().map(Some),
            (0x80, Arg::Int(protocol)) => {
                let protocol = u8::try_from(*protocol).ok().filter(|protocol| *protocol <= 5);
                let protocol = protocol.ok_or("a protocol that does not exist")?;
                self.pickle.protocol = self.pickle.protocol.max(protocol);
            }
            (0x95 | 0x98, _) => {}
            (b'N', _) => self.push(Value::None)?,
            (0x88 | 0x89, _) => self.push(Value::Bool(op.code == 0x88))?,
            (b'K' | b'M' | b'J' | 0x8a | 0x8b | b'I' | b'L', Arg::Int(value)) => {
                // `I00` and `I01` are protocol 0's booleans; as integers they mean the same here.
                self.push(Value::Int(*value))?;
            }
            (_, Arg::Big(range)) => self.push(Value::Big(range.clone()))?,
            (b'F' | b'G', Arg::Float(value)) => self.push(Value::Float(*value))?,
            (b'X' | 0x8c | 0x8d, Arg::Text(range)) => self.push(Value::Text(range.clone()))?,
            (_, Arg::Bytes(range)) => self.push(Value::Bytes(range.clone()))?,
            (b'S' | b'V', Arg::Line(range)) => {
                let line = self.bytes.get(range.clone()).unwrap_or_default();
                let text = if op.code == b'S' { unquoted(line) } else { unescaped(line) };
                self.push(Value::Line(text.into()))?;
            }
            (b'0' | b'1' | b'2' | b'(', _) => self.stack_op(op.code)?,
            (b'g' | b'h' | b'j' | b'p' | b'q' | b'r' | 0x94, arg) => self.memo_op(op.code, arg)?,
            (0x97, _) => self.push(Value::Buffer)?,
            _ => return self.compound(op).map(|()| None),
        }
        Ok(None)
    }

    /// Executes an operation that makes, fills, looks up or calls.
    fn compound(&mut self, op: &Op) -> Step<()> {
        match (op.code, &op.arg) {
            (b']', _) => self.push(Value::List(Vec::new())),
            (b'}', _) => self.push(Value::Dict(Vec::new())),
            (b')', _) => self.push(Value::Tuple(Vec::new())),
            (0x8f, _) => self.push(Value::Set(Vec::new())),
            (b'l' | b't' | 0x91, _) => {
                let items = self.pop_mark()?;
                self.refer(items.len())?;
                self.push(match op.code {
                    b'l' => Value::List(items),
                    b't' => Value::Tuple(items),
                    _ => Value::Set(items),
                })
            }
            (b'd', _) => {
                let items = self.pop_mark()?;
                self.refer(items.len())?;
                let pairs = pairs(&items)?;
                self.push(Value::Dict(pairs))
            }
            (0x85..=0x87, _) => {
                let count = usize::from(op.code - 0x84);
                self.refer(count)?;
                let items = self.pop_many(count)?;
                self.push(Value::Tuple(items))
            }
            (b'a', _) => {
                let item = self.pop()?;
                self.append(&[item])
            }
            (b'e' | 0x90, _) => {
                let items = self.pop_mark()?;
                self.append(&items)
            }
            (b's', _) => {
                let items = self.pop_many(2)?;
                self.set_items(&items)
            }
            (b'u', _) => {
                let items = self.pop_mark()?;
                self.set_items(&items)
            }
            _ => self.object(op),
        }
    }

    /// Executes an operation that looks a name up or calls.
    fn object(&mut self, op: &Op) -> Step<()> {
        match (op.code, &op.arg) {
            (b'c', Arg::Names(module, name)) => {
                let (module, name) = (self.lossy(module.clone()), self.lossy(name.clone()));
                self.global(op.at, module, name)
            }
            (0x93, _) => {
                let [module, name] = self.pop_array()?;
                let text = |id| self.pickle.text(self.bytes, id).unwrap_or("<computed>").into();
                let (module, name) = (text(module), text(name));
                self.global(op.at, module, name)
            }
            // These are names in the process's own registry of extensions; their meaning is not in the file.
            (0x82..=0x84, Arg::Int(code)) => {
                self.global(op.at, "<copyreg extension>".into(), code.to_string().into_boxed_str())
            }
            (b'R' | 0x81, _) => {
                let [callable, args] = self.pop_array()?;
                self.call(op.at, callable, args)
            }
            (0x92, _) => {
                let [class, args, named] = self.pop_array()?;
                let both = self.tuple(vec![args, named])?;
                self.call(op.at, class, both)
            }
            (b'o', _) => {
                let mut items = self.pop_mark()?;
                if items.is_empty() {
                    return Err("OBJ without a class".to_owned());
                }
                let class = items.remove(0);
                let args = self.tuple(items)?;
                self.call(op.at, class, args)
            }
            (b'i', Arg::Names(module, name)) => {
                let items = self.pop_mark()?;
                let (module, name) = (self.lossy(module.clone()), self.lossy(name.clone()));
                self.global(op.at, module, name)?;
                let class = self.pop()?;
                let args = self.tuple(items)?;
                self.call(op.at, class, args)
            }
            (b'b', _) => {
                let [object, state] = self.pop_array()?;
                if let Some(Value::Object(inner)) = self.pickle.values.get_mut(object.0 as usize) {
                    inner.state = Some(state);
                } else {
                    self.odd(op.at, "BUILD on a value that no call made");
                }
                self.stack.push(object);
                Ok(())
            }
            (b'P', Arg::Line(range)) => {
                let line = Value::Line(self.lossy(range.clone()));
                self.push(line)?;
                let id = self.pop()?;
                self.push(Value::Persistent(id))
            }
            (b'Q', _) => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))
            }
            _ => Err(format!("0x{:02x} with an argument of another kind", op.code)),
        }
    }

    fn stack_op(&mut self, code: u8) -> Step<()> {
        match code {
            b'(' => {
                self.refer(1)?;
                self.marks.push(self.stack.len());
            }
            b'1' => drop(self.pop_mark()?),
            // On a mark, POP takes the mark away.
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            _ => {
                let top = *self.stack.last().ok_or("DUP on an empty stack")?;
                self.refer(1)?;
                self.stack.push(top);
            }
        }
        Ok(())
    }

    fn memo_op(&mut self, code: u8, arg: &Arg) -> Step<()> {
        let key = match arg {
            Arg::Int(key) => *key,
            Arg::Line(range) => {
                self.lossy(range.clone()).trim().parse().map_err(|_| "a memo key that is not a number".to_owned())?
            }
            _ => i64::try_from(self.memo.len()).unwrap_or(i64::MAX),
        };
        if matches!(code, b'g' | b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or_else(|| format!("memo {key} was never set"))?;
            self.refer(1)?;
            self.stack.push(id);
            return Ok(());
        }
        let top = *self.stack.last().ok_or("a memo of an empty stack")?;
        self.refer(1)?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn global(&mut self, at: usize, module: Box<str>, name: Box<str>) -> Step<()> {
        let key = (module.clone(), name.clone());
        if let Some(known) = self.pickle.known.get(&key).and_then(|index| self.pickle.globals.get_mut(*index)) {
            known.times += 1;
        } else {
            if self.pickle.globals.len() >= self.limits.globals {
                return Err(format!("more than {} different names", self.limits.globals));
            }
            self.pickle.known.insert(key, self.pickle.globals.len());
            let (module, name) = (module.to_string(), name.to_string());
            self.pickle.globals.push(GlobalUse { module, name, at, times: 1, calls: 0 });
        }
        self.push(Value::Global { module, name })
    }

    fn call(&mut self, at: usize, callable: Id, args: Id) -> Step<()> {
        match self.pickle.get(callable) {
            Value::Global { module, name } => {
                let index = self.pickle.known.get(&(module.clone(), name.clone())).copied();
                if let Some(used) = index.and_then(|index| self.pickle.globals.get_mut(index)) {
                    used.calls += 1;
                }
            }
            Value::Object(_) => self.odd(at, "the result of a call is called"),
            _ => self.odd(at, "a value other than a name is called"),
        }
        self.push(Value::Object(Box::new(Object { callable, args, state: None, list: Vec::new(), items: Vec::new() })))
    }

    fn odd(&mut self, at: usize, what: &str) {
        if self.pickle.odd_calls.len() < MAX_ODD_CALLS {
            self.pickle.odd_calls.push(Call { at, what: what.to_owned() });
        }
    }

    fn lossy(&self, range: std::ops::Range<usize>) -> Box<str> {
        String::from_utf8_lossy(self.bytes.get(range).unwrap_or_default()).trim_end_matches('\r').into()
    }
}

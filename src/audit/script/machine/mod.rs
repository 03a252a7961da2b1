//! Follows a script over its syntax tree: from the entry point, call by call, with constants folded, values followed
//! by what they were made from, and every loop entered twice so that one passage can see what the one before left.
//!
//! Nothing is executed. What is not known is `Unknown`; a condition that is not known has both branches followed.

mod calls;
mod expressions;
mod library;
mod loops;
mod methods;
mod statements;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::config::Config;
use super::taint::{Flags, Stamp, TaintId, Taints};
use super::trace::{Action, Frame, Place, Trace};
use super::value::{ClassId, Heap, Kind, Object, ObjectId, Role, Value};
use crate::code::python::{Module, ast};

/// Statements and expressions that are followed at most.
const MAX_STEPS: usize = 600_000;
/// Depth of expressions and of calls together.
const MAX_DEPTH: usize = 150;
/// Calls within calls.
const MAX_CALLS: usize = 40;
/// Objects that are told apart at most.
const MAX_OBJECTS: usize = 60_000;

/// A class of the script.
#[derive(Debug)]
struct Class<'a> {
    definition: &'a ast::StmtClassDef,
    bases: Vec<Value<'a>>,
    attributes: HashMap<&'a str, Value<'a>>,
}

/// Names and their values.
type Scope<'a> = HashMap<&'a str, Value<'a>>;

/// What ends a block early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Continue,
    Break,
    Return,
}

/// One call that is being followed.
#[derive(Debug)]
struct Call<'a> {
    scope: Scope<'a>,
    /// Names that `global` or `nonlocal` gave away.
    outer: Vec<&'a str>,
    returned: Option<Value<'a>>,
    function: *const ast::StmtFunctionDef,
    /// Whether it sees the names of the script alone beside its own: a function that lies in no other.
    outermost: bool,
}

/// The follower.
pub struct Machine<'a, 'c> {
    module: &'a Module,
    config: &'c Config,
    doubts: &'c Doubts,
    /// Switches that were doubted.
    doubted: Vec<String>,
    pub taints: Taints,
    heap: Heap<'a>,
    classes: Vec<Class<'a>>,
    calls: Vec<Call<'a>>,
    /// Functions that lie in no other function.
    outermost: HashSet<*const ast::StmtFunctionDef>,
    pub trace: Trace,
    loops: Vec<Stamp>,
    entered: u32,
    path: Vec<Frame>,
    /// The same as `path` and `loops`, shared by the events.
    shared_path: Option<Rc<[Frame]>>,
    shared_loops: Option<Rc<[Stamp]>>,
    /// How many conditions around the statement are not known.
    uncertain: usize,
    /// How many of these compare losses on the token that came.
    by_loss: usize,
    /// Gradients since they were last cleared.
    gradients: TaintId,
    /// What was written, by path.
    files: HashMap<Rc<str>, TaintId>,
    steps: usize,
    depth: usize,
    line: u64,
}

/// Switches of the environment whose value is not known, because the configuration does not state them.
#[derive(Debug, Clone, Default)]
pub enum Doubts {
    /// The script's defaults stand.
    #[default]
    None,
    /// Any may have been set.
    All,
    /// These may have been set.
    Some(Vec<String>),
}

/// What following a script gave.
#[derive(Debug)]
pub struct Followed {
    pub trace: Trace,
    pub taints: Taints,
    /// The switches that were doubted, in order.
    pub doubted: Vec<String>,
}

/// Follows `module` and says what it would do.
pub fn follow(module: &Module, config: &Config, doubts: &Doubts) -> Followed {
    let mut machine = Machine::new(module, config, doubts);
    machine.run();
    Followed { trace: machine.trace, taints: machine.taints, doubted: machine.doubted }
}

/// The functions of a script and the methods of its classes that lie in no other function.
fn outermost(body: &[ast::Stmt]) -> HashSet<*const ast::StmtFunctionDef> {
    let mut found = HashSet::new();
    let mut open: Vec<&ast::Stmt> = body.iter().collect();
    while let Some(stmt) = open.pop() {
        match stmt {
            ast::Stmt::FunctionDef(function) => {
                found.insert(std::ptr::from_ref(function));
            }
            ast::Stmt::ClassDef(class) => open.extend(&class.body),
            ast::Stmt::If(stmt) => {
                open.extend(&stmt.body);
                open.extend(stmt.elif_else_clauses.iter().flat_map(|clause| &clause.body));
            }
            ast::Stmt::Try(stmt) => {
                open.extend(stmt.body.iter().chain(&stmt.orelse).chain(&stmt.finalbody));
                open.extend(stmt.handlers.iter().flat_map(|handler| match handler {
                    ast::ExceptHandler::ExceptHandler(handler) => &handler.body,
                }));
            }
            ast::Stmt::With(stmt) => open.extend(&stmt.body),
            _ => {}
        }
    }
    found
}

impl<'a, 'c> Machine<'a, 'c> {
    fn new(module: &'a Module, config: &'c Config, doubts: &'c Doubts) -> Machine<'a, 'c> {
        let scope = HashMap::from([("__name__", Value::of(Kind::Text("__main__".into())))]);
        Machine {
            module,
            config,
            doubts,
            doubted: Vec::new(),
            taints: Taints::default(),
            heap: Heap::default(),
            classes: Vec::new(),
            calls: vec![Call {
                scope,
                outer: Vec::new(),
                returned: None,
                function: std::ptr::null(),
                outermost: false,
            }],
            outermost: outermost(module.body()),
            trace: Trace::default(),
            loops: Vec::new(),
            entered: 0,
            path: Vec::new(),
            shared_path: None,
            shared_loops: None,
            uncertain: 0,
            by_loss: 0,
            gradients: TaintId::NONE,
            files: HashMap::new(),
            steps: 0,
            depth: 0,
            line: 1,
        }
    }

    fn run(&mut self) {
        let body = self.module.body();
        self.block(body);
        self.trace.complete = !self.exhausted();
    }

    /// Whether the value of a switch that is not stated is to be doubted.
    fn doubts(&mut self, name: &str) -> bool {
        let doubted = match self.doubts {
            Doubts::None => false,
            Doubts::All => true,
            Doubts::Some(names) => names.iter().any(|known| known == name),
        };
        if doubted && !self.doubted.iter().any(|known| known == name) {
            self.doubted.push(name.to_owned());
        }
        doubted
    }

    /// Whether a bound was reached: nothing is followed from here on.
    fn exhausted(&self) -> bool {
        self.steps >= MAX_STEPS || self.heap.len() >= MAX_OBJECTS
    }

    /// Counts one step; false when it is one too many.
    fn step(&mut self) -> bool {
        self.steps += 1;
        !self.exhausted()
    }

    // --- names ---

    fn call_mut(&mut self) -> &mut Call<'a> {
        if self.calls.is_empty() {
            self.calls.push(Call {
                scope: HashMap::new(),
                outer: Vec::new(),
                returned: None,
                function: std::ptr::null(),
                outermost: false,
            });
        }
        let last = self.calls.len() - 1;
        &mut self.calls[last]
    }

    fn bind(&mut self, name: &'a str, value: Value<'a>) {
        let call = self.call_mut();
        if call.outer.contains(&name) {
            let depth = self.calls.len() - 1;
            let holder = self.calls[..depth].iter_mut().rev().find(|call| call.scope.contains_key(name));
            match holder {
                Some(call) => call.scope.insert(name, value),
                None => self.calls[0].scope.insert(name, value),
            };
        } else {
            call.scope.insert(name, value);
        }
    }

    /// The value of a name. A function that lies in no other sees its own names and those of the script. Functions within functions see the names of those who call them: near enough to the
    /// names of those that surround them.
    fn lookup(&self, name: &str) -> Option<&Value<'a>> {
        let last = self.calls.last()?;
        if last.outermost {
            return last.scope.get(name).or_else(|| self.calls.first()?.scope.get(name));
        }
        self.calls.iter().rev().find_map(|call| call.scope.get(name))
    }

    // --- taints ---

    /// What a value was made from, the contents and updates of an object included.
    fn taint(&mut self, value: &Value<'a>) -> TaintId {
        match &value.kind {
            Kind::Object(id) => {
                let object = self.heap.get(*id);
                let (content, updates) = (object.content, object.updates);
                let element = object.element.as_ref().map_or(TaintId::NONE, |element| element.taint);
                self.taints.all([value.taint, content, updates, element])
            }
            Kind::Tuple(items) => {
                let items = items.clone();
                let each: Vec<TaintId> = items.iter().map(|item| self.taint(item)).collect();
                let inner = self.taints.all(each);
                self.taints.union(value.taint, inner)
            }
            Kind::Method(receiver, _) => {
                let receiver = receiver.clone();
                self.taint(&receiver)
            }
            Kind::Bound(_, id) => {
                let updates = self.heap.get(*id).updates;
                self.taints.union(value.taint, updates)
            }
            _ => value.taint,
        }
    }

    /// The updates that reached an object or anything it holds.
    fn updates_within(&mut self, id: ObjectId) -> TaintId {
        let mut seen = Vec::new();
        let mut open = vec![id];
        let mut sum = TaintId::NONE;
        while let Some(id) = open.pop() {
            if seen.contains(&id) || seen.len() > 400 {
                continue;
            }
            seen.push(id);
            let object = self.heap.get(id);
            let held = object.attributes.values().chain(object.items.iter().flatten()).chain(object.element.iter());
            open.extend(held.filter_map(Value::object));
            let updates = object.updates;
            sum = self.taints.union(sum, updates);
        }
        sum
    }

    /// The objects that a value is the parameters of, or holds.
    fn objects_of(&mut self, value: &Value<'a>) -> Vec<u32> {
        let mut found = Vec::new();
        let mut open = vec![value.clone()];
        let mut seen = 0;
        while let Some(value) = open.pop() {
            seen += 1;
            if seen > 2_000 {
                break;
            }
            found.extend_from_slice(&self.taints.get(value.taint).objects);
            match &value.kind {
                Kind::Tuple(items) => open.extend(items.iter().cloned()),
                Kind::Object(id) => {
                    let object = self.heap.get(*id);
                    match object.role {
                        Role::List | Role::Dict => {
                            found.extend_from_slice(&self.taints.get(object.content).objects);
                            open.extend(object.items.iter().flatten().chain(object.element.iter()).cloned());
                            open.extend(object.attributes.values().cloned());
                        }
                        _ => found.push(id.0),
                    }
                }
                _ => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    // --- objects ---

    fn allocate(&mut self, object: Object<'a>) -> Value<'a> {
        let id = self.heap.add(object);
        Value::of(Kind::Object(id))
    }

    /// Sets or joins: under a condition that is not known, what was there may still be.
    fn write_attribute(&mut self, id: ObjectId, name: &str, value: Value<'a>) {
        let before = self.heap.get(id).attributes.get(name).cloned();
        let value = match before {
            Some(before) if self.uncertain > 0 => self.join(before, value),
            _ => value,
        };
        self.heap.get_mut(id).attributes.insert(name.into(), value);
    }

    /// Adds to what an object holds.
    fn pour(&mut self, id: ObjectId, taint: TaintId) {
        let content = self.heap.get(id).content;
        let content = self.taints.union(content, taint);
        self.heap.get_mut(id).content = content;
    }

    /// One of two values: the same where they are, else what both were made from. An object or function outlives
    /// `None` and the unknown, because a script that uses it later would otherwise fail.
    fn join(&mut self, left: Value<'a>, right: Value<'a>) -> Value<'a> {
        let taint = self.taints.union(left.taint, right.taint);
        match (&left.kind, &right.kind) {
            // Tuples of one shape are joined member by member; `None` stands for one that is not there yet.
            (Kind::Tuple(a), Kind::Tuple(b)) if a.len() == b.len() => {
                if Rc::ptr_eq(a, b) {
                    return Value { kind: left.kind, taint };
                }
                let pairs: Vec<_> = a.iter().cloned().zip(b.iter().cloned()).collect();
                let items: Vec<Value<'a>> = pairs.into_iter().map(|(a, b)| self.join(a, b)).collect();
                return Value { kind: Kind::Tuple(items.into()), taint };
            }
            (Kind::Tuple(_), Kind::None) => return Value { kind: left.kind, taint },
            (Kind::None, Kind::Tuple(_)) => return Value { kind: right.kind, taint },
            _ => {}
        }
        let telling = |kind: &Kind<'a>| {
            matches!(
                kind,
                Kind::Object(_)
                    | Kind::Class(_)
                    | Kind::Function(_)
                    | Kind::Lambda(_)
                    | Kind::Bound(..)
                    | Kind::Library(_)
            )
        };
        let kind = match (left.kind, right.kind) {
            (Kind::Int(a), Kind::Int(b)) if a == b => Kind::Int(a),
            (Kind::Bool(a), Kind::Bool(b)) if a == b => Kind::Bool(a),
            (Kind::Float(a), Kind::Float(b)) if a.to_bits() == b.to_bits() => Kind::Float(a),
            (Kind::Text(a), Kind::Text(b)) if a == b => Kind::Text(a),
            (Kind::None, Kind::None) => Kind::None,
            (a, b) if telling(&a) && !telling(&b) => a,
            (_, b) if telling(&b) => b,
            _ => Kind::Unknown,
        };
        Value { kind, taint }
    }

    // --- events ---

    fn place(&mut self) -> Place {
        let path = match &self.shared_path {
            Some(path) => path.clone(),
            None => {
                let path: Rc<[Frame]> = self.path.clone().into();
                self.shared_path = Some(path.clone());
                path
            }
        };
        let loops = match &self.shared_loops {
            Some(loops) => loops.clone(),
            None => {
                let loops: Rc<[Stamp]> = self.loops.clone().into();
                self.shared_loops = Some(loops.clone());
                loops
            }
        };
        Place { line: self.line, loops, path, uncertain: self.uncertain > 0 }
    }

    fn event(&mut self, action: Action) -> u32 {
        let place = self.place();
        self.trace.add(place, action)
    }

    /// A loss that is added to something becomes a score of its own.
    fn scored(&mut self, taint: TaintId) -> TaintId {
        let flags = self.taints.flags(taint);
        if !(flags.any(Flags::LOSS.with(Flags::GOLD)) && flags.has(Flags::VAL)) {
            return taint;
        }
        let id = self.event(Action::Score { data: taint });
        self.taints.change(taint, |taint| taint.scores = vec![id])
    }

    /// Selected by the innermost loop.
    fn varying(&mut self, taint: TaintId) -> TaintId {
        match self.loops.last() {
            Some(stamp) => {
                let stamp = *stamp;
                let active = &self.loops;
                let taint = self.taints.change(taint, |taint| {
                    taint.stamps.retain(|stamp| active.iter().any(|active| active.entered == stamp.entered));
                });
                self.taints.stamped(taint, stamp)
            }
            None => taint,
        }
    }
}

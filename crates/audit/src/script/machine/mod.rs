//! Follows a script over its syntax tree: from the entry point, call by call, with constants folded, values followed
//! by what they were made from, and every loop entered twice so that one passage can see what the one before left.
//!
//! Nothing is executed. What is not known is `Unknown`; a condition that is not known has both branches followed.

mod assignments;
mod calls;
mod classes;
mod containers;
mod expressions;
mod files;
mod folding;
mod library;
mod loops;
mod methods;
mod mixtures;
mod modules;
mod names;
mod operators;
mod order;
mod state;
mod statements;
mod surface;
mod symbols;
mod texts;
mod updates;
mod witness;

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::config::Config;
use super::taint::{Bound, Stamp, TaintId, Taints};
use super::trace::{Frame, Trace};
use super::value::{Heap, Kind, ObjectId, Value};
use caddie_python::{Module, ast};
use names::{Changes, Names};

/// Statements and expressions that are followed at most.
const MAX_STEPS: usize = 600_000;
/// Names or members that count as one step when they are copied or looked through.
const MEMBERS_A_STEP: usize = 16;
/// Switches that are doubted at most.
const MAX_DOUBTED: usize = 500;
/// Sets of origins that are told apart at most.
const MAX_SETS: usize = 100_000;
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
    attributes: FxHashMap<&'a str, Value<'a>>,
    /// Whether it is a `torch.nn.Module`, a layer of it included.
    is_module: bool,
}

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
    names: Names<'a>,
    /// Names that `global` or `nonlocal` gave away.
    outer: FxHashSet<&'a str>,
    returned: Option<Value<'a>>,
    function: *const ast::StmtFunctionDef,
    /// The module (its number among the bodies) whose names alone it sees beside its own: of a function that lies in
    /// no other.
    home: Option<usize>,
    /// The module whose top level it is.
    top_of: Option<usize>,
}

impl<'a> Call<'a> {
    /// What is no function of the script: a class, a lambda.
    fn of_no_function(names: Names<'a>) -> Call<'a> {
        let outer = FxHashSet::default();
        Call { names, outer, returned: None, function: std::ptr::null(), home: None, top_of: None }
    }

    /// The top level of a module.
    fn top_of(home: usize, names: Names<'a>) -> Call<'a> {
        Call { top_of: Some(home), ..Call::of_no_function(names) }
    }
}

/// What branches bound that left a loop early.
#[derive(Debug, Default)]
struct Left<'a> {
    /// With `break`: it holds after the loop.
    broke: Vec<Changes<'a>>,
    /// With `continue`: it holds from the next passage on.
    continued: Vec<Changes<'a>>,
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
    /// Functions that lie in no other function, with their module.
    outermost: FxHashMap<*const ast::StmtFunctionDef, usize>,
    /// The names of modules beside the script that were imported, by their number.
    homes: FxHashMap<usize, Names<'a>>,
    pub trace: Trace,
    loops: Vec<Stamp>,
    /// For each of them, how many loops had been entered when its present passage began.
    begun: Vec<u32>,
    entered: u32,
    /// For each loop that is followed as a statement: what its names were where a branch left it, or went on with it.
    left: Vec<Left<'a>>,
    path: Vec<Frame>,
    /// The same as `path` and `loops`, shared by the events.
    shared_path: Option<Rc<[Frame]>>,
    shared_loops: Option<Rc<[Stamp]>>,
    /// How many blocks around the statement go on after a failure.
    attempts: usize,
    /// Functions that say how many bytes a token has, by definition: their number among the tables of the trace.
    builders: FxHashMap<*const ast::StmtFunctionDef, Option<usize>>,
    /// How many conditions around the statement are not known.
    uncertain: usize,
    /// How many of these compare losses on the token that came.
    by_loss: usize,
    /// How many of these compare losses of one passage.
    by_hindsight: usize,
    /// Gradients since they were last cleared.
    gradients: TaintId,
    /// What was written, by path.
    files: FxHashMap<Rc<str>, TaintId>,
    /// Full names of what lies in libraries, made once.
    libraries: FxHashMap<(Rc<str>, &'a str), Rc<str>>,
    builtins: FxHashMap<&'a str, Rc<str>>,
    /// What functions of libraries reach, by their full names.
    surfaces: FxHashMap<Rc<str>, surface::Surface>,
    /// What the script prints, once that was asked for.
    marks: Option<Vec<witness::Mark>>,
    /// Settings that the log shows to have been otherwise than supposed.
    contradicted: Vec<(&'a str, bool)>,
    /// Settings that names were made the same as, by function.
    aliases: FxHashMap<(usize, &'a str), &'a str>,
    /// What names stand for, by function.
    symbols: FxHashMap<(usize, &'a str), Bound>,
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

/// Follows `module` and says what it would do. Where the log shows that a setting was not what was supposed, it is
/// followed once more from the beginning with that setting.
pub fn follow(module: &Module, config: &Config, doubts: &Doubts) -> Followed {
    let mut machine = Machine::new(module, config, doubts);
    machine.run();
    if machine.contradicted.is_empty() {
        return machine.followed();
    }
    let python = |truth: bool| if truth { "True" } else { "False" };
    let config = machine.contradicted.iter().fold(config.clone(), |config, (name, on)| config.with(name, python(*on)));
    let mut machine = Machine::new(module, &config, doubts);
    machine.run();
    machine.followed()
}

/// The functions of a module and the methods of its classes that lie in no other function.
fn outermost(body: &[ast::Stmt], home: usize) -> FxHashMap<*const ast::StmtFunctionDef, usize> {
    let mut found = FxHashMap::default();
    let mut open: Vec<&ast::Stmt> = body.iter().collect();
    while let Some(stmt) = open.pop() {
        match stmt {
            ast::Stmt::FunctionDef(function) => {
                found.insert(std::ptr::from_ref(function), home);
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
        let names = [("__name__", Value::of(Kind::Text("__main__".into())))].into_iter().collect();
        Machine {
            module,
            config,
            doubts,
            doubted: Vec::new(),
            taints: Taints::default(),
            heap: Heap::default(),
            classes: Vec::new(),
            calls: vec![Call::top_of(0, names)],
            outermost: module.bodies().enumerate().flat_map(|(home, body)| outermost(body, home)).collect(),
            homes: FxHashMap::default(),
            trace: Trace::default(),
            loops: Vec::new(),
            begun: Vec::new(),
            entered: 0,
            left: Vec::new(),
            path: Vec::new(),
            shared_path: None,
            shared_loops: None,
            attempts: 0,
            builders: FxHashMap::default(),
            uncertain: 0,
            by_loss: 0,
            by_hindsight: 0,
            gradients: TaintId::NONE,
            files: FxHashMap::default(),
            libraries: FxHashMap::default(),
            builtins: FxHashMap::default(),
            surfaces: FxHashMap::default(),
            marks: None,
            contradicted: Vec::new(),
            aliases: FxHashMap::default(),
            symbols: FxHashMap::default(),
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

    fn followed(self) -> Followed {
        Followed { trace: self.trace, taints: self.taints, doubted: self.doubted }
    }

    /// Whether the value of a switch that is not stated is to be doubted.
    fn doubts(&mut self, name: &str) -> bool {
        let doubted = match self.doubts {
            Doubts::None => false,
            Doubts::All => self.doubted.len() < MAX_DOUBTED,
            Doubts::Some(names) => names.iter().any(|known| known == name),
        };
        if doubted && !self.doubted.iter().any(|known| known == name) {
            self.doubted.push(name.to_owned());
        }
        doubted
    }

    /// Whether a bound was reached: nothing is followed from here on.
    fn exhausted(&self) -> bool {
        self.steps >= MAX_STEPS || self.heap.len() >= MAX_OBJECTS || self.taints.count() >= MAX_SETS
    }

    /// Counts what is copied or looked through at once, so that much of it is not done often.
    fn spend(&mut self, members: usize) {
        self.steps = self.steps.saturating_add(members / MEMBERS_A_STEP);
    }

    /// Counts members that are made and kept, or names that are joined.
    fn keep(&mut self, members: usize) {
        self.steps = self.steps.saturating_add(members);
    }

    /// Counts one step; false when it is one too many.
    fn step(&mut self) -> bool {
        self.steps += 1;
        !self.exhausted()
    }

    fn call_mut(&mut self) -> &mut Call<'a> {
        if self.calls.is_empty() {
            self.calls.push(Call::of_no_function(Names::default()));
        }
        let last = self.calls.len() - 1;
        &mut self.calls[last]
    }

    fn bind(&mut self, name: &'a str, value: Value<'a>) {
        let call = self.call_mut();
        if call.outer.contains(name) {
            let home = call.home.unwrap_or_default();
            let depth = self.calls.len() - 1;
            let holder = self.calls[..depth].iter_mut().rev().find(|call| call.names.contains(name));
            match holder {
                Some(call) => call.names.set(name, Some(value)),
                None => self.top_names(home).set(name, Some(value)),
            }
        } else {
            call.names.set(name, Some(value));
        }
    }

    /// The value of a name. A function that lies in no other sees its own names and those of its module. Functions
    /// within functions see the names of those who call them: near enough to the names of those that surround them.
    fn lookup(&self, name: &str) -> Option<&Value<'a>> {
        let last = self.calls.last()?;
        if let Some(home) = last.home {
            return last.names.get(name).or_else(|| self.global(home, name));
        }
        let around = self.calls.iter().rev().find_map(|call| call.names.get(name));
        // Those who call them may be functions of another module.
        around.or_else(|| self.calls.iter().rev().filter_map(|call| call.home).find_map(|home| self.global(home, name)))
    }
}

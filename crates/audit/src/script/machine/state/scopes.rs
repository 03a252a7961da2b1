//! The calls that are being followed, and the names that each of them sees.

use caddie_python::ast;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Names;
use crate::script::value::{Kind, Value};

/// A call that is being followed.
#[derive(Debug)]
pub(in super::super) struct Call<'a> {
    pub names: Names<'a>,
    /// Names that `global` or `nonlocal` gave away.
    pub outer: FxHashSet<&'a str>,
    pub returned: Option<Value<'a>>,
    /// Names that were deleted and not bound since, with the line (1-based) of `del`.
    pub deleted: FxHashMap<&'a str, u64>,
    function: *const ast::StmtFunctionDef,
    /// The module (its number among the bodies) whose names alone it sees beside its own: of a function that lies in
    /// no other.
    home: Option<usize>,
    /// The module whose top level it is.
    top_of: Option<usize>,
}

impl<'a> Call<'a> {
    /// Makes the scope of something other than a function of the script: a class, a lambda.
    pub fn of_no_function(names: Names<'a>) -> Call<'a> {
        let outer = FxHashSet::default();
        let deleted = FxHashMap::default();
        Call { names, outer, returned: None, deleted, function: std::ptr::null(), home: None, top_of: None }
    }

    /// The top level of a module.
    fn top_of(home: usize, names: Names<'a>) -> Call<'a> {
        Call { top_of: Some(home), ..Call::of_no_function(names) }
    }

    /// The function, as a number; 0: none.
    pub fn number(&self) -> usize {
        self.function as usize
    }
}

/// The calls around the statement, outermost first, and the names of modules.
#[derive(Debug)]
pub(in super::super) struct Scopes<'a> {
    calls: Vec<Call<'a>>,
    /// Functions that lie in no other function, with their module.
    outermost: FxHashMap<*const ast::StmtFunctionDef, usize>,
    /// The names of modules beside the script that were imported, by their number.
    homes: FxHashMap<usize, Names<'a>>,
}

impl<'a> Scopes<'a> {
    /// At the top level of the first of these modules, which is the script.
    pub fn new(bodies: impl Iterator<Item = &'a [ast::Stmt]>) -> Scopes<'a> {
        let names = [("__name__", Value::of(Kind::Text("__main__".into())))].into_iter().collect();
        Scopes {
            calls: vec![Call::top_of(0, names)],
            outermost: bodies.enumerate().flat_map(|(home, body)| outermost(body, home)).collect(),
            homes: FxHashMap::default(),
        }
    }

    /// Returns the number of calls within each other.
    pub fn depth(&self) -> usize {
        self.calls.len()
    }

    /// The calls, innermost first.
    pub fn innermost_first(&self) -> impl Iterator<Item = &Call<'a>> {
        self.calls.iter().rev()
    }

    /// The innermost call.
    pub fn innermost(&mut self) -> &mut Call<'a> {
        if self.calls.is_empty() {
            self.calls.push(Call::of_no_function(Names::default()));
        }
        let last = self.calls.len() - 1;
        &mut self.calls[last]
    }

    /// The names of the innermost call.
    pub fn names(&mut self) -> &mut Names<'a> {
        &mut self.innermost().names
    }

    /// The function that is followed, as a number; 0: none.
    pub fn function(&self) -> usize {
        self.calls.last().map_or(0, Call::number)
    }

    /// Tells whether the code being followed is a function that lies in no other.
    pub fn is_in_outermost(&self) -> bool {
        self.calls.last().is_some_and(|call| call.home.is_some())
    }

    /// Returns the number of times that a function is being followed, call within call.
    pub fn times_entered(&self, function: &ast::StmtFunctionDef) -> usize {
        self.calls.iter().filter(|call| std::ptr::eq(call.function, function)).count()
    }

    /// The module of a function that lies in no other.
    pub fn home_of(&self, function: &ast::StmtFunctionDef) -> Option<usize> {
        self.outermost.get(&std::ptr::from_ref(function)).copied()
    }

    /// Enters a function of the script.
    pub fn enter(&mut self, function: &'a ast::StmtFunctionDef, names: Names<'a>) {
        let home = self.home_of(function);
        self.calls.push(Call { function: std::ptr::from_ref(function), home, ..Call::of_no_function(names) });
    }

    /// Enters code other than a function: the body of a class, a lambda.
    pub fn enter_body(&mut self, names: Names<'a>) {
        self.calls.push(Call::of_no_function(names));
    }

    /// Enters the top level of a module beside the script.
    pub fn enter_module(&mut self, home: usize, name: &str) {
        let names = [("__name__", Value::of(Kind::text(name)))].into_iter().collect();
        self.calls.push(Call::top_of(home, names));
    }

    /// Leaves the innermost call.
    pub fn leave(&mut self) -> Option<Call<'a>> {
        self.calls.pop()
    }

    /// Leaves the top level of a module: its names are kept.
    pub fn leave_module(&mut self, home: usize) {
        let names = self.leave().map(|call| call.names).unwrap_or_default();
        self.homes.insert(home, names);
    }

    /// Tells whether a module was followed before, or is being followed.
    pub fn knows_module(&self, home: usize) -> bool {
        self.homes.contains_key(&home) || self.calls.iter().any(|call| call.top_of == Some(home))
    }

    /// Binds a name of the innermost call; one that `global` or `nonlocal` gave away, where it belongs.
    pub fn bind(&mut self, name: &'a str, value: Value<'a>) {
        let call = self.innermost();
        call.deleted.remove(name);
        if !call.outer.contains(name) {
            call.names.set(name, Some(value));
            return;
        }
        let home = call.home.unwrap_or_default();
        let around = self.calls.len() - 1;
        let holder = self.calls[..around].iter_mut().rev().find(|call| call.names.contains(name));
        match holder {
            Some(call) => call.names.set(name, Some(value)),
            None => self.top_names(home).set(name, Some(value)),
        }
    }

    /// The value of a name. A function that lies in no other sees its own names and those of its module. Functions
    /// within functions see the names of those who call them: near enough to the names of those that surround them.
    pub fn lookup(&self, name: &str) -> Option<&Value<'a>> {
        let last = self.calls.last()?;
        if let Some(home) = last.home {
            return last.names.get(name).or_else(|| self.global(home, name));
        }
        let around = self.innermost_first().find_map(|call| call.names.get(name));
        // Those who call them may be functions of another module.
        around.or_else(|| self.innermost_first().filter_map(|call| call.home).find_map(|home| self.global(home, name)))
    }

    /// A name at the top level of a module, by the module's number.
    pub fn global(&self, home: usize, name: &str) -> Option<&Value<'a>> {
        match self.calls.iter().find(|call| call.top_of == Some(home)) {
            Some(top) => top.names.get(name),
            None => self.homes.get(&home)?.get(name),
        }
    }

    /// The names at the top level of a module.
    pub fn top_names(&mut self, home: usize) -> &mut Names<'a> {
        match self.calls.iter().position(|call| call.top_of == Some(home)) {
            Some(index) => &mut self.calls[index].names,
            None => self.homes.entry(home).or_default(),
        }
    }
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

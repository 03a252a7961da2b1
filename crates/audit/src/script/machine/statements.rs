//! Statements: names bound, branches taken, objects written into.

use super::super::taint::TaintId;
use super::super::trace::Action;
use super::super::value::{Kind, Value};
use super::state::Names;
use super::{Flow, Machine};
use caddie_python::ast::{self, Stmt};

impl<'a> Machine<'a, '_> {
    /// Follows statements in order.
    pub(super) fn block(&mut self, body: &'a [Stmt]) -> Flow {
        if !self.budget.descend() {
            return Flow::Next;
        }
        let mut flow = Flow::Next;
        for stmt in body {
            if !self.step() {
                break;
            }
            self.events.line = self.module.line(stmt);
            self.events.trace.reach(self.module.start(stmt), self.branches.are_known());
            flow = self.statement(stmt);
            if flow != Flow::Next {
                break;
            }
        }
        self.budget.ascend();
        flow
    }

    fn statement(&mut self, stmt: &'a Stmt) -> Flow {
        match stmt {
            Stmt::Expr(stmt) => {
                let (before, depth) = self.events.here();
                self.value(&stmt.value);
                if matches!(&*stmt.value, ast::Expr::Call(_)) {
                    self.events.trace.discard(before, depth);
                }
            }
            Stmt::Assign(stmt) => {
                let (before, depth) = self.events.here();
                let value = self.value(&stmt.value);
                if stmt.targets.iter().all(|target| matches!(target, ast::Expr::Name(name) if name.id.as_str() == "_"))
                {
                    self.events.trace.discard(before, depth);
                }
                self.alias(stmt, &value);
                for target in &stmt.targets {
                    if self.counts_up(target, &stmt.value, &value) {
                        continue;
                    }
                    let value = self.carried(target, &stmt.value, value.clone());
                    self.assign_symbols(target, &stmt.value, &value);
                    self.assign(target, value);
                }
            }
            Stmt::AnnAssign(stmt) => {
                if let Some(value) = &stmt.value {
                    let value = self.value(value);
                    self.assign(&stmt.target, value);
                }
            }
            Stmt::AugAssign(stmt) => self.augmented(stmt),
            Stmt::If(stmt) => return self.branches(stmt),
            Stmt::For(stmt) => return self.for_loop(stmt),
            Stmt::While(stmt) => return self.while_loop(stmt),
            Stmt::With(stmt) => {
                for item in &stmt.items {
                    let value = self.value(&item.context_expr);
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, value);
                    }
                }
                return self.block(&stmt.body);
            }
            Stmt::Try(stmt) => return self.attempt(stmt),
            Stmt::Match(stmt) => {
                let subject = self.value(&stmt.subject);
                let taint = self.taint(&subject);
                let arms: Vec<&'a [Stmt]> = stmt.cases.iter().map(|case| case.body.as_slice()).collect();
                return self.either(&arms, taint);
            }
            Stmt::FunctionDef(function) => {
                let value = self.decorated(function);
                self.scopes.bind(function.name.as_str(), value);
            }
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Return(stmt) => {
                let value = match &stmt.value {
                    Some(value) => self.value(value),
                    None => Value::of(Kind::None),
                };
                let before = self.scopes.innermost().returned.take();
                let value = match before {
                    Some(before) => self.join_returned(before, value),
                    None => value,
                };
                self.scopes.innermost().returned = Some(value);
                return Flow::Return;
            }
            Stmt::Break(_) => return Flow::Break,
            Stmt::Continue(_) => return Flow::Continue,
            Stmt::Raise(_) => return Flow::Return,
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                if import.level == 0 {
                    self.imported(module);
                }
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    // `from . import module`
                    let beside = if module.is_empty() { self.neighbor(alias.name.as_str()) } else { None };
                    if let Some(beside) = beside {
                        self.scopes.bind(name.as_str(), beside);
                        continue;
                    }
                    if self.bind_from(module, alias.name.as_str(), name.as_str()) {
                        continue;
                    }
                    let full = format!("{module}.{}", alias.name);
                    self.scopes.bind(name.as_str(), Value::of(Kind::Library(full.into())));
                }
            }
            Stmt::Global(stmt) => self.scopes.innermost().outer.extend(stmt.names.iter().map(|name| name.as_str())),
            Stmt::Nonlocal(stmt) => self.scopes.innermost().outer.extend(stmt.names.iter().map(|name| name.as_str())),
            Stmt::Assert(stmt) => {
                self.value(&stmt.test);
            }
            Stmt::Delete(stmt) => self.delete(stmt),
            Stmt::Pass(_) | Stmt::TypeAlias(_) | Stmt::IpyEscapeCommand(_) => {}
        }
        Flow::Next
    }

    /// Notes a name that is deleted twice, which ends the run. Where it is not known whether a statement is reached, or how
    /// often, nothing is said.
    fn delete(&mut self, stmt: &'a ast::StmtDelete) {
        if !self.loops.is_empty() || !self.branches.are_known() {
            return;
        }
        let line = self.module.line(stmt);
        for target in &stmt.targets {
            let ast::Expr::Name(name) = target else { continue };
            let name = name.id.as_str();
            if let Some(first) = self.scopes.innermost().deleted.insert(name, line) {
                self.events.trace.deleted.push((name.into(), first, line));
            }
        }
    }

    /// Handles `use_slot = args.slot_enabled`: the truth that the log shows of one holds for the other.
    fn alias(&mut self, stmt: &'a ast::StmtAssign, value: &Value<'a>) {
        if let ([ast::Expr::Name(name)], ast::Expr::Attribute(attribute)) = (&*stmt.targets, &*stmt.value)
            && matches!(value.kind, Kind::Bool(_))
        {
            self.assumptions.alias(self.scopes.function(), name.id.as_str(), attribute.attr.as_str());
        }
    }

    fn import(&mut self, import: &'a ast::StmtImport) {
        for alias in &import.names {
            let full = alias.name.as_str();
            self.imported(full);
            let (name, full) = match &alias.asname {
                Some(name) => (name.as_str(), full),
                None => {
                    let top = full.split('.').next().unwrap_or(full);
                    (top, top)
                }
            };
            let value = self.neighbor(full).unwrap_or_else(|| Value::of(Kind::Library(full.into())));
            self.scopes.bind(name, value);
        }
    }

    /// Notes the import of a module by its full name.
    fn imported(&mut self, name: &str) {
        let attempted = self.branches.is_attempted();
        self.event(Action::Import { name: name.into(), attempted });
    }

    /// Takes a decorated function as it is: decorators of a library change how fast it runs, not its result.
    fn decorated(&mut self, function: &'a ast::StmtFunctionDef) -> Value<'a> {
        Value::of(Kind::Function(function))
    }

    fn class(&mut self, definition: &'a ast::StmtClassDef) {
        let bases = definition.arguments.iter().flat_map(|arguments| &arguments.args);
        let bases: Vec<Value<'a>> = bases.map(|base| self.value(base)).collect();
        self.scopes.enter_body(Names::default());
        self.block(&definition.body);
        let attributes = self.scopes.leave().map(|call| call.names.into_values()).unwrap_or_default();
        let attributes = attributes
            .into_iter()
            .map(|(name, value)| {
                let stated = self.assumptions.config.of(name).filter(|_| !matches!(value.kind, Kind::Function(_)));
                let value = stated.map_or(value.clone(), |kind| Value { kind, taint: value.taint });
                (name, value)
            })
            .collect();
        let id = self.classes.add(definition, bases, attributes);
        self.scopes.bind(definition.name.as_str(), Value::of(Kind::Class(id)));
    }

    fn attempt(&mut self, stmt: &'a ast::StmtTry) -> Flow {
        let goes_on = !stmt.handlers.is_empty();
        if goes_on {
            self.branches.attempt();
        }
        let mut flow = self.block(&stmt.body);
        if goes_on {
            self.branches.after_attempt();
        }
        // A handler runs where the body failed; most are another way of doing the same.
        if flow == Flow::Next {
            let handlers = stmt.handlers.iter().map(|handler| match handler {
                ast::ExceptHandler::ExceptHandler(handler) => handler.body.as_slice(),
            });
            let arms: Vec<&'a [Stmt]> = std::iter::once(stmt.orelse.as_slice()).chain(handlers).collect();
            flow = self.either(&arms, TaintId::NONE);
        }
        let last = self.block(&stmt.finalbody);
        if flow == Flow::Next { last } else { flow }
    }
}

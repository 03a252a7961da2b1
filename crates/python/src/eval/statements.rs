//! Evaluates statements: the names that they bind, and the bodies that are walked.

use super::{Evaluator, MAX_DEPTH, calls};
use crate::module::ast::{self, Expr, Stmt};
use crate::value::Value;

impl<'a> Evaluator<'a, '_> {
    /// Runs statements in order, and both branches of a condition. Returns the value of the first `return`.
    pub(super) fn block(&mut self, body: &'a [Stmt]) -> Option<Value<'a>> {
        for stmt in body {
            self.step().ok()?;
            self.line = self.module.line(stmt);
            if let Some(value) = self.statement(stmt) {
                return Some(value);
            }
        }
        None
    }

    fn statement(&mut self, stmt: &'a Stmt) -> Option<Value<'a>> {
        match stmt {
            Stmt::Import(import) => import.names.iter().for_each(|alias| {
                let full = alias.name.as_str();
                match &alias.asname {
                    Some(name) => self.bind(name.as_str(), Value::Name(full.to_owned())),
                    None => {
                        let top = full.split('.').next().unwrap_or(full);
                        self.bind(top, Value::Name(top.to_owned()));
                    }
                }
            }),
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.bind(name.as_str(), Value::Name(format!("{module}.{}", alias.name)));
                }
            }
            Stmt::Assign(assign) => {
                let value = self.value(&assign.value);
                assign.targets.iter().for_each(|target| self.assign(target, &value));
            }
            Stmt::AnnAssign(assign) => {
                if let Some(expr) = &assign.value {
                    let value = self.value(expr);
                    self.assign(&assign.target, &value);
                }
            }
            Stmt::AugAssign(assign) => {
                let (left, right) = (self.value(&assign.target), self.value(&assign.value));
                let is_tuple = matches!(&*assign.value, Expr::Tuple(_));
                let value = left.and_then(|left| calls::binary(self, assign.op, left, right?, is_tuple));
                self.assign(&assign.target, &value);
            }
            Stmt::Expr(expr) => {
                // Nothing takes the value; a source that it executes is noted on the way.
                let _ = self.value(&expr.value);
            }
            Stmt::FunctionDef(function) => {
                self.bind(function.name.as_str(), Value::Function(function));
                self.decorated(&function.decorator_list, Value::Function(function));
            }
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Return(stmt) => {
                let value = stmt.value.as_ref().map_or(Ok(Value::NONE), |value| self.value(value));
                return Some(value.unwrap_or(Value::NONE));
            }
            Stmt::If(stmt) => {
                let _ = self.value(&stmt.test);
                let bodies = stmt.elif_else_clauses.iter().map(|clause| clause.body.as_slice());
                let bodies: Vec<&'a [Stmt]> = std::iter::once(stmt.body.as_slice()).chain(bodies).collect();
                return bodies.into_iter().find_map(|body| self.nested(body));
            }
            Stmt::Try(stmt) => {
                let value = self.nested(&stmt.body);
                // Where nothing fails the function does not return what a handler would.
                for ast::ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                    let _ = self.nested(&handler.body);
                }
                return value.or_else(|| self.nested(&stmt.orelse)).or_else(|| self.nested(&stmt.finalbody));
            }
            // A single pass shows what is executed; whether it returns is not known.
            Stmt::While(stmt) => {
                let _ = self.value(&stmt.test);
                let _ = self.nested(&stmt.body);
                let _ = self.nested(&stmt.orelse);
            }
            Stmt::Match(stmt) => {
                let _ = self.value(&stmt.subject);
                for case in &stmt.cases {
                    let _ = self.nested(&case.body);
                }
            }
            Stmt::Assert(stmt) => {
                let _ = self.value(&stmt.test);
            }
            Stmt::With(stmt) => {
                for item in &stmt.items {
                    let value = self.value(&item.context_expr);
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, &value);
                    }
                }
                return self.nested(&stmt.body);
            }
            Stmt::For(stmt) => {
                let Ok(Value::List(items)) = self.value(&stmt.iter) else {
                    self.assign(&stmt.target, &Err("an item of something that is not known".to_owned()));
                    let _ = self.nested(&stmt.body);
                    return None;
                };
                for item in items.iter() {
                    self.step().ok()?;
                    self.assign(&stmt.target, &Ok(item.clone()));
                    if let Some(value) = self.nested(&stmt.body) {
                        return Some(value);
                    }
                }
            }
            _ => {}
        }
        None
    }

    fn nested(&mut self, body: &'a [Stmt]) -> Option<Value<'a>> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = self.block(body);
        self.depth -= 1;
        value
    }
}

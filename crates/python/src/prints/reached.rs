//! The functions of a program that something names: the texts of the others are never printed.

use std::collections::{HashMap, HashSet};

use crate::module::ast::visitor::{Visitor, walk_alias, walk_expr, walk_stmt};
use crate::module::{Module, ast};

/// Names that are kept of some modules; the longest real script has some 5,000.
const MAX_NAMES: usize = 200_000;

/// The names that are used anywhere in a program, and by which function of a module's own.
///
/// A function counts as named where its name stands in any code that may run, in whatever meaning, or as a word of any text.
/// So a function may be taken for one that runs although it does not, and not the other way round.
#[derive(Debug, Default)]
pub struct Reached {
    /// Names that code outside of functions uses, and those that functions use which are named themselves.
    named: HashSet<String>,
    /// The names that each function uses which nothing has named yet.
    waiting: HashMap<String, Vec<String>>,
    /// Names that were found and are not looked at yet.
    open: Vec<String>,
    /// True when a name may be used that the text does not show: every function may run.
    any: bool,
    kept: usize,
}

impl Reached {
    /// Adds the names of a module and of those that were parsed with it.
    pub fn add(&mut self, module: &Module) {
        for stmt in module.bodies().flatten() {
            let mut names = Names::default();
            names.visit_stmt(stmt);
            self.any |= names.any;
            match own_function(stmt) {
                Some(function) if !self.named.contains(function) => {
                    self.kept += names.found.len();
                    self.waiting.entry(function.to_owned()).or_default().extend(names.found);
                }
                _ => self.name(names.found),
            }
        }
    }

    /// Every function may run.
    pub fn all(&mut self) {
        self.any = true;
    }

    /// Adds a program in another language, or a command: each word of it may be a name.
    pub fn add_other(&mut self, text: &str) {
        self.name(words(text).map(str::to_owned).collect());
    }

    fn name(&mut self, names: Vec<String>) {
        self.open.extend(names);
        while let Some(name) = self.open.pop() {
            if !self.named.contains(&name) {
                self.open.extend(self.waiting.remove(&name).unwrap_or_default());
                self.kept += 1;
                self.named.insert(name);
            }
        }
    }

    /// Tells whether the statement may run: all do but the definition of a function that nothing names.
    pub(super) fn may_run(&self, stmt: &ast::Stmt) -> bool {
        self.any || self.kept >= MAX_NAMES || own_function(stmt).is_none_or(|function| self.named.contains(function))
    }
}

/// The name of the function that a statement of a module defines. A decorator may hand it on.
fn own_function(stmt: &ast::Stmt) -> Option<&str> {
    match stmt {
        ast::Stmt::FunctionDef(function) if function.decorator_list.is_empty() => Some(function.name.as_str()),
        _ => None,
    }
}

/// The words of a text that could be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Collects the names that code uses.
#[derive(Default)]
struct Names {
    found: Vec<String>,
    /// True when names are looked up that the text does not show.
    any: bool,
}

impl Names {
    fn text(&mut self, text: &str) {
        self.found.extend(words(text).map(str::to_owned));
    }
}

impl<'a> Visitor<'a> for Names {
    fn visit_stmt(&mut self, stmt: &'a ast::Stmt) {
        // A description names what it likes.
        if !matches!(stmt, ast::Stmt::Expr(stmt) if stmt.value.is_string_literal_expr()) {
            walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        match expr {
            ast::Expr::Name(name) => {
                self.any |= matches!(name.id.as_str(), "globals" | "locals" | "exec" | "eval");
                self.found.push(name.id.to_string());
            }
            ast::Expr::Attribute(attribute) => self.found.push(attribute.attr.to_string()),
            ast::Expr::StringLiteral(literal) => self.text(literal.value.to_str()),
            ast::Expr::FString(text) => {
                let literals = text.value.elements().filter_map(|element| element.as_literal());
                literals.for_each(|literal| self.text(&literal.value));
            }
            _ => {}
        }
        walk_expr(self, expr);
    }

    fn visit_alias(&mut self, alias: &'a ast::Alias) {
        self.found.push(alias.name.to_string());
        walk_alias(self, alias);
    }
}

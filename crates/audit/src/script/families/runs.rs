//! Checks that Python can read the script at all, and that every name in the code that runs is bound.

use std::collections::{BTreeMap, HashSet};

use super::super::python::BUILTINS;
use super::declared::Declared;
use super::{Case, Family, Lead, Needs, Rule, Step};
use caddie_python::ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_parameter, walk_pattern, walk_stmt};
use caddie_python::{Module, ast};
use caddie_rulebook::{Confidence, Severity};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "script-runs",
    about: "Every supported Python reads the script, and the code that runs uses only names that something binds.",
    rules: &[Rule { id: "pkg-script-runs", needs: &[Needs::NOTHING] }],
    by_command: &[],
    beside: Needs::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    newer_syntax(case).into_iter().chain(unbound(case)).chain(deleted_twice(case)).collect()
}

/// Syntax that not every supported Python reads, unless something in the folder says which one it needs.
fn newer_syntax(case: &Case<'_>) -> Option<Lead> {
    let newest = case.module.newer().iter().max_by_key(|newer| newer.minor)?;
    if says_which(case, newest.minor) {
        return None;
    }
    let steps: Vec<Step> = case.module.newer().iter().take(4).map(|newer| at(newer.line, &newer.reason)).collect();
    Some(Lead {
        rule: "pkg-script-runs",
        // Several merged scripts are of this kind: the maintainers' Python reads them.
        confidence: Confidence::Low,
        message: format!(
            "only Python 3.{} and newer read the script: {} places hold syntax that 3.10 does not know",
            newest.minor,
            case.module.newer().len()
        ),
        because: "no log and no README says that it was run with such a Python".to_owned(),
        steps,
        clears: "write it so that Python 3.10 reads it, or name the version in README.md",
        at_most: Some(Severity::Info),
    })
}

/// Tells whether README, requirements or a log name this Python or a newer one.
fn says_which(case: &Case<'_>, minor: u8) -> bool {
    let declared = Declared::of(case);
    let versions = || minor..=20;
    let named = versions().any(|minor| {
        [format!("python 3.{minor}"), format!("python3.{minor}"), format!("python>=3.{minor}"), format!("py3{minor}")]
            .iter()
            .any(|text| declared.contains(text))
    });
    named
        || declared.folder.is_some_and(|folder| {
            folder.runs.official.iter().take(3).any(|run| {
                let log =
                    caddie_files::read_text(&folder.path.join(&run.log)).or_else(|_| caddie_files::read_text(&run.log));
                log.is_ok_and(|log| versions().any(|minor| log.contains(&format!("Running Python 3.{minor}."))))
            })
        })
}

fn at(line: u64, what: &str) -> Step {
    Step { line, what: what.to_owned(), path: Vec::new() }
}

/// Returns the names that the reached code uses, and that nothing anywhere binds.
fn unbound(case: &Case<'_>) -> Option<Lead> {
    let mut bound = BoundNames::default();
    case.module.body().iter().for_each(|stmt| bound.visit_stmt(stmt));
    if bound.open {
        return None;
    }
    let mut used =
        Used { module: case.module, case, bound: &bound.names, line: 0, start: 0, guarded: 0, found: BTreeMap::new() };
    case.module.body().iter().for_each(|stmt| used.visit_stmt(stmt));
    let first = used.found.values().min().copied()?;
    let names: Vec<&str> = used.found.keys().copied().collect();
    let uncertain =
        if case.subject.config.is_empty() { "its defaults are assumed" } else { "as the run configured it" };
    Some(Lead {
        rule: "pkg-script-runs",
        confidence: if case.trace.complete { Confidence::Medium } else { Confidence::Low },
        message: format!("nothing in the script binds {}, which line {first} reaches", names.join(", ")),
        because: format!("the line was reached when the script was followed, {uncertain}"),
        steps: used.found.iter().map(|(name, line)| at(*line, &format!("{name} is used"))).collect(),
        clears: "bind the name, or leave out the code that uses it",
        at_most: None,
    })
}

/// A name that is deleted twice on the way of the run: the second statement ends it.
fn deleted_twice(case: &Case<'_>) -> Option<Lead> {
    let (name, first, second) = case.trace.deleted.first()?;
    let uncertain =
        if case.subject.config.is_empty() { "its defaults are assumed" } else { "as the run configured it" };
    Some(Lead {
        rule: "pkg-script-runs",
        // A record was merged so (2026-04-23): its logs come from another state of the script.
        confidence: Confidence::Low,
        message: format!(
            "{} deletes {name}, which {} has deleted already: the script ends there, so that it did not make a log that goes on",
            case.at(*second),
            case.at(*first)
        ),
        because: format!("both lines were reached when the script was followed, {uncertain}"),
        steps: vec![at(*second, &format!("{name} is deleted again")), at(*first, &format!("{name} is deleted"))],
        clears: "delete the name once, and ship the script that made the logs",
        at_most: Some(Severity::Info),
    })
}

/// Every name that is bound anywhere in the script.
#[derive(Default)]
struct BoundNames<'a> {
    names: HashSet<&'a str>,
    /// True when names may be bound that the text does not show.
    open: bool,
}

impl<'a> Visitor<'a> for BoundNames<'a> {
    fn visit_stmt(&mut self, stmt: &'a ast::Stmt) {
        match stmt {
            ast::Stmt::FunctionDef(function) => {
                self.names.insert(function.name.as_str());
            }
            ast::Stmt::ClassDef(class) => {
                self.names.insert(class.name.as_str());
            }
            ast::Stmt::Import(import) => {
                for alias in &import.names {
                    let top = alias.name.split('.').next().unwrap_or_default();
                    self.names.insert(alias.asname.as_ref().map_or(top, |name| name.as_str()));
                }
            }
            ast::Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.open |= alias.name.as_str() == "*";
                    self.names.insert(alias.asname.as_ref().unwrap_or(&alias.name).as_str());
                }
            }
            ast::Stmt::Global(stmt) => self.names.extend(stmt.names.iter().map(|name| name.as_str())),
            ast::Stmt::TypeAlias(_) => self.open = true,
            _ => {}
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        if let ast::Expr::Name(name) = expr {
            match name.ctx {
                ast::ExprContext::Load => {
                    self.open |= matches!(name.id.as_str(), "globals" | "exec" | "locals" | "vars" | "setattr_module");
                }
                _ => {
                    self.names.insert(name.id.as_str());
                }
            }
        }
        walk_expr(self, expr);
    }

    fn visit_parameter(&mut self, parameter: &'a ast::Parameter) {
        self.names.insert(parameter.name.as_str());
        walk_parameter(self, parameter);
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(caught) = handler;
        self.names.extend(caught.name.iter().map(|name| name.as_str()));
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a ast::Pattern) {
        match pattern {
            ast::Pattern::MatchAs(part) => self.names.extend(part.name.iter().map(|name| name.as_str())),
            ast::Pattern::MatchStar(part) => self.names.extend(part.name.iter().map(|name| name.as_str())),
            ast::Pattern::MatchMapping(part) => self.names.extend(part.rest.iter().map(|name| name.as_str())),
            _ => {}
        }
        walk_pattern(self, pattern);
    }
}

/// Names that reached statements use.
struct Used<'a, 'c> {
    module: &'c Module,
    case: &'c Case<'c>,
    bound: &'c HashSet<&'a str>,
    /// The statement, by its line and by where it begins.
    line: u64,
    start: usize,
    /// Number of blocks around it that go on after a failure.
    guarded: usize,
    found: BTreeMap<&'a str, u64>,
}

impl<'a> Visitor<'a> for Used<'a, '_> {
    fn visit_stmt(&mut self, stmt: &'a ast::Stmt) {
        let before = (self.line, self.start);
        (self.line, self.start) = (self.module.line(stmt), self.module.start(stmt));
        let guarded = matches!(stmt, ast::Stmt::Try(_));
        self.guarded += usize::from(guarded);
        walk_stmt(self, stmt);
        self.guarded -= usize::from(guarded);
        (self.line, self.start) = before;
    }

    /// Annotations need not be worked out.
    fn visit_annotation(&mut self, _: &'a ast::Expr) {}

    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        match expr {
            ast::Expr::Name(name) if matches!(name.ctx, ast::ExprContext::Load) => {
                let id = name.id.as_str();
                let known = self.bound.contains(id) || BUILTINS.binary_search(&id).is_ok();
                if !known && self.guarded == 0 && self.found.len() < 8 && self.case.trace.certainly_reached(self.start)
                {
                    self.found.entry(id).or_insert(self.line);
                }
            }
            // Only one side of a choice, or the rest of a test, may be reached.
            ast::Expr::If(_) | ast::Expr::BoolOp(_) | ast::Expr::Lambda(_) => {}
            _ => walk_expr(self, expr),
        }
    }
}

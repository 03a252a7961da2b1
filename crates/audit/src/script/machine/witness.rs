//! Finds the branches that a run took by its log: a branch that prints a line which the log does not have was not
//! taken, whatever the script's defaults are.

use super::super::said::telling;
use super::super::value::{Kind, Value};
use super::Machine;
use caddie_python::ast::visitor::{Visitor, walk_stmt};
use caddie_python::ast::{self, Expr, Stmt};

/// A line that the script prints.
#[derive(Debug)]
pub(super) struct Mark {
    /// The part of it that tells it from others.
    text: String,
    /// The line (1-based) that prints it.
    line: u64,
    /// The function in which it is printed, by the line of its definition; 0: none.
    function: u64,
    /// True when `print` itself prints it: a log that the script writes by a function of its own need not have it.
    bare: bool,
    /// True when the log has it.
    said: bool,
}

/// Lines of the script that the log has to have for one that it lacks to mean something: else it is an excerpt.
const ENOUGH: usize = 8;

/// Every line that a script prints.
struct Printed<'m> {
    module: &'m caddie_python::Module,
    function: u64,
    found: Vec<Mark>,
}

impl<'a> Visitor<'a> for Printed<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(function) = stmt {
            let outer = std::mem::replace(&mut self.function, self.module.line(function));
            walk_stmt(self, stmt);
            self.function = outer;
            return;
        }
        if let Some(text) = printed(stmt) {
            let line = self.module.line(stmt);
            self.found.push(Mark { text, line, function: self.function, bare: is_bare(stmt), said: false });
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

/// The setting that a condition is: `args.ttt_enabled`. An attribute of the object itself may differ between objects.
fn setting(test: &Expr) -> Option<&str> {
    let Expr::Attribute(attribute) = test else { return None };
    let Expr::Name(holder) = &*attribute.value else { return None };
    (holder.id.as_str() != "self").then(|| attribute.attr.as_str())
}

/// Tells whether a statement calls `print` itself.
fn is_bare(stmt: &Stmt) -> bool {
    let Stmt::Expr(stmt) = stmt else { return false };
    let Expr::Call(call) = &*stmt.value else { return false };
    matches!(&*call.func, Expr::Name(name) if name.id.as_str() == "print")
}

/// Returns the text of a statement's output that tells it from others: `log0(f"ttt:start lr={lr}")`.
fn printed(stmt: &Stmt) -> Option<String> {
    let Stmt::Expr(stmt) = stmt else { return None };
    let Expr::Call(call) = &*stmt.value else { return None };
    let name = match &*call.func {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return None,
    };
    let prints = ["log", "print"].iter().any(|word| name.starts_with(word) || name.ends_with(word)) || name == "info";
    // `log0(text, console=False)` goes to a file that need not be the log.
    let is_false = |expr: &Expr| matches!(expr, Expr::BooleanLiteral(literal) if !literal.value);
    let quiet = call.arguments.args.iter().skip(1).any(is_false)
        || call.arguments.keywords.iter().any(|keyword| is_false(&keyword.value));
    if !prints || quiet {
        return None;
    }
    text_of(call.arguments.args.first()?)
}

/// Returns the known part of a text that tells it from others.
fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::StringLiteral(text) => telling([text.value.to_str().to_owned()]),
        Expr::FString(text) => {
            let mut parts = vec![String::new()];
            for part in text.value.iter() {
                match part {
                    ast::FStringPart::Literal(literal) => extend(&mut parts, literal),
                    ast::FStringPart::FString(part) => {
                        for element in &part.elements {
                            match element {
                                ast::InterpolatedStringElement::Literal(literal) => extend(&mut parts, literal),
                                ast::InterpolatedStringElement::Interpolation(_) => parts.push(String::new()),
                            }
                        }
                    }
                }
            }
            telling(parts)
        }
        _ => None,
    }
}

fn extend(parts: &mut [String], text: &str) {
    if let Some(last) = parts.last_mut() {
        last.push_str(text);
    }
}

impl<'a> Machine<'a, '_> {
    /// Tells whether the run took a branch, where its log shows it: the log has the lines that the branch prints, or
    /// none.
    pub(super) fn witnessed(&mut self, test: &'a Expr, body: &'a [Stmt]) -> Option<bool> {
        self.assumptions.config.said()?;
        let module = self.module;
        if self.is_of_a_process(test) {
            return None;
        }
        let body_last = body.last();
        let body = body.iter().flat_map(|stmt| match stmt {
            Stmt::If(inner) if self.is_of_a_process(&inner.test) => inner.body.as_slice(),
            _ => std::slice::from_ref(stmt),
        });
        let lines = body.filter_map(|stmt| Some((module.line(stmt), printed(stmt)?)));
        let lines: Vec<(u64, String)> = lines.collect();
        let leaves = matches!(body_last, Some(Stmt::Return(_))) && self.scopes.is_in_outermost();
        if lines.is_empty() && !leaves {
            return None;
        }
        let at = module.line(test);
        let in_loop = !self.loops.is_empty();
        let marks = self.marks()?;
        if lines.is_empty() {
            // A function that printed a line of the log did not leave before it.
            let after = |mark: &&Mark| mark.said && mark.function != 0 && mark.function < at && at < mark.line;
            let alone = |text: &str| marks.iter().filter(|mark| mark.text.contains(text)).count() == 1;
            return marks.iter().filter(after).any(|mark| alone(&mark.text)).then_some(false);
        }
        let own = |mark: &&Mark| lines.iter().any(|(line, text)| mark.line == *line && mark.text == *text);
        if marks.iter().filter(own).any(|mark| mark.said) {
            // The same words may come from elsewhere.
            let alone = |text: &str| marks.iter().filter(|mark| mark.text.contains(text)).count() == 1;
            let told = marks.iter().filter(own).any(|mark| alone(&mark.text))
                && marks.iter().filter(own).all(|mark| mark.said);
            return (told && !in_loop).then_some(true);
        }
        let first = marks.iter().find(own)?;
        let before = marks.iter().any(|mark| mark.said && mark.function == first.function && mark.line < first.line);
        let enough = marks.iter().filter(|mark| mark.said).count() >= ENOUGH;
        // A log that has nothing of what goes to the console alone does not show what was printed there.
        let heard = !first.bare || marks.iter().any(|mark| mark.said && mark.bare);
        (before && enough && heard).then_some(false)
    }

    /// Tells whether the log shows that settings which it does not state were on: it has a line that is printed anywhere within
    /// the block below them, and nowhere else. Which process prints it is no setting.
    pub(super) fn shown_within(&mut self, test: &'a Expr, body: &'a [Stmt]) -> bool {
        let parts = match test {
            Expr::BoolOp(all) if matches!(all.op, ast::BoolOp::And) => all.values.as_slice(),
            one => std::slice::from_ref(one),
        };
        let (settings, others): (Vec<&Expr>, Vec<&Expr>) = parts.iter().partition(|part| setting(part).is_some());
        let stated = |part: &&Expr| setting(part).is_some_and(|name| self.assumptions.config.text(name).is_some());
        if settings.is_empty() || settings.iter().any(stated) || !others.iter().all(|part| self.is_of_a_process(part)) {
            return false;
        }
        let mut within = Printed { module: self.module, function: 0, found: Vec::new() };
        body.iter().filter(|stmt| !stmt.is_function_def_stmt()).for_each(|stmt| within.visit_stmt(stmt));
        if within.found.is_empty() || self.marks().is_none() {
            return false;
        }
        let marks = self.marks().unwrap_or_default();
        let alone = |own: &Mark| marks.iter().filter(|mark| mark.text.contains(&own.text)).count() == 1;
        let said = |own: &Mark| marks.iter().any(|mark| mark.line == own.line && mark.text == own.text && mark.said);
        within.found.iter().any(|own| said(own) && alone(own))
    }

    /// Tells whether a condition asks for the number of the process, which is no switch: where the first process prints other
    /// lines, another script did.
    fn is_of_a_process(&self, test: &Expr) -> bool {
        ["rank", "master", "main_process"].iter().any(|word| self.module.text(test).contains(word))
    }

    /// Every line that the script prints, where there is a log that has it or not.
    fn marks(&mut self) -> Option<&[Mark]> {
        let said = self.assumptions.config.said()?;
        let module = self.module;
        let marks = self.assumptions.marks.get_or_insert_with(|| {
            let mut printed = Printed { module, function: 0, found: Vec::new() };
            module.bodies().flatten().for_each(|stmt| printed.visit_stmt(stmt));
            for mark in &mut printed.found {
                mark.said = said.holds(&mark.text);
            }
            printed.found
        });
        Some(marks)
    }

    /// Handles `{f" slot_lr={lr}" if use_slot else ""}` in a printed line: the log has the words or not. Only words
    /// that it has mean something, because a line may have been printed by an earlier version.
    pub(super) fn witnessed_choice(&mut self, choice: &'a ast::ExprIf) -> Option<bool> {
        let said = self.assumptions.config.said()?;
        let text = text_of(&choice.body)?;
        let alone = self.module.source().matches(text.as_str()).count() == 1;
        (alone && said.holds(&text)).then_some(true)
    }

    /// Notes the setting that a condition is, or is a copy of.
    fn contradict(&mut self, test: &'a Expr, truth: bool) {
        let setting = match test {
            Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
            Expr::Name(name) => self.assumptions.setting_of(self.scopes.function(), name.id.as_str()),
            _ => None,
        };
        if let Some(setting) = setting {
            self.assumptions.contradict(setting, truth);
        }
    }

    /// Applies the truth of a condition that the log showed to the switches that it is made of, wherever they are asked
    /// again.
    pub(super) fn switched(&mut self, test: &'a Expr, truth: bool) {
        match test {
            Expr::BoolOp(both) if truth && matches!(both.op, ast::BoolOp::And) => {
                for part in &both.values {
                    self.switched(part, true);
                }
            }
            Expr::UnaryOp(unary) if matches!(unary.op, ast::UnaryOp::Not) => self.switched(&unary.operand, !truth),
            Expr::Name(_) | Expr::Attribute(_) => {
                let value = self.value(test);
                if matches!(value.kind, Kind::Bool(known) if known != truth) {
                    self.contradict(test, truth);
                    self.assign(test, Value { kind: Kind::Bool(truth), taint: value.taint });
                }
            }
            _ => {}
        }
    }
}

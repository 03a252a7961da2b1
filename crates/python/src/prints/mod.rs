//! The lines that a program can print, as far as its text shows them: every text with holes that it builds, wherever it
//! builds it. Nothing is executed, and no print is followed to its argument: a text that is built anywhere in the program
//! may be printed, with anything before and behind it.

mod build;
mod reached;
mod template;
mod words;

use std::collections::HashSet;

pub use reached::Reached;
use template::Template;

use crate::module::ast::visitor::{Visitor, walk_expr, walk_keyword, walk_parameter, walk_stmt};
use crate::module::{Module, ast};
use build::Built;

/// Templates that are kept of some modules; the longest real script has some 500.
const MAX_TEMPLATES: usize = 20_000;
/// Bytes of texts that are kept because another program may print from them.
const MAX_OTHERS: usize = 4 << 20;

/// Everything that some modules can print.
#[derive(Debug, Default)]
pub struct Prints {
    /// Texts that tell where they were printed.
    telling: Vec<Template>,
    /// Texts that are little more than holes, such as `f"{name}: {value}"`; their words are built elsewhere.
    vague: Vec<Template>,
    /// Words of texts and names of the program, in small letters.
    words: HashSet<String>,
    /// Texts of programs in other languages.
    others: String,
    full: bool,
}

impl Prints {
    /// Adds what a module, and the modules that were parsed with it, can print, where the functions that are `reached` run.
    pub fn add(&mut self, module: &Module, reached: &Reached) {
        module.bodies().flatten().filter(|stmt| reached.may_run(stmt)).for_each(|stmt| self.visit_stmt(stmt));
    }

    /// Adds a program in another language: it may print any line that begins with a word of it.
    pub fn add_other(&mut self, text: &str) {
        if self.others.len() + text.len() > MAX_OTHERS {
            self.full = true;
            return;
        }
        self.others.push_str(text);
        self.others.push('\n');
    }

    /// Tells whether the program can print the line: a text of it makes the line, or a text of holes alone with words that
    /// are the program's. It also tells so of a line that is a piece of another one, as several processes leave them, and
    /// where there is too much to know.
    pub fn can_make(&self, line: &str) -> bool {
        let known = |template: &&Template| template.makes(line);
        self.full
            || self.telling.iter().find(known).is_some()
            || self.vague.iter().find(known).is_some() && words::names(line).all(|word| self.words.contains(&word))
            || self.is_of_another(line)
            || self.is_a_piece(line)
    }

    fn is_of_another(&self, line: &str) -> bool {
        let first = line.split([' ', ':', '=', '\t']).find(|word| !word.is_empty());
        first.is_some_and(|first| self.others.contains(first))
    }

    /// Tells whether the line begins within a word, as `ain_loss:6.9`.
    fn is_a_piece(&self, line: &str) -> bool {
        let Some(first) = words::of(line).next().filter(|first| !self.words.contains(first)) else { return false };
        self.words.iter().any(|word| word.ends_with(&first))
    }

    fn keep(&mut self, built: Built) {
        for template in Template::lines(built) {
            if self.telling.len() + self.vague.len() >= MAX_TEMPLATES {
                self.full = true;
                return;
            }
            let kind = if template.tells() { &mut self.telling } else { &mut self.vague };
            if !kind.contains(&template) {
                kind.push(template);
            }
        }
    }

    fn word(&mut self, text: &str) {
        self.words.extend(words::of(text));
    }

    /// Takes up a text of the program. One of several lines may itself be a program.
    fn literal(&mut self, text: &str) {
        self.word(text);
        if text.contains('\n') && text.contains("print") {
            self.add_other(text);
        }
    }

    /// Visits the parts of a text, which are no texts of their own.
    fn within(&mut self, expr: &ast::Expr) {
        match expr {
            ast::Expr::BinOp(sum) if sum.op == ast::Operator::Add => {
                for side in [&*sum.left, &*sum.right] {
                    match side {
                        ast::Expr::BinOp(_) | ast::Expr::StringLiteral(_) | ast::Expr::FString(_) => self.within(side),
                        other => self.visit_expr(other),
                    }
                }
                return;
            }
            ast::Expr::Name(name) => self.word(&name.id),
            ast::Expr::Attribute(attribute) => self.word(&attribute.attr),
            ast::Expr::StringLiteral(literal) => self.literal(literal.value.to_str()),
            ast::Expr::FString(text) => {
                let literals = text.value.elements().filter_map(|element| element.as_literal());
                literals.for_each(|literal| self.literal(&literal.value));
            }
            _ => {}
        }
        walk_expr(self, expr);
    }
}

impl<'a> Visitor<'a> for Prints {
    fn visit_stmt(&mut self, stmt: &'a ast::Stmt) {
        match stmt {
            // A description is not printed.
            ast::Stmt::Expr(stmt) if stmt.value.is_string_literal_expr() => return,
            ast::Stmt::FunctionDef(function) => self.word(&function.name),
            ast::Stmt::ClassDef(class) => self.word(&class.name),
            _ => {}
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        if let Some(built) = build::of(expr) {
            self.keep(built);
        }
        if let ast::Expr::Call(call) = expr
            && let Some(built) = build::arguments(call)
        {
            self.keep(built);
        }
        self.within(expr);
    }

    fn visit_keyword(&mut self, keyword: &'a ast::Keyword) {
        if let Some(name) = &keyword.arg {
            self.word(name);
        }
        walk_keyword(self, keyword);
    }

    fn visit_parameter(&mut self, parameter: &'a ast::Parameter) {
        self.word(&parameter.name);
        walk_parameter(self, parameter);
    }
}

#[cfg(test)]
mod tests;

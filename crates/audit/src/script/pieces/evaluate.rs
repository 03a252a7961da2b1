//! Statements and expressions, within bounds.

use std::collections::HashMap;

use super::PIECES;
use super::methods;
use super::value::{Item, LIMIT};
use caddie_python::ast::{self, Expr, Stmt};
use caddie_python::constant::{self, Constant, Slice};

/// Statements and expressions that are worked out at most.
const MAX_STEPS: usize = 20_000;
/// Expressions within expressions.
const MAX_DEPTH: usize = 80;

/// The way in which a block ends.
enum BlockEnd {
    Next,
    Continue,
    Break,
    Return(Item),
}

/// Works out one function.
pub(super) struct Evaluator<'a> {
    names: HashMap<&'a str, Item>,
    steps: usize,
    depth: usize,
}

impl<'a> Evaluator<'a> {
    /// Makes an evaluator with the constants of the script.
    pub fn new(globals: &'a [Stmt]) -> Evaluator<'a> {
        let mut evaluator = Evaluator { names: HashMap::new(), steps: 0, depth: 0 };
        for stmt in globals {
            if let Stmt::Assign(assign) = stmt
                && let ([Expr::Name(name)], Expr::StringLiteral(_) | Expr::NumberLiteral(_) | Expr::BooleanLiteral(_)) =
                    (assign.targets.as_slice(), &*assign.value)
                && let Some(value) = evaluator.value(&assign.value)
            {
                evaluator.names.insert(name.id.as_str(), value);
            }
        }
        evaluator
    }

    /// Returns the function's result for the vocabulary.
    pub fn run(mut self, function: &'a ast::StmtFunctionDef) -> Option<Item> {
        self.steps = 0;
        let parameters = &function.parameters;
        for parameter in parameters.posonlyargs.iter().chain(&parameters.args).chain(&parameters.kwonlyargs) {
            let name = parameter.parameter.name.as_str();
            let size = name.contains("vocab") || matches!(name, "v" | "V" | "size");
            let value = if size { Item::integer(PIECES.len() as i64) } else { Item::Opaque };
            self.names.insert(name, value);
        }
        match self.block(&function.body)? {
            BlockEnd::Return(value) => Some(value),
            _ => None,
        }
    }

    fn step(&mut self) -> Option<()> {
        self.steps += 1;
        (self.steps < MAX_STEPS).then_some(())
    }

    fn block(&mut self, body: &'a [Stmt]) -> Option<BlockEnd> {
        for stmt in body {
            self.step()?;
            match self.statement(stmt)? {
                BlockEnd::Next => {}
                flow => return Some(flow),
            }
        }
        Some(BlockEnd::Next)
    }

    fn statement(&mut self, stmt: &'a Stmt) -> Option<BlockEnd> {
        match stmt {
            Stmt::Expr(stmt) => {
                self.value(&stmt.value)?;
            }
            Stmt::Assign(stmt) => {
                let value = self.value(&stmt.value)?;
                stmt.targets.iter().try_for_each(|target| self.assign(target, value.clone()))?;
            }
            Stmt::AnnAssign(stmt) => {
                if let Some(value) = &stmt.value {
                    let value = self.value(value)?;
                    self.assign(&stmt.target, value)?;
                }
            }
            Stmt::AugAssign(stmt) => {
                let (left, right) = (self.value(&stmt.target)?, self.value(&stmt.value)?);
                self.assign(&stmt.target, methods::operator(stmt.op, &left, &right))?;
            }
            Stmt::If(stmt) => {
                let clauses = stmt.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), &clause.body));
                for (test, body) in std::iter::once((Some(&*stmt.test), &stmt.body)).chain(clauses) {
                    let truth = match test {
                        Some(test) => self.value(test)?.truth()?,
                        None => true,
                    };
                    if truth {
                        return self.block(body);
                    }
                }
            }
            Stmt::For(stmt) => {
                for member in self.value(&stmt.iter)?.members()? {
                    self.assign(&stmt.target, member)?;
                    match self.block(&stmt.body)? {
                        BlockEnd::Break => break,
                        BlockEnd::Return(value) => return Some(BlockEnd::Return(value)),
                        BlockEnd::Next | BlockEnd::Continue => {}
                    }
                }
            }
            Stmt::With(stmt) => return self.block(&stmt.body),
            Stmt::Try(stmt) => return self.block(&stmt.body),
            Stmt::Return(stmt) => {
                let value = match &stmt.value {
                    Some(value) => self.value(value)?,
                    None => Item::NONE,
                };
                return Some(BlockEnd::Return(value));
            }
            Stmt::Break(_) => return Some(BlockEnd::Break),
            Stmt::Continue(_) => return Some(BlockEnd::Continue),
            Stmt::Pass(_) | Stmt::Assert(_) | Stmt::Import(_) | Stmt::ImportFrom(_) => {}
            _ => return None,
        }
        Some(BlockEnd::Next)
    }

    fn assign(&mut self, target: &'a Expr, value: Item) -> Option<()> {
        match target {
            Expr::Name(name) => {
                self.names.insert(name.id.as_str(), value);
            }
            Expr::Tuple(tuple) => {
                let items = value.members()?;
                if items.len() != tuple.elts.len() {
                    return None;
                }
                tuple.elts.iter().zip(items).try_for_each(|(target, item)| self.assign(target, item))?;
            }
            Expr::Subscript(subscript) => {
                let (holder, index) = (self.value(&subscript.value)?, self.value(&subscript.slice)?);
                let Item::List(items) = holder else { return Some(()) };
                let mut items = items.borrow_mut();
                let place = constant::position(index.int()?, items.len()).ok()?;
                *items.get_mut(place)? = value;
            }
            _ => return None,
        }
        Some(())
    }

    /// The value of an expression; `None` gives the whole attempt up.
    fn value(&mut self, expr: &'a Expr) -> Option<Item> {
        self.step()?;
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = self.evaluate(expr);
        self.depth -= 1;
        value
    }

    fn evaluate(&mut self, expr: &'a Expr) -> Option<Item> {
        if let Some(literal) = constant::literal(expr) {
            return Some(literal.map_or(Item::Opaque, Item::from));
        }
        Some(match expr {
            Expr::FString(text) => self.f_string(text),
            Expr::Name(name) => self.names.get(name.id.as_str()).cloned().unwrap_or(Item::Opaque),
            Expr::Tuple(tuple) => Item::Tuple(self.values(&tuple.elts)?.into()),
            Expr::List(list) => Item::list(self.values(&list.elts)?),
            Expr::BinOp(binary) => {
                let (left, right) = (self.value(&binary.left)?, self.value(&binary.right)?);
                methods::operator(binary.op, &left, &right)
            }
            Expr::UnaryOp(unary) => {
                let operand = self.value(&unary.operand)?;
                match (unary.op, operand.constant()) {
                    (ast::UnaryOp::Not, _) => operand.truth().map_or(Item::Opaque, |truth| Item::truths(!truth)),
                    (op, Some(operand)) => constant::unary(op, &operand).map_or(Item::Opaque, Item::from),
                    (_, None) => Item::Opaque,
                }
            }
            Expr::BoolOp(bool_op) => {
                let decides = matches!(bool_op.op, ast::BoolOp::Or);
                let mut last = Item::Opaque;
                for part in &bool_op.values {
                    last = self.value(part)?;
                    match last.truth() {
                        Some(truth) if truth == decides => return Some(last),
                        Some(_) => {}
                        None => return Some(Item::Opaque),
                    }
                }
                last
            }
            Expr::Compare(compare) => {
                let left = self.value(&compare.left)?;
                let rights = self.values(&compare.comparators)?;
                methods::compare(&compare.ops, left, &rights)
            }
            Expr::If(choice) => {
                let truth = self.value(&choice.test)?.truth()?;
                self.value(if truth { &choice.body } else { &choice.orelse })?
            }
            Expr::Subscript(subscript) => self.subscript(subscript)?,
            Expr::Call(call) => self.call(call)?,
            Expr::ListComp(list) => Item::list(self.comprehension(&list.elt, &list.generators)?),
            Expr::Generator(generator) => Item::list(self.comprehension(&generator.elt, &generator.generators)?),
            _ => Item::Opaque,
        })
    }

    fn values(&mut self, exprs: &'a [Expr]) -> Option<Vec<Item>> {
        exprs.iter().map(|expr| self.value(expr)).collect()
    }

    fn subscript(&mut self, subscript: &'a ast::ExprSubscript) -> Option<Item> {
        let holder = self.value(&subscript.value)?;
        if let Expr::Slice(slice) = &*subscript.slice {
            let mut bounds = [const { None }; 3];
            for (bound, expr) in bounds.iter_mut().zip([&slice.lower, &slice.upper, &slice.step]) {
                if let Some(expr) = expr {
                    let Some(known) = self.value(expr)?.constant() else { return Some(Item::Opaque) };
                    *bound = Some(known);
                }
            }
            let slice = Slice::of(bounds.each_ref().map(Option::as_ref));
            return Some(slice.map_or(Item::Opaque, |slice| methods::slice(&holder, slice)));
        }
        let index = self.value(&subscript.slice)?;
        match index.int() {
            Some(index) if holder.len().is_some() => holder.member(index),
            _ => Some(Item::Opaque),
        }
    }

    fn f_string(&mut self, text: &'a ast::ExprFString) -> Item {
        let parts = constant::f_string(text, LIMIT, &mut |element| self.value(&element.expression)?.constant());
        let whole = parts.into_iter().collect::<Option<String>>().filter(|whole| whole.len() <= LIMIT.bytes);
        whole.map_or(Item::Opaque, |whole| Item::Known(Constant::text(&whole)))
    }

    fn comprehension(&mut self, element: &'a Expr, generators: &'a [ast::Comprehension]) -> Option<Vec<Item>> {
        let [generator] = generators else { return None };
        let mut found = Vec::new();
        for member in self.value(&generator.iter)?.members()? {
            self.assign(&generator.target, member)?;
            let mut holds = true;
            for condition in &generator.ifs {
                holds &= self.value(condition)?.truth()?;
            }
            if holds {
                found.push(self.value(element)?);
            }
        }
        Some(found)
    }

    fn call(&mut self, call: &'a ast::ExprCall) -> Option<Item> {
        let arguments = self.values(&call.arguments.args)?;
        match &*call.func {
            Expr::Attribute(attribute) => {
                let receiver = self.value(&attribute.value)?;
                Some(methods::method(&receiver, attribute.attr.as_str(), &arguments))
            }
            Expr::Name(name) if !self.names.contains_key(name.id.as_str()) => {
                Some(methods::function(name.id.as_str(), &arguments))
            }
            _ => Some(Item::Opaque),
        }
    }
}

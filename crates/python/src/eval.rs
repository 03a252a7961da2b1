//! A small pure part of Python, evaluated over the syntax tree: enough to see the source that a wrapper executes.
//!
//! The part holds literals, names, slices, text methods, codecs, files of the folder, and functions of the script.
//! Nothing is executed: an expression outside that part has no value, and the error says why.

mod bodies;
mod functions;
mod statements;

use std::collections::HashMap;
use std::rc::Rc;

use super::calls;
use super::constant::{self, Constant, Limit, Slice};
use super::decode::Budget;
use super::module::ast::{self, Expr, Stmt};
use super::module::{Module, Problem};
use super::value::{Data, Evaluated, Value};

/// Statements and expressions that are evaluated at most; a wrapper has a dozen.
const MAX_STEPS: usize = 200_000;
/// Depth of expressions and calls.
const MAX_DEPTH: usize = 48;

/// Files beside the script. What lies outside the folder is not there.
pub trait Siblings {
    /// Reads the file of this name.
    ///
    /// # Errors
    /// When the folder holds none, or it cannot be read.
    fn read(&self, name: &str) -> Result<Vec<u8>, String>;
}

/// A source that the script hands to the interpreter.
#[derive(Debug)]
pub struct Execution {
    pub line: u64,
    pub source: Data,
    /// Text, in which a coding line means nothing, and not bytes.
    pub is_text: bool,
}

/// Walks a module.
pub struct Evaluator<'a, 'b> {
    module: &'a Module,
    /// The script's file name: the value of `__file__`.
    pub file: &'b str,
    pub siblings: &'b dyn Siblings,
    pub budget: &'b mut Budget,
    scopes: Vec<HashMap<&'a str, Value<'a>>>,
    steps: usize,
    depth: usize,
    /// Sources that are executed, in order.
    pub executions: Vec<Execution>,
    /// Executions whose source has no value.
    pub problems: Vec<Problem>,
    /// Places where a function that executes code is handed on; they count where no execution is seen.
    pub handed: Vec<Problem>,
    line: u64,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    /// An evaluator with empty scopes.
    pub fn new(module: &'a Module, file: &'b str, siblings: &'b dyn Siblings, budget: &'b mut Budget) -> Self {
        Evaluator {
            module,
            file,
            siblings,
            budget,
            scopes: vec![HashMap::new()],
            steps: 0,
            depth: 0,
            executions: Vec::new(),
            problems: Vec::new(),
            handed: Vec::new(),
            line: 1,
        }
    }

    /// Evaluates the whole module.
    pub fn run(&mut self) {
        let body = self.module.body();
        self.block(body);
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err("the script is too long to evaluate".to_owned()) } else { Ok(()) }
    }

    fn bind(&mut self, name: &'a str, value: Value<'a>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name, value);
        }
    }

    /// A name whose value is not known is unbound: an earlier value would be a wrong one.
    fn assign(&mut self, target: &'a Expr, value: &Evaluated<'a>) {
        match (target, value) {
            (Expr::Name(name), Ok(value)) => self.bind(name.id.as_str(), value.clone()),
            (Expr::Name(name), Err(reason)) => {
                let name = name.id.as_str();
                if let Some(scope) = self.scopes.last_mut() {
                    scope.insert(name, Value::Name(format!("? {reason}")));
                }
            }
            (Expr::Tuple(tuple), value) => {
                let items = match value {
                    Ok(Value::List(items)) if items.len() == tuple.elts.len() => items.to_vec(),
                    _ => Vec::new(),
                };
                for (index, target) in tuple.elts.iter().enumerate() {
                    let item = items.get(index).cloned().ok_or_else(|| "unpacking is not evaluated".to_owned());
                    self.assign(target, &item);
                }
            }
            _ => {}
        }
    }

    /// Evaluates one expression.
    ///
    /// # Errors
    /// When it is outside of the part that is evaluated; the reason names the expression.
    pub fn value(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        self.step()?;
        if self.depth >= MAX_DEPTH {
            return Err("nested too deep to evaluate".to_owned());
        }
        self.depth += 1;
        let value = self.evaluate(expr);
        self.depth -= 1;
        value
    }

    fn evaluate(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        if let Some(literal) = constant::literal(expr) {
            return match literal.map_err(|failure| failure.to_string())? {
                Constant::Text(text) => Ok(Value::Text(Data::new(text.as_bytes()))),
                Constant::Bytes(bytes) => Ok(Value::Bytes(Data::new(&*bytes))),
                scalar => Ok(Value::Scalar(scalar)),
            };
        }
        match expr {
            Expr::FString(text) => self.f_string(text),
            Expr::List(list) => self.list(&list.elts),
            Expr::Tuple(tuple) => self.list(&tuple.elts),
            Expr::Dict(dict) => {
                let mut items = Vec::with_capacity(dict.items.len());
                for item in &dict.items {
                    let key = item.key.as_ref().ok_or_else(|| "`**` is not evaluated".to_owned())?;
                    items.push((self.value(key)?, self.value(&item.value)?));
                }
                Ok(Value::Dict(Rc::new(items)))
            }
            Expr::Name(name) => self.name(name.id.as_str()),
            Expr::Attribute(attribute) => {
                let value = self.value(&attribute.value)?;
                calls::attribute(value, attribute.attr.as_str())
            }
            Expr::UnaryOp(unary) => calls::unary(unary.op, &self.value(&unary.operand)?),
            Expr::BinOp(_) => self.operator(expr),
            Expr::Subscript(subscript) => {
                let value = self.value(&subscript.value)?;
                self.subscript(value, &subscript.slice)
            }
            Expr::Named(named) => {
                let value = self.value(&named.value);
                self.assign(&named.target, &value);
                value
            }
            Expr::Lambda(lambda) => Ok(Value::Lambda(lambda)),
            Expr::Call(call) => self.call(call),
            Expr::If(branch) => {
                let _ = self.value(&branch.test);
                let (body, orelse) = (self.value(&branch.body), self.value(&branch.orelse));
                body.or(orelse)
            }
            Expr::ListComp(list) => self.comprehension(&list.elt, &list.generators),
            Expr::SetComp(set) => self.comprehension(&set.elt, &set.generators),
            Expr::Generator(generator) => self.comprehension(&generator.elt, &generator.generators),
            _ => {
                self.inside(expr);
                Err("an expression that is not evaluated".to_owned())
            }
        }
    }

    /// Evaluates an f-string of which every part is known.
    fn f_string(&mut self, text: &'a ast::ExprFString) -> Evaluated<'a> {
        let limit = Limit { bytes: self.budget.left(), members: 0 };
        let mut history = Data::default();
        let parts = constant::f_string(text, limit, &mut |element| {
            let value = self.value(&element.expression).ok()?;
            let (value, of_value) = calls::interpolated(self, &value)?;
            if !history.has_history() {
                history = of_value;
            }
            Some(value)
        });
        let whole = parts.into_iter().collect::<Option<String>>();
        let whole = whole.ok_or_else(|| "an f-string of something that is not known".to_owned())?;
        self.budget.take(whole.len())?;
        Ok(Value::Text(history.with(whole.into_bytes())))
    }

    fn list(&mut self, items: &'a [Expr]) -> Evaluated<'a> {
        let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::List(Rc::new(items)))
    }

    fn name(&self, name: &'a str) -> Evaluated<'a> {
        match self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            Some(Value::Name(full)) if full.starts_with("? ") => {
                Err(format!("`{name}` has no known value: {}", full.trim_start_matches("? ")))
            }
            Some(value) => Ok(value.clone()),
            None if name == "__file__" => Ok(Value::Path(self.file.to_owned())),
            None if name == "__doc__" => match self.module.body().first() {
                Some(Stmt::Expr(first)) => match &*first.value {
                    Expr::StringLiteral(literal) => Ok(Value::Text(Data::new(literal.value.to_str()))),
                    _ => Ok(Value::NONE),
                },
                _ => Ok(Value::NONE),
            },
            None => Ok(Value::Name(name.to_owned())),
        }
    }

    /// Chains of one operator are as long as a payload has lines: walked, not recursed into.
    fn operator(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        let mut rights = Vec::new();
        let mut left = expr;
        while let Expr::BinOp(binary) = left {
            rights.push((binary.op, &*binary.right));
            left = &binary.left;
        }
        let mut value = self.value(left)?;
        while let Some((op, right)) = rights.pop() {
            let is_tuple = matches!(right, Expr::Tuple(_));
            let right = self.value(right)?;
            value = calls::binary(self, op, value, right, is_tuple)?;
        }
        Ok(value)
    }

    fn subscript(&mut self, value: Value<'a>, index: &'a Expr) -> Evaluated<'a> {
        if let Expr::Slice(slice) = index {
            let mut bounds = [const { None }; 3];
            for (bound, expr) in bounds.iter_mut().zip([&slice.lower, &slice.upper, &slice.step]) {
                *bound = match expr.as_ref().map(|expr| self.value(expr)).transpose()? {
                    Some(Value::Scalar(constant)) => Some(constant),
                    None => None,
                    _ => return Err("a slice whose bounds are not known".to_owned()),
                };
            }
            let slice = Slice::of(bounds.each_ref().map(Option::as_ref)).map_err(|failure| failure.to_string())?;
            return calls::slice(self, value, slice);
        }
        let index = self.value(index)?;
        if let (Value::Name(full), Value::Text(key)) = (&value, &index)
            && full == "globals()"
            && let Some(own) = self.scopes.iter().rev().find_map(|scope| scope.get(&*key.text()))
        {
            return Ok(own.clone());
        }
        calls::item(self, value, &index)
    }
}

//! Calls: their arguments, and the script's own functions, classes and lambdas.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Evaluator, MAX_DEPTH, calls};
use crate::module::ast::{self, Expr, Stmt};
use crate::value::{Evaluated, Value};

impl<'a> Evaluator<'a, '_> {
    pub(super) fn call(&mut self, call: &'a ast::ExprCall) -> Evaluated<'a> {
        let function = self.value(&call.func);
        let mut arguments = calls::Arguments::default();
        for argument in &call.arguments.args {
            match argument {
                Expr::Starred(starred) => match self.value(&starred.value) {
                    Ok(Value::List(items)) => arguments.positional.extend(items.iter().cloned().map(Ok)),
                    _ => arguments.positional.push(Err("arguments that are not known".to_owned())),
                },
                _ => arguments.positional.push(self.value(argument)),
            }
        }
        for keyword in &call.arguments.keywords {
            if let Some(name) = &keyword.arg {
                let value = self.value(&keyword.value);
                arguments.named.push((name.as_str(), value));
            }
        }
        let line = self.module.line(call);
        if !matches!(function, Ok(Value::Function(_) | Value::Lambda(_) | Value::Class(_) | Value::Bound(..))) {
            calls::handed_over(self, &arguments, line);
        }
        self.apply(function?, arguments, line)
    }

    /// Calls a value.
    ///
    /// # Errors
    /// When the result of the call is not known.
    pub fn apply(&mut self, function: Value<'a>, mut arguments: calls::Arguments<'a>, line: u64) -> Evaluated<'a> {
        match function {
            Value::Bound(class, function) => {
                arguments.positional.insert(0, Ok(Value::Class(class)));
                self.apply(Value::Function(function), arguments, line)
            }
            // An instance has its class's attributes.
            Value::Class(class) => {
                if let Some(Value::Function(init)) = class.get("__init__") {
                    self.apply(Value::Bound(Rc::clone(&class), init), arguments, line)?;
                }
                Ok(Value::Class(class))
            }
            Value::Function(function) => self.user(&function.parameters, arguments, Body::Block(&function.body)),
            Value::Lambda(lambda) => match &lambda.parameters {
                Some(parameters) => self.user(parameters, arguments, Body::Expr(&lambda.body)),
                None => self.value(&lambda.body),
            },
            function => calls::call(self, function, arguments, line),
        }
    }

    /// Calls a function of the script itself, with its positional and named parameters.
    fn user(
        &mut self,
        parameters: &'a ast::Parameters,
        mut arguments: calls::Arguments<'a>,
        body: Body<'a>,
    ) -> Evaluated<'a> {
        if self.depth >= MAX_DEPTH {
            return Err("calls nested too deep to evaluate".to_owned());
        }
        let mut scope = HashMap::new();
        let mut positional = std::mem::take(&mut arguments.positional).into_iter();
        for parameter in parameters.posonlyargs.iter().chain(&parameters.args).chain(&parameters.kwonlyargs) {
            let name = parameter.parameter.name.as_str();
            let value = match (positional.next(), arguments.take(name), &parameter.default) {
                (Some(value), ..) | (None, Some(value), _) => value,
                (None, None, Some(default)) => self.value(default),
                (None, None, None) => Err("an argument is missing".to_owned()),
            };
            scope.insert(name, value.unwrap_or_else(|reason| Value::Name(format!("? {reason}"))));
        }
        self.scopes.push(scope);
        self.depth += 1;
        let value = match body {
            Body::Block(body) => Ok(self.block(body).unwrap_or(Value::NONE)),
            Body::Expr(expr) => self.value(expr),
        };
        self.depth -= 1;
        self.scopes.pop();
        value
    }
}

/// The code that a call runs.
enum Body<'a> {
    Block(&'a [Stmt]),
    Expr(&'a Expr),
}

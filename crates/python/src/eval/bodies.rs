//! Code that runs where it stands: the bodies of classes, decorators, comprehensions, and everything else that holds a
//! call.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Evaluator, MAX_DEPTH};
use crate::calls;
use crate::module::ast::visitor::{Visitor, walk_expr};
use crate::module::ast::{self, Expr};
use crate::value::{Evaluated, Value};

impl<'a> Evaluator<'a, '_> {
    /// Evaluates the body of a class, which runs where it stands; the names that it binds are the class's attributes.
    pub(super) fn class(&mut self, class: &'a ast::StmtClassDef) {
        if self.depth >= MAX_DEPTH {
            return;
        }
        self.depth += 1;
        self.scopes.push(HashMap::new());
        self.block(&class.body);
        let attributes = self.scopes.pop().unwrap_or_default();
        self.depth -= 1;
        let value = Value::Class(Rc::new(attributes));
        self.bind(class.name.as_str(), value.clone());
        self.decorated(&class.decorator_list, value);
    }

    /// Calls the decorators, the lowest first: `@exec` above a function of the source executes that.
    pub(super) fn decorated(&mut self, decorators: &'a [ast::Decorator], mut value: Value<'a>) {
        for decorator in decorators.iter().rev() {
            let Ok(function) = self.value(&decorator.expression) else { return };
            let line = self.module.line(decorator);
            let arguments = calls::Arguments { positional: vec![Ok(value)], ..calls::Arguments::default() };
            match self.apply(function, arguments, line) {
                Ok(returned) => value = returned,
                Err(_) => return,
            }
        }
    }

    /// Evaluates `[f(x) for x in items]`; a condition or a second loop leaves its items unknown, and is looked through
    /// once.
    pub(super) fn comprehension(&mut self, element: &'a Expr, generators: &'a [ast::Comprehension]) -> Evaluated<'a> {
        let (Some(first), plain) = (generators.first(), generators.len() == 1) else {
            return Err("a comprehension without a loop".to_owned());
        };
        let items = match self.value(&first.iter) {
            Ok(Value::List(items)) if plain && first.ifs.is_empty() => items,
            _ => {
                for generator in generators {
                    self.assign(&generator.target, &Err("an item of something that is not known".to_owned()));
                    generator.ifs.iter().for_each(|test| drop(self.value(test)));
                }
                let _ = self.value(element);
                return Err("a comprehension over something that is not known".to_owned());
            }
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items.iter() {
            self.step()?;
            self.assign(&first.target, &Ok(item.clone()));
            values.push(self.value(element)?);
        }
        Ok(Value::List(Rc::new(values)))
    }

    /// Evaluates the parts of an expression that has no value here, to see the sources that they execute.
    pub(super) fn inside(&mut self, expr: &'a Expr) {
        struct Children<'a>(Vec<&'a Expr>);
        impl<'a> Visitor<'a> for Children<'a> {
            fn visit_expr(&mut self, expr: &'a Expr) {
                self.0.push(expr);
            }
        }
        let mut children = Children(Vec::new());
        walk_expr(&mut children, expr);
        for child in children.0 {
            let _ = self.value(child);
        }
    }
}

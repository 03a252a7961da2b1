//! Classes of the script: instances, methods, attributes.

use std::rc::Rc;

use super::super::taint::{Flags, TaintId};
use super::super::value::{ClassId, Kind, Object, ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use super::calls::{PARAMETERS, POSITIONS};
use caddie_python::ast::{self, Expr};

impl<'a> Machine<'a, '_> {
    pub(super) fn instantiate(&mut self, class: ClassId, arguments: Arguments<'a>) -> Value<'a> {
        let optimizer = self.classes.has_base(class, "Optimizer");
        let role = if optimizer { ObjectRole::Optimizer } else { ObjectRole::Instance };
        let value = self.allocate(Object { class: Some(class), ..Object::new(role) });
        let Some(id) = value.object() else { return value };
        if optimizer {
            self.own_parameters(id, arguments.get(0, "params"));
        }
        match self.classes.method(class, "__init__") {
            Some(init) => {
                self.user(init, Some(id), arguments);
            }
            None => {
                self.fields(id, class, arguments);
                if let Some(after) = self.classes.method(class, "__post_init__") {
                    self.user(after, Some(id), Arguments::default());
                }
            }
        }
        value
    }

    /// A dataclass or named tuple: fields in order of their annotations.
    fn fields(&mut self, id: ObjectId, class: ClassId, arguments: Arguments<'a>) {
        let Some(class) = self.classes.get(class) else { return };
        let names = class.definition.body.iter().filter_map(|stmt| match stmt {
            ast::Stmt::AnnAssign(field) => match &*field.target {
                Expr::Name(name) => Some(name.id.as_str()),
                _ => None,
            },
            _ => None,
        });
        let names: Vec<&'a str> = names.collect();
        let fields: Vec<(&str, Value<'a>)> =
            names.into_iter().zip(arguments.positional).chain(arguments.named).collect();
        for (name, value) in fields {
            self.memory.heap.get_mut(id).attributes.insert(name.into(), value);
        }
    }

    /// Notes the parameters that an optimizer changes.
    pub(super) fn own_parameters(&mut self, id: ObjectId, parameters: Option<&Value<'a>>) {
        let Some(parameters) = parameters else { return };
        let objects = self.memory.objects_of(parameters, &self.taints);
        let taint = self.taints.change(TaintId::NONE, |taint| taint.objects = objects);
        let before = self.memory.heap.get(id).attributes.get(PARAMETERS).map_or(TaintId::NONE, |value| value.taint);
        let taint = self.taints.union(before, taint);
        self.memory.heap.get_mut(id).attributes.insert(PARAMETERS.into(), Value::unknown(taint));
    }

    /// `holder.name`.
    pub(super) fn attribute(&mut self, holder: &Value<'a>, name: &'a str) -> Value<'a> {
        match &holder.kind {
            Kind::Library(full) => {
                let full = self.libraries.within(full, name);
                Value { kind: Kind::Library(full), taint: holder.taint }
            }
            Kind::Class(class) => match self.classes.attribute(*class, name) {
                Some(Value { kind: Kind::Function(function), .. }) if self.is_decorated(function, "classmethod") => {
                    Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint: holder.taint }
                }
                Some(value) => value.clone(),
                None => Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint: holder.taint },
            },
            Kind::Object(id) => self.attribute_of(*id, holder, name),
            _ if POSITIONS.contains(&name) => {
                let taint = self.taint(holder);
                Value::unknown(self.as_length(taint))
            }
            _ => {
                let taint = if name == "grad" {
                    let taint = self.memory.gradients;
                    self.taints.with(taint, Flags::GRADIENT)
                } else {
                    holder.taint
                };
                Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint }
            }
        }
    }

    fn is_decorated(&self, function: &ast::StmtFunctionDef, decorator: &str) -> bool {
        function.decorator_list.iter().any(|found| self.module.text(&found.expression) == decorator)
    }

    fn attribute_of(&mut self, id: ObjectId, holder: &Value<'a>, name: &'a str) -> Value<'a> {
        let object = self.memory.heap.get(id);
        let (class, updates) = (object.class, object.updates);
        let found = object.attributes.get(name).cloned();
        let is_module = class.is_some_and(|class| self.classes.is_module(class));
        if let Some(mut value) = found {
            value.taint = self.taints.union(value.taint, updates);
            if is_module && !matches!(value.kind, Kind::Object(_)) {
                value.taint = self.taints.of_object(value.taint, id.0);
            }
            return value;
        }
        let of_class = class.and_then(|class| self.classes.attribute(class, name)).cloned();
        match of_class {
            Some(Value { kind: Kind::Function(function), taint }) => {
                let is = |decorator: &str| self.is_decorated(function, decorator);
                if let (true, Some(class)) = (is("classmethod"), class) {
                    let class = Value { kind: Kind::Class(class), taint };
                    return Value { kind: Kind::Method(Rc::new(class), name), taint };
                }
                if is("property") {
                    return self.user(function, Some(id), Arguments::default());
                }
                if is("staticmethod") {
                    return Value { kind: Kind::Function(function), taint };
                }
                Value { kind: Kind::Bound(function, id), taint }
            }
            Some(value) => value,
            None if POSITIONS.contains(&name) => {
                let taint = self.taint(holder);
                Value::unknown(self.as_length(taint))
            }
            None => {
                let taint = self.taint(holder);
                let taint = if name == "grad" {
                    self.taints.with(self.memory.gradients, Flags::GRADIENT)
                } else {
                    self.taints.of_object(taint, id.0)
                };
                Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint }
            }
        }
    }
}

//! Classes of the script: instances, methods, attributes.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::super::taint::{Flags, TaintId};
use super::super::value::{ClassId, Kind, Object, ObjectId, Role, Value};
use super::calls::{Arguments, PARAMETERS, POSITIONS};
use super::{Class, Machine};
use caddie_python::ast::{self, Expr};

/// Bytes of the full name of something in a library.
const MAX_NAME: usize = 256;

impl<'a> Machine<'a, '_> {
    pub(super) fn instantiate(&mut self, class: ClassId, arguments: Arguments<'a>) -> Value<'a> {
        let optimizer = self.has_base(class, "Optimizer");
        let role = if optimizer { Role::Optimizer } else { Role::Instance };
        let value = self.allocate(Object { class: Some(class), ..Object::new(role) });
        let Some(id) = value.object() else { return value };
        if optimizer {
            self.own_parameters(id, arguments.get(0, "params"));
        }
        match self.method_of(class, "__init__") {
            Some(init) => {
                self.user(init, Some(id), arguments);
            }
            None => {
                self.fields(id, class, arguments);
                if let Some(after) = self.method_of(class, "__post_init__") {
                    self.user(after, Some(id), Arguments::default());
                }
            }
        }
        value
    }

    /// A dataclass or named tuple: fields in order of their annotations.
    fn fields(&mut self, id: ObjectId, class: ClassId, arguments: Arguments<'a>) {
        let Some(class) = self.classes.get(class.0 as usize) else { return };
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
            self.heap.get_mut(id).attributes.insert(name.into(), value);
        }
    }

    /// What an optimiser changes.
    pub(super) fn own_parameters(&mut self, id: ObjectId, parameters: Option<&Value<'a>>) {
        let Some(parameters) = parameters else { return };
        let objects = self.objects_of(parameters);
        let taint = self.taints.change(TaintId::NONE, |taint| taint.objects = objects);
        let before = self.heap.get(id).attributes.get(PARAMETERS).map_or(TaintId::NONE, |value| value.taint);
        let taint = self.taints.union(before, taint);
        self.heap.get_mut(id).attributes.insert(PARAMETERS.into(), Value::unknown(taint));
    }

    /// A method of a class of the script or of its bases.
    pub(super) fn method_of(&self, class: ClassId, name: &str) -> Option<&'a ast::StmtFunctionDef> {
        match self.class_attribute(class, name, 0)?.kind {
            Kind::Function(function) => Some(function),
            _ => None,
        }
    }

    pub(super) fn class_attribute(&self, class: ClassId, name: &str, depth: usize) -> Option<&Value<'a>> {
        let class = self.classes.get(class.0 as usize)?;
        class.attributes.get(name).or_else(|| {
            let bases = class.bases.iter().filter_map(|base| match base.kind {
                Kind::Class(id) if depth < 8 => Some(id),
                _ => None,
            });
            bases.into_iter().find_map(|base| self.class_attribute(base, name, depth + 1))
        })
    }

    /// Whether everything that its instances have is written in the script: it has no base.
    pub(super) fn is_plain(&self, class: ClassId) -> bool {
        self.classes.get(class.0 as usize).is_some_and(|class| class.bases.is_empty())
    }

    /// Whether a base of the class, of whatever library, has this last name.
    pub(super) fn has_base(&self, class: ClassId, last: &str) -> bool {
        self.has_base_within(class, last, 0)
    }

    fn has_base_within(&self, class: ClassId, last: &str, depth: usize) -> bool {
        let Some(class) = self.classes.get(class.0 as usize) else { return false };
        class.bases.iter().any(|base| match &base.kind {
            Kind::Library(name) => name.rsplit('.').next() == Some(last),
            Kind::Class(id) => depth < 8 && self.has_base_within(*id, last, depth + 1),
            _ => false,
        })
    }

    /// Whether the class is a `torch.nn.Module`, a layer of it included.
    pub(super) fn is_module(&self, class: ClassId) -> bool {
        self.classes.get(class.0 as usize).is_some_and(|class| class.is_module)
    }

    /// Adds a class of the script.
    pub(super) fn add_class(
        &mut self,
        definition: &'a ast::StmtClassDef,
        bases: Vec<Value<'a>>,
        attributes: FxHashMap<&'a str, Value<'a>>,
    ) -> ClassId {
        let id = ClassId(u32::try_from(self.classes.len()).unwrap_or(u32::MAX));
        self.classes.push(Class { definition, bases, attributes, is_module: false });
        let layers = ["Module", "Linear", "Embedding", "RMSNorm", "LayerNorm"];
        let is_module = layers.iter().any(|base| self.has_base(id, base));
        if let Some(class) = self.classes.last_mut() {
            class.is_module = is_module;
        }
        id
    }

    /// `holder.name`.
    pub(super) fn attribute(&mut self, holder: &Value<'a>, name: &'a str) -> Value<'a> {
        match &holder.kind {
            Kind::Library(full) => {
                let full = self.within_library(full, name);
                Value { kind: Kind::Library(full), taint: holder.taint }
            }
            Kind::Class(class) => match self.class_attribute(*class, name, 0) {
                Some(Value { kind: Kind::Function(function), .. }) if self.is_decorated(function, "classmethod") => {
                    Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint: holder.taint }
                }
                Some(value) => value.clone(),
                None => Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint: holder.taint },
            },
            Kind::Object(id) => self.attribute_of(*id, holder, name),
            _ if POSITIONS.contains(&name) => {
                let taint = self.taint(holder);
                Value::unknown(self.as_position(taint))
            }
            _ => {
                let taint = if name == "grad" {
                    let taint = self.gradients;
                    self.taints.with(taint, Flags::GRADIENT)
                } else {
                    holder.taint
                };
                Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint }
            }
        }
    }

    /// `torch.nn` of `torch` and `nn`.
    fn within_library(&mut self, full: &Rc<str>, name: &'a str) -> Rc<str> {
        // Nothing in a library lies deeper; attributes of attributes would grow for ever.
        if full.len() > MAX_NAME {
            return full.clone();
        }
        let known = self.libraries.entry((full.clone(), name));
        known.or_insert_with(|| format!("{full}.{name}").into()).clone()
    }

    fn is_decorated(&self, function: &ast::StmtFunctionDef, decorator: &str) -> bool {
        function.decorator_list.iter().any(|found| self.module.text(&found.expression) == decorator)
    }

    fn attribute_of(&mut self, id: ObjectId, holder: &Value<'a>, name: &'a str) -> Value<'a> {
        let object = self.heap.get(id);
        let (class, updates) = (object.class, object.updates);
        let found = object.attributes.get(name).cloned();
        let is_module = class.is_some_and(|class| self.is_module(class));
        if let Some(mut value) = found {
            value.taint = self.taints.union(value.taint, updates);
            if is_module && !matches!(value.kind, Kind::Object(_)) {
                value.taint = self.taints.of_object(value.taint, id.0);
            }
            return value;
        }
        let of_class = class.and_then(|class| self.class_attribute(class, name, 0)).cloned();
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
                Value::unknown(self.as_position(taint))
            }
            None => {
                let taint = self.taint(holder);
                let taint = if name == "grad" {
                    self.taints.with(self.gradients, Flags::GRADIENT)
                } else {
                    self.taints.of_object(taint, id.0)
                };
                Value { kind: Kind::Method(Rc::new(holder.clone()), name), taint }
            }
        }
    }
}

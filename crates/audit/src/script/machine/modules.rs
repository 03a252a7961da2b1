//! Modules that lie beside the script: followed where they are imported, with names of their own.

use std::rc::Rc;

use super::super::taint::TaintId;
use super::super::value::{Kind, Role, Value};
use super::names::Names;
use super::{Call, Machine};

impl<'a> Machine<'a, '_> {
    /// A name at the top level of a module, by the module's number.
    pub(super) fn global(&self, home: usize, name: &str) -> Option<&Value<'a>> {
        match self.calls.iter().find(|call| call.top_of == Some(home)) {
            Some(top) => top.names.get(name),
            None => self.homes.get(&home)?.get(name),
        }
    }

    /// The names at the top level of a module.
    pub(super) fn top_names(&mut self, home: usize) -> &mut Names<'a> {
        match self.calls.iter().position(|call| call.top_of == Some(home)) {
            Some(index) => &mut self.calls[index].names,
            None => self.homes.entry(home).or_default(),
        }
    }

    /// Follows the module of this name where it lies beside the script and was not followed before; its number.
    fn load(&mut self, name: &str) -> Option<usize> {
        let module = self.module;
        let home = module.neighbour(name)?;
        let loading = self.calls.iter().any(|call| call.top_of == Some(home));
        if loading || self.homes.contains_key(&home) {
            return Some(home);
        }
        let names = [("__name__", Value::of(Kind::text(name)))].into_iter().collect();
        self.calls.push(Call::top_of(home, names));
        let line = self.line;
        self.block(module.bodies().nth(home)?);
        self.line = line;
        let names = self.calls.pop().map(|call| call.names).unwrap_or_default();
        self.homes.insert(home, names);
        Some(home)
    }

    /// `import name`, where it lies beside the script: an object with the names of its top level.
    pub(super) fn neighbour(&mut self, name: &str) -> Option<Value<'a>> {
        let home = self.load(name)?;
        let object = self.new_object(Role::Other, TaintId::NONE);
        let names: Vec<(Rc<str>, Value<'a>)> =
            self.top_names(home).iter().map(|(name, value)| (name.into(), value.clone())).collect();
        self.keep(names.len());
        if let Some(id) = object.object() {
            self.heap.get_mut(id).attributes.extend(names);
        }
        Some(object)
    }

    /// `from module import name`, where the module lies beside the script; `*`: every public name.
    pub(super) fn bind_from(&mut self, module: &str, name: &'a str, bound: &'a str) -> bool {
        let Some(home) = self.load(module) else { return false };
        if name == "*" {
            let names = self.top_names(home).iter().filter(|(name, _)| !name.starts_with('_'));
            let names: Vec<(&'a str, Value<'a>)> = names.map(|(name, value)| (name, value.clone())).collect();
            self.keep(names.len());
            for (name, value) in names {
                self.bind(name, value);
            }
            return true;
        }
        let Some(value) = self.global(home, name).cloned() else { return false };
        self.bind(bound, value);
        true
    }
}

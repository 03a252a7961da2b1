//! Modules that lie beside the script: followed where they are imported, with names of their own.

use std::rc::Rc;

use super::super::taint::TaintId;
use super::super::value::{ObjectRole, Value};
use super::Machine;

impl<'a> Machine<'a, '_> {
    /// Follows the module of this name where it lies beside the script and was not followed before; its number.
    fn load(&mut self, name: &str) -> Option<usize> {
        let module = self.module;
        let home = module.neighbor(name)?;
        if self.scopes.knows_module(home) {
            return Some(home);
        }
        self.scopes.enter_module(home, name);
        let line = self.events.line;
        self.block(module.bodies().nth(home)?);
        self.events.line = line;
        self.scopes.leave_module(home);
        Some(home)
    }

    /// `import name`, where it lies beside the script: an object with the names of its top level.
    pub(super) fn neighbor(&mut self, name: &str) -> Option<Value<'a>> {
        let home = self.load(name)?;
        let object = self.new_object(ObjectRole::Other, TaintId::NONE);
        let names: Vec<(Rc<str>, Value<'a>)> =
            self.scopes.top_names(home).iter().map(|(name, value)| (name.into(), value.clone())).collect();
        self.budget.keep(names.len());
        if let Some(id) = object.object() {
            self.memory.heap.get_mut(id).attributes.extend(names);
        }
        Some(object)
    }

    /// `from module import name`, where the module lies beside the script; `*`: every public name.
    pub(super) fn bind_from(&mut self, module: &str, name: &'a str, bound: &'a str) -> bool {
        let Some(home) = self.load(module) else { return false };
        if name == "*" {
            let names = self.scopes.top_names(home).iter().filter(|(name, _)| !name.starts_with('_'));
            let names: Vec<(&'a str, Value<'a>)> = names.map(|(name, value)| (name, value.clone())).collect();
            self.budget.keep(names.len());
            for (name, value) in names {
                self.scopes.bind(name, value);
            }
            return true;
        }
        let Some(value) = self.scopes.global(home, name).cloned() else { return false };
        self.scopes.bind(bound, value);
        true
    }
}

//! The classes of the script, with their bases and attributes.

use caddie_python::ast;
use rustc_hash::FxHashMap;

use crate::script::value::{ClassId, Kind, Value};

/// Bases of bases that are looked through.
const MAX_BASES: usize = 8;

/// A class of the script.
#[derive(Debug)]
pub(in super::super) struct Class<'a> {
    pub definition: &'a ast::StmtClassDef,
    bases: Vec<Value<'a>>,
    attributes: FxHashMap<&'a str, Value<'a>>,
    /// True for a `torch.nn.Module`, a layer of it included.
    is_module: bool,
}

/// Every class, by id.
#[derive(Debug, Default)]
pub(in super::super) struct Classes<'a>(Vec<Class<'a>>);

impl<'a> Classes<'a> {
    /// Adds a class.
    pub fn add(
        &mut self,
        definition: &'a ast::StmtClassDef,
        bases: Vec<Value<'a>>,
        attributes: FxHashMap<&'a str, Value<'a>>,
    ) -> ClassId {
        let id = ClassId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(Class { definition, bases, attributes, is_module: false });
        let layers = ["Module", "Linear", "Embedding", "RMSNorm", "LayerNorm"];
        let is_module = layers.iter().any(|base| self.has_base(id, base));
        if let Some(class) = self.0.last_mut() {
            class.is_module = is_module;
        }
        id
    }

    /// The class of this id.
    pub fn get(&self, id: ClassId) -> Option<&Class<'a>> {
        self.0.get(id.0 as usize)
    }

    /// `Class.name = value`
    pub fn set_attribute(&mut self, id: ClassId, name: &'a str, value: Value<'a>) {
        if let Some(class) = self.0.get_mut(id.0 as usize) {
            class.attributes.insert(name, value);
        }
    }

    /// An attribute of the class or of one of its bases.
    pub fn attribute(&self, id: ClassId, name: &str) -> Option<&Value<'a>> {
        self.attribute_within(id, name, 0)
    }

    fn attribute_within(&self, id: ClassId, name: &str, depth: usize) -> Option<&Value<'a>> {
        let class = self.get(id)?;
        class.attributes.get(name).or_else(|| {
            let bases = class.bases.iter().filter_map(|base| match base.kind {
                Kind::Class(id) if depth < MAX_BASES => Some(id),
                _ => None,
            });
            bases.into_iter().find_map(|base| self.attribute_within(base, name, depth + 1))
        })
    }

    /// A method of the class or of one of its bases.
    pub fn method(&self, id: ClassId, name: &str) -> Option<&'a ast::StmtFunctionDef> {
        match self.attribute(id, name)?.kind {
            Kind::Function(function) => Some(function),
            _ => None,
        }
    }

    /// Tells whether the script itself writes everything that its instances have: it has no base.
    pub fn is_plain(&self, id: ClassId) -> bool {
        self.get(id).is_some_and(|class| class.bases.is_empty())
    }

    /// Tells whether the class is a `torch.nn.Module`, a layer of it included.
    pub fn is_module(&self, id: ClassId) -> bool {
        self.get(id).is_some_and(|class| class.is_module)
    }

    /// Tells whether a base of the class, of whatever library, has this last name.
    pub fn has_base(&self, id: ClassId, last: &str) -> bool {
        self.has_base_within(id, last, 0)
    }

    fn has_base_within(&self, id: ClassId, last: &str, depth: usize) -> bool {
        let Some(class) = self.get(id) else { return false };
        class.bases.iter().any(|base| match &base.kind {
            Kind::Library(name) => name.rsplit('.').next() == Some(last),
            Kind::Class(id) => depth < MAX_BASES && self.has_base_within(*id, last, depth + 1),
            _ => false,
        })
    }
}

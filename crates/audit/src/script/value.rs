//! Abstract values: constants where they are known, objects with identity where they can be changed, and the origin of
//! everything.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::taint::{Stamp, TaintId};
use caddie_python::ast;

/// An object of the [`Heap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

/// A class of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClassId(pub u32);

/// The kind of a value.
#[derive(Debug, Clone)]
pub enum Kind<'a> {
    Unknown,
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Text; [`HOLE`] stands for a part that is not known.
    Text(Rc<str>),
    Tuple(Rc<[Value<'a>]>),
    /// `range(start, …)` with so many members, where that is known.
    Range {
        start: Option<i64>,
        len: Option<u64>,
    },
    Object(ObjectId),
    Class(ClassId),
    Function(&'a ast::StmtFunctionDef),
    Lambda(&'a ast::ExprLambda),
    /// A function of the script, of an object.
    Bound(&'a ast::StmtFunctionDef, ObjectId),
    /// Something imported or built in, by its full name.
    Library(Rc<str>),
    /// A method of a value that no class of the script defines.
    Method(Rc<Value<'a>>, &'a str),
}

/// Bytes of a text that are kept: paths, names and lines of a log are shorter.
pub const MAX_TEXT: usize = 4096;

impl Kind<'_> {
    /// Makes a text; the part beyond [`MAX_TEXT`] is not known, so that texts made of themselves do not grow for ever.
    pub fn text(text: &str) -> Kind<'static> {
        if text.len() <= MAX_TEXT {
            return Kind::Text(text.into());
        }
        let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        Kind::Text(format!("{}{HOLE}", &text[..end]).into())
    }
}

/// Stands for an unknown part of a text.
pub const HOLE: char = '\u{fffc}';

/// A value with its origin.
#[derive(Debug, Clone)]
pub struct Value<'a> {
    pub kind: Kind<'a>,
    pub taint: TaintId,
}

impl<'a> Value<'a> {
    /// Makes a value of which nothing but its origin is known.
    pub fn unknown(taint: TaintId) -> Value<'a> {
        Value { kind: Kind::Unknown, taint }
    }

    /// A constant of the script itself.
    pub fn of(kind: Kind<'a>) -> Value<'a> {
        Value { kind, taint: TaintId::NONE }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The object, where it is one.
    pub fn object(&self) -> Option<ObjectId> {
        match self.kind {
            Kind::Object(id) => Some(id),
            _ => None,
        }
    }

    /// The number, where it is a known one.
    pub fn number(&self) -> Option<f64> {
        match self.kind {
            Kind::Int(int) => Some(int as f64),
            Kind::Float(float) => Some(float),
            Kind::Bool(truth) => Some(f64::from(u8::from(truth))),
            _ => None,
        }
    }

    /// Returns the truth that Python gives the value, where that is known.
    pub fn truth(&self) -> Option<bool> {
        match &self.kind {
            Kind::None => Some(false),
            Kind::Bool(truth) => Some(*truth),
            Kind::Int(int) => Some(*int != 0),
            Kind::Float(float) => Some(*float != 0.0),
            Kind::Text(text) if !text.contains(HOLE) => Some(!text.is_empty()),
            Kind::Tuple(items) => Some(!items.is_empty()),
            Kind::Class(_) | Kind::Function(_) | Kind::Lambda(_) | Kind::Bound(..) => Some(true),
            _ => None,
        }
    }
}

/// The kind of an object, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectRole {
    /// An instance of a class of the script.
    Instance,
    List,
    Dict,
    /// A tensor or array that was allocated: it can be written into.
    Tensor,
    /// A class or layer of `torch.nn`.
    Module,
    Optimizer,
    File,
    Other,
}

/// Something that can be changed in place.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    pub role: ObjectRole,
    pub class: Option<ClassId>,
    pub attributes: FxHashMap<Rc<str>, Value<'a>>,
    /// The members of a list, while they are known one by one.
    pub items: Option<Vec<Value<'a>>>,
    /// The value that stands for any member.
    pub element: Option<Value<'a>>,
    /// The origin of everything that went into it.
    pub content: TaintId,
    /// Updates that reached its parameters.
    pub updates: TaintId,
    /// The iteration of the innermost loop in which it was made.
    pub born: Option<Stamp>,
    /// True when it is an attribute of a model.
    pub of_model: bool,
}

impl<'a> Object<'a> {
    /// An empty object.
    pub fn new(role: ObjectRole) -> Object<'a> {
        Object {
            role,
            class: None,
            attributes: FxHashMap::default(),
            items: None,
            element: None,
            content: TaintId::NONE,
            updates: TaintId::NONE,
            born: None,
            of_model: false,
        }
    }
}

/// Every object, by id.
#[derive(Debug, Default)]
pub struct Heap<'a>(Vec<Object<'a>>);

impl<'a> Heap<'a> {
    /// Adds an object.
    pub fn add(&mut self, object: Object<'a>) -> ObjectId {
        self.0.push(object);
        ObjectId(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    /// The object.
    pub fn get(&self, id: ObjectId) -> &Object<'a> {
        &self.0[id.0 as usize]
    }

    /// The object, to change it.
    pub fn get_mut(&mut self, id: ObjectId) -> &mut Object<'a> {
        &mut self.0[id.0 as usize]
    }

    /// Returns the number of objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

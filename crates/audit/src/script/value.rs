//! Abstract values: constants where they are known, objects with identity where they can be changed, and the origin of
//! everything.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::taint::{Stamp, TaintId};
use caddie_python::ast;
use caddie_python::constant::{Constant, Limit};

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

/// The size of what is computed of constants; a longer text is cut afterwards.
pub const LIMIT: Limit = Limit { bytes: 4 * MAX_TEXT, members: 4096 };

/// Members of tuples within tuples that are looked through for one operation.
const MAX_KNOWN: usize = 256;

impl<'a> Kind<'a> {
    /// Returns the value as a constant, where the whole of it is known and cannot be changed.
    pub fn constant(&self) -> Option<Constant> {
        let mut left = MAX_KNOWN;
        self.lowered(&mut left)
    }

    /// `left` counts down the members of tuples within tuples.
    fn lowered(&self, left: &mut usize) -> Option<Constant> {
        *left = left.checked_sub(1)?;
        Some(match self {
            Kind::None => Constant::None,
            Kind::Bool(truth) => Constant::Bool(*truth),
            Kind::Int(int) => Constant::Int(*int),
            Kind::Float(float) => Constant::Float(*float),
            Kind::Text(text) if !text.contains(HOLE) => Constant::Text(text.clone()),
            Kind::Tuple(items) => {
                Constant::Tuple(items.iter().map(|item| item.kind.lowered(left)).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// Returns the kind of a number, a truth, a text or `None`; containers have members with origins.
    pub fn of_scalar(constant: Constant) -> Option<Kind<'a>> {
        Some(match constant {
            Constant::None => Kind::None,
            Constant::Bool(truth) => Kind::Bool(truth),
            Constant::Int(int) => Kind::Int(int),
            Constant::Float(float) => Kind::Float(float),
            Constant::Text(text) => Kind::text(&text),
            Constant::Bytes(_) | Constant::Tuple(_) | Constant::List(_) | Constant::Dict(_) => return None,
        })
    }

    /// Makes a text; the part beyond [`MAX_TEXT`] is not known, so that texts made of themselves do not grow for ever.
    pub fn text(text: &str) -> Kind<'a> {
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
            Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => self.kind.constant()?.number(),
            _ => None,
        }
    }

    /// Returns the truth that Python gives the value, where that is known.
    pub fn truth(&self) -> Option<bool> {
        match &self.kind {
            Kind::Tuple(items) => Some(!items.is_empty()),
            Kind::Class(_) | Kind::Function(_) | Kind::Lambda(_) | Kind::Bound(..) => Some(true),
            kind => kind.constant().map(|constant| constant.truth()),
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

//! Operators, functions and methods that tables of bytes are made with. What is known in whole is computed by
//! [`caddie_python::constant`]; here stand lists whose members need not be known, the tokenizer, and libraries that make
//! arrays.

use super::value::{Item, LIMIT};
use super::{PIECES, Sort};
use caddie_python::ast::{CmpOp, Operator};
use caddie_python::constant::{self, Constant, Failure, Given, Slice};

/// A result; what Python refuses, or is not evaluated, is not known.
fn item(computed: Result<Constant, Failure>) -> Item {
    computed.map_or(Item::Opaque, Item::from)
}

fn constants(items: &[Item]) -> Option<Vec<Constant>> {
    items.iter().map(Item::constant).collect()
}

/// `left op right`.
pub(super) fn operator(op: Operator, left: &Item, right: &Item) -> Item {
    match (op, left, right) {
        // The members of a list that is repeated need not be known.
        (Operator::Mult, Item::List(items), count) | (Operator::Mult, count, Item::List(items)) => {
            let items = items.borrow();
            let count = count.int().and_then(|count| usize::try_from(count.max(0)).ok());
            match count.and_then(|count| count.checked_mul(items.len())).filter(|len| *len <= LIMIT.members) {
                Some(len) => Item::list(items.iter().cycle().take(len).cloned().collect()),
                None => Item::Opaque,
            }
        }
        _ => match left.constant().zip(right.constant()) {
            Some((left, right)) => item(constant::binary(op, &left, &right, LIMIT)),
            None => Item::Opaque,
        },
    }
}

/// `left op right`, or a chain of such.
pub(super) fn compare(ops: &[CmpOp], mut left: Item, rights: &[Item]) -> Item {
    for (op, right) in ops.iter().zip(rights) {
        let known = left.constant().zip(right.constant());
        match known.and_then(|(left, right)| constant::compare(*op, &left, &right).ok()) {
            Some(true) => left = right.clone(),
            Some(false) => return Item::truths(false),
            None => return Item::Opaque,
        }
    }
    Item::truths(true)
}

/// `holder[slice]`.
pub(super) fn slice(holder: &Item, slice: Slice) -> Item {
    match holder {
        Item::Opaque => Item::Opaque,
        Item::Known(constant) => item(slice.of_constant(constant)),
        Item::List(items) => slice.part(&items.borrow()).map_or(Item::Opaque, Item::list),
        Item::Tuple(items) => slice.part(items).map_or(Item::Opaque, |part| Item::Tuple(part.into())),
    }
}

/// A built-in function.
pub(super) fn function(name: &str, arguments: &[Item]) -> Item {
    let size = |len: usize| i64::try_from(len).map_or(Item::Opaque, Item::integer);
    match (name, arguments) {
        ("len", [Item::Opaque]) => size(PIECES.len()),
        ("len", [value]) => value.len().map_or(Item::Opaque, size),
        ("list", [value]) => value.members().map_or(Item::Opaque, Item::list),
        ("tuple", [value]) => value.members().map_or(Item::Opaque, |members| Item::Tuple(members.into())),
        ("enumerate", [value]) => value.members().map_or(Item::Opaque, |members| {
            let pairs = members.into_iter().zip(0..);
            Item::list(pairs.map(|(item, at)| Item::Tuple([Item::integer(at), item].into())).collect())
        }),
        _ => match constants(arguments) {
            Some(positional) => item(constant::builtin(name, &Given::positional(positional), LIMIT)),
            None => Item::Opaque,
        },
    }
}

/// `receiver.name(arguments)`. What is not known is asked as the tokenizer, or as a library that makes arrays.
pub(super) fn method(receiver: &Item, name: &str, arguments: &[Item]) -> Item {
    match receiver {
        Item::Opaque => of_library(name, arguments),
        Item::List(items) => match (name, arguments.first()) {
            ("append", Some(value)) if items.borrow().len() < LIMIT.members => {
                items.borrow_mut().push(value.clone());
                Item::NONE
            }
            (
                "to" | "astype" | "cuda" | "cpu" | "numpy" | "copy" | "clone" | "long" | "float" | "int" | "bool"
                | "tolist",
                _,
            ) => receiver.clone(),
            _ => Item::Opaque,
        },
        Item::Known(_) | Item::Tuple(_) => match receiver.constant().zip(constants(arguments)) {
            Some((receiver, positional)) => {
                item(constant::method(&receiver, name, &Given::positional(positional), LIMIT))
            }
            None => Item::Opaque,
        },
    }
}

fn of_library(name: &str, arguments: &[Item]) -> Item {
    let first = arguments.first();
    let piece = || PIECES.get(usize::try_from(first?.int()?).ok()?);
    let is = |sort: Sort| piece().map_or(Item::Opaque, |(_, known)| Item::truths(*known == sort));
    match name {
        "vocab_size" | "get_piece_size" | "GetPieceSize" | "piece_size" if arguments.is_empty() => {
            Item::integer(PIECES.len() as i64)
        }
        "id_to_piece" | "IdToPiece" => piece().map_or(Item::Opaque, |(text, _)| Item::Known(Constant::text(text))),
        "is_control" | "IsControl" => is(Sort::Control),
        "is_unknown" | "IsUnknown" => is(Sort::Unknown),
        "is_unused" | "IsUnused" => is(Sort::Unused),
        "is_byte" | "IsByte" => is(Sort::Byte),
        "unk_id" => Item::integer(0),
        "bos_id" => Item::integer(1),
        "eos_id" => Item::integer(2),
        "pad_id" => Item::integer(-1),
        "zeros" => filled(first, Item::integer(0)),
        "ones" => filled(first, Item::integer(1)),
        "full" => filled(first, arguments.get(1).cloned().unwrap_or(Item::Opaque)),
        "empty" => filled(first, Item::Opaque),
        "tensor" | "from_numpy" | "array" | "asarray" | "as_tensor" => first.cloned().unwrap_or(Item::Opaque),
        _ => Item::Opaque,
    }
}

fn filled(shape: Option<&Item>, with: Item) -> Item {
    let len = match shape {
        Some(Item::Tuple(items)) => match &**items {
            [len] => len.int(),
            _ => None,
        },
        Some(len) => len.int(),
        None => None,
    };
    match len.and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= LIMIT.members) {
        Some(len) => Item::list(vec![with; len]),
        None => Item::Opaque,
    }
}

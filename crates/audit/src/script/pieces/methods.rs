//! Operators, functions and methods that tables of bytes are made with.

use super::evaluate::MAX_MEMBERS;
use super::value::Item;
use super::{PIECES, Sort};
use caddie_python::ast::{CmpOp, Operator};

/// `left op right`.
pub(super) fn operator(op: Operator, left: &Item, right: &Item) -> Item {
    match (op, left, right) {
        (Operator::Mult, Item::List(items), count) | (Operator::Mult, count, Item::List(items)) => {
            let items = items.borrow();
            let count = count.int().and_then(|count| usize::try_from(count).ok());
            match count.and_then(|count| count.checked_mul(items.len())).filter(|len| *len <= MAX_MEMBERS) {
                Some(len) => Item::list(items.iter().cycle().take(len).cloned().collect()),
                None => Item::Opaque,
            }
        }
        (Operator::Add, Item::Text(left), Item::Text(right)) if left.len() + right.len() < MAX_MEMBERS => {
            Item::Text(format!("{left}{right}").into())
        }
        (Operator::Add, Item::Bytes(left), Item::Bytes(right)) if left.len() + right.len() < MAX_MEMBERS => {
            Item::Bytes([&**left, &**right].concat().into())
        }
        _ => match (left.int(), right.int()) {
            (Some(left), Some(right)) => match op {
                Operator::Add => left.checked_add(right),
                Operator::Sub => left.checked_sub(right),
                Operator::Mult => left.checked_mul(right),
                _ => None,
            }
            .map_or(Item::Opaque, Item::Int),
            _ => match (op, left.number(), right.number()) {
                (Operator::Add, Some(left), Some(right)) => Item::Float(left + right),
                (Operator::Sub, Some(left), Some(right)) => Item::Float(left - right),
                _ => Item::Opaque,
            },
        },
    }
}

/// `left op right`, or a chain of such.
pub(super) fn compare(ops: &[CmpOp], mut left: Item, rights: &[Item]) -> Item {
    for (op, right) in ops.iter().zip(rights) {
        let numbers = left.number().zip(right.number());
        let held = match op {
            CmpOp::Eq => left.same(right),
            CmpOp::NotEq => left.same(right).map(|same| !same),
            CmpOp::Is => left.same(right),
            CmpOp::IsNot => left.same(right).map(|same| !same),
            CmpOp::Lt => numbers.map(|(a, b)| a < b),
            CmpOp::LtE => numbers.map(|(a, b)| a <= b),
            CmpOp::Gt => numbers.map(|(a, b)| a > b),
            CmpOp::GtE => numbers.map(|(a, b)| a >= b),
            CmpOp::In | CmpOp::NotIn => {
                let within = match (&left, right) {
                    (Item::Text(part), Item::Text(text)) => Some(text.contains(&**part)),
                    _ => right.members().and_then(|members| {
                        let same: Option<Vec<bool>> = members.iter().map(|member| left.same(member)).collect();
                        same.map(|same| same.contains(&true))
                    }),
                };
                within.map(|within| within == matches!(op, CmpOp::In))
            }
        };
        match held {
            Some(true) => left = right.clone(),
            Some(false) => return Item::Bool(false),
            None => return Item::Opaque,
        }
    }
    Item::Bool(true)
}

/// `holder[lower:upper]`.
pub(super) fn slice(holder: &Item, lower: Option<i64>, upper: Option<i64>) -> Item {
    let Some(items) = holder.members() else { return Item::Opaque };
    let len = items.len() as i64;
    let place =
        |bound: i64| usize::try_from(if bound < 0 { (bound + len).max(0) } else { bound.min(len) }).unwrap_or(0);
    let (lower, upper) = (place(lower.unwrap_or(0)), place(upper.unwrap_or(len)));
    let part = items.get(lower..upper.max(lower)).unwrap_or_default();
    match holder {
        Item::Text(_) => Item::Text(part.iter().filter_map(Item::text).collect::<String>().into()),
        Item::Bytes(bytes) => Item::Bytes(bytes.get(lower..upper.max(lower)).unwrap_or_default().into()),
        Item::Tuple(_) => Item::Tuple(part.into()),
        _ => Item::list(part.to_vec()),
    }
}

/// A built-in function.
pub(super) fn function(name: &str, arguments: &[Item]) -> Item {
    let first = arguments.first();
    match (name, first) {
        ("len", Some(Item::Opaque)) => Item::Int(PIECES.len() as i64),
        ("len", Some(value)) => value.len().map_or(Item::Opaque, Item::Int),
        ("int", Some(value)) => match value {
            Item::Text(text) => radix(text, arguments.get(1)),
            _ => value.number().map_or(Item::Opaque, |number| Item::Int(number as i64)),
        },
        ("float", Some(value)) => value.number().map_or(Item::Opaque, Item::Float),
        ("bool", Some(value)) => value.truth().map_or(Item::Opaque, Item::Bool),
        ("list" | "tuple", Some(value)) => value.members().map_or(Item::Opaque, Item::list),
        ("range", Some(_)) => range(arguments),
        ("enumerate", Some(value)) => value.members().map_or(Item::Opaque, |members| {
            let pairs = members.into_iter().enumerate();
            Item::list(pairs.map(|(index, item)| Item::Tuple([Item::Int(index as i64), item].into())).collect())
        }),
        ("max" | "min", Some(_)) => {
            let numbers: Option<Vec<i64>> = arguments.iter().map(Item::int).collect();
            let chosen = numbers
                .and_then(|numbers| if name == "max" { numbers.into_iter().max() } else { numbers.into_iter().min() });
            chosen.map_or(Item::Opaque, Item::Int)
        }
        ("bytes", Some(Item::List(items))) => {
            let bytes: Option<Vec<u8>> = items.borrow().iter().map(|item| u8::try_from(item.int()?).ok()).collect();
            bytes.map_or(Item::Opaque, |bytes| Item::Bytes(bytes.into()))
        }
        _ => Item::Opaque,
    }
}

fn radix(text: &str, base: Option<&Item>) -> Item {
    let base = base.and_then(Item::int).and_then(|base| u32::try_from(base).ok()).unwrap_or(10);
    let digits = text.trim_start_matches("0x");
    let parsed = (2..=36).contains(&base).then(|| i64::from_str_radix(digits, base).ok()).flatten();
    parsed.map_or(Item::Opaque, Item::Int)
}

fn range(arguments: &[Item]) -> Item {
    let bounds: Option<Vec<i64>> = arguments.iter().map(Item::int).collect();
    let (from, to) = match bounds.as_deref() {
        Some([to]) => (0, *to),
        Some([from, to]) => (*from, *to),
        _ => return Item::Opaque,
    };
    if to.saturating_sub(from) > MAX_MEMBERS as i64 {
        Item::Opaque
    } else {
        Item::list((from..to).map(Item::Int).collect())
    }
}

/// `receiver.name(arguments)`. What is not known is asked as the tokenizer, or as a library that makes arrays.
pub(super) fn method(receiver: &Item, name: &str, arguments: &[Item]) -> Item {
    match receiver {
        Item::Text(text) => of_text(text, name, arguments),
        Item::Bytes(bytes) if name == "decode" => {
            std::str::from_utf8(bytes).map_or(Item::Opaque, |text| Item::Text(text.into()))
        }
        Item::List(items) => match (name, arguments.first()) {
            ("append", Some(value)) if items.borrow().len() < MAX_MEMBERS => {
                items.borrow_mut().push(value.clone());
                Item::None
            }
            (
                "to" | "astype" | "cuda" | "cpu" | "numpy" | "copy" | "clone" | "long" | "float" | "int" | "bool"
                | "tolist",
                _,
            ) => receiver.clone(),
            _ => Item::Opaque,
        },
        Item::Opaque => of_library(name, arguments),
        _ => Item::Opaque,
    }
}

fn of_text(text: &str, name: &str, arguments: &[Item]) -> Item {
    let first = arguments.first().and_then(Item::text);
    let made = |text: &str| Item::Text(text.into());
    let strip: Vec<char> = first.unwrap_or(" \n\t").chars().collect();
    match (name, first) {
        ("encode", _) => Item::Bytes(text.as_bytes().into()),
        ("startswith", Some(part)) => Item::Bool(text.starts_with(part)),
        ("endswith", Some(part)) => Item::Bool(text.ends_with(part)),
        ("lstrip", _) => made(text.trim_start_matches(strip.as_slice())),
        ("rstrip", _) => made(text.trim_end_matches(strip.as_slice())),
        ("strip", _) => made(text.trim_matches(strip.as_slice())),
        ("removeprefix", Some(part)) => made(text.strip_prefix(part).unwrap_or(text)),
        ("replace", Some(part)) => match arguments.get(1).and_then(Item::text) {
            Some(by) if !part.is_empty() && by.len() < 16 => made(&text.replace(part, by)),
            _ => Item::Opaque,
        },
        ("count", Some(part)) if !part.is_empty() => Item::Int(text.matches(part).count() as i64),
        ("lower", _) => made(&text.to_lowercase()),
        _ => Item::Opaque,
    }
}

fn of_library(name: &str, arguments: &[Item]) -> Item {
    let first = arguments.first();
    let piece = || PIECES.get(usize::try_from(first?.int()?).ok()?);
    let is = |sort: Sort| piece().map_or(Item::Opaque, |(_, known)| Item::Bool(*known == sort));
    match name {
        "vocab_size" | "get_piece_size" | "GetPieceSize" | "piece_size" if arguments.is_empty() => {
            Item::Int(PIECES.len() as i64)
        }
        "id_to_piece" | "IdToPiece" => piece().map_or(Item::Opaque, |(text, _)| Item::Text((*text).into())),
        "is_control" | "IsControl" => is(Sort::Control),
        "is_unknown" | "IsUnknown" => is(Sort::Unknown),
        "is_unused" | "IsUnused" => is(Sort::Unused),
        "is_byte" | "IsByte" => is(Sort::Byte),
        "unk_id" => Item::Int(0),
        "bos_id" => Item::Int(1),
        "eos_id" => Item::Int(2),
        "pad_id" => Item::Int(-1),
        "zeros" => filled(first, Item::Int(0)),
        "ones" => filled(first, Item::Int(1)),
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
    match len.and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= MAX_MEMBERS) {
        Some(len) => Item::list(vec![with; len]),
        None => Item::Opaque,
    }
}

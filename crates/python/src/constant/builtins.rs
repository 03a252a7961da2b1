//! Python's own functions of values, without side effects.

use std::cmp::Ordering;

use super::arguments::{int, needed};
use super::comparison::order;
use super::conversions;
use super::{Computed, Constant, Failure, Given, Limit, Progression, numbers, repr, shown};
use crate::encoding::TextCodec;

/// The functions that are evaluated, sorted.
#[rustfmt::skip]
const FUNCTIONS: [&str; 30] = [
    "abs", "all", "any", "bin", "bool", "bytearray", "bytes", "chr", "divmod", "enumerate", "float", "format", "hex",
    "int", "len", "list", "max", "min", "oct", "ord", "pow", "range", "repr", "reversed", "round", "sorted", "str",
    "sum", "tuple", "zip",
];

/// Tells whether a function of Python's own is one that is evaluated here.
pub fn is_builtin(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

/// Evaluates `name(given)`.
///
/// # Errors
/// When Python raises, or `name` is no function that is evaluated here.
pub fn builtin(name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    match name {
        "int" => {
            let [value, base] = given.bind(["/", "base"])?;
            value.map_or(Ok(Constant::Int(0)), |value| conversions::int(value, int(base)?))
        }
        "float" => one_or(given, Constant::Float(0.0), conversions::float),
        "bool" => one_or(given, Constant::Bool(false), |value| Ok(Constant::Bool(value.truth()))),
        "str" if given.positional.len() < 2 && given.named.is_empty() => {
            one_or(given, Constant::text(""), |value| Ok(Constant::Text(shown(value, limit)?.into())))
        }
        "repr" => one(given).and_then(|value| Ok(Constant::Text(repr(value, limit)?.into()))),
        "format" => {
            let [value, spec] = given.bind(["/", "/spec"])?;
            let spec = super::arguments::text(spec)?.unwrap_or_default();
            Ok(Constant::Text(super::format(needed(value)?, spec, limit)?.into()))
        }
        "bytes" | "bytearray" => of_bytes(given, limit),
        "len" => {
            let len = one(given)?.length().ok_or_else(|| Failure::wrong_type("`len` of something without members"))?;
            Constant::size(len)
        }
        "list" => one_or(given, Constant::List([].into()), |value| Ok(Constant::List(value.members(limit)?.into()))),
        "tuple" => one_or(given, Constant::Tuple([].into()), |value| Ok(Constant::Tuple(value.members(limit)?.into()))),
        "range" => range(given, limit),
        "enumerate" | "reversed" | "zip" | "sorted" => rearranged(name, given, limit),
        "any" | "all" => {
            let members = one(given)?.members(limit)?;
            let any = name == "any";
            Ok(Constant::Bool(members.iter().any(|member| member.truth() == any) == any))
        }
        "min" | "max" => extreme(name, given, limit),
        "abs" | "divmod" | "pow" | "round" | "sum" => numbers::function(name, given, limit),
        "chr" | "ord" | "hex" | "oct" | "bin" => digits_and_characters(name, given),
        _ => Err(Failure::NotEvaluated(format!("`{name}` is not evaluated"))),
    }
}

fn digits_and_characters(name: &str, given: &Given<'_>) -> Computed {
    match name {
        "chr" => {
            let code = one(given)?.int().ok_or_else(|| Failure::wrong_type("`chr` of no integer"))?;
            let c = u32::try_from(code).ok().and_then(char::from_u32);
            let c = c.ok_or_else(|| Failure::wrong_value("`chr` of something that is no character"))?;
            Ok(Constant::text(c.encode_utf8(&mut [0; 4])))
        }
        "ord" => match one(given)? {
            Constant::Text(text) if text.chars().count() == 1 => {
                Ok(Constant::Int(text.chars().next().map_or(0, |c| i64::from(u32::from(c)))))
            }
            Constant::Bytes(bytes) if bytes.len() == 1 => Ok(Constant::Int(bytes.first().map_or(0, |b| i64::from(*b)))),
            _ => Err(Failure::wrong_type("`ord` of something that is no single character")),
        },
        _ => {
            let int = one(given)?.int().ok_or_else(|| Failure::wrong_type(format!("`{name}` of no integer")))?;
            let (sign, size) = (if int < 0 { "-" } else { "" }, int.unsigned_abs());
            Ok(Constant::Text(match name {
                "hex" => format!("{sign}{size:#x}").into(),
                "oct" => format!("{sign}{size:#o}").into(),
                _ => format!("{sign}{size:#b}").into(),
            }))
        }
    }
}

pub(super) fn one<'g>(given: &'g Given<'_>) -> Result<&'g Constant, Failure> {
    let [value] = given.bind(["/"])?;
    needed(value)
}

/// Evaluates a function that gives `default` without an argument.
fn one_or(given: &Given<'_>, default: Constant, of: impl Fn(&Constant) -> Computed) -> Computed {
    let [value] = given.bind(["/"])?;
    value.map_or(Ok(default), of)
}

fn of_bytes(given: &Given<'_>, limit: Limit) -> Computed {
    let [source, encoding] = given.bind(["source", "encoding"])?;
    match (source, encoding) {
        (None, None) => Ok(Constant::Bytes([].into())),
        (Some(Constant::Text(text)), Some(Constant::Text(encoding))) => {
            let codec = TextCodec::named(encoding).map_err(Failure::NotEvaluated)?;
            let bytes = codec.encode(text).map_err(|reason| Failure::raises("UnicodeEncodeError", reason))?;
            limit.admit_bytes(bytes.len())?;
            Ok(Constant::Bytes(bytes.into()))
        }
        (Some(Constant::Bytes(bytes)), None) => Ok(Constant::Bytes(bytes.clone())),
        (Some(len @ (Constant::Int(_) | Constant::Bool(_))), None) => {
            let len = usize::try_from(len.int().unwrap_or_default())
                .map_err(|_| Failure::wrong_value("a negative number of bytes"))?;
            limit.admit_bytes(len)?;
            Ok(Constant::Bytes(vec![0; len].into()))
        }
        (Some(items @ (Constant::Tuple(_) | Constant::List(_))), None) => {
            let byte = |item: &Constant| {
                let int = item.int().ok_or_else(|| Failure::wrong_type("bytes of something that is no integer"))?;
                u8::try_from(int).map_err(|_| Failure::wrong_value("a byte out of range"))
            };
            items.members(limit)?.iter().map(byte).collect::<Result<_, _>>().map(Constant::Bytes)
        }
        _ => Err(Failure::wrong_type("bytes of something that holds none")),
    }
}

fn range(given: &Given<'_>, limit: Limit) -> Computed {
    let [first, second, third] = given.bind(["/", "/stop", "/step"])?;
    let arguments = [first, second, third].into_iter().flatten();
    let arguments = arguments.map(|value| int(Some(value)).map(Option::unwrap_or_default));
    let range = Progression::of_arguments(&arguments.collect::<Result<Vec<_>, _>>()?)?;
    limit.admit_members(usize::try_from(range.len).unwrap_or(usize::MAX))?;
    Ok(Constant::List(range.members().map(Constant::Int).collect()))
}

/// Evaluates functions that give an iterator; here it is a list of what it yields.
fn rearranged(name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    if name == "zip" {
        let [first, second] = given.bind(["/", "/second"])?;
        let (first, second) = (needed(first)?.members(limit)?, needed(second)?.members(limit)?);
        let pairs = first.into_iter().zip(second).map(|(first, second)| Constant::Tuple([first, second].into()));
        return Ok(Constant::List(pairs.collect()));
    }
    if name == "enumerate" {
        let [items, start] = given.bind(["iterable", "start"])?;
        let items = needed(items)?.members(limit)?;
        let range = Progression::range(int(start)?.unwrap_or(0), i64::MAX, 1)?;
        if range.len < items.len() as u64 {
            return Err(Failure::TooLarge);
        }
        let pairs = range.members().zip(items);
        return Ok(Constant::List(pairs.map(|(at, item)| Constant::Tuple([Constant::Int(at), item].into())).collect()));
    }
    let [items, reverse] = given.bind(["/", "reverse"])?;
    let mut items = needed(items)?.members(limit)?;
    if name == "reversed" {
        items.reverse();
        return Ok(Constant::List(items.into()));
    }
    let mut failed = None;
    let mut compare = |left: &Constant, right: &Constant| match order(left, right) {
        Ok(order) => order.unwrap_or(Ordering::Equal),
        Err(failure) => {
            failed = Some(failure);
            Ordering::Equal
        }
    };
    // Equal members keep their order in both directions.
    if reverse.is_some_and(Constant::truth) {
        items.sort_by(|left, right| compare(right, left));
    } else {
        items.sort_by(|left, right| compare(left, right));
    }
    failed.map_or_else(|| Ok(Constant::List(items.into())), Err)
}

/// Evaluates `min` and `max`: of equal ones, the first.
fn extreme(name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    if !given.named.is_empty() {
        return Err(Failure::NotEvaluated(format!("`{name}` with a key or a default")));
    }
    let items = match given.positional.as_slice() {
        [items] => items.members(limit)?,
        items => items.to_vec(),
    };
    let wanted = if name == "max" { Ordering::Greater } else { Ordering::Less };
    let mut items = items.into_iter();
    let first = items.next().ok_or_else(|| Failure::wrong_value(format!("`{name}` of nothing")))?;
    items.try_fold(first, |best, item| Ok(if order(&item, &best)? == Some(wanted) { item } else { best }))
}

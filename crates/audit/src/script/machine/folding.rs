//! Operators on values that are known: [`caddie_python::constant`] computes what is made of constants; here stand texts
//! that are known in part, paths, and comparisons with what is known not to be `None`.

use super::super::value::{HOLE, Kind, LIMIT, Value};
use caddie_python::ast::{CmpOp, Operator};
use caddie_python::constant;

/// Evaluates `left op right`, where that is known.
pub(super) fn folded<'a>(op: Operator, left: &Kind<'a>, right: &Kind<'a>) -> Option<Kind<'a>> {
    match (op, left, right) {
        // Texts are joined as they are, with their unknown parts.
        (Operator::Add, Kind::Text(left), Kind::Text(right)) => Some(Kind::text(&format!("{left}{right}"))),
        (Operator::Add, Kind::Text(left), _) => Some(Kind::text(&format!("{left}{HOLE}"))),
        // `Path("data") / "fineweb_val_*.bin"`
        (Operator::Div, Kind::Text(left), Kind::Text(right)) => Some(Kind::text(&format!("{left}/{right}"))),
        (Operator::Div, _, Kind::Text(right)) => Some(Kind::text(&format!("{HOLE}/{right}"))),
        // A sum of tuples keeps the origins of their members, which no constant has.
        (Operator::Add | Operator::Mult, Kind::Tuple(_), _) | (Operator::Mult, _, Kind::Tuple(_)) => None,
        _ => {
            let result = constant::binary(op, &left.constant()?, &right.constant()?, LIMIT);
            Kind::of_scalar(result.ok()?)
        }
    }
}

/// Returns the result of a comparison, where that is known.
pub(super) fn compared(op: CmpOp, left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    if let (CmpOp::Is | CmpOp::IsNot, Kind::None) = (op, &right.kind) {
        let none = match left.kind {
            Kind::None => true,
            Kind::Unknown | Kind::Library(_) => return None,
            _ => false,
        };
        return Some(none == matches!(op, CmpOp::Is));
    }
    constant::compare(op, &left.kind.constant()?, &right.kind.constant()?).ok()
}

//! Operators on values that are known.

use super::super::value::{HOLE, Kind, Value};
use caddie_python::ast::{CmpOp, Operator};

/// Constants and texts.
pub(super) fn folded<'a>(op: Operator, left: &Kind<'a>, right: &Kind<'a>) -> Option<Kind<'a>> {
    Some(match (op, left, right) {
        (Operator::Add, Kind::Text(left), Kind::Text(right)) => Kind::text(&format!("{left}{right}")),
        (Operator::Add, Kind::Text(left), _) => Kind::text(&format!("{left}{HOLE}")),
        // `Path("data") / "fineweb_val_*.bin"`
        (Operator::Div, Kind::Text(left), Kind::Text(right)) => Kind::text(&format!("{left}/{right}")),
        (Operator::Div, _, Kind::Text(right)) => Kind::text(&format!("{HOLE}/{right}")),
        (op, Kind::Int(left), Kind::Int(right)) => Kind::Int(match op {
            Operator::Add => left.checked_add(*right)?,
            Operator::Sub => left.checked_sub(*right)?,
            Operator::Mult => left.checked_mul(*right)?,
            Operator::FloorDiv => left.checked_div_euclid(*right)?,
            Operator::Mod => left.checked_rem_euclid(*right)?,
            Operator::Div if *right != 0 => return Some(Kind::Float(*left as f64 / *right as f64)),
            _ => return None,
        }),
        (op, left, right) => {
            let number = |kind: &Kind<'_>| match kind {
                Kind::Int(int) => Some(*int as f64),
                Kind::Float(float) => Some(*float),
                _ => None,
            };
            let (left, right) = (number(left)?, number(right)?);
            Kind::Float(match op {
                Operator::Add => left + right,
                Operator::Sub => left - right,
                Operator::Mult => left * right,
                Operator::Div if right != 0.0 => left / right,
                _ => return None,
            })
        }
    })
}

/// Returns the result of a comparison, where that is known.
pub(super) fn compared(op: CmpOp, left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    let is_none = |value: &Value<'_>| match value.kind {
        Kind::None => Some(true),
        Kind::Unknown | Kind::Library(_) => None,
        _ => Some(false),
    };
    match op {
        CmpOp::Is | CmpOp::IsNot if matches!(right.kind, Kind::None) => {
            is_none(left).map(|none| none == matches!(op, CmpOp::Is))
        }
        CmpOp::Eq | CmpOp::NotEq => {
            let same = match (left.text(), right.text()) {
                (Some(a), Some(b)) if !a.contains(HOLE) && !b.contains(HOLE) => a == b,
                _ => left.number()? == right.number()?,
            };
            Some(same == matches!(op, CmpOp::Eq))
        }
        CmpOp::Lt => Some(left.number()? < right.number()?),
        CmpOp::LtE => Some(left.number()? <= right.number()?),
        CmpOp::Gt => Some(left.number()? > right.number()?),
        CmpOp::GtE => Some(left.number()? >= right.number()?),
        CmpOp::In | CmpOp::NotIn => {
            let Kind::Tuple(items) = &right.kind else { return None };
            let text = left.text()?;
            let found = items.iter().map(Value::text).collect::<Option<Vec<_>>>()?.contains(&text);
            Some(found == matches!(op, CmpOp::In))
        }
        _ => None,
    }
}

//! The constants that stand in the syntax tree.

use super::{Constant, Failure, Limit, format, repr, shown};
use crate::module::ast::{self, Expr, InterpolatedStringElement};

/// Returns the value of a literal: a text, bytes, a number, a truth, or `None`. Returns `None` for every other
/// expression.
pub fn literal(expr: &Expr) -> Option<Result<Constant, Failure>> {
    Some(Ok(match expr {
        Expr::StringLiteral(literal) => Constant::text(literal.value.to_str()),
        Expr::BytesLiteral(literal) => Constant::Bytes(literal.value.bytes().collect()),
        Expr::NumberLiteral(literal) => match &literal.value {
            ast::Number::Int(int) => return Some(int.as_i64().map(Constant::Int).ok_or(Failure::TooLarge)),
            ast::Number::Float(float) => Constant::Float(*float),
            ast::Number::Complex { .. } => {
                return Some(Err(Failure::NotEvaluated("a complex number".to_owned())));
            }
        },
        Expr::BooleanLiteral(literal) => Constant::Bool(literal.value),
        Expr::NoneLiteral(_) => Constant::None,
        _ => return None,
    }))
}

/// Evaluates an f-string to its parts in order; a part that is not known is `None`, and so is one beyond the limit, which
/// all parts share. `value` gives the value of what stands in braces, or `None`.
pub fn f_string<'a>(
    text: &'a ast::ExprFString,
    limit: Limit,
    value: &mut dyn FnMut(&'a ast::InterpolatedElement) -> Option<Constant>,
) -> Vec<Option<String>> {
    let mut parts = Parts { limit, found: Vec::new() };
    for part in text.value.iter() {
        match part {
            ast::FStringPart::Literal(literal) => parts.push(Some(literal.to_string())),
            ast::FStringPart::FString(part) => elements(&part.elements, value, &mut parts),
        }
    }
    parts.found
}

/// The parts that are known so far, and what is left of the limit.
struct Parts {
    limit: Limit,
    found: Vec<Option<String>>,
}

impl Parts {
    fn push(&mut self, part: Option<String>) {
        let part = part.filter(|part| part.len() <= self.limit.bytes);
        self.limit.bytes -= part.as_ref().map_or(0, String::len);
        self.found.push(part);
    }
}

fn elements<'a>(
    elements: &'a ast::InterpolatedStringElements,
    value: &mut dyn FnMut(&'a ast::InterpolatedElement) -> Option<Constant>,
    parts: &mut Parts,
) {
    for element in elements {
        let part = match element {
            InterpolatedStringElement::Literal(literal) => Some(literal.to_string()),
            InterpolatedStringElement::Interpolation(element) => interpolated(element, parts.limit, value),
        };
        parts.push(part);
    }
}

/// Evaluates `{expression!r:spec}`. A specification may hold expressions itself.
fn interpolated<'a>(
    element: &'a ast::InterpolatedElement,
    limit: Limit,
    value: &mut dyn FnMut(&'a ast::InterpolatedElement) -> Option<Constant>,
) -> Option<String> {
    let known = value(element);
    let mut spec = Parts { limit, found: Vec::new() };
    if let Some(within) = &element.format_spec {
        elements(&within.elements, value, &mut spec);
    }
    let (known, spec) = (known?, spec.found.into_iter().collect::<Option<String>>()?);
    // `{x=}` shows the text of the expression as well.
    if element.debug_text.is_some() {
        return None;
    }
    let known = match element.conversion {
        ast::ConversionFlag::None => known,
        ast::ConversionFlag::Str => Constant::text(&shown(&known, limit).ok()?),
        ast::ConversionFlag::Repr => Constant::text(&repr(&known, limit).ok()?),
        ast::ConversionFlag::Ascii => return None,
    };
    format(&known, &spec, limit).ok()
}

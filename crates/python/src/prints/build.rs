//! Texts as a program builds them: f-strings, `%`, `format`, sums, and the arguments of a call in a row.

use crate::module::ast::{self, Expr, InterpolatedStringElement as Element, Operator};

/// Sums and calls within each other that are followed.
const MAX_DEPTH: usize = 60;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Hole(Hole),
}

/// A value within a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    Any,
    /// A number; with so many digits behind the point where the format says so.
    Number {
        decimals: Option<usize>,
    },
}

/// A text with holes, in order.
pub(super) type Built = Vec<Piece>;

impl Piece {
    /// Returns the text of a piece that is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Piece::Text(text) => Some(text),
            Piece::Hole(_) => None,
        }
    }
}

/// Returns the text that an expression builds; `None` where it is none for sure.
pub(super) fn of(expr: &Expr) -> Option<Built> {
    build(expr, MAX_DEPTH)
}

fn build(expr: &Expr, depth: usize) -> Option<Built> {
    let depth = depth.checked_sub(1)?;
    match expr {
        Expr::StringLiteral(literal) => Some(vec![Piece::Text(literal.value.to_str().to_owned())]),
        Expr::FString(text) => {
            let mut built = Built::new();
            text.value.iter().for_each(|part| match part {
                ast::FStringPart::Literal(literal) => built.push(Piece::Text(literal.value.to_string())),
                ast::FStringPart::FString(part) => {
                    part.elements.iter().for_each(|element| f_string(element, &mut built))
                }
            });
            Some(built)
        }
        Expr::BinOp(sum) if sum.op == Operator::Add => {
            let (left, right) = (build(&sum.left, depth), build(&sum.right, depth));
            if left.is_none() && right.is_none() {
                return None;
            }
            let either = |side: Option<Built>| side.unwrap_or_else(|| vec![Piece::Hole(Hole::Any)]);
            Some([either(left), either(right)].concat())
        }
        Expr::BinOp(format) if format.op == Operator::Mod => {
            let built = build(&format.left, depth)?;
            Some(
                built
                    .into_iter()
                    .flat_map(|piece| match piece {
                        Piece::Text(text) => percent(&text),
                        hole @ Piece::Hole(_) => vec![hole],
                    })
                    .collect(),
            )
        }
        Expr::Call(call) => {
            let Expr::Attribute(method) = &*call.func else { return None };
            let built = build(&method.value, depth)?;
            Some(match (method.attr.as_str(), built.as_slice()) {
                ("format", [Piece::Text(text)]) => braces(text),
                // What a method makes of a text is not followed.
                _ => vec![Piece::Hole(Hole::Any)],
            })
        }
        _ => None,
    }
}

/// Returns the texts that a call prints when it puts its arguments in a row: with blanks, or with its own `sep`.
pub(super) fn arguments(call: &ast::ExprCall) -> Option<Built> {
    let arguments = &call.arguments.args;
    let texts: Vec<Option<Built>> = arguments.iter().map(of).collect();
    if arguments.len() < 2 || texts.iter().all(Option::is_none) {
        return None;
    }
    let separator = call.arguments.find_keyword("sep").map(|keyword| &keyword.value);
    let separator = match separator {
        Some(Expr::StringLiteral(literal)) => Piece::Text(literal.value.to_str().to_owned()),
        Some(_) => Piece::Hole(Hole::Any),
        None => Piece::Text(" ".to_owned()),
    };
    let mut built = Built::new();
    for (index, (argument, text)) in arguments.iter().zip(texts).enumerate() {
        if index > 0 {
            built.push(separator.clone());
        }
        match text {
            Some(text) if !argument.is_starred_expr() => built.extend(text),
            _ => built.push(Piece::Hole(Hole::Any)),
        }
    }
    Some(built)
}

fn f_string(element: &Element, built: &mut Built) {
    match element {
        Element::Literal(literal) => built.push(Piece::Text(literal.value.to_string())),
        Element::Interpolation(hole) => {
            if let Some(debug) = &hole.debug_text {
                // `{x=}` prints the expression as it is written, then this.
                built.extend([Piece::Hole(Hole::Any), Piece::Text(debug.trailing().to_owned())]);
            }
            let format = hole.format_spec.as_ref().map(|format| {
                format
                    .elements
                    .iter()
                    .map(|element| match element {
                        Element::Literal(literal) => Some(&*literal.value),
                        Element::Interpolation(_) => None,
                    })
                    .collect::<Option<String>>()
            });
            built.push(Piece::Hole(match format {
                Some(Some(format)) => by_format(&format),
                Some(None) | None => Hole::Any,
            }));
        }
    }
}

/// Returns the hole of a format: `.4f`, `>8.2f`, `,`, `05d`.
fn by_format(format: &str) -> Hole {
    let fill = format.contains(['<', '>', '^']);
    let Some(places) = format.strip_suffix(['f', 'F']).filter(|_| !fill) else { return Hole::Any };
    match places.rsplit_once('.') {
        Some((_, digits)) => digits.parse().map_or(Hole::Any, |decimals| Hole::Number { decimals: Some(decimals) }),
        None => Hole::Number { decimals: Some(6) },
    }
}

/// Takes `%d of %(name)s: %.4f%%` apart.
fn percent(text: &str) -> Built {
    let mut built = Built::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        built.push(Piece::Text(before.to_owned()));
        if let Some(after) = after.strip_prefix('%') {
            built.push(Piece::Text("%".to_owned()));
            rest = after;
            continue;
        }
        let named = after.strip_prefix('(').and_then(|after| after.split_once(')')).map_or(after, |(_, after)| after);
        let end = named.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(named.len());
        let kind = named.get(end..).and_then(|kind| kind.chars().next()).map_or(0, char::len_utf8);
        let format = named.get(..end + kind).unwrap_or(named);
        built.push(Piece::Hole(if format.contains('-') { Hole::Any } else { by_format(format) }));
        rest = named.get(end + kind..).unwrap_or_default();
    }
    built.push(Piece::Text(rest.to_owned()));
    built
}

/// Takes `{} of {name:.4f} {{}}` apart.
fn braces(text: &str) -> Built {
    let mut built = Built::new();
    let mut chars = text.chars().peekable();
    let mut literal = String::new();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                literal.push(c);
            }
            '{' => {
                built.push(Piece::Text(std::mem::take(&mut literal)));
                let inner: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let format = inner.split_once(':').map(|(_, format)| format);
                built.push(Piece::Hole(format.map_or(Hole::Any, by_format)));
            }
            _ => literal.push(c),
        }
    }
    built.push(Piece::Text(literal));
    built
}

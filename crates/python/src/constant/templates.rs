//! `"{} of {total:,}".format(step, total=n)`.

use super::{Constant, Failure, Given, Limit, format as formatted, repr, shown};

/// Evaluates `template.format(given)`.
///
/// # Errors
/// When Python raises, the text is longer than the limit, or a field asks for an attribute or an item.
pub(super) fn format(template: &str, given: &Given<'_>, limit: Limit) -> Result<String, Failure> {
    let mut output = String::new();
    let mut next = 0;
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        output.push_str(before);
        limit.admit_bytes(output.len())?;
        rest = if let Some(after) = after.strip_prefix("{{") {
            output.push('{');
            after
        } else if let Some(after) = after.strip_prefix("}}") {
            output.push('}');
            after
        } else if let Some(field) = after.strip_prefix('{') {
            let (field, after) =
                field.split_once('}').ok_or_else(|| Failure::wrong_value("a field that does not end"))?;
            output.push_str(&replaced(field, given, &mut next, limit)?);
            after
        } else {
            return Err(Failure::wrong_value("a single `}`"));
        };
    }
    output.push_str(rest);
    limit.admit_bytes(output.len())?;
    Ok(output)
}

/// Evaluates `name!r:spec`; a field without a name is the next argument.
fn replaced(field: &str, given: &Given<'_>, next: &mut usize, limit: Limit) -> Result<String, Failure> {
    let (head, spec) = field.split_once(':').unwrap_or((field, ""));
    let (name, conversion) = head.split_once('!').map_or((head, None), |(name, how)| (name, Some(how)));
    if spec.contains('{') || name.contains(['.', '[', '{']) {
        return Err(Failure::NotEvaluated("a field that asks for a part of its value".to_owned()));
    }
    let value = if name.is_empty() {
        *next += 1;
        given.positional.get(*next - 1)
    } else if let Ok(at) = name.parse::<usize>() {
        given.positional.get(at)
    } else {
        given.named.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let value = value.ok_or_else(|| Failure::raises("IndexError", "a field that has no argument"))?;
    let value = match conversion {
        None => value.clone(),
        Some("s") => Constant::text(&shown(value, limit)?),
        Some("r") => Constant::text(&repr(value, limit)?),
        Some(_) => return Err(Failure::NotEvaluated("a conversion that is not evaluated".to_owned())),
    };
    formatted(&value, spec, limit)
}

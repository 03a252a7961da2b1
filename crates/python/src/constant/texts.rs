//! Methods of texts.

use super::arguments::{int, needed, text as text_of};
use super::searching::{self, Within, padding, partition, separator, within};
use super::{Computed, Constant, Failure, Given, Limit, templates};
use crate::encoding::TextCodec;

/// Evaluates `text.name(given)`.
///
/// # Errors
/// When Python raises, or the method is not evaluated.
pub fn method(text: &str, name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    match name {
        "lower" | "upper" | "casefold" | "capitalize" => {
            given.bind::<0>([])?;
            cased(text, name, limit)
        }
        "strip" | "lstrip" | "rstrip" => stripped(text, name, given),
        "removeprefix" => {
            let prefix = needed_text(searching::only(given)?)?;
            Ok(Constant::text(text.strip_prefix(prefix).unwrap_or(text)))
        }
        "removesuffix" => {
            let suffix = needed_text(searching::only(given)?)?;
            Ok(Constant::text(text.strip_suffix(suffix).unwrap_or(text)))
        }
        "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count" => searched(text, name, given),
        "replace" => {
            let [from, to, most] = given.bind(["/", "/new", "count"])?;
            let (from, to) = (needed_text(needed(from)?)?, needed_text(needed(to)?)?);
            let starts = text.char_indices().map(|(at, _)| at);
            let most = int(most)?.unwrap_or(-1);
            searching::replace(text.as_bytes(), from.as_bytes(), to.as_bytes(), most, starts, limit).and_then(of_bytes)
        }
        "split" | "rsplit" => split(text, name, given, limit),
        "partition" | "rpartition" => {
            let by = separator(needed_text(searching::only(given)?)?)?;
            let parts = partition(text.as_bytes(), by.as_bytes(), name == "rpartition");
            Ok(Constant::Tuple(parts.into_iter().map(|part| of_bytes(part.to_vec())).collect::<Result<_, _>>()?))
        }
        "splitlines" => {
            let [ends] = given.bind(["keepends"])?;
            let lines = lines(text, ends.is_some_and(Constant::truth), limit)?;
            Ok(Constant::List(lines.into_iter().map(Constant::text).collect()))
        }
        "join" => joined(text, searching::only(given)?, limit),
        "ljust" | "rjust" | "center" | "zfill" => padded(text, name, given, limit),
        "encode" => {
            let [encoding, errors] = given.bind(["encoding", "errors"])?;
            let codec = TextCodec::named(text_of(encoding)?.unwrap_or("utf-8")).map_err(Failure::NotEvaluated)?;
            let bytes = codec.encode(text).map_err(|reason| not_coded(errors, "UnicodeEncodeError", reason))?;
            limit.admit_bytes(bytes.len())?;
            Ok(Constant::Bytes(bytes.into()))
        }
        "format" => templates::format(text, given, limit).map(|text| Constant::text(&text)),
        "isspace" | "isdigit" | "isalpha" | "isalnum" | "isupper" | "islower" | "isascii" => {
            given.bind::<0>([])?;
            classified(text, name)
        }
        _ => Err(Failure::method(name)),
    }
}

/// Tells whether Python calls a character space: Unicode's, and the four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Returns the failure of an encoding: Python raises, unless it is told another way of handling errors.
pub(super) fn not_coded(errors: Option<&Constant>, exception: &'static str, reason: String) -> Failure {
    match errors.and_then(Constant::as_text) {
        None | Some("strict") => Failure::raises(exception, reason),
        Some(errors) => Failure::NotEvaluated(format!("{reason}, which {errors:?} handles")),
    }
}

fn needed_text(value: &Constant) -> Result<&str, Failure> {
    value.as_text().ok_or_else(|| Failure::wrong_type("an argument that is no text"))
}

/// Bytes that were cut out of a text, or joined of texts, at the bounds of characters.
fn of_bytes(bytes: Vec<u8>) -> Computed {
    String::from_utf8(bytes).map(|text| Constant::text(&text)).map_err(|_| Failure::wrong_value("a text cut in two"))
}

fn cased(text: &str, name: &str, limit: Limit) -> Computed {
    // A character may become three, of three bytes each.
    limit.admit_bytes(text.len())?;
    let cased = match name {
        "lower" => text.to_lowercase(),
        "upper" => text.to_uppercase(),
        _ if !text.is_ascii() => return Err(Failure::NotEvaluated(format!("`{name}` beyond ASCII"))),
        "casefold" => text.to_ascii_lowercase(),
        _ => {
            let mut cased = text.to_ascii_lowercase();
            if let Some(first) = cased.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            cased
        }
    };
    Ok(Constant::Text(cased.into()))
}

fn stripped(text: &str, name: &str, given: &Given<'_>) -> Computed {
    let [characters] = given.bind(["/"])?;
    let characters = text_of(characters)?;
    let goes = |c: char| characters.map_or_else(|| is_space(c), |characters| characters.contains(c));
    Ok(Constant::text(match name {
        "strip" => text.trim_matches(goes),
        "lstrip" => text.trim_start_matches(goes),
        _ => text.trim_end_matches(goes),
    }))
}

fn searched(text: &str, name: &str, given: &Given<'_>) -> Computed {
    let [part, start, stop] = given.bind(["/", "/start", "/end"])?;
    let part = needed(part)?;
    let within: Within<'_> = if text.is_ascii() || (start.is_none() && stop.is_none()) {
        within(text.as_bytes(), text.len(), [start, stop], |at| at)?
    } else {
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        within(text.as_bytes(), starts.len() - 1, [start, stop], |at| starts.get(at).copied().unwrap_or(text.len()))?
    };
    if matches!(name, "startswith" | "endswith") {
        fn bytes_of(affix: &Constant) -> Option<&[u8]> {
            affix.as_text().map(str::as_bytes)
        }
        return searching::affixed(&within, name, part, bytes_of).map(Constant::Bool);
    }
    let part = needed_text(part)?.as_bytes();
    if name == "count" {
        let members = std::str::from_utf8(within.bytes).map_or(0, |text| text.chars().count());
        return Constant::size(if within.exists { searching::count(within.bytes, part, members) } else { 0 });
    }
    match within.find(part, name.starts_with('r')) {
        Some(at) => Constant::size(text.get(..at).map_or(0, |before| before.chars().count())),
        None if name.ends_with("index") => Err(Failure::wrong_value("a text that is not there")),
        None => Ok(Constant::Int(-1)),
    }
}

fn split(text: &str, name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    let (by, most) = searching::split_arguments(given)?;
    let from_right = name == "rsplit";
    let parts = match by {
        Some(by) => {
            let by = separator(needed_text(by)?)?;
            searching::split(text.as_bytes(), by.as_bytes(), most, from_right, limit)?
        }
        None => {
            let spaces = text.char_indices().filter(|(_, c)| is_space(*c)).map(|(at, c)| (at, at + c.len_utf8()));
            searching::split_space(text.as_bytes(), spaces, most, from_right, limit)?
        }
    };
    Ok(Constant::List(parts.into_iter().map(|part| of_bytes(part.to_vec())).collect::<Result<_, _>>()?))
}

/// Returns the lines of a text, which end at more than line feeds; the last line needs no end.
fn lines(text: &str, ends: bool, limit: Limit) -> Result<Vec<&str>, Failure> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let mut end = at + c.len_utf8();
        match c {
            '\r' => {
                if characters.next_if(|(_, next)| *next == '\n').is_some() {
                    end += 1;
                }
            }
            '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {}
            _ => continue,
        }
        lines.push(text.get(start..if ends { end } else { at }).unwrap_or_default());
        limit.admit_members(lines.len())?;
        start = end;
    }
    lines.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    limit.admit_members(lines.len())?;
    Ok(lines)
}

fn joined(text: &str, items: &Constant, limit: Limit) -> Computed {
    let items = items.members(limit)?;
    let parts = items.iter().map(needed_text).collect::<Result<Vec<_>, _>>()?;
    let size = parts.iter().map(|part| part.len()).sum::<usize>();
    limit.admit_bytes(size.saturating_add(text.len().saturating_mul(parts.len().saturating_sub(1))))?;
    Ok(Constant::Text(parts.join(text).into()))
}

fn padded(text: &str, name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    let [width, fill] = given.bind(["/", "/fill"])?;
    let width = int(Some(needed(width)?))?.unwrap_or_default();
    limit.admit_bytes(usize::try_from(width).unwrap_or_default())?;
    let len = text.chars().count();
    if name == "zfill" {
        if fill.is_some() {
            return Err(Failure::wrong_type("an argument too many"));
        }
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
        let zeros = "0".repeat(padding("rjust", len, width).0);
        return Ok(Constant::Text([sign, &zeros, digits].concat().into()));
    }
    let fill = text_of(fill)?.unwrap_or(" ");
    if fill.chars().count() != 1 {
        return Err(Failure::wrong_type("a fill that is no single character"));
    }
    let (before, behind) = padding(name, len, width);
    limit.admit_bytes((before + behind).saturating_mul(fill.len()).saturating_add(text.len()))?;
    Ok(Constant::Text([&*fill.repeat(before), text, &*fill.repeat(behind)].concat().into()))
}

fn classified(text: &str, name: &str) -> Computed {
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    Ok(Constant::Bool(match name {
        "isascii" => text.is_ascii(),
        "isspace" => all(is_space),
        _ if !text.is_ascii() => return Err(Failure::NotEvaluated(format!("`{name}` beyond ASCII"))),
        "isdigit" => all(|c| c.is_ascii_digit()),
        "isalpha" => all(|c| c.is_ascii_alphabetic()),
        "isalnum" => all(|c| c.is_ascii_alphanumeric()),
        "isupper" => {
            text.contains(|c: char| c.is_ascii_uppercase()) && !text.contains(|c: char| c.is_ascii_lowercase())
        }
        _ => text.contains(|c: char| c.is_ascii_lowercase()) && !text.contains(|c: char| c.is_ascii_uppercase()),
    }))
}

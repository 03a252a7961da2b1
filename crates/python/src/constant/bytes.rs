//! Methods of bytes.

use super::arguments::{bytes as bytes_of, int, needed, text};
use super::searching::{self, padding, partition, separator, within};
use super::texts::not_coded;
use super::{Computed, Constant, Failure, Given, Limit};
use crate::encoding::TextCodec;

/// Evaluates `bytes.name(given)`.
///
/// # Errors
/// When Python raises, or the method is not evaluated.
pub fn method(bytes: &[u8], name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    match name {
        "lower" | "upper" => {
            given.bind::<0>([])?;
            let cased = if name == "lower" { bytes.to_ascii_lowercase() } else { bytes.to_ascii_uppercase() };
            Ok(Constant::Bytes(cased.into()))
        }
        "strip" | "lstrip" | "rstrip" => stripped(bytes, name, given),
        "removeprefix" => {
            let prefix = needed_bytes(searching::only(given)?)?;
            Ok(made(bytes.strip_prefix(prefix).unwrap_or(bytes)))
        }
        "removesuffix" => {
            let suffix = needed_bytes(searching::only(given)?)?;
            Ok(made(bytes.strip_suffix(suffix).unwrap_or(bytes)))
        }
        "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count" => searched(bytes, name, given),
        "replace" => {
            let [from, to, most] = given.bind(["/", "/new", "/count"])?;
            let (from, to) = (needed_bytes(needed(from)?)?, needed_bytes(needed(to)?)?);
            let most = int(most)?.unwrap_or(-1);
            let replaced = searching::replace(bytes, from, to, most, 0..bytes.len(), limit)?;
            Ok(Constant::Bytes(replaced.into()))
        }
        "split" | "rsplit" => {
            let (by, most) = searching::split_arguments(given)?;
            let from_right = name == "rsplit";
            let parts = match by {
                Some(by) => searching::split(bytes, separator(needed_bytes(by)?)?, most, from_right, limit)?,
                None => {
                    let spaces = bytes.iter().enumerate().filter(|(_, byte)| is_space(**byte));
                    searching::split_space(bytes, spaces.map(|(at, _)| (at, at + 1)), most, from_right, limit)?
                }
            };
            Ok(Constant::List(parts.into_iter().map(made).collect()))
        }
        "partition" | "rpartition" => {
            let by = separator(needed_bytes(searching::only(given)?)?)?;
            Ok(Constant::Tuple(partition(bytes, by, name == "rpartition").into_iter().map(made).collect()))
        }
        "splitlines" => {
            let [ends] = given.bind(["keepends"])?;
            let lines = lines(bytes, ends.is_some_and(Constant::truth), limit)?;
            Ok(Constant::List(lines.into_iter().map(made).collect()))
        }
        "join" => joined(bytes, searching::only(given)?, limit),
        "ljust" | "rjust" | "center" => padded(bytes, name, given, limit),
        "decode" => {
            let [encoding, errors] = given.bind(["encoding", "errors"])?;
            let codec = TextCodec::named(text(encoding)?.unwrap_or("utf-8")).map_err(Failure::NotEvaluated)?;
            if codec == TextCodec::Utf8 && std::str::from_utf8(bytes).is_err() {
                return Err(not_coded(errors, "UnicodeDecodeError", "bytes that are not UTF-8".to_owned()));
            }
            let text = codec.decode(bytes);
            limit.admit_bytes(text.len())?;
            Ok(Constant::text(&text))
        }
        "hex" => {
            given.bind::<0>([])?;
            limit.admit_bytes(bytes.len().saturating_mul(2))?;
            Ok(Constant::Text(caddie_files::hex(bytes).into()))
        }
        _ => Err(Failure::method(name)),
    }
}

/// Tells whether Python calls a byte space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn made(bytes: &[u8]) -> Constant {
    Constant::Bytes(bytes.into())
}

fn needed_bytes(value: &Constant) -> Result<&[u8], Failure> {
    match value {
        Constant::Bytes(bytes) => Ok(bytes),
        _ => Err(Failure::wrong_type("an argument that is no bytes")),
    }
}

fn stripped(bytes: &[u8], name: &str, given: &Given<'_>) -> Computed {
    let [goes] = given.bind(["/"])?;
    let goes = bytes_of(goes)?;
    let stays = |byte: &u8| !goes.map_or_else(|| is_space(*byte), |goes| goes.contains(byte));
    let start = if name == "rstrip" { Some(0) } else { bytes.iter().position(stays) };
    let end = if name == "lstrip" { Some(bytes.len()) } else { bytes.iter().rposition(stays).map(|at| at + 1) };
    Ok(made(start.zip(end).and_then(|(start, end)| bytes.get(start..end)).unwrap_or_default()))
}

fn searched(bytes: &[u8], name: &str, given: &Given<'_>) -> Computed {
    let [part, start, stop] = given.bind(["/", "/start", "/end"])?;
    let part = needed(part)?;
    let within = within(bytes, bytes.len(), [start, stop], |at| at)?;
    if matches!(name, "startswith" | "endswith") {
        return searching::affixed(&within, name, part, |affix| needed_bytes(affix).ok()).map(Constant::Bool);
    }
    let byte = part.int().map(|int| u8::try_from(int).map_err(|_| Failure::wrong_value("a byte out of range")));
    let byte = byte.transpose()?.map(|byte| [byte]);
    let part = match &byte {
        Some(byte) => byte.as_slice(),
        None => needed_bytes(part)?,
    };
    if name == "count" {
        let members = within.bytes.len();
        return Constant::size(if within.exists { searching::count(within.bytes, part, members) } else { 0 });
    }
    match within.find(part, name.starts_with('r')) {
        Some(at) => Constant::size(at),
        None if name.ends_with("index") => Err(Failure::wrong_value("bytes that are not there")),
        None => Ok(Constant::Int(-1)),
    }
}

/// Returns the lines, which end at line feeds and carriage returns alone.
fn lines(bytes: &[u8], ends: bool, limit: Limit) -> Result<Vec<&[u8]>, Failure> {
    let mut lines = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let len = match (byte, bytes.get(at + 1)) {
            (b'\r', Some(b'\n')) => 2,
            (b'\r' | b'\n', _) => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        lines.push(bytes.get(start..if ends { at + len } else { at }).unwrap_or_default());
        limit.admit_members(lines.len())?;
        at += len;
        start = at;
    }
    lines.extend(bytes.get(start..).filter(|rest| !rest.is_empty()));
    limit.admit_members(lines.len())?;
    Ok(lines)
}

fn joined(bytes: &[u8], items: &Constant, limit: Limit) -> Computed {
    let items = items.members(limit)?;
    let parts = items.iter().map(needed_bytes).collect::<Result<Vec<_>, _>>()?;
    let size = parts.iter().map(|part| part.len()).sum::<usize>();
    limit.admit_bytes(size.saturating_add(bytes.len().saturating_mul(parts.len().saturating_sub(1))))?;
    Ok(Constant::Bytes(parts.join(bytes).into()))
}

fn padded(bytes: &[u8], name: &str, given: &Given<'_>, limit: Limit) -> Computed {
    let [width, fill] = given.bind(["/", "/fill"])?;
    let width = int(Some(needed(width)?))?.unwrap_or_default();
    limit.admit_bytes(usize::try_from(width).unwrap_or_default())?;
    let [fill] = *bytes_of(fill)?.unwrap_or(b" ") else {
        return Err(Failure::wrong_type("a fill that is no single byte"));
    };
    let (before, behind) = padding(name, bytes.len(), width);
    Ok(Constant::Bytes([&*vec![fill; before], bytes, &*vec![fill; behind]].concat().into()))
}

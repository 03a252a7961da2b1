//! Methods of files, paths, bytes and text.

use std::rc::Rc;

use super::{Arguments, data, decoded, encoded, joined, parent, path, read};
use crate::decode;
use crate::eval::Evaluator;
use crate::value::{Data, Evaluated, Value};

pub(super) fn method<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    value: &Value<'a>,
    name: &'a str,
    arguments: &mut Arguments<'a>,
) -> Evaluated<'a> {
    match (value, name) {
        (Value::File(file), "read") => match arguments.int(0, "size")? {
            None | Some(i64::MIN..=-1) => read(evaluator, file).map(Value::Bytes),
            Some(_) => Err("a part of a file".to_owned()),
        },
        (Value::File(file), "readlines") => {
            let data = read(evaluator, file)?;
            let lines = data.bytes.split_inclusive(|&byte| byte == b'\n');
            Ok(Value::List(Rc::new(lines.map(|line| Value::Bytes(data.with(line.to_vec()))).collect())))
        }
        (Value::Path(path), "read_text") => read(evaluator, path).map(Value::Text),
        (Value::Path(path), "read_bytes") => read(evaluator, path).map(Value::Bytes),
        (Value::Path(path), "open") => Ok(Value::File(path.clone())),
        (Value::Path(path), "with_name") => Ok(Value::Path(joined(parent(path), &arguments.data(0, "name")?.text()))),
        (Value::Path(path), "with_suffix") => {
            let stem = path.rsplit_once('.').map_or(path.as_str(), |(stem, _)| stem);
            Ok(Value::Path(format!("{stem}{}", arguments.data(0, "suffix")?.text())))
        }
        (Value::Path(_), "resolve" | "absolute" | "expanduser") => Ok(value.clone()),
        (Value::Path(path), "joinpath") => {
            Ok(Value::Path(joined(path, &arguments.at(0, "").unwrap_or(Ok(Value::None)).and_then(self::path)?)))
        }
        (Value::Path(path), "replace") => {
            let (from, to) = (arguments.data(0, "old")?, arguments.data(1, "new")?);
            bounded_path(path.replace(&*from.text(), &to.text()))
        }
        (Value::Path(path), "removesuffix") => {
            let suffix = arguments.data(0, "suffix")?;
            Ok(Value::Path(path.strip_suffix(&*suffix.text()).unwrap_or(path).to_owned()))
        }
        (Value::Bytes(data) | Value::Text(data), _) => {
            let wrap: fn(Data) -> Value<'a> = if matches!(value, Value::Bytes(_)) { Value::Bytes } else { Value::Text };
            text_method(evaluator, data, wrap, name, arguments)
        }
        (Value::Name(full), _) => Err(format!("`{full}.{name}` is not evaluated")),
        _ => Err(format!("the method `{name}` is not evaluated")),
    }
}

/// `codecs.decode(value, encoding)`: an encoding of text, or one of the codecs that make bytes of bytes.
pub(super) fn transcode<'a>(evaluator: &mut Evaluator<'a, '_>, value: Value<'a>, encoding: &str) -> Evaluated<'a> {
    let input = data(value)?;
    let plain = encoding.to_ascii_lowercase().replace('-', "_");
    let budget = &mut *evaluator.budget;
    let (name, output) = match plain.trim_end_matches("_codec") {
        "hex" => ("hexadecimal", decode::hex(&input.bytes)),
        "base64" | "base_64" => ("base64", decode::base64(&input.bytes, false)),
        "zlib" | "zip" => decode::zlib(&input.bytes, 15, budget),
        "bz2" => ("bz2", decode::bz2(&input.bytes, budget)),
        "rot13" | "rot_13" => {
            let turned = |byte: &u8| match byte {
                b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
                b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
                other => *other,
            };
            let turned = input.bytes.iter().map(turned).collect();
            return Ok(Value::Text(input.decoded("rot13", turned)));
        }
        _ => return decoded(input, encoding).map(Value::Text),
    };
    let output = output?;
    budget.take(output.len())?;
    Ok(Value::Bytes(input.decoded(name, output)))
}

fn bounded_path<'a>(path: String) -> Evaluated<'a> {
    if path.len() > 4096 { Err("a path that is too long".to_owned()) } else { Ok(Value::Path(path)) }
}

fn text_method<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    data: &Data,
    wrap: fn(Data) -> Value<'a>,
    name: &str,
    arguments: &mut Arguments<'a>,
) -> Evaluated<'a> {
    let bytes = data.bytes.as_slice();
    evaluator.budget.take(bytes.len())?;
    match name {
        "encode" | "decode" => {
            let encoding = match arguments.at(0, "encoding") {
                Some(encoding) => super::data(encoding?)?.text().into_owned(),
                None => "utf-8".to_owned(),
            };
            match name {
                "encode" => encoded(data.clone(), &encoding).map(Value::Bytes),
                _ => decoded(data.clone(), &encoding).map(Value::Text),
            }
        }
        "lower" => Ok(wrap(data.with(bytes.to_ascii_lowercase()))),
        "upper" => Ok(wrap(data.with(bytes.to_ascii_uppercase()))),
        // A file-like object over bytes.
        "read" | "getvalue" | "tobytes" => Ok(wrap(data.clone())),
        "strip" | "rstrip" | "lstrip" if arguments.positional.is_empty() => Ok(wrap(data.with(match name {
            "strip" => bytes.trim_ascii().to_vec(),
            "rstrip" => bytes.trim_ascii_end().to_vec(),
            _ => bytes.trim_ascii_start().to_vec(),
        }))),
        "replace" => {
            let (from, to) = (arguments.data(0, "old")?, arguments.data(1, "new")?);
            if from.bytes.is_empty() {
                return Err("`replace` of nothing".to_owned());
            }
            let parts = split(bytes, &from.bytes, usize::MAX);
            evaluator.budget.take(parts.len().saturating_mul(to.bytes.len()))?;
            Ok(wrap(data.with(parts.join(to.bytes.as_slice()))))
        }
        "split" | "partition" => {
            let separator = arguments.data(0, "sep")?;
            if separator.bytes.is_empty() {
                return Err("`split` by nothing".to_owned());
            }
            let most = arguments.int(1, "maxsplit")?.and_then(|most| usize::try_from(most).ok()).unwrap_or(1000);
            let whole = name == "partition";
            let mut parts = split(bytes, &separator.bytes, if whole { 1 } else { most.min(1000) });
            if whole {
                parts.insert(1, &separator.bytes);
                parts.resize(3, &[]);
            }
            Ok(Value::List(Rc::new(parts.into_iter().map(|part| wrap(data.with(part.to_vec()))).collect())))
        }
        "splitlines" => {
            let lines = bytes.split(|&byte| byte == b'\n');
            Ok(Value::List(Rc::new(lines.map(|line| wrap(data.with(line.to_vec()))).collect())))
        }
        "join" => {
            let Some(Ok(Value::List(items))) = arguments.at(0, "") else {
                return Err("`join` of something that is not known".to_owned());
            };
            let mut joined = Data::new(Vec::new());
            let parts = items.iter().map(|item| self::data(item.clone())).collect::<Result<Vec<_>, _>>()?;
            let length = parts.iter().map(|part| part.bytes.len() + bytes.len()).sum();
            evaluator.budget.take(length)?;
            let slices: Vec<&[u8]> = parts.iter().map(|part| part.bytes.as_slice()).collect();
            joined.bytes = Rc::new(slices.join(bytes));
            if let Some(first) = parts.first() {
                joined.steps = first.steps.clone();
                joined.file = first.file.clone();
            }
            Ok(wrap(joined))
        }
        "find" | "index" | "rfind" | "rindex" => {
            let wanted = arguments.data(0, "sub")?;
            if wanted.bytes.is_empty() || wanted.bytes.len() > 256 {
                return Err(format!("`{name}` of something long"));
            }
            let mut windows = bytes.windows(wanted.bytes.len());
            let same = |window: &[u8]| window == wanted.bytes.as_slice();
            let at = if name.starts_with('r') { windows.rposition(same) } else { windows.position(same) };
            match at.and_then(|at| i64::try_from(at).ok()) {
                None if name.ends_with("index") => Err("a text that is not there".to_owned()),
                at => Ok(Value::Int(at.unwrap_or(-1))),
            }
        }
        _ => Err(format!("the method `{name}` is not evaluated")),
    }
}

/// At most `most` cuts.
fn split<'d>(bytes: &'d [u8], separator: &[u8], most: usize) -> Vec<&'d [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while parts.len() < most {
        let at = rest.windows(separator.len()).position(|window| window == separator);
        let Some((part, after)) = at.and_then(|at| Some((rest.get(..at)?, rest.get(at + separator.len()..)?))) else {
            break;
        };
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

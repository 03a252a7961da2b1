//! Methods of files, paths, bytes and text.

use std::rc::Rc;

use super::{Arguments, bounded, constants, data, decoded, encoded, joined, parent, path, read};
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
        (Value::Path(path), "with_name") => joined(parent(path), &arguments.data(0, "name")?.text()).map(Value::Path),
        (Value::Path(path), "with_suffix") => {
            let stem = path.rsplit_once('.').map_or(path.as_str(), |(stem, _)| stem);
            bounded(format!("{stem}{}", arguments.data(0, "suffix")?.text())).map(Value::Path)
        }
        (Value::Path(_), "resolve" | "absolute" | "expanduser") => Ok(value.clone()),
        (Value::Path(path), "joinpath") => {
            let more = arguments.at(0, "").unwrap_or(Ok(Value::NONE)).and_then(self::path)?;
            joined(path, &more).map(Value::Path)
        }
        (Value::Path(path), "replace") => {
            let (from, to) = (arguments.data(0, "old")?, arguments.data(1, "new")?);
            let to = bounded(to.text().into_owned())?;
            bounded(path.replace(&*from.text(), &to)).map(Value::Path)
        }
        (Value::Path(path), "removesuffix") => {
            let suffix = arguments.data(0, "suffix")?;
            Ok(Value::Path(path.strip_suffix(&*suffix.text()).unwrap_or(path).to_owned()))
        }
        (Value::Bytes(data) | Value::Text(data), _) => text_method(evaluator, value, data, name, arguments),
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

/// Evaluates a method of a text or of bytes: those that encode, decode and read here, the others over the constants.
fn text_method<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    value: &Value<'a>,
    data: &Data,
    name: &str,
    arguments: &mut Arguments<'a>,
) -> Evaluated<'a> {
    evaluator.budget.take(data.bytes.len())?;
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
        // A file-like object over bytes.
        "read" | "getvalue" | "tobytes" => Ok(value.clone()),
        _ => constants::method(evaluator, value, name, arguments),
    }
}

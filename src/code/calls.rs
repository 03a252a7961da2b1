//! What the evaluator knows of Python's library: codecs, files of the folder, paths, methods of text and bytes.

use std::rc::Rc;

use super::decode::{self, Lzma, LzmaFilter};
use super::eval::{Data, Evaluated, Evaluator, Execution, Value};
use super::python::Problem;

/// Arguments of a call; one that has no value carries the reason.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    pub positional: Vec<Evaluated<'a>>,
    pub named: Vec<(&'a str, Evaluated<'a>)>,
}

impl<'a> Arguments<'a> {
    /// Takes the argument of this name.
    pub fn take(&mut self, name: &str) -> Option<Evaluated<'a>> {
        let at = self.named.iter().position(|(known, _)| *known == name)?;
        Some(self.named.swap_remove(at).1)
    }

    /// Takes the argument at a position, or of a name.
    fn at(&mut self, position: usize, name: &str) -> Option<Evaluated<'a>> {
        match self.positional.get_mut(position) {
            Some(slot) => Some(std::mem::replace(slot, Ok(Value::None))),
            None => self.take(name),
        }
    }

    fn data(&mut self, position: usize, name: &str) -> Result<Data, String> {
        match self.at(position, name) {
            Some(value) => data(value?),
            None => Err("an argument is missing".to_owned()),
        }
    }

    fn int(&mut self, position: usize, name: &str) -> Result<Option<i64>, String> {
        match self.at(position, name).transpose()? {
            Some(Value::Int(int)) => Ok(Some(int)),
            Some(Value::Name(name)) if name.ends_with("MAX_WBITS") => Ok(Some(15)),
            None | Some(Value::None) => Ok(None),
            Some(_) => Err("a number that is not known".to_owned()),
        }
    }
}

/// Bytes or text of a value.
fn data(value: Value<'_>) -> Result<Data, String> {
    match value {
        Value::Bytes(data) | Value::Text(data) => Ok(data),
        Value::Name(name) => Err(format!("the value of `{name}` is not known")),
        _ => Err("neither bytes nor text".to_owned()),
    }
}

/// `value.name`.
///
/// # Errors
/// When the value has no attributes that are known.
pub fn attribute<'a>(value: Value<'a>, name: &'a str) -> Evaluated<'a> {
    match value {
        Value::Name(full) => Ok(Value::Name(format!("{full}.{name}"))),
        Value::Path(path) => match name {
            "parent" => Ok(Value::Path(parent(&path).to_owned())),
            "name" => Ok(Value::Text(Data::new(path.rsplit('/').next().unwrap_or("")))),
            _ => Ok(Value::Method(Rc::new(Value::Path(path)), name)),
        },
        value => Ok(Value::Method(Rc::new(value), name)),
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// `left + right`.
///
/// # Errors
/// When they are not of one known kind, or too long together.
pub fn add<'a>(evaluator: &mut Evaluator<'a, '_>, left: Value<'a>, right: Value<'a>) -> Evaluated<'a> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => concat(evaluator, left, &right).map(Value::Text),
        (Value::Bytes(left), Value::Bytes(right)) => concat(evaluator, left, &right).map(Value::Bytes),
        (Value::Path(left), Value::Text(right)) => Ok(Value::Path(format!("{left}{}", right.text()))),
        (Value::Int(left), Value::Int(right)) => Ok(Value::Int(left.saturating_add(right))),
        _ => Err("a sum of values that are not known".to_owned()),
    }
}

fn concat(evaluator: &mut Evaluator<'_, '_>, left: Data, right: &Data) -> Result<Data, String> {
    evaluator.budget.take(left.bytes.len() + right.bytes.len())?;
    let mut joined = left.with([left.bytes.as_slice(), right.bytes.as_slice()].concat());
    joined.steps.extend(right.steps.iter().cloned());
    joined.steps.truncate(32);
    joined.file = joined.file.or_else(|| right.file.clone());
    Ok(joined)
}

/// `folder / name` of paths.
///
/// # Errors
/// When they are no paths.
pub fn join_path<'a>(left: Value<'a>, right: Value<'a>) -> Evaluated<'a> {
    let (left, right) = (path(left)?, path(right)?);
    Ok(Value::Path(joined(&left, &right)))
}

fn joined(left: &str, right: &str) -> String {
    if left.is_empty() { right.to_owned() } else { format!("{left}/{right}") }
}

fn path(value: Value<'_>) -> Result<String, String> {
    match value {
        Value::Path(path) => Ok(path),
        Value::Text(text) => Ok(text.text().into_owned()),
        _ => Err("a path that is not known".to_owned()),
    }
}

/// `value[start:stop:step]`; only steps of 1 and -1.
///
/// # Errors
/// When the value cannot be cut.
pub fn slice<'a>(evaluator: &mut Evaluator<'a, '_>, value: Value<'a>, bounds: [Option<i64>; 3]) -> Evaluated<'a> {
    let cut = |length: usize| -> Result<(usize, usize, bool), String> {
        let [start, stop, step] = bounds;
        let index = |bound: i64| -> usize {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            let from = if bound < 0 { length.saturating_add(bound) } else { bound };
            usize::try_from(from.clamp(0, length)).unwrap_or(0)
        };
        match step.unwrap_or(1) {
            1 => Ok((start.map_or(0, index), stop.map_or(length, index), false)),
            -1 if start.is_none() && stop.is_none() => Ok((0, length, true)),
            _ => Err("a slice with a step".to_owned()),
        }
    };
    let mut bytes = |data: &Data| -> Result<Data, String> {
        let (start, stop, backwards) = cut(data.bytes.len())?;
        evaluator.budget.take(stop.saturating_sub(start))?;
        let mut piece = data.bytes.get(start..stop).unwrap_or_default().to_vec();
        if backwards {
            piece.reverse();
        }
        Ok(data.with(piece))
    };
    match value {
        Value::Bytes(data) => bytes(&data).map(Value::Bytes),
        Value::Text(data) if data.bytes.is_ascii() => bytes(&data).map(Value::Text),
        Value::Text(_) => Err("a slice of text that is not ASCII".to_owned()),
        Value::List(items) => {
            let (start, stop, backwards) = cut(items.len())?;
            let mut piece = items.get(start..stop).unwrap_or_default().to_vec();
            if backwards {
                piece.reverse();
            }
            Ok(Value::List(Rc::new(piece)))
        }
        _ => Err("a slice of something that is not known".to_owned()),
    }
}

/// `value[index]`.
///
/// # Errors
/// When there is no such item.
pub fn item<'a>(value: Value<'a>, index: &Value<'a>) -> Evaluated<'a> {
    match (value, index) {
        (Value::List(items), Value::Int(index)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let from = if *index < 0 { length.saturating_add(*index) } else { *index };
            let found = usize::try_from(from).ok().and_then(|at| items.get(at).cloned());
            found.ok_or_else(|| "an index out of range".to_owned())
        }
        (Value::Dict(items), Value::Text(key)) => {
            let found = items.iter().find(|(known, _)| matches!(known, Value::Text(text) if text.bytes == key.bytes));
            found.map(|(_, value)| value.clone()).ok_or_else(|| "a key that is not in the dict".to_owned())
        }
        _ => Err("an index into something that is not known".to_owned()),
    }
}

/// Calls something that is not a function of the script.
///
/// # Errors
/// When it is not known, or fails as it would in Python.
pub fn call<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    function: Value<'a>,
    mut arguments: Arguments<'a>,
    line: u64,
) -> Evaluated<'a> {
    match function {
        Value::Name(name) => {
            let name = name.strip_prefix("builtins.").or(name.strip_prefix("__builtins__.")).unwrap_or(&name);
            library(evaluator, name, &mut arguments, line)
        }
        Value::Method(value, name) => method(evaluator, &value, name, &mut arguments),
        _ => Err("a call of something that is not known".to_owned()),
    }
}

fn library<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    name: &str,
    arguments: &mut Arguments<'a>,
    line: u64,
) -> Evaluated<'a> {
    if let Some(codec) = codec(name) {
        return decompress(evaluator, codec, arguments).map(Value::Bytes);
    }
    match name {
        "exec" | "eval" => {
            let source = arguments.at(0, "source").unwrap_or_else(|| Err("no argument".to_owned()));
            execute(evaluator, name, source, line);
            Ok(Value::None)
        }
        "runpy.run_path" => {
            let file = arguments.at(0, "path_name").unwrap_or_else(|| Err("no argument".to_owned()));
            let source = file.and_then(path).and_then(|file| read(evaluator, &file)).map(Value::Bytes);
            execute(evaluator, name, source, line);
            Ok(Value::None)
        }
        "compile" => match arguments.at(0, "source") {
            Some(Ok(Value::Bytes(data) | Value::Text(data))) => Ok(Value::Code(data)),
            Some(Err(reason)) => Err(reason),
            _ => Err("`compile` of something that is not known".to_owned()),
        },
        "__import__" | "importlib.import_module" => {
            arguments.data(0, "name").map(|module| Value::Name(module.text().into_owned()))
        }
        "getattr" => {
            let (value, name) = (arguments.at(0, "").unwrap_or(Ok(Value::None))?, arguments.data(1, "")?);
            match value {
                Value::Name(full) => Ok(Value::Name(format!("{full}.{}", name.text()))),
                _ => Err("`getattr` of something that is not known".to_owned()),
            }
        }
        "open" | "io.open" | "codecs.open" => {
            arguments.at(0, "file").unwrap_or(Ok(Value::None)).and_then(path).map(Value::File)
        }
        "pathlib.Path" | "Path" | "str" | "os.fspath" | "os.path.abspath" | "os.path.realpath" | "os.path.normpath"
        | "pathlib.PurePath" => match arguments.at(0, "") {
            Some(Ok(value @ (Value::Path(_) | Value::Text(_)))) if name.ends_with("str") => Ok(value),
            Some(Ok(Value::Bytes(data))) if name == "str" => Ok(Value::Text(data)),
            Some(value) => Ok(Value::Path(path(value?)?)),
            None => Err("an argument is missing".to_owned()),
        },
        "os.path.dirname" => {
            let path = path(arguments.at(0, "p").unwrap_or(Ok(Value::None))?)?;
            Ok(Value::Path(parent(&path).to_owned()))
        }
        "os.path.basename" => {
            let path = path(arguments.at(0, "p").unwrap_or(Ok(Value::None))?)?;
            Ok(Value::Path(path.rsplit('/').next().unwrap_or("").to_owned()))
        }
        "os.path.join" => {
            let parts = std::mem::take(&mut arguments.positional);
            let mut whole = String::new();
            for part in parts {
                whole = joined(&whole, &path(part?)?);
            }
            Ok(Value::Path(whole))
        }
        "bytes" | "bytearray" | "memoryview" => match arguments.at(0, "source") {
            Some(Ok(value @ Value::Bytes(_))) => Ok(value),
            Some(Ok(Value::Text(data))) => Ok(Value::Bytes(data)),
            Some(Ok(Value::List(items))) => {
                let byte = |item: &Value<'_>| match item {
                    Value::Int(int) => u8::try_from(*int).ok(),
                    _ => None,
                };
                let bytes: Option<Vec<u8>> = items.iter().map(byte).collect();
                bytes.map(|bytes| Value::Bytes(Data::new(bytes))).ok_or_else(|| "bytes out of range".to_owned())
            }
            _ => Err("bytes of something that is not known".to_owned()),
        },
        "io.BytesIO" | "io.StringIO" => arguments.at(0, "initial_bytes").unwrap_or(Ok(Value::None)),
        _ => Err(format!("`{name}` is not evaluated")),
    }
}

/// Notes an execution, or why its source has no value.
fn execute<'a>(evaluator: &mut Evaluator<'a, '_>, name: &str, source: Evaluated<'a>, line: u64) {
    let source = match source {
        Ok(Value::Bytes(data) | Value::Text(data) | Value::Code(data)) => Ok(data),
        Ok(_) => Err("its argument has no known value".to_owned()),
        Err(reason) => Err(reason),
    };
    match source {
        Ok(source) => evaluator.executions.push(Execution { line, source }),
        Err(reason) => {
            if evaluator.problems.len() < 32 {
                evaluator.problems.push(Problem::new(line, format!("{name}: {reason}")));
            }
        }
    }
}

/// A decompressor or decoder of the library.
#[derive(Clone, Copy)]
enum Codec {
    Base85,
    Ascii85,
    Base64 { urlsafe: bool },
    Base32,
    Hex,
    Lzma,
    Zlib,
    Gzip,
    Brotli,
    Zstd,
    Bz2,
}

fn codec(name: &str) -> Option<Codec> {
    Some(match name {
        "base64.b85decode" => Codec::Base85,
        "base64.a85decode" => Codec::Ascii85,
        "base64.b64decode" | "base64.standard_b64decode" | "base64.decodebytes" | "binascii.a2b_base64" => {
            Codec::Base64 { urlsafe: false }
        }
        "base64.urlsafe_b64decode" => Codec::Base64 { urlsafe: true },
        "base64.b32decode" => Codec::Base32,
        "base64.b16decode" | "binascii.unhexlify" | "binascii.a2b_hex" | "bytes.fromhex" | "bytearray.fromhex" => {
            Codec::Hex
        }
        "lzma.decompress" | "compression.lzma.decompress" => Codec::Lzma,
        "zlib.decompress" | "compression.zlib.decompress" => Codec::Zlib,
        "gzip.decompress" | "compression.gzip.decompress" => Codec::Gzip,
        "bz2.decompress" | "compression.bz2.decompress" => Codec::Bz2,
        "brotli.decompress" | "brotlicffi.decompress" => Codec::Brotli,
        "zstandard.decompress" | "zstd.decompress" | "pyzstd.decompress" | "compression.zstd.decompress" => Codec::Zstd,
        _ => return None,
    })
}

fn decompress(evaluator: &mut Evaluator<'_, '_>, codec: Codec, arguments: &mut Arguments<'_>) -> Result<Data, String> {
    let input = arguments.data(0, "data")?;
    let bytes = input.bytes.as_slice();
    let budget = &mut *evaluator.budget;
    let (name, output) = match codec {
        Codec::Base85 => ("base85", decode::base85(bytes)),
        Codec::Ascii85 => ("ascii85", decode::ascii85(bytes, arguments.int(9, "adobe")?.is_some_and(|int| int != 0))),
        Codec::Base64 { urlsafe } => ("base64", decode::base64(bytes, urlsafe)),
        Codec::Base32 => ("base32", decode::base32(bytes)),
        Codec::Hex => ("hexadecimal", decode::hex(bytes)),
        Codec::Lzma => {
            let format = lzma_format(arguments)?;
            (decode::lzma_name(bytes, &format), decode::lzma(bytes, &format, budget))
        }
        Codec::Zlib => {
            let wbits = arguments.int(1, "wbits")?.unwrap_or(15);
            decode::zlib(bytes, wbits, budget)
        }
        Codec::Gzip => ("gzip", decode::gunzip(bytes, budget)),
        Codec::Brotli => ("brotli", decode::brotli(bytes, budget)),
        Codec::Zstd => ("zstd", decode::zstd(bytes, budget)),
        Codec::Bz2 => ("bz2", Err("bz2 is not unpacked by caddie".to_owned())),
    };
    let output = output?;
    if matches!(codec, Codec::Base85 | Codec::Ascii85 | Codec::Base64 { .. } | Codec::Base32 | Codec::Hex) {
        budget.take(output.len())?;
    }
    Ok(input.decoded(name, output))
}

/// `format` and `filters` of `lzma.decompress(data, format, memlimit, filters)`.
fn lzma_format(arguments: &mut Arguments<'_>) -> Result<Lzma, String> {
    let constant = |value: Value<'_>| match value {
        Value::Name(name) => name.rsplit('.').next().map(str::to_owned),
        Value::Int(int) => Some(int.to_string()),
        _ => None,
    };
    let format = arguments.at(1, "format").transpose()?.and_then(constant);
    match format.as_deref() {
        None | Some("FORMAT_AUTO" | "0") => Ok(Lzma::Auto),
        Some("FORMAT_XZ" | "1") => Ok(Lzma::Xz),
        Some("FORMAT_ALONE" | "2") => Ok(Lzma::Alone),
        Some("FORMAT_RAW" | "3") => {
            let Some(Value::List(filters)) = arguments.at(3, "filters").transpose()? else {
                return Err("the filters of a raw LZMA stream are not known".to_owned());
            };
            filters.iter().map(lzma_filter).collect::<Result<_, _>>().map(Lzma::Raw)
        }
        Some(other) => Err(format!("the LZMA format {other} is not known")),
    }
}

fn lzma_filter(filter: &Value<'_>) -> Result<LzmaFilter, String> {
    let Value::Dict(items) = filter else { return Err("an LZMA filter that is not known".to_owned()) };
    let get = |key: &str| {
        items.iter().find(|(known, _)| matches!(known, Value::Text(text) if text.text() == key)).map(|(_, value)| value)
    };
    let number = |key: &str| match get(key) {
        Some(Value::Int(int)) => u32::try_from(*int).map(Some).map_err(|_| format!("{key} {int} of an LZMA filter")),
        None => Ok(None),
        Some(_) => Err(format!("{key} of an LZMA filter is not known")),
    };
    let second = match get("id") {
        Some(Value::Name(name)) if name.ends_with("FILTER_LZMA2") => true,
        Some(Value::Int(0x21)) => true,
        Some(Value::Name(name)) if name.ends_with("FILTER_LZMA1") => false,
        Some(Value::Int(0x4000_0000_0000_0001)) => false,
        _ => return Err("an LZMA filter other than LZMA1 and LZMA2".to_owned()),
    };
    let preset = number("preset")?.unwrap_or(6);
    Ok(LzmaFilter {
        second,
        preset,
        dict_size: number("dict_size")?,
        bits: [number("lc")?, number("lp")?, number("pb")?],
    })
}

/// Reads a file of the folder; the budget pays for it.
fn read(evaluator: &mut Evaluator<'_, '_>, path: &str) -> Result<Data, String> {
    let bytes = evaluator.siblings.read(path)?;
    evaluator.budget.take(bytes.len())?;
    Ok(Data { bytes: Rc::new(bytes), steps: Vec::new(), file: Some(path.to_owned()) })
}

fn method<'a>(
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
        "encode" => Ok(Value::Bytes(data.clone())),
        "decode" => Ok(Value::Text(data.clone())),
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

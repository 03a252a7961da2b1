//! One tensor's record in a Q2BN file of version 3.
//!
//! ```text
//! u16 length of name | name | u8 rank | u32 sizes | u8 kind | u8 N or k | u8 level table | u8 type of scales (0: f16)
//! u32 scales | scales | zeros up to a multiple of 128 where aligned | u64 length | payload | u32 CRC-32C of the above
//! ```

use std::ops::Range;

use super::crc32c::crc32c;
use super::file::{Q2Data, Q2Error, Q2Tensor, Symbols};
use super::header::Coding;
use super::packing::{PackError, pack_rows, unpack_rows};
use super::{Alphabet, LevelTable};
use crate::range;

/// Kinds of payload.
const FLOAT16: u8 = 0;
const RING: u8 = 1;
const CODON: u8 = 2;
const ALIAS: u8 = 3;
const FLOAT32: u8 = 4;

const MAX_RANK: u8 = 8;
/// The line of a GPU's cache, in bytes.
const LINE: usize = 128;

/// Appends a tensor's record.
pub fn write(tensor: &Q2Tensor, aligned: bool, coding: Coding, out: &mut Vec<u8>) -> Result<(), Q2Error> {
    let Q2Tensor { name, shape, data } = tensor;
    let refuse = |reason: &str| Q2Error::tensor(name, reason);
    let start = out.len();
    let length = u16::try_from(name.len()).map_err(|_| refuse("its name is longer than 65,535 bytes"))?;
    let rank = u8::try_from(shape.len()).ok().filter(|&rank| rank <= MAX_RANK);
    let rank = rank.ok_or_else(|| refuse("it has more than 8 dimensions"))?;
    let numel = numel(name, shape)?;
    out.extend(length.to_be_bytes());
    out.extend(name.as_bytes());
    out.push(rank);
    out.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    let (kind, of, table, scales) = match data {
        Q2Data::Float16(_) => (FLOAT16, 0, 0, [].as_slice()),
        Q2Data::Float32(_) => (FLOAT32, 0, 0, [].as_slice()),
        Q2Data::Alias(_) => (ALIAS, 0, 0, [].as_slice()),
        Q2Data::Symbols(s) => {
            let (kind, of) = match s.alphabet {
                Alphabet::Ring(n) => (RING, n),
                Alphabet::Codon(k) => (CODON, k),
            };
            (kind, of, s.table.code(), s.scales.as_slice())
        }
    };
    let payload = match data {
        Q2Data::Float16(bits) => bits.iter().flat_map(|x| x.to_be_bytes()).collect(),
        Q2Data::Float32(bits) => bits.iter().flat_map(|x| x.to_be_bytes()).collect(),
        Q2Data::Alias(of) => of.as_bytes().to_vec(),
        Q2Data::Symbols(s) => {
            let (rows, cols) = matrix(name, shape)?;
            check_scales(name, (rows, cols), s.table, s.alphabet, &s.scales)?;
            if s.symbols.len() != rows * cols {
                return Err(refuse("it has another number of symbols than its shape"));
            }
            match coding {
                Coding::Packed(width) => {
                    pack_rows(&s.symbols, cols, s.alphabet, width).map_err(|error| Q2Error::packing(name, &error))?
                }
                Coding::Range => {
                    check_symbols(name, cols, s.alphabet, &s.symbols)?;
                    range::encode(&s.symbols).map_err(|error| refuse(&error.to_string()))?
                }
            }
        }
    };
    let floats = match data {
        Q2Data::Float16(bits) => bits.len(),
        Q2Data::Float32(bits) => bits.len(),
        _ => numel,
    };
    if floats != numel {
        return Err(refuse("it has another number of values than its shape"));
    }
    out.extend([kind, of, table, 0]);
    out.extend((scales.len() as u32).to_be_bytes());
    out.extend(scales.iter().flat_map(|scale| scale.to_be_bytes()));
    if aligned {
        out.resize((out.len() + 8).next_multiple_of(LINE) - 8, 0);
    }
    out.extend((payload.len() as u64).to_be_bytes());
    out.extend(payload);
    let sum = crc32c(&out[start..]);
    out.extend(sum.to_be_bytes());
    Ok(())
}

/// The head of a record, and the places of its bytes in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Q2Entry {
    pub name: String,
    pub shape: Vec<u32>,
    kind: u8,
    of: u8,
    table: u8,
    pub scales: Range<usize>,
    pub payload: Range<usize>,
}

impl Q2Entry {
    /// Bytes of a number of the payload; `None` for packed symbols and for the name of another tensor.
    pub fn width(&self) -> Option<usize> {
        match self.kind {
            FLOAT16 => Some(2),
            FLOAT32 => Some(4),
            _ => None,
        }
    }

    /// True if the payload is the name of another tensor.
    pub fn is_alias(&self) -> bool {
        self.kind == ALIAS
    }
}

/// Reads the head of the next record and steps over the rest, whose checksum is compared.
pub fn entry(reader: &mut Reader, aligned: bool) -> Result<Q2Entry, Q2Error> {
    let start = reader.at;
    let length = reader.u16()?;
    let name = String::from_utf8(reader.take(length.into())?.to_vec());
    let name = name.map_err(|_| Q2Error::Malformed("a tensor's name is not UTF-8 text".to_owned()))?;
    let refuse = |reason: String| Q2Error::tensor(&name, reason);
    let rank = reader.u8()?;
    if rank > MAX_RANK {
        return Err(refuse(format!("it has {rank} dimensions; at most {MAX_RANK} are read")));
    }
    let shape = (0..rank).map(|_| reader.u32()).collect::<Result<Vec<u32>, _>>()?;
    let (kind, of, table, scale_type, count) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?, reader.u32()?);
    if scale_type != 0 {
        return Err(refuse(format!("its scales are of type {scale_type}; only f16 (0) is read")));
    }
    let from = reader.at;
    reader.take(2 * count as usize)?;
    let scales = from..reader.at;
    if aligned {
        let padding = (reader.at + 8).next_multiple_of(LINE) - 8 - reader.at;
        if reader.take(padding)?.iter().any(|&byte| byte != 0) {
            return Err(refuse("its padding is not zero".to_owned()));
        }
    }
    let length = usize::try_from(reader.u64()?).map_err(|_| Q2Error::Truncated("a tensor"))?;
    let from = reader.at;
    reader.take(length)?;
    let payload = from..reader.at;
    if reader.u32()? != crc32c(reader.bytes.get(start..payload.end).unwrap_or_default()) {
        return Err(Q2Error::Checksum(format!("tensor {name}")));
    }
    Ok(Q2Entry { name, shape, kind, of, table, scales, payload })
}

/// Reads the next record.
pub fn read(reader: &mut Reader, aligned: bool, coding: Coding) -> Result<Q2Tensor, Q2Error> {
    let Q2Entry { name, shape, kind, of, table, scales, payload } = entry(reader, aligned)?;
    let refuse = |reason: String| Q2Error::tensor(&name, reason);
    let bytes = |range: Range<usize>| reader.bytes.get(range).unwrap_or_default();
    let (scales, payload) = (u16s(bytes(scales)), bytes(payload));
    let numel = numel(&name, &shape)?;
    let sized = |width: usize| {
        let expected = numel.saturating_mul(width);
        let fits = payload.len() == expected;
        if fits { Ok(()) } else { Err(refuse(format!("{} bytes where its shape takes {expected}", payload.len()))) }
    };
    let data = match kind {
        FLOAT16 => sized(2).map(|()| Q2Data::Float16(u16s(payload)))?,
        FLOAT32 => sized(4).map(|()| Q2Data::Float32(u32s(payload)))?,
        ALIAS => Q2Data::Alias(String::from_utf8_lossy(payload).into_owned()),
        RING | CODON => {
            let alphabet = format!("{}{of}", if kind == RING { "z" } else { "codon" });
            let alphabet: Alphabet = alphabet.parse().map_err(refuse)?;
            let table =
                LevelTable::from_code(table).ok_or_else(|| refuse(format!("there is no level table {table}")))?;
            let (rows, cols) = matrix(&name, &shape)?;
            check_scales(&name, (rows, cols), table, alphabet, &scales)?;
            let symbols = match coding {
                Coding::Packed(width) => unpack_rows(payload, rows, cols, alphabet, width)
                    .map_err(|error| Q2Error::packing(&name, &error))?,
                Coding::Range => decoded(&name, payload, (rows, cols), alphabet)?,
            };
            Q2Data::Symbols(Symbols { alphabet, table, scales, symbols })
        }
        _ => return Err(refuse(format!("it is stored in the unknown way {kind}"))),
    };
    Ok(Q2Tensor { name, shape, data })
}

/// The symbols of a range code, which is the whole payload.
fn decoded(name: &str, payload: &[u8], (rows, cols): (usize, usize), alphabet: Alphabet) -> Result<Vec<u8>, Q2Error> {
    let refuse = |reason: String| Q2Error::tensor(name, reason);
    let mut rest = payload;
    let symbols = range::decode(&mut rest, (rows * cols) as u64).map_err(|error| refuse(error.to_string()))?;
    if symbols.len() != rows * cols || !rest.is_empty() {
        let found = symbols.len();
        return Err(refuse(format!("its range code is of {found} symbols and not of {rows} rows of {cols} alone")));
    }
    check_symbols(name, cols, alphabet, &symbols)?;
    Ok(symbols)
}

fn check_symbols(name: &str, cols: usize, alphabet: Alphabet, symbols: &[u8]) -> Result<(), Q2Error> {
    let len = alphabet.size();
    match symbols.iter().position(|&s| usize::from(s) >= len) {
        None => Ok(()),
        Some(at) => {
            let value = u32::from(symbols[at]);
            let (row, index) = (at / cols, at % cols);
            Err(Q2Error::packing(name, &PackError::Symbol { row, index, value, len, alphabet }))
        }
    }
}

/// The number of elements.
fn numel(name: &str, shape: &[u32]) -> Result<usize, Q2Error> {
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul((size as usize).max(1)));
    let product = product.filter(|&n| n < 1 << 40);
    let product = product.ok_or_else(|| Q2Error::tensor(name, format!("it has an impossible shape {shape:?}")))?;
    Ok(if shape.contains(&0) { 0 } else { product })
}

/// Rows and columns of a tensor of symbols.
pub(super) fn matrix(name: &str, shape: &[u32]) -> Result<(usize, usize), Q2Error> {
    let numel = numel(name, shape)?;
    match shape.first() {
        Some(&rows) if shape.len() > 1 && numel > 0 => Ok((rows as usize, numel / rows as usize)),
        _ => Err(Q2Error::tensor(name, format!("symbols are of a matrix; its shape is {shape:?}"))),
    }
}

/// Checks that each row, or each of equal groups of its columns, has its scales, and that each is a positive number.
pub(super) fn check_scales(
    name: &str,
    (rows, cols): (usize, usize),
    table: LevelTable,
    alphabet: Alphabet,
    scales: &[u16],
) -> Result<(), Q2Error> {
    if !table.suits(alphabet.size()) {
        return Err(Q2Error::tensor(name, format!("the level table {table:?} is of z4, not of {alphabet}")));
    }
    let per_row = scales.len() / rows / table.scales();
    if per_row == 0 || per_row * rows * table.scales() != scales.len() || !cols.is_multiple_of(per_row) {
        let reason = format!("{} scales are not the same number for each of its {rows} rows", scales.len());
        return Err(Q2Error::tensor(name, reason));
    }
    match scales.iter().position(|&bits| bits == 0 || bits >= 0x7C00) {
        None => Ok(()),
        Some(at) => {
            let bits = scales[at];
            Err(Q2Error::tensor(name, format!("scale {at} is not a positive number (bits {bits:#06x})")))
        }
    }
}

fn u16s(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]])).collect()
}

/// A position in bytes whose every read is checked.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The part that is read, for messages.
    of: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], of: &'static str) -> Reader<'a> {
        Reader { bytes, at: 0, of }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Q2Error> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or(Q2Error::Truncated(self.of))?;
        self.at += count;
        Ok(taken)
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn u8(&mut self) -> Result<u8, Q2Error> {
        self.number::<1>().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Q2Error> {
        self.number::<2>().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Q2Error> {
        self.number::<4>().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Q2Error> {
        self.number::<8>().map(u64::from_be_bytes)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Q2Error> {
        self.take(N)?.first_chunk::<N>().copied().ok_or(Q2Error::Truncated(self.of))
    }
}

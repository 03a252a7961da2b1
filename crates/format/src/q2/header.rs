//! The head of a Q2BN file of version 3; [`super::file`] shows its layout.

use super::crc32c::crc32c;
use super::error::Q2Error;
use super::file::{Q2File, Writing};
use super::packing::Width;
use super::record::Reader;

/// The beginning of a file of any version.
pub const MAGIC: [u8; 4] = *b"Q2BN";
/// The version that is written.
pub const VERSION: u8 = 3;

/// Bits of the flags.
const ALIGNED: u8 = 1;
const COMPRESSED: u8 = 2;
const HALF_N: u8 = 4;

/// Bits of the codec.
const ZSTD: u16 = 1;
const RANGE: u16 = 2;

const MAX_TENSORS: u32 = 1 << 16;
const MAX_CONFIG: u32 = 4 << 20;
/// Bytes of the header before the config.
const FIXED: usize = 16;

/// The storage of a matrix's symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Fields of bits, row by row.
    Packed(Width),
    /// A range code with the matrix's own counts ([`crate::range`]), of one symbol a byte in the order of the rows.
    Range,
}

impl Default for Coding {
    fn default() -> Coding {
        Coding::Packed(Width::Dense)
    }
}

/// The head of a file of version 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Q2Header {
    pub tensors: u32,
    pub config: String,
    pub compressed: bool,
    pub aligned: bool,
    pub coding: Coding,
}

/// Tells whether the bytes begin as a file of any version does.
pub fn is_q2bn(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Reads the head of a file of version 3; also returns the offset of the body.
pub fn read_header(bytes: &[u8]) -> Result<(Q2Header, usize), Q2Error> {
    if !is_q2bn(bytes) {
        return Err(Q2Error::Magic);
    }
    let mut reader = Reader::new(bytes.get(4..).unwrap_or_default(), "the header");
    let version = reader.u8()?;
    if version != VERSION {
        return Err(Q2Error::Version(version));
    }
    let (flags, codec, tensors, length) = (reader.u8()?, reader.u16()?, reader.u32()?, reader.u32()?);
    let compressed = codec & ZSTD != 0;
    let coding = match (codec & RANGE != 0, flags & HALF_N != 0) {
        (false, false) => Some(Coding::Packed(Width::Dense)),
        (false, true) => Some(Coding::Packed(Width::HalfN)),
        (true, false) => Some(Coding::Range),
        (true, true) => None,
    };
    let known = flags & !(ALIGNED | COMPRESSED | HALF_N) == 0 && codec & !(ZSTD | RANGE) == 0;
    let coding = coding.filter(|_| known && compressed == (flags & COMPRESSED != 0));
    let coding = coding
        .ok_or_else(|| Q2Error::Malformed(format!("its flags {flags:#04x} and codec {codec} do not go together")))?;
    if length > MAX_CONFIG || tensors > MAX_TENSORS {
        return Err(Q2Error::Malformed(format!("it declares {tensors} tensors and {length} bytes of config")));
    }
    let config = reader.take(length as usize)?.to_vec();
    let end = FIXED + config.len();
    if reader.u32()? != crc32c(bytes.get(..end).unwrap_or_default()) {
        return Err(Q2Error::Checksum("its header".to_owned()));
    }
    let config =
        String::from_utf8(config).map_err(|_| Q2Error::Malformed("its config is not UTF-8 text".to_owned()))?;
    Ok((Q2Header { tensors, config, compressed, aligned: flags & ALIGNED != 0, coding }, end + 4))
}

/// The bytes before the body.
pub(super) fn write(file: &Q2File, how: &Writing) -> Result<Vec<u8>, Q2Error> {
    let compressed = how.zstd.is_some();
    let range = if how.coding == Coding::Range { RANGE } else { 0 };
    let half = if how.coding == Coding::Packed(Width::HalfN) { HALF_N } else { 0 };
    let flags = (u8::from(how.aligned) * ALIGNED) | (u8::from(compressed) * COMPRESSED) | half;
    let count = u32::try_from(file.tensors.len()).ok().filter(|&n| n <= MAX_TENSORS);
    let length = u32::try_from(file.config.len()).ok().filter(|&n| n <= MAX_CONFIG);
    let (Some(count), Some(length)) = (count, length) else {
        return Err(Q2Error::Malformed("it would have more tensors or a longer config than a reader accepts".into()));
    };
    let mut out = MAGIC.to_vec();
    out.extend([VERSION, flags]);
    out.extend(((u16::from(compressed) * ZSTD) | range).to_be_bytes());
    out.extend(count.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend(file.config.as_bytes());
    out.extend(crc32c(&out).to_be_bytes());
    Ok(out)
}

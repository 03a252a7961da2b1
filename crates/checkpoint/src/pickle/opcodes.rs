//! The opcodes of pickle protocols 0 to 5 with their arguments (CPython's `pickletools`).

use std::ops::Range;

/// Longest line of an opcode of protocol 0 that carries no text: a module, a number, a memo key.
const MAX_LINE: usize = 1 << 16;

/// The place and the reason at which a pickle stops being readable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {reason}")]
pub struct Fault {
    /// Offset in the pickle.
    pub at: usize,
    pub reason: String,
}

/// An opcode's argument. Texts and bytes are ranges of the pickle: none is copied.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    None,
    Int(i64),
    /// A long of more than 64 bits.
    Big(Range<usize>),
    Float(f64),
    /// UTF-8 as it stands.
    Text(Range<usize>),
    /// A line of protocol 0, quoted or escaped as Python writes it.
    Line(Range<usize>),
    /// Two lines: module and name.
    Names(Range<usize>, Range<usize>),
    Bytes(Range<usize>),
}

/// An operation with its argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    /// Offset of the opcode.
    pub at: usize,
    pub code: u8,
    pub arg: Arg,
}

/// Reads operations one after the other.
#[derive(Debug)]
pub struct Opcodes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Opcodes<'a> {
    /// Operations from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Opcodes<'a> {
        Opcodes { bytes, at: 0 }
    }

    /// Offset behind the last operation.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next operation.
    ///
    /// # Errors
    /// At an opcode that does not exist, or an argument that goes past the end.
    pub fn next_op(&mut self) -> Result<Op, Fault> {
        let at = self.at;
        let code = *self.bytes.get(at).ok_or_else(|| fault(at, "the pickle ends without STOP"))?;
        self.at += 1;
        let arg = self.arg(code).map_err(|reason| fault(at, &reason))?;
        Ok(Op { at, code, arg })
    }

    fn arg(&mut self, code: u8) -> Result<Arg, String> {
        Ok(match code {
            // Without an argument.
            b'('
            | b'.'
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'Q'
            | b'R'
            | b'a'
            | b'b'
            | b'd'
            | b'}'
            | b'e'
            | b'l'
            | b']'
            | b'o'
            | b's'
            | b't'
            | b')'
            | b'u'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x94
            | 0x97
            | 0x98 => Arg::None,
            // Little-endian integers.
            b'K' | b'h' | b'q' | 0x80 | 0x82 => Arg::Int(self.int(1)?),
            b'M' | 0x83 => Arg::Int(self.int(2)?),
            b'J' => Arg::Int(i64::from(self.int(4)? as u32 as i32)),
            b'j' | b'r' | 0x84 => Arg::Int(self.int(4)?),
            // FRAME: only a hint for readers of streams; the operations inside follow as they would without it.
            0x95 => Arg::Int(self.int(8)?),
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => {
                let word = self.take(8)?;
                let mut bits = [0; 8];
                bits.copy_from_slice(self.bytes.get(word).unwrap_or(&[0; 8]));
                Arg::Float(f64::from_be_bytes(bits))
            }
            // Counted texts and bytes.
            0x8c => Arg::Text(self.counted(1)?),
            b'X' => Arg::Text(self.counted(4)?),
            0x8d => Arg::Text(self.counted(8)?),
            b'U' | b'C' => Arg::Bytes(self.counted(1)?),
            b'T' | b'B' => Arg::Bytes(self.counted(4)?),
            0x8e | 0x96 => Arg::Bytes(self.counted(8)?),
            // Lines of protocol 0.
            b'S' | b'V' => Arg::Line(self.line(usize::MAX)?),
            b'F' => Arg::Float(self.number_line()?.parse().map_err(|_| "FLOAT without a number".to_owned())?),
            b'I' | b'L' => self.int_line()?,
            b'P' | b'g' | b'p' => Arg::Line(self.line(MAX_LINE)?),
            b'c' | b'i' => Arg::Names(self.line(MAX_LINE)?, self.line(MAX_LINE)?),
            _ => return Err(format!("0x{code:02x} is not an opcode of pickle")),
        })
    }

    fn take(&mut self, count: usize) -> Result<Range<usize>, String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("{count} bytes are declared, {} are left", self.bytes.len() - self.at))?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    /// An unsigned little-endian integer of at most eight bytes.
    fn int(&mut self, width: usize) -> Result<i64, String> {
        let range = self.take(width)?;
        let bytes = self.bytes.get(range).unwrap_or_default();
        let value = bytes.iter().rev().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
        i64::try_from(value).map_err(|_| format!("a length of {value}"))
    }

    fn counted(&mut self, width: usize) -> Result<Range<usize>, String> {
        let count = usize::try_from(self.int(width)?).map_err(|_| "a length out of range".to_owned())?;
        self.take(count)
    }

    /// A two's complement integer of any width.
    fn long(&mut self, width: usize) -> Result<Arg, String> {
        let range = self.counted(width)?;
        let bytes = self.bytes.get(range.clone()).unwrap_or_default();
        if bytes.len() > 8 {
            return Ok(Arg::Big(range));
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let start = if negative { -1i64 } else { 0 };
        Ok(Arg::Int(bytes.iter().rev().fold(start, |value, byte| (value << 8) | i64::from(*byte))))
    }

    /// A line without its line feed.
    fn line(&mut self, most: usize) -> Result<Range<usize>, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(most).position(|&byte| byte == b'\n').ok_or("a line does not end")?;
        let range = self.at..self.at + length;
        self.at += length + 1;
        Ok(range)
    }

    fn number_line(&mut self) -> Result<&'a str, String> {
        let range = self.line(MAX_LINE)?;
        let text = std::str::from_utf8(self.bytes.get(range).unwrap_or_default()).map_err(|error| error.to_string())?;
        Ok(text.trim())
    }

    /// `I01`, `I42`, `L42L`.
    fn int_line(&mut self) -> Result<Arg, String> {
        let start = self.at;
        let text = self.number_line()?;
        let digits = text.strip_suffix('L').unwrap_or(text);
        match digits.parse::<i64>() {
            Ok(value) => Ok(Arg::Int(value)),
            Err(_) if digits.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) && digits.len() > 18 => {
                Ok(Arg::Big(start..self.at - 1))
            }
            Err(_) => Err("INT without a number".to_owned()),
        }
    }
}

pub(super) fn fault(at: usize, reason: &str) -> Fault {
    Fault { at, reason: reason.to_owned() }
}

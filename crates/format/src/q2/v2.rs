//! Q2BN of version 2, as the first scripts of the system write it (docs/spec/q2.md#q2bn): read only.
//!
//! Big-endian but for the scales and the floats, which are in the writer's own order, little-endian. There is no number of
//! tensors and no checksum; records go on to the end of the file: `u32 length of name | name | u8 rank | u32 sizes | u8 type |
//! u64 length | payload`. Of type 0 are Z4 symbols behind one f16 τ a row, of type 1 f16, of type 2 names of the same tensor.

use super::file::{Q2Data, Q2Error, Q2File, Q2Tensor, Symbols, check_names};
use super::packing::{Width, unpack_rows};
use super::record::{Reader, check_scales, matrix};
use super::{Alphabet, LevelTable};

/// The level table of that version's own reader. Its trainer used another, [`LevelTable::Unit`].
const TABLE: LevelTable = LevelTable::Third;

pub fn read(bytes: &[u8]) -> Result<Q2File, Q2Error> {
    let mut reader = Reader::new(bytes.get(5..).unwrap_or_default(), "a record of version 2");
    let mut tensors = Vec::new();
    while reader.left() > 0 {
        tensors.push(record(&mut reader)?);
    }
    check_names(&tensors)?;
    Ok(Q2File { config: String::new(), tensors })
}

fn record(reader: &mut Reader) -> Result<Q2Tensor, Q2Error> {
    let length = reader.u32()?;
    let name = String::from_utf8_lossy(reader.take(length as usize)?).into_owned();
    let rank = reader.u8()?;
    let shape = (0..rank).map(|_| reader.u32()).collect::<Result<Vec<u32>, _>>()?;
    let kind = reader.u8()?;
    let length = usize::try_from(reader.u64()?).map_err(|_| Q2Error::Truncated("a record of version 2"))?;
    let mut payload = Reader::new(reader.take(length)?, "a payload of version 2");
    let data = match kind {
        0 => {
            let (rows, cols) = matrix(&name, &shape)?;
            let scales = little_endian(payload.take(2 * rows)?);
            check_scales(&name, (rows, cols), TABLE, Alphabet::Z4, &scales)?;
            let packed = payload.take(payload.left())?;
            let symbols = unpack_rows(packed, rows, cols, Alphabet::Z4, Width::Dense);
            let symbols = symbols.map_err(|error| Q2Error::packing(&name, &error))?;
            Q2Data::Symbols(Symbols { alphabet: Alphabet::Z4, table: TABLE, scales, symbols })
        }
        1 => {
            let floats = little_endian(payload.take(payload.left())?);
            let numel = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(u64::from(size)));
            if numel != Some(floats.len() as u64) || length % 2 == 1 {
                return Err(Q2Error::tensor(&name, format!("{length} bytes of f16 do not fill the shape {shape:?}")));
            }
            Q2Data::Float16(floats)
        }
        2 => {
            let length = payload.u32()?;
            Q2Data::Alias(String::from_utf8_lossy(payload.take(length as usize)?).into_owned())
        }
        _ => return Err(Q2Error::tensor(&name, format!("it is of the unknown type {kind}"))),
    };
    Ok(Q2Tensor { name, shape, data })
}

fn little_endian(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::q2::file;

    /// A file of version 2 with one matrix `[2, 6]` of Z4, one f16 vector, and an alias of the matrix.
    fn golden() -> Vec<u8> {
        let mut bytes = b"Q2BN\x02".to_vec();
        bytes.extend(b"\0\0\0\x01w\x02\0\0\0\x02\0\0\0\x06\0\0\0\0\0\0\0\0\x08");
        // Scales 1 and 0.5, little-endian; rows A B C D A B and D C B A D C, the last byte of each padded with zeros.
        bytes.extend([0x00, 0x3C, 0x00, 0x38, 0x1E, 0x10, 0xB4, 0xB0]);
        bytes.extend(b"\0\0\0\x01g\x01\0\0\0\x01\x01\0\0\0\0\0\0\0\x02\x00\x3C");
        bytes.extend(b"\0\0\0\x01v\x02\0\0\0\x02\0\0\0\x06\x02\0\0\0\0\0\0\0\x05\0\0\0\x01w");
        bytes
    }

    #[test]
    fn a_golden_file_of_version_2_is_read_with_its_little_endian_scales() {
        let read = file::read(&golden()).unwrap();
        let Q2Data::Symbols(w) = &read.tensors[0].data else { panic!("{read:?}") };
        assert_eq!(w.scales, [0x3C00, 0x3800]);
        assert_eq!(w.symbols, [0, 1, 2, 3, 0, 1, 3, 2, 1, 0, 3, 2]);
        assert_eq!((w.table, &read.tensors[1].data), (LevelTable::Third, &Q2Data::Float16(vec![0x3C00])));
        assert_eq!(read.tensors[2].data, Q2Data::Alias("w".to_owned()));
    }

    #[test]
    fn a_record_of_768_by_768_takes_the_documented_bytes() {
        let header = 4 + "layers.0.q.weight".len() + 1 + 2 * 4 + 1 + 8;
        assert_eq!((header, 2 * 768, 768 * 768 / 4), (39, 1536, 147_456));
    }

    #[test]
    fn cut_files_and_scales_that_are_no_numbers_are_refused() {
        let bytes = golden();
        let records = [5, 36, 57];
        for keep in 0..bytes.len() {
            assert_eq!(file::read(&bytes[..keep]).is_ok(), records.contains(&keep), "cut to {keep}");
        }
        let mut infinite = bytes;
        infinite[29] = 0x7C;
        assert!(file::read(&infinite).unwrap_err().to_string().contains("scale 0 is not a positive number"));
    }
}

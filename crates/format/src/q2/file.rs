//! Q2BN, version 3: a model of packed symbols and half-precision floats (docs/spec/q2.md#q2bn).
//!
//! ```text
//! "Q2BN" | u8 version 3 | u8 flags | u16 codec | u32 tensors | u32 length of config | config | u32 CRC-32C of the above
//! body: the records one after another, as one zstd frame where the flags say so
//! codec: bit 0 for the frame, bit 1 for symbols as range codes
//! ```
//!
//! Every integer is big-endian. The config is JSON. The same model gives the same bytes. Version 2, of the system's first
//! scripts, is read as well.

use std::io::Read;

pub use super::error::Q2Error;
use super::header;
pub use super::header::{Coding, MAGIC, Q2Header, VERSION, is_q2bn, read_header};
pub use super::record::Q2Entry;
use super::record::{self, Reader};
use super::v2;
use super::{Alphabet, LevelTable};

/// Most bytes that a body is unpacked to.
const MAX_BODY: u64 = 1 << 30;

/// A model file's contents.
#[derive(Debug, Clone, PartialEq)]
pub struct Q2File {
    /// JSON; empty in a file of version 2.
    pub config: String,
    pub tensors: Vec<Q2Tensor>,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Q2Tensor {
    pub name: String,
    pub shape: Vec<u32>,
    pub data: Q2Data,
}

/// A tensor's storage. Floats are the bits of their numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Q2Data {
    Float16(Vec<u16>),
    Float32(Vec<u32>),
    Symbols(Symbols),
    /// The same tensor as the one of that name.
    Alias(String),
}

/// A matrix of symbols. A tensor of more dimensions is a matrix of its first dimension and of all others.
#[derive(Debug, Clone, PartialEq)]
pub struct Symbols {
    pub alphabet: Alphabet,
    pub table: LevelTable,
    /// f16 bits: [`LevelTable::scales`] of each row, or of each of the equal groups that its columns are in.
    pub scales: Vec<u16>,
    /// One symbol a byte, row by row.
    pub symbols: Vec<u8>,
}

/// The settings of the writer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Writing {
    /// Level of zstd; `None` stores the body as it is.
    pub zstd: Option<i32>,
    /// Begin every tensor's symbols at a multiple of 128 bytes of the body.
    pub aligned: bool,
    /// The storage of symbols.
    pub coding: Coding,
}

/// Writes a file of version 3.
///
/// # Errors
/// When a tensor's data does not fit its shape or its alphabet, or a scale is no positive number.
pub fn write(file: &Q2File, how: Writing) -> Result<Vec<u8>, Q2Error> {
    let mut body = Vec::new();
    for tensor in &file.tensors {
        record::write(tensor, how.aligned, how.coding, &mut body)?;
    }
    let mut out = header::write(file, &how)?;
    match how.zstd {
        Some(level) => out.extend(zstd::encode_all(body.as_slice(), level).map_err(Q2Error::Compression)?),
        None => out.extend(body),
    }
    Ok(out)
}

/// Reads a file of version 3 or 2.
///
/// # Errors
/// When the file is of another version, truncated, altered, continued behind its end, or holds symbols outside of their
/// alphabet or scales that are no positive numbers.
pub fn read(bytes: &[u8]) -> Result<Q2File, Q2Error> {
    if is_q2bn(bytes) && bytes.get(4) == Some(&2) {
        return v2::read(bytes);
    }
    let (header, body) = read_header(bytes)?;
    let stored = bytes.get(body..).unwrap_or_default();
    let unpacked;
    let body = if header.compressed {
        unpacked = unpack(stored)?;
        unpacked.as_slice()
    } else {
        stored
    };
    Ok(Q2File { tensors: read_records(&header, body)?, config: header.config })
}

/// Reads the records of an unpacked body.
///
/// # Errors
/// As [`read`].
pub fn read_records(header: &Q2Header, body: &[u8]) -> Result<Vec<Q2Tensor>, Q2Error> {
    let mut reader = Reader::new(body, "a record");
    let mut tensors: Vec<Q2Tensor> = Vec::new();
    for _ in 0..header.tensors {
        tensors.push(record::read(&mut reader, header.aligned, header.coding)?);
    }
    if reader.left() > 0 {
        return Err(Q2Error::Malformed(format!("{} bytes follow its last tensor", reader.left())));
    }
    check_names(&tensors)?;
    Ok(tensors)
}

/// Reads the heads of the records of an unpacked body; also returns the number of bytes behind the last one.
///
/// # Errors
/// When a record is truncated or differs from its checksum.
pub fn read_entries(header: &Q2Header, body: &[u8]) -> Result<(Vec<Q2Entry>, usize), Q2Error> {
    let mut reader = Reader::new(body, "a record");
    let entries: Vec<Q2Entry> =
        (0..header.tensors).map(|_| record::entry(&mut reader, header.aligned)).collect::<Result<_, _>>()?;
    Ok((entries, reader.left()))
}

/// Checks that names are unique and that every alias means a tensor with data and the same shape.
pub(super) fn check_names(tensors: &[Q2Tensor]) -> Result<(), Q2Error> {
    let mut known = std::collections::BTreeMap::new();
    for tensor in tensors {
        if known.insert(&tensor.name, tensor).is_some() {
            return Err(Q2Error::tensor(&tensor.name, "it is there twice"));
        }
    }
    for tensor in tensors {
        let Q2Data::Alias(of) = &tensor.data else { continue };
        let found = known.get(of).filter(|of| !matches!(of.data, Q2Data::Alias(_)) && of.shape == tensor.shape);
        if found.is_none() {
            return Err(Q2Error::tensor(
                &tensor.name,
                format!("it stands for {of:?}, which is no tensor of its shape"),
            ));
        }
    }
    Ok(())
}

fn unpack(stored: &[u8]) -> Result<Vec<u8>, Q2Error> {
    let mut rest = stored;
    let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut rest).map_err(Q2Error::Compression)?.single_frame();
    decoder.window_log_max(27).map_err(Q2Error::Compression)?;
    let mut body = Vec::new();
    decoder.by_ref().take(MAX_BODY + 1).read_to_end(&mut body).map_err(Q2Error::Compression)?;
    if body.len() as u64 > MAX_BODY {
        return Err(Q2Error::Malformed(format!("it unpacks to more than {MAX_BODY} bytes")));
    }
    drop(decoder);
    if rest.is_empty() { Ok(body) } else { Err(Q2Error::Malformed(format!("{} bytes follow its end", rest.len()))) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packing::Width;
    use super::*;

    const ONE: u16 = 0x3C00;

    fn symbols(alphabet: Alphabet, table: LevelTable, rows: usize, cols: usize) -> Symbols {
        let symbols = (0..rows * cols).map(|i| ((i * 7 + i / 3) % alphabet.size()) as u8).collect();
        let scales = (0..rows * table.scales()).map(|i| ONE + i as u16).collect();
        Symbols { alphabet, table, scales, symbols }
    }

    fn sample() -> Q2File {
        let tensor = |name: &str, shape: &[u32], data| Q2Tensor { name: name.to_owned(), shape: shape.to_vec(), data };
        let rings = ["z4", "z8", "z12", "z16", "codon3"];
        let mut tensors: Vec<Q2Tensor> = rings
            .map(|name| {
                let alphabet: Alphabet = name.parse().unwrap();
                let table = if name == "z4" { LevelTable::RowFit } else { LevelTable::Centroid };
                tensor(name, &[3, 22], Q2Data::Symbols(symbols(alphabet, table, 3, 22)))
            })
            .into();
        tensors.push(tensor("tok_emb.weight", &[2, 2], Q2Data::Float16(vec![ONE, 0, 0x8000, 0x7BFF])));
        tensors.push(tensor("lm_head.weight", &[2, 2], Q2Data::Alias("tok_emb.weight".to_owned())));
        tensors.push(tensor("gain", &[2], Q2Data::Float32(vec![1.5f32.to_bits(), 7])));
        Q2File { config: "{\"recipe\":\"\"}".to_owned(), tensors }
    }

    fn ways() -> [Writing; 6] {
        let plain = Writing::default();
        [
            plain,
            Writing { zstd: Some(22), ..plain },
            Writing { aligned: true, ..plain },
            Writing { zstd: Some(3), aligned: true, coding: Coding::Packed(Width::HalfN) },
            Writing { coding: Coding::Range, ..plain },
            Writing { zstd: Some(22), aligned: true, coding: Coding::Range },
        ]
    }

    #[test]
    fn a_file_comes_back_whole_in_every_way_of_writing_and_always_has_the_same_bytes() {
        for how in ways() {
            let bytes = write(&sample(), how).unwrap();
            assert_eq!(read(&bytes).unwrap(), sample(), "{how:?}");
            assert_eq!(write(&sample(), how).unwrap(), bytes);
        }
    }

    #[test]
    fn the_bytes_of_version_3_never_change() {
        let data = Q2Data::Symbols(Symbols {
            alphabet: Alphabet::Z4,
            table: LevelTable::Mid,
            scales: vec![ONE],
            symbols: vec![0, 1, 2, 3],
        });
        let tensor = Q2Tensor { name: "w".to_owned(), shape: vec![1, 4], data };
        let file = Q2File { config: "{}".to_owned(), tensors: vec![tensor] };
        let bytes = crate::hex(&write(&file, Writing::default()).unwrap());
        // Magic, version, flags, codec, one tensor, two bytes of config; name, rank, shape, ring 4, table, f16, one scale.
        assert_eq!(&bytes[..36], "5132424e03000000000000010000 00027b7d".replace(' ', ""));
        let record = "0001 77 02 00000001 00000004 01 04 00 00 00000001 3c00 0000000000000001 1e 12a590b1";
        assert_eq!(&bytes[44..], record.replace(' ', ""));
    }

    #[test]
    fn symbols_begin_at_a_line_of_a_gpu_where_they_are_aligned() {
        let bytes = write(&sample(), Writing { aligned: true, ..Writing::default() }).unwrap();
        let (_, body) = read_header(&bytes).unwrap();
        let z4 = super::super::pack_rows(
            &symbols(Alphabet::Z4, LevelTable::Mid, 3, 22).symbols,
            22,
            Alphabet::Z4,
            Width::Dense,
        )
        .unwrap();
        let at = bytes[body..].windows(z4.len()).position(|window| window == z4).unwrap();
        // The length of eight bytes stands before the symbols, behind the padding.
        assert_eq!(at % 128, 0);
    }

    #[test]
    fn a_truncated_altered_or_continued_file_is_refused() {
        for how in ways() {
            let bytes = write(&sample(), how).unwrap();
            for keep in 0..bytes.len() {
                assert!(read(&bytes[..keep]).is_err(), "{how:?} cut to {keep} of {}", bytes.len());
            }
            assert!(read(&[bytes.as_slice(), &[0]].concat()).is_err());
            for at in (0..bytes.len()).step_by(5) {
                let mut altered = bytes.clone();
                altered[at] ^= 0x10;
                assert!(read(&altered).is_err(), "{how:?} altered at {at}");
            }
        }
    }

    #[test]
    fn another_magic_and_another_version_are_named() {
        assert_eq!(read(b"PK\x03\x04").unwrap_err().to_string(), "it does not begin with \"Q2BN\"");
        let mut bytes = write(&sample(), Writing::default()).unwrap();
        for version in [0, 1, 4] {
            bytes[4] = version;
            assert!(read(&bytes).unwrap_err().to_string().contains(&format!("version {version}; versions 2 and 3")));
        }
    }

    #[test]
    fn scales_that_are_no_positive_numbers_and_data_of_another_shape_are_refused() {
        type Change = fn(&mut Symbols);
        let changes: [(Change, &str); 5] = [
            (|s| s.scales[1] = 0x7C00, "scale 1 is not a positive number"),
            (|s| s.scales[0] = 0x7E00, "scale 0 is not a positive number"),
            (|s| s.scales[2] = 0, "scale 2 is not a positive number"),
            (|s| s.symbols[30] = 4, "symbol 8 of row 1 is 4"),
            (|s| s.scales.truncate(5), "5 scales"),
        ];
        for (change, said) in changes {
            let mut file = sample();
            let Q2Data::Symbols(symbols) = &mut file.tensors[0].data else { unreachable!() };
            change(symbols);
            let error = write(&file, Writing::default()).unwrap_err().to_string();
            assert!(error.contains("tensor z4") && error.contains(said), "{error}");
        }
        let mut twice = sample();
        twice.tensors[1].name = "z4".to_owned();
        let bytes = write(&twice, Writing::default()).unwrap();
        assert!(read(&bytes).unwrap_err().to_string().contains("it is there twice"));
        let mut astray = sample();
        astray.tensors[6].data = Q2Data::Alias("nothing".to_owned());
        let bytes = write(&astray, Writing::default()).unwrap();
        assert!(read(&bytes).unwrap_err().to_string().contains("stands for \"nothing\""));
    }

    #[test]
    fn range_codes_take_the_entropy_of_a_matrix_and_are_checked_as_fields_are() {
        // Masses of 1, 3, 3 and 1 eighths: those of the 0.75 quantile of |w|, 1.811 bits.
        let uneven: Vec<u8> = (0..1u64 << 18)
            .map(|i| [0, 1, 1, 1, 2, 2, 2, 3][(i.wrapping_mul(0x9E37_79B9) >> 9) as usize % 8])
            .collect();
        let data = |symbols| {
            Q2Data::Symbols(Symbols {
                alphabet: Alphabet::Ring(8),
                table: LevelTable::Centroid,
                scales: vec![ONE; 512],
                symbols,
            })
        };
        let tensor = |symbols| Q2Tensor { name: "w".to_owned(), shape: vec![512, 512], data: data(symbols) };
        let file = |symbols| Q2File { config: String::new(), tensors: vec![tensor(symbols)] };
        let range = Writing { coding: Coding::Range, ..Writing::default() };
        let bytes = write(&file(uneven.clone()), range).unwrap();
        let ratio = (bytes.len() - 1024) as f64 * 8.0 / crate::range::entropy_bits(&uneven);
        assert!(ratio < 1.002, "{ratio}");
        let mut wide = uneven;
        wide[700] = 8;
        let error = write(&file(wide.clone()), range).unwrap_err().to_string();
        assert_eq!(error, "tensor w: symbol 188 of row 1 is 8, outside of the 8 symbols of z8");
        // The same file, said to be of Z4: N stands behind two sizes, a name of one letter and the kind.
        wide[700] = 5;
        let mut bytes = write(&file(wide), range).unwrap();
        let (at, end) = (20 + 2 + 1 + 1 + 8 + 1, bytes.len() - 4);
        assert_eq!((bytes[at - 1], bytes[at]), (1, 8));
        bytes[at] = 4;
        let sum = super::super::crc32c::crc32c(&bytes[20..end]);
        bytes[end..].copy_from_slice(&sum.to_be_bytes());
        let error = read(&bytes).unwrap_err().to_string();
        assert_eq!(error, "tensor w: symbol 188 of row 1 is 5, outside of the 4 symbols of z4");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), version in 2u8..4) {
            let mut file = MAGIC.to_vec();
            file.push(version);
            file.append(&mut bytes);
            let _ = read(&file);
        }

        #[test]
        fn no_record_makes_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200), aligned in any::<bool>()) {
            let header = Q2Header { tensors: 1, config: String::new(), compressed: false, aligned, coding: Coding::default() };
            let _ = read_records(&header, &body);
            let _ = read_records(&Q2Header { coding: Coding::Range, ..header }, &body);
        }
    }
}

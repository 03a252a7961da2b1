//! A script that is a zip: Python runs the `__main__.py` in it, whatever stands before the zip in the file.
//!
//! `python file` asks the import system first, and a file that ends as a zip does is taken for one: a shebang may stand
//! before it, and so may a whole harmless script, which then never runs.

use super::decode::{self, Budget};

/// The bytes with which the end record of a zip begins.
const END: &[u8] = b"PK\x05\x06";
/// The distance from the end within which Python looks for it: the longest comment and the record itself.
const TAIL: usize = 65_535 + 22;
/// Members that are listed.
const MAX_MEMBERS: usize = 10_000;

/// A zip that Python runs.
#[derive(Debug, PartialEq, Eq)]
pub struct ZipApp {
    /// The source of `__main__.py`, or why it cannot be had.
    pub main: Result<Vec<u8>, String>,
    /// Length of `__main__.py` as it is packed.
    pub packed: u64,
    /// Further members that hold code.
    pub others: Vec<String>,
}

/// The zip that Python runs in place of the text of `bytes`; `None` where it runs the text.
pub fn read(bytes: &[u8], budget: &mut Budget) -> Option<ZipApp> {
    let entries = entries(bytes)?;
    let main = entries.iter().find(|entry| entry.name == "__main__.py");
    let is_main = |entry: &Entry| entry.name == "__main__.py" || entry.name == "__main__.pyc";
    entries.iter().find(|entry| is_main(entry))?;
    let source = match main {
        Some(main) => main.content(bytes, budget),
        None => Err("its __main__ is compiled, and caddie reads no bytecode".to_owned()),
    };
    let is_code = |name: &str| [".py", ".pyc", ".so", ".pyd"].iter().any(|end| name.ends_with(end));
    let others = entries.iter().filter(|entry| !is_main(entry) && is_code(&entry.name));
    Some(ZipApp {
        main: source,
        packed: main.map_or(0, |main| main.packed as u64),
        others: others.map(|entry| entry.name.clone()).collect(),
    })
}

/// A member by its entry in the directory.
struct Entry {
    name: String,
    method: u16,
    encrypted: bool,
    packed: usize,
    /// The offset at which its local header begins.
    at: usize,
}

impl Entry {
    fn content(&self, bytes: &[u8], budget: &mut Budget) -> Result<Vec<u8>, String> {
        let cut = || format!("the member {} is cut off", self.name);
        let (name, extra) = u16_at(bytes, self.at + 26).zip(u16_at(bytes, self.at + 28)).ok_or_else(cut)?;
        let start = self.at + 30 + usize::from(name) + usize::from(extra);
        let packed = bytes.get(start..start.saturating_add(self.packed)).ok_or_else(cut)?;
        match self.method {
            _ if self.encrypted => Err(format!("the member {} is encrypted", self.name)),
            0 => budget.take(packed.len()).map(|()| packed.to_vec()),
            8 => decode::zlib(packed, -15, budget).1,
            other => Err(format!("the member {} is packed by method {other}, which Python does not import", self.name)),
        }
    }
}

/// The directory of the zip at the end of `bytes`.
fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let from = bytes.len().saturating_sub(TAIL);
    let end = from + bytes.get(from..)?.windows(END.len()).rposition(|window| window == END)?;
    let (count, size, offset) = (u16_at(bytes, end + 10)?, u32_at(bytes, end + 12)?, u32_at(bytes, end + 16)?);
    let start = end.checked_sub(size)?;
    // Offsets count from the zip's own beginning, which a text before it moves.
    let moved = start.checked_sub(offset)?;
    let (mut at, mut found) = (start, Vec::new());
    for _ in 0..usize::from(count).min(MAX_MEMBERS) {
        if !bytes.get(at..end)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name, extra, comment) = (u16_at(bytes, at + 28)?, u16_at(bytes, at + 30)?, u16_at(bytes, at + 32)?);
        let text = bytes.get(at + 46..at + 46 + usize::from(name))?;
        found.push(Entry {
            name: String::from_utf8_lossy(text).into_owned(),
            method: u16_at(bytes, at + 10)?,
            encrypted: u16_at(bytes, at + 8)? & 1 == 1,
            packed: u32_at(bytes, at + 20)?,
            at: u32_at(bytes, at + 42)?.checked_add(moved)?,
        });
        at += 46 + usize::from(name) + usize::from(extra) + usize::from(comment);
    }
    Some(found)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk::<4>()?)).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A zip of members that are stored or deflated, behind `before`.
    fn zip(before: &[u8], members: &[(&str, &[u8], bool)]) -> Vec<u8> {
        let (mut bytes, mut directory) = (before.to_vec(), Vec::new());
        for (name, content, deflated) in members {
            let packed = if *deflated {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(content).expect("packs");
                encoder.finish().expect("packs")
            } else {
                content.to_vec()
            };
            let at = (bytes.len() - before.len()) as u32;
            let mut header = vec![20, 0, 0, 0, if *deflated { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            header.extend_from_slice(&(packed.len() as u32).to_le_bytes());
            header.extend_from_slice(&(content.len() as u32).to_le_bytes());
            header.extend_from_slice(&(name.len() as u16).to_le_bytes());
            header.extend_from_slice(&[0, 0]);
            bytes.extend_from_slice(b"PK\x03\x04");
            bytes.extend_from_slice(&header);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&packed);
            directory.extend_from_slice(b"PK\x01\x02\x14\x03");
            directory.extend_from_slice(&header);
            directory.extend_from_slice(&[0; 10]);
            directory.extend_from_slice(&at.to_le_bytes());
            directory.extend_from_slice(name.as_bytes());
        }
        let start = (bytes.len() - before.len()) as u32;
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        bytes.extend_from_slice(&(members.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(members.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&start.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }

    #[test]
    fn the_main_of_a_zip_runs_whatever_stands_before_it() {
        let source = b"print('inside')\n".repeat(20);
        for before in [&b""[..], b"#!/usr/bin/env python3\n", b"import torch\nprint('harmless')\n"] {
            for deflated in [false, true] {
                let bytes =
                    zip(before, &[("__main__.py", &source, deflated), ("a/b.py", b"x", false), ("c.txt", b"", false)]);
                let app = read(&bytes, &mut Budget::default()).expect("a zip that runs");
                assert_eq!((app.main.as_ref(), app.others), (Ok(&source), vec!["a/b.py".to_owned()]));
            }
        }
    }

    #[test]
    fn what_python_does_not_run_is_no_zip_app() {
        let run = |bytes: &[u8]| read(bytes, &mut Budget::default());
        assert_eq!(run(b"print('PK\x05\x06')"), None);
        assert_eq!(run(&zip(b"", &[("data.txt", b"x", false)])), None);
        let compiled = run(&zip(b"", &[("__main__.pyc", b"x", false)])).expect("a zip that runs");
        assert!(compiled.main.is_err_and(|reason| reason.contains("bytecode")));
        let whole = zip(b"", &[("__main__.py", b"print()", true)]);
        for cut in 0..whole.len() {
            let _ = run(&whole[..cut]);
            let _ = run(&whole[cut..]);
        }
    }
}

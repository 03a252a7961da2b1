//! Zip archives, accounted for to the byte.
//!
//! A crate would hand out members; an audit also asks for the bytes between and behind them, and whether the members
//! that the central directory declares are there. Torch stores its members uncompressed, so they stay ranges of the
//! file.

use std::ops::Range;

/// Members that are read; a model of the field has a few hundred.
const MAX_MEMBERS: usize = 100_000;

/// A member as the central directory declares it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub name: String,
    /// 0 stored, 8 deflated.
    pub method: u16,
    pub encrypted: bool,
    pub crc: u32,
    /// Unpacked, as declared.
    pub size: u64,
    /// Its data in the file, packed.
    pub data: Range<usize>,
}

/// The members and the bytes that are none of theirs.
#[derive(Debug, Default)]
pub(super) struct Archive {
    pub members: Vec<Member>,
    /// Ranges that no reader looks at, and where they lie.
    pub gaps: Vec<(String, Range<usize>)>,
    pub problems: Vec<String>,
}

/// Tells whether the bytes start as a zip does.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Reads the directory.
///
/// # Errors
/// When there is none, or it goes past the end.
pub(super) fn read(bytes: &[u8]) -> Result<Archive, String> {
    let end = find_end(bytes).ok_or("a zip without its end record; it is cut off")?;
    let mut archive = Archive::default();
    // Holds every range that a record covers; the remaining bytes are gaps.
    let mut covered = vec![end.record.clone()];
    covered.extend(end.extension.clone());
    covered.push(end.directory.clone());
    if end.comment > 0 {
        archive.gaps.push(("the comment of the zip".to_owned(), end.record.end..end.record.end + end.comment));
        covered.push(end.record.end..end.record.end + end.comment);
    }
    let mut at = end.directory.start;
    for index in 0..end.count {
        let entry = Entry::read(bytes, at, end.directory.end).ok_or_else(|| {
            format!("the directory of the zip ends after {index} of {} members that it declares", end.count)
        })?;
        at = entry.end;
        if entry.comment > 0 {
            let comment = entry.end - entry.comment..entry.end;
            archive.gaps.push((format!("the comment of the member {}", entry.name), comment));
        }
        if let Some(range) = place(bytes, &entry, &mut archive) {
            covered.push(range);
        }
    }
    if at < end.directory.end {
        archive.gaps.push(("behind the last entry of the zip's directory".to_owned(), at..end.directory.end));
    }
    uncovered(bytes.len(), covered, &mut archive);
    Ok(archive)
}

struct End {
    count: usize,
    directory: Range<usize>,
    record: Range<usize>,
    comment: usize,
    /// The records of zip64.
    extension: Vec<Range<usize>>,
}

fn find_end(bytes: &[u8]) -> Option<End> {
    const MARK: &[u8] = b"PK\x05\x06";
    let mut until = bytes.len();
    // Few marks are tried: bytes made of nothing but marks would cost the square of their length.
    for _ in 0..64 {
        let at = last_of(bytes.get(..until)?, MARK)?;
        if let Some(end) = end_at(bytes, at) {
            return Some(end);
        }
        until = at + MARK.len() - 1;
    }
    None
}

fn last_of(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).rposition(|window| window == mark)
}

fn end_at(bytes: &[u8], at: usize) -> Option<End> {
    let (count, size, offset) = (u16_at(bytes, at + 10)?, u32_at(bytes, at + 12)?, u32_at(bytes, at + 16)?);
    let comment = usize::from(u16_at(bytes, at + 20)?);
    let record = at..at + 22;
    let comment = comment.min(bytes.len().checked_sub(record.end)?);
    let (mut count, mut size, mut offset) = (u64::from(count), u64::from(size), u64::from(offset));
    let mut extension = Vec::new();
    if let Some(locator) = at.checked_sub(20).filter(|locator| bytes.get(*locator..).is_some_and(starts_locator)) {
        extension.push(locator..at);
        let place = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
        if bytes.get(place..)?.starts_with(b"PK\x06\x06") {
            let length = usize::try_from(u64_at(bytes, place + 4)?).ok()?.checked_add(12)?;
            let end = place.checked_add(length).filter(|end| *end <= locator)?;
            extension.push(place..end);
            (count, size) = (u64_at(bytes, place + 32)?, u64_at(bytes, place + 40)?);
            offset = u64_at(bytes, place + 48)?;
        }
    }
    let start = usize::try_from(offset).ok()?;
    let directory = start..start.checked_add(usize::try_from(size).ok()?)?;
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_MEMBERS)?;
    (directory.end <= at).then_some(End { count, directory, record, comment, extension })
}

fn starts_locator(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x06\x07")
}

/// An entry of the central directory.
struct Entry {
    name: String,
    method: u16,
    flags: u16,
    crc: u32,
    packed: u64,
    size: u64,
    /// Offset of the local header.
    offset: u64,
    comment: usize,
    end: usize,
}

impl Entry {
    fn read(bytes: &[u8], at: usize, until: usize) -> Option<Entry> {
        let directory = bytes.get(..until)?;
        if !directory.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let short = |offset: usize| u16_at(directory, at + offset);
        let word = |offset: usize| u32_at(directory, at + offset).map(u64::from);
        let (name, extra, comment) = (usize::from(short(28)?), usize::from(short(30)?), usize::from(short(32)?));
        let name_at = at + 46;
        let mut entry = Entry {
            name: String::from_utf8_lossy(directory.get(name_at..name_at + name)?).into_owned(),
            method: short(10)?,
            flags: short(8)?,
            crc: u32_at(directory, at + 16)?,
            packed: word(20)?,
            size: word(24)?,
            offset: word(42)?,
            comment,
            end: name_at + name + extra + comment,
        };
        directory.get(..entry.end)?;
        entry.widen(directory.get(name_at + name..name_at + name + extra)?);
        Some(entry)
    }

    /// Takes the sizes of zip64 for those that are saturated, in the order of the format.
    fn widen(&mut self, mut extra: &[u8]) {
        while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let Some(body) = extra.get(4..4 + usize::from(length)) else { return };
            if id == 1 {
                let mut at = 0;
                for field in [&mut self.size, &mut self.packed, &mut self.offset] {
                    if *field == u64::from(u32::MAX)
                        && let Some(value) = u64_at(body, at)
                    {
                        *field = value;
                        at += 8;
                    }
                }
            }
            extra = extra.get(4 + usize::from(length)..).unwrap_or_default();
        }
    }
}

/// Finds an entry's data and adds the member. Returns the range that it covers: local header, data, descriptor.
fn place(bytes: &[u8], entry: &Entry, archive: &mut Archive) -> Option<Range<usize>> {
    let name = &entry.name;
    let start = usize::try_from(entry.offset).ok()?;
    let local = bytes.get(start..).filter(|local| local.starts_with(b"PK\x03\x04") && local.len() >= 30);
    let Some(local) = local else {
        archive.problems.push(format!("the member {name} is declared at {start}, where none begins"));
        return None;
    };
    let (name_length, extra_length) = (usize::from(u16_at(local, 26)?), usize::from(u16_at(local, 28)?));
    let extra_at = start + 30 + name_length;
    let data_at = extra_at + extra_length;
    let packed = usize::try_from(entry.packed).ok().and_then(|packed| data_at.checked_add(packed));
    let Some(data_end) = packed.filter(|end| *end <= bytes.len()) else {
        let declared = entry.packed;
        archive.problems.push(format!("the member {name} declares {declared} bytes, more than the file has behind it"));
        return None;
    };
    if local.get(30..30 + name_length) != Some(name.as_bytes()) {
        archive.problems.push(format!("the member {name} has another name before its data"));
    }
    let declared = u32_at(local, 18)?;
    let streamed = entry.flags & 8 != 0 || declared == u32::MAX;
    if !streamed && u64::from(declared) != entry.packed {
        let packed = entry.packed;
        archive.problems.push(format!("the member {name} is {packed} bytes in the directory, {declared} at its data"));
    }
    archive.gaps.extend(padding(bytes, extra_at..data_at, name));
    archive.members.push(Member {
        name: name.clone(),
        method: entry.method,
        encrypted: entry.flags & 1 != 0,
        crc: entry.crc,
        size: entry.size,
        data: data_at..data_end,
    });
    Some(start..data_end + descriptor(bytes, data_end, entry))
}

/// Torch aligns its data by an extra field `FB` filled with one letter, or with zeros; anything else is content.
fn padding(bytes: &[u8], extra: Range<usize>, name: &str) -> Option<(String, Range<usize>)> {
    let field = bytes.get(extra.clone())?;
    let filling = field.get(4..).unwrap_or_default();
    let uniform = filling.first().is_none_or(|first| filling.iter().all(|byte| byte == first));
    let known = field.starts_with(b"FB") && uniform || field.len() <= 36;
    (!known).then(|| (format!("the extra field of the member {name}"), extra))
}

/// Length of the data descriptor: mark, checksum and two sizes of 32 or 64 bits.
fn descriptor(bytes: &[u8], at: usize, entry: &Entry) -> usize {
    if entry.flags & 8 == 0 || !bytes.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x07\x08")) {
        return 0;
    }
    let wide = u64_at(bytes, at + 8) == Some(entry.packed) && u64_at(bytes, at + 16) == Some(entry.size);
    let length = if wide { 24 } else { 16 };
    length.min(bytes.len() - at)
}

/// Adds the bytes that no record covers, and says where records lie over one another.
fn uncovered(length: usize, mut covered: Vec<Range<usize>>, archive: &mut Archive) {
    covered.sort_by_key(|range| (range.start, range.end));
    let mut at = 0;
    let mut overlaps = 0;
    for range in covered {
        if range.start > at {
            archive.gaps.push((format!("between the members of the zip, at {at}"), at..range.start));
        }
        overlaps += usize::from(range.start < at && !range.is_empty());
        at = at.max(range.end);
    }
    if at < length {
        archive.gaps.push(("behind the end of the zip".to_owned(), at..length));
    }
    if overlaps > 0 {
        archive
            .problems
            .push(format!("{overlaps} members of the zip lie over others: the same bytes are declared twice"));
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

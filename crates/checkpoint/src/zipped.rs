//! `torch.save` since 1.6: a zip whose `data.pkl` refers to members `data/0`, `data/1` …

use caddie_files::decompress::Codec;

use super::contents::{Contents, Format, Place, RegionKind, join};
use super::layers::{Budget, told};
use super::npy;
use super::pickle;
use super::tree::{self, Source};
use super::zip::{self, Member};

/// Members beside pickles and storages that torch writes, and the most that each may hold: a word or a number.
const MARKS: [&str; 5] = ["version", "byteorder", ".format_version", ".storage_alignment", "serialization_id"];
const MAX_MARK_BYTES: usize = 64;
/// The members of one zip together, in lengths of the file.
const MAX_PASSES: usize = 4;

pub(super) fn read(bytes: Vec<u8>, name: &str, contents: &mut Contents, budget: &mut Budget) {
    let buffer = contents.keep(bytes, name);
    let whole = |contents: &Contents| contents.buffers.get(buffer).map_or(0, |buffer| buffer.bytes.len());
    let archive = match zip::read(contents.bytes(&Place { buffer, range: 0..whole(contents) })) {
        Ok(archive) => archive,
        Err(problem) => {
            contents.formats.push(Format::Zip);
            contents.problem(name, problem);
            let range = 0..whole(contents);
            return contents.region(RegionKind::Opaque, "the zip".to_owned(), Place { buffer, range });
        }
    };
    for problem in archive.problems {
        contents.problem(name, problem);
    }
    for (what, range) in archive.gaps {
        let end = range.end == whole(contents) && what.starts_with("behind");
        let kind = if end { RegionKind::Trailing } else { RegionKind::Gap };
        contents.region(kind, join(name, &what), Place { buffer, range });
    }
    let mut read = Vec::new();
    // Members may lie over one another: together they are read as often as an honest file would need.
    let mut left = MAX_PASSES * whole(contents);
    let checked = has_checksums(&archive.members, name, contents);
    for member in &archive.members {
        if member.name.ends_with('/') && member.size == 0 {
            continue;
        }
        let Some(rest) = left.checked_sub(member.data.len()) else {
            contents
                .problem(name, "the members of the zip are declared to be more than the file, many times over".into());
            break;
        };
        left = rest;
        if let Some(place) = unpack(member, buffer, name, checked, contents, budget) {
            if read.iter().any(|(known, _): &(String, Place)| known.eq_ignore_ascii_case(&member.name)) {
                let problem = format!("the member {} is there twice; which is read depends on the reader", member.name);
                contents.problem(name, problem);
            }
            read.push((member.name.clone(), place));
        }
    }
    members(&read, name, contents);
}

/// Tells whether the zip's checksums were computed. torch can be told to leave every one of them at 0, and then they
/// say nothing; a single 0 among others is a checksum like any other.
fn has_checksums(members: &[Member], name: &str, contents: &mut Contents) -> bool {
    let none = !members.is_empty() && members.iter().all(|member| member.crc == 0);
    if none && members.iter().any(|member| member.size > 0) {
        contents.note(name, "the checksums of the zip were not computed, so damage would not show".to_owned());
    }
    !none
}

/// Parses every pickle, then says which members none refers to. torch finds `data.pkl` whatever the case of its letters,
/// and of members of one name any may be the one that is read: each is looked at.
fn members(read: &[(String, Place)], name: &str, contents: &mut Contents) {
    let is_pickle = |member: &str| member.to_ascii_lowercase().ends_with(".pkl");
    let by_name = |wanted: &str| read.iter().rposition(|(member, _)| member.eq_ignore_ascii_case(wanted));
    let found: Vec<usize> = (0..read.len()).filter(|index| is_pickle(&read[*index].0)).collect();
    let of_numpy = read.iter().any(|(_, place)| npy::is(contents.bytes(place)));
    contents.formats.push(match (found.is_empty(), of_numpy) {
        (false, _) => Format::TorchZip,
        (true, true) => Format::Npz,
        (true, false) => Format::Zip,
    });
    let mut used = vec![false; read.len()];
    for index in found {
        let (member, pickle) = &read[index];
        let folder = member.rsplit_once('/').map_or("", |(folder, _)| folder);
        let data = format!("{}/", join(folder, "data"));
        let storage = |key: &str| by_name(&format!("{data}{key}"));
        let source = Source {
            name: join(name, member),
            pickle: pickle.clone(),
            storages: &|key| Some(read[storage(key)?].1.clone()),
        };
        let reached = tree::read(&source, contents);
        used[index] = true;
        reached.iter().filter_map(|key| storage(key)).for_each(|index| used[index] = true);
    }
    for ((member, place), used) in read.iter().zip(used) {
        let last = member.rsplit('/').next().unwrap_or(member);
        if used || (MARKS.contains(&last) && place.range.len() <= MAX_MARK_BYTES) {
            continue;
        }
        if npy::is(contents.bytes(place)) {
            npy::array(place, &join(name, member), contents);
            continue;
        }
        // A pickle under another name is for a loader of its own.
        if pickle::is_whole_pickle(contents.bytes(place)) {
            let source = Source { name: join(name, member), pickle: place.clone(), storages: &|_| None };
            tree::read(&source, contents);
        }
        contents.region(RegionKind::Member, format!("the member {}", join(name, member)), place.clone());
    }
}

/// A member's bytes: a range of the file where they are stored, else a new buffer.
fn unpack(
    member: &Member,
    buffer: usize,
    name: &str,
    checked: bool,
    contents: &mut Contents,
    budget: &mut Budget,
) -> Option<Place> {
    let stored = Place { buffer, range: member.data.clone() };
    let label = join(name, &member.name);
    let refuse = |contents: &mut Contents, problem: String| {
        contents.problem(name, format!("the member {}: {problem}", member.name));
        contents.region(RegionKind::Opaque, format!("the member {label}"), stored.clone());
        None
    };
    if member.encrypted {
        if !is_plain(member, contents.bytes(&stored), budget) {
            return refuse(contents, "encrypted".to_owned());
        }
        let problem = format!("the member {} is declared encrypted and is not: some readers load it", member.name);
        contents.problem(name, problem);
    }
    let place = match member.method {
        0 => stored.clone(),
        8 => match budget.unpack(&Codec::Deflate, contents.bytes(&stored)).map_err(told) {
            Ok((bytes, _)) => {
                let range = 0..bytes.len();
                Place { buffer: contents.keep(bytes, &label), range }
            }
            Err(error) => return refuse(contents, error),
        },
        method => return refuse(contents, format!("compression method {method} is not read")),
    };
    if place.range.len() as u64 != member.size {
        let (declared, real) = (member.size, place.range.len());
        contents.problem(name, format!("the member {} declares {declared} bytes and has {real}", member.name));
    }
    let mut crc = flate2::Crc::new();
    crc.update(contents.bytes(&place));
    if checked && crc.sum() != member.crc {
        contents.problem(name, format!("the member {} differs from its checksum", member.name));
    }
    Some(place)
}

/// Tells whether the data of a member that is declared encrypted lies there in the clear: its checksum is right.
fn is_plain(member: &Member, stored: &[u8], budget: &mut Budget) -> bool {
    let unpacked = match member.method {
        0 => Some(stored.to_vec()),
        8 => budget.unpack(&Codec::Deflate, stored).ok().map(|(bytes, _)| bytes),
        _ => None,
    };
    unpacked.is_some_and(|bytes| {
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        crc.sum() == member.crc
    })
}

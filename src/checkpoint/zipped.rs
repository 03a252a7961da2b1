//! `torch.save` since 1.6: a zip whose `data.pkl` refers to members `data/0`, `data/1` …

use std::collections::HashMap;

use super::contents::{Contents, Format, Place, RegionKind, join};
use super::layers::Budget;
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
    let mut places = HashMap::new();
    // Members may lie over one another: together they are read as often as an honest file would need.
    let mut left = MAX_PASSES * whole(contents);
    let mut order = Vec::new();
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
        if let Some(place) = unpack(member, buffer, name, contents, budget) {
            if places.insert(member.name.clone(), place).is_some() {
                contents.problem(name, format!("the member {} is there twice; readers take the last", member.name));
            }
            order.push(member.name.clone());
        }
    }
    pickles(&order, &mut places, name, contents);
}

/// Parses every pickle, then says which members none refers to.
fn pickles(order: &[String], places: &mut HashMap<String, Place>, name: &str, contents: &mut Contents) {
    let is_pickle = |member: &&String| member.ends_with(".pkl");
    let mut used: Vec<String> = Vec::new();
    let found: Vec<&String> = order.iter().filter(is_pickle).collect();
    contents.formats.push(if found.is_empty() { Format::Zip } else { Format::TorchZip });
    for member in found {
        let Some(pickle) = places.get(member).cloned() else { continue };
        let folder = member.rsplit_once('/').map_or("", |(folder, _)| folder);
        let data = format!("{}/", join(folder, "data"));
        let source =
            Source { name: join(name, member), pickle, storages: &|key| places.get(&format!("{data}{key}")).cloned() };
        let reached = tree::read(&source, contents);
        used.push(member.clone());
        used.extend(reached.into_iter().map(|key| format!("{data}{key}")));
    }
    for member in &used {
        places.remove(member);
    }
    for member in order {
        let Some(place) = places.remove(member) else { continue };
        let last = member.rsplit('/').next().unwrap_or(member);
        if !(MARKS.contains(&last) && place.range.len() <= MAX_MARK_BYTES) {
            contents.region(RegionKind::Member, format!("the member {}", join(name, member)), place);
        }
    }
}

/// A member's bytes: a range of the file where they are stored, else a new buffer.
fn unpack(member: &Member, buffer: usize, name: &str, contents: &mut Contents, budget: &mut Budget) -> Option<Place> {
    let stored = Place { buffer, range: member.data.clone() };
    let label = join(name, &member.name);
    let refuse = |contents: &mut Contents, problem: String| {
        contents.problem(name, format!("the member {}: {problem}", member.name));
        contents.region(RegionKind::Opaque, format!("the member {label}"), stored.clone());
        None
    };
    if member.encrypted {
        return refuse(contents, "encrypted".to_owned());
    }
    let place = match member.method {
        0 => stored.clone(),
        8 => match budget.read(flate2::read::DeflateDecoder::new(contents.bytes(&stored))) {
            Ok(bytes) => {
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
    if crc.sum() != member.crc {
        contents.problem(name, format!("the member {} differs from its checksum", member.name));
    }
    Some(place)
}

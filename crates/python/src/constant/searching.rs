//! Searching within texts and bytes: both are searched as bytes, and a text's places are counted in characters.

use memchr::memmem;

use super::arguments::{bound, needed};
use super::{Constant, Failure, Given, Limit, Slice};

/// The part of a text or of bytes in which a method searches.
pub(super) struct Within<'s> {
    pub bytes: &'s [u8],
    /// Bytes before the part.
    pub from: usize,
    /// False where the start lies behind the end: then not even nothing is found.
    pub exists: bool,
}

/// Returns what lies between two bounds, given the byte at which each member begins.
pub(super) fn within<'s>(
    whole: &'s [u8],
    len: usize,
    bounds: [Option<&Constant>; 2],
    byte_of: impl Fn(usize) -> usize,
) -> Result<Within<'s>, Failure> {
    let [start, stop] = bounds;
    let start = bound(start)?;
    let places = Slice { start, stop: bound(stop)?, step: None }.places(len)?;
    let first = usize::try_from(places.start).unwrap_or(len);
    let last = first + usize::try_from(places.len).unwrap_or_default();
    let (from, to) = (byte_of(first), byte_of(last));
    let beyond = start.is_some_and(|start| start > 0 && start as u64 > len as u64);
    let reversed = bound(stop)?.is_some_and(|stop| {
        let end = Slice { start: Some(stop), stop: None, step: None }.places(len).map_or(0, |places| places.start);
        end < places.start
    });
    Ok(Within { bytes: whole.get(from..to).unwrap_or_default(), from, exists: !beyond && !reversed })
}

impl Within<'_> {
    /// Returns the byte of the whole at which the part is found, from the left or the right.
    pub fn find(&self, part: &[u8], from_right: bool) -> Option<usize> {
        let at = if from_right { memmem::rfind(self.bytes, part) } else { memmem::find(self.bytes, part) };
        at.filter(|_| self.exists).map(|at| self.from + at)
    }
}

/// Counts the places where the part is found that do not overlap; `members` counts those of nothing.
pub(super) fn count(bytes: &[u8], part: &[u8], members: usize) -> usize {
    if part.is_empty() { members + 1 } else { memmem::find_iter(bytes, part).count() }
}

/// Evaluates `startswith` and `endswith`: `part` is one affix or a tuple of them.
pub(super) fn affixed(
    within: &Within<'_>,
    name: &str,
    affix: &Constant,
    bytes_of: fn(&Constant) -> Option<&[u8]>,
) -> Result<bool, Failure> {
    let has = |affix: &Constant| {
        let affix = bytes_of(affix).ok_or_else(|| Failure::wrong_type("an affix of another type"))?;
        let has = if name == "endswith" { within.bytes.ends_with(affix) } else { within.bytes.starts_with(affix) };
        Ok(has && within.exists)
    };
    match affix {
        Constant::Tuple(affixes) => affixes.iter().map(has).try_fold(false, |any, has| Ok(any || has?)),
        _ => has(affix),
    }
}

/// Replaces a part, at most `most` times where that is not negative. Nothing as the part stands before and behind every
/// member, which begin at `starts`.
pub(super) fn replace(
    bytes: &[u8],
    from: &[u8],
    to: &[u8],
    most: i64,
    starts: impl Iterator<Item = usize> + Clone,
    limit: Limit,
) -> Result<Vec<u8>, Failure> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if from.is_empty() {
        replace_at(bytes, 0, to, starts.chain([bytes.len()]).take(most), limit)
    } else {
        replace_at(bytes, from.len(), to, memmem::find_iter(bytes, from).take(most), limit)
    }
}

/// Replaces so many bytes at each of the places. They are counted before anything is made: there may be as many as bytes.
fn replace_at(
    bytes: &[u8],
    len: usize,
    to: &[u8],
    places: impl Iterator<Item = usize> + Clone,
    limit: Limit,
) -> Result<Vec<u8>, Failure> {
    let count = places.clone().count();
    let added = count.checked_mul(to.len()).ok_or(Failure::TooLarge)?;
    let size = (bytes.len() - count * len).checked_add(added).ok_or(Failure::TooLarge)?;
    limit.admit_bytes(size)?;
    let mut output = Vec::with_capacity(size);
    let mut rest = 0;
    for at in places {
        output.extend_from_slice(bytes.get(rest..at).unwrap_or_default());
        output.extend_from_slice(to);
        rest = at + len;
    }
    output.extend_from_slice(bytes.get(rest..).unwrap_or_default());
    Ok(output)
}

/// Cuts at a separator, which is not empty, at most `most` times where that is not negative.
pub(super) fn split<'s>(
    bytes: &'s [u8],
    separator: &[u8],
    most: i64,
    from_right: bool,
    limit: Limit,
) -> Result<Vec<&'s [u8]>, Failure> {
    // Of more parts than are admitted, as many are cut as it takes to see that.
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(limit.members);
    let cuts: Vec<usize> = if from_right {
        let mut cuts: Vec<usize> = memmem::rfind_iter(bytes, separator).take(most).collect();
        cuts.reverse();
        cuts
    } else {
        memmem::find_iter(bytes, separator).take(most).collect()
    };
    let mut parts = Vec::with_capacity(cuts.len() + 1);
    let mut rest = 0;
    for at in cuts {
        parts.push(bytes.get(rest..at).unwrap_or_default());
        rest = at + separator.len();
    }
    parts.push(bytes.get(rest..).unwrap_or_default());
    limit.admit_members(parts.len())?;
    Ok(parts)
}

/// Cuts where members are space, as `split()` does: runs of space are one separator, and none stands at the ends.
/// `spaces` are the places of space as bytes from and to, in order.
pub(super) fn split_space(
    bytes: &[u8],
    spaces: impl Iterator<Item = (usize, usize)>,
    most: i64,
    from_right: bool,
    limit: Limit,
) -> Result<Vec<&[u8]>, Failure> {
    let mut words = Vec::new();
    let mut start = 0;
    for (from, to) in spaces.chain([(bytes.len(), bytes.len())]) {
        if from > start {
            words.push((start, from));
            // Every word may be one part.
            limit.admit_members(words.len())?;
        }
        start = to;
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let word = |(from, to): (usize, usize)| bytes.get(from..to).unwrap_or_default();
    if words.len() <= most {
        return Ok(words.into_iter().map(word).collect());
    }
    // The words beyond the last cut stay together, with the space between them and the space at that end.
    Ok(if from_right {
        let kept = words.split_off(words.len() - most);
        let end = words.last().map_or(0, |(_, to)| *to);
        std::iter::once((0, end)).chain(kept).map(word).collect()
    } else {
        let rest = words.split_off(most);
        let start = rest.first().map_or(bytes.len(), |(from, _)| *from);
        words.into_iter().chain([(start, bytes.len())]).map(word).collect()
    })
}

/// Evaluates `partition` and `rpartition` to their three parts; the separator is not empty.
pub(super) fn partition<'s>(bytes: &'s [u8], separator: &'s [u8], from_right: bool) -> [&'s [u8]; 3] {
    let at = if from_right { memmem::rfind(bytes, separator) } else { memmem::find(bytes, separator) };
    match at.and_then(|at| Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))) {
        Some((before, after)) => [before, separator, after],
        None if from_right => [&[], &[], bytes],
        None => [bytes, &[], &[]],
    }
}

/// The separator and the number of cuts that `split` and `rsplit` are given.
pub(super) fn split_arguments<'g>(given: &'g Given<'_>) -> Result<(Option<&'g Constant>, i64), Failure> {
    let [separator, most] = given.bind(["sep", "maxsplit"])?;
    let most = super::arguments::int(most)?.unwrap_or(-1);
    Ok((separator.filter(|separator| !matches!(separator, Constant::None)), most))
}

/// Returns the separator, which must not be empty.
pub(super) fn separator<T: AsRef<[u8]> + ?Sized>(separator: &T) -> Result<&T, Failure> {
    if separator.as_ref().is_empty() { Err(Failure::wrong_value("an empty separator")) } else { Ok(separator) }
}

/// Evaluates `ljust`, `rjust` and `center` to the fill before and behind.
pub(super) fn padding(name: &str, len: usize, width: i64) -> (usize, usize) {
    let width = usize::try_from(width).unwrap_or_default();
    let total = width.saturating_sub(len);
    match name {
        "ljust" => (0, total),
        "rjust" => (total, 0),
        // CPython gives an odd remainder to the left where the width is odd.
        _ => {
            let left = total / 2 + (total & width & 1);
            (left, total - left)
        }
    }
}

/// The one argument that a method takes by its place alone.
pub(super) fn only<'g>(given: &'g Given<'_>) -> Result<&'g Constant, Failure> {
    let [only] = given.bind(["/"])?;
    needed(only)
}

//! The track that a folder is entered on.

use caddie_rulebook::{Rulebook, Track};

use crate::Folder;

/// What the folder's place calls its track: `10min_16mb` of `records/track_10min_16mb/…`, known to the rulebook or not.
pub fn placed(folder: &Folder, rulebook: &Rulebook) -> Option<String> {
    let absolute = folder.path.canonicalize_utf8().unwrap_or_else(|_| folder.path.clone());
    let name = |part: &str| part.strip_prefix(rulebook.track_prefix.as_str()).map(str::to_owned);
    absolute.components().rev().find_map(|part| name(part.as_str()))
}

/// The track of the rulebook that the folder is entered on; `None` where nothing states one. Where the folder lies
/// decides; what submission.json says comes second.
pub fn entered<'b>(folder: &Folder, rulebook: &'b Rulebook) -> Option<&'b Track> {
    let placed = placed(folder, rulebook).and_then(|name| rulebook.track(&name));
    placed.or_else(|| rulebook.track(&folder.metadata()?.track.as_ref()?.value))
}

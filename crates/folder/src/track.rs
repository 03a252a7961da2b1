//! The track that a folder is entered on.

use caddie_rulebook::{Rulebook, Track};

use crate::Folder;

/// Returns the track that the folder's place names: `10min_16mb` of `records/track_10min_16mb/…`, known to the rulebook
/// or not.
pub fn placed(folder: &Folder, rulebook: &Rulebook) -> Option<String> {
    let absolute = folder.path.canonicalize_utf8().unwrap_or_else(|_| folder.path.clone());
    let name = |part: &str| part.strip_prefix(rulebook.track_prefix.as_str()).map(str::to_owned);
    absolute.components().rev().find_map(|part| name(part.as_str()))
}

/// Returns the track of the rulebook that the folder is entered on; `None` where nothing states one. The folder's place
/// decides before submission.json.
pub fn entered<'b>(folder: &Folder, rulebook: &'b Rulebook) -> Option<&'b Track> {
    let placed = placed(folder, rulebook).and_then(|name| rulebook.track(&name));
    placed.or_else(|| rulebook.track(&folder.metadata()?.track.as_ref()?.value))
}

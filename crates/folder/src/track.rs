//! The track that a folder is entered on.

use crate::Folder;

/// Which rules apply to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// 10 minutes on 8xH100, 16 MB.
    Record,
    /// Only the 16 MB hold.
    NonRecord,
    /// Nothing says; checked as a record.
    Unstated,
}

impl Track {
    /// The canonical spelling; `None` when nothing states it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Track::Record => Some("10min_16mb"),
            Track::NonRecord => Some("non_record_16mb"),
            Track::Unstated => None,
        }
    }

    /// What the folder's place calls its track: `10min_16mb` of `records/track_10min_16mb/…`.
    pub fn placed(folder: &Folder) -> Option<String> {
        let absolute = folder.path.canonicalize_utf8().unwrap_or_else(|_| folder.path.clone());
        absolute.components().rev().find_map(|part| part.as_str().strip_prefix("track_").map(str::to_owned))
    }

    /// Where the folder lies decides; what submission.json says comes second.
    pub fn of(folder: &Folder) -> Track {
        let placed = Track::placed(folder);
        let placed = placed.and_then(|track| crate::submission::canonical_track(&track));
        match placed.or_else(|| Some(folder.metadata()?.track?.value)) {
            Some("10min_16mb") => Track::Record,
            Some(_) => Track::NonRecord,
            None => Track::Unstated,
        }
    }
}

//! The tracks of a challenge: their names, and their differences.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Hardware, Limits, Rulebook};

/// A track: a folder below `records` whose entries are judged alike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// The name in reports: `10min_16mb`. Its folder has the rulebook's `track_prefix` before it.
    pub name: String,
    /// Other names that submission.json uses for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// True if its entries compete for the record. The clocks, the machine, the seeds and the margin are demanded of
    /// such entries only; of another track's entries they are reported.
    pub record: bool,
    /// Code plus compressed weights, decimal bytes, inclusive; that of `[limits]` where the track has none of its own.
    pub artifact_bytes: Option<u64>,
    /// Training clock, seconds; that of `[limits]` where the track has none of its own.
    pub train_seconds: Option<f64>,
    /// Evaluation clock, seconds; that of `[limits]` where the track has none of its own.
    pub eval_seconds: Option<f64>,
    /// Runs with distinct seeds; that of `[limits]` where the track has none of its own.
    pub seeds: Option<usize>,
    /// The machine on which the track is timed; that of `[hardware]` where the track has none of its own.
    pub hardware: Option<Hardware>,
}

impl Rulebook {
    /// Returns the track of that name or alias, with or without the prefix of its folder. Case is ignored, and `-`, `_`
    /// and spaces are equal.
    pub fn track(&self, text: &str) -> Option<&Track> {
        let wanted = plain(text);
        let wanted = wanted.strip_prefix(&plain(&self.track_prefix)).unwrap_or(&wanted);
        self.tracks.iter().find(|track| track.spellings().any(|spelling| plain(spelling) == wanted))
    }

    /// Returns the track whose rules hold where nothing states one: the first that competes for the record.
    pub fn record_track(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.record)
    }

    /// The name of a track's folder below `records`: `track_10min_16mb`.
    pub fn track_folder(&self, track: &Track) -> String {
        format!("{}{}", self.track_prefix, track.name)
    }

    /// Returns the limits of a track; of the record track where nothing states one.
    pub fn limits_of(&self, track: Option<&Track>) -> Limits {
        let Some(track) = track.or_else(|| self.record_track()) else { return self.limits };
        let all = &self.limits;
        Limits {
            artifact_bytes: track.artifact_bytes.unwrap_or(all.artifact_bytes),
            train_seconds: track.train_seconds.unwrap_or(all.train_seconds),
            eval_seconds: track.eval_seconds.unwrap_or(all.eval_seconds),
            seeds: track.seeds.unwrap_or(all.seeds),
            ..*all
        }
    }

    /// Returns the machine of a track; of the record track where nothing states one. `None` where none is demanded.
    pub fn hardware_of<'a>(&'a self, track: Option<&'a Track>) -> Option<&'a Hardware> {
        let track = track.or_else(|| self.record_track());
        track.and_then(|track| track.hardware.as_ref()).or(self.hardware.as_ref())
    }

    /// Lists the flaws of the tracks.
    pub(crate) fn track_flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        if self.track_prefix.trim().is_empty() {
            flaws.push(
                "track_prefix is empty: give the beginning of the tracks' folder names, such as \"track_\"".to_owned(),
            );
        }
        let mut seen = HashSet::new();
        for track in &self.tracks {
            let mut add = |reason: String| flaws.push(format!("[[track]] {}: {reason}", track.name));
            if track.name.is_empty() || track.name.contains(['/', '\\']) {
                add("the name ends a folder's name, so it cannot be empty or hold a slash".to_owned());
            }
            for spelling in track.spellings().filter(|spelling| !seen.insert(plain(spelling))) {
                add(format!("{spelling:?} names two tracks; case is ignored, and `-` equals `_`"));
            }
            for (key, seconds) in [("train_seconds", track.train_seconds), ("eval_seconds", track.eval_seconds)] {
                if seconds.is_some_and(|seconds| !(seconds.is_finite() && seconds > 0.0)) {
                    add(format!("{key}: give a number above 0, or leave the key out"));
                }
            }
        }
        flaws
    }
}

impl Track {
    fn spellings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.aliases).map(String::as_str)
    }
}

/// Returns a text in lower case, with `_` between words.
fn plain(text: &str) -> String {
    text.trim().to_ascii_lowercase().replace(['-', ' '], "_")
}

/// Returns the beginning of the track folders' names for a rulebook that states none.
pub(crate) fn usual_prefix() -> String {
    "track_".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PARAMETER_GOLF_2026;

    fn with(tracks: &str) -> Rulebook {
        let from = PARAMETER_GOLF_2026.find("\n[[track]]\n").expect("tracks") + 1;
        let to = PARAMETER_GOLF_2026.find("[seeds]").expect("seeds");
        let text = format!("{}{tracks}\n{}", &PARAMETER_GOLF_2026[..from], &PARAMETER_GOLF_2026[to..]);
        Rulebook::parse(&text).expect("parses")
    }

    #[test]
    fn a_track_is_known_by_every_spelling_of_its_name() {
        let book = Rulebook::builtin().expect("loads");
        let name = |text: &str| book.track(text).map(|track| track.name.as_str());
        for text in ["10min_16mb", "track_10min_16mb", " 10MIN-16mb", "Track 10min 16MB"] {
            assert_eq!(name(text), Some("10min_16mb"), "{text}");
        }
        for text in ["non-record-16mb", "track_non_record_16mb", "non-record-unlimited-compute-16mb"] {
            assert_eq!(name(text), Some("non_record_16mb"), "{text}");
        }
        for text in ["", "10min_8mb", "track_track_10min_16mb", "../10min_16mb"] {
            assert_eq!(name(text), None, "{text}");
        }
        let record = book.record_track().expect("a record track");
        assert_eq!((record.name.as_str(), book.track_folder(record).as_str()), ("10min_16mb", "track_10min_16mb"));
    }

    #[test]
    fn a_track_may_have_limits_and_a_machine_of_its_own() {
        let book = with(
            "[[track]]\nname = \"short\"\nrecord = true\ntrain_seconds = 60.0\nartifact_bytes = 8\nseeds = 5\n\
             [track.hardware]\ngpus = 1\ngpu = \"L4\"\nname = \"L4\"\n[[track]]\nname = \"long\"\nrecord = false",
        );
        assert_eq!(book.flaws(), Vec::new());
        let (short, long) = (book.limits_of(book.track("short")), book.limits_of(book.track("long")));
        assert_eq!((short.train_seconds, short.artifact_bytes, short.seeds), (60.0, 8, 5));
        assert_eq!((long.train_seconds, long.artifact_bytes, long.seeds), (600.0, 16_000_000, 3));
        assert_eq!((short.eval_seconds, book.limits_of(None)), (600.0, short), "the record track holds unless stated");
        let gpu = |track: Option<&Track>| book.hardware_of(track).map(|machine| machine.gpu.clone());
        assert_eq!(
            (gpu(book.track("short")).as_deref(), gpu(book.track("long")).as_deref()),
            (Some("L4"), Some("H100"))
        );
    }

    #[test]
    fn tracks_that_no_folder_can_be_told_by_are_flaws() {
        let flaws = |tracks: &str| with(tracks).track_flaws().join("; ");
        let twice =
            "[[track]]\nname = \"a-b\"\nrecord = true\n[[track]]\nname = \"c\"\naliases = [\"A_B\"]\nrecord = false";
        assert!(flaws(twice).contains("[[track]] c: \"A_B\" names two tracks"), "{}", flaws(twice));
        assert!(flaws("[[track]]\nname = \"a/b\"\nrecord = true").contains("or hold a slash"));
        assert!(
            flaws("[[track]]\nname = \"a\"\nrecord = true\neval_seconds = nan").contains("eval_seconds: give a number")
        );
    }
}

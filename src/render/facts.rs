//! The facts from which a folder's documents are written.

use sha2::{Digest, Sha256};

use super::figures::FigureFiles;
use super::launcher;
use super::ledgers::LedgerSummary;
use super::legality::Measured;
use super::payload::Payload;
use super::probe::ProbeOfRecipe;
use super::recipe::RecipeText;
use super::results::Results;
use super::runs::FinishedRun;
use crate::artifact::{Limits, Versions};
use caddie_files::{Error, Result};
use caddie_folder::RunLog;
use caddie_rulebook::{Hardware, Rulebook};

/// The facts that the runs cannot tell: whose submission it is, and its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    pub name: String,
    pub author: String,
    pub github_id: String,
    pub date: jiff::civil::Date,
    pub track: Track,
}

/// The track that a submission is entered on, as its documents name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// `10min_16mb`.
    pub name: String,
    /// Name of the folder under `records/`.
    pub folder: String,
    /// True if the track's runs compete for the record, under its limits and on its machine.
    pub is_record: bool,
    /// The machine that the track is timed on; `None` where none is demanded.
    pub hardware: Option<Hardware>,
}

/// The facts of one submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub meta: Meta,
    pub recipe: RecipeText,
    pub results: Results,
    pub limits: Limits,
    /// The scores of all seeds. The digest is that of the first seed.
    pub scored: LedgerSummary,
    /// Each seed with the digest of its ledger, in the order of the runs.
    pub ledgers: Vec<(i64, String)>,
    /// File name of the model, for example `model.int8.zlib`.
    pub model_file: String,
    /// Length of the `train_gpt.py` that ships.
    pub launcher_bytes: u64,
    /// SHA-256 of that file, in lower-case hexadecimal.
    pub code_sha256: String,
    pub versions: Versions,
    /// The contents of the model files; nothing where they were not examined.
    pub payload: Payload,
    /// The figures of the README.
    pub figures: FigureFiles,
    /// A table of ablations in Markdown, for the README.
    pub ablations: Option<String>,
    /// A probe report on the recipe.
    pub probe: Option<ProbeOfRecipe>,
}

impl Facts {
    /// Puts the facts of finished runs together; `script` is the `train_gpt.py` that ships.
    ///
    /// # Errors
    /// Those of [`Results::from_logs`], and when the logs counted another `train_gpt.py` than would ship.
    pub fn of_runs(runs: &[FinishedRun], meta: Meta, limits: Limits, script: &[u8]) -> Result<Facts> {
        let launcher_bytes = script.len() as u64;
        let logs: Vec<&RunLog> = runs.iter().map(|run| &run.log).collect();
        let results = Results::from_logs(&logs)?;
        let Some(first) = runs.first() else {
            return Err(Error::Usage("there is no finished run to render".to_owned()));
        };
        if results.bytes_code != Some(launcher_bytes) {
            let reason = format!(
                "counted {} bytes of code, but train_gpt.py would ship with {launcher_bytes}: the runs were made with \
                 another version of caddie. Render with that version, or train again",
                results.bytes_code.unwrap_or_default()
            );
            return Err(Error::unreadable(&first.log.log, reason));
        }
        Ok(Facts {
            meta,
            recipe: first.recipe.clone(),
            limits,
            scored: first.ledger_summary.clone(),
            ledgers: runs.iter().map(|run| (run.seed, run.ledger_summary.sha256.clone())).collect(),
            model_file: first.model.file_name().unwrap_or_default().to_owned(),
            launcher_bytes,
            code_sha256: caddie_files::hex(&Sha256::digest(script)),
            versions: Versions {
                caddie: env!("CARGO_PKG_VERSION").to_owned(),
                engine: launcher::engine_version(),
                pytorch: match results.torch_versions.as_slice() {
                    [] => None,
                    versions => Some(versions.join(", ")),
                },
            },
            results,
            payload: Payload::default(),
            figures: FigureFiles::default(),
            ablations: None,
            probe: None,
        })
    }

    /// Returns the facts that the logs show, without those that only a native run has.
    pub(super) fn measured(&self) -> Measured<'_> {
        Measured { results: &self.results, limits: &self.limits, track: &self.meta.track }
    }

    /// The hardware as the logs state it.
    pub fn hardware(&self) -> String {
        self.results.hardware()
    }

    /// Returns the folder name of the shards in the logs, for example `fineweb10B_sp1024`.
    pub fn dataset(&self) -> Option<String> {
        self.results.dataset()
    }

    /// Returns the file name of the tokenizer, or `byte260`.
    pub fn tokenizer(&self) -> String {
        self.recipe.tokenizer_file().unwrap_or_else(|| "byte260".to_owned())
    }

    /// The recipe's own sentences on the method.
    pub fn blurb(&self) -> &str {
        self.recipe.text("blurb").unwrap_or_default()
    }

    /// Returns `<date>_<Name>`, in characters that every system takes.
    pub fn folder_name(&self) -> String {
        self.meta.folder_name()
    }

    /// Writes the headline: "1.2244 (mean of 3 seeds, sample std 0.0007)".
    pub fn headline(&self) -> String {
        self.results.headline()
    }
}

impl Meta {
    /// Returns `<date>_<Name>`.
    pub fn folder_name(&self) -> String {
        format!("{}_{}", self.date, self.file_name())
    }

    /// Returns the name with a `_` for each run of characters other than letters, digits, `.`, `_` and `-`.
    pub fn file_name(&self) -> String {
        file_name(&self.name)
    }
}

/// Returns a name as that of a file: see [`Meta::file_name`].
pub fn file_name(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words: Vec<&str> = name.split(|c| !keep(c)).filter(|word| !word.is_empty()).collect();
    words.join("_").trim_matches('.').to_owned()
}

impl Track {
    /// Returns the track of the rulebook with that name, with or without the prefix of its folder; without a name, the
    /// record track.
    ///
    /// # Errors
    /// When the rulebook has no such track; the message lists those that it has.
    pub fn of(book: &Rulebook, name: Option<&str>) -> Result<Track> {
        let named = |track: &&caddie_rulebook::Track| match name {
            Some(name) => track.name == name || book.track_folder(track) == name,
            None => track.record,
        };
        let Some(track) = book.tracks.iter().find(named) else {
            let known: Vec<&str> = book.tracks.iter().map(|track| track.name.as_str()).collect();
            let reason = match name {
                Some(name) => format!("--track {name:?} is not a track; the challenge has {}", known.join(" and ")),
                None => format!("{} has no record track; pass --track", book.id()),
            };
            return Err(Error::Usage(reason));
        };
        Ok(Track {
            name: track.name.clone(),
            folder: book.track_folder(track),
            is_record: track.record,
            hardware: book.hardware_of(Some(track)).cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folder_names() {
        let name = |name: &str| {
            let track = Track::of(&Rulebook::builtin().unwrap(), None).unwrap();
            let (author, github_id) = (String::new(), String::new());
            Meta { name: name.to_owned(), author, github_id, date: jiff::civil::date(2026, 5, 1), track }.file_name()
        };
        assert_eq!(name("LoRA TTT / rank 8"), "LoRA_TTT_rank_8");
        assert_eq!((name("../x"), name("Q²")), ("_x".to_owned(), "Q".to_owned()));
    }

    #[test]
    fn tracks_are_known_by_their_short_and_long_names() {
        let book = Rulebook::builtin().unwrap();
        let track = Track::of(&book, Some("track_non_record_16mb")).unwrap();
        assert_eq!((track.name.as_str(), track.is_record), ("non_record_16mb", false));
        assert_eq!(Track::of(&book, Some("10min_16mb")).unwrap().folder, "track_10min_16mb");
        assert_eq!(Track::of(&book, None).unwrap().name, "10min_16mb");
        let other = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/other-challenge/pocket-2027.toml");
        let other = Rulebook::read(other.into()).unwrap();
        let purse = Track::of(&other, Some("purse")).unwrap();
        assert_eq!((purse.folder.as_str(), purse.hardware.unwrap().gpu.as_str()), ("league_purse", "L40S"));
        assert_eq!(Limits::of(&other, other.track("purse")).bytes_total, 4_000_000);
        for other in ["../x", "", "10min_8mb", "10min-16mb", "track_track_10min_16mb", "Non_Record_16mb"] {
            let message = Track::of(&book, Some(other)).unwrap_err().to_string();
            assert!(message.contains("is not a track; the challenge has 10min_16mb and non_record_16mb"), "{message}");
        }
    }
}

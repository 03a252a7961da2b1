//! The baseline of a score: the record that stood, or the one that `--against` names.

use camino::{Utf8Path, Utf8PathBuf};
use jiff::civil::Date;

use caddie_files::{Error, Result};
use caddie_folder::{Fact, Folder, RunLog};
use caddie_rulebook::stats::{Sample, Score, mean};
use caddie_rulebook::{Ladder, Row};

/// Largest val_bpb of a trained model, bits per byte: a model that knows nothing starts at about 4.
const MOST_BPB: f64 = 3.0;

/// The baseline that `--against` names.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// A row of the ladder, by its pull request.
    PullRequest(u64),
    /// A records folder, whose logs are read.
    Folder(Utf8PathBuf),
    /// A bare val_bpb.
    Value(f64),
}

impl Against {
    /// Reads `#1493`, `1493`, a path or `1.0810`.
    ///
    /// # Errors
    /// When it is none of these, or names a pull request that the ladder does not have.
    pub fn parse(text: &str, ladder: &Ladder) -> Result<Against> {
        let refuse = |why: String| Err(Error::Usage(format!("--against {text}: {why}")));
        if let Ok(pr) = text.strip_prefix('#').unwrap_or(text).parse() {
            return match ladder.pull_request(pr) {
                Some(_) => Ok(Against::PullRequest(pr)),
                None => refuse("no record of the ladder; `caddie ladder` lists them, or give its folder".to_owned()),
            };
        }
        match text.parse::<f64>() {
            Ok(value) if value > 0.0 && value < MOST_BPB => return Ok(Against::Value(value)),
            Ok(_) => return refuse(format!("a val_bpb to test against is above 0 and below {MOST_BPB}")),
            Err(_) => {}
        }
        let path = Utf8Path::new(text);
        if path.is_dir() {
            return Ok(Against::Folder(path.to_owned()));
        }
        refuse("neither a pull request (#1493), nor a records folder, nor a val_bpb (1.0810)".to_owned())
    }
}

/// A score to beat.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    pub name: String,
    /// The pull request of the row, where the baseline is a row of the ladder.
    pub pr: Option<u64>,
    /// Mean, bits per byte.
    pub val_bpb: f64,
    /// Its runs; empty for a bare value.
    pub sample: Sample,
}

impl Baseline {
    /// Makes a baseline of a row of the ladder, with the runs that the next row was tested against.
    pub fn of_row(row: &Row) -> Baseline {
        let sample = row.standing().map(|evidence| evidence.sample());
        let sample = sample.unwrap_or_else(|| Sample { name: String::new(), scores: Vec::new() });
        Baseline { name: row.name(), pr: row.pr, val_bpb: row.mean(), sample }
    }

    /// Reads the baseline that `against` names.
    ///
    /// # Errors
    /// When the folder cannot be read, or no log of it states a score.
    pub fn read(against: &Against, ladder: &Ladder) -> Result<Baseline> {
        match against {
            Against::PullRequest(pr) => match ladder.pull_request(*pr) {
                Some(row) => Ok(Baseline::of_row(row)),
                None => Err(Error::Usage(format!("--against #{pr}: no record of the ladder"))),
            },
            Against::Value(value) => Ok(Baseline {
                name: format!("val_bpb {value}"),
                pr: None,
                val_bpb: *value,
                sample: Sample { name: "a value".to_owned(), scores: Vec::new() },
            }),
            Against::Folder(path) => {
                let folder = Folder::read(path)?;
                let sample = runs_of(&folder);
                let values: Vec<f64> = sample.scores.iter().map(|run| run.val_bpb).collect();
                let Some(val_bpb) = mean(&values) else {
                    return Err(Error::unreadable(path, "no log states a score to test against"));
                };
                let name = folder_name(&folder).unwrap_or_else(|| path.to_string());
                Ok(Baseline { name, pr: None, val_bpb, sample })
            }
        }
    }

    /// Returns the record that stood when the folder was proposed: the last before its own row where it is one, else
    /// the one on the eve of its date. Where the folder states two dates, the stricter record of the two counts, so
    /// that no choice of date lowers the bar. `Ok(None)` before the first record.
    ///
    /// # Errors
    /// Returns the missing fact when the folder states no date.
    pub fn standing(folder: &Folder, ladder: &Ladder) -> std::result::Result<Option<Baseline>, String> {
        if let Some(position) = row_of(folder, ladder) {
            return Ok(ladder.before(position).map(Baseline::of_row));
        }
        let Dates { stated, placed } = Dates::of(folder);
        if stated.is_none() && placed.is_none() {
            return Err("no date in submission.json or the folder's name".to_owned());
        }
        let stood = stated.into_iter().chain(placed).filter_map(|date| ladder.on_the_eve_of(date));
        Ok(stood.map(Baseline::of_row).min_by(|a, b| a.val_bpb.total_cmp(&b.val_bpb)))
    }
}

/// Returns the place of the folder's own row in the ladder.
pub fn row_of(folder: &Folder, ladder: &Ladder) -> Option<usize> {
    ladder.position(&folder_name(folder)?)
}

/// The runs that state a score.
pub fn runs_of(folder: &Folder) -> Sample {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let score = |run: &RunLog| {
        Some(Score {
            seed: run.seed.value(),
            val_bpb: finite(run.val_bpb.value())?,
            val_loss: finite(run.val_loss.value()),
        })
    };
    let scores = folder.runs.official.iter().filter_map(score).collect();
    Sample { name: "its own runs".to_owned(), scores }
}

fn folder_name(folder: &Folder) -> Option<String> {
    let absolute = folder.path.canonicalize_utf8().unwrap_or_else(|_| folder.path.clone());
    absolute.file_name().map(str::to_owned)
}

/// The days on which the folder was made, by its own statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dates {
    /// `date` of submission.json, with or without a time of day.
    pub stated: Option<Date>,
    /// The date that the folder's name starts with.
    pub placed: Option<Date>,
}

impl Dates {
    /// Reads both.
    pub fn of(folder: &Folder) -> Dates {
        let day = |text: &str| text.get(..10)?.parse().ok();
        let stated = folder.metadata().and_then(|metadata| day(metadata.date.as_ref()?.value.trim()));
        Dates { stated, placed: folder_name(folder).and_then(|name| day(&name)) }
    }

    /// Returns the number of days between the two dates, where both are stated.
    pub fn apart(self) -> Option<i32> {
        Some((self.stated?.since(self.placed?)).ok()?.get_days().abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn against_is_a_pull_request_a_value_or_a_folder() {
        let ladder = Ladder::builtin().expect("loads");
        let parse = |text: &str| Against::parse(text, ladder);
        assert_eq!(parse("#1493").expect("a row"), Against::PullRequest(1493));
        assert_eq!(parse("1493").expect("a row"), Against::PullRequest(1493));
        assert_eq!(parse("1.0810").expect("a value"), Against::Value(1.081));
        assert_eq!(parse("src").expect("a folder"), Against::Folder("src".into()));
        for (text, reason) in [
            ("#3", "no record of the ladder"),
            ("-1.5", "above 0"),
            ("NaN", "above 0"),
            ("inf", "above 0"),
            ("5.5", "below 3"),
            ("nowhere", "neither a pull request"),
            ("", "neither a pull request"),
            ("#", "neither a pull request"),
        ] {
            assert!(parse(text).is_err_and(|error| error.to_string().contains(reason)), "{text}");
        }
    }

    #[test]
    fn a_folder_without_a_score_is_no_baseline() {
        let ladder = Ladder::builtin().expect("loads");
        let read = Baseline::read(&Against::Folder("src/checks".into()), ladder);
        assert!(read.is_err_and(|error| error.to_string().contains("no log states a score")));
    }
}

//! The table of a study, as programs read it: what was run, and what each variant is worth.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::plan::Variant;
use super::study::Equality;
use super::subject::{SubjectFacts, TrialEnd, TrialNumbers};
use caddie_files::{Error, Result};
use caddie_rulebook::stats::{mean, paired, sample_std};

/// Version of the layout.
const SCHEMA_VERSION: u32 = 1;
/// Share of intervals that hold the true difference, if the differences are normal.
pub const CONFIDENCE: f64 = 0.95;

/// A study's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationTable {
    pub schema_version: u32,
    pub caddie: String,
    pub name: String,
    pub subject: SubjectFacts,
    pub seeds: Vec<u64>,
    /// True for every combination; else one thing differs at a time.
    pub grid: bool,
    /// True for a ladder: each variant adds to the one before it, and its difference is to that one.
    #[serde(default)]
    pub ladder: bool,
    /// What was made equal among the variants.
    pub equal: Option<Equality>,
    /// The setting that was turned for that.
    pub knob: Option<String>,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// Identity of the rulebook with the limit.
    pub rulebook: String,
    /// Counted code and compressed model, decimal bytes.
    pub limit_bytes: u64,
    /// The reference first.
    pub variants: Vec<VariantRow>,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantRow {
    pub name: String,
    pub choices: Vec<Choice>,
    pub dropped: Vec<String>,
    pub knob: Option<Choice>,
    /// Tells whether the knob made the size equal; `None` where none was turned.
    pub equal_bytes: Option<bool>,
    /// Folder of its trials.
    pub folder: Utf8PathBuf,
    /// In the order of the seeds.
    pub trials: Vec<TrialRow>,
    /// Bits per byte.
    pub val_bpb: Option<Averaged>,
    /// Differences to the reference, or in a ladder to the rung before, in bits per byte, below 0 where the variant is better.
    pub difference: Option<Difference>,
    /// Mean over the finished trials, as all of the following. `None` where one of them does not state it.
    pub bytes_total: Option<f64>,
    /// The largest submission: the limit holds for each seed.
    pub bytes_total_max: Option<u64>,
    /// `limit_bytes − bytes_total_max`.
    pub headroom: Option<i64>,
    pub tokens_per_second: Option<f64>,
    pub train_seconds: Option<f64>,
    pub eval_seconds: Option<f64>,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialRow {
    pub seed: u64,
    /// `None` where the trial failed.
    pub numbers: Option<TrialNumbers>,
    pub failure: Option<FailureRow>,
}

/// A trial that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureRow {
    pub reason: String,
    /// Its last lines.
    pub tail: Vec<String>,
    pub log: Utf8PathBuf,
}

/// Mean and sample standard deviation over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Averaged {
    pub mean: f64,
    /// `None` for one seed.
    pub std: Option<f64>,
    pub seeds: usize,
}

/// The difference to the reference over the seeds that both finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    pub mean: f64,
    /// One difference a seed, in the order of the seeds.
    pub by_seed: Vec<f64>,
    /// Bounds of the interval of [`paired`]; `None` for one pair, and for differences that are all the same.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// A variant with what its trials came to.
#[derive(Debug)]
pub struct Tested {
    pub variant: Variant,
    pub folder: Utf8PathBuf,
    pub equal_bytes: Option<bool>,
    /// In the order of the seeds.
    pub ends: Vec<(u64, TrialEnd)>,
}

/// What a table says besides its rows.
#[derive(Debug, Clone)]
pub struct Heading {
    pub name: String,
    pub subject: SubjectFacts,
    pub seeds: Vec<u64>,
    pub grid: bool,
    pub ladder: bool,
    pub equal: Option<Equality>,
    pub knob: Option<String>,
    pub rulebook: String,
    pub limit_bytes: u64,
}

impl AblationTable {
    /// Computes every row; the first variant is the reference.
    pub fn of(heading: Heading, tested: &[Tested]) -> AblationTable {
        let limit = heading.limit_bytes;
        let reference = |i: usize| tested.get(if heading.ladder { i.checked_sub(1)? } else { 0 }).map(scores);
        let compared = |i: usize| if i == 0 { None } else { reference(i) };
        AblationTable {
            schema_version: SCHEMA_VERSION,
            caddie: env!("CARGO_PKG_VERSION").to_owned(),
            variants: tested.iter().enumerate().map(|(i, one)| row(one, compared(i).as_ref(), limit)).collect(),
            name: heading.name,
            subject: heading.subject,
            seeds: heading.seeds,
            grid: heading.grid,
            ladder: heading.ladder,
            equal: heading.equal,
            knob: heading.knob,
            confidence: CONFIDENCE,
            rulebook: heading.rulebook,
            limit_bytes: limit,
        }
    }

    /// Reads a table that a study wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a table of this version.
    pub fn read(path: &Utf8Path) -> Result<AblationTable> {
        let text = caddie_files::read_text(path)?;
        let not_one = |reason: String| {
            Error::unreadable(
                path,
                format!("{reason}; pass the .json that `caddie ablate` wrote into its folder ablations/"),
            )
        };
        let table: AblationTable = serde_json::from_str(&text).map_err(|e| not_one(e.to_string()))?;
        match table.schema_version {
            SCHEMA_VERSION => Ok(table),
            other => Err(not_one(format!("is of version {other}, and this caddie reads version {SCHEMA_VERSION}"))),
        }
    }

    /// Writes the table as JSON.
    pub fn json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Internal(format!("a table as JSON: {e}")))?;
        Ok(text + "\n")
    }

    /// Trials that failed, with their variants.
    pub fn failures(&self) -> impl Iterator<Item = (&VariantRow, u64, &FailureRow)> {
        self.variants.iter().flat_map(|variant| {
            variant.trials.iter().filter_map(move |trial| Some((variant, trial.seed, trial.failure.as_ref()?)))
        })
    }

    /// Variants whose scores are those of the reference to the last digit, for every seed that both finished.
    pub fn without_effect(&self) -> impl Iterator<Item = &VariantRow> {
        let same = |variant: &&VariantRow| {
            variant.difference.as_ref().is_some_and(|found| found.by_seed.iter().all(|delta| *delta == 0.0))
        };
        self.variants.iter().filter(same)
    }
}

/// The scores of the finished trials, by seed.
fn scores(tested: &Tested) -> Vec<(u64, f64)> {
    let score = |(seed, end): &(u64, TrialEnd)| match end {
        TrialEnd::Finished(numbers) => Some((*seed, numbers.val_bpb?)),
        TrialEnd::Failed(_) => None,
    };
    tested.ends.iter().filter_map(score).collect()
}

fn row(tested: &Tested, reference: Option<&Vec<(u64, f64)>>, limit: u64) -> VariantRow {
    let numbers: Vec<&TrialNumbers> = tested.ends.iter().filter_map(|(_, end)| finished(end)).collect();
    let own = scores(tested);
    let values: Vec<f64> = own.iter().map(|(_, score)| *score).collect();
    let all =
        |of: fn(&TrialNumbers) -> Option<f64>| mean(&numbers.iter().map(|one| of(one)).collect::<Option<Vec<_>>>()?);
    let sizes: Option<Vec<u64>> = numbers.iter().map(|one| one.bytes_total).collect();
    let largest = sizes.and_then(|sizes| sizes.into_iter().max());
    VariantRow {
        name: tested.variant.name(),
        choices: tested.variant.choices.clone(),
        dropped: tested.variant.dropped.clone(),
        knob: tested.variant.knob.clone(),
        equal_bytes: tested.equal_bytes,
        folder: tested.folder.clone(),
        trials: tested.ends.iter().map(trial_row).collect(),
        val_bpb: mean(&values).map(|mean| Averaged { mean, std: sample_std(&values), seeds: values.len() }),
        difference: reference.and_then(|reference| difference(&own, reference)),
        bytes_total: all(|one| one.bytes_total.map(|bytes| bytes as f64)),
        bytes_total_max: largest,
        headroom: largest.and_then(|bytes| i64::try_from(i128::from(limit) - i128::from(bytes)).ok()),
        tokens_per_second: all(|one| one.tokens_per_second),
        train_seconds: all(|one| one.train_seconds),
        eval_seconds: all(|one| one.eval_seconds),
    }
}

fn finished(end: &TrialEnd) -> Option<&TrialNumbers> {
    match end {
        TrialEnd::Finished(numbers) => Some(numbers),
        TrialEnd::Failed(_) => None,
    }
}

fn trial_row((seed, end): &(u64, TrialEnd)) -> TrialRow {
    let failure = match end {
        TrialEnd::Finished(_) => None,
        TrialEnd::Failed(failure) => {
            let (reason, tail, log) = (failure.reason.clone(), failure.tail.clone(), failure.log.clone());
            Some(FailureRow { reason, tail, log })
        }
    };
    TrialRow { seed: *seed, numbers: finished(end).cloned(), failure }
}

/// Pairs the scores by their seeds.
fn difference(own: &[(u64, f64)], reference: &[(u64, f64)]) -> Option<Difference> {
    let pair = |(seed, score): &(u64, f64)| {
        let other = reference.iter().find(|(other, _)| other == seed)?;
        Some((*score, other.1))
    };
    let pairs: Vec<(f64, f64)> = own.iter().filter_map(pair).collect();
    let by_seed: Vec<f64> = pairs.iter().map(|(score, other)| score - other).collect();
    let interval = paired(&pairs, CONFIDENCE).ok();
    Some(Difference {
        mean: mean(&by_seed)?,
        by_seed,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ablate::subject::{SubjectKind, TrialFailure};

    fn end(val_bpb: f64, bytes: u64) -> TrialEnd {
        TrialEnd::Finished(TrialNumbers {
            metric: Some("final_int8_ttt_lora_exact".to_owned()),
            val_bpb: Some(val_bpb),
            val_loss: Some(val_bpb * 2.5),
            steps: Some(100),
            train_seconds: Some(20.0),
            eval_seconds: Some(5.0),
            tokens_per_second: Some(20_480.0),
            bytes_model: Some(bytes - 100_000),
            bytes_total: Some(bytes),
        })
    }

    fn tested(choices: &[(&str, &str)], dropped: &[&str], ends: Vec<(u64, TrialEnd)>) -> Tested {
        let choices: Vec<Choice> = choices.iter().map(|(key, value)| Choice::new(*key, *value)).collect();
        let dropped: Vec<String> = dropped.iter().map(|&name| name.to_owned()).collect();
        let changes = choices.clone();
        let variant = Variant { folder: "x".to_owned(), choices, dropped, knob: None, changes };
        Tested { folder: Utf8PathBuf::from("out/runs/x"), variant, equal_bytes: None, ends }
    }

    /// A table with every kind of row.
    pub fn example() -> AblationTable {
        let ends = |scores: [f64; 3], bytes: u64| -> Vec<(u64, TrialEnd)> {
            (0u64..).zip(scores).map(|(seed, score)| (seed, end(score, bytes + seed))).collect()
        };
        let mut knob = tested(&[("quant.matrix.bits", "6")], &[], ends([1.647, 1.6478, 1.6492], 651_900));
        knob.variant.knob = Some(Choice::new("model_dim", "136"));
        knob.equal_bytes = Some(false);
        let failure = TrialFailure {
            reason: "killed: nobody asked it to end (killed by signal 9)".to_owned(),
            tail: vec!["step:9/20 train_loss:3.1".to_owned()],
            log: "out/runs/x/seed-1/log.txt".into(),
        };
        let mut broken = ends([1.66, 1.67, 1.68], 650_000);
        broken[1].1 = TrialEnd::Failed(failure);
        broken[2].1 = broken[1].1.clone();
        let all = [
            tested(&[], &[], ends([1.6442, 1.6444, 1.6483], 651_711)),
            tested(&[("matrix_lr", "0.03")], &[], ends([1.6402, 1.6409, 1.6431], 651_200)),
            tested(&[], &["ttt"], ends([1.757, 1.7571, 1.7612], 651_711)),
            knob,
            tested(&[("a|b", "<x> & \u{202e}\"y\"")], &[], ends([1.6442, 1.6444, 1.6483], 16_000_001)),
            tested(&[("broken", "1")], &[], broken),
        ];
        let heading = Heading {
            name: "example".to_owned(),
            subject: SubjectFacts {
                kind: SubjectKind::Recipe,
                name: "demo".to_owned(),
                sha256: "0".repeat(64),
                settings: vec![Choice::new("train.iterations", "40")],
            },
            seeds: vec![0, 1, 2],
            grid: false,
            ladder: false,
            equal: Some(Equality::Bytes),
            knob: Some("model_dim".to_owned()),
            rulebook: "parameter-golf 2026".to_owned(),
            limit_bytes: 16_000_000,
        };
        AblationTable::of(heading, &all)
    }

    #[test]
    fn differences_are_paired_by_seed_and_failed_trials_are_left_out() {
        let table = example();
        let row = |name: &str| table.variants.iter().find(|row| row.name == name).unwrap();
        let ttt = row("without ttt").difference.clone().unwrap();
        // 0.1128, 0.1127, 0.1129: mean 0.1128, s = 1e-4, half = 4.302652… · 1e-4 / √3 = 2.484e-4.
        assert!((ttt.mean - 0.1128).abs() < 1e-12 && (ttt.high.unwrap() - 0.113_048_41).abs() < 1e-8, "{ttt:?}");
        let broken = row("broken=1");
        assert_eq!((broken.val_bpb.unwrap().seeds, broken.val_bpb.unwrap().std), (1, None));
        let one = broken.difference.clone().unwrap();
        assert!((one.mean - 0.0158).abs() < 1e-12 && one.low.is_none(), "{one:?}");
        assert_eq!(row("reference").difference, None);
        assert_eq!((row("reference").bytes_total_max, row("reference").headroom), (Some(651_713), Some(15_348_287)));
        let same: Vec<&str> = table.without_effect().map(|row| row.name.as_str()).collect();
        assert_eq!((same.len(), table.failures().count()), (1, 2));
        assert_eq!(row(same[0]).headroom, Some(-3));
    }

    #[test]
    fn a_table_survives_being_written_and_read_and_another_file_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temp.path().join("t.json")).unwrap();
        let text = example().json().unwrap();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(AblationTable::read(&path).unwrap(), example());
        std::fs::write(&path, text.replace("\"schema_version\": 1", "\"schema_version\": 9")).unwrap();
        assert!(AblationTable::read(&path).unwrap_err().to_string().contains("version 9"));
        std::fs::write(&path, "{}").unwrap();
        assert!(AblationTable::read(&path).unwrap_err().to_string().contains("ablations/"));
    }
}

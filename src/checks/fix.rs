//! Corrections of stated numbers: what submission.json and README.md state and the logs contradict, written as the logs
//! have it.
//!
//! A number is corrected where a finding says that it is wrong, its place says which number of the logs it is (a seed's,
//! a mean, the largest run's), and it is the only such number of its line. It keeps its unit, its digits and its
//! thousands separators; nothing else of the file changes. Prose, approximate numbers, seeds and logs stay as they are.

mod token;

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::claims::sample;
use super::context::{counted_bytes, run_name};
use super::{Context, VerifyOptions, verify_read};
use crate::report::{Code, Finding};
use caddie_files::Result;
use caddie_folder::{Claim, Fact, Field, Folder, Scope};
use caddie_rulebook::Rulebook;
use caddie_rulebook::stats::{mean, sample_std};

/// Codes of findings that say of one number that it is not the logs'.
const OF_A_NUMBER: [Code; 27] = [
    Code::ClaimNotInLogs,
    Code::JsonScoreNotMean,
    Code::PreQuantScore,
    Code::Rounding,
    Code::JsonValLossNeLog,
    Code::JsonValLossIsBpb,
    Code::StdIsPopulation,
    Code::StdMismatch,
    Code::StdJson,
    Code::JsonBytesNeLog,
    Code::JsonBytesNotMax,
    Code::JsonBytesRounded,
    Code::JsonCodeBytesNeLog,
    Code::JsonModelBytesNeLog,
    Code::JsonTimeNeLog,
    Code::JsonStepsNeLog,
    Code::SeedScoreNeLog,
    Code::SeedBytesNeLog,
    Code::SeedStepsNeLog,
    Code::SeedTrainTimeNeLog,
    Code::SeedEvalTimeNeLog,
    Code::JsonMsPerStepNeLog,
    Code::ReadmeScoreNeLog,
    Code::ReadmeBytesNeLog,
    Code::ReadmeStdMismatch,
    Code::ReadmeTimeNeLog,
    Code::ReadmeStepsNeLog,
];

/// The corrections of one folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corrections {
    pub files: Vec<CorrectedFile>,
    /// Numbers that are wrong and were left, each with the reason.
    pub left: Vec<String>,
}

/// A file with its corrected text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectedFile {
    /// Below the folder.
    pub path: Utf8PathBuf,
    /// `None` for a file that is made.
    pub before: Option<String>,
    pub after: String,
}

impl CorrectedFile {
    /// Writes the change as a unified diff without context. `folder` stands before the names.
    pub fn diff(&self, folder: &Utf8Path) -> String {
        let name = folder.join(&self.path);
        let Some(before) = &self.before else {
            let mut text = format!("--- /dev/null\n+++ {name}\n@@ -0,0 +1,{} @@\n", self.after.lines().count());
            self.after.lines().for_each(|line| text.push_str(&format!("+{line}\n")));
            return text;
        };
        let mut text = format!("--- {name}\n+++ {name}\n");
        let lines = before.lines().zip(self.after.lines());
        for (number, (before, after)) in (1..).zip(lines).filter(|(_, (before, after))| before != after) {
            text.push_str(&format!("@@ -{number} +{number} @@\n-{before}\n+{after}\n"));
        }
        text
    }
}

/// Finds the corrections of a folder.
///
/// # Errors
/// When submission.json or README.md cannot be read again.
pub fn corrections(folder: &Folder, rulebook: &Rulebook, options: &VerifyOptions) -> Result<Corrections> {
    let context = Context::new(folder, rulebook, options.cap);
    let findings = verify_read(folder, rulebook, options).findings;
    let mut found = Corrections::default();
    let json = context.json_name().to_owned();
    let of_json: Vec<&Claim> = folder.metadata().map(|metadata| metadata.claims.iter().collect()).unwrap_or_default();
    correct(&context, Utf8Path::new(&json), &of_json, &findings, &mut found)?;
    if let Some(readme) = &folder.readme {
        let of_tables = readme.claims();
        let claims: Vec<&Claim> = of_tables.iter().filter(|claim| !claim.loose).chain(&readme.headline).collect();
        correct(&context, Utf8Path::new("README.md"), &claims, &findings, &mut found)?;
    }
    Ok(found)
}

/// Corrects one file.
fn correct(
    context: &Context<'_>,
    file: &Utf8Path,
    claims: &[&Claim],
    findings: &[Finding],
    found: &mut Corrections,
) -> Result<()> {
    let wrong: Vec<&&Claim> = claims.iter().filter(|claim| is_accused(claim, file, findings)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let path = context.folder.path.join(file);
    let link = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
    let Some(before) = String::from_utf8(caddie_files::read_bounded(&path)?).ok().filter(|_| !link) else {
        found.left.push(format!("{file} was left: it is not in UTF-8, or a symbolic link"));
        return Ok(());
    };
    let mut lines: Vec<String> = before.split_inclusive('\n').map(str::to_owned).collect();
    // Two claims of one place are one number: `val_loss` and `mean_val_loss` of the same key.
    let mut done: BTreeSet<(u64, &str)> = BTreeSet::new();
    for claim in wrong {
        if !done.insert((claim.line, &claim.key)) {
            continue;
        }
        let line = usize::try_from(claim.line).ok().and_then(|line| lines.get_mut(line.checked_sub(1)?));
        let outcome = match (expected(context, claim), line) {
            (Ok(value), Some(line)) => token::replaced(line, claim, value).map(|corrected| *line = corrected),
            (Err(why), _) => Err(why),
            (_, None) => Err("its line was not found".to_owned()),
        };
        if let Err(why) = outcome {
            found.left.push(format!("{file}:{}: {} {} was left: {why}", claim.line, claim.key, claim.text));
        }
    }
    let after = lines.concat();
    if after != before {
        found.files.push(CorrectedFile { path: file.to_owned(), before: Some(before), after });
    }
    Ok(())
}

/// Tells whether a finding says that the claim is not the logs' number.
fn is_accused(claim: &Claim, file: &Utf8Path, findings: &[Finding]) -> bool {
    findings.iter().any(|finding| {
        finding.code.is_some_and(|code| OF_A_NUMBER.contains(&code))
            && finding.claimed.as_ref().and_then(serde_json::Value::as_f64) == Some(claim.stated.value)
            && finding.evidence.iter().any(|place| place.file == file && place.line == Some(claim.line))
    })
}

/// Returns the number of the logs that a claim is by its place, or why none is.
fn expected(context: &Context<'_>, claim: &Claim) -> std::result::Result<f64, String> {
    if claim.stated.approximate {
        return Err("it is marked as approximate".to_owned());
    }
    let runs = context.runs();
    if let Scope::Seed(seed) = claim.scope {
        let mut of_seed = runs.iter().filter(|run| run.seed.value() == Some(seed));
        let (Some(run), None) = (of_seed.next(), of_seed.next()) else {
            return Err(format!("not exactly one log is of seed {seed}"));
        };
        return claim.field.of(run).ok_or_else(|| format!("{} states no such number", run_name(run)));
    }
    if !context.unlogged_seeds().is_empty() {
        return Err("claimed seeds have no log here, so the logs give no mean".to_owned());
    }
    let values: Vec<f64> = match claim.field {
        Field::ValBpbStd => sample(context).values,
        Field::ValLossStd => runs.iter().filter_map(|run| Field::ValLoss.of(run)).collect(),
        Field::BytesTotal => runs.iter().filter_map(counted_bytes).map(|bytes| bytes as f64).collect(),
        field => runs.iter().filter_map(|run| field.of(run)).collect(),
    };
    if values.is_empty() || values.len() != runs.len() {
        return Err("not every log states it".to_owned());
    }
    let max = || values.iter().copied().reduce(f64::max);
    let value = match (claim.field, claim.scope) {
        (Field::ValBpbStd | Field::ValLossStd, _) => sample_std(&values),
        (_, Scope::Max) | (Field::BytesTotal | Field::BytesModel | Field::BytesCode, Scope::Whole) => max(),
        (_, Scope::Mean) | (Field::ValBpb | Field::ValLoss, Scope::Whole) => mean(&values),
        // Of one number over several runs it is open which it is; all runs must agree.
        _ => values.first().copied().filter(|first| values.iter().all(|value| value == first)),
    };
    value.ok_or_else(|| "its name does not say which run or which statistic it is".to_owned())
}

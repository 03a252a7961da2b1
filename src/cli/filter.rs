//! Options that choose findings by severity, confidence and family.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::report::{Confidence, Finding, Severity};
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// The findings to be reported. What is left out counts for neither verdict nor exit code.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct Filter {
    /// Only findings of at least this severity, for verdict and exit code as well
    #[arg(long, value_name = "SEVERITY")]
    pub min_severity: Option<LeastSeverity>,
    /// Only findings of at least this confidence
    #[arg(long, value_name = "CONFIDENCE")]
    pub min_confidence: Option<LeastConfidence>,
    /// Only findings on rules of these families, such as size,time
    #[arg(long, value_name = "FAMILY", value_delimiter = ',')]
    pub family: Vec<String>,
}

/// A severity as a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastSeverity(Severity);

/// A confidence as a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastConfidence(Confidence);

impl ValueEnum for LeastSeverity {
    fn value_variants<'a>() -> &'a [LeastSeverity] {
        const ALL: [LeastSeverity; 4] = [
            LeastSeverity(Severity::Error),
            LeastSeverity(Severity::Unknown),
            LeastSeverity(Severity::Warning),
            LeastSeverity(Severity::Info),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

impl ValueEnum for LeastConfidence {
    fn value_variants<'a>() -> &'a [LeastConfidence] {
        const ALL: [LeastConfidence; 3] =
            [LeastConfidence(Confidence::High), LeastConfidence(Confidence::Medium), LeastConfidence(Confidence::Low)];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

impl Filter {
    /// Refuses a family that is none of the rulebook's.
    ///
    /// # Errors
    /// [`Error::Usage`] with the families.
    pub fn check(&self, book: &Rulebook) -> Result<()> {
        match self.family.iter().find(|name| !book.families.iter().any(|family| family.id == **name)) {
            Some(unknown) => {
                let known: Vec<&str> = book.families.iter().map(|family| family.id.as_str()).collect();
                Err(Error::Usage(format!("--family {unknown}: the families are {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// Tells whether the finding is to be reported.
    pub fn keeps(&self, finding: &Finding, book: &Rulebook) -> bool {
        let of_family = || {
            let rule = book.rule(&finding.rule);
            rule.is_some_and(|rule| self.family.contains(&rule.family))
        };
        self.min_severity.is_none_or(|least| finding.severity >= least.0)
            && self.min_confidence.is_none_or(|least| finding.confidence >= least.0)
            && (self.family.is_empty() || of_family())
    }
}

/// Says on standard error that a report without findings is not one in which nothing was found.
pub(super) fn tell(left_out: usize) {
    if left_out > 0 {
        eprintln!("note: {} left out by filters", caddie_files::text::counted(left_out, "finding"));
    }
}

//! Identification of the form of a claimed standard deviation.

use super::statistic::sample_of;
use super::{not_logged, place};
use crate::checks::Context;
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Claim, Field, Stated};

/// The form of a claimed standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Divides by `n − 1` under the root.
    Sample,
    /// Divides by `n` under the root.
    Population,
    /// Within one unit of the last digit of the sample form: computed from rounded scores.
    NearSample,
    Neither,
}

impl Form {
    /// Returns the name that reports use.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Form::Sample | Form::NearSample => Some("sample"),
            Form::Population => Some("population"),
            Form::Neither => None,
        }
    }
}

/// Compares a stated deviation with that of `n` values whose sample form is `sample`.
pub fn form(stated: Stated, sample: f64, n: usize) -> Form {
    let population = sample * ((n as f64 - 1.0) / n as f64).sqrt();
    // Rounded before cut off: 0.0005 is the population form 0.00050, not the sample form 0.00058 cut off.
    if stated.rounds(sample) || !stated.rounds(population) && stated.agrees(sample) {
        Form::Sample
    } else if stated.agrees(population) {
        Form::Population
    } else if stated.near(sample) {
        Form::NearSample
    } else {
        Form::Neither
    }
}

/// Judges the deviation in submission.json.
pub(super) fn claimed(context: &Context<'_>, claim: &Claim) -> Option<Finding> {
    let of = if claim.field == Field::ValBpbStd { Field::ValBpb } else { Field::ValLoss };
    let values = sample_of(context, of);
    let Some(sample) = values.std() else {
        let why = format!("logs with a {}: {}; a standard deviation needs two", of.name(), values.values.len());
        return Some(not_logged(context, "repro", claim, &why));
    };
    let n = values.values.len();
    let (code, what) = match form(claim.stated, sample, n) {
        Form::Sample | Form::NearSample => return None,
        Form::Population => (Code::StdIsPopulation, "the population standard deviation"),
        Form::Neither => (Code::StdMismatch, "which is neither form"),
    };
    if code == Code::StdMismatch && values.is_near(claim.stated, sample) {
        return None;
    }
    let severity = if code == Code::StdIsPopulation { Severity::Info } else { Severity::Warning };
    let message = format!(
        "{} claims {} {}, {what}: over {n} {} the sample form is {sample:.8}",
        context.json_name(),
        claim.key,
        claim.stated.value,
        values.source()
    );
    Some(place(context, context.finding("repro", message).code(code).severity(severity).measured(sample), claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        // The seeds of the folder 2026-04-08: sample 0.00045881.
        let (sample, n) = (0.000_458_81, 3);
        let of = |text: &str| form(Stated::parse(text).expect("a number"), sample, n);
        assert_eq!(of("0.00045881"), Form::Sample);
        assert_eq!(of("0.0005"), Form::Sample);
        assert_eq!(of("0.00037462"), Form::Population);
        assert_eq!(form(Stated::parse("0.00046").expect("a number"), 0.000_452_1, n), Form::NearSample);
        assert_eq!(form(Stated::parse("0.0005").expect("a number"), 0.000_577_35, 4), Form::Population);
        assert_eq!(of("0.0012"), Form::Neither);
    }
}

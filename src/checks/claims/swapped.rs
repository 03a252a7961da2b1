//! Two seeds whose numbers stand in each other's place: one mistake, whatever number of lines it spoils.

use crate::checks::Context;
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Claim, Fact, Field, RunLog, Scope, Shows};

/// Least decimals of a score that tells two runs apart.
const TELLING_DECIMALS: i32 = 4;

/// Two claims of one place, each of which is the score of the other's run.
#[derive(Debug)]
pub struct Pair<'a> {
    claims: [&'a Claim; 2],
    runs: [&'a RunLog; 2],
}

/// Finds the pairs among the scores that `claims` state for each seed, in lines that are at most `near` apart: a README
/// may hold several tables.
pub fn pairs<'a>(runs: &'a [RunLog], claims: &'a [Claim], near: u64) -> Vec<Pair<'a>> {
    let mut found: Vec<Pair<'a>> = Vec::new();
    let scores: Vec<(&Claim, &RunLog)> = claims
        .iter()
        .filter(|claim| claim.field == Field::ValBpb && claim.stated.decimals >= TELLING_DECIMALS)
        .filter_map(|claim| {
            let Scope::Seed(seed) = claim.scope else { return None };
            let run = runs.iter().find(|run| run.seed.value() == Some(seed))?;
            // A claim that its own log states, under whatever name, is no one else's.
            (!claim.is_of(run)).then_some((claim, run))
        })
        .take(64)
        .collect();
    for (index, (a, run_a)) in scores.iter().enumerate() {
        let is = |claim: &Claim, run: &RunLog| run.val_bpb.value().is_some_and(|score| claim.stated.agrees(score));
        let other = scores
            .iter()
            .skip(index + 1)
            .find(|(b, run_b)| a.line.abs_diff(b.line) <= near && a.scope != b.scope && is(a, run_b) && is(b, run_a));
        found.extend(other.map(|(b, run_b)| Pair { claims: [a, b], runs: [run_a, run_b] }));
    }
    found
}

impl Pair<'_> {
    /// Tells whether `claim` is a number of one of the two seeds that the other's log states.
    pub fn explains(&self, claim: &Claim) -> bool {
        let [a, b] = self.claims;
        let other = if claim.scope == a.scope { self.runs[1] } else { self.runs[0] };
        (claim.scope == a.scope || claim.scope == b.scope)
            && claim.field.of(other).is_some_and(|value| claim.stated.agrees(value))
    }

    /// The finding on a file that states the two.
    pub fn finding(&self, context: &Context<'_>, file: &str, rule: &str, code: Code) -> Finding {
        let ([a, b], [run_a, run_b]) = (self.claims, self.runs);
        let seed = |run: &RunLog| run.seed.value().unwrap_or_default();
        let message = format!("{file}: the scores of seeds {} and {} are swapped", seed(run_a), seed(run_b));
        let finding = context.finding(rule, message).code(code).severity(Severity::Error);
        let finding = finding.claimed(a.stated.value).at(file, Some(a.line), a.text.clone());
        let finding = finding.at(file, Some(b.line), b.text.clone());
        let logged = |finding: Finding, run: &RunLog| {
            finding.in_log(run, run.val_bpb, format!("val_bpb {}", run.val_bpb.value().unwrap_or(f64::NAN)))
        };
        logged(logged(finding, run_a), run_b)
    }
}

//! Reports a score further below the standing record than any record ever was, in a log or as a claim. The finding only says
//! that somebody must look.

use super::{Check, Context, Needs, significance};
use crate::report::{Confidence, Finding, Severity};
use caddie_folder::{Logged, RunLog, Shows};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "plausible-score",
    about: "No score is further below the record that stood than any record ever was.",
    rules: &["val-no-train", "c1-causal"],
    needs: Needs::Run(|run| run.val_bpb.is_some()),
    run,
};

/// The places that decide whether a score is one of the rules.
const LOOK: &str = "whether the evaluation is causal, normalized, scores before it learns and scores once (C1 to C4), and how \
                    the bytes are counted";

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some((standing, name)) = reference(context) else { return Vec::new() };
    let most = context.limits.plausible_gain_bpb;
    let improbable = |bpb: f64| bpb.is_finite() && standing - bpb > most;
    let told = |rule: &str, who: &str, bpb: f64, what: &str, look: &str| {
        let message = format!(
            "{who}: val_bpb {bpb:.4} {what} is {:.4} below {name} ({standing:.4}); no record gained more than {most} at once. \
             Look at {look}",
            standing - bpb
        );
        let finding = context.finding(rule, message).severity(Severity::Unknown).confidence(Confidence::Low);
        finding.measured(bpb).limit(standing - most)
    };
    let lowest = |fact: fn(&RunLog) -> Option<Logged<f64>>| {
        let of = |run| Some((run, fact(run).filter(|bpb| improbable(bpb.value))?));
        context.runs().iter().filter_map(of).min_by(|(_, a), (_, b)| a.value.total_cmp(&b.value))
    };
    // Where the model is that good before anything adapts to what it scores, the gain is one of training.
    let (rule, (run, lowest), what, look) = if let Some(found) = lowest(|run| run.pre_quant_val_bpb) {
        let look = "which data it was trained on, and how the bytes are counted";
        ("val-no-train", found, "before quantization", look)
    } else if let Some(found) = lowest(|run| run.val_bpb) {
        ("c1-causal", found, "of the evaluation", LOOK)
    } else {
        // What no log shows is claimed all the same.
        let claim = context.folder.metadata().and_then(|metadata| metadata.headline());
        let claim = claim.filter(|claim| improbable(claim.stated.value));
        let finding = claim.map(|claim| {
            let finding = told("c1-causal", context.json_name(), claim.stated.value, "that it claims", LOOK);
            finding.at(context.json_name(), Some(claim.line), format!("{} {}", claim.key, claim.text))
        });
        return finding.into_iter().collect();
    };
    let text = format!("val_bpb {}", lowest.value);
    vec![told(rule, &super::context::run_name(run), lowest.value, what, look).in_log(run, lowest, text)]
}

/// Returns the score that stood, and what it is. Outside of the record track a run may take any time, so that the lowest
/// record of all is the one to compare with.
fn reference(context: &Context<'_>) -> Option<(f64, String)> {
    if context.competes() {
        let (standing, name) = significance::standing_record(context)?;
        return Some((standing, format!("the record that stood, {name}")));
    }
    let lowest = context.rulebook.records.rows.iter().min_by(|a, b| a.val_bpb.total_cmp(&b.val_bpb))?;
    Some((lowest.val_bpb, format!("the lowest record, {}", lowest.name())))
}

//! Scores that no step of the challenge ever gained: evidence that somebody must look, of nothing more.

use super::{Check, Context, significance};
use crate::report::{Confidence, Finding, Severity};
use caddie_folder::RunLog;
use caddie_folder::Track;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "plausible-score",
    about: "No score lies further below the record that stood than any record ever lay.",
    rules: &["val-no-train", "c1-causal"],
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    if context.track == Track::NonRecord {
        return Vec::new();
    }
    let Some((standing, name)) = significance::standing_record(context) else { return Vec::new() };
    let most = context.limits.plausible_gain_bpb;
    let improbable = |bpb: f64| bpb.is_finite() && standing - bpb > most;
    let lowest = |value: fn(&RunLog) -> Option<f64>| {
        let of = |run| Some((run, value(run).filter(|bpb| improbable(*bpb))?));
        context.runs().iter().filter_map(of).min_by(|(_, a), (_, b)| a.total_cmp(b))
    };
    // Where the model is that good before anything adapts to what it scores, the gain is one of training.
    let (rule, field, (run, bpb), what, look) = if let Some(found) = lowest(|run| run.pre_quant_val_bpb) {
        let look = "which data it was trained on, and how the bytes are counted";
        ("val-no-train", "pre_quant_val_bpb", found, "before quantisation", look)
    } else if let Some(found) = lowest(|run| run.val_bpb) {
        let look = "whether the evaluation is causal, normalised, scores before it learns and scores once (C1 to C4), and \
                    how the bytes are counted";
        ("c1-causal", "val_bpb", found, "of the evaluation", look)
    } else {
        return Vec::new();
    };
    let message = format!(
        "{}: val_bpb {bpb:.4} {what} is {:.4} below the record that stood ({standing:.4}, {name}); no record gained more \
         than {most} at once. Look at {look}",
        super::context::run_name(run),
        standing - bpb
    );
    let finding = context.finding(rule, message).severity(Severity::Unknown).confidence(Confidence::Low);
    let text = format!("val_bpb {bpb}");
    vec![finding.measured(bpb).limit(standing - most).at(run.log.clone(), run.line(field), text)]
}

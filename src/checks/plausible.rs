//! Reports a score further below the standing record than any record ever was. The finding only says that somebody must
//! look.

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

fn run(context: &Context<'_>) -> Vec<Finding> {
    if !context.competes() {
        return Vec::new();
    }
    let Some((standing, name)) = significance::standing_record(context) else { return Vec::new() };
    let most = context.limits.plausible_gain_bpb;
    let improbable = |bpb: f64| bpb.is_finite() && standing - bpb > most;
    let lowest = |fact: fn(&RunLog) -> Option<Logged<f64>>| {
        let of = |run| Some((run, fact(run).filter(|bpb| improbable(bpb.value))?));
        context.runs().iter().filter_map(of).min_by(|(_, a), (_, b)| a.value.total_cmp(&b.value))
    };
    // Where the model is that good before anything adapts to what it scores, the gain is one of training.
    let (rule, (run, lowest), what, look) = if let Some(found) = lowest(|run| run.pre_quant_val_bpb) {
        let look = "which data it was trained on, and how the bytes are counted";
        ("val-no-train", found, "before quantization", look)
    } else if let Some(found) = lowest(|run| run.val_bpb) {
        let look = "whether the evaluation is causal, normalized, scores before it learns and scores once (C1 to C4), and \
                    how the bytes are counted";
        ("c1-causal", found, "of the evaluation", look)
    } else {
        return Vec::new();
    };
    let bpb = lowest.value;
    let message = format!(
        "{}: val_bpb {bpb:.4} {what} is {:.4} below the record that stood ({standing:.4}, {name}); no record gained more \
         than {most} at once. Look at {look}",
        super::context::run_name(run),
        standing - bpb
    );
    let finding = context.finding(rule, message).severity(Severity::Unknown).confidence(Confidence::Low);
    let text = format!("val_bpb {bpb}");
    vec![finding.measured(bpb).limit(standing - most).in_log(run, lowest, text)]
}

//! Every spelling of a number that participants have used, with its one name here.

use crate::claim::{Field, Scope};

/// Top-level spellings; nested ones have a dot.
const WHOLE: &[(&str, Field, Scope)] = &[
    ("val_bpb", Field::ValBpb, Scope::Whole),
    ("val_bpb_exact", Field::ValBpb, Scope::Whole),
    ("mean_val_bpb", Field::ValBpb, Scope::Mean),
    ("mean_bpb", Field::ValBpb, Scope::Mean),
    ("val_bpb_mean", Field::ValBpb, Scope::Mean),
    ("val_loss", Field::ValLoss, Scope::Whole),
    ("mean_val_loss", Field::ValLoss, Scope::Mean),
    ("mean_val_loss_nats", Field::ValLoss, Scope::Mean),
    ("val_loss_mean", Field::ValLoss, Scope::Mean),
    ("val_loss_nats", Field::ValLoss, Scope::Whole),
    ("val_loss_sliding", Field::ValLoss, Scope::Whole),
    ("val_bpb_std", Field::ValBpbStd, Scope::Whole),
    ("std_bpb", Field::ValBpbStd, Scope::Whole),
    ("std_val_bpb", Field::ValBpbStd, Scope::Whole),
    ("val_loss_std", Field::ValLossStd, Scope::Whole),
    ("std_val_loss_nats", Field::ValLossStd, Scope::Whole),
    ("val_loss_nats_std", Field::ValLossStd, Scope::Whole),
    ("pre_quant_val_bpb", Field::PreQuantValBpb, Scope::Whole),
    ("pre_quant.val_bpb", Field::PreQuantValBpb, Scope::Whole),
    ("pre_quant_val_loss", Field::PreQuantValLoss, Scope::Whole),
    ("pre_quant.val_loss", Field::PreQuantValLoss, Scope::Whole),
    ("val_bpb_roundtrip", Field::FurtherValBpb, Scope::Whole),
    ("roundtrip_val_bpb", Field::FurtherValBpb, Scope::Whole),
    ("post_quant_standard_val_bpb", Field::FurtherValBpb, Scope::Whole),
    ("int6_zstd_val_bpb", Field::FurtherValBpb, Scope::Whole),
    ("sliding_val_bpb", Field::FurtherValBpb, Scope::Whole),
    ("pre_ttt_val_bpb", Field::FurtherValBpb, Scope::Whole),
    ("pre_ttt_sliding_mean", Field::FurtherValBpb, Scope::Mean),
    ("sliding_bpb_mean", Field::FurtherValBpb, Scope::Mean),
    ("quant_roundtrip_mean_bpb", Field::FurtherValBpb, Scope::Mean),
    ("post_ema_mean_bpb", Field::FurtherValBpb, Scope::Mean),
    ("val_loss_roundtrip", Field::FurtherValLoss, Scope::Whole),
    ("roundtrip_val_loss", Field::FurtherValLoss, Scope::Whole),
    ("post_quant_standard_val_loss", Field::FurtherValLoss, Scope::Whole),
    ("int6_zstd_val_loss", Field::FurtherValLoss, Scope::Whole),
    ("bytes_total", Field::BytesTotal, Scope::Whole),
    ("total_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact_size_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact_size", Field::BytesTotal, Scope::Whole),
    ("total_artifact_bytes", Field::BytesTotal, Scope::Whole),
    ("submission_size_int8_zlib_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact.bytes_reported", Field::BytesTotal, Scope::Whole),
    ("artifact_bytes_max", Field::BytesTotal, Scope::Max),
    ("artifact.bytes_max", Field::BytesTotal, Scope::Max),
    ("compliance.artifact_bytes_max", Field::BytesTotal, Scope::Max),
    ("artifact_bytes_mean", Field::BytesTotal, Scope::Mean),
    ("artifact.bytes_mean", Field::BytesTotal, Scope::Mean),
    ("bytes_model", Field::BytesModel, Scope::Whole),
    ("compressed_model_bytes", Field::BytesModel, Scope::Whole),
    ("artifact.bytes_model", Field::BytesModel, Scope::Whole),
    ("bytes_code", Field::BytesCode, Scope::Whole),
    ("code_bytes", Field::BytesCode, Scope::Whole),
    ("counted_code_bytes", Field::BytesCode, Scope::Whole),
    ("artifact.bytes_code", Field::BytesCode, Scope::Whole),
    ("wallclock_seconds", Field::TrainSeconds, Scope::Whole),
    ("train_time_seconds", Field::TrainSeconds, Scope::Whole),
    ("train_time_s_mean", Field::TrainSeconds, Scope::Mean),
    ("time.train_s", Field::TrainSeconds, Scope::Whole),
    ("time.train_s_mean", Field::TrainSeconds, Scope::Mean),
    ("time.train_s_max", Field::TrainSeconds, Scope::Max),
    ("compliance.train_time_max_s", Field::TrainSeconds, Scope::Max),
    ("eval_time_seconds", Field::EvalSeconds, Scope::Whole),
    ("eval_time_s_mean", Field::EvalSeconds, Scope::Mean),
    ("eval_time_s_max", Field::EvalSeconds, Scope::Max),
    ("time.eval_s", Field::EvalSeconds, Scope::Whole),
    ("time.eval_s_mean", Field::EvalSeconds, Scope::Mean),
    ("time.eval_s_max", Field::EvalSeconds, Scope::Max),
    ("compliance.eval_time_max_s", Field::EvalSeconds, Scope::Max),
    ("step_stop", Field::Steps, Scope::Whole),
    ("train_steps", Field::Steps, Scope::Whole),
    ("steps", Field::Steps, Scope::Whole),
    ("train_steps_mean", Field::Steps, Scope::Mean),
    ("step_avg_ms", Field::StepAvgMs, Scope::Whole),
    ("step_avg_ms_mean", Field::StepAvgMs, Scope::Mean),
    ("time.step_avg_ms", Field::StepAvgMs, Scope::Mean),
    ("model_params", Field::ModelParams, Scope::Whole),
    ("n_seeds", Field::Runs, Scope::Whole),
    ("num_seeds", Field::Runs, Scope::Whole),
    ("scored.documents", Field::ScoredDocuments, Scope::Whole),
    ("scored.tokens", Field::ScoredTokens, Scope::Whole),
    ("scored.bytes", Field::ScoredBytes, Scope::Whole),
];

/// Spellings inside one run's entry; the last number turns milliseconds into seconds.
pub(super) const PER_SEED: &[(&str, Field, i32)] = &[
    ("val_bpb", Field::ValBpb, 0),
    ("val_var_bpb", Field::ValBpb, 0),
    ("val_loss", Field::ValLoss, 0),
    ("pre_quant_val_bpb", Field::PreQuantValBpb, 0),
    ("pre_quant_val_loss", Field::PreQuantValLoss, 0),
    ("pre_ttt_val_bpb", Field::FurtherValBpb, 0),
    ("pre_ttt_sliding_bpb", Field::FurtherValBpb, 0),
    ("artifact_bytes", Field::BytesTotal, 0),
    ("bytes_total", Field::BytesTotal, 0),
    ("bytes_model", Field::BytesModel, 0),
    ("compressed_model_bytes", Field::BytesModel, 0),
    ("bytes_code", Field::BytesCode, 0),
    ("steps", Field::Steps, 0),
    ("train_steps", Field::Steps, 0),
    ("step_stop", Field::Steps, 0),
    ("step_avg_ms", Field::StepAvgMs, 0),
    ("ms_per_step", Field::StepAvgMs, 0),
    ("train_time_s", Field::TrainSeconds, 0),
    ("train_s", Field::TrainSeconds, 0),
    ("train_seconds", Field::TrainSeconds, 0),
    ("train_time_ms", Field::TrainSeconds, 3),
    ("eval_time_s", Field::EvalSeconds, 0),
    ("eval_s", Field::EvalSeconds, 0),
    ("eval_seconds", Field::EvalSeconds, 0),
    ("eval_time_seconds", Field::EvalSeconds, 0),
    ("ttt_eval_time_s", Field::EvalSeconds, 0),
    ("eval_time_ms", Field::EvalSeconds, 3),
    ("ttt_time_ms", Field::EvalSeconds, 3),
];

/// Keys of one number for each seed: `{"42": 1.07, …}`, or a list in the order of `seeds`.
pub(super) const EACH_SEED: &[(&str, Field)] = &[
    ("seed_scores", Field::ValBpb),
    ("val_bpb_seeds", Field::ValBpb),
    ("val_bpb_per_seed", Field::ValBpb),
    ("eval_time_seconds", Field::EvalSeconds),
    ("train_time_seconds", Field::TrainSeconds),
    ("artifact_bytes", Field::BytesTotal),
    ("artifact_size_bytes", Field::BytesTotal),
    ("bytes_total", Field::BytesTotal),
];

/// Keys that hold results by seed: `{"42": {…}}` or `[{"seed": 42, …}]`.
pub(super) const BY_SEED: [&str; 3] = ["seed_results", "runs", "seeds"];
/// Keys of objects that hold known numbers.
pub(super) const NESTED: [&str; 4] = ["artifact", "time", "pre_quant", "scored"];
/// Texts with a place of their own in the canonical schema: the canonical name, and the spellings in order.
pub(super) const TEXTS: &[(&str, &[&str])] = &[
    ("name", &["name", "run_name"]),
    ("author", &["author"]),
    ("github_id", &["github_id"]),
    ("date", &["date"]),
    ("track", &["track"]),
    ("blurb", &["blurb", "technique_summary", "our_contribution", "notes"]),
    ("hardware", &["hardware", "gpu", "platform"]),
    ("pytorch_version", &["pytorch_version"]),
    ("cuda_version", &["cuda_version"]),
    ("flash_attn_version", &["flash_attn_version"]),
    ("tokenizer", &["tokenizer"]),
    ("metric", &["metric_line", "val_bpb_method", "eval_method"]),
    ("code_sha256", &["code_sha256"]),
];
/// Keys that name the pull request or the folder that the submission builds on.
pub(super) const BASE: [&str; 6] =
    ["base_pr", "comparison_baseline_pr", "implementation_lineage_pr", "supports_pr", "based_on", "base_submission"];
/// Keys with which a submission states its own test against a baseline, each with its name in `stats`.
pub(super) const STATS: &[(&str, &str)] = &[
    ("t_statistic", "t"),
    ("welch_df", "df"),
    ("p_value", "p"),
    ("base_val_bpb", "baseline_bpb"),
    ("baseline_val_bpb", "baseline_bpb"),
    ("comparison_baseline_bpb", "baseline_bpb"),
];

/// Returns the canonical name of a key of `stats`; `delta_vs_<x>_bpb` and `…_nats` keep the `<x>`, because a file may
/// compare with several baselines.
pub(super) fn statistic(key: &str) -> Option<String> {
    if let Some((_, name)) = STATS.iter().find(|(known, _)| *known == key) {
        return Some((*name).to_owned());
    }
    let whom = key.strip_prefix("delta_vs_")?;
    let (whom, unit) = whom.rsplit_once('_')?;
    matches!(unit, "bpb" | "nats").then(|| format!("delta_{unit}.{whom}"))
}

/// Returns the canonical name of a compliance flag: one spelling for all that have been used.
pub(super) fn flag(key: &str) -> &str {
    match key {
        "training_under_600s" => "train_under_600s",
        "artifact_under_16_mb" => "artifact_under_16mb",
        other => other,
    }
}

/// Returns the number that a key path states, if it is one.
pub(super) fn known(spelling: &str) -> Option<&'static (&'static str, Field, Scope)> {
    // `bytes_model_int8_zlib`, `bytes_model_int6_zstd`, …
    let spelling = if spelling.starts_with("bytes_model_") { "bytes_model" } else { spelling };
    WHOLE.iter().find(|(known, ..)| *known == spelling)
}

/// Returns the seed of a total that has it in its name: `bytes_total_seed1337`.
pub(super) fn seed_of_total(key: &str) -> Option<i64> {
    let digits = key.strip_prefix("bytes_total_seed")?.trim_start_matches('_');
    digits.chars().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Returns the fact that `key` states of one run, and the decimal places by which its unit is smaller than ours.
pub(super) fn known_of_run(key: &str) -> Option<(Field, i32)> {
    let key = if key.starts_with("bytes_model_") { "bytes_model" } else { key };
    PER_SEED.iter().find(|(known, ..)| *known == key).map(|(_, field, shift)| (*field, *shift))
}

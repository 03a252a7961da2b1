//! Every spelling of a number that the field has used, and the one name it has here.

use crate::folder::claim::{Field, Scope};

/// Top-level spellings, the nested ones with a dot.
const WHOLE: &[(&str, Field, Scope)] = &[
    ("val_bpb", Field::ValBpb, Scope::Whole),
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
    ("val_loss_std", Field::ValLossStd, Scope::Whole),
    ("std_val_loss_nats", Field::ValLossStd, Scope::Whole),
    ("val_loss_nats_std", Field::ValLossStd, Scope::Whole),
    ("pre_quant_val_bpb", Field::PreQuantValBpb, Scope::Whole),
    ("pre_quant.val_bpb", Field::PreQuantValBpb, Scope::Whole),
    ("pre_quant_val_loss", Field::PreQuantValLoss, Scope::Whole),
    ("pre_quant.val_loss", Field::PreQuantValLoss, Scope::Whole),
    ("bytes_total", Field::BytesTotal, Scope::Whole),
    ("artifact_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact_size_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact.bytes_reported", Field::BytesTotal, Scope::Whole),
    ("artifact_bytes_max", Field::BytesTotal, Scope::Max),
    ("artifact.bytes_max", Field::BytesTotal, Scope::Max),
    ("compliance.artifact_bytes_max", Field::BytesTotal, Scope::Max),
    ("artifact_bytes_mean", Field::BytesTotal, Scope::Mean),
    ("artifact.bytes_mean", Field::BytesTotal, Scope::Mean),
    ("bytes_model", Field::BytesModel, Scope::Whole),
    ("artifact.bytes_model", Field::BytesModel, Scope::Whole),
    ("bytes_code", Field::BytesCode, Scope::Whole),
    ("code_bytes", Field::BytesCode, Scope::Whole),
    ("artifact.bytes_code", Field::BytesCode, Scope::Whole),
    ("wallclock_seconds", Field::TrainSeconds, Scope::Whole),
    ("train_time_seconds", Field::TrainSeconds, Scope::Whole),
    ("train_time_s_mean", Field::TrainSeconds, Scope::Mean),
    ("time.train_s_mean", Field::TrainSeconds, Scope::Mean),
    ("time.train_s_max", Field::TrainSeconds, Scope::Max),
    ("compliance.train_time_max_s", Field::TrainSeconds, Scope::Max),
    ("eval_time_seconds", Field::EvalSeconds, Scope::Whole),
    ("eval_time_s_mean", Field::EvalSeconds, Scope::Mean),
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
    ("scored.documents", Field::ScoredDocuments, Scope::Whole),
    ("scored.tokens", Field::ScoredTokens, Scope::Whole),
    ("scored.bytes", Field::ScoredBytes, Scope::Whole),
];

/// Spellings inside one run's entry; the last number turns milliseconds into seconds.
pub(super) const PER_SEED: &[(&str, Field, u32)] = &[
    ("val_bpb", Field::ValBpb, 0),
    ("val_loss", Field::ValLoss, 0),
    ("artifact_bytes", Field::BytesTotal, 0),
    ("bytes_total", Field::BytesTotal, 0),
    ("bytes_model", Field::BytesModel, 0),
    ("bytes_code", Field::BytesCode, 0),
    ("steps", Field::Steps, 0),
    ("step_avg_ms", Field::StepAvgMs, 0),
    ("ms_per_step", Field::StepAvgMs, 0),
    ("train_time_s", Field::TrainSeconds, 0),
    ("train_s", Field::TrainSeconds, 0),
    ("train_seconds", Field::TrainSeconds, 0),
    ("train_time_ms", Field::TrainSeconds, 3),
    ("eval_time_s", Field::EvalSeconds, 0),
    ("eval_s", Field::EvalSeconds, 0),
    ("eval_seconds", Field::EvalSeconds, 0),
    ("ttt_eval_time_s", Field::EvalSeconds, 0),
    ("eval_time_ms", Field::EvalSeconds, 3),
    ("ttt_time_ms", Field::EvalSeconds, 3),
];

/// Keys that hold results by seed: `{"42": {…}}` or `[{"seed": 42, …}]`.
pub(super) const BY_SEED: [&str; 3] = ["seed_results", "runs", "seeds"];
/// Keys whose object holds numbers that are known.
pub(super) const NESTED: [&str; 5] = ["artifact", "time", "pre_quant", "scored", "compliance"];
/// Keys that are read as text.
pub(super) const TEXTS: [&str; 8] =
    ["name", "run_name", "author", "github_id", "date", "track", "blurb", "code_sha256"];

/// The number that a key path states, if it is one.
pub(super) fn known(spelling: &str) -> Option<&'static (&'static str, Field, Scope)> {
    // `bytes_model_int8_zlib`, `bytes_model_int6_zstd`, …
    let spelling = if spelling.starts_with("bytes_model_") { "bytes_model" } else { spelling };
    WHOLE.iter().find(|(known, ..)| *known == spelling)
}

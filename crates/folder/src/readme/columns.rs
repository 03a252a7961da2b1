//! The fact that a column of a results table states, from its name.

use crate::claim::Field;
use crate::number::Unit;

/// One column that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub field: Field,
    pub unit: Unit,
    /// True if the name leaves open which evaluation or which clock is meant.
    pub loose: bool,
}

/// Words of columns that state a difference, a ratio or somebody else's number.
const OTHER: [&str; 14] = [
    "δ", "delta", "gain", "vs", "gap", "rank", "base", "#", "sota", "control", "improve", "margin", "slack", "headroom",
];

/// Returns the fact that a column states; `None` for one that is not compared.
pub(super) fn column(name: &str) -> Option<Column> {
    let name = normal(name);
    let of = |field, unit, loose| Some(Column { field, unit, loose });
    if OTHER.iter().any(|word| name.contains(word)) {
        return None;
    }
    let bare = name.replace(['_', '(', ')', ',', '/'], " ");
    let words: Vec<&str> = bare.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    match name.as_str() {
        "val_bpb" | "val bpb" => return of(Field::ValBpb, Unit::One, false),
        "val_loss" | "val loss" | "val_loss (nats)" | "val loss (nats)" | "val_loss_nats" => {
            return of(Field::ValLoss, Unit::One, false);
        }
        _ => {}
    }
    if has("bpb") || has("bpp") {
        return of(Field::ValBpb, Unit::One, true);
    }
    if has("loss") && (has("val") || has("nats")) {
        return of(Field::ValLoss, Unit::One, true);
    }
    match words.as_slice() {
        ["steps" | "step"] | ["train" | "training" | "stop", "steps" | "step"] => of(Field::Steps, Unit::One, false),
        ["ms", "step"] | ["step", "avg"] | ["step", "avg", "ms"] => of(Field::StepAvgMs, Unit::OfStep, false),
        ["size" | "artifact" | "total", "mb"] | ["artifact", "size", "mb"] => {
            of(Field::BytesTotal, Unit::Megabyte, true)
        }
        // Of the artifact or of the submission; with another word beside it (compressed, int6) it may be the model's.
        ["artifact" | "total" | "bytes" | "size"]
        | ["artifact" | "total" | "submission", "bytes" | "size"]
        | ["total" | "bytes", "bytes" | "total" | "submission" | "artifact"]
        | ["size", "bytes"]
        | ["artifact", "size", "bytes"]
        | ["total", "submission", "size" | "bytes"] => of(Field::BytesTotal, Unit::One, false),
        ["model", "bytes"] | ["bytes", "model"] => of(Field::BytesModel, Unit::One, false),
        ["code", "bytes" | "size"] | ["bytes", "code"] => of(Field::BytesCode, Unit::One, false),
        ["train" | "training", "ms"] | ["train" | "training", "time", "ms"] => {
            of(Field::TrainSeconds, Unit::Millisecond, false)
        }
        ["train", "s" | "seconds" | "time"] | ["training", "time"] | ["train" | "training", "time", "s"] => {
            of(Field::TrainSeconds, Unit::Second, false)
        }
        ["eval", "ms"] | ["eval", "time", "ms"] => of(Field::EvalSeconds, Unit::Millisecond, true),
        ["eval", "s" | "seconds" | "time"]
        | ["eval", "time", "s"]
        | ["ttt", "time" | "eval"]
        | ["ttt", "time", "s"]
        | ["ttt", "eval", "time" | "s"] => of(Field::EvalSeconds, Unit::Second, true),
        _ => None,
    }
}

/// Returns the text in lower case, with one space between words and without mark-up.
pub(super) fn normal(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !matches!(c, '*' | '`' | '\\')).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_are_understood() {
        let understood = |name: &str| column(name).map(|column| (column.field, column.loose));
        for (name, field, loose) in [
            ("val\\_bpb", Field::ValBpb, false),
            ("**Sliding BPP**", Field::ValBpb, true),
            ("val_loss (nats)", Field::ValLoss, false),
            ("Artifact (bytes)", Field::BytesTotal, false),
            ("submission_size", Field::BytesTotal, false),
            ("Total Submission", Field::BytesTotal, false),
            ("Train ms", Field::TrainSeconds, false),
            ("ms/step", Field::StepAvgMs, false),
            ("TTT eval time", Field::EvalSeconds, true),
        ] {
            assert_eq!(understood(name), Some((field, loose)), "{name}");
        }
        for name in ["TTT gain", "Δ (mBPP)", "vs #1855", "base val_bpb", "GPTQ Ends By", "Source", "PR #1736", "valid"]
        {
            assert_eq!(understood(name), None, "{name}");
        }
    }
}

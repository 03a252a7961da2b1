//! The canonical form of submission.json, as JSON (docs/spec/records.md#canonical-form).

use serde_json::{Map, Value, json};

use super::{Rerun, Submission};
use crate::claim::{Claim, Field, Scope};
use crate::json::number_value;

impl Submission {
    /// Returns the canonical schema as JSON; fields that are not stated are null. The checks add the fields that need
    /// the logs (`aggregation`, the statistic that a number is).
    pub fn canonical(&self) -> Value {
        let of = |field, scope| self.claim(field, scope).map(|claim| number_value(&claim.stated));
        let any = |field| of(field, Scope::Mean).or_else(|| of(field, Scope::Whole));
        let text = |name| self.canonical_text(name).map(|text| text.value);
        let (track, base_pr) = (self.track.as_ref().map(|track| &track.value), self.base_pr.map(|number| number.value));
        json!({
            "name": text("name"), "author": text("author"), "github_id": text("github_id"), "date": text("date"),
            "track": track, "blurb": text("blurb"), "base_pr": base_pr, "hardware": text("hardware"),
            "pytorch_version": text("pytorch_version"), "cuda_version": text("cuda_version"),
            "flash_attn_version": text("flash_attn_version"), "tokenizer": text("tokenizer"),
            "val_bpb": of(Field::ValBpb, Scope::Whole).or_else(|| of(Field::ValBpb, Scope::Mean)),
            "val_loss": of(Field::ValLoss, Scope::Whole).or_else(|| of(Field::ValLoss, Scope::Mean)),
            "val_bpb_std": any(Field::ValBpbStd), "val_loss_std": any(Field::ValLossStd),
            "n_seeds": of(Field::Runs, Scope::Whole).unwrap_or_else(|| self.seeds.len().into()),
            "metric": text("metric"),
            "pre_quant": { "val_bpb": any(Field::PreQuantValBpb), "val_loss": any(Field::PreQuantValLoss) },
            "further": self.further(),
            "artifact": {
                "bytes_reported": of(Field::BytesTotal, Scope::Whole), "bytes_max": of(Field::BytesTotal, Scope::Max),
                "bytes_mean": of(Field::BytesTotal, Scope::Mean), "bytes_model": any(Field::BytesModel),
                "bytes_code": any(Field::BytesCode),
            },
            "time": {
                "train_s": of(Field::TrainSeconds, Scope::Whole), "train_s_max": of(Field::TrainSeconds, Scope::Max),
                "train_s_mean": of(Field::TrainSeconds, Scope::Mean),
                "eval_s": of(Field::EvalSeconds, Scope::Whole), "eval_s_max": of(Field::EvalSeconds, Scope::Max),
                "eval_s_mean": of(Field::EvalSeconds, Scope::Mean), "step_avg_ms": any(Field::StepAvgMs),
            },
            "steps": any(Field::Steps),
            "model_params": any(Field::ModelParams),
            "runs": self.seed_numbers().map(|seed| self.canonical_run(seed)).collect::<Vec<_>>(),
            "excluded_runs": self.excluded.as_ref().map(|excluded| json!({
                "seeds": excluded.seeds,
                "val_bpb": by_seed(excluded.val_bpb.iter().filter(|(seed, _)| excluded.seeds.contains(seed))),
                "val_bpb_all": by_seed(excluded.val_bpb.iter()),
            })),
            "reruns": self.reruns.iter().map(canonical_rerun).collect::<Vec<_>>(),
            "compliance": self.compliance,
            "attribution": self.attribution,
            "stats": self.stats,
            "extra": self.extra,
        })
    }

    /// Returns scores of other evaluations, under the names of the file.
    fn further(&self) -> Map<String, Value> {
        let whole = self.claims.iter().filter(|claim| !matches!(claim.scope, Scope::Seed(_)));
        let further = whole.filter(|claim| matches!(claim.field, Field::FurtherValBpb | Field::FurtherValLoss));
        further.map(|claim| (claim.key.clone(), number_value(&claim.stated))).collect()
    }

    fn canonical_run(&self, seed: i64) -> Value {
        let mut run = run_of(seed, &self.claims);
        if let Some((_, digest)) = self.ledgers.iter().find(|(of, _)| *of == seed) {
            run.insert("ledger_sha256".to_owned(), digest.value.clone().into());
        }
        Value::Object(run)
    }
}

fn run_of(seed: i64, claims: &[Claim]) -> Map<String, Value> {
    let mut run = Map::new();
    run.insert("seed".to_owned(), seed.into());
    for claim in claims.iter().filter(|claim| claim.scope == Scope::Seed(seed)) {
        // The first that stands in the file is the one that is compared.
        run.entry(claim.field.name()).or_insert_with(|| number_value(&claim.stated));
    }
    run
}

fn canonical_rerun(rerun: &Rerun) -> Value {
    let over = |field| rerun.claims.iter().find(|claim| claim.field == field && !matches!(claim.scope, Scope::Seed(_)));
    json!({
        "label": rerun.label,
        "val_bpb": over(Field::ValBpb).map(|claim| number_value(&claim.stated)),
        "val_bpb_std": over(Field::ValBpbStd).map(|claim| number_value(&claim.stated)),
        "runs": rerun.seeds.iter().map(|seed| run_of(*seed, &rerun.claims)).collect::<Vec<_>>(),
    })
}

fn by_seed<'a>(scores: impl Iterator<Item = &'a (i64, f64)>) -> Map<String, Value> {
    scores.map(|(seed, score)| (seed.to_string(), (*score).into())).collect()
}

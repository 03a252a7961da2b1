//! Writes the good folder: a small records folder in the layout that `caddie render` writes.

use std::fmt::Write;

use serde_json::json;
use sha2::{Digest, Sha256};

/// Seeds of the good folder.
pub const SEEDS: [i64; 3] = [0, 42, 1234];
const SCRIPT: &str = "# Stands in for the launcher with the engine's source embedded.\nprint(\"train\")\n";
/// At the head of each log as well.
const RECIPE: &str = "name = \"good\"\nblurb = \"A hand-made folder.\"\n";
const MODEL_BYTES: u64 = 15_815_847;
const SEPARATOR: &str =
    "====================================================================================================";

/// The files of the good folder: name and content. Ledgers are given uncompressed.
pub fn files() -> Vec<(String, String)> {
    let runs: Vec<Run> = SEEDS.into_iter().map(Run::new).collect();
    let mut files = vec![
        ("README.md".to_owned(), readme(&runs)),
        ("submission.json".to_owned(), submission(&runs)),
        ("train_gpt.py".to_owned(), SCRIPT.to_owned()),
        ("requirements.txt".to_owned(), "torch==2.11.0\n".to_owned()),
        ("recipe.toml".to_owned(), RECIPE.to_owned()),
        ("ledgers.json".to_owned(), ledgers(&runs)),
    ];
    for run in &runs {
        files.push((format!("train_seed{}.log", run.seed), run.log()));
        files.push((format!("ledger_seed{}.jsonl.zst", run.seed), run.ledger.clone()));
    }
    files
}

struct Run {
    seed: i64,
    ledger: String,
    sha256: String,
    documents: u64,
    tokens: u64,
    bytes: u64,
    nats: f64,
    train_ms: u64,
    steps: u64,
    bytes_model: u64,
}

impl Run {
    fn new(seed: i64) -> Run {
        let (mut tokens, mut bytes, mut nats, mut ledger) = (0, 0, 0.0, String::new());
        let documents = 6;
        for doc in 0..documents {
            let row = (40 + 13 * doc, 97 + 31 * doc, 83.25 + 27.5 * doc as f64 + seed as f64 / 1e5);
            let line = json!({ "doc": doc, "tokens": row.0, "bytes": row.1, "nats": row.2 });
            let _ = writeln!(ledger, "{line}");
            (tokens, bytes, nats) = (tokens + row.0, bytes + row.1, nats + row.2);
        }
        let sha256 = format!("{:x}", Sha256::digest(&ledger));
        let offset = seed as u64 % 7;
        Run {
            seed,
            ledger,
            sha256,
            documents,
            tokens,
            bytes,
            nats,
            train_ms: 599_000 + offset,
            steps: 13_700 + offset,
            bytes_model: MODEL_BYTES + offset,
        }
    }

    fn val_loss(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    fn val_bpb(&self) -> f64 {
        self.nats / std::f64::consts::LN_2 / self.bytes as f64
    }

    fn bytes_total(&self) -> u64 {
        self.bytes_model + SCRIPT.len() as u64
    }

    fn log(&self) -> String {
        let Run { seed, train_ms, steps, bytes_model, sha256, documents, tokens, bytes, .. } = self;
        let (loss, bpb, code, total) = (self.val_loss(), self.val_bpb(), SCRIPT.len(), self.bytes_total());
        format!(
            "{RECIPE}{SEPARATOR}\nRunning caddie-engine 0.1.0\nRunning PyTorch 2.11.0\n\
             hardware: cuda:0 NVIDIA H100 80GB HBM3\n{SEPARATOR}\n\
             val_loader:shards pattern=fineweb_val_*.bin tokens:{tokens}\nmodel_params:17059912\n\
             world_size:8 grad_accum_steps:1\n\
             train_batch_tokens:524288 train_seq_len:1024 iterations:20000 warmup_steps:20\nseed:{seed}\n\
             warmup_step:1/20\nstep:1/20000 train_loss:6.9370 train_time:43ms step_avg:43.21ms\n\
             step:{steps}/20000 val_loss:2.0606 val_bpb:1.3172 train_time:{train_ms}ms step_avg:43.54ms\n\
             stopping_early: wallclock_cap train_time:{train_ms}ms step:{steps}/20000\n\
             peak memory allocated: 10184 MiB reserved: 10200 MiB\nSerialized model: 67224983 bytes\n\
             Code size: {code} bytes\nSerialized model int8+zlib: {bytes_model} bytes (payload:17178912)\n\
             Total submission size int8+zlib: {total} bytes\n\
             final_int8_ttt_lora val_loss:{loss:.4} val_bpb:{bpb:.4} eval_time:401250ms\n\
             final_int8_ttt_lora_exact val_loss:{loss:.8} val_bpb:{bpb:.8}\n\
             ledger:ttt documents:{documents} tokens:{tokens} bytes:{bytes} sha256:{sha256}\n"
        )
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn std(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt()
}

fn rounded(value: f64) -> f64 {
    format!("{value:.8}").parse().expect("a number")
}

fn scores(runs: &[Run]) -> (Vec<f64>, Vec<f64>) {
    runs.iter().map(|run| (rounded(run.val_bpb()), rounded(run.val_loss()))).unzip()
}

fn readme(runs: &[Run]) -> String {
    let (bpb, loss) = scores(runs);
    let mut text = String::from(
        "# Good\n\nA hand-made folder.\n\n## Results\n\n\
         | seed | val_bpb | val_loss | steps | train s | eval s | bytes total |\n|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for run in runs {
        let (train, total) = (run.train_ms as f64 / 1000.0, run.bytes_total());
        let _ = writeln!(
            text,
            "| {} | {:.8} | {:.8} | {} | {train:.3} | 401.250 | {total} |",
            run.seed,
            run.val_bpb(),
            run.val_loss(),
            run.steps
        );
    }
    let _ = writeln!(text, "| **mean** | **{:.8}** | **{:.8}** | | | | |", mean(&bpb), mean(&loss));
    let _ = writeln!(text, "| **sample std** | {:.8} | {:.8} | | | | |", std(&bpb), std(&loss));
    text.push_str("\n## Run\n\n    SEED=0 torchrun --standalone --nproc_per_node=8 train_gpt.py\n");
    text
}

fn submission(runs: &[Run]) -> String {
    let (bpb, loss) = scores(runs);
    let totals: Vec<u64> = runs.iter().map(Run::bytes_total).collect();
    let by_seed: serde_json::Map<String, serde_json::Value> = runs
        .iter()
        .map(|run| {
            let result = json!({
                "val_bpb": rounded(run.val_bpb()), "val_loss": rounded(run.val_loss()),
                "artifact_bytes": run.bytes_total(), "bytes_model": run.bytes_model, "bytes_code": SCRIPT.len(),
                "steps": run.steps, "train_time_s": run.train_ms as f64 / 1000.0, "eval_time_s": 401.25,
                "ledger_sha256": run.sha256,
            });
            (run.seed.to_string(), result)
        })
        .collect();
    // The date is before the first record: the folder is good without having to beat one.
    let document = json!({
        "name": "Good", "author": "caddie", "github_id": "caddie", "date": "2026-03-17", "track": "10min_16mb",
        "val_bpb": rounded(mean(&bpb)), "val_loss": rounded(mean(&loss)),
        "val_bpb_std": rounded(std(&bpb)), "val_loss_std": rounded(std(&loss)),
        "n_seeds": runs.len(), "seeds": SEEDS,
        "bytes_total": totals.iter().max(), "bytes_code": SCRIPT.len(),
        "artifact": { "bytes_max": totals.iter().max(), "bytes_mean": mean(&totals.iter().map(|b| *b as f64).collect::<Vec<_>>()) },
        "scored": { "documents": runs[0].documents, "tokens": runs[0].tokens, "bytes": runs[0].bytes },
        "seed_results": by_seed,
    });
    format!("{document:#}\n")
}

fn ledgers(runs: &[Run]) -> String {
    let by_seed: serde_json::Map<String, serde_json::Value> = runs
        .iter()
        .map(|run| {
            let file = format!("ledger_seed{}.jsonl.zst", run.seed);
            (run.seed.to_string(), json!({ "file": file, "sha256": run.sha256 }))
        })
        .collect();
    let document = json!({ "schema_version": 1, "sha256_of": "the uncompressed JSON lines", "ledgers": by_seed });
    format!("{document:#}\n")
}

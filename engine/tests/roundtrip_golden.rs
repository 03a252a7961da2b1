//! From weights to a score against upstream's numbers: the loss of the dequantized model, and val_bpb of stated nats.

mod common;

use std::path::{Path, PathBuf};

use caddie_engine::data::{ByteTable, find_documents};
use caddie_engine::evaluate::ledger::{LedgerRow, row, to_lines};
use caddie_engine::evaluate::{Totals, ValData};
use caddie_engine::model::Gpt;
use caddie_engine::nn::Docs;
use caddie_engine::quant::container;
use caddie_engine::recipe::QuantRecipe;
use caddie_engine::{Recipe, Result};
use common::*;
use serde_json::Value;
use tch::{Device, Tensor};

/// Nats of every target after int8 export and reload, with the inputs of `case`.
fn nats_after_round_trip(case: &Value, salt: &str, keep_float_max_numel: i64) -> Result<Vec<f32>> {
    let c = &case["config"];
    let sizes = [
        format!("vocab_size={}", c["V"]),
        format!("model_dim={}", c["D"]),
        format!("layout=A*{}", c["L"]),
        format!("num_heads={}", c["H"]),
        format!("num_kv_heads={}", c["KV"]),
        format!("mlp_mult={}", c["mlp"]),
        format!("rope_base={}", c["rope"]),
        format!("logit_softcap={}", c["softcap"]),
        format!("keep_float_max_numel={keep_float_max_numel}"),
        // The losses do not depend on it, and level 9 takes seconds longer.
        "quant.level=1".to_owned(),
    ];
    let recipe = Recipe::parse(include_str!("../../recipes/baseline.toml"), &sizes)?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.int8.zlib");
    container::write(&path, &quantize_all(&fill_state(&case["params"], salt), &recipe.quant)?, &recipe)?;
    let (reloaded, recipe) = container::read(&path)?;

    let model = Gpt::new(&recipe.model, reloaded.dequantize()?, Device::Cpu)?;
    let ids = integers(&case["tokens"]);
    let shape = [integer(&c["batch"]), -1];
    let x = Tensor::from_slice(&ids[..ids.len() - 1]).view(shape);
    let y = Tensor::from_slice(&ids[1..]).view(shape);
    Ok(values(&tch::no_grad(|| model.nll(&x, &y, &Docs::Rows))))
}

fn assert_mean(what: &str, nats: &[f32], golden: &Value) {
    let mean = nats.iter().map(|&n| f64::from(n)).sum::<f64>() / nats.len() as f64;
    let difference = (mean - float(golden)).abs();
    assert!(difference <= 5e-6, "{what}: mean {mean}, upstream {golden}");
    eprintln!("{what}: mean loss off by {difference:e} (allowed 5e-6)");
}

#[test]
fn the_tiny_model_loses_what_upstreams_loses_in_int8() {
    let (case, int8) = (&golden("baseline.json")["a_tiny_tied"], &golden("baseline_int8.json")["c_int8"]);
    let expected = &int8["tiny_threshold_lowered"];
    let nats = nats_after_round_trip(case, "", integer(&expected["INT8_KEEP_FLOAT_MAX_NUMEL"])).unwrap();
    assert_close("tiny, int8", &nats[..8], &floats32(&expected["roundtrip_nll_first8"]), 2e-5);
    assert_mean("tiny, int8", &nats, &expected["roundtrip_mean_loss"]);

    // The tolerance tells the quantized model from the original.
    let original = floats32(&case["nll"]);
    let moved = nats.iter().zip(&original).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved > 1e-3, "quantization moved no loss by more than {moved:e}");
}

#[test]
fn the_default_model_loses_what_upstreams_loses_in_int8() {
    let (case, int8) = (&golden("baseline.json")["b_full_default"], &golden("baseline_int8.json")["c_int8"]);
    let nats = nats_after_round_trip(case, "full/", QuantRecipe::default().keep_float_max_numel).unwrap();
    assert_mean("17,059,912 parameters, int8", &nats, &int8["full_default_all_f32"]["roundtrip_mean_loss"]);
}

fn assert_relative(what: &str, ours: f64, golden: &Value, tolerance: f64) {
    let off = (ours / float(golden) - 1.0).abs();
    assert!(off <= tolerance, "{what}: {ours}, upstream {golden}, relative difference {off:e} > {tolerance:e}");
}

/// The stated nats of every target, and the sums that upstream made of them.
fn stated_nats(bpb: &Value) -> Vec<f32> {
    let fill = &bpb["nll_fill"];
    let nats = fill_values(text(&fill["name"]), &[integer(&fill["n"])], float(&fill["amp"]), &[float(&fill["offset"])]);
    assert_eq!(nats[..4], floats32(&fill["first4"]));
    nats
}

fn assert_totals(totals: &Totals, bpb: &Value) {
    assert_eq!((totals.tokens as i64, totals.bytes as i64), (integer(&bpb["targets"]), integer(&bpb["total_bytes"])));
    assert_relative("sum of nats", totals.nats, &bpb["sum_nll_f64"], 1e-12);
    assert_relative("val_loss", totals.val_loss(), &bpb["val_loss"], 1e-12);
    assert_relative("val_bpb", totals.val_bpb(), &bpb["val_bpb"], 1e-12);
    // The baseline's own evaluator rounds each batch mean to f32 first; the rows of 32 leave no target out here.
    let base = &bpb["BASE_eval_val"];
    assert_eq!(integer(&base["usable_targets"]), totals.tokens as i64);
    assert_relative("val_loss of the baseline's evaluator", totals.val_loss(), &base["val_loss"], 1e-7);
    assert_relative("val_bpb of the baseline's evaluator", totals.val_bpb(), &base["val_bpb"], 1e-7);
}

#[test]
fn a_ledger_of_the_stated_nats_has_upstreams_val_loss_and_val_bpb() {
    let bpb = &golden("bpb.json")["bpb"];
    let (nats, bytes) = (stated_nats(bpb), integers(&bpb["bytes_per_target"]));
    let tokens: Vec<u16> = integers(&bpb["tokens"]).into_iter().map(|id| id as u16).collect();
    let documents = find_documents(&tokens, Path::new("golden")).unwrap();
    assert_eq!(documents.iter().map(|d| d.start as i64).collect::<Vec<_>>(), integers(&bpb["bos_at"]));
    let ledger: Vec<LedgerRow> = documents
        .iter()
        .map(|d| {
            let span = d.start..d.start + d.targets;
            LedgerRow {
                doc: d.index as u64,
                tokens: d.targets as u64,
                bytes: bytes[span.clone()].iter().sum::<i64>() as u64,
                nats: nats[span].iter().map(|&n| f64::from(n)).sum(),
            }
        })
        .collect();
    assert_totals(&Totals::of(&ledger), bpb);

    // What the file says is what was scored.
    let lines = String::from_utf8(to_lines(&ledger)).unwrap();
    let read: Vec<LedgerRow> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_totals(&Totals::of(&read), bpb);
}

/// The tokenizer of the golden tokens, where the project's shared folder is at hand.
fn tokenizer() -> Option<PathBuf> {
    let shared = std::env::var_os("CADDIE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = shared.join("golden/fineweb_8192_bpe.model");
    if !path.is_file() {
        println!("skipped: {} is not there (set CADDIE_SHARED)", path.display());
    }
    path.is_file().then_some(path)
}

#[test]
fn ledger_rows_made_with_the_real_tokenizer_have_them_too() {
    let Some(path) = tokenizer() else { return };
    let bpb = &golden("bpb.json")["bpb"];
    let tokens: Vec<u16> = integers(&bpb["tokens"]).into_iter().map(|id| id as u16).collect();
    let val = ValData {
        documents: find_documents(&tokens, Path::new("golden")).unwrap(),
        byte_table: ByteTable::from_sentencepiece(&path, 8192).unwrap(),
        sidecar: None,
        tokens,
    };
    let nats = stated_nats(bpb);
    let ledger: Vec<LedgerRow> = val.documents.iter().map(|d| row(&val, d, &nats)).collect();
    assert_totals(&Totals::of(&ledger), bpb);
}

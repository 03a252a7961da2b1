//! Test-time training against upstream's numbers, and the independence of documents: largest difference exactly 0.

mod common;

use caddie_engine::data::windows::ttt_batches;
use caddie_engine::data::{ByteTable, Document, find_documents};
use caddie_engine::evaluate::ValData;
use caddie_engine::evaluate::ttt::{SeededInit, score, score_batch};
use caddie_engine::model::Gpt;
use caddie_engine::nn::AdapterInit;
use caddie_engine::recipe::{Recipe, TttRecipe};
use common::*;
use std::path::Path;
use tch::{Device, Tensor};

const MODEL: &str = "[model]\nvocab_size = 128\nmodel_dim = 64\nlayout = 'A*6'\n[model.unet]\nskip_gates = true\n\
    [model.loops]\nnum_loops = 2\nloop_start = 2\nloop_end = 3\n[model.lanes]\nparallel_start_layer = 4\n\
    [model.block.A]\nln_scale = true\n[model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nrope_dims = 8\nxsa = true\n\
    [model.block.A.mlp]\nmlp_mult = 3\nactivation = 'leaky_relu2'\n\
    [eval.ttt]\nttt_lora_rank = 4\nttt_chunk_size = 16\nttt_eval_seq_len = 64\nttt_lora_lr = 0.005\n";

fn golden_model() -> Gpt {
    let golden = golden("varlen_ttt.json");
    let recipe = Recipe::parse(MODEL, &[]).unwrap();
    Gpt::new(&recipe.model, fill_state(&golden["forward"]["params"], ""), Device::Cpu).unwrap()
}

fn val(tokens: &[i64]) -> ValData {
    let tokens: Vec<u16> = tokens.iter().map(|&t| t as u16).collect();
    let documents = find_documents(&tokens, Path::new("test.bin")).unwrap();
    ValData { tokens, documents, byte_table: ByteTable::byte260(), sidecar: None }
}

fn golden_val() -> ValData {
    val(&integers(&golden("varlen_ttt.json")["ttt"]["tokens"]))
}

fn recipe(lr: f64) -> TttRecipe {
    TttRecipe { ttt_lora_lr: lr, ..Recipe::parse(MODEL, &[]).unwrap().eval.ttt() }
}

struct GoldenInit;

impl AdapterInit for GoldenInit {
    fn a(&self, docs: &[usize], names: &[String], rank: i64, inputs: i64, _device: Device) -> Tensor {
        let one =
            |doc: usize, name: &String| fill_values(&format!("lora.doc{doc}.{name}.A"), &[rank, inputs], 0.125, &[0.0]);
        let all: Vec<f32> = docs.iter().flat_map(|&doc| names.iter().flat_map(move |name| one(doc, name))).collect();
        Tensor::from_slice(&all).view([docs.len() as i64, names.len() as i64 * rank, inputs])
    }
}

#[test]
fn adapted_scores_agree_with_upstream() {
    let (model, val) = (golden_model(), golden_val());
    for (key, lr) in [("lr_0.0001", 1e-4), ("lr_0.005", 5e-3)] {
        let golden = &golden("varlen_ttt.json")["ttt"][key];
        let scored = score_batch(&model, &val, &recipe(lr), &val.documents, &GoldenInit).unwrap();
        for (d, expected) in golden["documents"].as_array().unwrap().iter().enumerate() {
            assert_close(&format!("{key} document {d}"), &scored[d], &floats32(&expected["nll"]), 5e-5);
        }
        let all: Vec<f64> = scored.iter().flatten().map(|&n| f64::from(n)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((mean - golden["val_loss"].as_f64().unwrap()).abs() < 5e-6, "{key}: mean {mean}");
    }
}

#[test]
fn without_learning_the_evaluator_scores_the_bare_model() {
    let (model, val) = (golden_model(), golden_val());
    let still = TttRecipe { ttt_weight_decay: 0.0, ..recipe(0.0) };
    let scored = score_batch(&model, &val, &still, &val.documents, &GoldenInit).unwrap();
    let golden = &golden("varlen_ttt.json")["ttt"]["no_adaptation_lr0_wd0"]["mean_nll_per_document"];
    let means: Vec<f32> = scored.iter().map(|n| n.iter().sum::<f32>() / n.len() as f32).collect();
    assert_close("document means", &means, &floats32(golden), 5e-6);
}

/// A stream of documents with the given numbers of targets.
fn stream(lens: &[usize], seed: u64) -> Vec<i64> {
    let mut out = Vec::new();
    for (d, &len) in lens.iter().enumerate() {
        out.push(1);
        out.extend(tokens(seed + d as u64, len - 1, 4, 128));
    }
    out.push(77); // the last document's last target
    out
}

const LENS: [usize; 7] = [70, 20, 33, 130, 16, 5, 95];

fn alone(model: &Gpt, val: &ValData) -> Vec<Vec<f32>> {
    let one = |d: &Document| score_batch(model, val, &recipe(5e-3), &[*d], &SeededInit { seed: 7 }).unwrap();
    val.documents.iter().flat_map(one).collect()
}

#[test]
fn a_document_scores_the_same_alone_in_a_batch_and_in_another_grouping() {
    let (model, val) = (golden_model(), val(&stream(&LENS, 900)));
    let alone = alone(&model, &val);
    for size in [2, 3, 7] {
        for batch in ttt_batches(&val.documents, size) {
            let docs: Vec<Document> = batch.iter().map(|&i| val.documents[i]).collect();
            let together = score_batch(&model, &val, &recipe(5e-3), &docs, &SeededInit { seed: 7 }).unwrap();
            for (d, nats) in docs.iter().zip(&together) {
                assert_eq!(nats, &alone[d.index], "document {} in batches of {size}", d.index);
            }
        }
    }
    // The whole evaluator, which spreads documents over threads.
    let eval = TttRecipe { ttt_seed: 7, ..recipe(5e-3) };
    let nll = score(&model, &val, &eval, &val.documents, &mut |_| Ok(())).unwrap();
    assert_eq!(nll, alone.concat(), "every target once, in stream order");
}

#[test]
fn corrupting_other_documents_changes_nothing() {
    let model = golden_model();
    let original = val(&stream(&LENS, 900));
    let kept = 3;
    let mut tokens: Vec<i64> = stream(&LENS, 5000);
    let d = original.documents[kept];
    let own = d.start..d.start + d.targets;
    for (token, &kept) in tokens[own.clone()].iter_mut().zip(&original.tokens[own]) {
        *token = i64::from(kept);
    }
    let corrupted = val(&tokens);
    let eval = TttRecipe { ttt_seed: 7, ..recipe(5e-3) };
    let score_all = |v: &ValData| score(&model, v, &eval, &v.documents, &mut |_| Ok(())).unwrap();
    let (before, after) = (score_all(&original), score_all(&corrupted));
    let span = d.start..d.start + d.targets;
    assert_eq!(before[span.clone()], after[span]);
    assert_ne!(before[..d.start], after[..d.start], "the corruption must reach the others");
}

#[test]
fn corrupting_later_tokens_changes_no_earlier_score() {
    let model = golden_model();
    let tokens = stream(&[130], 42);
    let before = &alone(&model, &val(&tokens))[0];
    for t in [15, 16, 17, 64, 100, 129] {
        let mut corrupted = tokens.clone();
        for token in &mut corrupted[t + 1..] {
            *token = if *token == 99 { 98 } else { 99 };
        }
        let after = &alone(&model, &val(&corrupted))[0];
        assert_eq!(before[..t], after[..t], "targets up to token {t}");
        assert_ne!(before[t..], after[t..]);
    }
}

#[test]
fn adaptation_is_live_from_the_second_chunk_on() {
    let (model, val) = (golden_model(), val(&stream(&LENS, 900)));
    let learnt = alone(&model, &val);
    let still = TttRecipe { ttt_weight_decay: 0.0, ..recipe(0.0) };
    let bare = score_batch(&model, &val, &still, &val.documents[..1], &SeededInit { seed: 7 }).unwrap();
    assert_eq!(learnt[0][..16], bare[0][..16], "the first chunk is scored before anything is learnt");
    assert_ne!(learnt[0][16..], bare[0][16..]);
}

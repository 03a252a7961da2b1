//! The stack of PR #316 against numbers printed by its own PyTorch code (tests/golden/lowrankq.json).

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use caddie_engine::data::{ByteTable, find_documents};
use caddie_engine::evaluate::{ValData, ogd, sliding};
use caddie_engine::model::{Gpt, initial_state, num_parameters, overtone, parameters};
use caddie_engine::nn::{Class, Docs};
use caddie_engine::quant::budget::{ComponentBudget, budget};
use caddie_engine::quant::ftle::{FtleRecipe, Sensitivity, bits_by_row};
use caddie_engine::quant::qat::QatRecipe;
use caddie_engine::quant::{Data, Item, Observed, export, quantize};
use caddie_engine::recipe::{QuantRecipe, RuleRecipe};
use caddie_engine::train::{Regime, Steps};
use caddie_engine::{Recipe, data::Batch};
use common::*;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

const FILE: &str = "lowrankq.json";

/// The recipe of the golden model, with quantization-aware training at the golden bits and the golden optimizers.
fn tiny(changes: &[&str]) -> Recipe {
    let toml = "[model]\nvocab_size = 128\nmodel_dim = 64\nlayout = 'A*4'\n[model.embedding]\novertone = true\n[model.unet]\n\
                [model.block.A]\nresid_mix_phase = true\n\
                [model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nq_rank = 16\nrope_train_seq_len = 32\n\
                [model.block.A.mlp]\n[optim.muon]\nmuon_momentum_warmup_steps = 0\nmuon_wd = 0.02\nmuon_wd_after = true\n\
                [optim.adam]\ntied_embed_lr = 0.1\nembed_wd = 0.01\nadam_wd = 0.01\n\
                [train]\ntrain_seq_len = 32\ntrain_batch_tokens = 64\ngrad_accum_steps = 1\nmax_wallclock_seconds = 0\n\
                [quant]\nkeep_float_max_numel = 1024\n[quant.embedding]\nbits = 16\n[quant.qat]\nqat_bits = 7\n\
                [quant.ftle]\nftle_every = 1\n[eval]\neval_seq_len = 32\n[eval.sliding]\neval_stride = 8\n";
    let changes: Vec<String> = changes.iter().map(|&c| c.to_owned()).collect();
    Recipe::parse(toml, &changes).unwrap()
}

fn state() -> Vec<(String, Tensor)> {
    fill_state(&golden(FILE)["tiny"]["params"], "")
}

/// One micro-step's batch of two rows.
fn batch(tokens: &[i64]) -> Batch {
    let n = tokens.len() - 1;
    Batch { x: tokens[..n].to_vec(), y: tokens[1..].to_vec(), cu_seqlens: None }
}

fn rows(ids: &[i64]) -> Tensor {
    Tensor::from_slice(ids).view([2, -1])
}

#[test]
fn the_parameters_are_those_of_pr_316() {
    let recipe = Recipe::parse(include_str!("../../recipes/lowrank-q.toml"), &[]).unwrap();
    assert_eq!(num_parameters(&recipe.model).unwrap(), 20_999_264);
    let ours: Vec<Value> =
        parameters(&recipe.model).unwrap().iter().map(|p| serde_json::json!([p.name, p.shape])).collect();
    let golden = golden(FILE);
    assert_eq!(&ours, golden["default_config"]["params"].as_array().unwrap());
    let state: BTreeMap<String, Tensor> = initial_state(&recipe.model, 1).unwrap().into_iter().collect();
    for row in 0..2 {
        let start: Vec<f32> = (0..12)
            .map(|layer| state[&format!("blocks.{layer}.resid_mix")].get(row).get(0).double_value(&[]) as f32)
            .collect();
        let key = format!("resid_mix_init_row{row}_value_per_layer");
        assert_close(&key, &start, &floats32(&golden["default_config"][&key]), 1.5e-7);
    }
    for layer in [0, 11] {
        for zero in ["attn.proj", "mlp.proj"] {
            let weight = &state[&format!("blocks.{layer}.{zero}.weight")];
            assert_eq!(weight.abs().max().double_value(&[]), 0.0);
        }
    }
}

#[test]
fn the_recipe_leaves_room_for_code_and_compressor() {
    let recipe = Recipe::parse(include_str!("../../recipes/lowrank-q.toml"), &[]).unwrap();
    let all = ComponentBudget::total(&budget(&parameters(&recipe.model).unwrap(), &recipe.quant));
    // 12 layers of int6 by row, the embedding in f16: 14.79 MB, and 1.21 MB for the code and for the compressor's loss.
    assert!((14_780_000..14_800_000).contains(&all.estimated), "{}", all.estimated);
}

#[test]
fn the_published_parameter_counts_of_smear_gate_and_bigram_hash_come_out() {
    let baseline = include_str!("../../recipes/baseline.toml");
    let count = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        num_parameters(&Recipe::parse(baseline, &sets).unwrap().model).unwrap()
    };
    let table = |rows: &str| format!("model.bigram.bigram_vocab_size={rows}");
    assert_eq!(count(&["mlp_mult=3", "model.smear={}", &table("4096")]), 22_368_841, "Int6_MLP3x_SmearGate_BigramHash");
    assert_eq!(count(&["layout=A*10", "mlp_mult=3", "model.smear={}", &table("10240")]), 25_517_137, "10L_Int5MLP");
}

#[test]
fn losses_with_and_without_rounded_matrices_and_their_gradients_agree() {
    let case = &golden(FILE)["tiny"];
    let recipe = tiny(&[]);
    let ids = integers(&case["tokens"]);
    let (x, y) = (rows(&ids[..64]), rows(&ids[1..]));
    let model = Gpt::new(&recipe.model, state(), Device::Cpu).unwrap();
    let nll = tch::no_grad(|| model.nll(&x, &y, &Docs::Rows));
    assert_close("nll", &values(&nll), &floats32(&case["nll"]), 2e-5);

    let mut steps = Steps::new(&recipe, state(), Device::Cpu).unwrap();
    let mut loss_and_gradients = |on: bool| {
        steps.set_qat(on).unwrap();
        steps.gradients(&recipe.train, vec![batch(&ids)]).unwrap()
    };
    let (plain, _) = loss_and_gradients(false);
    let (rounded, grads) = loss_and_gradients(true);
    let qat = &case["qat"];
    assert_close("loss", &values(&plain), &[float(&case["mean_loss"]) as f32], 5e-6);
    assert_close("loss at rounded matrices", &values(&rounded), &[float(&qat["mean_loss"]) as f32], 5e-6);
    for ((name, _), grad) in model.parameters().iter().zip(&grads) {
        let expected = &qat["grads_of_mean_loss_(STE)"][name];
        assert_stats(name, grad, expected, 5e-5, 2e-5);
    }
}

#[test]
fn the_straight_through_estimator_rounds_as_upstream_does() {
    for case in golden(FILE)["fake_quant"]["cases"].as_array().unwrap() {
        let w = fill(text(&case["name"]), &integers(&case["shape"]), float(&case["amp"]), &[0.0]);
        if let Some(row) = case["zeroed_row"].as_i64() {
            let _ = w.get(row).zero_();
        }
        let bits = integer(&case["bits"]) as u8;
        let qat = QatRecipe { qat_bits: Some(bits), ..QatRecipe::default() };
        let rounded = qat.rounded(&w, &RuleRecipe::int8()).unwrap();
        let what = format!("{} at {bits} bits", text(&case["name"]));
        assert_close(&what, &values(&rounded.get(0)), &floats32(&case["row0"]), 5e-7);
        assert_close(&what, &values(&rounded.get(2))[..6], &floats32(&case["row2_first6"]), 5e-7);
        let sum = rounded.square().sum(Kind::Double).double_value(&[]);
        assert!((sum - float(&case["sumsq_f64"])).abs() < 1e-5 * sum, "{what}: {sum}");
    }
}

/// The golden scores of a case, f32 `[rows]`.
fn scores(case: &Value) -> Tensor {
    let s = &case["scores"];
    let filled = fill(text(&s["name"]), &[24], float(&s["amp"]), &[float(&s["offset"])]);
    if s["then"].is_null() { filled } else { &filled * &filled * &filled * &filled }
}

#[test]
fn bits_scales_and_integers_by_row_are_upstreams() {
    let golden = &golden(FILE)["ftle"];
    let w = fill("ftle.W", &[24, 96], 1.5, &[0.0]);
    let recipe = QuantRecipe { keep_float_max_numel: 0, ..QuantRecipe::default() };
    let check = |what: &str, row_bits: Option<&Tensor>, case: &Value| {
        let item = Item { name: "w", class: Class::Matrix, tensor: &w, hessian: None, row_bits };
        let Data::IntRow { q, scale, .. } = quantize(&item, &recipe).unwrap().data else { panic!("{what}") };
        assert_eq!(values(&scale), floats32(&case["scales_f16"]), "{what}");
        let q = q.to_kind(Kind::Int64);
        assert_eq!(q.sum(Kind::Int64).int64_value(&[]), integer(&case["q_sum"]), "{what}");
        assert_eq!(q.square().sum(Kind::Int64).int64_value(&[]), integer(&case["q_sumsq"]), "{what}");
    };
    for case in golden["cases"].as_array().unwrap() {
        let bits = bits_by_row(&scores(case), float(&case["target_avg_bits"])).unwrap();
        let what = format!("{} at {}", case["scores"], case["target_avg_bits"]);
        assert_eq!(values(&bits), floats32(&case["bits_per_row"]), "{what}");
        check(&what, Some(&bits), case);
    }
    check("without scores", None, &golden["no_scores_fallback_int8"]);
}

/// The sensitivities after one update and after two.
fn sensitivities() -> [Vec<(String, Tensor)>; 2] {
    let recipe = tiny(&[]);
    let ids = integers(&golden(FILE)["tiny"]["tokens"]);
    let mut steps = Steps::new(&recipe, state(), Device::Cpu).unwrap();
    steps.set_qat(true).unwrap();
    let mut sensitivity = Sensitivity::new(&FtleRecipe { ftle_every: 1, ..FtleRecipe::default() });
    let first = batch(&ids);
    let shifted = |ids: &[i64], by: i64| ids.iter().map(|id| (id + by) % 128).collect();
    let second = Batch { x: shifted(&first.x, 3), y: shifted(&first.y, 5), cu_seqlens: None };
    [first, second].map(|batch| {
        let (_, grads) = steps.gradients(&recipe.train, vec![batch]).unwrap();
        sensitivity.observe(&steps.model, &grads, 0);
        sensitivity.scores()
    })
}

#[test]
fn the_rows_sensitivities_are_upstreams() {
    let golden = &golden(FILE)["tiny"]["ftle_tracker"];
    for (scores, key) in sensitivities().iter().zip(["after_1", "after_2"]) {
        assert_eq!(scores.len() as i64, integer(&golden["tracked"]));
        for (name, scores) in scores.iter().filter(|(name, _)| golden[key].get(name).is_some()) {
            let expected = floats32(&golden[key][name]);
            let largest = expected.iter().copied().fold(1e-3, f32::max);
            assert_close(&format!("{key} {name}"), &values(scores)[..expected.len()], &expected, 5e-5 * largest);
        }
    }
    let [_, after] = sensitivities();
    for (name, scores) in &after {
        let (sum, expected) = (scores.sum(Kind::Double).double_value(&[]), float(&golden["sums_after_2"][name]));
        assert!((sum - expected).abs() < 1e-4 * expected, "{name}: {sum} against {expected}");
    }
}

#[test]
fn the_mixed_export_agrees() {
    let golden = &golden(FILE)["mixed_export_tiny"];
    let recipe = tiny(&[]);
    let model = Gpt::new(&recipe.model, state(), Device::Cpu).unwrap();
    let [_, scores] = sensitivities();
    for case in golden["cases"].as_array().unwrap() {
        let target = float(&case["target_avg_bits"]);
        let row_bits = scores.iter().map(|(n, s)| (n.clone(), bits_by_row(s, target).unwrap())).collect();
        let observed = Observed { row_bits, ..Observed::default() };
        let exported = export(model.params(), model.parameters(), &observed, &recipe.quant).unwrap();
        assert_eq!(exported.payload_bytes() as i64, integer(&case["stats"]["int8_payload_bytes"]));
        for tensor in &exported.tensors {
            let Data::IntRow { q, .. } = &tensor.data else { continue };
            let sum = q.to_kind(Kind::Int64).square().sum(Kind::Int64).double_value(&[]);
            let expected = integers(&case["q_checksums"][&tensor.name])[1] as f64;
            assert!((sum - expected).abs() <= 0.005 * expected, "{} at {target}: {sum}, {expected}", tensor.name);
        }
        let stored = Gpt::new(&recipe.model, exported.dequantize().unwrap(), Device::Cpu).unwrap();
        let ids = integers(&common::golden(FILE)["tiny"]["tokens"]);
        let loss = tch::no_grad(|| stored.loss(&rows(&ids[..64]), &rows(&ids[1..]), &Docs::Rows));
        let expected = [float(&case["roundtrip_mean_loss"]) as f32];
        assert_close(&format!("loss at {target} bits"), &values(&loss), &expected, 1e-2);
    }
}

#[test]
fn the_spectrum_of_the_first_embedding_is_upstreams() {
    let golden = &golden(FILE)["overtone_init"];
    let reshaped = overtone(&fill("overtone.emb", &[128, 64], 0.005, &[0.0]));
    assert_close("row 0", &values(&reshaped.get(0))[..8], &floats32(&golden["row0_first8"]), 2e-7);
    let (_, s, _) = reshaped.svd(true, true);
    assert_close("singular values", &values(&s)[..8], &floats32(&golden["singular_values_first8"]), 1e-6);
}

#[test]
fn four_steps_at_rounded_matrices_agree_in_losses_and_weights() {
    let case = &golden(FILE)["train_4_steps_qat"];
    let recipe = tiny(&[]);
    let mut steps = Steps::new(&recipe, state(), Device::Cpu).unwrap();
    let t = &case["tokens"];
    let all = tokens(t["seed"].as_u64().unwrap(), integer(&t["n"]) as usize, integer(&t["lo"]), integer(&t["hi"]));
    let slice = |k: usize| vec![batch(&all[k * 64..(k + 1) * 64 + 1])];
    let now = Regime { lr_scale: 1.0, wd_scale: 1.0, looping: false, qat: true };
    for (k, expected) in floats32(&case["loss_before_each_step"]).iter().enumerate() {
        let stepped = steps.step(&recipe.train, slice(k), k as i64, now).unwrap();
        assert_close(&format!("loss before step {k}"), &values(&stepped.loss), &[*expected], 2e-3);
    }
    let (after, _) = steps.gradients(&recipe.train, slice(0)).unwrap();
    assert_close("loss afterwards", &values(&after), &[float(&case["loss_on_batch0_after_4_steps"]) as f32], 2e-3);
    for (name, parameter) in steps.model.parameters() {
        assert_stats(name, &parameter.detach(), &case["params_after_4_steps"][name], 2e-3, 2e-4);
    }
}

#[test]
fn the_carried_bias_and_the_window_without_one_agree() {
    let case = &golden(FILE)["sliding_ogd"];
    let recipe = tiny(&["eval.ogd.ogd_carried=true", "ogd_batch_windows=4"]);
    let model = Gpt::new(&recipe.model, state(), Device::Cpu).unwrap();
    let t = &case["tokens"];
    let ids = tokens(t["seed"].as_u64().unwrap(), integer(&t["n"]) as usize, integer(&t["lo"]), integer(&t["hi"]));
    let tokens: Vec<u16> = std::iter::once(1).chain(ids[1..].iter().map(|&id| id as u16)).collect();
    let mut val = ValData {
        documents: find_documents(&tokens, Path::new("test.bin")).unwrap(),
        tokens,
        byte_table: ByteTable::byte260(),
        sidecar: None,
    };
    // The golden stream does not begin with a BOS; documents play no part here.
    val.tokens[0] = ids[0] as u16;
    let plain = sliding::score(&model, &val, &recipe.eval, &mut |_| Ok(())).unwrap();
    let learnt = ogd::carried(&model, &val, &recipe.eval, &mut |_| Ok(())).unwrap();
    // Upstream has no window for the last two targets; the engine scores them too.
    let mean = |nats: &[f32]| nats[..328].iter().map(|&n| f64::from(n)).sum::<f64>() / 328.0;
    for (nats, key) in [(plain, "without_ogd"), (learnt, "with_ogd_lr0.1")] {
        let (ours, theirs) = (mean(&nats), float(&case[key]["val_loss"]));
        assert!((ours - theirs).abs() < 5e-6, "{key}: {ours} against {theirs}");
    }
}

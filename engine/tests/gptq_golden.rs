//! GPTQ against numbers that upstream's own code printed (tests/golden/varlen_ttt.json): a matrix alone, and a whole model.

mod common;

use std::collections::BTreeMap;

use caddie_engine::Recipe;
use caddie_engine::model::Gpt;
use caddie_engine::nn::{Class, Docs};
use caddie_engine::quant::calibrate::calibrate;
use caddie_engine::quant::{Data, Item, Observed, export, quantize};
use caddie_engine::recipe::{QuantRecipe, RuleRecipe};
use common::*;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn rule(clip_sigmas: f64, bits: i64) -> RuleRecipe {
    RuleRecipe { bits: bits as u8, clip_sigmas: Some(clip_sigmas), gptq: true, ..RuleRecipe::default() }
}

/// `H = XᵀX / 4` with `X[t, j] = (U[t, j] + 0.5·U[t, j − 1] + 0.4·z[t])·s[j]`, the first column's neighbor being the last,
/// and column 17 dead.
fn hessian(inputs: &Value) -> Tensor {
    let entry = |key: &str| fill_entry(&with_offset(&inputs[key]), "");
    let (u, z, s) = (entry("U"), entry("z"), entry("s"));
    let mut x = (&u + u.roll([1], [1]) * 0.5 + z.unsqueeze(1) * 0.4) * s.unsqueeze(0);
    let _ = x.narrow(1, 17, 1).fill_(0.0);
    x = x.contiguous();
    x.tr().matmul(&x) / 4.0
}

fn with_offset(entry: &Value) -> Value {
    let mut entry = entry.clone();
    entry.as_object_mut().unwrap().entry("offset").or_insert(Value::from(0.0));
    entry
}

#[test]
fn every_integer_and_scale_of_a_matrix_agrees() {
    let golden = &golden("varlen_ttt.json")["gptq_matrix"];
    let w = fill_entry(&with_offset(&golden["inputs"]["W"]), "");
    let h = hessian(&golden["inputs"]);
    let trace = h.diagonal(0, 0, 1).sum(Kind::Double).double_value(&[]);
    assert!((trace / float(&golden["H_trace"]) - 1.0).abs() < 1e-6, "trace {trace}");
    for case in golden["cases"].as_array().unwrap() {
        let (sigmas, bits) = (float(&case["clip_sigmas"]), integer(&case["bits"]));
        let recipe = QuantRecipe { keep_float_max_numel: 0, matrix: rule(sigmas, bits), ..QuantRecipe::default() };
        let item = Item { name: "w", class: Class::Matrix, tensor: &w, hessian: Some(&h), row_bits: None };
        let Data::IntRow { q, scale, .. } = quantize(&item, &recipe).unwrap().data else { panic!("not quantized") };
        let ours: Vec<i64> = Vec::try_from(q.to_kind(Kind::Int64).reshape([-1])).unwrap();
        let expected: Vec<i64> = case["q"].as_array().unwrap().iter().flat_map(flat).collect();
        let differing = ours.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!((differing, ours.len()), (0, expected.len()), "{bits} bits at {sigmas} sigmas");
        assert_eq!(values(&scale), floats32(&case["scales_f16"]), "{bits} bits at {sigmas} sigmas: scales");
    }
}

fn flat(value: &Value) -> Vec<i64> {
    match value.as_array() {
        Some(_) => integers(value),
        None => vec![integer(value)],
    }
}

#[test]
fn a_calibrated_model_agrees_in_hessians_integers_and_loss() {
    let file = golden("varlen_ttt.json");
    let golden = &file["gptq_model"];
    let toml = "[model]\nvocab_size = 128\nmodel_dim = 64\nlayout = 'A*6'\n[model.unet]\nskip_gates = true\n\
                [model.loops]\nnum_loops = 2\nloop_start = 2\nloop_end = 3\n[model.lanes]\nparallel_start_layer = 4\n\
                [model.block.A]\nln_scale = true\n[model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nrope_dims = 8\n\
                xsa = true\n[model.block.A.mlp]\nmlp_mult = 3\nactivation = 'leaky_relu2'\n\
                [quant]\nkeep_float_max_numel = 1024\ncontrol = 'float16'\n[quant.matrix]\nbits = 6\nclip_sigmas = 12.85\n\
                gptq = true\n[quant.embedding]\nbits = 8\nclip_sigmas = 20\ngptq = true\n";
    let recipe = Recipe::parse(toml, &[]).unwrap();
    let model = Gpt::new(&recipe.model, fill_state(&file["forward"]["params"], ""), Device::Cpu).unwrap();

    let c = &golden["calibration"];
    let (batches, rows, len) = (integer(&c["batches"]), integer(&c["rows"]), integer(&c["T"]));
    let ids = tokens(
        c["token_seed"].as_u64().unwrap(),
        (batches * rows * len) as usize,
        integer(&c["lo"]),
        integer(&c["hi"]),
    );
    let all = Tensor::from_slice(&ids).view([batches, rows, len]);
    let found = calibrate(&model, (0..batches).map(|i| all.get(i)), None).unwrap();
    let expected = golden["hessians_(divided_by_number_of_batches)"].as_object().unwrap();
    let mut compared = 0;
    for param in model.params() {
        let Some(expected) = expected.get(&param.name) else { continue };
        let h = &found.hessians[&param.input.expect("an input")];
        let trace = h.diagonal(0, 0, 1).sum(Kind::Double).double_value(&[]);
        assert!((trace / float(&expected["trace"]) - 1.0).abs() < 1e-5, "{}: trace {trace}", param.name);
        compared += 1;
    }
    assert_eq!(compared, integer(&golden["num_hessians"]));

    let observed = Observed { hessians: found.hessians, ..Observed::default() };
    let exported = export(model.params(), model.parameters(), &observed, &recipe.quant).unwrap();
    let checksums = golden["q_checksums"].as_object().unwrap();
    let mut quantized = BTreeMap::new();
    for tensor in &exported.tensors {
        if let Data::IntRow { q, .. } = &tensor.data {
            let q = q.to_kind(Kind::Int64);
            quantized.insert(tensor.name.as_str(), (&q * &q).sum(Kind::Int64).int64_value(&[]));
        }
    }
    assert_eq!(quantized.len(), checksums.len());
    for (name, sums) in checksums {
        let name = name.strip_suffix(".q").unwrap();
        let (ours, expected) = (quantized[name] as f64, float(&sums[1]));
        assert!((ours / expected - 1.0).abs() < 0.005, "{name}: sum of squares {ours} against {expected}");
    }

    let after = Gpt::new(&recipe.model, exported.dequantize().unwrap(), Device::Cpu).unwrap();
    let tokens = integers(&file["forward"]["tokens"]);
    let (x, y) = (Tensor::from_slice(&tokens[..80]).unsqueeze(0), Tensor::from_slice(&tokens[1..]).unsqueeze(0));
    let bos: Vec<i32> = integers(&file["forward"]["bos_positions"]).iter().map(|&p| p as i32).collect();
    let docs = Docs::packed(&[bos.as_slice(), &[80]].concat(), Device::Cpu).unwrap();
    let mean = tch::no_grad(|| after.loss(&x, &y, &docs));
    let expected = float(&golden["mean_nll_packed_after_dequantisation"]) as f32;
    assert_close("loss after GPTQ", &values(&mean), &[expected], 1e-3);
}

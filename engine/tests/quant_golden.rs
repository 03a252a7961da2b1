//! The int8 export against numbers from upstream's own code: every integer, scale and byte count, exactly.

mod common;

use caddie_engine::checkpoint;
use caddie_engine::quant::{Data, QuantizedModel, QuantizedTensor, container};
use caddie_engine::recipe::QuantRecipe;
use common::{baseline, fill_entry, fill_state, float, floats, golden, integer, integers, quantize_all, text};
use serde_json::Value;
use tch::{Kind, Tensor};

fn recipe(keep_float_max_numel: i64) -> QuantRecipe {
    QuantRecipe { keep_float_max_numel, ..QuantRecipe::default() }
}

fn f32s(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).reshape([-1])).unwrap()
}

/// Golden f32 numbers have nine significant digits: enough to name one f32.
fn as_f32(values: &Value) -> Vec<f32> {
    floats(values).into_iter().map(|v| v as f32).collect()
}

fn max_abs_error(a: &Tensor, b: &Tensor) -> f32 {
    f32::try_from((a - b).abs().max()).unwrap()
}

/// `first` is the golden prefix, `q` all integers.
fn check_integers(q: &Tensor, entry: &Value, first: &str) {
    let name = text(&entry["name"]);
    let wide = q.to_kind(Kind::Int64).reshape([-1]);
    let expected = integers(&entry[first]);
    assert_eq!(Vec::<i64>::try_from(wide.narrow(0, 0, expected.len() as i64)).unwrap(), expected, "{name}");
    let sum = |t: Tensor| i64::try_from(t.sum(Kind::Int64)).unwrap();
    assert_eq!(sum(wide.shallow_clone()), integer(&entry["q_sum"]), "{name}: sum");
    assert_eq!(sum(&wide * &wide), integer(&entry["q_sumsq"]), "{name}: sum of squares");
    assert_eq!(i64::try_from(wide.abs().max()).unwrap(), integer(&entry["q_abs_max"]), "{name}: largest");
}

fn check_tensor(stored: &QuantizedTensor, original: &Tensor, dequantized: &Tensor, entry: &Value) {
    let name = text(&entry["name"]);
    assert_eq!(stored.shape, integers(&entry["shape"]), "{name}");
    let error = max_abs_error(dequantized, original);
    match &stored.data {
        Data::IntRow { q, scale, .. } => {
            assert_eq!(text(&entry["stored"]), "int8", "{name}");
            assert_eq!((scale.kind(), scale.size()), (Kind::Half, integers(&entry["scale_shape"])), "{name}");
            assert_eq!(f32s(scale)[..6], as_f32(&entry["scales_first6"]), "{name}: scales");
            let sum: f64 = f32s(scale).iter().map(|&s| f64::from(s)).sum();
            assert_eq!(sum, float(&entry["scales_sum"]), "{name}: sum of scales");
            check_integers(q, entry, "q_first8");
            assert_eq!(f32s(dequantized)[..4], as_f32(&entry["dequant_first4"]), "{name}: dequantized");
            assert_eq!(error, float(&entry["dequant_max_abs_err"]) as f32, "{name}: largest error");
        }
        Data::Float16(values) | Data::Float32(values) => {
            assert_eq!(text(&entry["stored"]), "float", "{name}");
            let kind = if text(&entry["dtype"]) == "float16" { Kind::Half } else { Kind::Float };
            assert_eq!(values.kind(), kind, "{name}");
            assert_eq!(f32s(values)[..4], as_f32(&entry["first4"]), "{name}: values");
            assert_eq!(error, float(&entry["max_abs_err"]) as f32, "{name}: largest error");
        }
        Data::PerTensor { .. } | Data::Symbols(_) => {
            panic!("{name}: upstream stores no tensor of this state dict with one scale, and none as symbols")
        }
    }
}

/// Checks every tensor that `expected` lists, and the byte counts. The list may be a selection.
fn check_model(model: &QuantizedModel, state: &[(String, Tensor)], expected: &Value) {
    let stats = &expected["stats"];
    assert_eq!(model.tensors.len() as i64, integer(&stats["num_tensors"]));
    assert_eq!(model.payload_bytes() as i64, integer(&stats["int8_payload_bytes"]));
    assert_eq!(checkpoint::state_bytes(state) as i64, integer(&stats["baseline_tensor_bytes"]));
    let integers = model.tensors.iter().filter(|t| matches!(t.data, Data::IntRow { .. } | Data::PerTensor { .. }));
    assert_eq!(integers.count() as i64, integer(&stats["num_float_tensors"]));
    let order: Vec<&str> = model.tensors.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(order, state.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());

    let dequantized = model.dequantize().unwrap();
    for entry in expected["tensors"].as_array().into_iter().flatten() {
        let i = order.iter().position(|name| *name == text(&entry["name"])).expect("a tensor of the state dict");
        check_tensor(&model.tensors[i], &state[i].1, &dequantized[i].1, entry);
    }
}

#[test]
fn the_fill_gives_the_worked_example() {
    let example = golden("baseline_int8.json")["fill_worked_example"].clone();
    let weights = f32s(&common::fill(text(&example["name"]), &[4], float(&example["amp"]), &[0.0]));
    let expected: Vec<f32> = example["values"].as_array().unwrap().iter().map(|v| float(&v["w_f32"]) as f32).collect();
    assert_eq!(weights, expected);
}

#[test]
fn a_model_below_the_threshold_passes_through() {
    let file = golden("baseline_int8.json");
    let state = fill_state(&file["tiny"]["params"], text(&file["tiny"]["sub_salt"]));
    let model = quantize_all(&state, &QuantRecipe::default()).unwrap();
    check_model(&model, &state, &file["c_int8"]["as_shipped_threshold_65536_tiny"]);
}

#[test]
fn the_same_model_above_a_lower_threshold_is_quantized() {
    let file = golden("baseline_int8.json");
    let expected = &file["c_int8"]["tiny_threshold_lowered"];
    let state = fill_state(&file["tiny"]["params"], text(&file["tiny"]["sub_salt"]));
    let model = quantize_all(&state, &recipe(integer(&expected["INT8_KEEP_FLOAT_MAX_NUMEL"]))).unwrap();
    check_model(&model, &state, expected);
}

#[test]
fn the_default_configuration_has_the_logged_payload_and_survives_its_file() {
    let file = golden("baseline_int8.json");
    let mut state = fill_state(&file["full"]["params"], text(&file["full"]["sub_salt"]));
    let model = quantize_all(&state, &QuantRecipe::default()).unwrap();
    check_model(&model, &state, &file["c_int8"]["full_default_all_f32"]);
    assert_eq!(model.payload_bytes(), 17_178_912);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.int8.zlib");
    // Level 1: what is tested is the round trip, and level 9 takes seconds longer.
    let mut recipe = baseline();
    recipe.quant.level = Some(1);
    let bytes = container::write(&path, &model, &recipe).unwrap();
    assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());
    let (read, read_recipe) = container::read(&path).unwrap();
    assert_eq!((read.payload_bytes(), read_recipe), (17_178_912, recipe));
    for ((name, before), (_, after)) in model.dequantize().unwrap().iter().zip(read.dequantize().unwrap()) {
        assert!(before.equal(&after), "{name} came back different");
    }

    // As trained upstream: the embedding in bf16, which changes the ratio that the log states and not the payload.
    let expected = &file["c_int8"]["full_default_upstream_dtypes"];
    for (_, tensor) in state.iter_mut().filter(|(name, _)| name == "tok_emb.weight") {
        *tensor = tensor.to_kind(Kind::BFloat16);
    }
    let model = quantize_all(&state, &QuantRecipe::default()).unwrap();
    check_model(&model, &state, expected);
    let ratio = checkpoint::state_bytes(&state) as f64 / model.payload_bytes() as f64;
    assert!((ratio - float(&expected["payload_ratio"])).abs() < 1e-12, "payload_ratio:{ratio}");
}

#[test]
fn single_tensors_floors_outliers_vectors_and_zeros() {
    let file = golden("baseline_int8.json");
    let entries = file["c_int8"]["single_tensors"].as_array().unwrap();
    assert!(entries.len() >= 5);
    for entry in entries {
        let name = text(&entry["name"]);
        let w = fill_entry(entry, "");
        let model = quantize_all(&[(name.to_owned(), w.shallow_clone())], &recipe(0)).unwrap();
        let (q, scale, kind) = match &model.tensors[0].data {
            Data::IntRow { q, scale, .. } => (q, scale, "float16"),
            Data::PerTensor { q, scale } => (q, scale, "float32"),
            other => panic!("{name} was not quantized: {other:?}"),
        };
        assert_eq!(kind, text(&entry["scale_dtype"]), "{name}");
        assert_eq!(f32s(scale), as_f32(&entry["scales"]), "{name}: scales");
        check_integers(q, entry, "q_first12");
        let (_, back) = &model.dequantize().unwrap()[0];
        assert_eq!(max_abs_error(back, &w), float(&entry["dequant_max_abs_err"]) as f32, "{name}: largest error");
    }
}

//! The parts of the records of April and May 2026 against numbers that the script of PR #1855 printed, its products in f32:
//! gated attention, SmearGate, Polar Express, LQER, AWQ-lite and the rounded gates. Inputs are sines, so that no file is needed.

use std::collections::BTreeMap;

use caddie_engine::Recipe;
use caddie_engine::model::{Gpt, parameters};
use caddie_engine::nn::{Class, Docs};
use caddie_engine::optim::muon::{Muon, MuonStep};
use caddie_engine::quant::{Data, Observed, QuantizedModel, export};
use tch::{Device, Kind, Tensor};

fn wave(shape: &[i64], step: f64, offset: f64) -> Tensor {
    let numel: i64 = shape.iter().product();
    (Tensor::arange(numel, (Kind::Double, Device::Cpu)) * step + offset).sin().to_kind(Kind::Float).view(shape)
}

const MODEL: &str = "[model]\nvocab_size = 64\nmodel_dim = 64\nlayout = 'A*4'\n[model.smear]\ngate_window = 12\n\
                     [model.unet]\nskip_gates = true\n[model.loops]\nnum_loops = 1\nloop_start = 1\nloop_end = 2\n\
                     [model.lanes]\nparallel_start_layer = 3\n[model.block.A]\nln_scale = true\n\
                     [model.block.A.mlp]\nmlp_mult = 2\nactivation = 'leaky_relu2'\n[model.block.A.gqa]\nnum_heads = 4\n\
                     num_kv_heads = 2\nrope_dims = 8\nxsa = true\n";

/// Nats of each target with the sparse gate of PR #1787, at a scale of 0.5, and with the gate of PR #1736.
#[rustfmt::skip]
const SPARSE: [f32; 48] = [
    2.917797, 5.936494, 7.57138, 6.79139, 5.783137, 4.073074, 3.137574, 5.433412, 7.826768, 7.476455,
    5.649978, 4.078651, 5.846735, 2.896329, 7.767201, 7.834712, 6.420101, 3.907776, 2.861549, 5.311763,
    7.281171, 7.90825, 6.154109, 4.788157, 2.957125, 4.533947, 7.202182, 7.800207, 7.035665, 3.847525,
    6.765968, 3.878958, 7.58066, 8.019066, 6.77194, 4.487696, 3.150344, 4.48278, 6.634624, 7.98544,
    6.697786, 5.52422, 3.012998, 3.64143, 6.771811, 8.245321, 7.335264, 5.182021,
];
#[rustfmt::skip]
const DENSE: [f32; 48] = [
    2.917797, 5.926663, 7.525335, 6.88072, 5.688394, 4.181629, 3.083274, 5.386405, 7.896948, 7.522871,
    5.663375, 4.207678, 5.820496, 2.887989, 7.835247, 7.820061, 6.589392, 3.999514, 2.870343, 5.397194,
    7.399365, 8.030045, 6.316927, 4.693901, 2.951514, 4.587735, 7.282118, 7.994805, 7.029163, 3.764324,
    6.938563, 3.823321, 7.60389, 8.080621, 6.978, 4.398767, 3.124494, 4.518542, 6.713233, 8.16053,
    6.832129, 5.705669, 2.990241, 3.708989, 6.895642, 8.329125, 7.277843, 5.305583,
];

#[test]
fn gates_and_the_smear_give_upstreams_loss_of_every_token() {
    let mut ids: Vec<i64> = (0..49).map(|i| i * i * 7 % 61 + 2).collect();
    for start in [0, 13, 30] {
        ids[start] = 1;
    }
    let ids = Tensor::from_slice(&ids);
    let (x, y) = (ids.narrow(0, 0, 48).unsqueeze(0), ids.narrow(0, 1, 48).unsqueeze(0));
    for (gate, expected) in [("gate_window = 12\ngate_scale = 0.5", SPARSE), ("gate_window = 0", DENSE)] {
        let m = Recipe::parse(&format!("{MODEL}[model.block.A.gqa.gate]\n{gate}\n"), &[]).unwrap().model;
        let params: BTreeMap<_, _> = parameters(&m).unwrap().into_iter().map(|p| (p.name.clone(), p)).collect();
        let state = params.values().enumerate().map(|(index, p)| {
            let offset = if matches!(p.class, Class::Control | Class::Gate) { 0.5 } else { 0.0 };
            (p.name.clone(), wave(&p.shape, 0.7, index as f64) * 0.1 + offset)
        });
        let model = Gpt::new(&m, state.collect(), Device::Cpu).unwrap();
        let nats = Vec::<f32>::try_from(tch::no_grad(|| model.nll(&x, &y, &Docs::Rows)).view([-1])).unwrap();
        for (k, (ours, theirs)) in nats.iter().zip(&expected).enumerate() {
            assert!((ours - theirs).abs() < 1e-4, "{gate}: target {k}: {ours} against {theirs}");
        }
    }
}

#[rustfmt::skip]
const POLAR_8X6: [f32; 48] = [
    0.10467, 0.290381, -0.179488, -0.24413, 0.242406, 0.181658, -0.238624, -0.142112, 0.275256, 0.071178,
    -0.293605, 0.004478, 0.236237, -0.087371, -0.213712, 0.142439, 0.177008, -0.188055, -0.098823, 0.266919,
    0.030043, -0.274669, 0.040729, 0.264169, -0.095051, -0.29394, 0.170798, 0.249914, -0.235198, -0.189323,
    0.234616, 0.152979, -0.274031, -0.082363, 0.29525, 0.006274, -0.240097, 0.075414, 0.220677, -0.132266,
    -0.186578, 0.180345, 0.108379, -0.260689, -0.041193, 0.271318, -0.028715, -0.263914,
];
#[rustfmt::skip]
const POLAR_6X10: [f32; 60] = [
    0.069793, 0.250372, -0.134309, -0.215769, 0.189908, 0.166825, -0.232897, -0.106814, 0.260431, 0.039708,
    -0.297746, 0.066021, 0.280728, -0.138359, -0.245077, 0.201514, 0.193146, -0.251293, -0.128391, 0.284368,
    0.094067, -0.286709, -0.020186, 0.291901, -0.055043, -0.277738, 0.126602, 0.245098, -0.189765, -0.196203,
    0.245973, 0.091767, -0.269615, -0.022286, 0.275361, -0.048676, -0.262824, 0.116405, 0.232832, -0.176406,
    -0.229431, 0.236211, 0.168571, -0.279656, -0.096508, 0.304507, 0.018032, -0.309156, 0.061633, 0.293277,
    -0.119711, -0.221753, 0.176867, 0.17618, -0.222259, -0.118907, 0.252901, 0.053748, -0.266736, 0.014996,
];

#[test]
fn polar_express_moves_a_matrix_as_upstream_does() {
    for (shape, expected) in [([8i64, 6], &POLAR_8X6[..]), ([6, 10], &POLAR_6X10[..])] {
        let parameters = [Tensor::zeros(shape, (Kind::Float, Device::Cpu))];
        let step = MuonStep {
            lr: 1.0,
            momentum: 0.0,
            weight_decay: 0.0,
            decay_after: false,
            backend_steps: 5,
            row_normalize: false,
            polar_express: true,
        };
        Muon::new(&parameters).step(&[wave(&shape, 1.7, 0.3)], step).unwrap();
        let scale = (shape[0] as f32 / shape[1] as f32).max(1.0).sqrt();
        let moved = Vec::<f32>::try_from(parameters[0].view([-1])).unwrap();
        for (ours, theirs) in moved.iter().zip(expected) {
            assert!((-ours / scale - theirs).abs() < 1e-3, "{shape:?}: {} against {theirs}", -ours / scale);
        }
    }
}

const QUANT: &str = "[model]\nvocab_size = 40\nmodel_dim = 32\nlayout = 'A'\n[model.block.A.mlp]\nmlp_mult = 2\n\
                     [model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\n[model.block.A.gqa.gate]\n\
                     [quant]\nkeep_float_max_numel = 512\ncontrol = 'float16'\n[quant.matrix]\nbits = 6\nclip_sigmas = 12.85\n\
                     gptq = true\n[quant.matrix.clip_sigmas_of]\ngqa = 13\nmlp = 11.5\n[quant.embedding]\nbits = 7\n\
                     clip_sigmas = 14\ngptq = true\n[quant.gate]\nbits = 8\nrow_max = true\n";

/// The tensors that the numbers are of, in the order of their offsets.
const NAMES: [&str; 5] = [
    "tok_emb.weight",
    "blocks.0.attn.c_q.weight",
    "blocks.0.attn.attn_gate_w",
    "blocks.0.mlp.fc.weight",
    "blocks.0.mlp.proj.weight",
];

/// The export of those tensors under `QUANT` with `more`.
fn exported(more: &str) -> QuantizedModel {
    let recipe = Recipe::parse(&format!("{QUANT}{more}"), &[]).unwrap();
    let (mut params, mut state, mut observed) = (Vec::new(), Vec::new(), Observed::default());
    let all = parameters(&recipe.model).unwrap();
    for (i, name) in NAMES.iter().enumerate() {
        let param = all.iter().find(|p| p.name == *name).unwrap().clone();
        let (rows, offset) = (200, i as f64);
        let cols = param.shape[1];
        let x = wave(&[rows, cols], 0.37 + 0.01 * offset, offset) + wave(&[rows, 1], 0.9, 0.0);
        if let Some(input) = param.input {
            observed.rms.insert(input, x.square().mean_dim(Some([0i64].as_slice()), false, Kind::Float).sqrt());
            observed.hessians.insert(input, x.tr().matmul(&x));
        }
        state.push((param.name.clone(), wave(&param.shape, 1.7 + 0.13 * offset, offset) * 0.05));
        params.push(param);
    }
    export(&params, &state, &observed, &recipe.quant).unwrap()
}

/// `Σ w_i sin(0.37 i)` and `Σ w_i²` of a tensor's weights.
fn sums(model: &QuantizedModel, name: &str) -> [f64; 2] {
    let state = model.dequantize().unwrap();
    let w = &state.iter().find(|(known, _)| known == name).unwrap().1;
    let w = w.to_kind(Kind::Double).view([-1]);
    let weights = (Tensor::arange(w.size()[0], (Kind::Double, Device::Cpu)) * 0.37).sin();
    [(&w * weights).sum(Kind::Double), w.square().sum(Kind::Double)].map(|sum| sum.double_value(&[]))
}

fn agree(model: &QuantizedModel, expected: &[(&str, [f64; 2])]) {
    for (name, theirs) in expected {
        let ours = sums(model, name);
        let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-4, "{name}: {ours:?} against {theirs:?}");
    }
}

#[test]
fn the_correction_of_low_rank_and_the_rounded_gate_are_upstreams() {
    let model = exported("[quant.lqer]\nlqer_rank = 4\nlqer_top_k = 2\nlqer_asym_group = 16\n");
    agree(
        &model,
        &[
            ("tok_emb.weight", [-0.026401450683721704, 1.5991689587244764]),
            ("blocks.0.attn.c_q.weight", [0.03576269215324042, 1.2816467605880462]),
            ("blocks.0.attn.attn_gate_w", [0.014219280327071065, 0.05998744714872828]),
            ("blocks.0.mlp.fc.weight", [-0.03292147446649063, 2.6085456440523638]),
            ("blocks.0.mlp.proj.weight", [-0.08617377696095904, 2.6499040331844244]),
        ],
    );
    let part = |name: &str| &model.tensors.iter().find(|t| t.name == name).unwrap().data;
    let Data::PerTensor { q, .. } = part("blocks.0.mlp.proj.weight.lqer_a") else { panic!("A has one scale") };
    assert_eq!(q.abs().sum(Kind::Int64).int64_value(&[]), 61);
    let Data::IntRow { q, scale, .. } = part("blocks.0.mlp.proj.weight.lqer_b") else { panic!("B has groups") };
    assert_eq!((q.abs().sum(Kind::Int64).int64_value(&[]), scale.numel()), (665, 16));
}

#[test]
fn the_columns_that_matter_most_have_a_finer_grid() {
    let model = exported("[quant.awq]\nawq_lite_group_top_k = 3\nawq_lite_group_size = 8\n");
    agree(
        &model,
        &[
            ("tok_emb.weight", [-0.014035257365349298, 1.6084301164519275]),
            ("blocks.0.attn.c_q.weight", [0.03576269215324042, 1.2816467605880462]),
            ("blocks.0.mlp.fc.weight", [-0.044708041419247196, 2.7100584486033767]),
            ("blocks.0.mlp.proj.weight", [0.039581337262807846, 2.6471417328466487]),
        ],
    );
    let finer: Vec<&str> =
        model.tensors.iter().map(|t| t.name.as_str()).filter(|name| name.contains("columns")).collect();
    assert_eq!(finer, ["tok_emb.weight.columns.0", "tok_emb.weight.columns.16", "blocks.0.mlp.proj.weight.columns.0"]);
}

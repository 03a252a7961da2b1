//! The model, its gradients and the optimizers against numbers printed by the upstream PyTorch code
//! (tests/golden/baseline.json, varlen_ttt.json; tolerances of golden/README.md).

mod common;

use caddie_engine::data::cu_seqlens;
use caddie_engine::model::{Extra, FinalLane, Gpt, Order, num_parameters};
use caddie_engine::nn::Docs;
use caddie_engine::optim::Optimizer;
use caddie_engine::optim::adam::{AdamStep, Moments};
use caddie_engine::optim::average::{Ema, EmaRecipe};
use caddie_engine::optim::muon::{Muon, MuonStep, newton_schulz};
use caddie_engine::recipe::{ModelRecipe, Recipe};
use common::*;
use serde_json::Value;
use tch::{Device, Tensor};

const NLL_TOLERANCE: f32 = 2e-5;

/// The model recipe of a golden `config`.
fn baseline_config(case: &Value) -> ModelRecipe {
    let c = &case["config"];
    let toml = format!(
        "[model]\nvocab_size = {}\nmodel_dim = {}\nlayout = 'A*{}'\n[model.embedding]\ntie_embeddings = {}\n\
         [model.head]\nlogit_softcap = {:?}\n[model.unet]\n[model.block.A.gqa]\nnum_heads = {}\nnum_kv_heads = {}\n\
         rope_base = {:?}\n[model.block.A.mlp]\nmlp_mult = {:?}\n",
        c["V"],
        c["D"],
        c["L"],
        case["tie_embeddings"],
        float(&c["softcap"]),
        c["H"],
        c["KV"],
        float(&c["rope"]),
        float(&c["mlp"])
    );
    Recipe::parse(&toml, &[]).unwrap().model
}

fn batch(tokens: &[i64], rows: i64) -> (Tensor, Tensor) {
    let n = tokens.len() - 1;
    (Tensor::from_slice(&tokens[..n]).view([rows, -1]), Tensor::from_slice(&tokens[1..]).view([rows, -1]))
}

fn check_baseline_case(key: &str, salt: &str) -> Gpt {
    let case = &golden("baseline.json")[key];
    let model = Gpt::new(&baseline_config(case), fill_state(&case["params"], salt), Device::Cpu).unwrap();
    let (x, y) = batch(&integers(&case["tokens"]), case["config"]["batch"].as_i64().unwrap());
    let nll = tch::no_grad(|| model.nll(&x, &y, &Docs::Rows));
    assert_close(&format!("{key} nll"), &values(&nll), &floats32(&case["nll"]), NLL_TOLERANCE);
    let logits = tch::no_grad(|| model.logits(&model.hidden(&x, &Docs::Rows, Extra::default()), None));
    assert_close(key, &values(&logits)[..8], &floats32(&case["logits_first_token_first8"]), NLL_TOLERANCE);
    model.set_trainable(true);
    let loss = model.loss(&x, &y, &Docs::Rows);
    assert!((loss.double_value(&[]) - case["mean_loss"].as_f64().unwrap()).abs() < 5e-6);
    if let Some(grads) = case["grads_of_mean_loss"].as_object() {
        loss.backward();
        assert_eq!(grads.len(), model.parameters().len());
        for (name, parameter) in model.parameters() {
            assert_stats(&format!("{key} grad {name}"), &parameter.grad(), &grads[name], 5e-5, 2e-5);
        }
    }
    model
}

#[test]
fn the_tiny_tied_model_agrees_in_loss_and_gradients() {
    check_baseline_case("a_tiny_tied", "");
}

#[test]
fn the_untied_model_shows_the_norms_epsilon() {
    check_baseline_case("a2_tiny_untied_small_embedding", "a2/");
}

#[test]
fn the_full_default_model_agrees() {
    let model = check_baseline_case("b_full_default", "full/");
    let count: usize = model.parameters().iter().map(|(_, t)| t.numel()).sum();
    assert_eq!(count, 17_059_912);
}

#[test]
fn muon_agrees_step_by_step() {
    let golden = golden("baseline.json");
    for case in golden["d_muon"]["cases"].as_array().unwrap() {
        let shape = integers(&case["shape"]);
        let tag = format!("{}x{}", shape[0], shape[1]);
        let mut grads: Vec<Tensor> = (1..=3).map(|i| fill(&format!("muon.g{i}.{tag}"), &shape, 0.1, &[0.0])).collect();
        let flat = |v: &Value| v.as_array().unwrap().iter().flat_map(floats32).collect::<Vec<f32>>();
        let ns5 = newton_schulz(&grads[0].unsqueeze(0), 5);
        assert_close(&format!("ns5 {tag}"), &values(&ns5), &flat(&case["ns5_of_g1_f32"]), 1e-5);
        // Upstream's Newton–Schulz normalizes in place. The script that printed the vectors called it on g1 in f32, where no
        // bf16 copy protects the argument, so the golden steps start from g1 / ‖g1‖: their momentum buffers show it.
        grads[0] = &grads[0] / (grads[0].norm() + 1e-7);

        let parameter = fill(&format!("muon.w.{tag}"), &shape, 0.5, &[0.0]);
        let parameters = [parameter];
        let mut muon = Muon::new(&parameters);
        for (i, grad) in grads.iter().enumerate() {
            let step = MuonStep {
                lr: 0.04,
                momentum: 0.95,
                weight_decay: 0.0,
                decay_after: false,
                backend_steps: 5,
                row_normalize: false,
                polar_express: false,
            };
            muon.step(&[grad.shallow_clone()], step).unwrap();
            if let Some(expected) = case.get(format!("param_after_{}_f32", i + 1)) {
                assert_close(&format!("muon {tag} step {}", i + 1), &values(&parameters[0]), &flat(expected), 1e-6);
            }
        }
    }
}

#[test]
fn muon_with_row_normalisation_agrees_on_banks() {
    let golden = &golden("varlen_ttt.json")["muon_row_normalised_bank"];
    for case in golden["cases"].as_array().unwrap() {
        let shape = integers(&case["bank_shape"]);
        let tag = shape.iter().map(i64::to_string).collect::<Vec<_>>().join("x");
        let bank = fill(&format!("bmuon.w.{tag}"), &shape, 0.5, &[0.0]);
        let parameters: Vec<Tensor> = (0..shape[0]).map(|i| bank.get(i).copy()).collect();
        let mut muon = Muon::new(&parameters);
        for step in 1..=3 {
            let grad = fill(&format!("bmuon.g{step}.{tag}"), &shape, 0.1, &[0.0]);
            let grads: Vec<Tensor> = (0..shape[0]).map(|i| grad.get(i)).collect();
            let hyper = MuonStep {
                lr: 0.022,
                momentum: 0.97,
                weight_decay: 0.095,
                decay_after: false,
                backend_steps: 5,
                row_normalize: true,
                polar_express: false,
            };
            muon.step(&grads, hyper).unwrap();
            if let Some(expected) = case.get(format!("param_after_{step}_f32")) {
                let ours: Vec<f32> = parameters.iter().flat_map(values).collect();
                assert_close(&format!("bank {tag} step {step}"), &ours, &floats32(expected), 1e-6);
            }
        }
    }
}

#[test]
fn adam_agrees_step_by_step() {
    let golden = golden("baseline.json");
    for case in golden["d_adam"]["cases"].as_array().unwrap() {
        let shape = integers(&case["shape"]);
        let tag = format!("{}x{}", shape[0], shape[1]);
        let h = &case["hyper"];
        let adam = AdamStep {
            lr: h["lr"].as_f64().unwrap(),
            beta1: h["betas"][0].as_f64().unwrap(),
            beta2: h["betas"][1].as_f64().unwrap(),
            eps: h["eps"].as_f64().unwrap(),
            weight_decay: h.get("weight_decay").and_then(Value::as_f64).unwrap_or(0.0),
        };
        let mut parameter = fill(&format!("muon.w.{tag}"), &shape, 0.5, &[0.0]);
        let mut moments = Moments::new(&parameter);
        let mut compared = 0;
        for step in 1..=3 {
            moments.step(&mut parameter, &fill(&format!("muon.g{step}.{tag}"), &shape, 0.1, &[0.0]), adam);
            if let Some(expected) = case.get(format!("param_after_{step}")) {
                let expected: Vec<f32> = expected.as_array().unwrap().iter().flat_map(floats32).collect();
                assert_close(
                    &format!("adam {tag} {} step {step}", case["optimizer"]),
                    &values(&parameter),
                    &expected,
                    5e-7,
                );
                compared += 1;
            }
        }
        assert!(compared > 0, "the golden case states no parameters");
    }
}

#[test]
fn five_training_steps_agree() {
    let golden = golden("baseline.json");
    let (case, steps) = (&golden["a_tiny_tied"], &golden["e_train_5_steps_tiny"]);
    let model = Gpt::new(&baseline_config(case), fill_state(&case["params"], ""), Device::Cpu).unwrap();
    model.set_trainable(true);
    let mut optim = baseline().optim;
    optim.muon.muon_momentum_warmup_steps = 0;
    let mut optimizer = Optimizer::new(&model, &optim);
    let t = &steps["tokens"];
    let all = tokens(t["seed"].as_u64().unwrap(), t["n"].as_u64().unwrap() as usize, 0, 128);
    let slice = |k: usize| batch(&all[k * 64..(k + 1) * 64 + 1], 2);
    for (k, expected) in floats32(&steps["loss_before_each_step"]).iter().enumerate() {
        let (x, y) = slice(k);
        let loss = model.loss(&x, &y, &Docs::Rows);
        assert_close(&format!("loss before step {k}"), &values(&loss), &[*expected], 5e-5);
        optimizer.step(model.gradients(&loss), k as i64, 1.0).unwrap();
    }
    let (x, y) = slice(0);
    let after = model.loss(&x, &y, &Docs::Rows);
    assert_close(
        "loss afterwards",
        &values(&after),
        &[steps["loss_on_batch0_after_5_steps"].as_f64().unwrap() as f32],
        5e-5,
    );
    for (name, parameter) in model.parameters() {
        assert_stats(name, &parameter.detach(), &steps["params_after_5_steps"][name], 2e-4, 2e-5);
    }
}

/// The golden model of PR #1530; lanes from `parallel_start_layer` on, 0 for none.
fn varlen_config(parallel_start_layer: i64) -> ModelRecipe {
    let mut toml = "[model]\nvocab_size = 128\nmodel_dim = 64\nlayout = 'A*6'\n[model.unet]\nskip_gates = true\n\
                    [model.loops]\nnum_loops = 2\nloop_start = 2\nloop_end = 3\n[model.block.A]\nln_scale = true\n\
                    [model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nrope_dims = 8\nxsa = true\n\
                    [model.block.A.mlp]\nmlp_mult = 3\nactivation = 'leaky_relu2'\n"
        .to_owned();
    if parallel_start_layer > 0 {
        toml += &format!("[model.lanes]\nparallel_start_layer = {parallel_start_layer}\n");
    }
    Recipe::parse(&toml, &[]).unwrap().model
}

#[test]
fn the_pr_1530_forward_agrees_in_its_four_modes() {
    let golden = &golden("varlen_ttt.json")["forward"];
    for mode in ["plain", "looping", "parallel_lanes", "looping_and_parallel_lanes"] {
        let case = &golden[mode];
        let config = varlen_config(case["parallel_start_layer"].as_i64().unwrap());
        let mut weights = fill_state(&golden["params"], "");
        if config.lanes.is_none() {
            weights.retain(|(name, _)| !name.starts_with("parallel_"));
        }
        let mut model = Gpt::new(&config, weights, Device::Cpu).unwrap();
        model.set_looping(case["looping_active"].as_bool().unwrap());
        let order = |v: &Value| integers(v).iter().map(|&i| i as usize).collect::<Vec<_>>();
        assert_eq!(model.order().encoder, order(&case["encoder_order"]));
        assert_eq!(model.order().decoder, order(&case["decoder_order"]));
        let (x, y) = batch(&integers(&golden["tokens"]), 1);
        let bos: Vec<i32> = integers(&golden["bos_positions"]).iter().map(|&p| p as i32).collect();
        let ends = [bos.as_slice(), &[80]].concat();
        let nll = |docs: &Docs| values(&tch::no_grad(|| model.nll(&x, &y, docs)));
        let packed = nll(&Docs::packed(&ends, Device::Cpu).unwrap());
        assert_close(&format!("{mode} packed"), &packed, &floats32(&case["nll_packed"]), NLL_TOLERANCE);
        let cut = cu_seqlens(&[0, bos[1] as usize, bos[2] as usize], 80, 32, 64);
        let cut = nll(&Docs::packed(&cut, Device::Cpu).unwrap());
        let expected = floats32(&case["nll_packed_segments_cut_at_32"]);
        assert_close(&format!("{mode} cut at 32"), &cut, &expected, NLL_TOLERANCE);
        let dense = nll(&Docs::Rows);
        assert_close(
            &format!("{mode} dense"),
            &dense,
            &floats32(&case["nll_dense_causal_over_whole_row"]),
            NLL_TOLERANCE,
        );
        if let Some(grads) = case.get("grads_of_mean_loss_unbanked_names").and_then(Value::as_object) {
            model.set_trainable(true);
            model.loss(&x, &y, &Docs::packed(&ends, Device::Cpu).unwrap()).backward();
            for (name, parameter) in model.parameters() {
                assert_stats(&format!("{mode} grad {name}"), &parameter.grad(), &grads[name], 5e-5, 2e-5);
            }
        }
    }
}

#[test]
fn the_head_reads_the_lane_that_the_recipe_names() {
    let golden = &golden("varlen_ttt.json")["forward"];
    let case = &golden["looping_and_parallel_lanes"];
    let (x, y) = batch(&integers(&golden["tokens"]), 1);
    let bos: Vec<i32> = integers(&golden["bos_positions"]).iter().map(|&p| p as i32).collect();
    let docs = Docs::packed(&[bos.as_slice(), &[80]].concat(), Device::Cpu).unwrap();
    for (lane, key) in [
        (FinalLane::Mean, "mean_nll"),
        (FinalLane::Mlp, "mean_nll_final_lane_mlp"),
        (FinalLane::Attn, "mean_nll_final_lane_attn"),
    ] {
        let mut config = varlen_config(4);
        config.lanes.as_mut().unwrap().parallel_final_lane = lane;
        let model = Gpt::new(&config, fill_state(&golden["params"], ""), Device::Cpu).unwrap();
        let mean = tch::no_grad(|| model.loss(&x, &y, &docs));
        assert_close(key, &values(&mean), &[float(&case[key]) as f32], 5e-6);
    }
}

#[test]
fn five_steps_of_pr_1530_agree_in_losses_norms_weights_and_average() {
    let file = golden("varlen_ttt.json");
    let case = &file["train_5_steps"];
    let n = integer(&case["n_per_step"]) as usize;
    let toml = "[optim]\ngrad_clip_norm = 0.3\n[optim.muon]\nmatrix_lr = 0.022\nmuon_momentum = 0.97\n\
                muon_momentum_warmup_steps = 0\nmuon_row_normalize = true\nmuon_wd = 0.095\n[optim.adam]\n\
                scalar_lr = 0.02\ntied_embed_lr = 0.03\nembed_wd = 0.085\nadam_wd = 0.02\n";
    let optim = toml.parse::<toml::Table>().unwrap()["optim"].clone().try_into().unwrap();
    let mut model = Gpt::new(&varlen_config(4), fill_state(&file["forward"]["params"], ""), Device::Cpu).unwrap();
    model.set_trainable(true);
    let mut optimizer = Optimizer::new(&model, &optim);
    let mut ema = Ema::new(&EmaRecipe { ema_decay: 0.9 }, &model);

    let t = &case["tokens"];
    let mut all = tokens(t["seed"].as_u64().unwrap(), integer(&t["n"]) as usize, integer(&t["lo"]), integer(&t["hi"]));
    let bos: Vec<usize> = integers(&case["bos_positions_within_step"]).iter().map(|&b| b as usize).collect();
    for k in 0..5 {
        bos.iter().for_each(|b| all[k * n + b] = 1);
    }
    let ends: Vec<i32> = bos.iter().map(|&b| b as i32).chain([n as i32]).collect();
    let docs = Docs::packed(&ends, Device::Cpu).unwrap();
    let slice = |k: usize| batch(&all[k * n..(k + 1) * n + 1], 1);
    let (losses, norms) = (floats32(&case["loss_before_each_step"]), floats32(&case["grad_norm_before_clip"]));
    for k in 0..5 {
        model.set_looping(k >= 2);
        let (x, y) = slice(k);
        let loss = model.loss(&x, &y, &docs);
        assert_close(&format!("loss before step {k}"), &values(&loss), &losses[k..=k], 5e-5);
        let norm = optimizer.step(model.gradients(&loss), k as i64, 1.0).unwrap().unwrap();
        assert_close(&format!("norm of step {k}"), &values(&norm), &norms[k..=k], 1e-3 * norms[k]);
        ema.update(&model);
    }
    let (x, y) = slice(4);
    let after = [float(&case["loss_on_batch4_after_5_steps"]) as f32];
    assert_close("loss afterwards", &values(&model.loss(&x, &y, &docs)), &after, 5e-5);
    for (name, parameter) in model.parameters() {
        let expected = &case["params_after_5_steps_unbanked"][name];
        assert_stats(name, &parameter.detach(), expected, 2e-4, 2e-5);
    }
    for (name, average) in ema.weights() {
        let l2 = average.norm().double_value(&[]);
        let expected = float(&case["ema_0.9_after_5_steps_l2_unbanked"][name]);
        assert!((l2 - expected).abs() <= 2e-5 * expected, "EMA of {name}: L2 {l2} against {expected}");
    }
}

#[test]
fn the_published_parameter_counts_come_out() {
    let count = |recipe: &Recipe| num_parameters(&recipe.model).unwrap();
    assert_eq!(count(&baseline()), 17_059_912, "NaiveBaseline");
    let deeper = Recipe::parse(include_str!("../../recipes/baseline.toml"), &["layout=A*10".to_owned()]).unwrap();
    assert_eq!(count(&deeper), 18_897_488, "OvertoneInit, 10 layers");
    let varlen = Recipe::parse(include_str!("../../recipes/varlen-ttt.toml"), &[]).unwrap();
    assert_eq!(count(&varlen), 35_944_602, "PR #1530");
    let order = Order::new(&varlen.model, true);
    assert_eq!(order.encoder, [0, 1, 2, 3, 4, 5, 3, 4]);
    assert_eq!(order.decoder, [5, 3, 4, 5, 6, 7, 8, 9, 10]);
    let before = Order::new(&varlen.model, false);
    assert_eq!((before.encoder.len(), before.decoder.len()), (5, 6));
}

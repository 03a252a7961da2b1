//! Mistakes of the public sources of the Q² system that the other tests do not already rule out, by their numbers in
//! docs/q2.md.

use std::collections::BTreeSet;

use caddie_engine::Recipe;
use caddie_engine::data::Batch;
use caddie_engine::model::{Extra, Gpt, initial_state, parameters};
use caddie_engine::nn::Docs;
use caddie_engine::optim::muon::newton_schulz;
use caddie_engine::quant::Data;
use caddie_engine::quant::budget::{ComponentBudget, budget};
use caddie_engine::quant::q2::{export, split_fits};
use caddie_engine::train::Steps;
use tch::{Device, Kind, Tensor};

const LTC: &str = include_str!("../../recipes/q2-ltc-small.toml");
const TRANSFORMER: &str = include_str!("../../recipes/q2-transformer-small.toml");

/// A small recipe of 64 tokens and 32 dimensions.
fn small(text: &str, more: &[&str]) -> Recipe {
    let set =
        ["vocab_size=64", "model_dim=32", "num_heads=2", "num_kv_heads=1", "refresh_every=2", "refresh_every_last=4"];
    Recipe::parse(text, &set.iter().chain(more).map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap()
}

/// A state whose weights are all away from their start.
fn waved(recipe: &Recipe) -> Vec<(String, Tensor)> {
    let mut state = initial_state(&recipe.model, 1).unwrap();
    for (index, (_, tensor)) in state.iter_mut().enumerate() {
        let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + index as f64;
        *tensor += wave.sin().view_as(tensor) * 0.1;
    }
    state
}

fn batch(from: i64) -> Batch {
    let ids = |from: i64| (from..from + 16).map(|i| i * i % 64).collect::<Vec<i64>>();
    Batch { x: ids(from), y: ids(from + 1), cu_seqlens: Some(vec![0, 7, 16]) }
}

/// nothing is made by the first pass, the tied table is one parameter, and logits are over the vocabulary.
#[test]
fn the_first_pass_makes_no_parameter_and_logits_are_over_the_vocabulary() {
    let recipe = small(LTC, &[]);
    let model = Gpt::new(&recipe.model, waved(&recipe), Device::Cpu).unwrap();
    let names = |model: &Gpt| model.parameters().iter().map(|(name, t)| (name.clone(), t.size())).collect::<Vec<_>>();
    let before = names(&model);
    let ids = Tensor::from_slice(&[3i64, 1, 4, 1, 5, 9]).view([2, 3]);
    let logits = model.logits(&model.hidden(&ids, &Docs::Rows, Extra::default()), None);
    assert_eq!(logits.size().last(), Some(&64));
    assert_eq!(names(&model), before);
    assert_eq!(before.iter().filter(|(_, size)| size[..] == [64, 32]).count(), 1);
    assert_eq!(before.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), before.len());
}

/// every layout that the sources speak of has the layers that it says, and each layer its alphabet.
#[test]
fn every_layout_of_the_system_has_its_counts_and_its_alphabets() {
    let text = include_str!("../../recipes/q2-liv.toml");
    for (layout, alphabets, attention, others) in [
        ("L L G L L G L L G L G L G L G L", "z8*6 z12*6 z4*4", 6, 10),
        ("L*6 L G L G L G L G G*2", "z8*6 z12*8 z4*2", 6, 10),
        ("L L G L L G L G", "z4", 3, 5),
    ] {
        let set = [format!("model.layout={layout}"), format!("quant.q2.alphabets={alphabets}")];
        let recipe = Recipe::parse(text, &set).unwrap();
        let kinds = recipe.model.layout.kinds();
        let count = |kind: char| kinds.iter().filter(|&&k| k == kind).count();
        assert_eq!((count('G'), count('L'), kinds.len()), (attention, others, attention + others), "{layout}");
        let q2 = recipe.quant.q2.unwrap();
        let first = alphabets.split(['*', ' ']).next().unwrap();
        assert_eq!(q2.alphabet(Some(0)).to_string(), first);
        assert_eq!(q2.alphabet(Some(kinds.len() - 1)).to_string(), "z4");
    }
}

/// thresholds are chosen anew at optimizer steps that the recipe names, and by no look at the model.
#[test]
fn thresholds_are_chosen_at_the_steps_of_the_recipe_alone() {
    let recipe = small(LTC, &["quant.q2.order=all_at_once", "quant.q2.frozen_frac=0.1"]);
    let mut steps = Steps::new(&recipe, waved(&recipe), Device::Cpu).unwrap();
    let mut chosen = Vec::new();
    for step in 0..20 {
        steps.prepare(step, step as f64 / 20.0);
        steps.prepare(step, step as f64 / 20.0);
        let ids = Tensor::from_slice(&[1i64, 2, 3]).view([1, 3]);
        let _ = tch::no_grad(|| steps.acting().hidden(&ids, &Docs::Rows, Extra::default()));
        let state = steps.rings.as_ref().unwrap().state();
        let fitted = state.iter().find(|(name, _)| name == "q2.fitted.blocks.1.cfc.rate.weight");
        chosen.push(fitted.map(|(_, step)| step.int64_value(&[])));
    }
    chosen.dedup();
    // Floats for a tenth; every second step up to seven tenths; every fourth then; none in the last tenth.
    assert_eq!(chosen, [None, Some(2), Some(4), Some(6), Some(8), Some(10), Some(12), Some(16)]);
}

/// the file holds the parameters and nothing else, and the embedding is floats, as the recipe says.
#[test]
fn the_file_holds_the_parameters_alone_and_the_embedding_in_f16() {
    let recipe = small(LTC, &[]);
    let mut steps = Steps::new(&recipe, waved(&recipe), Device::Cpu).unwrap();
    steps.prepare(0, 1.0);
    let (_, fits) = split_fits(steps.rings.as_ref().unwrap().state());
    let model = &steps.model;
    let file =
        export(model.params(), model.parameters(), &fits, &recipe.quant, recipe.quant.q2.as_ref().unwrap()).unwrap();
    let names: Vec<&String> = file.tensors.iter().map(|tensor| &tensor.name).collect();
    assert_eq!(names, model.parameters().iter().map(|(name, _)| name).collect::<Vec<_>>());
    let table = file.tensors.iter().find(|tensor| tensor.name == "tok_emb.weight").unwrap();
    assert!(matches!(table.data, Data::Float16(_)));
}

/// updates are orthogonal, and as large for small gradients as for large ones.
#[test]
fn updates_have_singular_values_near_one_whatever_the_size_of_the_gradient() {
    tch::manual_seed(8);
    for (rows, cols) in [(24, 96), (96, 24)] {
        let g = Tensor::randn([1, rows, cols], (Kind::Float, Device::Cpu));
        let update = newton_schulz(&g, 5).to_kind(Kind::Float);
        let (_, s, _) = update.svd(true, true);
        let (least, most) = (s.min().double_value(&[]), s.max().double_value(&[]));
        assert!(least > 0.6 && most < 1.3, "{rows}×{cols}: {least} to {most}");
        let small = newton_schulz(&(&g * 1e-3), 5).to_kind(Kind::Float);
        let rms = |t: &Tensor| t.square().mean(Kind::Float).sqrt().double_value(&[]);
        assert!((rms(&small) / rms(&update) - 1.0).abs() < 0.02);
    }
}

/// micro-steps add up to the mean over their batches, whatever their order.
#[test]
fn gradients_are_the_mean_over_the_batches_in_any_order() {
    let recipe = small(LTC, &["train.train_seq_len=16", "train.grad_accum_steps=2"]);
    let mut steps = Steps::new(&recipe, waved(&recipe), Device::Cpu).unwrap();
    steps.prepare(0, 1.0);
    let mut of = |batches: Vec<Batch>| steps.gradients(&recipe.train, batches).unwrap();
    let (loss, both) = of(vec![batch(0), batch(30)]);
    let (swapped, _) = of(vec![batch(30), batch(0)]);
    let ((a, first), (b, second)) = (of(vec![batch(0)]), of(vec![batch(30)]));
    assert!(((&a + &b) / 2.0).allclose(&loss, 1e-6, 1e-6, false) && swapped.allclose(&loss, 1e-6, 1e-6, false));
    for (both, (first, second)) in both.iter().zip(first.iter().zip(&second)).filter(|(both, _)| both.defined()) {
        assert!(both.allclose(&((first + second) / 2.0), 1e-4, 1e-6, false));
    }
}

/// one attention layer, which sees all before it at once, tells in which order it came.
#[test]
fn one_attention_layer_tells_the_order_of_what_came_before() {
    let recipe = small(TRANSFORMER, &["model.layout=G"]);
    let model = Gpt::new(&recipe.model, waved(&recipe), Device::Cpu).unwrap();
    let last = |ids: &[i64]| {
        tch::no_grad(|| model.hidden(&Tensor::from_slice(ids).view([1, -1]), &Docs::Rows, Extra::default()))
            .select(1, 4)
    };
    let off = (last(&[7, 20, 33, 46, 5]) - last(&[46, 33, 20, 7, 5])).abs().max().double_value(&[]);
    assert!(off > 1e-4, "off by {off}");
}

/// A-13, H-03: the full-size recipes leave room for their code, by the same count that `caddie recipe show` prints.
#[test]
fn the_full_size_recipes_fit_with_their_code() {
    for (text, bytes) in [
        (include_str!("../../recipes/q2-ltc.toml"), 14_677_602),
        (include_str!("../../recipes/q2-liv.toml"), 15_250_530),
        (include_str!("../../recipes/q2-transformer.toml"), 14_554_370),
    ] {
        let recipe = Recipe::parse(text, &[]).unwrap();
        let all = ComponentBudget::total(&budget(&parameters(&recipe.model).unwrap(), &recipe.quant));
        assert_eq!(all.bytes, bytes, "{}", recipe.name);
        assert!(all.bytes + 120_000 < 16_000_000, "{}", recipe.name);
    }
}

/// a model that says nothing has the loss of the uniform distribution, whatever its layers.
#[test]
fn a_model_of_equal_logits_loses_the_logarithm_of_the_vocabulary() {
    let recipe = small(LTC, &[]);
    let mut state = waved(&recipe);
    let table = state.iter_mut().find(|(name, _)| name == "tok_emb.weight").unwrap();
    table.1 = table.1.zeros_like();
    let model = Gpt::new(&recipe.model, state, Device::Cpu).unwrap();
    let ids = Tensor::from_slice(&[3i64, 1, 4, 1]).view([1, 4]);
    let loss = tch::no_grad(|| model.loss(&ids, &ids, &Docs::Rows)).double_value(&[]);
    assert!((loss - 64f64.ln()).abs() < 1e-6, "{loss}");
}

/// Bad input: a checkpoint whose thresholds are no numbers, or are of another matrix.
#[test]
fn thresholds_that_are_no_numbers_or_of_another_matrix_are_refused_by_name() {
    let recipe = small(LTC, &[]);
    let mut steps = Steps::new(&recipe, waved(&recipe), Device::Cpu).unwrap();
    steps.prepare(0, 1.0);
    let name = "q2.cuts.blocks.1.cfc.rate.weight";
    let (_, whole) = split_fits(steps.rings.as_ref().unwrap().state());
    let cuts = &whole[name];
    for wrong in [cuts * f64::NAN, cuts * f64::INFINITY, cuts * -1.0, cuts.narrow(0, 0, 7)] {
        let (_, mut fits) = split_fits(steps.rings.as_ref().unwrap().state());
        fits.insert(name.to_owned(), wrong);
        let (model, q2) = (&steps.model, recipe.quant.q2.as_ref().unwrap());
        let error = export(model.params(), model.parameters(), &fits, &recipe.quant, q2).unwrap_err().to_string();
        assert!(
            error.contains("blocks.1.cfc.rate.weight") && error.contains("export an earlier checkpoint"),
            "{error}"
        );
    }
}

/// Bad input: a layer that carries a state, in rows that hold several documents.
#[test]
fn a_layout_whose_state_would_cross_documents_is_refused_with_the_way_out() {
    for (set, said) in [
        ("train.loader=sequential", "training takes rows of the stream as they come"),
        ("eval.documents_apart=false", "set eval.documents_apart = true"),
    ] {
        let error = Recipe::parse(LTC, &[set.to_owned()]).unwrap_err().to_string();
        assert!(error.contains("[model.block.C.cfc]") && error.contains(said), "{error}");
        assert!(Recipe::parse(TRANSFORMER, &[set.to_owned()]).is_ok());
    }
    let error = Recipe::parse(include_str!("../../recipes/q2-liv-small.toml"), &["documents_apart=false".to_owned()]);
    assert!(error.unwrap_err().to_string().contains("[model.block.L.liv]"));
}

//! Quantization-aware training reaches the forward pass, and what it reaches it with is what the export stores. Several
//! records switched theirs on in a place that a compiler had already folded away, so that nothing changed.

use caddie_engine::Recipe;
use caddie_engine::data::Batch;
use caddie_engine::model::{Gpt, initial_state};
use caddie_engine::nn::Docs;
use caddie_engine::quant::{Data, Observed, export};
use caddie_engine::train::{Steps, regime};
use tch::{Device, Kind, Tensor};

/// Rounded from the third of six steps on. The embedding does not move and f16 holds it, so that the export changes
/// nothing but the matrices.
fn recipe(changes: &[String]) -> Recipe {
    let toml = "[model]\nvocab_size = 64\nmodel_dim = 32\nlayout = 'A*2'\n[model.unet]\n\
                [model.block.A.gqa]\nnum_heads = 2\nnum_kv_heads = 1\nq_rank = 8\ninit = 'orthogonal'\n\
                [model.block.A.mlp]\n[optim.adam]\ntied_embed_lr = 0\n\
                [train]\niterations = 6\ntrain_seq_len = 16\ntrain_batch_tokens = 64\ngrad_accum_steps = 2\n\
                max_wallclock_seconds = 0\n[quant]\nkeep_float_max_numel = 200\n[quant.matrix]\nbits = 6\nrow_max = true\n\
                [quant.embedding]\nbits = 16\n[quant.qat]\nqat_start_frac = 0.33\n";
    Recipe::parse(toml, changes).unwrap()
}

fn steps(recipe: &Recipe) -> Steps {
    let mut state = initial_state(&recipe.model, 7).unwrap();
    for (name, tensor) in &mut state {
        if name == "tok_emb.weight" {
            *tensor = (&*tensor * 50.0).to_kind(Kind::Half).to_kind(Kind::Float);
        }
    }
    Steps::new(recipe, state, Device::Cpu).unwrap()
}

fn batches(step: i64) -> Vec<Batch> {
    let ids = |from: i64| (0..32).map(|i| (i * i * 7 + 3 * from + i) % 64).collect();
    (0..2).map(|micro| 10 * step + micro).map(|n| Batch { x: ids(n), y: ids(n + 1), cu_seqlens: None }).collect()
}

/// The loss of each step, and the training after the last one.
fn trained(recipe: &Recipe) -> (Vec<f64>, Steps) {
    let mut steps = steps(recipe);
    let losses = (0..recipe.train.iterations)
        .map(|step| {
            let now = regime(recipe, step, 0.0, false);
            let stepped = steps.step(&recipe.train, batches(step), step, now).unwrap();
            stepped.loss.double_value(&[])
        })
        .collect();
    (losses, steps)
}

#[test]
fn the_forward_pass_changes_at_the_step_at_which_it_begins() {
    let (rounded, _) = trained(&recipe(&[]));
    let (plain, _) = trained(&recipe(&["quant.qat=".to_owned()]));
    assert_eq!(rounded[..2], plain[..2], "before it begins nothing is rounded");
    // The third step begins with the same weights: what differs is the pass itself.
    assert!((rounded[2] - plain[2]).abs() > 1e-4, "{rounded:?} and {plain:?}");
    let (coarser, _) = trained(&recipe(&["quant.matrix.bits=5".to_owned()]));
    assert_ne!(coarser[2], rounded[2]);
}

#[test]
fn the_exported_integers_are_those_that_training_saw() {
    for bits in [5, 6, 7] {
        let recipe = recipe(&[format!("quant.matrix.bits={bits}")]);
        let (_, mut steps) = trained(&recipe);
        // What training sees at these weights, through the pass that the gradients come from.
        let (seen, _) = steps.gradients(&recipe.train, batches(9)).unwrap();
        let model = &steps.model;
        let exported = export(model.params(), model.parameters(), &Observed::default(), &recipe.quant).unwrap();
        let stored = Gpt::new(&recipe.model, exported.dequantize().unwrap(), Device::Cpu).unwrap();
        let loss = |model: &Gpt| {
            let rows = |ids: &[i64]| Tensor::from_slice(ids).view([-1, 16]);
            let losses =
                batches(9).iter().map(|b| model.loss(&rows(&b.x), &rows(&b.y), &Docs::Rows)).collect::<Vec<_>>();
            (&losses[0] * 0.5 + &losses[1] * 0.5).double_value(&[])
        };
        assert_eq!(seen.double_value(&[]), loss(&stored), "{bits} bits: the same weights, bit for bit");
        assert_ne!(seen.double_value(&[]), loss(model), "{bits} bits: and not those that are not rounded");
        let largest = |data: &Data| match data {
            Data::IntRow { q, .. } => q.abs().max().int64_value(&[]),
            _ => 0,
        };
        let reached = exported.tensors.iter().map(|t| largest(&t.data)).max();
        assert_eq!(reached, Some((1 << (bits - 1)) - 1));
    }
}

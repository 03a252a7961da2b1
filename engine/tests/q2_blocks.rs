//! The Q² system's layouts: a layer whose output matrix is zero changes nothing, no state crosses from one document into another,
//! the future changes no bit of the past, and chosen positions are those of the whole pass.

use caddie_engine::Recipe;
use caddie_engine::model::{Extra, Gpt, initial_state, num_parameters};
use caddie_engine::nn::{Docs, Rows, rms_norm};
use tch::{Device, Kind, Tensor};

const LTC: &str = include_str!("../../recipes/q2-ltc-small.toml");
const LIV: &str = include_str!("../../recipes/q2-liv-small.toml");

/// A table of token pairs before the layers.
const PAIRS: [&str; 2] = ["model.bigram.bigram_vocab_size=97", "model.bigram.bigram_dim=16"];

/// Every layout, small: attention and CfC of both kinds, attention and convolutions.
fn recipes() -> Vec<Recipe> {
    let small = |text: &str, more: &[&str]| {
        let set = ["vocab_size=64", "model_dim=32", "num_heads=2", "num_kv_heads=1"];
        Recipe::parse(text, &set.iter().chain(more).map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap()
    };
    vec![
        small(LTC, &[]),
        small(LTC, &["rates=sigmoid", "state_norm=true", "log_dt_init=-3"]),
        small(LIV, &[]),
        small(LTC, &PAIRS),
    ]
}

/// A model whose weights are all away from their start, so that every part shows.
fn waved(recipe: &Recipe) -> Gpt {
    let mut state = initial_state(&recipe.model, 1).unwrap();
    for (index, (_, tensor)) in state.iter_mut().enumerate() {
        let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + index as f64;
        *tensor += wave.sin().view_as(tensor) * 0.1;
    }
    Gpt::new(&recipe.model, state, Device::Cpu).unwrap()
}

fn row(ids: &[i64]) -> Tensor {
    Tensor::from_slice(ids).unsqueeze(0)
}

fn hidden(model: &Gpt, ids: &Tensor, docs: &Docs) -> Tensor {
    tch::no_grad(|| model.hidden(ids, docs, Extra::default()))
}

fn tokens(n: i64) -> Vec<i64> {
    (0..n).map(|i| i * i * 7 % 64).collect()
}

#[test]
fn layers_whose_output_matrix_is_zero_change_no_bit() {
    for recipe in recipes() {
        // The output matrices start at zero.
        let state = initial_state(&recipe.model, 3).unwrap();
        let table = state.iter().find(|(name, _)| name == "tok_emb.weight").unwrap().1.shallow_clone();
        let model = Gpt::new(&recipe.model, state, Device::Cpu).unwrap();
        let ids = row(&tokens(40));
        let x0 = rms_norm(&Tensor::embedding(&table, &ids, -1, false, false));
        assert!(hidden(&model, &ids, &Docs::Rows).equal(&rms_norm(&x0)), "{}", recipe.model.layout.text());
    }
}

#[test]
fn a_document_is_the_same_to_the_bit_whatever_stands_before_it_and_no_gradient_crosses() {
    for recipe in recipes() {
        let model = waved(&recipe);
        let docs = Docs::packed(&[0, 5, 42, 64], Device::Cpu).unwrap();
        let mut ids = tokens(64);
        let middle = hidden(&model, &row(&ids), &docs).narrow(1, 5, 37);
        for (i, id) in ids.iter_mut().enumerate() {
            if !(5..42).contains(&i) {
                *id = 63 - *id;
            }
        }
        assert!(hidden(&model, &row(&ids), &docs).narrow(1, 5, 37).equal(&middle));
        let alone = hidden(&model, &row(&ids[5..42]), &Docs::Rows);
        let off = (alone - middle).abs().max().double_value(&[]);
        assert!(off < 5e-6, "packed and alone differ by {off}");

        // Every position has a row of its own in the table, so the gradient of its rows is that of the positions.
        let table = model.parameters().iter().find(|(name, _)| name == "tok_emb.weight").unwrap().1.shallow_clone();
        let _ = table.set_requires_grad(true);
        let all: Vec<i64> = (0..64).collect();
        let reached = model.hidden(&row(&all), &docs, Extra::default()).narrow(1, 5, 37).sum(Kind::Float);
        let grads = Tensor::run_backward(&[reached], &[table], false, false);
        let moved: Vec<bool> = (0..64).map(|i| grads[0].get(i).abs().max().double_value(&[]) > 0.0).collect();
        assert_eq!(moved, (0..64).map(|i| (5..42).contains(&i)).collect::<Vec<_>>());
    }
}

#[test]
fn another_future_changes_no_bit_of_the_past_and_rows_do_not_see_each_other() {
    for recipe in recipes() {
        let model = waved(&recipe);
        let (a, mut b) = (tokens(50), tokens(50));
        b[30..].iter_mut().for_each(|id| *id = 63 - *id);
        let both = hidden(&model, &Tensor::cat(&[row(&a), row(&b)], 0), &Docs::Rows);
        assert!(both.get(0).narrow(0, 0, 30).equal(&both.get(1).narrow(0, 0, 30)));
        let swapped = hidden(&model, &Tensor::cat(&[row(&b), row(&a)], 0), &Docs::Rows);
        assert!(both.get(0).equal(&swapped.get(1)) && both.get(1).equal(&swapped.get(0)));
    }
}

#[test]
fn chosen_positions_have_the_hidden_states_of_the_whole_pass() {
    for recipe in recipes() {
        let model = waved(&recipe);
        let ids = Tensor::from_slice(&tokens(48)).view([2, 24]);
        let rows = Rows { positions: Tensor::from_slice(&[4i64, 5, 6, 7, 22, 23, 23, 23]).view([2, 4]) };
        let some = tch::no_grad(|| model.hidden(&ids, &Docs::Rows, Extra { only: Some(&rows), ..Extra::default() }));
        let off = (rows.of(&hidden(&model, &ids, &Docs::Rows)) - some).abs().max().double_value(&[]);
        assert!(off < 2e-6, "off by {off}");
    }
}

#[test]
fn the_weight_that_is_tied_is_one_parameter_and_counts_are_those_of_the_formula() {
    // Per layer: attention with its MLP 11⅔·d² (12 heads, 4 of keys and values), CfC 3·d²; a convolution 4·d², its MLP 9·d².
    let of = |text: &str| Recipe::parse(text, &[]).unwrap().model;
    let (ltc, liv) = (of(include_str!("../../recipes/q2-ltc.toml")), of(include_str!("../../recipes/q2-liv.toml")));
    let transformer = of(include_str!("../../recipes/q2-transformer.toml"));
    let d2 = |dim: i64| dim * dim;
    // The table of pairs, its projection and its scale.
    let pairs = |dim: i64| 10_240 * 128 + dim * 128 + 1;
    // Scales of the blocks: two or three vectors and the mix; gains of heads; intervals; taps.
    let ltc_rest = 4 * (4 * 768 + 12) + 12 * (3 * 768 + 768);
    assert_eq!(
        num_parameters(&ltc).unwrap(),
        pairs(768) + 1024 * 768 + 4 * 35 * d2(768) / 3 + 12 * 3 * d2(768) + ltc_rest
    );
    let liv_rest = 6 * (4 * 512 + 8) + 10 * (4 * 512 + 3 * 512);
    assert_eq!(
        num_parameters(&liv).unwrap(),
        pairs(512) + 1024 * 512 + 6 * 12 * d2(512) + 10 * 13 * d2(512) + liv_rest
    );
    assert_eq!(num_parameters(&transformer).unwrap(), pairs(512) + 1024 * 512 + 16 * (12 * d2(512) + 4 * 512 + 8));
    let letters = |m: &caddie_engine::model::ModelRecipe| m.layout.kinds().iter().collect::<String>();
    assert_eq!(letters(&ltc), "GCCCGCCCGCCCGCCC");
    assert_eq!(letters(&liv), "LLGLLGLLGLGLGLGL");
}

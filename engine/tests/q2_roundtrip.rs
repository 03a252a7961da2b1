//! From training with symbols to the file and back: what is trained with is what the file holds, to the bit, and what is wrong
//! with a file is said.

use std::path::Path;
use std::process::Command;

use caddie_engine::model::{Gpt, initial_state};
use caddie_engine::quant::q2::{export, split_fits};
use caddie_engine::quant::{QuantizedModel, container};
use caddie_engine::train::Steps;
use caddie_engine::{Recipe, Result};
use tch::{Device, Kind, Tensor};

fn recipe(more: &[&str]) -> Recipe {
    let set = ["vocab_size=64", "model_dim=32", "num_heads=2", "num_kv_heads=1", "refresh_every=2"];
    let set: Vec<String> = set.iter().chain(more).map(|s| (*s).to_owned()).collect();
    Recipe::parse(include_str!("../../recipes/q2-ltc-small.toml"), &set).unwrap()
}

/// Steps whose weights are all away from zero.
fn steps(recipe: &Recipe) -> Steps {
    let mut state = initial_state(&recipe.model, 1).unwrap();
    for (index, (_, tensor)) in state.iter_mut().enumerate() {
        let wave = Tensor::arange(tensor.numel() as i64, (Kind::Float, Device::Cpu)) * 0.7 + index as f64;
        *tensor += wave.sin().view_as(tensor) * 0.1;
    }
    Steps::new(recipe, state, Device::Cpu).unwrap()
}

fn exported(steps: &Steps, recipe: &Recipe) -> Result<QuantizedModel> {
    let (model, rings) = (&steps.model, steps.rings.as_ref().unwrap());
    let (_, fits) = split_fits(rings.state());
    export(model.params(), model.parameters(), &fits, &recipe.quant, recipe.quant.q2.as_ref().unwrap())
}

/// The parameters whose names end as those of matrices of the blocks do.
fn matrices(model: &Gpt) -> Vec<(String, Tensor)> {
    let all = model.parameters().iter().filter(|(name, _)| name.starts_with("blocks.") && name.ends_with(".weight"));
    all.map(|(name, t)| (name.clone(), t.detach().copy())).collect()
}

#[test]
fn the_weights_of_a_file_are_those_that_were_trained_with_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for more in [
        &["quant.q2.alphabets=z4"][..],
        &["quant.q2.alphabets=z8*3 z12*3 z16 codon3"],
        &["quant.q2.z4_levels=row_fit", "quant.q2.group_cols=16"],
        &["quant.q2.z4_levels=unit", "quant.q2.thresholds=row_q75_abs"],
        &["quant.q2.range_coded=true", "quant.q2.thresholds=lloyd_max", "quant.q2.z4_levels=lloyd_max"],
        &["model.bigram.bigram_vocab_size=48", "model.bigram.bigram_dim=16", "quant.q2.bigram=z16"],
    ] {
        let recipe = recipe(more);
        let mut steps = steps(&recipe);
        steps.prepare(0, 1.0);
        // Weights go on after the thresholds were chosen: the file must hold the thresholds of training, not new ones.
        for (_, weight) in steps.model.parameters() {
            let _ = tch::no_grad(|| weight.shallow_clone().g_mul_scalar_(1.1));
        }
        steps.prepare(1, 1.0);
        let path = folder.path().join("model.q2bn");
        container::write(&path, &exported(&steps, &recipe).unwrap(), &recipe).unwrap();
        let (read, stated) = container::read(&path).unwrap();
        assert_eq!(stated, recipe);
        let state = read.dequantize().unwrap();
        for (name, acting) in matrices(steps.acting()) {
            let (_, stored) = state.iter().find(|(other, _)| *other == name).unwrap();
            assert!(stored.equal(&acting), "{name} under {more:?}");
        }
    }
}

#[test]
fn the_table_of_pairs_takes_an_alphabet_of_its_own_in_training_and_in_the_file_or_stays_in_f16() {
    let pairs = ["model.bigram.bigram_vocab_size=48", "model.bigram.bigram_dim=16"];
    for (more, distinct) in [(Some("quant.q2.bigram=z16"), true), (None, false)] {
        let recipe = recipe(&pairs.into_iter().chain(more).collect::<Vec<_>>());
        let mut steps = steps(&recipe);
        steps.prepare(0, 1.0);
        let (_, table) = steps.acting().parameters().iter().find(|(name, _)| name == "bigram.embed.weight").unwrap();
        let first: Vec<f32> = Vec::try_from(table.get(0).detach()).unwrap();
        let model = exported(&steps, &recipe).unwrap().dequantize().unwrap();
        let (_, stored) = model.iter().find(|(name, _)| name == "bigram.embed.weight").unwrap();
        assert_eq!(Vec::<f32>::try_from(stored.get(0)).unwrap() == first, distinct);
        assert!(stored.get(0).allclose(&table.get(0), 1e-3, 1e-5, false));
    }
}

#[test]
fn a_change_that_flips_no_symbol_changes_nothing_that_acts_and_looking_changes_no_threshold() {
    let recipe = recipe(&[]);
    let mut steps = steps(&recipe);
    steps.prepare(0, 1.0);
    let before = matrices(steps.acting());
    for (name, weight) in steps.model.parameters() {
        if name.ends_with("weight") && name.starts_with("blocks.") {
            let _ = tch::no_grad(|| weight.shallow_clone().g_mul_scalar_(1.0 + 1e-7));
        }
    }
    for _ in 0..5 {
        steps.prepare(0, 1.0);
    }
    let flipped: f64 = before
        .iter()
        .zip(matrices(steps.acting()))
        .map(|((_, a), (_, b))| a.ne_tensor(&b).sum(Kind::Double).double_value(&[]))
        .sum();
    assert!(flipped <= 2.0, "{flipped} weights act otherwise");
}

#[test]
fn layers_take_their_alphabets_in_the_order_of_the_recipe() {
    let begins = |more: &[&str]| {
        let recipe = recipe(more);
        caddie_engine::train::rings::activations(&recipe.model, recipe.quant.q2.as_ref().unwrap())
    };
    let close = |found: Vec<f64>, expected: [f64; 8]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
    };
    close(begins(&[]), [0.625, 0.55, 0.475, 0.4, 0.325, 0.25, 0.175, 0.1]);
    close(begins(&["order=shallow_first"]), [0.1, 0.175, 0.25, 0.325, 0.4, 0.475, 0.55, 0.625]);
    // Attention is in layers 0 and 4.
    close(begins(&["order=cfc_first"]), [0.625, 0.475, 0.4, 0.325, 0.55, 0.25, 0.175, 0.1]);
    close(begins(&["order=gqa_first"]), [0.175, 0.625, 0.55, 0.475, 0.1, 0.4, 0.325, 0.25]);
    close(begins(&["order=all_at_once"]), [0.1; 8]);

    let recipe = recipe(&["quant.q2.start=z16"]);
    let mut steps = steps(&recipe);
    assert_eq!(steps.prepare(0, 0.0).len(), 8);
    assert_eq!(steps.prepare(1, 0.1), ["q2:layer 7 in z4 from step:1 frac:0.100"]);
    assert_eq!(steps.prepare(2, 1.0).len(), 7);
}

#[test]
fn a_row_of_zeros_and_weights_that_are_no_numbers_are_refused_by_name() {
    let recipe = recipe(&[]);
    for (value, said) in [(0.0, "row 3 is all zeros"), (f64::NAN, "NaN")] {
        let mut steps = steps(&recipe);
        steps.prepare(0, 1.0);
        let (_, weight) = steps.model.parameters().iter().find(|(n, _)| n == "blocks.1.cfc.rate.weight").unwrap();
        let _ = tch::no_grad(|| weight.get(3).fill_(value));
        let error = exported(&steps, &recipe).unwrap_err().to_string();
        assert!(error.contains("blocks.1.cfc.rate.weight") && error.contains(said), "{error}");
    }
}

fn written(folder: &Path) -> (std::path::PathBuf, Recipe, Steps) {
    let recipe = recipe(&["quant.q2.alphabets=z4*4 z8*2 z12*2"]);
    let mut steps = steps(&recipe);
    steps.prepare(0, 1.0);
    let path = folder.join("model.q2bn");
    container::write(&path, &exported(&steps, &recipe).unwrap(), &recipe).unwrap();
    (path, recipe, steps)
}

#[test]
fn damaged_files_are_refused_with_their_name_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ..) = written(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let mut version = whole.clone();
    version[4] = 9;
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for (bytes, said) in [
        (whole[..whole.len() - 9].to_vec(), "not a whole Q2BN file"),
        (version, "it is of version 9; versions 2 and 3 are read"),
        (altered, "not a whole Q2BN file"),
        ([whole.as_slice(), b"x"].concat(), "1 bytes follow its end"),
        (b"Q2BN\x02".to_vec(), "without a recipe"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = container::read(&path).unwrap_err().to_string();
        assert!(error.contains("model.q2bn") && error.contains(said), "{error}");
    }
}

#[test]
fn an_independent_reader_in_python_reads_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _, steps) = written(folder.path());
    // Its body is uncompressed for the reader, which knows the standard library alone.
    let mut file = caddie_format::q2::file::read(&std::fs::read(&path).unwrap()).unwrap();
    file.tensors.retain(|tensor| tensor.name.starts_with("blocks.") && tensor.name.ends_with(".weight"));
    std::fs::write(&path, caddie_format::q2::file::write(&file, Default::default()).unwrap()).unwrap();
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/read_q2bn.py");
    let Ok(output) = Command::new("python3").arg(reader).arg(&path).output() else {
        println!("skipped: there is no python3 to read the file with");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = 0;
    for (line, (name, acting)) in text.lines().zip(matrices(steps.acting())) {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some(name.as_str()));
        let read: Vec<f32> = words.map(|word| word.parse().unwrap()).collect();
        assert_eq!(read, Vec::<f32>::try_from(acting.view([-1])).unwrap(), "{name}");
        lines += 1;
    }
    assert_eq!(lines, file.tensors.len());
}

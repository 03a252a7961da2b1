//! Golden vectors and properties of the quantizer (docs/spec/q2.md#golden-vectors).

use caddie_engine::quant::q2::{Fit, SMALLEST_SCALE, fit};
use caddie_engine::recipe::{Q2Recipe, TauRule};
use caddie_format::q2::{Alphabet, LevelTable};
use tch::{Device, Kind, Tensor};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn recipe(thresholds: TauRule) -> Q2Recipe {
    Q2Recipe { thresholds, ..Q2Recipe::default() }
}

fn alphabet(name: &str) -> Alphabet {
    name.parse().unwrap()
}

/// A Gaussian row `[rows, cols]` by the quantile function at equally spaced probabilities, in another order in each row.
fn gaussian(rows: i64, cols: i64) -> Tensor {
    let p = (Tensor::arange(cols, CPU) + 0.5) / cols as f64;
    let row = (p * 2.0 - 1.0).erfinv() * std::f64::consts::SQRT_2;
    let rows: Vec<Tensor> = (0..rows).map(|r| row.roll([r * 7], [0])).collect();
    Tensor::stack(&rows, 0)
}

fn f32s(t: &Tensor) -> Vec<f32> {
    Vec::try_from(t.contiguous().view([-1])).unwrap()
}

fn symbols_of(fit: &Fit, w: &Tensor) -> Vec<i64> {
    Vec::try_from(fit.symbols(w).view([-1])).unwrap()
}

/// The share of each symbol.
fn masses(fit: &Fit, w: &Tensor) -> Vec<f64> {
    let (symbols, total) = (fit.symbols(w), w.numel() as f64);
    (0..fit.alphabet.size() as i64).map(|s| symbols.eq(s).sum(Kind::Double).double_value(&[]) / total).collect()
}

#[test]
fn the_golden_row_has_its_symbols_values_and_window_and_ties_go_down() {
    let w = Tensor::from_slice(&[-1.0f32, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0]).view([1, 8]);
    let tau = Tensor::from_slice(&[0.6f32]).view([1, 1]);
    let fit = Fit { alphabet: Alphabet::Z4, table: LevelTable::Mid, scales: tau.copy(), cuts: tau };
    assert_eq!(symbols_of(&fit, &w), [0, 1, 1, 1, 2, 2, 3, 3]);
    let values = f32s(&fit.quantized(&w));
    for (value, expected) in values.iter().zip([-0.9, -0.3, -0.3, -0.3, 0.3, 0.3, 0.9, 0.9]) {
        assert!((value - expected).abs() < 1e-6);
    }
    let window = fit.window(&w, 3.0).unwrap();
    assert_eq!(Vec::<bool>::try_from(window.view([-1])).unwrap(), [true, true, true, true, true, true, true, false]);
    assert!(fit.window(&w, 0.0).is_none());
    let ties = Tensor::from_slice(&[-0.6f32, 0.6, 0.0, 0.3]).view([1, 4]);
    assert_eq!(symbols_of(&fit, &ties), [0, 2, 1, 2]);
}

#[test]
fn equiprobable_cells_have_equal_masses_and_the_quantile_that_the_codes_take_does_not() {
    let w = gaussian(1, 100_000);
    for mass in masses(&fit(&w, Alphabet::Z4, &recipe(TauRule::Equiprobable)), &w) {
        assert!((mass - 0.25).abs() < 0.005, "{mass}");
    }
    // The 0.75 quantile of |w| leaves an eighth in each outer cell (docs/spec/q2.md#thresholds).
    let found = masses(&fit(&w, Alphabet::Z4, &recipe(TauRule::RowQ75Abs)), &w);
    for (mass, expected) in found.iter().zip([0.125, 0.375, 0.375, 0.125]) {
        assert!((mass - expected).abs() < 0.005, "{found:?}");
    }
    for name in ["z8", "z12", "z16", "codon2"] {
        let alphabet = alphabet(name);
        let found = masses(&fit(&w, alphabet, &recipe(TauRule::Equiprobable)), &w);
        assert!(found.iter().all(|mass| (mass * alphabet.size() as f64 - 1.0).abs() < 0.03), "{name}: {found:?}");
    }
}

#[test]
fn every_rule_gives_the_threshold_that_its_formula_says() {
    let w = gaussian(2, 40_000);
    let n = 40_000f64;
    for (rule, expected) in [
        (TauRule::Equiprobable, 0.674_49),
        (TauRule::Gaussian, 0.674_49),
        (TauRule::SignedQuartiles, 0.674_49),
        (TauRule::RowQ75Abs, 1.150_35),
        (TauRule::ScalarMeanQ75Abs, 1.150_35),
        (TauRule::LloydMax, 0.981_60),
        (TauRule::Uniform, 0.995_7),
        (TauRule::Analytic, 0.674_49 / n.sqrt()),
    ] {
        let cut = fit(&w, Alphabet::Z4, &recipe(rule)).cuts.double_value(&[1, 0]);
        assert!((cut / expected - 1.0).abs() < 2e-3, "{rule:?}: {cut}");
    }
    let sigma = Q2Recipe { tau_sigmas: Some(0.9816), ..recipe(TauRule::Sigma) };
    assert!((fit(&w, Alphabet::Z4, &sigma).cuts.double_value(&[0, 0]) - 0.9816).abs() < 2e-3);
}

#[test]
fn thresholds_follow_each_row_and_are_f16() {
    let w = gaussian(3, 2048) * Tensor::from_slice(&[1.0f32, 10.0, 100.0]).view([3, 1]);
    for rule in [TauRule::Equiprobable, TauRule::RowQ75Abs] {
        let scales = fit(&w, Alphabet::Z4, &recipe(rule)).scales;
        assert_eq!(scales.size(), [3, 1]);
        let [a, b, c] = [0, 1, 2].map(|row| scales.double_value(&[row, 0]));
        assert!((b / a - 10.0).abs() < 0.02 && (c / a - 100.0).abs() < 0.2);
        assert!(scales.to_kind(Kind::Half).to_kind(Kind::Float).equal(&scales));
    }
    // One number for all rows, as one of the codes has it, fits none of them.
    let scales = fit(&w, Alphabet::Z4, &recipe(TauRule::ScalarMeanQ75Abs)).scales;
    assert_eq!(scales.double_value(&[0, 0]), scales.double_value(&[2, 0]));
}

#[test]
fn groups_of_columns_have_scales_of_their_own() {
    let w = Tensor::cat(&[gaussian(2, 64), gaussian(2, 64) * 8.0], 1);
    let grouped = Q2Recipe { group_cols: 64, ..Q2Recipe::default() };
    let fit = fit(&w, Alphabet::Z4, &grouped);
    assert_eq!((fit.scales.size(), fit.symbols(&w).size()), (vec![4, 1], vec![2, 128]));
    assert!((fit.scales.double_value(&[1, 0]) / fit.scales.double_value(&[0, 0]) - 8.0).abs() < 0.02);
    assert_eq!(fit.quantized(&w).size(), [2, 128]);
}

#[test]
fn errors_of_gaussian_rows_are_those_of_the_reference_table() {
    let w = gaussian(1, 200_000);
    let nmse = |name: &str, q2: &Q2Recipe| {
        let quantized = fit(&w, alphabet(name), q2).quantized(&w);
        ((quantized - &w).square().mean(Kind::Double) / w.square().mean(Kind::Double)).double_value(&[])
    };
    let z4 = |thresholds, z4_levels| nmse("z4", &Q2Recipe { thresholds, z4_levels, ..Q2Recipe::default() });
    for (found, expected) in [
        (z4(TauRule::Equiprobable, LevelTable::Mid), 0.17316),
        (z4(TauRule::Equiprobable, LevelTable::Unit), 0.31750),
        (z4(TauRule::Equiprobable, LevelTable::Third), 0.32240),
        (z4(TauRule::Equiprobable, LevelTable::Centroid), 0.13944),
        (z4(TauRule::Equiprobable, LevelTable::RowFit), 0.13944),
        (z4(TauRule::RowQ75Abs, LevelTable::Mid), 0.12742),
        (z4(TauRule::LloydMax, LevelTable::LloydMax), 0.11748),
        (z4(TauRule::Uniform, LevelTable::Uniform), 0.11885),
        (nmse("z8", &recipe(TauRule::Equiprobable)), 0.0550),
        (nmse("z12", &recipe(TauRule::Equiprobable)), 0.0323),
        (nmse("z16", &recipe(TauRule::Equiprobable)), 0.0222),
    ] {
        assert!((found - expected).abs() < 2e-3, "{found} is not {expected}");
    }
}

#[test]
fn wider_rings_refine_z4_and_values_per_row_are_as_many_as_the_ring_has() {
    let w = gaussian(2, 4096);
    let of = |name: &str| fit(&w, alphabet(name), &recipe(TauRule::Equiprobable)).symbols(&w);
    let z4 = of("z4");
    for (name, merged) in [("z8", 2), ("z12", 3), ("z16", 4), ("codon3", 16)] {
        assert!(of(name).divide_scalar_mode(merged, "floor").equal(&z4), "{name}");
        let row = fit(&w, alphabet(name), &recipe(TauRule::Equiprobable)).quantized(&w).get(0);
        let values = row.unique_dim(0, true, false, false).0.numel();
        assert_eq!(values, alphabet(name).size(), "{name}");
    }
    assert!(of("z16").divide_scalar_mode(2, "floor").equal(&of("z8")));
}

#[test]
fn negation_mirrors_symbols_scaling_keeps_them_and_mid_is_idempotent() {
    // An odd number of columns keeps the median off the weights themselves, where ties would decide.
    let w = gaussian(1, 512) * 0.3 + 1e-3;
    let one = fit(&w, Alphabet::Z4, &recipe(TauRule::Equiprobable));
    let symbols = one.symbols(&w);
    let mirrored: Tensor = 3 - one.symbols(&w.neg());
    assert!(mirrored.equal(&symbols));
    let four = Fit { scales: &one.scales * 4.0, cuts: &one.cuts * 4.0, ..fit(&w, Alphabet::Z4, &Q2Recipe::default()) };
    assert!(four.quantized(&(&w * 4.0)).equal(&(one.quantized(&w) * 4.0)));
    let quantized = one.quantized(&w);
    assert!(one.quantized(&quantized).equal(&quantized));
    // With Unit levels the outer one is τ itself, which is not above τ: quantizing again changes it.
    let unit = Fit { table: LevelTable::Unit, ..fit(&w, Alphabet::Z4, &Q2Recipe::default()) };
    let quantized = unit.quantized(&w);
    assert!(!unit.quantized(&quantized).equal(&quantized));
}

#[test]
fn the_estimators_gradient_is_that_of_autograds_form_to_the_last_bit() {
    let w = (gaussian(2, 256) * 0.5).set_requires_grad(true);
    let fit = fit(&w, Alphabet::Z4, &recipe(TauRule::RowQ75Abs));
    let window = fit.window(&w.detach(), 1.5).unwrap().to_kind(Kind::Float);
    let acting = fit.quantized(&w.detach());
    // The stop-gradient form: the value is the quantized one, the gradient that of the window.
    let estimator = (&acting - &window * &w).detach() + &window * &w;
    let weights = (Tensor::arange(512, CPU) * 0.37).cos().view([2, 256]);
    let loss = (&estimator * &weights).sum(Kind::Float);
    let autograd = &Tensor::run_backward(&[loss], &[&w], false, false)[0];
    // Training differentiates for the acting weights and multiplies by the window.
    assert!(autograd.equal(&(&weights * &window)));
    assert!(window.sum(Kind::Float).double_value(&[]) < 512.0);
}

#[test]
fn a_row_of_zeros_trains_and_a_matrix_of_one_has_finite_values() {
    let w = Tensor::cat(&[Tensor::zeros([1, 64], CPU), gaussian(1, 64)], 0);
    for table in [LevelTable::Mid, LevelTable::RowFit] {
        let q2 = Q2Recipe { z4_levels: table, ..Q2Recipe::default() };
        let fit = fit(&w, Alphabet::Z4, &q2);
        assert_eq!(fit.cuts.double_value(&[0, 0]), SMALLEST_SCALE);
        assert!(bool::try_from(fit.quantized(&w).isfinite().all()).unwrap());
    }
}

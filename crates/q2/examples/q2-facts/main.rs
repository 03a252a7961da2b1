//! Measures those claims of the Q² system that need no training, and what trained model files hold: docs/q2/facts.json.
//!
//! ```sh
//! cargo run -p caddie-q2 --example q2-facts -- MODEL.q2bn… > docs/q2/facts.json
//! ```
//!
//! Every number is drawn from a fixed seed, so the same command gives the same file.

mod distances;
mod gaussian;
mod rows;
mod trained;
mod words;

use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let models: Vec<String> = std::env::args().skip(1).collect();
    let facts = json!({
        "rows": rows::facts()?,
        "distances": distances::facts(),
        "words": words::facts(),
        "arithmetic": arithmetic(),
        "trained": models.iter().map(|path| trained::facts(path)).collect::<Result<Vec<_>, _>>()?,
    });
    println!("{}", serde_json::to_string_pretty(&facts)?);
    Ok(())
}

/// The sources' arithmetic, computed anew.
fn arithmetic() -> serde_json::Value {
    // Peak of eight H100s in ten minutes, and the bits of the square-root simulation of so many steps.
    let steps: f64 = 8.0 * 989e12 * 600.0;
    let space = (steps * steps.log2()).sqrt();
    // The loss term of the fitted law in parameters: 406.4 / N^0.34 of 40 and of 64 million.
    let term = |parameters: f64| 406.4 / parameters.powf(0.34);
    json!({
        "flop": steps,
        "space_bits": space,
        "artifact_share": 128e6 / space,
        "two_bit_weights": 128e6 / 2.0,
        "run_capacity_bits": 4.0 * (2.0 + 3.0 * 3f64.log2()),
        "key_bits": 2.0 + 31.0 * 3f64.log2(),
        "loss_of_more_parameters_nats": term(24e6) - term(64e6),
    })
}
